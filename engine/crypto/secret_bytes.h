// Bytes that must not be seen: keys, passwords. They live in a heap of their own that is locked in
// memory, left out of core dumps and overwritten when given back (docs/SECURITY.md, "Secrets in
// memory"). There is no copy, no text form and no conversion to a string.
#pragma once

#include <cstddef>
#include <span>

#include "engine/base/bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

enum class SecretMemory {
  kLocked,
  kNotLocked,  ///< Usable, but may be swapped out: RLIMIT_MEMLOCK is too small, or not known.
};

/// Sets the heap of secrets aside, once per process; later calls repeat the answer. SecretBytes do
/// it themselves: who wants to warn the operator calls it. Thread: any.
SecretMemory prepare_secret_memory();

class SecretBytes {
 public:
  /// Empty.
  SecretBytes() = default;
  ~SecretBytes();
  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;

  /// All zero. kKeyUnavailable: the heap of secrets is used up.
  static Result<SecretBytes> zeros(std::size_t size_bytes);
  /// The caller cleanses what it copies from.
  static Result<SecretBytes> copy_of(base::ByteSpan bytes);
  /// From the system's generator, of the strength of a key.
  static Result<SecretBytes> random(std::size_t size_bytes);

  [[nodiscard]] base::ByteSpan bytes() const { return {data_, size_bytes_}; }
  [[nodiscard]] base::MutableByteSpan mutable_bytes() { return {data_, size_bytes_}; }
  [[nodiscard]] std::size_t size() const { return size_bytes_; }
  [[nodiscard]] bool empty() const { return size_bytes_ == 0; }
  /// Keeps the first `size_bytes`, overwrites the rest.
  void shrink(std::size_t size_bytes);

  // Time must not depend on where two secrets differ: equal_in_constant_time.
  bool operator==(const SecretBytes&) const = delete;

 private:
  SecretBytes(std::byte* data, std::size_t size_bytes);
  void release();

  std::byte* data_ = nullptr;  // In OpenSSL's secure heap, capacity_bytes_ of it.
  std::size_t size_bytes_ = 0;
  std::size_t capacity_bytes_ = 0;
};

/// Overwrites what held a secret outside of SecretBytes.
void cleanse(base::MutableByteSpan bytes);

/// Whether both are the same; only their lengths can be told from the time it takes.
bool equal_in_constant_time(base::ByteSpan left, base::ByteSpan right);

}  // namespace pluresdb::crypto
