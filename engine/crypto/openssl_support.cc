#include "engine/crypto/openssl_support.h"

#include <array>
#include <expected>
#include <string>

#include <openssl/err.h>

#include <pluresdb/error.h>

namespace pluresdb::crypto {

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
