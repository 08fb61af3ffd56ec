#include "engine/core/store_identity.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::core {
namespace {

constexpr std::uint64_t kMagic = 0x45524f5453424450;  // The bytes "PDBSTORE".
constexpr std::uint32_t kFormatVersion = 1;
// One slot per 4 KiB block: a torn write of one cannot touch the other.
constexpr std::uint64_t kSlotStrideBytes = 4096;
constexpr std::size_t kSlotBytes = 80;
constexpr std::size_t kCrcOffset = kSlotBytes - sizeof(std::uint32_t);
constexpr std::uint64_t kFileBytes = 2 * kSlotStrideBytes;

struct Slot {
  IdentityRecord record;
  std::uint64_t generation = 0;
};

std::array<std::byte, kSlotBytes> encode(const Slot& slot) {
  std::array<std::byte, kSlotBytes> bytes{};
  base::store(bytes, 0, kMagic);
  base::store(bytes, 8, kFormatVersion);
  base::store(bytes, 16, slot.generation);
  base::store(bytes, 24, slot.record.store_uuid);
  base::store(bytes, 40, slot.record.created_us);
  base::store(bytes, 48, slot.record.compacted_through_seq);
  base::store(bytes, 56, slot.record.actor_seq_floor);
  const auto crc = base::crc32c(base::ByteSpan(bytes).first(kCrcOffset));
  base::store(bytes, kCrcOffset, crc);
  return bytes;
}

/// nullopt: damaged or never written.
Result<std::optional<Slot>> decode(base::ByteSpan bytes, const std::string& path) {
  if (bytes.size() < kSlotBytes || base::load<std::uint64_t>(bytes, 0) != kMagic) {
    return std::nullopt;
  }
  const auto version = base::load<std::uint32_t>(bytes, 8);
  if (version > kFormatVersion) {
    return fail(ErrorCode::kUnsupportedVersion,
                fmt::format("{} has format version {}; this program knows up to {}: use a newer one",
                            path, version, kFormatVersion));
  }
  if (base::crc32c(bytes.first(kCrcOffset)) != base::load<std::uint32_t>(bytes, kCrcOffset)) {
    return std::nullopt;
  }
  Slot slot;
  slot.generation = base::load<std::uint64_t>(bytes, 16);
  slot.record.store_uuid = base::load<std::array<std::byte, 16>>(bytes, 24);
  slot.record.created_us = base::load<std::int64_t>(bytes, 40);
  slot.record.compacted_through_seq = base::load<std::uint64_t>(bytes, 48);
  slot.record.actor_seq_floor = base::load<std::uint64_t>(bytes, 56);
  return slot;
}

std::uint64_t slot_offset(std::uint64_t generation) { return generation % 2 * kSlotStrideBytes; }

Status write_whole(io::FileSystem& files, const std::string& path, const Slot& slot) {
  std::vector<std::byte> contents(kFileBytes);
  std::ranges::copy(encode(slot), contents.begin() +
                                      static_cast<std::ptrdiff_t>(slot_offset(slot.generation)));
  return io::write_file_atomically(files, path, contents);
}

}  // namespace

Result<StoreIdentity> StoreIdentity::create(io::FileSystem& files, const std::string& directory,
                                            const IdentityRecord& record) {
  const std::string path = io::join_path(directory, kStoreFileName);
  TRY(write_whole(files, path, {.record = record, .generation = 1}));
  return StoreIdentity(files, path, record, 1);
}

Result<StoreIdentity> StoreIdentity::load(io::FileSystem& files, const std::string& directory) {
  const std::string path = io::join_path(directory, kStoreFileName);
  TRY_ASSIGN(const auto contents, io::read_whole_file(files, path, kFileBytes));
  std::optional<Slot> best;
  for (std::uint64_t offset = 0; offset < contents.size(); offset += kSlotStrideBytes) {
    TRY_ASSIGN(const auto slot, decode(base::ByteSpan(contents).subspan(offset), path));
    if (slot && (!best || slot->generation > best->generation)) {
      best = slot;
    }
  }
  if (!best) {
    return fail(ErrorCode::kCorruption,
                path + ": neither of its two copies is readable; restore the file from a backup of "
                       "this store");
  }
  return StoreIdentity(files, path, best->record, best->generation);
}

Status StoreIdentity::update(const IdentityRecord& record) {
  const Slot slot{.record = record, .generation = generation_ + 1};
  if (in_place_trusted_) {
    in_place_trusted_ = false;  // Until the sync has answered.
    TRY_ASSIGN(const auto file, files_->open(path_, io::OpenMode::kReadWrite));
    TRY(file->write(slot_offset(slot.generation), encode(slot)));
    TRY(file->sync_data());
  } else {
    TRY(write_whole(*files_, path_, slot));
  }
  in_place_trusted_ = true;
  record_ = record;
  generation_ = slot.generation;
  return {};
}

}  // namespace pluresdb::core
