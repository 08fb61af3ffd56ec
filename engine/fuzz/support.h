// What the targets of the engine share: the driver's words, keys, and changes of genuine bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/base/bytes.h"
#include "engine/crypto/master_keys.h"
#include "engine/fuzz/driver/input.h"
#include "engine/fuzz/driver/target.h"
#include "engine/fuzz/memory_files.h"
#include <pluresdb/error.h>

namespace pluresdb::fuzz {

using fuzzing::Input;
using fuzzing::must_hold;
using fuzzing::Seed;

/// Of a store; the same in every run.
const crypto::MasterKeys& fixed_keys();

/// What must work for the rest of a target to mean anything.
template <typename T>
T must_give(Result<T> result, std::string_view what) {
  must_hold(result.has_value(), what);
  return *std::move(result);
}

/// One change of `bytes`, as the input says: some overwritten, turned over, cut off, copied from
/// elsewhere, zeroed or appended. `places`: offsets near which most changes are made.
void change(Input& input, std::span<const std::uint64_t> places, Bytes& bytes);

/// For seeds.
class SeedBytes {
 public:
  template <typename T>
  SeedBytes& add(T value) {
    base::append(bytes_, value);
    return *this;
  }
  SeedBytes& add_text(std::string_view text) {
    base::append_bytes(bytes_, base::as_bytes(text));
    return *this;
  }
  /// Numbers of one byte.
  SeedBytes& add_each(std::initializer_list<int> numbers) {
    for (const int number : numbers) {
      bytes_.push_back(static_cast<std::byte>(number));
    }
    return *this;
  }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
};

}  // namespace pluresdb::fuzz
