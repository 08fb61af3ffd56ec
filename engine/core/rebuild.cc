// rebuild_from_wal(): the log, and where it does not reach back the base store, into a new store.
//
// Documents go the way they go in an open store, through a DocumentTable into the base store; then
// the large values that it refers to are copied, in seq order, into a log of its own.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/clock.h"
#include "engine/core/arguments.h"
#include "engine/core/document_table.h"
#include "engine/core/read_only_store.h"
#include "engine/core/rebuild_meter.h"
#include "engine/core/rebuild_place.h"
#include "engine/core/recovery.h"
#include "engine/core/store_identity.h"
#include "engine/core/store_keys.h"
#include "engine/crypto/keyring.h"
#include "engine/io/file_system.h"
#include "engine/io/read_only_file_system.h"
#include "engine/store/base_inspector.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include "engine/wal/log_builder.h"
#include "engine/wal/log_check.h"
#include "engine/wal/log_reader.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/rebuild.h>
#include <pluresdb/stats.h>

namespace pluresdb {
namespace core {
namespace {

/// The whole base store of the source, as one checkpoint of the new one.
class CopiedSource final : public store::CheckpointSource {
 public:
  explicit CopiedSource(store::BaseCursor& cursor) : cursor_(cursor) {}
  bool next(std::string& id, store::BaseValue& value) override {
    const Result<bool> found = cursor_.next(id, value);
    if (!found) {
      failure_ = found.error();
    }
    return found && *found;
  }
  /// The interface has no room for it: to be asked when the checkpoint is written.
  [[nodiscard]] Status outcome() const {
    return failure_ ? Status(std::unexpected(*failure_)) : Status{};
  }

 private:
  store::BaseCursor& cursor_;
  std::optional<Error> failure_;
};

/// A live document whose value is in the log.
struct Reference {
  Seq seq = 0;
  std::uint64_t bytes = 0;
  std::uint32_t crc = 0;
  bool copied = false;
};

/// A record that outlives the visit of the log.
struct HeldRecord {
  wal::RecordView view;
  std::string actor;
  std::string id;
  std::string value;

  void hold(const wal::RecordView& record) {
    view = record;
    actor = record.actor;
    id = record.id;
    value = record.value;
    point_to_own();
  }
  void point_to_own() {
    view.actor = actor;
    view.id = id;
    view.value = value;
  }
};

std::uint64_t bytes_below(io::FileSystem& files, const std::string& directory) {
  std::uint64_t bytes = 0;
  if (const auto names = files.list(directory)) {
    for (const std::string& name : *names) {
      const auto info = files.info(io::join_path(directory, name));
      bytes += info && info->kind == io::FileKind::kRegular ? info->size_bytes : 0;
    }
  }
  return bytes;
}

class Rebuild {
 public:
  Rebuild(const std::string& wal_path, const std::string& output, const RebuildOptions& options)
      : wal_path_(wal_path),
        options_(options.engine),
        source_secret_(options.source_secret),
        decrypts_unasked_(options.source_secret != nullptr && options.engine.secret == nullptr &&
                          !options.allow_decryption),
        files_(file_system_of(options_)),
        place_(files_, output),
        meter_(options) {}

  Result<RebuildStats> run() {
    const std::int64_t start_ns = clock_of(options_).monotonic_ns();
    Status made = make();
    if (!made) {
      place_.discard();
      // Whatever a cancelled read has turned into on its way.
      const Status cancelled = meter_.check();
      return std::unexpected(cancelled ? std::move(made).error() : cancelled.error());
    }
    stats_.duration_seconds =
        static_cast<double>(clock_of(options_).monotonic_ns() - start_ns) * 1e-9;
    return std::move(stats_);
  }

