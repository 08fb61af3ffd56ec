#include "engine/crypto/keyring_format.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

constexpr std::uint64_t kMagic = 0x475259454b424450;  // The bytes "PDBKEYRG".
constexpr std::uint16_t kVersion = 1;
constexpr std::uint16_t kSuite = 1;
constexpr std::size_t kLengthOffset = 12;
constexpr std::size_t kHeaderBytes = 64;
constexpr std::size_t kHeaderReservedBytes = 14;
constexpr std::size_t kSlotFixedBytes = 72;
constexpr std::size_t kSlotBytes =
    kSlotFixedBytes + kWrappedKeyBytes + kSaltBytes + kSealedLabelBytes;
constexpr std::size_t kGenerationBytes = 8 + kWrappedKeyBytes;
constexpr std::size_t kTombstoneBytes = 32;
constexpr std::size_t kTrailerBytes = 2 * kDigestBytes;
static_assert(kSlotBytes == 296 && kGenerationBytes == 120);
static_assert(kHeaderBytes + kSlotsMax * kSlotBytes + kOldGenerationsMax * kGenerationBytes +
                  kTombstonesMax * kTombstoneBytes + kTrailerBytes <=
              kKeyringBytesMax);

struct Counts {
  std::uint16_t slots = 0;
  std::uint16_t old_generations = 0;
  std::uint16_t tombstones = 0;

  [[nodiscard]] std::size_t file_bytes() const {
    return kHeaderBytes + slots * kSlotBytes + old_generations * kGenerationBytes +
           tombstones * kTombstoneBytes + kTrailerBytes;
  }
};

Counts counts_of(const KeyringImage& image) {
  return {.slots = static_cast<std::uint16_t>(image.slots.size()),
          .old_generations = static_cast<std::uint16_t>(image.old_generations.size()),
          .tombstones = static_cast<std::uint16_t>(image.tombstones.size())};
}

std::unexpected<Error> impossible(const std::string& what) {
  return fail(ErrorCode::kCorruption, "the keyring is impossible: " + what);
}

bool all_zero(base::ByteSpan bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{0}; });
}

/// The part of a slot that its wrapped key is bound to.
void append_slot_fixed(std::vector<std::byte>& out, const SlotRecord& slot) {
  base::append(out, slot.id);
  base::append(out, slot.type);
  base::append(out, slot.state);
  base::append(out, std::uint16_t{0});
  base::append(out, slot.kdf.memory_kib);
  base::append(out, slot.kdf.passes);
  base::append(out, slot.kdf.lanes);
  base::append(out, slot.kdf_salt);
  base::append(out, slot.created_us);
}

Status check_slot(const SlotRecord& slot, std::uint16_t reserved, const KdfPolicy& policy) {
  const bool known_type = slot.type == SlotType::kPassword || slot.type == SlotType::kDeviceKey ||
                          slot.type == SlotType::kRecoveryKey;
  const bool known_state = slot.state == SlotState::kActive || slot.state == SlotState::kStale;
  if (!known_type || !known_state || reserved != 0 || all_zero(slot.id)) {
    return impossible("a slot of an unknown kind");
  }
  const bool stretched = slot.type == SlotType::kPassword && slot.state == SlotState::kActive;
  if (stretched) {
    return policy.check_stored(slot.kdf);
  }
  if (slot.kdf != Argon2Parameters{} || !all_zero(slot.kdf_salt)) {
    return impossible("Argon2id where nothing is stretched");
  }
  if (slot.state == SlotState::kStale && !all_zero(slot.wrapped)) {
    return impossible("a stale slot with a key");
  }
  return {};
}

Result<SlotRecord> read_slot(base::Reader& reader, const KdfPolicy& policy) {
  SlotRecord slot;
  slot.id = reader.read<SlotId>();
  slot.type = reader.read<SlotType>();
  slot.state = reader.read<SlotState>();
  const auto reserved = reader.read<std::uint16_t>();
  slot.kdf.memory_kib = reader.read<std::uint32_t>();
  slot.kdf.passes = reader.read<std::uint32_t>();
  slot.kdf.lanes = reader.read<std::uint32_t>();
  slot.kdf_salt = reader.read<Salt>();
  slot.created_us = reader.read<std::int64_t>();
  slot.wrapped = reader.read<WrappedKey>();
  slot.label_salt = reader.read<Salt>();
  slot.label = reader.read<std::array<std::byte, kSealedLabelBytes>>();
  TRY(check_slot(slot, reserved, policy));
  return slot;
}

/// Ids are given out once, and never again after a revocation; somebody can open it.
Status check_slots(const KeyringImage& image) {
  std::set<SlotId> ids;
  std::size_t passwords = 0;
  std::size_t active = 0;
  for (const SlotRecord& slot : image.slots) {
    ids.insert(slot.id);
    passwords += slot.type == SlotType::kPassword ? 1U : 0U;
    active += slot.state == SlotState::kActive ? 1U : 0U;
  }
  for (const Tombstone& tombstone : image.tombstones) {
    ids.insert(tombstone.id);
  }
  if (ids.size() != image.slots.size() + image.tombstones.size()) {
    return impossible("an id that stands twice");
  }
  if (passwords > kPasswordSlotsMax) {
    return impossible(fmt::format("{} passwords", passwords));
  }
  return active == 0 ? impossible("no slot opens it") : Status{};
}

