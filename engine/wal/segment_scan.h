// Decides what one segment holds: its valid end, what is torn, what is damaged, which seqs are
// lost.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

/// What is known about the segment from elsewhere.
struct ScanRequest {
  std::string name;  ///< For texts: the file's path.
  std::uint64_t id = 0;
  /// From the successor's header, or from the log that wrote the file: bytes before valid_bytes
  /// are durable, bytes behind it are void, last_seq is the last one before it.
  std::optional<Predecessor> known_end{};
  /// No record of it can have a lower seq: for naming what is lost when its header is.
  Seq first_seq_at_least = 0;
  /// A newer file was appended to: this one was durable before that one was named. Counts where
  /// the successor's own words (known_end) are missing.
  bool has_successor = false;
  /// Should its header be unreadable: it is a rewritten segment, as its place in the log shows.
  bool is_rewritten = false;
  bool verify_values = true;
};

struct DamagedBytes {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct SegmentScan {
  std::uint64_t id = 0;
  std::optional<SegmentHeader> header;  ///< Absent: both copies are damaged.
  std::uint64_t salt = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t valid_end = kSegmentHeaderBytes;    ///< End of the last group that counts.
  std::uint64_t durable_end = kSegmentHeaderBytes;  ///< Before it all was proven to be durable.
  bool sparse = false;  ///< A rewritten segment, by its header or by ScanRequest::is_rewritten.
  bool sealed = false;
  bool clean = false;
  bool torn = false;
  std::uint64_t torn_bytes = 0;
  std::uint64_t records = 0;  ///< Readable ones.
  Seq first_seq = 0;          ///< Of readable records; 0: none.
  Seq last_seq = 0;
  Seq highest_seq = 0;  ///< Named anywhere in the file, torn groups included.
  Hlc highest_hlc = 0;
  std::uint64_t next_segment_id = 0;  ///< From the footer; 0 without one.
  std::vector<ValueLocation> values;
  std::vector<GroupLocation> groups;  ///< Some of them, see add_group_location.
  std::vector<DamagedBytes> damages;
  std::vector<SeqRange> lost;  ///< Ascending, disjoint.
  std::vector<std::string> problems;

  [[nodiscard]] bool is_damaged() const { return !damages.empty(); }
};

/// Reads all of `file`. Damage is a result, not an error. kUnsupportedVersion, kIo.
Result<SegmentScan> scan_segment(io::File& file, const ScanRequest& request);

/// Adds `range` to ascending `ranges`, joining it with the last one where they touch.
void add_range(std::vector<SeqRange>& ranges, SeqRange range);

/// Adds one scanned segment to a report; both recovery and validate() count this way.
void add_to_report(ValidationReport& report, const SegmentScan& scan);

/// Adds a segment that should be there and is not.
void add_missing_segment(ValidationReport& report, const std::string& path,
                         const std::vector<SeqRange>& lost);

}  // namespace pluresdb::wal
