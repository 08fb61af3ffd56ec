#include "engine/core/store_identity.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::core {
namespace {

constexpr std::uint64_t kMagic = 0x45524f5453424450;  // The bytes "PDBSTORE".
// One slot per 4 KiB block: a torn write of one cannot touch the other.
constexpr std::uint64_t kSlotStrideBytes = 4096;
// Version 1 ends with the CRC; in version 2 the generation of the master key and the MAC follow.
constexpr std::size_t kCrcOffset = 76;
constexpr std::size_t kPlainSlotBytes = kCrcOffset + sizeof(std::uint32_t);
constexpr std::size_t kKeyGenerationOffset = kPlainSlotBytes;
constexpr std::size_t kMacOffset = 88;
constexpr std::size_t kSlotBytes = kMacOffset + crypto::kDigestBytes;
constexpr std::uint32_t kPlainVersion = 1;
constexpr std::uint32_t kAuthenticatedVersion = 2;
constexpr std::uint64_t kFileBytes = 2 * kSlotStrideBytes;

struct Slot {
  IdentityRecord record;
  std::uint64_t generation = 0;
  std::uint32_t format_version = 0;
};

using SlotBytes = std::array<std::byte, kSlotBytes>;

/// Over everything before it.
Result<crypto::Digest> mac_of(base::ByteSpan slot, const crypto::StoreId& store_id,
                              const crypto::SecretBytes& master) {
  TRY_ASSIGN(auto key, crypto::SecretBytes::zeros(crypto::kDigestBytes));
  TRY(crypto::derive(crypto::KeyPurpose::kStoreMac, master.bytes(), {}, store_id,
                     key.mutable_bytes()));
  return crypto::hmac_sha256(key.bytes(), slot.first(kMacOffset));
}

Result<SlotBytes> encode(const Slot& slot, const crypto::MasterKeys* keys) {
  SlotBytes bytes{};
  base::store(bytes, 0, kMagic);
  base::store(bytes, 8, keys == nullptr ? kPlainVersion : kAuthenticatedVersion);
  base::store(bytes, 16, slot.generation);
  base::store(bytes, 24, slot.record.store_uuid);
  base::store(bytes, 40, slot.record.created_us);
  base::store(bytes, 48, slot.record.compacted_through_seq);
  base::store(bytes, 56, slot.record.actor_seq_floor);
  base::store(bytes, 64, slot.record.closed_at_seq);
  const auto crc = base::crc32c(base::ByteSpan(bytes).first(kCrcOffset));
  base::store(bytes, kCrcOffset, crc);
  if (keys != nullptr) {
    base::store(bytes, kKeyGenerationOffset, keys->version().generation);
    TRY_ASSIGN(const auto mac, mac_of(bytes, keys->store_id(), keys->newest()));
    base::store(bytes, kMacOffset, mac);
  }
  return bytes;
}

enum class Verdict {
  kUnreadable,  ///< Damaged, never written, or not by this store.
  kLacksKey,    ///< Whole, of an encrypted store; the key that proves it is not there.
  kGood,
};
struct Decoded {
  Verdict verdict = Verdict::kUnreadable;
  Slot slot;
};

/// Of a slot whose CRC is right: did the store write it?
Result<Verdict> verdict_on(base::ByteSpan bytes, std::uint32_t version,
                           const crypto::MasterKeys* keys) {
  if (version == kPlainVersion) {
    return keys == nullptr ? Verdict::kGood : Verdict::kUnreadable;
  }
  if (bytes.size() < kSlotBytes) {
    return Verdict::kUnreadable;
  }
  const auto generation = base::load<crypto::Generation>(bytes, kKeyGenerationOffset);
  const crypto::SecretBytes* const master = keys == nullptr ? nullptr : keys->find(generation);
  if (master == nullptr) {
    return Verdict::kLacksKey;
  }
  TRY_ASSIGN(const auto mac, mac_of(bytes, keys->store_id(), *master));
  return crypto::equal_in_constant_time(mac, bytes.subspan(kMacOffset, mac.size()))
             ? Verdict::kGood
             : Verdict::kUnreadable;
}

Result<Decoded> decode(base::ByteSpan bytes, const std::string& path,
                       const crypto::MasterKeys* keys) {
  // Magic, version, generation and CRC stay where they are in every later version, so a damaged
  // version number is told from a newer one.
  if (bytes.size() < kPlainSlotBytes || base::load<std::uint64_t>(bytes, 0) != kMagic ||
      base::crc32c(bytes.first(kCrcOffset)) != base::load<std::uint32_t>(bytes, kCrcOffset)) {
    return Decoded{};
  }
  const auto version = base::load<std::uint32_t>(bytes, 8);
  if (version > kStoreFormatVersion) {
    return fail(
        ErrorCode::kUnsupportedVersion,
        fmt::format("{} has format version {}; this program knows up to {}: use a newer one", path,
                    version, kStoreFormatVersion));
  }
  Decoded decoded;
  TRY_ASSIGN(decoded.verdict, verdict_on(bytes, version, keys));
  Slot& slot = decoded.slot;
  slot.format_version = version;
  slot.generation = base::load<std::uint64_t>(bytes, 16);
  slot.record.store_uuid = base::load<std::array<std::byte, 16>>(bytes, 24);
  slot.record.created_us = base::load<std::int64_t>(bytes, 40);
  slot.record.compacted_through_seq = base::load<std::uint64_t>(bytes, 48);
  slot.record.actor_seq_floor = base::load<std::uint64_t>(bytes, 56);
  slot.record.closed_at_seq = base::load<std::uint64_t>(bytes, 64);
  return decoded;
}

std::uint64_t slot_offset(std::uint64_t generation) { return generation % 2 * kSlotStrideBytes; }

/// Both slots say the same, so that one damaged block loses nothing.
Result<std::vector<std::byte>> whole_file(const Slot& slot, const crypto::MasterKeys* keys) {
  std::vector<std::byte> contents(kFileBytes);
  for (const std::uint64_t generation : {slot.generation, slot.generation - 1}) {
    TRY_ASSIGN(const auto bytes, encode({.record = slot.record, .generation = generation}, keys));
    std::ranges::copy(bytes,
                      contents.begin() + static_cast<std::ptrdiff_t>(slot_offset(generation)));
  }
  return contents;
}

std::string temporary_path(const std::string& directory) {
  return io::join_path(directory, kStoreFileName) + ".tmp";
}

struct Slots {
  std::optional<Slot> best;
  int readable = 0;
};

/// kKeyUnavailable only when no slot is readable: what names an unknown key may be damaged.
Result<Slots> read_slots(io::FileSystem& files, const std::string& path,
                         const crypto::MasterKeys* keys) {
  TRY_ASSIGN(const auto contents, io::read_whole_file(files, path, kFileBytes));
  Slots slots;
  bool lacks_key = false;
  for (std::uint64_t offset = 0; offset < contents.size(); offset += kSlotStrideBytes) {
    TRY_ASSIGN(const Decoded decoded, decode(base::ByteSpan(contents).subspan(offset), path, keys));
    lacks_key = lacks_key || decoded.verdict == Verdict::kLacksKey;
    // One in the other's place was copied there.
    if (decoded.verdict != Verdict::kGood || slot_offset(decoded.slot.generation) != offset) {
      continue;
    }
    ++slots.readable;
    if (!slots.best || decoded.slot.generation > slots.best->generation) {
      slots.best = decoded.slot;
    }
  }
  if (!slots.best && lacks_key) {
    return fail(
        ErrorCode::kKeyUnavailable,
        path + " is of an encrypted store, and the key that it was written with is not there");
  }
  return slots;
}

}  // namespace

