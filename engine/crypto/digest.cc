#include "engine/crypto/digest.h"

#include <limits>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/openssl_support.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

Result<Digest> sha256(base::ByteSpan bytes) {
  Digest digest{};
  unsigned int count = 0;
  if (EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()),
                 &count, EVP_sha256(), nullptr) != 1 ||
      count != digest.size()) {
    return openssl_failure("SHA-256");
  }
  return digest;
}

Result<Digest> hmac_sha256(base::ByteSpan key, base::ByteSpan message) {
  DB_CHECK(key.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  Digest digest{};
  unsigned int count = 0;
  const auto* const made =
      HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(message.data()), message.size(),
           reinterpret_cast<unsigned char*>(digest.data()), &count);
  if (made == nullptr || count != digest.size()) {
    return openssl_failure("HMAC-SHA256");
  }
  return digest;
}

}  // namespace pluresdb::crypto
