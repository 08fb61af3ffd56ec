// From the log to the table, when a store is opened.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/base/worker_team.h"
#include "engine/core/checkpointer.h"
#include "engine/core/document_table.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::core {

/// Copies records into documents of the table while the log is scanned. Nothing is visible before
/// apply().
class LogCollector final : public wal::RecordCollector {
 public:
  /// `dirty_bytes_max`: applied to an empty table, what is collected stays below this.
  LogCollector(DocumentTable& table, std::uint64_t dirty_bytes_max)
      : table_(table), dirty_bytes_max_(dirty_bytes_max) {}

  std::size_t begin(std::span<const std::uint64_t> segment_bytes) override;
  void take(std::size_t segment, const wal::RecordView& record) override {
    table_.collect(record, segments_[segment]);
  }
  /// Applies the first `segments` of them and drops the others. Returns how many entries.
  std::uint64_t apply(std::size_t segments, base::WorkerTeam& team);

 private:
  DocumentTable& table_;
  const std::uint64_t dirty_bytes_max_;
  std::vector<DocumentTable::Collected> segments_;
};

/// Applies to the table what the log has behind `applied_seq`, and makes room by checkpoints
/// when the table is over its limit. Returns how many entries. The outcome, checkpoints included,
/// does not depend on how many threads the team has.
Result<std::uint64_t> replay(wal::Log& log, Seq applied_seq, DocumentTable& table,
                             Checkpointer& checkpointer, base::WorkerTeam& team);

}  // namespace pluresdb::core
