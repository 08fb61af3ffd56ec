#include "engine/crypto/random.h"

#include <limits>

#include <openssl/rand.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/openssl_support.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

Status fill(base::MutableByteSpan out, int (*generator)(unsigned char*, int)) {
  DB_CHECK(out.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()));
  auto* const first = reinterpret_cast<unsigned char*>(out.data());
  if (generator(first, static_cast<int>(out.size())) != 1) {
    return openssl_failure("get random bytes");
  }
  return {};
}

}  // namespace

Status fill_with_random(base::MutableByteSpan out) { return fill(out, RAND_bytes); }

Status fill_with_key_material(base::MutableByteSpan out) { return fill(out, RAND_priv_bytes); }

}  // namespace pluresdb::crypto
