#include "engine/core/read_only_store.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/core/recovery.h"
#include "engine/core/store_identity.h"
#include "engine/core/store_keys.h"
#include "engine/crypto/keyring.h"
#include "engine/io/file_system.h"
#include "engine/io/read_only_file_system.h"
#include "engine/store/base_inspector.h"
#include "engine/wal/log.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {
namespace {

constexpr std::uint64_t kBlockCacheBytes = 8ULL << 20;

/// nullopt: nothing is there. kIo: something that is no directory.
Result<bool> is_directory_there(io::FileSystem& files, const std::string& path) {
  const auto info = files.info(path);
  if (!info && info.error().code == ErrorCode::kNotFound) {
    return false;
  }
  if (!info) {
    return std::unexpected(info.error());
  }
  if (info->kind != io::FileKind::kDirectory) {
    return fail(ErrorCode::kIo, path + " is not a directory (links are not followed)");
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<ReadOnlyStore>> ReadOnlyStore::open(
    io::FileSystem& files, const std::string& directory, const StoreSecret* secret,
    io::ReadOnlyFileSystem::ReadObserver observer) {
  std::unique_ptr<ReadOnlyStore> store(new ReadOnlyStore(files, std::move(observer)));
  store->directory_ = io::without_trailing_slashes(directory);
  store->wal_directory_ = io::join_path(store->directory_, kWalDirectoryName);
  TRY(store->read_store(secret));
  return store;
}

Result<std::unique_ptr<ReadOnlyStore>> ReadOnlyStore::open_log(
    io::FileSystem& files, const std::string& wal_directory, const StoreSecret* secret,
    io::ReadOnlyFileSystem::ReadObserver observer) {
  std::unique_ptr<ReadOnlyStore> store(new ReadOnlyStore(files, std::move(observer)));
  store->wal_directory_ = io::without_trailing_slashes(wal_directory);
  const std::string parent = io::parent_path(store->wal_directory_);
  if (io::base_name(store->wal_directory_) == kWalDirectoryName) {
    const auto identity = store->files_.info(io::join_path(parent, kStoreFileName));
    if (!identity && identity.error().code != ErrorCode::kNotFound) {
      return std::unexpected(identity.error());  // A store is not taken for a log used alone.
    }
    if (identity) {
      store->directory_ = parent;
      TRY(store->read_store(secret));
      return store;
    }
  }
  TRY_ASSIGN(const bool present, is_directory_there(store->files_, store->wal_directory_));
  if (!present) {  // Before anybody misses a keyring in it.
    return fail(ErrorCode::kNotFound, store->wal_directory_ + " does not exist");
  }
  TRY(store->lock(store->wal_directory_));
  TRY(store->unlock(store->wal_directory_, secret));
  TRY(store->read_log_directory());
  store->compare_parts();
  return store;
}

Status ReadOnlyStore::read_store(const StoreSecret* secret) {
  TRY_ASSIGN(const auto names, files_.list(directory_));
  if (std::ranges::find(names, kStoreFileName) == names.end()) {
    if (std::ranges::find(names, kRebuildMarkerName) != names.end()) {
      return fail(ErrorCode::kInvalidArgument,
                  directory_ + " holds a rebuild that was not finished, and no store yet");
    }
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("{} holds no store: there is no {} file", directory_, kStoreFileName));
  }
  TRY(lock(directory_));
  TRY(unlock(directory_, secret));
  TRY(read_identity());
  TRY(open_base());
  TRY(read_log_directory());
  compare_parts();
  return {};
}

Status ReadOnlyStore::lock(const std::string& path) {
  auto held = files_.lock_shared(io::join_path(path, kLockFileName));
  if (!held && held.error().code == ErrorCode::kNotFound) {
    return {};  // A copy of a store may lack it; to make one would be a change.
  }
  if (!held) {
    return std::unexpected(held.error());
  }
  lock_ = *std::move(held);
  return {};
}

Status ReadOnlyStore::unlock(const std::string& directory, const StoreSecret* secret) {
  const std::string base =
      directory_.empty() ? directory_ : io::join_path(directory_, kBaseDirectoryName);
  TRY_ASSIGN(keyring_, unlock_keys({.files = files_,
                                    .directory = directory,
                                    .wal_directory = wal_directory_,
                                    .base_directory = base},
                                   secret, crypto::Keyring::Access::kReadOnly));
  return {};
}

Status ReadOnlyStore::read_identity() {
  TRY_ASSIGN(const IdentityCopies copies,
             read_identity_copies(files_, directory_, keys_of(keyring_)));
  identity_ = copies.record;
  format_versions_.identity = copies.format_version;
  const std::string path = io::join_path(directory_, kStoreFileName);
  if (!identity_) {
    problems_.push_back(path + ": neither of its two copies is readable");
  } else if (copies.damaged > 0) {
    problems_.push_back(path + ": one of its two copies is damaged; what it held may be newer");
  }
  return {};
}

Status ReadOnlyStore::open_base() {
  const std::string path = io::join_path(directory_, kBaseDirectoryName);
  TRY_ASSIGN(const bool present, is_directory_there(files_, path));
  if (!present) {
    problems_.push_back(path + " is missing");
    return {};
  }
  auto opened = store::BaseInspector::open({.directory = path,
                                            .store_uuid = store_uuid(),
                                            .block_cache_bytes = kBlockCacheBytes,
                                            .files = &files_,
                                            .keys = keys_of(keyring_),
                                            .background_threads = false});
  if (!opened && opened.error().code == ErrorCode::kBaseLost) {
    problems_.push_back(opened.error().context);
    return {};
  }
  if (!opened) {
    return std::unexpected(opened.error());
  }
  base_ = *std::move(opened);
  TRY_ASSIGN(meta_, base_->meta());
  TRY_ASSIGN(format_versions_.base, base_->format_version());
  return {};
}

Status ReadOnlyStore::read_log_directory() {
  TRY_ASSIGN(const bool present, is_directory_there(files_, wal_directory_));
  if (!present) {  // A store gets its log with the first write.
    log_.log.report.created = true;
    log_.log.next_seq = meta_.checkpoint_seq + 1;
    return {};
  }
  wal::LogOptions options;
  options.directory = wal_directory_;
  options.store_uuid = store_uuid();
  options.files = &files_;
  options.keys = keys_of(keyring_);
  TRY_ASSIGN(log_, wal::examine_log(options, meta_.checkpoint_seq));
  for (const auto& segment : log_.log.segments) {
    segments_.add(segment);
  }
  for (const wal::ExaminedSegment& segment : log_.segments) {
    if (segment.scan.format_version != 0) {
      format_versions_.segments.insert(segment.scan.format_version);
    }
  }
  return {};
}

void ReadOnlyStore::compare_parts() {
  const wal::LogRecovery& report = log_.log.report;
  const Seq needed =
      std::max(identity_ ? identity_->compacted_through_seq : Seq{0}, report.gone_through_seq);
  if (meta_.checkpoint_seq < needed) {
    unmet_ = SeqRange{.first = meta_.checkpoint_seq + 1, .last = needed};
    problems_.push_back(
        fmt::format("{}, and the log begins behind seq {}: what is in neither is "
                    "lost",
                    base_ ? fmt::format("the base store ends at seq {}", meta_.checkpoint_seq)
                          : std::string("there is no base store to read"),
                    needed));
  }
  Seq known = report.last_seq;
  for (const SeqRange& range : report.validation.lost) {
    known = std::max(known, range.last);
  }
  const Seq closed_at = identity_ ? identity_->closed_at_seq : 0;
  if (const Seq ends_at = std::max(known, meta_.checkpoint_seq); closed_at > ends_at) {
    lost_end_ = SeqRange{.first = ends_at + 1, .last = closed_at};
    problems_.push_back(fmt::format(
        "{} was closed with seq {}; base store and log both end at seq {}: their ends are gone",
        directory_, closed_at, ends_at));
  }
  log_lost_ = meta_.checkpoint_seq > known || lost_end_;
  if (meta_.checkpoint_seq > known) {
    problems_.push_back(
        fmt::format("the base store knows seq {}, the log ends at seq {}: the end "
                    "of the log is gone",
                    meta_.checkpoint_seq, known));
  }
}

bool ReadOnlyStore::reaches_back() const {
  if (log_lost_ || !log_.log.report.validation.lost.empty() ||
      log_.log.report.gone_through_seq > 0 || (identity_ && identity_->compacted_through_seq > 0)) {
    return false;
  }
  if (log_.log.segments.empty()) {
    return meta_.checkpoint_seq == 0;
  }
  const wal::ExaminedSegment& first = log_.segments.front();
  return first.scan.header && !first.scan.sparse && first.scan.header->first_seq == 1 &&
         std::ranges::none_of(log_.segments, [](const wal::ExaminedSegment& segment) {
           return !segment.superseded && segment.scan.sparse;
         });
}

}  // namespace pluresdb::core
