// The documents written since the last checkpoint: what reads see before the base store, and what
// the next checkpoint takes.
//
// Two generations. Writes go to the active one; a checkpoint freezes it, and drops it once the base
// store has it, or puts it back. Together they are bounded by dirty_bytes_max (checkpointer.h).
// Each is cut into shards by the id's hash: a reader locks one of them, a replay fills several at
// the same time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/mutex.h"
#include "engine/base/worker_team.h"
#include "engine/core/actor_names.h"
#include "engine/core/table_generation.h"
#include "engine/crdt/version_vector.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>

namespace pluresdb::core {

struct TableStats {
  std::uint64_t documents = 0;
  std::uint64_t bytes = 0;
  std::uint64_t tombstones = 0;
  std::uint64_t actors = 0;
};

/// Thread: any; freeze, drop_frozen and thaw one at a time. No lock is held across I/O.
class DocumentTable {
 public:
  static constexpr std::size_t kShards = 16;

 private:
  /// Of records in seq order: what the table keeps besides their documents.
  struct Summary {
    struct ActorHighest {
      std::uint32_t actor = 0;
      std::uint64_t actor_seq = 0;
    };
    std::vector<ActorHighest> actors;
    Seq first_seq = 0;  // 0: no record.
    Seq last_seq = 0;
    Hlc highest_hlc = 0;
    std::uint64_t operations = 0;
    std::uint64_t progress_bytes = 0;

    /// `actor`: the place of its actor in `actors`.
    void add(const wal::RecordView& record, std::size_t actor);
  };

 public:
  /// What the base store already holds. Before anything else.
  void restore(const store::CheckpointMeta& meta);

  /// Makes records visible. They come in seq order, so a later one always wins: its stamp is
  /// greater, because the log's leader gives out stamps and seqs together.
  void apply(std::span<const wal::RecordView> records);

  /// Records sorted by shard; their views must outlive it.
  class Staged {
   public:
    /// What applying it adds to bytes() at most.
    [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

   private:
    friend class DocumentTable;
    std::array<std::vector<HashedRecord>, kShards> shards_;
    Summary summary_;
    std::uint64_t bytes_ = 0;
  };
  /// Replaces what `staged` held by `records`, which ascend by seq.
  void stage(std::span<const wal::RecordView> records, Staged& staged);
  /// As apply() of all that is staged, in this order, by several threads.
  void apply_staged(std::span<Staged* const> batches, base::WorkerTeam& team);

  /// Copies of records that are not visible, and perhaps never will be.
  class Collected {
   public:
    [[nodiscard]] std::uint64_t operations() const { return summary_.operations; }

   private:
    friend class DocumentTable;
    std::array<CollectedDocuments, kShards> shards_;
    std::map<std::string, std::size_t, std::less<>> actors_;  // Into summary_.actors.
    Summary summary_;
  };
  /// Copies `record`, whose seq is greater than those that `collected` has. Thread: several at
  /// once, each with another `collected`.
  void collect(const wal::RecordView& record, Collected& collected);
  /// As apply() of all that was collected, in this order, by several threads.
  void apply_collected(std::span<Collected* const> batches, base::WorkerTeam& team);

  /// What this table says about `id`; a tombstone is an answer, nullopt is none.
  std::optional<store::BaseValue> get(std::string_view id) const;

  struct Range {
    std::vector<std::pair<std::string, store::BaseValue>> entries;  ///< Ascending ids.
    bool complete = false;  ///< False: more ids follow behind the last entry.
  };
  /// Up to `limit` entries from `from` on whose ids start with `prefix`, tombstones included.
  Range range(std::string_view prefix, std::string_view from, std::size_t limit) const;

  struct Frozen {
    std::unique_ptr<store::CheckpointSource> source;  ///< Valid until drop_frozen or thaw.
    store::CheckpointMeta meta;  ///< All but previous_checkpoint_seq; what the base will hold.
    std::uint64_t documents = 0;
  };
  /// Moves the active generation aside. There must be no frozen one.
  Frozen freeze();
  /// The base store has the frozen generation.
  void drop_frozen();
  /// The base store does not have it: it is dirty again, under what was written since.
  void thaw();

  [[nodiscard]] TableStats stats() const;
  [[nodiscard]] std::uint64_t bytes() const;
  /// Highest seq applied.
  [[nodiscard]] Seq last_seq() const;
  [[nodiscard]] crdt::VersionVector version_vector() const;
  [[nodiscard]] Hlc hlc_floor() const;

  struct Progress {
    std::uint64_t operations = 0;
    std::uint64_t bytes = 0;  ///< Of ids and values, large ones included.
  };
  /// What was applied since the last checkpoint began (a failed one does not count).
  [[nodiscard]] Progress since_checkpoint() const;
  /// What was ever applied since the store was opened.
  [[nodiscard]] std::uint64_t operations_total() const;

 private:
  struct Shard {
    mutable base::Mutex mutex;
    TableGeneration active GUARDED_BY(mutex);
    TableGeneration frozen GUARDED_BY(mutex);  // Its documents do not change while it is frozen.
  };
  /// Sums over all shards of one generation.
  struct Totals {
    std::uint64_t documents = 0;
    std::uint64_t bytes = 0;
    std::uint64_t tombstones = 0;
    Progress progress;
  };
  static Totals totals_of(const TableGeneration& generation);
  static void add(Totals& sum, const Totals& more);
  class FrozenSource;
  class RangeCollector;

  /// Calls `fill` with the locked generation; returns by how much its totals have grown (modulo
  /// 2^64: they may shrink).
  template <typename Fill>
  Totals grow(Shard& shard, const Fill& fill);
  void note(const Summary& records, const Totals& grown) REQUIRES(mutex_);
  template <typename Batch, typename Put>
  void apply_batches(std::span<Batch* const> batches, base::WorkerTeam& team, const Put& put);
  std::map<std::string, std::uint64_t> highest_actor_seqs() const REQUIRES(mutex_);
  store::BaseValue value_of(const StoredDocument& document) const;

  // In the order in which they may be locked: apply_mutex_, a shard's (of several the first one
  // first), mutex_.
  base::Mutex apply_mutex_;  ///< Whoever changes the active generations; readers never take it.
  Staged group_ GUARDED_BY(apply_mutex_);
  mutable std::array<Shard, kShards> shards_;  ///< Mutable: asking for a range sorts.
  ActorNames names_;

  mutable base::Mutex mutex_;
  Totals active_ GUARDED_BY(mutex_);
  Totals frozen_ GUARDED_BY(mutex_);
  bool is_frozen_ GUARDED_BY(mutex_) = false;
  Seq last_seq_ GUARDED_BY(mutex_) = 0;
  Hlc hlc_floor_ GUARDED_BY(mutex_) = 0;
  std::uint64_t base_tombstones_ GUARDED_BY(mutex_) = 0;
  std::uint64_t operations_total_ GUARDED_BY(mutex_) = 0;
  std::vector<std::uint64_t> actor_seqs_ GUARDED_BY(mutex_);  ///< By actor; 0: none.
};

}  // namespace pluresdb::core
