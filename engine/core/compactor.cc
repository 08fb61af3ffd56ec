#include "engine/core/compactor.h"

#include <algorithm>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/mutex.h"
#include "engine/core/disk_space.h"
#include "engine/core/store_identity.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::core {
namespace {

/// A segment is rewritten when less than half of its file is live: docs/DURABILITY.md "How large
/// the log becomes" counts on it.
constexpr std::uint64_t kLiveDivisor = 2;
/// Files below this part of a segment are small; so many of them in a row become one, so that the
/// number of files depends on what is live, not on how long the store has been there.
constexpr std::uint64_t kSmallPart = 4;
constexpr std::size_t kSmallRun = 4;
constexpr Seq kNoSeq = ~0ULL;

std::vector<std::uint64_t> ids_of(const std::vector<wal::SegmentInfo>& segments) {
  std::vector<std::uint64_t> ids;
  ids.reserve(segments.size());
  for (const auto& segment : segments) {
    ids.push_back(segment.id);
  }
  return ids;
}

/// A rewritten segment has a later id than its neighbours; only the seqs tell who is next to whom.
std::vector<wal::SegmentInfo> in_seq_order(std::vector<wal::SegmentInfo> segments) {
  std::ranges::sort(segments, {}, [](const wal::SegmentInfo& segment) {
    return std::pair(segment.first_seq, segment.id);
  });
  return segments;
}

}  // namespace

/// What a pass will do, and what it costs.
struct Compactor::Plan {
  struct Looked {
    wal::SegmentInfo segment;
    std::uint64_t live_bytes;
  };
  const CompactionLimits& limits;
  Seq begin = 0;  ///< Segments before it were looked at by the pass before.
  std::vector<wal::SegmentInfo> removable{};
  std::vector<Batch> batches{};
  std::vector<Looked> small_run{};  ///< Adjacent small ones that stay, up to the last looked at.
  CompactionWork work{};
  Seq first_left = 0;     ///< 0: nothing was left.
  bool adjacent = false;  ///< The last segment looked at went into batches.back().

  void leave(const wal::SegmentInfo& segment) {
    first_left = first_left == 0 ? segment.first_seq : std::min(first_left, segment.first_seq);
  }
  /// False: the limit is reached, the segment is left.
  bool admit(const wal::SegmentInfo& segment, bool collects) {
    const std::uint64_t limit = collects ? limits.collect_bytes : limits.compress_bytes;
    std::uint64_t& spent = collects ? work.collect_bytes : work.compress_bytes;
    if (spent >= limit) {
      (collects ? work.collect_ran_out : work.compress_ran_out) = true;
      leave(segment);
      return false;
    }
    spent += segment.file_bytes;
    return true;
  }
};

/// Every error of a pass: one must neither stop the others nor hide them.
class Compactor::Errors {
 public:
  void note(Status outcome) {
    if (outcome) {
      return;
    }
    ++count_;
    (count_ == 1 ? first_ : last_) = std::move(outcome).error();
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] Status outcome() const {
    if (count_ == 0) {
      return {};
    }
    Error told = first_;
    if (count_ > 1) {
      told.context += fmt::format("; {} more of this pass failed, the last one: {}", count_ - 1,
                                  to_string(last_));
    }
    return std::unexpected(std::move(told));
  }

 private:
  std::uint64_t count_ = 0;
  Error first_;
  Error last_;
};

CompactionPass Compactor::run(const store::CheckpointMeta& meta, const CompactionLimits& limits) {
  const base::MutexLock lock(mutex_);
  Plan plan{.limits = limits, .begin = limits.lookups == CompactionLimits::kNone ? 0 : next_seq_};
  Errors errors;
  make_plan(meta, plan, errors);
  next_seq_ = plan.first_left;
  errors.note(remove(plan.removable));
  for (const Batch& batch : plan.batches) {
    if (!has_room_for(batch)) {
      continue;
    }
    Status outcome = rewrite(batch, meta, kNoSeq, [](std::uint64_t) {});
    // Another file still needs one of them, or lies between them: not this time.
    if (outcome || outcome.error().code != ErrorCode::kInvalidArgument) {
      errors.note(std::move(outcome));
    }
  }
  const base::MutexLock counts_lock(counts_mutex_);
  counts_.runs += errors.count() == 0 ? 1U : 0U;
  counts_.failures += errors.count();
  return {.work = plan.work, .outcome = errors.outcome()};
}

