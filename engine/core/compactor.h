// Gives disk space back: removes WAL segments that no reader needs, rewrites those that hold few
// live large values, compresses once those that hold many (D7a).
//
// A segment is needed while it holds a seq above the previous checkpoint, or a large value that the
// base store refers to. A base store that refers to another write of the same id has seen a later
// one: liveness is decided by the base store alone, never by what is not checkpointed.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/mutex.h"
#include "engine/core/disk_space.h"
#include "engine/core/store_identity.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::core {

struct CompactionOptions {
  std::uint64_t segment_bytes = 0;
  bool compress = false;  ///< Rewrite segments with live large values once, to compress them.
};

/// What one pass may cost. The default is no limit.
struct CompactionLimits {
  static constexpr std::uint64_t kNone = ~0ULL;
  std::uint64_t lookups = kNone;         ///< Of large values in the base store.
  std::uint64_t collect_bytes = kNone;   ///< File bytes read to collect garbage.
  std::uint64_t compress_bytes = kNone;  ///< File bytes read only to compress.
};

/// What one pass has cost, and what it had to leave.
struct CompactionWork {
  std::uint64_t lookups = 0;
  std::uint64_t collect_bytes = 0;
  std::uint64_t compress_bytes = 0;
  bool lookups_ran_out = false;  ///< Some segments were not looked at.
  bool collect_ran_out = false;  ///< Some were found worth rewriting, and left.
  bool compress_ran_out = false;
};

/// What became of a pass. The work was done, and counts, whether or not all of it had a result.
struct [[nodiscard]] CompactionPass {
  CompactionWork work{};
  /// The first error; its text says how many there were, and the last.
  Status outcome{};
};

/// Thread: any; one pass at a time.
class Compactor {
 public:
  Compactor(wal::Log& log, store::BaseStore& base, StoreIdentity& identity, DiskSpace& space,
            const CompactionOptions& options)
      : log_(log), base_(base), identity_(identity), space_(space), options_(options) {}

  /// Each limit may be exceeded by one segment. A limited pass begins with what earlier ones had to
  /// leave. An error leaves its inputs in place and stops nothing else.
  CompactionPass run(const store::CheckpointMeta& meta, const CompactionLimits& limits);

  /// For a re-encryption: puts a sealed segment's records that are needed into a new file, or
  /// removes it where none is. Why it has to stay as it is; nullopt: it does not, or is gone.
  /// `progress`: told of bytes that were read. An error leaves it in place; kNoSpace: there is no
  /// room for the new file.
  Result<std::optional<std::string>> renew(const store::CheckpointMeta& meta,
                                           std::uint64_t segment_id,
                                           const std::function<void(std::uint64_t)>& progress);
  /// The same of STORE. True: it had to be written.
  Result<bool> renew_identity();

  struct Counts {
    std::uint64_t runs = 0;           ///< Passes that came to their end without an error.
    std::uint64_t failures = 0;       ///< Segments that could not be looked at, rewrites, removals.
    std::uint64_t removed = 0;        ///< Segments.
    std::uint64_t rewritten = 0;      ///< Segments read by rewrites.
    std::uint64_t compressed = 0;     ///< Compressed segments written.
    std::uint64_t read_bytes = 0;     ///< File bytes of `rewritten`.
    std::uint64_t written_bytes = 0;  ///< File bytes that took their place.
    std::uint64_t reclaimed_bytes = 0;  ///< By which the log became smaller.
  };
  [[nodiscard]] Counts counts() const;

 private:
  enum class Fate { kStays, kRemove, kCollect, kCompress };
  /// Segments that are rewritten into one: adjacent in the log.
  struct Batch {
    std::vector<wal::SegmentInfo> segments;
    std::uint64_t live_bytes = 0;
    bool collects = false;  ///< Gives back more than it takes meanwhile.
  };
  struct Plan;
  class Errors;

  void make_plan(const store::CheckpointMeta& meta, Plan& plan, Errors& errors) REQUIRES(mutex_);
  Status look_at(const wal::SegmentInfo& segment, Seq needed_from, Plan& plan) REQUIRES(mutex_);
  void consider(const wal::SegmentInfo& segment, std::uint64_t live_bytes, Plan& plan) const;
  void add_to_batch(const wal::SegmentInfo& segment, std::uint64_t live_bytes, bool collects,
                    Plan& plan) const;
  void end_small_run(Plan& plan) const;
  Fate fate_of(const wal::SegmentInfo& segment, std::uint64_t live_bytes) const;
  /// Empty when not every large value that the segment holds could be looked at.
  Result<std::optional<std::uint64_t>> live_bytes_of(const wal::SegmentInfo& segment)
      REQUIRES(mutex_);
  Result<bool> is_live(Seq seq, std::string_view id) const;
  Status remove(const std::vector<wal::SegmentInfo>& segments) REQUIRES(mutex_);
  /// No record with seq `needed_from` or later is left out.
  Status rewrite(const Batch& batch, const store::CheckpointMeta& meta, Seq needed_from,
                 const std::function<void(std::uint64_t)>& progress) REQUIRES(mutex_);
  [[nodiscard]] bool has_room_for(const Batch& batch);
  [[nodiscard]] Seq needed_from(const std::vector<wal::SegmentInfo>& segments,
                                const store::CheckpointMeta& meta) const;
  [[nodiscard]] bool is_in_log(std::uint64_t segment_id) const;
  /// Writes down, before anything goes, that the log does not reach back any more.
  Status note_compaction(Seq last_seq) REQUIRES(mutex_);

  wal::Log& log_;
  store::BaseStore& base_;
  StoreIdentity& identity_;
  DiskSpace& space_;
  const CompactionOptions options_;

  mutable base::Mutex mutex_;
  Seq next_seq_ GUARDED_BY(mutex_) = 0;  ///< Where the next limited pass begins.
  mutable base::Mutex counts_mutex_;
  Counts counts_ GUARDED_BY(counts_mutex_);
};

}  // namespace pluresdb::core
