// See segment_set.h.
#include "engine/wal/segment_set.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {
namespace {

/// Readers keep at most so many segment files open.
constexpr std::size_t kOpenFilesMax = 64;

/// Where reading must begin to see every record with seq >= `from`.
std::uint64_t start_offset_for(const Segment& segment, Seq from) {
  const auto after = std::ranges::upper_bound(segment.groups, from, {}, &GroupLocation::first_seq);
  return after == segment.groups.begin() ? kSegmentHeaderBytes : std::prev(after)->offset;
}

/// Appends the parts of `span`. A cut is made only where a group begins whose first seq is above
/// all before it, so that the parts' ranges are disjoint and ascend.
void cut_span(const ReadSpan& span, std::uint64_t piece_bytes, std::vector<ReadSpan>& pieces) {
  ReadSpan rest = span;
  const GroupLocation* candidate = nullptr;
  const auto cut_at = [&](const GroupLocation& group) {
    ReadSpan piece = rest;
    piece.end_offset = group.offset;
    piece.range.last = group.first_seq - 1;
    pieces.push_back(piece);
    rest.start_offset = group.offset;
    rest.range.first = group.first_seq;
  };
  for (const GroupLocation& group : span.segment->groups) {
    if (group.offset <= rest.start_offset || group.offset >= span.end_offset ||
        group.first_seq <= rest.range.first || group.first_seq > span.range.last ||
        (candidate != nullptr && group.first_seq <= candidate->first_seq)) {
      continue;
    }
    if (group.offset - rest.start_offset > piece_bytes && candidate != nullptr) {
      cut_at(*candidate);
    }
    candidate = &group;
  }
  if (candidate != nullptr && span.end_offset - rest.start_offset > piece_bytes) {
    cut_at(*candidate);
  }
  pieces.push_back(rest);
}

}  // namespace

std::vector<SeqRange> subtract(SeqRange whole, const std::vector<SeqRange>& holes) {
  std::vector<SeqRange> rest;
  Seq next = whole.first;
  for (const SeqRange& hole : holes) {
    if (hole.first > next) {
      rest.push_back({.first = next, .last = std::min(hole.first - 1, whole.last)});
    }
    next = std::max(next, hole.last + 1);
    if (next > whole.last) {
      return rest;
    }
  }
  rest.push_back({.first = next, .last = whole.last});
  return rest;
}

SeqRange seq_span(const Segment& segment) {
  if (segment.rewritten) {
    return segment.covers;
  }
  const Seq first = segment.lowest_seq != 0 ? segment.lowest_seq : segment.first_seq;
  return {.first = first, .last = std::max(segment.last_seq, segment.last_written_seq)};
}

std::shared_ptr<Segment> SegmentSet::find_locked(std::uint64_t id) const {
  const auto at = std::ranges::lower_bound(segments_, id, {}, &Segment::id);
  return at != segments_.end() && (*at)->id == id ? *at : nullptr;
}

void SegmentSet::insert(std::shared_ptr<Segment> segment) {
  const auto at = std::ranges::lower_bound(segments_, segment->id, {}, &Segment::id);
  DB_CHECK(at == segments_.end() || (*at)->id != segment->id);  // INV-WAL-2
  segments_.insert(at, std::move(segment));
}

void SegmentSet::add(std::shared_ptr<Segment> segment) {
  const base::MutexLock lock(mutex_);
  insert(std::move(segment));
}

void SegmentSet::replace(std::span<const std::uint64_t> inputs, std::shared_ptr<Segment> output) {
  const base::MutexLock lock(mutex_);
  std::erase_if(segments_, [inputs](const std::shared_ptr<Segment>& segment) {
    return std::ranges::find(inputs, segment->id) != inputs.end();
  });
  if (output != nullptr) {
    insert(std::move(output));
  }
}

void SegmentSet::publish(Segment& segment, const GroupBuilder& group, std::uint64_t offset,
                         Hlc hlc) {
  const base::MutexLock lock(mutex_);
  DB_CHECK(segment.active);
  DB_CHECK(offset >= segment.valid_end);
  segment.valid_end = offset + group.bytes();
  if (group.first_seq() == 0) {
    return;  // A watermark.
  }
  segment.first_seq = segment.first_seq == 0 ? group.first_seq() : segment.first_seq;
  segment.last_seq = group.last_seq();
  segment.last_written_seq = group.last_seq();
  segment.hlc_floor = std::max(segment.hlc_floor, hlc);
  add_group_location(segment.groups, {.first_seq = group.first_seq(), .offset = offset});
  for (ValueLocation value : group.values()) {
    value.offset += offset;
    segment.value_bytes += value.value_bytes;
    segment.values.push_back(value);
  }
}

void SegmentSet::retire(Segment& segment, bool sealed, std::uint64_t file_bytes) {
  const base::MutexLock lock(mutex_);
  segment.active = false;
  segment.needs_successor = !sealed;
  segment.file_bytes = file_bytes;
}

void SegmentSet::note_successor(const Predecessor& end) {
  const base::MutexLock lock(mutex_);
  // Of one that could not be read recovery knows more.
  if (const auto segment = find_locked(end.id); segment && (end.salt != 0 || !segment->known_end)) {
    segment->known_end = end;
  }
}

bool SegmentSet::needs_successor(const Segment& segment) const {
  const base::MutexLock lock(mutex_);
  return segment.needs_successor;
}

void SegmentSet::note_trimmed(Segment& segment) {
  const base::MutexLock lock(mutex_);
  segment.file_bytes = segment.valid_end;
  segment.needs_successor = false;
}

std::shared_ptr<Segment> SegmentSet::find(std::uint64_t id) const {
  const base::MutexLock lock(mutex_);
  return find_locked(id);
}