/// Records from this seq on stay, whatever the base store says of them.
Seq Compactor::needed_from(const std::vector<wal::SegmentInfo>& segments,
                           const store::CheckpointMeta& meta) const {
  // Whatever is durable of the newest records stays: the log must show every seq that the base
  // store knows, or the next open would take it for lost.  INV-CORE-6
  const Seq durable_seq = std::max(log_.stats().durable_seq, meta.checkpoint_seq);
  Seq newest_seq = 0;
  for (const auto& segment : segments) {
    newest_seq =
        segment.first_seq <= durable_seq ? std::max(newest_seq, segment.last_seq) : newest_seq;
  }
  return std::min(newest_seq, meta.previous_checkpoint_seq + 1);
}

void Compactor::make_plan(const store::CheckpointMeta& meta, Plan& plan, Errors& errors) {
  const auto segments = in_seq_order(log_.segments());
  const Seq first_needed = needed_from(segments, meta);
  for (const auto& segment : segments) {
    const std::size_t small_before = plan.small_run.size();
    errors.note(look_at(segment, first_needed, plan));
    if (plan.small_run.size() == small_before) {
      end_small_run(plan);
    }
  }
  end_small_run(plan);
}

/// `needed_from`: a segment with this seq, or a later one, stays whatever is in it.
Status Compactor::look_at(const wal::SegmentInfo& segment, Seq needed_from, Plan& plan) {
  const bool was_adjacent = std::exchange(plan.adjacent, false);
  if (segment.sealed && segment.last_seq == 0) {
    plan.removable.push_back(segment);  // Begun, and given up before its first group.
    return {};
  }
  if (segment.active || segment.last_seq == 0 || segment.last_seq >= needed_from) {
    return {};
  }
  if (segment.large_values == 0) {
    plan.removable.push_back(segment);
    return {};
  }
  if (!segment.sealed || segment.first_seq < plan.begin) {
    return {};
  }
  if (plan.work.lookups >= plan.limits.lookups) {
    plan.work.lookups_ran_out = true;
    plan.leave(segment);
    return {};
  }
  plan.work.lookups += segment.large_values;
  TRY_ASSIGN(const std::optional<std::uint64_t> live_bytes, live_bytes_of(segment));
  if (live_bytes) {  // Else damaged since it was opened: what it holds may be live.  INV-CORE-12
    plan.adjacent = was_adjacent;
    consider(segment, *live_bytes, plan);
  }
  return {};
}

Compactor::Fate Compactor::fate_of(const wal::SegmentInfo& segment,
                                   std::uint64_t live_bytes) const {
  if (live_bytes == 0) {
    return Fate::kRemove;
  }
  const std::uint64_t overhead = std::min(segment.file_bytes, wal::kFileOverheadBytes);
  if (live_bytes < (segment.file_bytes - overhead) / kLiveDivisor) {
    return Fate::kCollect;
  }
  return options_.compress && !segment.compressed ? Fate::kCompress : Fate::kStays;
}

void Compactor::consider(const wal::SegmentInfo& segment, std::uint64_t live_bytes,
                         Plan& plan) const {
  switch (fate_of(segment, live_bytes)) {
    case Fate::kRemove:
      plan.adjacent = false;
      plan.removable.push_back(segment);
      break;
    case Fate::kCollect:
      add_to_batch(segment, live_bytes, true, plan);
      break;
    case Fate::kCompress:
      add_to_batch(segment, live_bytes, false, plan);
      break;
    case Fate::kStays:
      plan.adjacent = false;
      if (segment.file_bytes < options_.segment_bytes / kSmallPart) {
        plan.small_run.push_back({.segment = segment, .live_bytes = live_bytes});
      }
      break;
  }
}

