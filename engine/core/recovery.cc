// See recovery.h. Nothing here deletes or replaces a part of a store that may hold data: only a
// directory whose creation was interrupted, provably, is cleaned up.
#include "engine/core/recovery.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "engine/core/arguments.h"
#include "engine/core/disk_space.h"
#include "engine/core/document_table.h"
#include "engine/core/replay.h"
#include "engine/core/store_identity.h"
#include "engine/core/store_keys.h"
#include "engine/crypto/keyring.h"
#include "engine/io/file_system.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {
namespace {

/// After the log vanished nobody knows which seqs it had given out behind the checkpoint: far fewer
/// than these.
constexpr Seq kSeqsPossiblyLost = 1ULL << 32;
/// A base store that is rebuilt from the log gets its name only when it is complete.
constexpr const char* kBaseTemporaryName = "base.tmp";
constexpr std::size_t kProblemsPrintedMax = 5;

class Opening {
 public:
  Opening(const std::string& directory, const EngineOptions& options)
      : directory_(directory), options_(options), files_(file_system_of(options)) {}

  Result<OpenedStore> run() {
    TRY(check_options(options_));
    TRY(check_file_system(directory_, options_));
    for (const char* part : {kWalDirectoryName, kBaseDirectoryName}) {
      TRY(check_file_system(path_of(part), options_));
    }
    TRY_ASSIGN(const bool existed, exists(path_of(kStoreFileName)));
    if (!existed) {
      TRY(check_creatable());
      TRY(make_directory());
    }
    TRY_ASSIGN(auto lock, files_.lock(path_of(kLockFileName)));
    // Whoever held the lock a moment ago may have created the store.
    TRY_ASSIGN(const bool exists_now, exists(path_of(kStoreFileName)));
    if (!exists_now) {
      TRY(create());
    } else {
      TRY_ASSIGN(keyring_,
                 unlock_keys(key_place(), options_.secret, crypto::Keyring::Access::kOwner));
      TRY(remove_leftovers());
    }
    TRY_ASSIGN(auto identity, StoreIdentity::load(files_, directory_, keys_of(keyring_)));
    TRY_ASSIGN(auto base, open_base(identity.record()));
    TRY_ASSIGN(auto meta, base->meta());
    auto table = std::make_unique<DocumentTable>();
    table->restore(meta);
    auto collector = std::make_unique<LogCollector>(*table, options_.dirty_bytes_max);
    TRY_ASSIGN(auto log, open_log(identity.record(), meta.checkpoint_seq, *collector));
    // An earlier open may have been cut off before the names in here were durable.
    TRY(files_.sync_directory(directory_));
    RecoveryReport report = report_of(log->recovery());
    report.created = !exists_now;
    report.checkpoint_seq = meta.checkpoint_seq;
    TRY(check_base_against_log(identity.record(), meta, log->recovery(), report));
    TRY(guard_against_reuse(identity, meta, *log, report));
    report.last_seq = std::max(report.last_seq, meta.checkpoint_seq);
    return OpenedStore{.table = std::move(table),
                       .collector = std::move(collector),
                       .lock = std::move(lock),
                       .keyring = std::move(keyring_),
                       .identity = std::move(identity),
                       .base = std::move(base),
                       .log = std::move(log),
                       .meta = std::move(meta),
                       .report = std::move(report)};
  }

 private:
  std::string path_of(const char* name) const { return io::join_path(directory_, name); }

  Result<bool> exists(const std::string& path) const {
    const auto info = files_.info(path);
    if (!info && info.error().code != ErrorCode::kNotFound) {
      return std::unexpected(info.error());
    }
    return info.has_value();
  }

  /// True when `path` is a directory with anything in it.
  Result<bool> has_contents(const std::string& path) const {
    TRY_ASSIGN(const bool present, exists(path));
    if (!present) {
      return false;
    }
    TRY_ASSIGN(const auto names, files_.list(path));
    return !names.empty();
  }

  /// Without a STORE file: is there really nothing that could be a store?
  Status check_creatable() const {
    TRY_ASSIGN(const bool rebuilding, exists(path_of(kRebuildMarkerName)));
    if (rebuilding) {
      return fail(ErrorCode::kCorruption,
                  directory_ + " holds a rebuild that was not finished; remove it, rebuild again");
    }
    TRY_ASSIGN(const bool prepared, StoreIdentity::is_prepared(files_, directory_));
    TRY_ASSIGN(const bool has_log, has_contents(path_of(kWalDirectoryName)));
    TRY_ASSIGN(const bool has_base, has_contents(path_of(kBaseDirectoryName)));
    // An interrupted creation has no log yet, and its base store is empty.
    if (has_log || (has_base && !prepared)) {
      return fail(ErrorCode::kCorruption,
                  fmt::format("{} holds a store without its {} file; restore that file from a "
                              "backup of this store",
                              directory_, kStoreFileName));
    }
    if (!options_.create_if_missing) {
      return fail(ErrorCode::kNotFound, fmt::format("{} holds no store", directory_));
    }
    return {};
  }