std::shared_ptr<Segment> SegmentSet::newest() const {
  const base::MutexLock lock(mutex_);
  return newest_locked();
}

std::shared_ptr<Segment> SegmentSet::newest_locked() const {
  for (auto at = segments_.rbegin(); at != segments_.rend(); ++at) {
    if (!(*at)->rewritten) {
      return *at;
    }
  }
  return nullptr;
}

bool SegmentSet::must_stay(std::uint64_t id) const {
  const base::MutexLock lock(mutex_);
  const auto segment = find_locked(id);
  if (segment == nullptr) {
    return false;
  }
  if (segment == newest_locked() || segment->holds_only_copy) {
    return true;
  }
  const auto predecessor = find_locked(segment->predecessor_id);
  return predecessor != nullptr && predecessor->needs_successor;
}

std::vector<SegmentInfo> SegmentSet::infos() const {
  const base::MutexLock lock(mutex_);
  std::vector<SegmentInfo> infos;
  infos.reserve(segments_.size());
  for (const auto& segment : segments_) {
    infos.push_back({.id = segment->id,
                     .first_seq = segment->first_seq,
                     .last_seq = segment->last_seq,
                     .file_bytes = segment->file_bytes,
                     .large_values = segment->values.size(),
                     .large_value_bytes = segment->value_bytes,
                     .sealed = !segment->active && !segment->damaged,
                     .active = segment->active,
                     .compressed = segment->compressed});
  }
  return infos;
}

std::vector<Segment> SegmentSet::snapshot() const {
  const base::MutexLock lock(mutex_);
  std::vector<Segment> copies;
  copies.reserve(segments_.size());
  for (const auto& segment : segments_) {
    copies.push_back(*segment);
    copies.back().file = nullptr;
  }
  return copies;
}

std::vector<ReadSpan> SegmentSet::plan(Seq from) const {
  const base::MutexLock lock(mutex_);
  return plan_locked(from);
}

std::vector<ReadSpan> SegmentSet::plan_pieces(Seq from, std::uint64_t piece_bytes) const {
  const base::MutexLock lock(mutex_);
  std::vector<ReadSpan> pieces;
  Seq planned_last = 0;
  for (ReadSpan& span : plan_locked(from)) {
    span.range.first = std::max(span.range.first, from);
    span.overlaps = span.range.first <= planned_last;
    planned_last = std::max(planned_last, span.range.last);
    cut_span(span, piece_bytes, pieces);
  }
  return pieces;
}

std::vector<ReadSpan> SegmentSet::plan_locked(Seq from) const {
  std::vector<ReadSpan> spans;
  for (const auto& segment : segments_) {
    const SeqRange whole = seq_span(*segment);
    if (segment->last_seq == 0 || whole.last < from) {
      continue;
    }
    // Both a rewritten segment and some of its inputs exist only when the former is damaged: the
    // inputs that are left are the better copy.
    std::vector<SeqRange> elsewhere;
    if (segment->rewritten) {
      for (const auto& other : segments_) {
        const SeqRange range = seq_span(*other);
        if (other->id < segment->id && other->last_seq != 0 && range.first <= whole.last &&
            range.last >= whole.first) {
          elsewhere.push_back(range);
        }
      }
      std::ranges::sort(elsewhere, {}, &SeqRange::first);
    }
    for (const SeqRange& range : subtract(whole, elsewhere)) {
      if (range.last >= from) {
        spans.push_back({.segment = segment,
                         .range = range,
                         .start_offset = start_offset_for(*segment, std::max(from, range.first)),
                         .end_offset = segment->valid_end,
                         .valid_end = segment->valid_end});
      }
    }
  }
  std::ranges::sort(spans, {}, [](const ReadSpan& span) {
    return std::pair(span.range.first, span.segment->id);
  });
  return spans;
}

std::optional<ReadSpan> SegmentSet::whole_span(std::uint64_t id) const {
  const base::MutexLock lock(mutex_);
  const auto segment = find_locked(id);
  if (segment == nullptr) {
    return std::nullopt;
  }
  return ReadSpan{.segment = segment,
                  .range = seq_span(*segment),
                  .end_offset = segment->valid_end,
                  .valid_end = segment->valid_end};
}

std::optional<ValuePlace> SegmentSet::find_value(Seq seq) const {
  const base::MutexLock lock(mutex_);
  for (const auto& segment : segments_) {
    const SeqRange range = seq_span(*segment);
    if (seq < range.first || seq > range.last) {
      continue;
    }
    const auto at = std::ranges::lower_bound(segment->values, seq, {}, &ValueLocation::seq);
    if (at != segment->values.end() && at->seq == seq) {
      const auto next = std::next(at);
      const bool is_last = next == segment->values.end();
      return ValuePlace{
          .segment = segment, .location = *at, .end = is_last ? segment->valid_end : next->offset};
    }
  }
  return std::nullopt;
}

Result<std::shared_ptr<io::File>> SegmentSet::file_of(const Segment& segment) {
  const base::MutexLock lock(mutex_);
  const auto known = find_locked(segment.id);
  if (known == nullptr) {
    return fail(ErrorCode::kNotFound, segment.path + " was removed");
  }
  if (known->file == nullptr) {
    TRY_ASSIGN(known->file, files_.open(known->path, io::OpenMode::kRead));
    open_files_.push_back(known);
    if (open_files_.size() > kOpenFilesMax) {
      if (const auto oldest = open_files_.front().lock()) {
        oldest->file = nullptr;  // Whoever reads it holds its own reference.
      }
      open_files_.pop_front();
    }
  }
  return known->file;
}

}  // namespace pluresdb::wal
