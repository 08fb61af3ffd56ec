// From a password to a key, and from a key to keys of one purpose each. docs/formats/keyring.md,
// "Keys".
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/base/bytes.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

struct Argon2Parameters {
  std::uint32_t memory_kib = 0;
  std::uint32_t passes = 0;
  std::uint32_t lanes = 0;
  friend bool operator==(const Argon2Parameters&, const Argon2Parameters&) = default;
};

/// What stretching a password may cost. A stored slot says how it was stretched, so whoever writes
/// the file could make every attempt take all memory or for ever: check_stored comes before any
/// allocation. New slots never take over parameters from a file.
class KdfPolicy {
 public:
  /// 64 MiB, 3 passes, 4 lanes.
  KdfPolicy() = default;
  /// kInvalidArgument: weaker than 19 MiB and 2 passes, or out of bounds.
  static Result<KdfPolicy> create(const Argon2Parameters& for_new_slots);
  /// No lower limit, neither for new slots nor for stored ones.
  static KdfPolicy weak_for_tests(const Argon2Parameters& for_new_slots);

  [[nodiscard]] const Argon2Parameters& for_new_slots() const { return for_new_slots_; }
  /// kCorruption: no version of this program with this policy has written that.
  [[nodiscard]] Status check_stored(const Argon2Parameters& parameters) const;

 private:
  static constexpr Argon2Parameters kStandard = {.memory_kib = 64U << 10, .passes = 3, .lanes = 4};
  static constexpr std::uint32_t kStoredMemoryKibMin = 8U << 10;

  Argon2Parameters for_new_slots_ = kStandard;
  std::uint32_t stored_memory_kib_min_ = kStoredMemoryKibMin;
};

struct Argon2Input {
  base::ByteSpan password;
  base::ByteSpan salt;        ///< At least 8 bytes.
  base::ByteSpan associated;  ///< What the result is for.
  base::ByteSpan key = {};    ///< Kept elsewhere; slots have none.
};
inline constexpr std::size_t kStretchedBytes = 32;
/// Argon2id, version 0x13, kStretchedBytes long. kInvalidArgument: parameters out of bounds;
/// nothing was allocated. kKeyUnavailable: not enough memory, or no threads.
Result<SecretBytes> argon2id(const Argon2Input& input, const Argon2Parameters& parameters);

/// HKDF-SHA256, extract and expand. kInvalidArgument: more than 8,160 bytes, or an empty key.
Status hkdf_sha256(base::ByteSpan key, base::ByteSpan salt, base::ByteSpan info,
                   base::MutableByteSpan out);

/// What a derived key is for: the label in HKDF's info. One label, one use.
enum class KeyPurpose {
  kSlot,        ///< Wraps the newest master key, from a stretched password or a device key.
  kGeneration,  ///< Wraps an older master key, from the newest.
  kFile,        ///< Wraps the data key of one file, from a master key.
  kLabel,       ///< Encrypts the name of a slot, from the newest master key.
  kKeyringMac,  ///< Authenticates the keyring, from the newest master key.
  kStoreMac,    ///< Authenticates the STORE file, from a master key.
};
/// hkdf_sha256 with info = label of the purpose, a zero byte, `context`.
Status derive(KeyPurpose purpose, base::ByteSpan key, base::ByteSpan salt, base::ByteSpan context,
              base::MutableByteSpan out);

}  // namespace pluresdb::crypto