  Status make_directory() const {
    TRY(files_.create_directory(directory_));
    // Also when it was there: whoever made it may have been cut off before this.
    return files_.sync_directory(io::parent_path(directory_));
  }

  /// The order makes every crash harmless: as long as STORE has not got its name, the next open
  /// begins again, and the temporary file tells that what lies there is a leftover.  INV-CORE-10
  Status create() {
    TRY(check_creatable());
    auto store_uuid = make_store_uuid();
    TRY_ASSIGN(keyring_,
               make_keys(key_place(), options_.secret, store_uuid, clock_of(options_).wall_us()));
    if (keyring_ != nullptr) {
      store_uuid = keyring_->master_keys().store_id();
    }
    TRY(StoreIdentity::prepare(files_, directory_,
                               {.store_uuid = store_uuid,
                                .created_us = clock_of(options_).wall_us(),
                                .compacted_through_seq = 0,
                                .actor_seq_floor = 0},
                               keys_of(keyring_)));
    TRY_ASSIGN(const auto base,
               store::BaseStore::create(base_options(kBaseDirectoryName, store_uuid)));
    TRY(base->close());
    TRY(files_.sync_directory(directory_));
    return StoreIdentity::commit(files_, directory_);
  }

  Status remove_leftovers() const {
    TRY_ASSIGN(const bool prepared, StoreIdentity::is_prepared(files_, directory_));
    if (!prepared) {
      return {};
    }
    return files_.remove(path_of(kStoreFileName) + ".tmp");
  }

  KeyPlace key_place() const {
    return {.files = files_,
            .directory = directory_,
            .wal_directory = path_of(kWalDirectoryName),
            .base_directory = path_of(kBaseDirectoryName)};
  }

  store::BaseStoreOptions base_options(const char* name,
                                       const std::array<std::byte, 16>& store_uuid) const {
    return {.directory = path_of(name),
            .store_uuid = store_uuid,
            .block_cache_bytes = options_.block_cache_bytes,
            .files = &files_,
            .keys = keys_of(keyring_),
            .background_threads = options_.background_threads};
  }

  Result<std::unique_ptr<store::BaseStore>> open_base(const IdentityRecord& identity) {
    TRY_ASSIGN(const bool present, has_contents(path_of(kBaseDirectoryName)));
    if (!present) {
      TRY(rebuild_base(identity));
    }
    auto opened = store::BaseStore::open(base_options(kBaseDirectoryName, identity.store_uuid));
    for (const char* reserve : {kReserveFileName, kOpeningReserveFileName}) {
      if (!opened && opened.error().code == ErrorCode::kNoSpace &&
          files_.remove(path_of(reserve))) {
        // It died while the disk was full: this is what the reserves are for (D6).
        opened = store::BaseStore::open(base_options(kBaseDirectoryName, identity.store_uuid));
      }
    }
    if (!opened && opened.error().code == ErrorCode::kBaseLost) {
      return fail(ErrorCode::kBaseLost, what_is_lost(identity) + opened.error().context);
    }
    return opened;
  }

  /// With the base store. Nobody has looked at the log yet, but what it was meant to keep is known.
  std::string what_is_lost(const IdentityRecord& identity) const {
    if (identity.compacted_through_seq == 0) {
      return fmt::format(
          "nothing was removed from the log yet: with {} moved away it is made again from the "
          "log: ",
          path_of(kBaseDirectoryName));
    }
    return fmt::format("writes up to seq {} may be lost, later ones are in the log: ",
                       identity.compacted_through_seq);
  }

  /// A missing base store is made again only where the log still has everything since seq 1.
  Status rebuild_base(const IdentityRecord& identity) {
    TRY_ASSIGN(const bool has_log, has_contents(path_of(kWalDirectoryName)));
    if (identity.compacted_through_seq > 0 || !has_log) {
      return fail(
          ErrorCode::kBaseLost,
          fmt::format("{} is missing, and the log does not hold everything (compacted up to "
                      "seq {}); restore it from a backup",
                      path_of(kBaseDirectoryName), identity.compacted_through_seq));
    }
    const std::string temporary = path_of(kBaseTemporaryName);
    TRY_ASSIGN(const auto base,
               store::BaseStore::create(base_options(kBaseTemporaryName, identity.store_uuid)));
    TRY(base->close());
    TRY_ASSIGN(const bool empty_one_present, exists(path_of(kBaseDirectoryName)));
    if (empty_one_present) {
      TRY(files_.remove(path_of(kBaseDirectoryName)));
    }
    TRY(files_.rename(temporary, path_of(kBaseDirectoryName)));
    base_rebuilt_ = true;
    return files_.sync_directory(directory_);
  }

  Result<std::unique_ptr<wal::Log>> open_log(const IdentityRecord& identity, Seq seq_floor,
                                             LogCollector& collector) const {
    wal::LogOptions options;
    options.directory = path_of(kWalDirectoryName);
    options.quarantine_directory = path_of(kQuarantineDirectoryName);
    options.durability = options_.durability;
    options.segment_bytes = options_.segment_bytes;
    options.large_value_bytes = options_.large_value_bytes;
    options.background_threads = options_.background_threads;
    options.compress_rewritten = options_.compress_sealed;
    options.store_uuid = identity.store_uuid;
    options.files = &files_;
    options.keys = keys_of(keyring_);
    return wal::Log::open(options, seq_floor, &collector);
  }

