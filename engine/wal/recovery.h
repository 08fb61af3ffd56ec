// Opening a log directory: which files count, what they hold, which seqs and ids are free.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/io/file_system.h"
#include "engine/wal/log.h"
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
  ValidationReport missing;  ///< The part of the report about files that are not there.
};

/// Reads the directory, decides what counts, quarantines damage, makes durable what it trusts.
/// Idempotent; may be cut off at any operation and run again.
Result<RecoveredLog> recover_log(const LogOptions& options, Seq seq_floor);

}  // namespace pluresdb::wal
