// What the headers of a log's segments say before anything else is read: where predecessors end,
// who belongs to the chain of appended segments, and who to none of this log's history.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// A file of an encrypted log that is none of its history: nothing of it counts.
struct StrangeFile {
  std::uint64_t id = 0;  ///< By its name.
  std::string problem;
};

/// What it is, and what to do. `witness`: the path of the segment that leaves it no place.
std::string strange_text(const std::string& path, const std::string& witness);

struct HeaderSurvey {
  std::map<std::uint64_t, SegmentHeader> headers;  ///< By id: those that are readable, and theirs.
  std::set<std::uint64_t> unlinked;  ///< Of them: empty ones outside the chain. They say nothing.
  /// Ids whose headers are not, and which are rewritten segments, as their place in the log shows.
  std::set<std::uint64_t> headerless_rewritten;
  std::uint64_t newest_appended_id = 0;             ///< As far as that can be told.
  std::map<std::uint64_t, Predecessor> known_ends;  ///< By the id of the segment they speak of.
  std::vector<StrangeFile> strangers;               ///< In nothing above.

  void find_known_ends();
  /// It is a stranger: what its header says about others does not count either.
  void forget(StrangeFile stranger);
};

/// Reads the header of each segment, of one without a header all that it needs; `ids` ascend.
/// kCorruption: one belongs to another store, or two to different histories of this log, and which
/// of them counts cannot be told. Errors of open_header; kIo.
Result<HeaderSurvey> survey_headers(const LogOptions& options, std::span<const std::uint64_t> ids);

}  // namespace pluresdb::wal
