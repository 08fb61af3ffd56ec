// Little-endian numbers in byte spans: bounds-checked reading, appending and in-place writing.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "engine/base/check.h"

namespace pluresdb::base {

static_assert(std::endian::native == std::endian::little, "on-disk numbers are little-endian");

using ByteSpan = std::span<const std::byte>;
using MutableByteSpan = std::span<std::byte>;

inline ByteSpan as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

template <typename T>
  requires std::is_trivially_copyable_v<T>
T load(ByteSpan bytes, std::size_t offset) {
  DB_CHECK(offset <= bytes.size() && sizeof(T) <= bytes.size() - offset);
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
  requires std::is_trivially_copyable_v<T>
void store(MutableByteSpan bytes, std::size_t offset, const T& value) {
  DB_CHECK(offset <= bytes.size() && sizeof(T) <= bytes.size() - offset);
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

template <typename T>
  requires std::is_trivially_copyable_v<T>
void append(std::vector<std::byte>& out, const T& value) {
  const auto* first = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), first, first + sizeof(T));
}
inline void append_bytes(std::vector<std::byte>& out, ByteSpan bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

/// Reads fields one after the other from untrusted bytes. After the first read past the end
/// `ok()` is false and every further read gives zeros.
class Reader {
 public:
  explicit Reader(ByteSpan bytes) : bytes_(bytes) {}
  template <typename T>
    requires std::is_trivially_copyable_v<T>
  T read() {
    T value{};
    if (!take(sizeof(T))) {
      return value;
    }
    std::memcpy(&value, bytes_.data() + offset_ - sizeof(T), sizeof(T));
    return value;
  }
  ByteSpan read_bytes(std::size_t count) {
    if (!take(count)) {
      return {};
    }
    return bytes_.subspan(offset_ - count, count);
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::size_t offset() const { return offset_; }
  [[nodiscard]] std::size_t remaining() const { return bytes_.size() - offset_; }

 private:
  bool take(std::size_t count) {
    if (!ok_ || count > bytes_.size() - offset_) {
      ok_ = false;
      return false;
    }
    offset_ += count;
    return true;
  }
  ByteSpan bytes_;
  std::size_t offset_ = 0;
  bool ok_ = true;
};

/// The next multiple of `alignment`; the sum of both fits.
inline constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

}  // namespace pluresdb::base
