#include "engine/core/replay.h"

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
namespace {

/// Segments are decoded piece by piece, each piece sorted by shard in the thread that decoded it;
/// when a window of pieces is complete, each shard takes its part of it in the order of seqs.
class TableFiller final : public wal::ReplaySink {
 public:
  TableFiller(DocumentTable& table, Checkpointer& checkpointer, base::WorkerTeam& team)
      : table_(table),
        checkpointer_(checkpointer),
        team_(team),
        slots_(wal::Log::replay_slots(team)) {}

  void take(std::size_t slot, std::span<const wal::RecordView> records) override {
    slots_[slot].records = records;
    table_.stage(records, slots_[slot].staged);
  }

  Status end_window(std::size_t slots) override {
    std::uint64_t bytes = 0;
    std::vector<DocumentTable::Staged*> batches;
    for (Slot& slot : std::span(slots_).first(slots)) {
      entries_ += slot.records.size();
      bytes += slot.staged.bytes();
      batches.push_back(&slot.staged);
    }
    if (relieve_ && !checkpointer_.has_room_for(bytes)) {
      apply_one_by_one(slots);
      return {};
    }
    table_.apply_staged(batches, team_);
    return {};
  }

  [[nodiscard]] std::uint64_t entries() const { return entries_; }

 private:
  struct Slot {
    std::span<const wal::RecordView> records;
    DocumentTable::Staged staged;
  };

  /// A checkpoint covers what was applied before it, so near the limit every record is a step of
  /// its own.  INV-CORE-14
  void apply_one_by_one(std::size_t slots) {
    for (const Slot& slot : std::span(slots_).first(slots)) {
      for (const wal::RecordView& record : slot.records) {
        table_.apply({&record, 1});
        if (relieve_) {
          // A store opens on a full disk too: the table then holds what it held before the crash.
          relieve_ = checkpointer_.relieve_pressure().has_value();
        }
      }
    }
  }

  DocumentTable& table_;
  Checkpointer& checkpointer_;
  base::WorkerTeam& team_;
  std::vector<Slot> slots_;
  std::uint64_t entries_ = 0;
  bool relieve_ = true;
};

}  // namespace

/// Which segments are wanted depends on nothing but the log: not on threads, nor on their luck.
std::size_t LogCollector::begin(std::span<const std::uint64_t> segment_bytes) {
  // A record of n bytes in the log, of which there are at least 64, takes at most n + 40 here (the
  // header of a document and its place in the index instead of a record's header).
  constexpr std::uint64_t kGrowthNumerator = 13;
  constexpr std::uint64_t kGrowthDenominator = 8;
  const std::uint64_t limit = dirty_bytes_max_ / kGrowthNumerator * kGrowthDenominator;
  std::uint64_t bytes = 0;
  std::size_t wanted = 0;
  while (wanted < segment_bytes.size() && bytes + segment_bytes[wanted] < limit) {
    bytes += segment_bytes[wanted];
    ++wanted;
  }
  segments_.resize(wanted);
  return wanted;
}

std::uint64_t LogCollector::apply(std::size_t segments, base::WorkerTeam& team) {
  std::uint64_t entries = 0;
  std::vector<DocumentTable::Collected*> counting;
  for (DocumentTable::Collected& segment : std::span(segments_).first(segments)) {
    entries += segment.operations();
    counting.push_back(&segment);
  }
  table_.apply_collected(counting, team);
  segments_.clear();
  return entries;
}

Result<std::uint64_t> replay(wal::Log& log, Seq applied_seq, DocumentTable& table,
                             Checkpointer& checkpointer, base::WorkerTeam& team) {
  TableFiller filler(table, checkpointer, team);
  TRY(log.replay_windows(applied_seq + 1, team, filler));
  return filler.entries();
}

}  // namespace pluresdb::core
