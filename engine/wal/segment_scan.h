// Decides what one segment holds: its valid end, what is torn, what is damaged, which seqs are
// lost.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/wal/frame_seal.h"
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
  /// Gets each readable record when it is met, whatever the segment turns out to be.
  std::function<void(const RecordView&)> visit{};
  const crypto::MasterKeys* keys = nullptr;  ///< LogOptions::keys.
};

struct DamagedBytes {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

struct SegmentScan {
  std::uint64_t id = 0;
  std::optional<SegmentHeader> header;  ///< Absent: both copies are damaged.
  std::uint32_t format_version = 0;     ///< 0: not known.
  SegmentAccess access;                 ///< salt 0: nothing in the file can be believed.
  std::uint64_t file_bytes = 0;
  std::uint64_t valid_end = kSegmentHeaderBytes;    ///< End of the last group that counts.
  std::uint64_t durable_end = kSegmentHeaderBytes;  ///< Before it all was proven to be durable.
  bool sparse = false;  ///< A rewritten segment, by its header or by ScanRequest::is_rewritten.
  bool sealed = false;
  bool clean = false;
  /// Sealed at another place than its successor says: it was put back from before or after. What it
  /// holds up to there is the same in all versions, and counts.
  bool is_other_version = false;
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
  /// Places whose checksum is right and whose tag is not, or a file that is not where it was made.
  std::uint64_t tampered_places = 0;
  /// A rewritten segment without header and footer: `lost` is what lies between its records, and it
  /// may have held any seq around them that no other segment has.
  bool loss_is_unbounded = false;
  std::vector<SeqRange> readable;  ///< Then: the seqs of its records.

  [[nodiscard]] bool is_damaged() const { return !damages.empty(); }
};

/// Reads all of `file`. Damage is a result, not an error. Errors of open_header; kIo.
Result<SegmentScan> scan_segment(io::File& file, const ScanRequest& request);

/// Of a rewritten segment; without its header as far as it is known.
SeqRange covers_of(const SegmentScan& scan);
/// The last seq that a record of the segment certainly had, readable or not.
Seq written_last(const SegmentScan& scan);
/// Where `scan.loss_is_unbounded`: names what lies around its records, up to the segments next to
/// it; without a readable record, whatever none of them has. `others`: what they hold, in any
/// order.
void name_unbounded_loss(SegmentScan& scan, const std::string& path, std::vector<SeqRange> others);

/// Adds `range` to ascending `ranges`, joining it with the last one where they touch.
void add_range(std::vector<SeqRange>& ranges, SeqRange range);

/// Adds one scanned segment to a report; both recovery and validate() count this way.
void add_to_report(ValidationReport& report, const SegmentScan& scan);

/// Adds a file that is none of this log's history; see header_survey.h.
void add_stranger(ValidationReport& report, const std::string& problem);

/// Adds a segment that should be there and is not.
void add_missing_segment(ValidationReport& report, const std::string& path,
                         const std::vector<SeqRange>& lost);

}  // namespace pluresdb::wal
