// See segment_appender.h.
#include "engine/wal/segment_appender.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/duration_recorder.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_pool.h"
#include "engine/wal/segment_set.h"
#include "engine/wal/segment_writer.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {
namespace {

/// New files tried for one group before the log gives up.
constexpr int kOpenAttempts = 2;
/// Zero-filling costs every byte twice and pays off only while syncs are dominated by metadata, and
/// only for a log that lives longer than a few groups.
constexpr std::uint64_t kZeroFillGroupBytesMax = 8ULL << 10;
constexpr std::uint64_t kZeroFillGroupsMin = 256;
constexpr std::uint64_t kMeanWeight = 16;

}  // namespace

SegmentAppender::SegmentAppender(const LogOptions& options, SegmentPool& pool, SegmentSet& segments,
                                 const Predecessor& previous)
    : options_(options),
      pool_(pool),
      segments_(segments),
      layout_(options.keys != nullptr),
      group_flags_(options.durability == Durability::kNone ? kGroupUnsynced : kGroupSynced),
      previous_(previous),
      last_written_seq_(previous.last_seq) {}

Error SegmentAppender::poisoned_error() const {
  DB_CHECK(poisoned_.has_value());
  Error error = *poisoned_;
  error.code = ErrorCode::kReadOnly;
  error.context = "the log is read-only until it is opened again, after: " + error.context;
  return error;
}

WalStats SegmentAppender::stats() const {
  const base::MutexLock lock(stats_mutex_);
  return stats_;
}

GroupOutcome SegmentAppender::poison(GroupFate fate, const Error& cause) {
  poisoned_ = cause;
  watermark_wanted_ = false;
  {
    const base::MutexLock lock(stats_mutex_);
    stats_.read_only = true;
  }
  Error told = fate == GroupFate::kUnknown ? cause : poisoned_error();
  if (fate == GroupFate::kUnknown) {
    told.code = ErrorCode::kIndeterminate;
  }
  return {.fate = fate, .error = std::move(told)};
}

GroupOutcome SegmentAppender::refuse(const Error& cause) {
  if (is_poisoned()) {
    return {.fate = GroupFate::kRefused, .error = poisoned_error()};
  }
  if (cause.code != ErrorCode::kNoSpace) {
    return poison(GroupFate::kRefused, cause);
  }
  const base::MutexLock lock(stats_mutex_);
  ++stats_.no_space_refusals;
  return {.fate = GroupFate::kRefused, .error = cause};
}

Status SegmentAppender::sync_active() {
  const auto start = std::chrono::steady_clock::now();
  Status synced = active_->sync();
  const base::MutexLock lock(stats_mutex_);
  ++stats_.syncs;
  stats_.sync_failures += synced ? 0U : 1U;
  base::record_duration(stats_.sync_duration, std::chrono::steady_clock::now() - start);
  if (synced) {
    stats_.durable_seq = last_written_seq_;
  }
  return synced;
}

/// No group goes into the active segment any more: from here on its successor's header may say
/// where it ends, and nothing may be written behind that place.
std::unique_ptr<SegmentWriter> SegmentAppender::end_active(bool sealed) {
  DB_CHECK(is_poisoned() || active_->durable_offset() == active_->offset());  // INV-WAL-4
  previous_ = {.id = active_->id(),
               .valid_bytes = active_->durable_offset(),
               .last_seq = last_written_seq_,
               .salt = active_->access().salt};
  segments_.retire(*active_segment_, sealed, active_->file_bytes());
  active_segment_.reset();
  watermark_wanted_ = false;
  return std::move(active_);
}

Status SegmentAppender::retire_active() {
  if (active_ == nullptr) {
    return {};
  }
  if (active_->durable_offset() != active_->offset()) {
    if (Status synced = sync_active(); !synced) {
      poison(GroupFate::kUnknown, synced.error());  // Older groups, never promised to be durable.
      return synced;
    }
  }
  // The groups are durable: a footer that cannot be written costs only the footer.
  const Status sealed = active_->seal(false, pool_.next_id());
  previous_is_suspect_ = !sealed;
  end_active(sealed.has_value());
  return {};
}

