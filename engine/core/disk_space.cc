#include "engine/core/disk_space.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {
namespace {

constexpr std::uint64_t kReserveBytesMax = 4ULL << 20;
/// A MANIFEST, an OPTIONS and a CURRENT file of RocksDB take less than a tenth of it.
constexpr std::uint64_t kOpeningReserveBytes = 256ULL << 10;
/// What is left for it is taken to within this.
constexpr std::uint64_t kOpeningReserveStep = 8ULL << 10;
/// Below this nothing but deletes: room for the STORE file, a small checkpoint and an open.
constexpr std::uint64_t kFullBytes = 4ULL << 20;
/// Room for one checkpoint besides two segments.
constexpr std::uint64_t kLowExtraBytes = 32ULL << 20;
/// On small file systems the marks shrink to these parts of the whole.
constexpr std::uint64_t kFullPart = 64;
constexpr std::uint64_t kLowPart = 8;
/// statvfs costs about a microsecond; a normal disk is asked once in so many writes.
constexpr std::uint32_t kAdmitsPerRefresh = 64;

}  // namespace

DiskSpace::DiskSpace(io::FileSystem& files, std::string directory, std::uint64_t segment_bytes)
    : files_(files),
      directory_(std::move(directory)),
      reserve_path_(io::join_path(directory_, kReserveFileName)),
      opening_reserve_path_(io::join_path(directory_, kOpeningReserveFileName)),
      segment_bytes_(segment_bytes),
      reserve_bytes_(std::min(segment_bytes, kReserveBytesMax)) {
  const base::MutexLock lock(mutex_);
  // One that was cut off before its allocation, or lost it with the power, is none.
  const auto held = [&](const std::string& path) {
    const auto info = files_.info(path);
    return info ? info->size_bytes : 0;
  };
  reserve_exists_ = held(reserve_path_) >= reserve_bytes_;
  opening_reserve_held_ = held(opening_reserve_path_);
  refresh_locked();
}

void DiskSpace::refresh() {
  const base::MutexLock lock(mutex_);
  refresh_locked();
}

void DiskSpace::refresh_locked() {
  admitted_since_refresh_ = 0;
  const auto space = files_.space(directory_);
  if (!space) {
    return;
  }
  available_bytes_ = space->available_bytes;
  full_mark_ = std::min(kFullBytes, space->total_bytes / kFullPart);
  const std::uint64_t low_mark =
      std::min(2 * segment_bytes_ + kLowExtraBytes, space->total_bytes / kLowPart);
  if (available_bytes_ < full_mark_) {
    measured_ = SpaceState::kFull;
  } else if (available_bytes_ < low_mark) {
    measured_ = SpaceState::kLow;
  } else {
    measured_ = SpaceState::kNormal;
  }
}

Status DiskSpace::admit(bool is_delete) {
  const base::MutexLock lock(mutex_);
  if (measured_ != SpaceState::kNormal || ++admitted_since_refresh_ >= kAdmitsPerRefresh) {
    refresh_locked();
  }
  if (measured_ != SpaceState::kFull) {
    return {};
  }
  if (is_delete) {
    release_reserve_locked();
    return {};
  }
  ++refusals_;
  return fail(
      ErrorCode::kNoSpace,
      fmt::format("{} has {} bytes available; free some space, reads and deletes still work",
                  directory_, available_bytes_));
}

void DiskSpace::note_outcome(const Error* error) {
  const base::MutexLock lock(mutex_);
  refused_ = error != nullptr && error->code == ErrorCode::kNoSpace;
}

std::uint64_t DiskSpace::refusals() const {
  const base::MutexLock lock(mutex_);
  return refusals_;
}

SpaceState DiskSpace::state() const {
  const base::MutexLock lock(mutex_);
  return refused_ ? SpaceState::kFull : measured_;
}

std::uint64_t DiskSpace::rewrite_room(bool collects) {
  const base::MutexLock lock(mutex_);
  refresh_locked();
  const bool is_full = refused_ || measured_ == SpaceState::kFull;
  if (is_full) {
    return collects ? available_bytes_ : 0;
  }
  const std::uint64_t kept = full_mark_ + (collects ? 0 : segment_bytes_);
  return available_bytes_ - std::min(available_bytes_, kept);
}

void DiskSpace::restore_opening_reserve() {
  const base::MutexLock lock(mutex_);
  restore_opening_reserve_locked();
}

/// Grows the file instead of making it anew: what it has must not be let go on a full disk.
void DiskSpace::restore_opening_reserve_locked() {
  if (opening_reserve_held_ >= kOpeningReserveBytes) {
    return;
  }
  const auto space = files_.space(directory_);
  const auto there = files_.info(opening_reserve_path_);
  const auto file = files_.open(opening_reserve_path_,
                                there ? io::OpenMode::kReadWrite : io::OpenMode::kCreateNew);
  if (!space || !file) {
    return;
  }
  // The file system itself may need a part of what it says is available.
  std::uint64_t bytes =
      std::min(kOpeningReserveBytes, opening_reserve_held_ + space->available_bytes);
  while (bytes > opening_reserve_held_ + kOpeningReserveStep && !(*file)->allocate(bytes)) {
    bytes -= kOpeningReserveStep;
  }
  const auto size_bytes = (*file)->size();
  opening_reserve_held_ = size_bytes ? *size_bytes : opening_reserve_held_;
}

void DiskSpace::restore_reserve() {
  const base::MutexLock lock(mutex_);
  restore_opening_reserve_locked();
  if (reserve_exists_ || refused_ || measured_ != SpaceState::kNormal) {
    return;
  }
  reserve_exists_ = make_file(reserve_path_, reserve_bytes_);
}

bool DiskSpace::make_file(const std::string& path, std::uint64_t bytes) {
  const auto file = files_.open(path, io::OpenMode::kCreateOrEmpty);
  if (!file) {
    return false;
  }
  if (!(*file)->allocate(bytes)) {
    // A reserve that could not be made is no error of anybody's write; half of one is no use.
    (void)files_.remove(path);
    return false;
  }
  return true;
}

void DiskSpace::release_reserve() {
  const base::MutexLock lock(mutex_);
  release_reserve_locked();
}

void DiskSpace::release_reserve_locked() {
  if (reserve_exists_ && files_.remove(reserve_path_)) {
    reserve_exists_ = false;
  }
}

}  // namespace pluresdb::core