void Compactor::add_to_batch(const wal::SegmentInfo& segment, std::uint64_t live_bytes,
                             bool collects, Plan& plan) const {
  const bool was_adjacent = std::exchange(plan.adjacent, false);
  if (!plan.admit(segment, collects)) {
    return;
  }
  if (!was_adjacent || plan.batches.back().collects != collects ||
      plan.batches.back().live_bytes + live_bytes > options_.segment_bytes) {
    plan.batches.push_back({.segments = {}, .live_bytes = 0, .collects = collects});
  }
  plan.batches.back().segments.push_back(segment);
  plan.batches.back().live_bytes += live_bytes;
  plan.adjacent = true;
}

void Compactor::end_small_run(Plan& plan) const {
  const auto run = std::exchange(plan.small_run, {});
  if (run.size() < kSmallRun) {
    return;
  }
  // Whatever was looked at meanwhile is no neighbour of theirs, nor they of what comes next.
  plan.adjacent = false;
  for (const auto& [segment, live_bytes] : run) {
    add_to_batch(segment, live_bytes, true, plan);
  }
  plan.adjacent = false;
}

Result<bool> Compactor::is_live(Seq seq, std::string_view id) const {
  TRY_ASSIGN(const auto current, base_.get(id));
  return current && current->kind == store::ValueKind::kInLog && current->seq == seq;
}

Result<std::optional<std::uint64_t>> Compactor::live_bytes_of(const wal::SegmentInfo& segment) {
  std::uint64_t live_bytes = 0;
  std::uint64_t seen = 0;
  TRY(log_.visit_large_values(
      segment.id, [&](Seq seq, std::string_view id, std::uint64_t stored_bytes) -> Status {
        TRY_ASSIGN(const bool live, is_live(seq, id));
        live_bytes += live ? stored_bytes : 0;
        ++seen;
        return {};
      }));
  return seen == segment.large_values ? std::optional(live_bytes) : std::nullopt;
}

Status Compactor::note_compaction(Seq last_seq) {
  IdentityRecord record = identity_.record();
  if (last_seq <= record.compacted_through_seq) {
    return {};
  }
  record.compacted_through_seq = last_seq;
  return identity_.update(record);
}

Status Compactor::remove(const std::vector<wal::SegmentInfo>& segments) {
  if (segments.empty()) {
    return {};
  }
  Seq last_seq = 0;
  for (const auto& segment : segments) {
    last_seq = std::max(last_seq, segment.last_seq);
  }
  TRY(note_compaction(last_seq));  // INV-CORE-4: before anything goes.
  const auto removed = log_.remove_segments(ids_of(segments));
  // Also after an error some of them may be gone; and some may have to stay.
  const auto left = log_.segments();
  const base::MutexLock lock(counts_mutex_);
  for (const auto& segment : segments) {
    if (std::ranges::find(left, segment.id, &wal::SegmentInfo::id) == left.end()) {
      ++counts_.removed;
      counts_.reclaimed_bytes += segment.file_bytes;
    }
  }
  return removed ? Status{} : std::unexpected(removed.error());
}

/// While the output is written both are there: not at the cost of a writer's next segment.
bool Compactor::has_room_for(const Batch& batch) {
  return batch.live_bytes <= space_.rewrite_room(batch.collects);
}

