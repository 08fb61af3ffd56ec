// The bytes of a fuzzer as choices. Behind the end every choice is 0, so that a short input means
// something and what is cut off changes only the end.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "engine/fuzz/driver/target.h"

namespace fuzzing {

class Input {
 public:
  explicit Input(ByteSpan bytes) : rest_(bytes) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  [[nodiscard]] ByteSpan rest() const { return rest_; }
  /// Up to `count` bytes.
  ByteSpan take(std::size_t count) {
    const ByteSpan taken = rest_.first(std::min(count, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  T read() {
    std::array<std::byte, sizeof(T)> bytes{};
    std::ranges::copy(take(sizeof(T)), bytes.begin());
    T value;
    std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  /// 0 .. count - 1, of one byte; `count`: 1 .. 256.
  std::size_t pick(std::size_t count) { return read<std::uint8_t>() % count; }
  bool flag() { return (read<std::uint8_t>() & 1U) != 0; }
  /// Small ones most often, else from around a power of two, the greatest, or any.
  std::uint64_t number() {
    constexpr std::uint8_t kSmallMax = 0xDF;
    const auto byte = read<std::uint8_t>();
    if (byte <= kSmallMax) {
      return byte;
    }
    switch (byte % 4) {
      case 0:
        return read<std::uint16_t>();
      case 1:
        return (std::uint64_t{1} << pick(std::numeric_limits<std::uint64_t>::digits)) +
               read<std::uint8_t>() - 1;
      case 2:
        return std::numeric_limits<std::uint64_t>::max() - read<std::uint8_t>();
      default:
        return read<std::uint64_t>();
    }
  }

 private:
  ByteSpan rest_;
};

}  // namespace fuzzing
