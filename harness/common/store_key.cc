#include "harness/common/store_key.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include <fmt/core.h>

#include "harness/common/payload.h"

namespace soak {
namespace {

// Keeps the key apart from the payloads, which come of the same seed.
constexpr std::uint64_t kPurpose = 0x73746f72'656b6579ULL;

}  // namespace

StoreKey store_key(std::uint64_t seed) {
  StoreKey key;
  for (std::size_t at = 0; at < key.size(); at += sizeof(std::uint64_t)) {
    const std::uint64_t word = mix64(mix64(seed, kPurpose), at);
    std::memcpy(key.data() + at, &word, sizeof(word));
  }
  return key;
}

std::string store_key_text(std::uint64_t seed) {
  std::string text;
  for (const std::byte byte : store_key(seed)) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
  }
  return text;
}

}  // namespace soak
