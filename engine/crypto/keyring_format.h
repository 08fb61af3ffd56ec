// The bytes of a keyring file, both ways, without any key. docs/formats/keyring.md, "keyring".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/key_wrap.h"
#include "engine/crypto/master_keys.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

inline constexpr std::size_t kKeyringBytesMax = 64ULL << 10;
inline constexpr std::size_t kSlotsMax = 16;
/// Each is a stretching for whoever mistypes.
inline constexpr std::size_t kPasswordSlotsMax = 4;
inline constexpr std::size_t kOldGenerationsMax = 64;
inline constexpr std::size_t kTombstonesMax = 1024;
inline constexpr std::size_t kLabelBytesMax = 63;

inline constexpr std::size_t kSlotIdBytes = 16;
using SlotId = std::array<std::byte, kSlotIdBytes>;

enum class SlotType : std::uint8_t { kPassword = 1, kDeviceKey = 2, kRecoveryKey = 3 };
enum class SlotState : std::uint8_t {
  kActive = 1,
  kStale = 2,  ///< Its secret was not there when the master key changed: it opens nothing.
};

using Salt = std::array<std::byte, kSaltBytes>;
/// One byte of length and the text, encrypted; the tag.
inline constexpr std::size_t kSealedLabelBytes = 1 + kLabelBytesMax + 16;

struct SlotRecord {
  SlotId id{};
  SlotType type = SlotType::kPassword;
  SlotState state = SlotState::kActive;
  Argon2Parameters kdf;
  Salt kdf_salt{};
  std::int64_t created_us = 0;
  WrappedKey wrapped{};
  Salt label_salt{};
  std::array<std::byte, kSealedLabelBytes> label{};
};
struct GenerationRecord {
  Generation generation = 0;
  WrappedKey wrapped{};
};
struct Tombstone {
  SlotId id{};
  std::int64_t revoked_us = 0;
  Generation generation = 0;  ///< That was made then.
};
struct KeyringImage {
  StoreId store_id{};
  std::uint64_t seq = 0;
  Generation generation = 0;
  std::vector<SlotRecord> slots;
  std::vector<GenerationRecord> old_generations;
  std::vector<Tombstone> tombstones;
};

/// Everything in front of the trailer.
std::vector<std::byte> encode_keyring(const KeyringImage& image);
/// Appends the trailer.
Status append_trailer(std::vector<std::byte>& bytes, const Digest& mac);

/// Whether these are bytes that some version wrote as a keyring: magic, length, SHA-256.
Result<bool> is_whole_keyring(base::ByteSpan file);
/// Of a whole keyring. kUnsupportedVersion: another version or suite. kCorruption: contents that
/// no keyring has; nothing was allocated for them. What it says is proven by the HMAC only.
Result<KeyringImage> parse_keyring(base::ByteSpan file, const KdfPolicy& policy);
/// Of a whole keyring: what the HMAC covers, and the HMAC.
base::ByteSpan authenticated_part(base::ByteSpan file);
base::ByteSpan mac_of(base::ByteSpan file);

/// Contexts of the wrapped keys in it.
std::vector<std::byte> slot_context(const KeyringImage& image, const SlotRecord& slot);
std::vector<std::byte> generation_context(const KeyringImage& image, Generation generation);

}  // namespace pluresdb::crypto
