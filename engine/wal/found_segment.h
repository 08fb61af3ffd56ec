// A segment as recovery has found it, and what the open log keeps of it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

struct FoundSegment {
  SegmentScan scan;
  std::optional<Predecessor> known_end;
  Seq first_seq_at_least = 0;
  bool holds_only_copy = false;  ///< Of its damaged bytes.
};

/// What it holds or has held, as far as that can be told.
SeqRange span_of(const FoundSegment& found);

/// Of an encrypted log: segments with seqs that the next one may have, each with that one. Below a
/// gap in the chain nothing else tells who belongs to it. `unlinked`: see HeaderSurvey.
std::map<std::uint64_t, std::uint64_t> overlapping_segments(
    const std::map<std::uint64_t, FoundSegment>& found, const std::set<std::uint64_t>& unlinked);

/// Where the next segment goes on: behind the newest appended one, or in the place of the one that
/// a rewritten segment was made of, where all from there on are gone. Its last seq is not below
/// that of any segment that is there.
Predecessor end_of_log(const std::map<std::uint64_t, FoundSegment>& found);

/// Names the losses of segments whose header is gone, and with it their key, where no other header
/// says where they end: all seqs that they may have held. `next_seq`: it and later ones are free.
void name_losses_without_key(const LogOptions& options, Seq next_seq,
                             std::map<std::uint64_t, FoundSegment>& found);

/// `found` loses the lists of its values and groups.
std::shared_ptr<Segment> segment_of(FoundSegment& found, std::string path);

}  // namespace pluresdb::wal
