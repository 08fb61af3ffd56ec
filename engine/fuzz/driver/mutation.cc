#include "engine/fuzz/driver/mutation.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>

#include "engine/fuzz/driver/target.h"

namespace fuzzing {
namespace {

constexpr std::size_t kPieceBytesMax = 16;
constexpr std::size_t kChangesMax = 4;
/// Where lengths and counts turn over.
constexpr std::array<std::uint8_t, 6> kEdges = {0, 1, 0x7F, 0x80, 0xFE, 0xFF};

std::size_t below(std::mt19937_64& random, std::size_t count) {
  return static_cast<std::size_t>(random() % count);
}

std::ptrdiff_t place_in(std::mt19937_64& random, const Bytes& bytes) {
  return static_cast<std::ptrdiff_t>(below(random, bytes.size() + 1));
}

/// Up to kPieceBytesMax bytes from anywhere.
ByteSpan piece_of(std::mt19937_64& random, ByteSpan bytes) {
  const std::size_t begin = below(random, bytes.size() + 1);
  const std::size_t count = std::min(1 + below(random, kPieceBytesMax), bytes.size() - begin);
  return bytes.subspan(begin, count);
}

void change_byte(Bytes& bytes, std::mt19937_64& random) {
  if (bytes.empty()) {
    return;
  }
  std::byte& byte = bytes[below(random, bytes.size())];
  switch (below(random, 3)) {
    case 0:
      byte ^= std::byte{1} << below(random, std::numeric_limits<std::uint8_t>::digits);
      break;
    case 1:
      byte = static_cast<std::byte>(random());
      break;
    default:
      byte = std::byte{kEdges[below(random, kEdges.size())]};
      break;
  }
}

void insert(Bytes& bytes, ByteSpan piece, std::mt19937_64& random) {
  const Bytes copy(piece.begin(), piece.end());  // It may be a piece of `bytes`.
  bytes.insert(bytes.begin() + place_in(random, bytes), copy.begin(), copy.end());
}

void erase(Bytes& bytes, std::mt19937_64& random) {
  const auto begin = place_in(random, bytes);
  const auto count = std::min<std::ptrdiff_t>(
      static_cast<std::ptrdiff_t>(1 + below(random, kPieceBytesMax)), std::ssize(bytes) - begin);
  bytes.erase(bytes.begin() + begin, bytes.begin() + begin + count);
}

}  // namespace

Bytes mutated(ByteSpan input, ByteSpan other, std::mt19937_64& random) {
  Bytes bytes(input.begin(), input.end());
  for (std::size_t left = 1 + below(random, kChangesMax); left > 0; --left) {
    switch (below(random, 6)) {
      case 0:
        erase(bytes, random);
        break;
      case 1:
        insert(bytes, piece_of(random, bytes), random);
        break;
      case 2:
        insert(bytes, piece_of(random, other), random);
        break;
      default:
        change_byte(bytes, random);
        break;
    }
  }
  return bytes;
}

}  // namespace fuzzing
