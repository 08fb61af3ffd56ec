// Opening a log directory: which files count, what they hold, which seqs and ids are free.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

struct RecoveredLog {
  std::vector<std::shared_ptr<Segment>> segments;  ///< By id.
  Predecessor previous;                            ///< For the header of the next segment.
  std::uint64_t next_segment_id = 1;
  Seq next_seq = 1;
  LogRecovery report;
  ValidationReport unread;  ///< The part of the report about files that are missing or strangers.
};

/// Reads the directory, decides what counts, quarantines damage, makes durable what it trusts.
/// Idempotent; may be cut off at any operation and run again. `collector`: see Log::open; may be
/// null.
Result<RecoveredLog> recover_log(const LogOptions& options, Seq seq_floor,
                                 RecordCollector* collector = nullptr);

/// One file of an examined log. Superseded: a verified rewritten file replaces it, so that the next
/// open removes it; it is not in ExaminedLog::log.segments.
struct ExaminedSegment {
  SegmentScan scan;
  std::optional<Predecessor> known_end;
  bool superseded = false;
};

/// What opening a log would find, and nothing of what it would do.
struct ExaminedLog {
  RecoveredLog log;
  std::vector<ExaminedSegment> segments;     ///< By id; superseded ones included.
  std::vector<std::string> temporary_files;  ///< Paths: what the next open removes.
};

/// Decides exactly as recover_log() but changes nothing on disk: no quarantine, no sync, no
/// truncation, no removal. kNotFound when the directory is missing.
Result<ExaminedLog> examine_log(const LogOptions& options, Seq seq_floor);

}  // namespace pluresdb::wal