std::array<std::byte, 16> make_store_uuid() {
  std::random_device source;
  std::array<std::byte, 16> uuid{};
  for (std::size_t offset = 0; offset < uuid.size(); offset += sizeof(std::uint32_t)) {
    base::store(uuid, offset, static_cast<std::uint32_t>(source()));
  }
  return uuid;
}

Result<IdentityCopies> read_identity_copies(io::FileSystem& files, const std::string& directory,
                                            const crypto::MasterKeys* keys) {
  TRY_ASSIGN(const Slots slots, read_slots(files, io::join_path(directory, kStoreFileName), keys));
  IdentityCopies copies;
  copies.damaged = 2 - slots.readable;
  if (slots.best) {
    copies.record = slots.best->record;
    copies.format_version = slots.best->format_version;
  }
  return copies;
}

Status StoreIdentity::prepare(io::FileSystem& files, const std::string& directory,
                              const IdentityRecord& record, const crypto::MasterKeys* keys) {
  TRY_ASSIGN(const auto contents, whole_file({.record = record, .generation = 1}, keys));
  TRY_ASSIGN(const auto file, files.open(temporary_path(directory), io::OpenMode::kCreateOrEmpty));
  TRY(file->write(0, contents));
  TRY(file->sync_all());
  TRY(file->close());
  return files.sync_directory(directory);
}