 private:
  Status make() {
    TRY(check_options(options_));
    if (decrypts_unasked_) {
      return fail(ErrorCode::kInvalidArgument,
                  "the source is encrypted, and there is no secret for the new store: give one, or "
                  "allow decryption");
    }
    TRY(check_file_system(place_.directory(), options_));
    TRY(open_source());
    TRY(check_apart());
    TRY(place_.prepare());
    TRY_ASSIGN(keyring_,
               make_keys({.files = files_,
                          .directory = place_.directory(),
                          .wal_directory = path_of(kWalDirectoryName),
                          .base_directory = path_of(kBaseDirectoryName)},
                         options_.secret, identity_.store_uuid, clock_of(options_).wall_us()));
    TRY_ASSIGN(base_,
               store::BaseStore::create({.directory = path_of(kBaseDirectoryName),
                                         .store_uuid = identity_.store_uuid,
                                         .block_cache_bytes = options_.block_cache_bytes,
                                         .files = &files_,
                                         .keys = keys_of(keyring_),
                                         .background_threads = options_.background_threads}));
    TRY(copy_base());
    TRY(replay_log());
    TRY(collect_references());
    TRY(copy_values());
    account();
    stats_.output_bytes += base_->file_bytes();
    TRY(base_->close());
    TRY(files_.sync_directory(place_.directory()));
    const IdentityRecord record = identity();
    TRY(StoreIdentity::prepare(files_, place_.directory(), record, keys_of(keyring_)));
    TRY(meter_.finish());
    TRY(StoreIdentity::commit(files_, place_.directory()));
    return place_.commit();
  }

  std::string path_of(const char* name) const { return io::join_path(place_.directory(), name); }

  Status open_source() {
    log_bytes_ = bytes_below(files_, wal_path_);
    base_bytes_ =
        bytes_below(files_, io::join_path(io::parent_path(wal_path_), kBaseDirectoryName));
    meter_.set_sizes(log_bytes_, base_bytes_);
    TRY(meter_.begin_stage(log_bytes_));
    TRY_ASSIGN(source_,
               ReadOnlyStore::open_log(files_, wal_path_, source_secret_,
                                       [this](std::uint64_t bytes) { return meter_.add(bytes); }));
    TRY(meter_.end_stage());
    stats_.problems = source_->problems();
    const ValidationReport& log = source_->log().log.report.validation;
    stats_.problems.insert(stats_.problems.end(), log.problems.begin(), log.problems.end());
    if (source_->base() != nullptr && !source_->reaches_back()) {
      stats_.source = HistorySource::kBaseAndLog;
      stats_.base_seq = source_->meta().checkpoint_seq;
    }
    return {};
  }

  /// The source is left as it is, so nothing is made inside it.
  Status check_apart() const {
    for (const std::string& directory : {source_->directory(), source_->wal_directory()}) {
      if (!directory.empty() && place_.directory().starts_with(directory + "/")) {
        return fail(ErrorCode::kInvalidArgument,
                    place_.directory() + " would be inside " + directory);
      }
    }
    return {};
  }

  [[nodiscard]] bool uses_base() const { return stats_.source == HistorySource::kBaseAndLog; }

  Status copy_base() {
    TRY(meter_.begin_stage(base_bytes_));
    if (uses_base()) {
      const auto cursor = source_->base()->cursor({});
      CopiedSource everything(*cursor);
      store::CheckpointMeta meta = source_->meta();
      meta.previous_checkpoint_seq = meta.checkpoint_seq;
      TRY(base_->ingest(everything, meta));
      TRY(everything.outcome());
      table_.restore(meta);
    }
    return meter_.end_stage();
  }

  Status replay_log() {
    TRY(meter_.begin_stage(log_bytes_));
    TRY(wal::replay_segments(source_->segments(), stats_.base_seq + 1, false,
                             [this](const wal::RecordView& record) -> Status {
                               table_.apply({&record, 1});
                               ++stats_.entries_replayed;
                               return table_.bytes() >= options_.dirty_bytes_max ? checkpoint()
                                                                                 : Status{};
                             }));
    stats_.last_seq = table_.last_seq();
    if (stats_.last_seq > 0) {
      TRY(checkpoint());
    }
    return meter_.end_stage();
  }

  Status checkpoint() {
    TRY(meter_.check());
    DocumentTable::Frozen frozen = table_.freeze();
    frozen.meta.previous_checkpoint_seq = frozen.meta.checkpoint_seq;
    TRY(base_->ingest(*frozen.source, frozen.meta));
    table_.drop_frozen();
    return {};
  }

