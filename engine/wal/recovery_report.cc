// How what was found in segments is counted: see segment_scan.h.
#include <cstdint>
#include <string>
#include <vector>

#include "engine/wal/segment_scan.h"
#include <pluresdb/stats.h>

namespace pluresdb::wal {

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
  report.problems.insert(report.problems.end(), scan.problems.begin(), scan.problems.end());
}

}  // namespace pluresdb::wal