Status read_rest(base::Reader& reader, const Counts& counts, KeyringImage& image) {
  Generation previous = 0;
  for (std::size_t i = 0; i < counts.old_generations; ++i) {
    GenerationRecord record;
    record.generation = reader.read<Generation>();
    const auto reserved = reader.read<std::uint32_t>();
    record.wrapped = reader.read<WrappedKey>();
    if (reserved != 0 || record.generation <= previous || record.generation >= image.generation) {
      return impossible("generations that do not ascend");
    }
    previous = record.generation;
    image.old_generations.push_back(record);
  }
  for (std::size_t i = 0; i < counts.tombstones; ++i) {
    Tombstone tombstone;
    tombstone.id = reader.read<SlotId>();
    tombstone.revoked_us = reader.read<std::int64_t>();
    tombstone.generation = reader.read<Generation>();
    if (reader.read<std::uint32_t>() != 0) {
      return impossible("a tombstone with more in it");
    }
    image.tombstones.push_back(tombstone);
  }
  return {};
}

}  // namespace

std::vector<std::byte> encode_keyring(const KeyringImage& image) {
  DB_CHECK(check_slots(image).has_value());  // INV-KEY-6
  DB_CHECK(image.slots.size() <= kSlotsMax);
  DB_CHECK(image.old_generations.size() <= kOldGenerationsMax);
  DB_CHECK(image.tombstones.size() <= kTombstonesMax);
  const Counts counts = counts_of(image);
  std::vector<std::byte> out;
  out.reserve(counts.file_bytes());
  base::append(out, kMagic);
  base::append(out, kVersion);
  base::append(out, kSuite);
  base::append(out, static_cast<std::uint32_t>(counts.file_bytes()));
  base::append(out, image.store_id);
  base::append(out, image.seq);
  base::append(out, image.generation);
  base::append(out, counts.slots);
  base::append(out, counts.old_generations);
  base::append(out, counts.tombstones);
  base::append(out, std::array<std::byte, kHeaderReservedBytes>{});
  for (const SlotRecord& slot : image.slots) {
    append_slot_fixed(out, slot);
    base::append(out, slot.wrapped);
    base::append(out, slot.label_salt);
    base::append(out, slot.label);
  }
  for (const GenerationRecord& record : image.old_generations) {
    base::append(out, record.generation);
    base::append(out, std::uint32_t{0});
    base::append(out, record.wrapped);
  }
  for (const Tombstone& tombstone : image.tombstones) {
    base::append(out, tombstone.id);
    base::append(out, tombstone.revoked_us);
    base::append(out, tombstone.generation);
    base::append(out, std::uint32_t{0});
  }
  DB_CHECK(out.size() + kTrailerBytes == counts.file_bytes());
  return out;
}

Status append_trailer(std::vector<std::byte>& bytes, const Digest& mac) {
  base::append(bytes, mac);
  TRY_ASSIGN(const Digest digest, sha256(bytes));
  base::append(bytes, digest);
  return {};
}

Result<bool> is_whole_keyring(base::ByteSpan file) {
  if (file.size() < kHeaderBytes + kTrailerBytes || file.size() > kKeyringBytesMax ||
      base::load<std::uint64_t>(file, 0) != kMagic ||
      base::load<std::uint32_t>(file, kLengthOffset) != file.size()) {
    return false;
  }
  TRY_ASSIGN(const Digest digest, sha256(file.first(file.size() - kDigestBytes)));
  return std::ranges::equal(digest, file.last(kDigestBytes));
}

base::ByteSpan authenticated_part(base::ByteSpan file) {
  return file.first(file.size() - kTrailerBytes);
}

base::ByteSpan mac_of(base::ByteSpan file) { return file.last(kTrailerBytes).first(kDigestBytes); }

Result<KeyringImage> parse_keyring(base::ByteSpan file, const KdfPolicy& policy) {
  base::Reader reader(authenticated_part(file));
  (void)reader.read<std::uint64_t>();
  const auto version = reader.read<std::uint16_t>();
  const auto suite = reader.read<std::uint16_t>();
  if (version != kVersion || suite != kSuite) {
    return fail(ErrorCode::kUnsupportedVersion,
                fmt::format("the keyring has version {} and suite {}; this program knows {} and {}",
                            version, suite, kVersion, kSuite));
  }
  (void)reader.read<std::uint32_t>();
  KeyringImage image;
  image.store_id = reader.read<StoreId>();
  image.seq = reader.read<std::uint64_t>();
  image.generation = reader.read<Generation>();
  Counts counts;
  counts.slots = reader.read<std::uint16_t>();
  counts.old_generations = reader.read<std::uint16_t>();
  counts.tombstones = reader.read<std::uint16_t>();
  if (!all_zero(reader.read_bytes(kHeaderReservedBytes)) || image.seq == 0 ||
      image.generation == 0 || counts.slots > kSlotsMax ||
      counts.old_generations > kOldGenerationsMax || counts.tombstones > kTombstonesMax ||
      counts.file_bytes() != file.size()) {
    return impossible(fmt::format("{} slots, {} generations and {} tombstones in {} bytes",
                                  counts.slots, counts.old_generations, counts.tombstones,
                                  file.size()));
  }
  for (std::size_t i = 0; i < counts.slots; ++i) {
    TRY_ASSIGN(const SlotRecord slot, read_slot(reader, policy));
    image.slots.push_back(slot);
  }
  TRY(read_rest(reader, counts, image));
  DB_CHECK(reader.ok() && reader.remaining() == 0);
  TRY(check_slots(image));
  return image;
}

std::vector<std::byte> slot_context(const KeyringImage& image, const SlotRecord& slot) {
  std::vector<std::byte> context;
  base::append(context, image.store_id);
  base::append(context, image.generation);
  append_slot_fixed(context, slot);
  return context;
}

std::vector<std::byte> generation_context(const KeyringImage& image, Generation generation) {
  std::vector<std::byte> context;
  base::append(context, image.store_id);
  base::append(context, generation);
  base::append(context, image.generation);
  return context;
}

}  // namespace pluresdb::crypto
