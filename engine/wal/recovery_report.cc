// What the findings in one segment mean beside the others, and how they are counted: see
// segment_scan.h.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

SeqRange covers_of(const SegmentScan& scan) {
  if (scan.header) {
    return scan.header->covers;
  }
  SeqRange covers{.first = scan.first_seq, .last = scan.last_seq};
  if (!scan.lost.empty()) {
    covers.first = covers.first == 0 ? scan.lost.front().first
                                     : std::min(covers.first, scan.lost.front().first);
    covers.last = std::max(covers.last, scan.lost.back().last);
  }
  return covers;
}

Seq written_last(const SegmentScan& scan) {
  const Seq lost = scan.lost.empty() ? 0 : scan.lost.back().last;
  const Seq last = std::max(scan.last_seq, lost);
  if (last == 0 && scan.header) {
    return scan.header->rewritten
               ? scan.header->covers.last
               : std::min(scan.header->first_seq - 1, scan.header->predecessor.last_seq);
  }
  return last;
}

void name_unbounded_loss(SegmentScan& scan, const std::string& path, std::vector<SeqRange> others) {
  std::erase_if(others, [](const SeqRange& other) {
    return other.last == 0 || other.first > other.last;  // Holds nothing that is known.
  });
  std::ranges::sort(others, {}, &SeqRange::first);
  const Seq behind = others.empty() ? Seq{1} : others.back().first;  // Of the newest of them.
  const SeqRange room{.first = 1, .last = std::max(scan.highest_seq, behind - 1)};
  std::vector<SeqRange> free = room.last == 0 ? std::vector<SeqRange>{} : subtract(room, others);
  if (!scan.readable.empty()) {
    const Seq inside = scan.readable.front().first;
    std::erase_if(free, [inside](const SeqRange& range) {
      return inside < range.first || inside > range.last;
    });
  }
  if (free.empty()) {
    return;  // Whatever it held another segment has as well.
  }
  scan.lost.clear();
  for (const SeqRange& range : free) {
    for (const SeqRange& lost : subtract(range, scan.readable)) {
      add_range(scan.lost, lost);
    }
  }
  scan.problems.push_back(path +
                          ": header and footer are gone: it may have held any of the seqs that are "
                          "named lost, those that compaction had dropped included");
}

void add_missing_segment(ValidationReport& report, const std::string& path,
                         const std::vector<SeqRange>& lost) {
  report.problems.push_back(path + " is missing");
  ++report.total_segments;
  ++report.corrupted_segments;
  for (const SeqRange& range : lost) {
    const std::uint64_t count = range.last - range.first + 1;
    report.lost.push_back(range);
    report.corrupted_entries += count;
    report.total_entries += count;
  }
}

void add_range(std::vector<SeqRange>& ranges, SeqRange range) {
  if (!ranges.empty() && range.first <= ranges.back().last + 1) {
    ranges.back().last = std::max(ranges.back().last, range.last);
    return;
  }
  ranges.push_back(range);
}

void add_stranger(ValidationReport& report, const std::string& problem) {
  report.problems.push_back(problem);
  ++report.total_segments;
  ++report.corrupted_segments;
  ++report.tampered_places;
}

void add_to_report(ValidationReport& report, const SegmentScan& scan) {
  std::uint64_t lost = 0;
  for (const SeqRange& range : scan.lost) {
    lost += range.last - range.first + 1;
    report.lost.push_back(range);
  }
  report.valid_entries += scan.records;
  report.corrupted_entries += lost;
  report.total_entries += scan.records + lost;
  ++report.total_segments;
  if (scan.is_damaged()) {
    ++report.corrupted_segments;
  } else {
    ++report.valid_segments;
  }
  report.torn_tails += scan.torn ? 1 : 0;
  report.tampered_places += scan.tampered_places;
  report.problems.insert(report.problems.end(), scan.problems.begin(), scan.problems.end());
}

}  // namespace pluresdb::wal
