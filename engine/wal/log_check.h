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

/// Segments that a header names as the one before and that are not there, though nothing above
/// `removed_through` was ever removed. Only those that end at or below `checkpoint_seq`: the loss
/// of later ones is in the report of the recovery. One line each.
std::vector<std::string> vanished_segments(const std::vector<ExaminedSegment>& segments,
                                           Seq removed_through, Seq checkpoint_seq);

/// True when one of `ranges`, ascending and disjoint, holds `seq`.
bool is_inside(Seq seq, const std::vector<SeqRange>& ranges);

/// Seqs of `wanted` that are in none of `held`; both ascend.
std::vector<SeqRange> missing_from(const std::vector<SeqRange>& wanted,
                                   const std::vector<SeqRange>& held);

}  // namespace pluresdb::wal
