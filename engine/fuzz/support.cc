#include "engine/fuzz/support.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <utility>

#include "engine/base/bytes.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/fuzz/driver/input.h"

namespace pluresdb::fuzz {
namespace {

constexpr std::size_t kChangedBytesMax = 32;

/// Near one of the places, or anywhere.
std::size_t place_of_change(Input& input, std::span<const std::uint64_t> places,
                            std::size_t bytes) {
  constexpr std::size_t kPlacesMax = 255;
  const std::size_t chosen = input.pick(std::min(places.size(), kPlacesMax) + 1);
  if (chosen >= places.size()) {
    return input.read<std::uint32_t>() % (bytes + 1);
  }
  const auto delta = input.read<std::uint8_t>();
  return std::min<std::size_t>(static_cast<std::size_t>(places[chosen]) + delta, bytes);
}

}  // namespace

const crypto::MasterKeys& fixed_keys() {
  static const crypto::MasterKeys keys = [] {
    std::map<crypto::Generation, crypto::SecretBytes> by_generation;
    for (crypto::Generation generation = 1; generation <= 2; ++generation) {
      std::array<std::byte, 32> key{};
      key.fill(static_cast<std::byte>(generation));
      by_generation.emplace(generation,
                            must_give(crypto::SecretBytes::copy_of(key), "a key of 32 bytes"));
    }
    crypto::StoreId store{};
    store.fill(std::byte{7});
    return crypto::MasterKeys(store, 3, std::move(by_generation));
  }();
  return keys;
}

void change(Input& input, std::span<const std::uint64_t> places, Bytes& bytes) {
  const std::size_t kind = input.pick(8);
  const std::size_t at = place_of_change(input, places, bytes.size());
  const std::size_t count = std::min(1 + input.pick(kChangedBytesMax), bytes.size() - at);
  const auto part = base::MutableByteSpan(bytes).subspan(at, count);
  switch (kind) {
    case 0:
      bytes.resize(at);
      break;
    case 1: {
      const auto more = input.take(kChangedBytesMax);
      bytes.insert(bytes.end(), more.begin(), more.end());
      break;
    }
    case 2:
      std::ranges::fill(part, std::byte{0});
      break;
    case 3: {
      const std::size_t from = place_of_change(input, places, bytes.size());
      const std::size_t copied = std::min(count, bytes.size() - from);
      const Bytes copy(bytes.begin() + static_cast<std::ptrdiff_t>(from),
                       bytes.begin() + static_cast<std::ptrdiff_t>(from + copied));
      std::ranges::copy(copy, part.begin());
      break;
    }
    case 4: {
      if (count > 0) {
        part.front() ^= static_cast<std::byte>(1U << input.pick(8));
      }
      break;
    }
    default: {
      const auto replacement = input.take(count);
      std::ranges::copy(replacement, part.begin());
      break;
    }
  }
}

}  // namespace pluresdb::fuzz
