// Gives disk space back: removes WAL segments that no reader needs, thins out those that hold few
// live large values (D7a).
//
// A segment is needed while it holds a seq above the previous checkpoint, or a large value that the
// base store refers to. A base store that refers to another write of the same id has seen a later
// one: liveness is decided by the base store alone, never by what is not checkpointed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/base/mutex.h"
#include "engine/core/store_identity.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::core {

/// Thread: any; one pass at a time.
class Compactor {
 public:
  Compactor(wal::Log& log, store::BaseStore& base, StoreIdentity& identity,
            std::uint64_t segment_bytes)
      : log_(log), base_(base), identity_(identity), segment_bytes_(segment_bytes) {}

  static constexpr std::uint64_t kNoLimit = ~0ULL;
  /// `lookups_max`: how many large values may be looked up in the base store; segments not reached
  /// come first next time. Errors leave every input in place.
  Status run(const store::CheckpointMeta& meta, std::uint64_t lookups_max);

  struct Counts {
    std::uint64_t removed = 0;
    std::uint64_t rewritten = 0;
  };
  [[nodiscard]] Counts counts() const;

 private:
  Status run_locked(const store::CheckpointMeta& meta, std::uint64_t lookups_max) REQUIRES(mutex_);
  /// Empty when not every large value that the segment holds could be looked at.
  Result<std::optional<std::uint64_t>> live_bytes_of(const wal::SegmentInfo& segment)
      REQUIRES(mutex_);
  Result<bool> is_live(Seq seq, std::string_view id) const;
  Status remove(const std::vector<wal::SegmentInfo>& segments) REQUIRES(mutex_);
  Status rewrite(const std::vector<wal::SegmentInfo>& segments) REQUIRES(mutex_);
  /// Writes down, before anything goes, that the log does not reach back any more.
  Status note_compaction(Seq last_seq) REQUIRES(mutex_);

  wal::Log& log_;
  store::BaseStore& base_;
  StoreIdentity& identity_;
  const std::uint64_t segment_bytes_;

  mutable base::Mutex mutex_;
  Seq next_seq_ GUARDED_BY(mutex_) = 0;  ///< Where the next limited pass begins.
  mutable base::Mutex counts_mutex_;
  Counts counts_ GUARDED_BY(counts_mutex_);
};

}  // namespace pluresdb::core
