// The key of a run's encrypted store: a test key that anybody can derive from the seed, so that
// whoever opens the store of a run (each worker, the examiner of a crash image, a person) has the
// same one.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace soak {

inline constexpr std::size_t kStoreKeyBytes = 32;
using StoreKey = std::array<std::byte, kStoreKeyBytes>;

StoreKey store_key(std::uint64_t seed);

/// As the tools take it with --password-file: 64 hexadecimal digits.
std::string store_key_text(std::uint64_t seed);

}  // namespace soak