/// Cuts off what the new segment's header has made void, once that header is durable. Only space
/// is lost when it fails: the successor then has to stay as long as this segment.
void SegmentAppender::trim_predecessor() {
  const std::shared_ptr<Segment> segment = segments_.find(previous_.id);
  if (segment == nullptr) {
    return;
  }
  segments_.note_successor(previous_);
  // After a failed sync no later sync of that file is believed; the next open cuts it.
  if (!previous_is_suspect_ && segments_.needs_successor(*segment) &&
      trim_segment(*options_.files, segment->path, previous_.valid_bytes)) {
    segments_.note_trimmed(*segment);
  }
}

SegmentAppender::Beginning SegmentAppender::beginning_for(const GroupBuilder& group,
                                                          Hlc hlc_floor) {
  return {.first_seq = group.first_seq(),
          .hlc_floor = hlc_floor,
          .group_bytes = group.bytes(),
          .group_values = group.values().size()};
}

Status SegmentAppender::try_open_segment(const Beginning& beginning) {
  TRY_ASSIGN(std::unique_ptr<SegmentWriter> writer,
             pool_.take(SegmentWriter::capacity_for(beginning.group_bytes, beginning.group_values,
                                                    layout_)));
  Status opened = retire_active();
  const SegmentHeader header{.first_seq = beginning.first_seq,
                             .predecessor = previous_,
                             .hlc_floor = beginning.hlc_floor,
                             .store_uuid = options_.store_uuid};
  if (opened) {
    opened = writer->write_header(header);
  }
  if (opened) {
    opened = writer->activate(io::join_path(options_.directory, segment_name(writer->id())));
  }
  if (!opened) {
    writer->abandon();
    return opened;
  }
  auto segment = std::make_shared<Segment>();
  segment->id = writer->id();
  segment->path = writer->path();
  segment->access = writer->access();
  segment->lowest_seq = previous_.last_seq + 1;
  segment->newest_part = {.id = writer->id(), .salt = writer->access().salt};
  segment->predecessor_id = previous_.id;
  segment->last_written_seq = previous_.last_seq;
  segment->valid_end = writer->offset();
  segment->file_bytes = writer->file_bytes();
  segment->hlc_floor = beginning.hlc_floor;
  segment->active = true;
  segments_.add(segment);
  active_ = std::move(writer);
  active_segment_ = std::move(segment);
  trim_predecessor();
  pool_.request_spare(has_small_groups());
  return {};
}

bool SegmentAppender::has_small_groups() const {
  return options_.durability != Durability::kNone && groups_written_ >= kZeroFillGroupsMin &&
         mean_group_bytes_ <= kZeroFillGroupBytesMax;
}

/// The first segment of a log was made in a hurry; a filled one is worth the change.
bool SegmentAppender::would_rather_go_on_in_the_spare(const GroupBuilder& group) const {
  const bool fits = SegmentWriter::capacity_for(group.bytes(), group.values().size(), layout_) <=
                    options_.segment_bytes;
  return fits && !active_->is_zero_filled() && has_small_groups() && pool_.has_filled_spare();
}

Status SegmentAppender::open_segment(const Beginning& beginning) {
  Status opened = try_open_segment(beginning);
  for (int attempt = 1; attempt < kOpenAttempts; ++attempt) {
    if (opened || opened.error().code == ErrorCode::kNoSpace || is_poisoned()) {
      break;
    }
    opened = try_open_segment(beginning);
  }
  return opened;
}

Status SegmentAppender::begin(Seq next_seq, Hlc hlc_floor) {
  if (is_poisoned()) {
    return std::unexpected(poisoned_error());
  }
  return active_ != nullptr ? Status{}
                            : open_segment({.first_seq = next_seq, .hlc_floor = hlc_floor});
}

void SegmentAppender::note_written(const GroupBuilder& group, std::uint64_t offset, Hlc last_hlc,
                                   bool synced) {
  DB_CHECK(!synced || active_->durable_offset() == active_->offset());  // INV-WAL-1
  DB_CHECK(group.first_seq() > last_written_seq_);                      // INV-WAL-3
  last_written_seq_ = group.last_seq();
  watermark_wanted_ = synced;
  segments_.publish(*active_segment_, group, offset, last_hlc);
  ++groups_written_;
  if (groups_written_ == kZeroFillGroupsMin && has_small_groups()) {
    pool_.request_spare(true);
  }
  mean_group_bytes_ = (mean_group_bytes_ * (kMeanWeight - 1) + group.bytes()) / kMeanWeight;
  const base::MutexLock lock(stats_mutex_);
  ++stats_.groups;
  stats_.appended_entries += group.record_count();
  stats_.appended_bytes += group.bytes();
  stats_.last_seq = last_written_seq_;
  if (synced) {
    stats_.durable_seq = last_written_seq_;
  }
}

