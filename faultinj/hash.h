// Seeded decisions without a shared random number generator.
#pragma once

#include <cstdint>

namespace faultinj {

/// Every bit of the result depends on every bit of both numbers (the finaliser of SplitMix64, by
/// Steele, Lea and Flood, applied twice).
constexpr std::uint64_t mix(std::uint64_t seed, std::uint64_t value) {
  constexpr auto kFinish = [](std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    return x ^ (x >> 31);
  };
  constexpr std::uint64_t kGolden = 0x9E3779B97F4A7C15ULL;
  return kFinish(kFinish(seed + kGolden) ^ (value + kGolden));
}

}  // namespace faultinj