  /// Base store and log must meet: what is in neither is lost, and that is never glossed over.
  /// INV-CORE-11
  Status check_base_against_log(const IdentityRecord& identity, const store::CheckpointMeta& meta,
                                const wal::LogRecovery& log, RecoveryReport& report) const {
    const Seq needed = std::max(identity.compacted_through_seq, log.gone_through_seq);
    if (meta.checkpoint_seq < needed) {
      return fail(ErrorCode::kBaseLost,
                  fmt::format("the base store ends at seq {}, but the log begins behind seq {}: "
                              "seqs {} .. {} are in neither; restore {} from a backup that is not "
                              "older than the log",
                              meta.checkpoint_seq, needed, meta.checkpoint_seq + 1, needed,
                              path_of(kBaseDirectoryName)));
    }
    if (base_rebuilt_) {
      report.wal.problems.push_back(
          fmt::format("{} was missing; rebuilt from the log, which reaches back to seq 1",
                      path_of(kBaseDirectoryName)));
      (void)std::fprintf(stderr, "pluresdb: warning: %s\n", report.wal.problems.back().c_str());
    }
    return {};
  }

  /// Neither base store nor log has what was there when the store was closed.
  void report_lost_end(SeqRange range, RecoveryReport& report) const {
    const std::uint64_t count = range.last - range.first + 1;
    report.wal_lost = true;
    report.wal.total_entries += count;
    report.wal.corrupted_entries += count;
    report.wal.lost.push_back(range);
    report.wal.problems.push_back(
        fmt::format("{} was closed with seq {}; base store and log both end at seq {}: their ends "
                    "are gone. Restore a backup that has them",
                    directory_, range.last, range.first - 1));
  }

  /// After a loss: no seq and no dot that the lost records had is given out again.
  Status guard_against_reuse(StoreIdentity& identity, const store::CheckpointMeta& meta,
                             wal::Log& log, RecoveryReport& report) const {
    Seq lost_through = 0;
    for (const SeqRange& range : report.wal.lost) {
      lost_through = std::max(lost_through, range.last);
    }
    if (meta.checkpoint_seq > std::max(report.last_seq, lost_through)) {
      report.wal_lost = true;
      lost_through = meta.checkpoint_seq + kSeqsPossiblyLost;
      log.raise_seq_floor(lost_through);
    }
    const Seq known = std::max({report.last_seq, lost_through, meta.checkpoint_seq});
    if (identity.record().closed_at_seq > known) {
      report_lost_end({.first = known + 1, .last = identity.record().closed_at_seq}, report);
      lost_through = identity.record().closed_at_seq + kSeqsPossiblyLost;
      log.raise_seq_floor(lost_through);
    }
    // An actor_seq is never greater than the seq of its record.  INV-CORE-5
    if (lost_through > identity.record().actor_seq_floor) {
      IdentityRecord record = identity.record();
      record.actor_seq_floor = lost_through;
      TRY(identity.update(record));
    }
    return {};
  }

  const std::string& directory_;
  const EngineOptions& options_;
  io::FileSystem& files_;
  std::unique_ptr<crypto::Keyring> keyring_;  // Null: not encrypted.
  bool base_rebuilt_ = false;
};

}  // namespace

Result<OpenedStore> open_store(const std::string& directory, const EngineOptions& options) {
  return Opening(directory, options).run();
}

void warn_about(const std::string& directory, const RecoveryReport& report) {
  if (report.wal.is_healthy() && !report.wal_lost) {
    return;
  }
  const ValidationReport& wal = report.wal;
  std::string text = fmt::format(
      "pluresdb: warning: {}: {} of {} entries and {} of {} segments are damaged{}; {} bytes were "
      "quarantined\n",
      directory, wal.corrupted_entries, wal.total_entries, wal.corrupted_segments,
      wal.total_segments, report.wal_lost ? ", and the log is older than the base store" : "",
      report.quarantined_bytes);
  if (wal.tampered_places > 0) {
    text +=
        fmt::format("pluresdb: warning: {} places were changed, or files put back, by somebody\n",
                    wal.tampered_places);
  }
  for (std::size_t i = 0; i < std::min(wal.problems.size(), kProblemsPrintedMax); ++i) {
    text += fmt::format("pluresdb: warning: {}\n", wal.problems[i]);
  }
  (void)std::fputs(text.c_str(), stderr);
}

RecoveryReport report_of(const wal::LogRecovery& recovery) {
  RecoveryReport report;
  report.wal = recovery.validation;
  report.created = recovery.created;
  report.clean_shutdown = recovery.clean_shutdown;
  report.last_seq = recovery.last_seq;
  report.torn_bytes_dropped = recovery.torn_bytes_dropped;
  report.quarantined_bytes = recovery.quarantined_bytes;
  return report;
}

}  // namespace pluresdb::core