  Status collect_references() {
    TRY_ASSIGN(const auto cursor, base_->cursor({}));
    std::string id;
    store::BaseValue value;
    while (true) {
      TRY(meter_.check());
      TRY_ASSIGN(const bool found, cursor->next(id, value));
      if (!found) {
        break;
      }
      if (value.kind == store::ValueKind::kTombstone) {
        ++stats_.tombstones;
        continue;
      }
      ++stats_.documents;
      if (value.kind == store::ValueKind::kInLog) {
        references_.push_back(
            {.seq = value.seq, .bytes = value.value_bytes, .crc = value.value_crc});
      }
    }
    std::ranges::sort(references_, {}, &Reference::seq);
    return {};
  }

  /// The newest readable record goes along, whatever it is: it carries the seqs in use.
  Status copy_values() {
    TRY(meter_.begin_stage(log_bytes_));
    TRY(files_.create_directory(path_of(kWalDirectoryName)));
    wal::LogBuilder builder({.directory = path_of(kWalDirectoryName),
                             .segment_bytes = options_.segment_bytes,
                             .store_uuid = identity_.store_uuid,
                             .keys = keys_of(keyring_),
                             .files = &files_});
    HeldRecord held;
    const Status copied = wal::replay_segments(source_->segments(), 0, false,
                                               [&](const wal::RecordView& record) -> Status {
                                                 TRY(meter_.check());
                                                 TRY(add_if_live(builder, held));
                                                 held.hold(record);
                                                 return {};
                                               });
    TRY(copied);
    if (held.view.seq != 0) {
      TRY_ASSIGN(const bool complete, complete_value(held));
      wal::RecordView newest = held.view;
      if (!complete) {  // Its value is lost; its seq, dot and clock stay in use.
        newest = {};
        newest.type = wal::OperationType::kCheckpoint;
        newest.seq = held.view.seq;
        newest.timestamp_us = held.view.timestamp_us;
        newest.hlc = held.view.hlc;
        newest.actor_seq = held.view.actor_seq;
        newest.actor = held.view.actor;
      }
      const Hlc hlc_floor = std::max(table_.hlc_floor(), source_->log().log.report.hlc_floor);
      TRY(builder.finish(newest, next_seq_behind(newest.seq), hlc_floor));
    }
    TRY(files_.sync_directory(path_of(kWalDirectoryName)));
    stats_.output_bytes += builder.bytes();
    return meter_.end_stage();
  }

  /// No seq that the source may have given out is below it.
  [[nodiscard]] Seq next_seq_behind(Seq newest) const {
    const std::optional<IdentityRecord>& old = source_->identity();
    return std::max(source_->log().log.next_seq,
                    std::max(newest, old ? old->closed_at_seq : Seq{0}) + 1);
  }

  Status add_if_live(wal::LogBuilder& builder, HeldRecord& held) {
    if (!held.view.value_in_log || find_reference(held.view.seq) == nullptr) {
      return {};
    }
    TRY_ASSIGN(const bool complete, complete_value(held));
    return complete ? builder.add(held.view) : Status{};
  }

  Reference* find_reference(Seq seq) {
    const auto found = std::ranges::lower_bound(references_, seq, {}, &Reference::seq);
    return found != references_.end() && found->seq == seq ? &*found : nullptr;
  }

  /// Fills in a large value. False: it is damaged, or another one than the document refers to.
  Result<bool> complete_value(HeldRecord& held) {
    if (!held.view.value_in_log) {
      return true;
    }
    auto value = wal::read_large_value(source_->segments(), held.view.seq, held.view.value_bytes,
                                       held.view.value_crc);
    if (!value && (value.error().code == ErrorCode::kCorruption ||
                   value.error().code == ErrorCode::kNotFound)) {
      return false;
    }
    if (!value) {
      return std::unexpected(value.error());
    }
    held.value = *std::move(value);
    held.point_to_own();
    Reference* const reference = find_reference(held.view.seq);
    if (reference != nullptr && reference->bytes == held.view.value_bytes &&
        reference->crc == held.view.value_crc) {
      reference->copied = true;
      ++stats_.large_values;
    }
    return true;
  }

