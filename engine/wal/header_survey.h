// What the headers of a log's segments say before anything else is read: where predecessors end,
// who belongs to the chain of appended segments.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>

#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

struct HeaderSurvey {
  std::map<std::uint64_t, SegmentHeader> headers;  ///< By id: those that are readable, and theirs.
  /// Ids whose headers are not, and which are rewritten segments, as their place in the log shows.
  std::set<std::uint64_t> headerless_rewritten;
  std::uint64_t newest_appended_id = 0;             ///< As far as that can be told.
  std::map<std::uint64_t, Predecessor> known_ends;  ///< By the id of the segment they speak of.
};

/// Reads the header of each segment, of one without a header all that it needs; `ids` ascend.
/// kCorruption: one belongs to another store. Errors of open_header; kIo.
Result<HeaderSurvey> survey_headers(const LogOptions& options, std::span<const std::uint64_t> ids);

}  // namespace pluresdb::wal
