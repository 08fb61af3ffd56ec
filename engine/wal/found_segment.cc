#include "engine/wal/found_segment.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <utility>

#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {
namespace {

/// None below it is this segment's. The seqs between the predecessor's and the first one are
/// nobody's, or that one's where it could not be read.
Seq lowest_seq_of(const SegmentHeader& header) {
  const Predecessor& end = header.predecessor;
  const bool is_unknown = header.envelope && end.id != 0 && end.salt == 0;
  return header.rewritten || is_unknown ? header.first_seq : end.last_seq + 1;
}

}  // namespace

SeqRange span_of(const FoundSegment& found) {
  const SegmentScan& scan = found.scan;
  if (scan.sparse) {
    return covers_of(scan);
  }
  const Seq ends_at = found.known_end ? found.known_end->last_seq : Seq{0};
  return {.first = scan.header ? lowest_seq_of(*scan.header) : found.first_seq_at_least,
          .last = std::max({written_last(scan), scan.last_seq, ends_at})};
}

std::map<std::uint64_t, std::uint64_t> overlapping_segments(
    const std::map<std::uint64_t, FoundSegment>& found, const std::set<std::uint64_t>& unlinked) {
  std::map<std::uint64_t, std::uint64_t> overlapping;
  const SegmentHeader* above = nullptr;
  for (const auto& [id, segment] : std::views::reverse(found)) {
    const SegmentScan& scan = segment.scan;
    if (scan.sparse || !scan.header || !scan.header->envelope || unlinked.contains(id)) {
      continue;
    }
    // Seqs that it declares unused may have been given out in what could not be read just then.
    if (above != nullptr && scan.last_seq >= above->first_seq) {
      overlapping.emplace(id, above->id);
    } else {
      above = &*scan.header;
    }
  }
  return overlapping;
}

Predecessor end_of_log(const std::map<std::uint64_t, FoundSegment>& found) {
  Predecessor end;
  for (const auto& [id, segment] : found) {
    const SegmentScan& scan = segment.scan;
    // Of the newest appended one nothing may be readable, and what lies below counts all the same.
    const Seq last_seq = std::max(end.last_seq, span_of(segment).last);
    if (!scan.sparse) {
      end = {.id = scan.id,
             .valid_bytes = scan.valid_end,
             .salt = scan.header ? scan.header->salt : 0};
    }
    end.last_seq = last_seq;
  }
  for (const auto& [id, segment] : found) {
    const std::optional<SegmentHeader>& header = segment.scan.header;
    // The newest segments are gone, and this has the records of one of them.
    if (header && header->rewritten && header->envelope && header->predecessor.id > end.id) {
      end = {.id = header->predecessor.id,
             .valid_bytes = kSegmentHeaderBytes,
             .last_seq = end.last_seq,
             .salt = header->predecessor.salt};
    }
  }
  return end;
}

void name_losses_without_key(const LogOptions& options, Seq next_seq,
                             std::map<std::uint64_t, FoundSegment>& found) {
  Seq last = next_seq - 1;
  for (auto& [id, segment] : std::views::reverse(found)) {
    SegmentScan& scan = segment.scan;
    if (scan.sparse) {
      continue;
    }
    if (scan.header) {
      last = scan.header->first_seq - 1;
      continue;
    }
    const SeqRange lost{.first = std::max(segment.first_seq_at_least, Seq{1}), .last = last};
    const bool held_something =
        !scan.damages.empty() && scan.damages.back().end > kSegmentHeaderBytes;
    if (options.keys == nullptr || segment.known_end || !held_something || lost.first > last) {
      continue;
    }
    segment.known_end = {
        .id = id, .valid_bytes = scan.damages.back().end, .last_seq = last, .salt = 0};
    add_range(scan.lost, lost);
    scan.problems.push_back(io::join_path(options.directory, segment_name(id)) +
                            ": its key is gone with its header: it may have held any of the seqs "
                            "that are named lost");
    last = lost.first - 1;
  }
}

std::shared_ptr<Segment> segment_of(FoundSegment& found, std::string path) {
  SegmentScan& scan = found.scan;
  auto segment = std::make_shared<Segment>();
  segment->id = scan.id;
  segment->path = std::move(path);
  segment->access = scan.access;
  segment->rewritten = scan.sparse;
  segment->covers = scan.sparse ? covers_of(scan) : SeqRange{};
  segment->lowest_seq = scan.sparse ? segment->covers.first : found.first_seq_at_least;
  if (scan.header) {
    const SegmentHeader& header = *scan.header;
    segment->compressed = header.compressed;
    segment->lowest_seq = lowest_seq_of(header);
    segment->predecessor_id = header.rewritten ? 0 : header.predecessor.id;
    segment->newest_part =
        header.rewritten ? header.predecessor : Predecessor{.id = header.id, .salt = header.salt};
    segment->hlc_floor = header.hlc_floor;
  }
  segment->first_seq = scan.first_seq;
  segment->last_seq = scan.last_seq;
  segment->last_written_seq = written_last(scan);
  segment->valid_end = scan.valid_end;
  segment->file_bytes = scan.file_bytes;
  segment->hlc_floor = std::max(segment->hlc_floor, scan.highest_hlc);
  for (const ValueLocation& value : scan.values) {
    segment->value_bytes += value.value_bytes;
  }
  segment->values = std::move(scan.values);
  segment->groups = std::move(scan.groups);
  segment->known_end = found.known_end;
  segment->damaged = scan.is_damaged();
  segment->holds_only_copy = found.holds_only_copy;
  segment->needs_successor = !scan.sealed && scan.file_bytes > scan.valid_end;
  return segment;
}

}  // namespace pluresdb::wal
