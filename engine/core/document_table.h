// The documents written since the last checkpoint: what reads see before the base store, and what
// the next checkpoint takes.
//
// Two generations. Writes go to the active one; a checkpoint freezes it, and drops it once the base
// store has it, or puts it back. Together they are bounded by dirty_bytes_max (checkpointer.h).
#pragma once

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
  /// What the base store already holds. Before anything else.
  void restore(const store::CheckpointMeta& meta);

  /// Makes records visible. They come in seq order, so a later one always wins: its stamp is
  /// greater, because the log's leader gives out stamps and seqs together.
  void apply(std::span<const wal::RecordView> records);

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
  using Documents = std::map<std::string, store::BaseValue, std::less<>>;
  struct Generation {
    Documents documents;
    std::uint64_t bytes = 0;
    std::uint64_t tombstones = 0;
    Progress progress;
  };
  void apply_one(const wal::RecordView& record) REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  Generation active_ GUARDED_BY(mutex_);
  Generation frozen_ GUARDED_BY(mutex_);  ///< Its documents do not change while it is frozen.
  bool is_frozen_ GUARDED_BY(mutex_) = false;
  Seq last_seq_ GUARDED_BY(mutex_) = 0;
  Hlc hlc_floor_ GUARDED_BY(mutex_) = 0;
  std::uint64_t base_tombstones_ GUARDED_BY(mutex_) = 0;
  std::uint64_t operations_total_ GUARDED_BY(mutex_) = 0;
  crdt::VersionVector version_vector_ GUARDED_BY(mutex_);
};

}  // namespace pluresdb::core
