#include "engine/core/compactor.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/mutex.h"
#include "engine/core/store_identity.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::core {
namespace {

/// A segment is rewritten when less than half of its file is live.
constexpr std::uint64_t kLiveDivisor = 2;

struct Rewritable {
  std::vector<wal::SegmentInfo> segments;  ///< Adjacent in the log.
  std::uint64_t live_bytes = 0;
};

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

Status Compactor::run(const store::CheckpointMeta& meta, std::uint64_t lookups_max) {
  const base::MutexLock lock(mutex_);
  return run_locked(meta, lookups_max);
}

Status Compactor::run_locked(const store::CheckpointMeta& meta, std::uint64_t lookups_max) {
  const auto segments = in_seq_order(log_.segments());
  // Whatever is durable of the newest records stays: the log must show every seq that the base
  // store knows, or the next open would take it for lost.  INV-CORE-6
  const Seq durable_seq = std::max(log_.stats().durable_seq, meta.checkpoint_seq);
  Seq newest_seq = 0;
  for (const auto& segment : segments) {
    newest_seq =
        segment.first_seq <= durable_seq ? std::max(newest_seq, segment.last_seq) : newest_seq;
  }
  std::vector<wal::SegmentInfo> removable;
  std::vector<Rewritable> rewritable;
  std::uint64_t lookups = 0;
  std::uint64_t first_skipped = 0;
  bool adjacent = false;  // The last segment looked at went into rewritable.back().
  for (const auto& segment : segments) {
    const bool was_adjacent = std::exchange(adjacent, false);
    if (segment.sealed && segment.last_seq == 0) {
      removable.push_back(segment);  // Begun, and given up before its first group.
      continue;
    }
    if (segment.active || segment.last_seq == 0 || segment.last_seq == newest_seq ||
        segment.last_seq > meta.previous_checkpoint_seq) {
      continue;
    }
    if (segment.large_values == 0) {
      removable.push_back(segment);
      continue;
    }
    if (!segment.sealed || segment.first_seq < next_seq_) {
      continue;
    }
    if (lookups >= lookups_max) {
      first_skipped = first_skipped == 0 ? segment.first_seq : first_skipped;
      continue;
    }
    lookups += segment.large_values;
    TRY_ASSIGN(const std::optional<std::uint64_t> looked_at, live_bytes_of(segment));
    if (!looked_at) {
      continue;  // Damaged since it was opened: what it still holds may be live.  INV-CORE-12
    }
    const std::uint64_t live_bytes = *looked_at;
    if (live_bytes == 0) {
      removable.push_back(segment);
    } else if (live_bytes < segment.file_bytes / kLiveDivisor) {
      if (!was_adjacent || rewritable.back().live_bytes + live_bytes > segment_bytes_) {
        rewritable.emplace_back();
      }
      rewritable.back().segments.push_back(segment);
      rewritable.back().live_bytes += live_bytes;
      adjacent = true;
    }
  }
  next_seq_ = first_skipped;
  TRY(remove(removable));
  for (const auto& run : rewritable) {
    TRY(rewrite(run.segments));
  }
  return {};
}

Result<bool> Compactor::is_live(Seq seq, std::string_view id) const {
  TRY_ASSIGN(const auto current, base_.get(id));
  return current && current->kind == store::ValueKind::kInLog && current->seq == seq;
}

Result<std::optional<std::uint64_t>> Compactor::live_bytes_of(const wal::SegmentInfo& segment) {
  std::uint64_t live_bytes = 0;
  std::uint64_t seen = 0;
  TRY(log_.visit_large_values(
      segment.id, [&](Seq seq, std::string_view id, std::uint64_t value_bytes) -> Status {
        TRY_ASSIGN(const bool live, is_live(seq, id));
        live_bytes += live ? value_bytes : 0;
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
  TRY_ASSIGN(const std::uint64_t removed, log_.remove_segments(ids_of(segments)));
  const base::MutexLock lock(counts_mutex_);
  counts_.removed += removed;
  return {};
}

Status Compactor::rewrite(const std::vector<wal::SegmentInfo>& segments) {
  TRY(note_compaction(segments.back().last_seq));
  // The callback cannot fail; a record whose state cannot be read is kept.
  const auto keep = [&](const wal::RecordView& record) {
    if (!record.value_in_log) {
      return false;
    }
    const auto live = is_live(record.seq, record.id);
    return !live || *live;
  };
  TRY(log_.rewrite_segments(ids_of(segments), keep));
  const base::MutexLock lock(counts_mutex_);
  counts_.rewritten += segments.size();
  return {};
}

Compactor::Counts Compactor::counts() const {
  const base::MutexLock lock(counts_mutex_);
  return counts_;
}

}  // namespace pluresdb::core