Status SegmentAppender::write_group(GroupBuilder& group, bool sync, bool& sync_failed) {
  TRY(active_->append(group, sync ? std::uint32_t{kGroupSynced} : group_flags_));
  if (sync) {
    Status synced = sync_active();
    sync_failed = !synced;
    return synced;
  }
  return {};
}

GroupOutcome SegmentAppender::commit(GroupBuilder& group, Hlc last_hlc, Hlc hlc_floor, bool sync) {
  DB_CHECK(!is_poisoned());  // INV-WAL-6
  if (active_ == nullptr || !active_->has_room(group.bytes(), group.values().size()) ||
      would_rather_go_on_in_the_spare(group)) {
    if (const Status opened = open_segment(beginning_for(group, hlc_floor)); !opened) {
      return refuse(opened.error());  // Nothing of the group is in any file.
    }
  }
  const std::uint64_t offset = active_->offset();
  bool sync_failed = false;
  const Status written = write_group(group, sync, sync_failed);
  if (written) {
    note_written(group, offset, last_hlc, sync);
    return {};
  }
  return write_elsewhere(group, last_hlc, hlc_floor,
                         {.cause = written.error(), .offset = offset, .in_sync = sync_failed});
}

/// D5: any part of the group may be in the active file. It goes, whole, into another one, whose
/// header makes void what the first one holds of it.
GroupOutcome SegmentAppender::write_elsewhere(GroupBuilder& group, Hlc last_hlc, Hlc hlc_floor,
                                              const Failure& failure) {
  // Groups before it that were not synced (only with Durability::kNone) can still be made durable
  // when no sync has failed; no sync is ever repeated.
  const std::uint64_t offset = failure.offset;
  if (active_->durable_offset() != offset && (failure.in_sync || !sync_active())) {
    return poison(GroupFate::kUnknown, failure.cause);
  }
  active_->forget_unsynced();
  previous_is_suspect_ = failure.in_sync;
  const std::unique_ptr<SegmentWriter> failed = end_active(false);
  if (const Status opened = open_segment(beginning_for(group, hlc_floor)); !opened) {
    // On a full disk the group can be taken back, unless a sync has failed: after that nothing that
    // is written to the file is certain.
    if (opened.error().code == ErrorCode::kNoSpace && !failure.in_sync &&
        failed->void_group(offset)) {
      return refuse(opened.error());
    }
    return poison(GroupFate::kUnknown, failure.cause);
  }
  DB_CHECK(active_);
  bool sync_failed = false;
  const std::uint64_t new_offset = active_->offset();
  if (const Status written = write_group(group, true, sync_failed); !written) {
    return poison(GroupFate::kUnknown, written.error());
  }
  note_written(group, new_offset, last_hlc, true);
  const base::MutexLock lock(stats_mutex_);
  ++stats_.groups_rewritten;
  return {};
}

Status SegmentAppender::sync() {
  if (is_poisoned()) {
    return std::unexpected(poisoned_error());
  }
  if (active_ == nullptr || active_->durable_offset() == active_->offset()) {
    return {};
  }
  if (const Status synced = sync_active(); !synced) {
    return std::unexpected(*poison(GroupFate::kUnknown, synced.error()).error);
  }
  watermark_wanted_ = true;
  return {};
}

bool SegmentAppender::wants_watermark() const {
  return watermark_wanted_ && !is_poisoned() && active_ != nullptr &&
         active_->has_room(layout_.group_header_bytes(), 0);
}

void SegmentAppender::write_watermark() {
  DB_CHECK(wants_watermark());
  DB_CHECK(active_->durable_offset() == active_->offset());
  const std::uint64_t offset = active_->offset();
  GroupBuilder empty(nullptr, layout_);
  empty.clear();
  Status written = active_->append(empty, kGroupWatermark);
  if (written) {
    written = sync_active();
  }
  watermark_wanted_ = false;
  if (written) {
    segments_.publish(*active_segment_, empty, offset, 0);
    return;
  }
  active_->forget_unsynced();
  previous_is_suspect_ = true;
  end_active(false);
}

Status SegmentAppender::close() {
  TRY(sync());
  if (active_ == nullptr) {
    return {};
  }
  Status sealed = active_->seal(true, pool_.next_id());
  end_active(sealed.has_value());
  return sealed;
}

}  // namespace pluresdb::wal
