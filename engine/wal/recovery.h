// Opening a log directory: which files count, what they hold, which seqs and ids are free.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// One segment file of the log as its readers see it. Fields other than the constant ones change
/// only under the log's mutex.
struct Segment {
  std::uint64_t id = 0;    // Constant.
  std::string path;        // Constant.
  std::uint64_t salt = 0;  // Constant.
  bool rewritten = false;  // Constant.
  SeqRange bounds;         // Constant. Rewritten: covers. Else {header.first_seq, unused}.
  Seq first_seq = 0;       // Of readable records; 0: none.
  Seq last_seq = 0;
  Seq last_written_seq = 0;     // Including damaged ones.
  std::uint64_t valid_end = 0;  // Readers stop here.
  std::uint64_t durable_end = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t value_bytes = 0;  // Sum over `values`.
  std::vector<ValueLocation> values;
  std::vector<SeqRange> lost;
  Hlc hlc_floor = 0;  // No record in it has a greater one.
  bool sealed = false;
  bool active = false;
  bool damaged = false;
  std::shared_ptr<io::File> file;  // Open for reading, or null.
};

struct RecoveredLog {
  std::vector<std::shared_ptr<Segment>> segments;  ///< By id.
  std::vector<std::string> stale_files;  ///< Paths: emptied, kept so that their ids stay taken.
  Predecessor previous;                  ///< For the header of the next segment.
  std::uint64_t next_segment_id = 1;
  Seq next_seq = 1;
  LogRecovery report;
};

/// Reads the directory, decides what counts, quarantines damage, makes durable what it trusts.
/// Idempotent; may be cut off at any operation and run again.
Result<RecoveredLog> recover_log(const LogOptions& options, Seq seq_floor);

/// Adds one scanned segment to a report; both recovery and validate() count this way.
void add_to_report(ValidationReport& report, const SegmentScan& scan);

}  // namespace pluresdb::wal