Result<bool> StoreIdentity::is_prepared(io::FileSystem& files, const std::string& directory) {
  const auto info = files.info(temporary_path(directory));
  if (!info && info.error().code != ErrorCode::kNotFound) {
    return std::unexpected(info.error());
  }
  return info.has_value();
}

Status StoreIdentity::commit(io::FileSystem& files, const std::string& directory) {
  TRY(files.rename(temporary_path(directory), io::join_path(directory, kStoreFileName)));
  return files.sync_directory(directory);
}

Result<StoreIdentity> StoreIdentity::load(io::FileSystem& files, const std::string& directory,
                                          const crypto::MasterKeys* keys) {
  const std::string path = io::join_path(directory, kStoreFileName);
  TRY_ASSIGN(const Slots slots, read_slots(files, path, keys));
  const std::optional<Slot>& best = slots.best;
  if (!best) {
    return fail(ErrorCode::kCorruption,
                path +
                    ": neither of its two copies is readable, or written by this store; restore "
                    "the file from a backup of this store");
  }
  return StoreIdentity(files, path, best->record, best->generation, keys);
}

Status StoreIdentity::update(const IdentityRecord& record) {
  const Slot slot{.record = record, .generation = generation_ + 1};
  TRY_ASSIGN(const auto bytes, encode(slot, keys_));
  if (in_place_trusted_) {
    in_place_trusted_ = false;  // Until the sync has answered.
    TRY_ASSIGN(const auto file, files_->open(path_, io::OpenMode::kReadWrite));
    TRY(file->write(slot_offset(slot.generation), bytes));
    TRY(file->sync_data());
    in_place_trusted_ = true;
    record_ = record;
    generation_ = slot.generation;
    return {};
  }
  return replace(record, slot.generation);
}

/// The whole file, both slots.
Status StoreIdentity::replace(const IdentityRecord& record, std::uint64_t generation) {
  in_place_trusted_ = false;  // Until it has its name for good.
  TRY_ASSIGN(const auto contents, whole_file({.record = record, .generation = generation}, keys_));
  TRY(io::write_file_atomically(*files_, path_, contents));
  in_place_trusted_ = true;
  record_ = record;
  generation_ = generation;
  return {};
}

Status StoreIdentity::renew() { return replace(record_, generation_ + 1); }

Result<bool> StoreIdentity::is_renewed() const {
  DB_CHECK(keys_ != nullptr);
  TRY_ASSIGN(const auto contents, io::read_whole_file(*files_, path_, kFileBytes));
  for (const std::uint64_t offset : {std::uint64_t{0}, kSlotStrideBytes}) {
    if (contents.size() < offset + kSlotBytes) {
      return false;
    }
    const auto slot = base::ByteSpan(contents).subspan(offset);
    TRY_ASSIGN(const Decoded decoded, decode(slot, path_, keys_));
    const auto generation = base::load<crypto::Generation>(slot, kKeyGenerationOffset);
    if (decoded.verdict != Verdict::kGood || generation != keys_->version().generation) {
      return false;
    }
  }
  return true;
}

}  // namespace pluresdb::core