Status Compactor::rewrite(const Batch& batch, const store::CheckpointMeta& meta, Seq needed_from,
                          const std::function<void(std::uint64_t)>& progress) {
  TRY(note_compaction(
      std::min(batch.segments.back().last_seq, meta.previous_checkpoint_seq)));  // INV-CORE-4
  // The callback cannot fail; a record whose state cannot be read is kept.
  const auto keep = [&](const wal::RecordView& record) {
    progress(record.id.size() + record.value_bytes);
    if (record.seq >= needed_from || !record.value_in_log) {
      return record.seq >= needed_from;
    }
    const auto live = is_live(record.seq, record.id);
    return !live || *live;
  };
  const auto id = log_.rewrite_segments(ids_of(batch.segments), keep);
  if (!id) {
    return std::unexpected(id.error());
  }
  const auto now = log_.segments();
  const auto output = std::ranges::find(now, *id, &wal::SegmentInfo::id);
  const base::MutexLock lock(counts_mutex_);
  std::uint64_t read_bytes = 0;
  for (const auto& segment : batch.segments) {
    read_bytes += segment.file_bytes;
  }
  const std::uint64_t written_bytes = output == now.end() ? 0 : output->file_bytes;
  counts_.rewritten += batch.segments.size();
  counts_.compressed += output != now.end() && output->compressed ? 1U : 0U;
  counts_.read_bytes += read_bytes;
  counts_.written_bytes += written_bytes;
  counts_.reclaimed_bytes += read_bytes - std::min(read_bytes, written_bytes);
  return {};
}

bool Compactor::is_in_log(std::uint64_t segment_id) const {
  const auto segments = log_.segments();
  return std::ranges::find(segments, segment_id, &wal::SegmentInfo::id) != segments.end();
}

Result<std::optional<std::string>> Compactor::renew(
    const store::CheckpointMeta& meta, std::uint64_t segment_id,
    const std::function<void(std::uint64_t)>& progress) {
  using Reason = std::optional<std::string>;
  const base::MutexLock lock(mutex_);
  const auto segments = log_.segments();
  const auto found = std::ranges::find(segments, segment_id, &wal::SegmentInfo::id);
  if (found == segments.end()) {
    return std::nullopt;
  }
  const wal::SegmentInfo& segment = *found;
  const Seq first_needed = needed_from(segments, meta);
  const bool is_covered = segment.last_seq < first_needed;
  std::optional<std::uint64_t> live_bytes = 0;
  if (is_covered && segment.last_seq > 0 && segment.large_values > 0) {
    TRY_ASSIGN(live_bytes, live_bytes_of(segment));
  }
  // A damaged one may hold more large values than anybody sees.
  const bool holds_none = segment.large_values == 0 || (segment.sealed && live_bytes == 0);
  const bool removable = segment.last_seq == 0 ? segment.sealed : is_covered && holds_none;
  if (segment.active || (!segment.sealed && !removable) || !live_bytes) {
    return Reason("damaged: what it holds may be needed");  // INV-CORE-12
  }
  if (removable) {
    TRY(remove({segment}));
  } else {
    const Batch batch{.segments = {segment},
                      .live_bytes = is_covered ? *live_bytes : segment.file_bytes};
    if (!has_room_for(batch)) {
      return fail(ErrorCode::kNoSpace, fmt::format("rewriting segment {:x} takes {} bytes",
                                                   segment.id, batch.live_bytes));
    }
    const Status outcome = rewrite(batch, meta, first_needed, progress);
    if (!outcome && outcome.error().code == ErrorCode::kInvalidArgument) {
      return Reason(outcome.error().context);
    }
    TRY(outcome);
  }
  return is_in_log(segment_id)
             ? Reason("another file needs it, or its damaged bytes are nowhere else")
             : Reason();
}

Result<bool> Compactor::renew_identity() {
  const base::MutexLock lock(mutex_);
  TRY_ASSIGN(const bool is_renewed, identity_.is_renewed());
  if (!is_renewed) {
    TRY(identity_.renew());
  }
  return !is_renewed;
}

Compactor::Counts Compactor::counts() const {
  const base::MutexLock lock(counts_mutex_);
  return counts_;
}

}  // namespace pluresdb::core
