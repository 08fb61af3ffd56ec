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

Result<std::uint64_t> replay(wal::Log& log, Seq checkpoint_seq, DocumentTable& table,
                             Checkpointer& checkpointer, base::WorkerTeam& team) {
  TableFiller filler(table, checkpointer, team);
  TRY(log.replay_windows(checkpoint_seq + 1, team, filler));
  return filler.entries();
}

}  // namespace pluresdb::core
