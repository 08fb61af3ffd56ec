// What the scan of a segment does not ask: does the footer's index say what is in the segment, and
// do the headers name each other as they should? For tools that look at a whole log.
#pragma once

#include <string>
#include <vector>

#include "engine/io/file_system.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

/// Compares the footer's index with the records, values and groups of a scanned segment. One line
/// per contradiction; none when the segment has no readable footer, which the scan reports. kIo.
Result<std::vector<std::string>> check_footer_index(io::File& file, const std::string& name,
                                                    const SegmentScan& scan);

struct ChainCheck {
  std::vector<SeqRange> declared_gaps;  ///< Seqs that a header says were never used.
  std::vector<std::string> problems;    ///< One line each.
};
/// Follows the predecessors that the headers name. What a missing file held is not repeated here.
ChainCheck check_chain(const std::vector<ExaminedSegment>& segments);

/// True when one of `ranges`, ascending and disjoint, holds `seq`.
bool is_inside(Seq seq, const std::vector<SeqRange>& ranges);

/// Seqs of `wanted` that are in none of `held`; both ascend.
std::vector<SeqRange> missing_from(const std::vector<SeqRange>& wanted,
                                   const std::vector<SeqRange>& held);

}  // namespace pluresdb::wal