  /// What of the source is not in the result.
  void account() {
    const wal::LogRecovery& report = source_->log().log.report;
    if (uses_base()) {
      if (const std::optional<SeqRange>& unmet = source_->unmet()) {
        stats_.gone.push_back(*unmet);
      }
    } else if (const Seq gone = gone_without_base(); gone > 0) {
      stats_.gone.push_back({.first = 1, .last = gone});
    }
    if (const std::optional<SeqRange>& end = source_->lost_end()) {
      stats_.gone.push_back(*end);
    }
    std::vector<SeqRange> lost;
    for (const SeqRange& range : report.validation.lost) {
      if (range.last > stats_.base_seq) {
        lost.push_back({.first = std::max(range.first, stats_.base_seq + 1), .last = range.last});
      }
    }
    for (const Reference& reference : references_) {
      if (!reference.copied) {
        ++stats_.unreadable_documents;
        lost.push_back({.first = reference.seq, .last = reference.seq});
      }
    }
    std::ranges::sort(lost, {}, &SeqRange::first);
    for (const SeqRange& range : lost) {
      wal::add_range(stats_.lost, range);
    }
    stats_.is_complete = stats_.gone.empty() && stats_.lost.empty() && !source_->is_log_lost();
  }

  /// Up to here the log alone does not hold everything.
  [[nodiscard]] Seq gone_without_base() const {
    const wal::ExaminedLog& log = source_->log();
    Seq gone = log.log.report.gone_through_seq;
    if (const std::optional<IdentityRecord>& identity = source_->identity()) {
      gone = std::max(gone, identity->compacted_through_seq);
    }
    for (const wal::ExaminedSegment& segment : log.segments) {
      if (segment.scan.sparse && !segment.superseded) {
        gone = std::max(gone, segment.scan.header ? segment.scan.header->covers.last
                                                  : segment.scan.highest_seq);
      }
    }
    if (gone > 0 || log.segments.empty()) {
      return gone;
    }
    const std::optional<wal::SegmentHeader>& first = log.segments.front().scan.header;
    return first && first->first_seq > 1 ? first->first_seq - 1 : 0;
  }

  IdentityRecord identity() {
    identity_.created_us = clock_of(options_).wall_us();
    // Its log does not reach back: a base store that is older than this one would be a loss.
    identity_.compacted_through_seq = stats_.last_seq;
    // An actor_seq is never greater than the seq of its record.  INV-CORE-5
    for (const auto* ranges : {&stats_.gone, &stats_.lost}) {
      for (const SeqRange& range : *ranges) {
        identity_.actor_seq_floor = std::max(identity_.actor_seq_floor, range.last);
      }
    }
    if (const std::optional<IdentityRecord>& old = source_->identity()) {
      identity_.actor_seq_floor = std::max(identity_.actor_seq_floor, old->actor_seq_floor);
    }
    return identity_;
  }

  const std::string& wal_path_;
  const EngineOptions& options_;
  const StoreSecret* source_secret_;
  const bool decrypts_unasked_;
  io::FileSystem& files_;
  RebuildPlace place_;
  RebuildMeter meter_;
  RebuildStats stats_;
  std::unique_ptr<ReadOnlyStore> source_;
  std::uint64_t log_bytes_ = 0;
  std::uint64_t base_bytes_ = 0;
  IdentityRecord identity_{.store_uuid = make_store_uuid()};
  DocumentTable table_;
  std::unique_ptr<crypto::Keyring> keyring_;  // Of the new store; null: it is plain.
  std::unique_ptr<store::BaseStore> base_;
  std::vector<Reference> references_;  // By seq.
};

}  // namespace
}  // namespace core

Result<RebuildStats> rebuild_from_wal(const std::string& wal_path, const std::string& output_db,
                                      const RebuildOptions& options) {
  return core::Rebuild(wal_path, output_db, options).run();
}

}  // namespace pluresdb
