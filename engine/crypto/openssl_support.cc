#include "engine/crypto/openssl_support.h"

#include <array>
#include <expected>
#include <string>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

/// OpenSSL cleans up when the process exits, unless it is told otherwise before anything else; but
/// threads of RocksDB, which decrypt, end only after that.
[[maybe_unused]] const int kStays = OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);

}  // namespace

std::unexpected<Error> openssl_failure(const char* operation) {
  std::string context = operation;
  for (auto code = ERR_get_error(); code != 0; code = ERR_get_error()) {
    constexpr std::size_t kMessageBytesMax = 256;  // OpenSSL's own advice.
    std::array<char, kMessageBytesMax> message{};
    ERR_error_string_n(code, message.data(), message.size());
    context += std::string(": ") + message.data();
  }
  return fail(ErrorCode::kKeyUnavailable, std::move(context));
}

void forget_openssl_errors() { ERR_clear_error(); }

}  // namespace pluresdb::crypto
