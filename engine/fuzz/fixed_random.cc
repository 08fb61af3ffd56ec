#include "engine/fuzz/fixed_random.h"

#include <algorithm>
#include <cstdint>
#include <random>

namespace {

std::mt19937_64& fixed_numbers() {
  static std::mt19937_64 numbers(1);
  return numbers;
}

}  // namespace

// Found before those of libcrypto.
// NOLINTBEGIN(readability-identifier-naming): the names are OpenSSL's.
extern "C" int RAND_bytes(unsigned char* out, int count) {
  std::generate_n(out, count, [] { return static_cast<unsigned char>(fixed_numbers()()); });
  return 1;
}
extern "C" int RAND_priv_bytes(unsigned char* out, int count) { return RAND_bytes(out, count); }
// NOLINTEND(readability-identifier-naming)

namespace pluresdb::fuzz {

void restart_random(std::uint64_t seed) { fixed_numbers().seed(seed); }

}  // namespace pluresdb::fuzz
