// Moves documents from the table into the base store, and decides when.
//
// One checkpoint at a time. Whoever needs one (a caller, a put that found the table full, a put
// with Durability::kFull, the background thread) asks for a seq to be covered: it runs the
// checkpoint itself, or waits for the one under way and looks again. Writes go on meanwhile.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>

#include "engine/base/clock.h"
#include "engine/base/mutex.h"
#include "engine/core/compaction_throttle.h"
#include "engine/core/compactor.h"
#include "engine/core/disk_space.h"
#include "engine/core/document_table.h"
#include "engine/store/base_store.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {

struct CheckpointerParts {
  DocumentTable& table;
  store::BaseStore& base;
  wal::Log& log;
  Compactor& compactor;
  DiskSpace& space;
  Clock& clock;
};

struct CheckpointStats {
  Seq checkpoint_seq = 0;
  std::uint64_t checkpoints = 0;
  std::uint64_t failures = 0;
  DurationHistogram duration;
};

class Checkpointer {
 public:
  Checkpointer(const CheckpointerParts& parts, const EngineOptions& options,
               const store::CheckpointMeta& meta);
  ~Checkpointer() { stop(); }
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;
  Checkpointer(Checkpointer&&) = delete;
  Checkpointer& operator=(Checkpointer&&) = delete;

  /// Returns when the base store durably holds everything up to `seq`. An error is the one of the
  /// last attempt; everything is still in the table and in the log. Thread: any.
  Status cover(Seq seq);
  /// Covers everything applied so far, then compacts. Thread: any.
  Result<Seq> checkpoint(const CompactionLimits& limits = {});
  /// Covers everything applied so far, and lets go of the log behind it: the base store names no
  /// older checkpoint that would need it. Thread: any.
  Status cover_for_good();
  /// Has the base store put its own small files under new data keys. Thread: any.
  Status renew_base();
  [[nodiscard]] store::CheckpointMeta meta() const;
  /// Before a write: when the table is over its limit, makes room first. Thread: any.
  Status relieve_pressure();
  /// True when the table stays below its limit though `bytes` come in. Thread: any.
  [[nodiscard]] bool has_room_for(std::uint64_t bytes) const {
    return parts_.table.bytes() + bytes < dirty_bytes_max_;
  }
  /// After a write: wakes the background thread when the policy says so. Thread: any.
  void poll();

  /// False: the base store came back older than it had been. Nothing may be read from it.
  [[nodiscard]] bool base_is_trusted() const { return !base_lost_.load(); }

  /// Starts the background thread: policy, compaction, low disk space.
  void start();
  /// Joins it. No error when it never ran.
  void stop();
  [[nodiscard]] CheckpointStats stats() const;

 private:
  enum class Force : bool { kNo, kMetaOnly };
  Status cover_with(Seq seq, Force force);
  Status run_once(Force force);
  Status ingest(DocumentTable::Frozen& frozen, store::CheckpointMeta& meta);
  Status recover_base(Status (store::BaseStore::*reopen)() = &store::BaseStore::reopen);
  CompactionPass compact(const CompactionLimits& limits);
  /// Lets go of the log behind the newest checkpoint as well: only when space is short.
  void reclaim();
  bool due();
  void run_background();
  void background_step();
  void compact_in_background(std::int64_t now_ns);

  const CheckpointerParts parts_;
  const CheckpointPolicy policy_;
  const Durability durability_;
  const std::uint64_t dirty_bytes_max_;

  mutable base::Mutex mutex_;
  base::CondVar finished_;
  bool running_ GUARDED_BY(mutex_) = false;
  std::uint64_t runs_started_ GUARDED_BY(mutex_) = 0;
  std::uint64_t runs_ended_ GUARDED_BY(mutex_) = 0;
  std::optional<Error> last_failure_ GUARDED_BY(mutex_);
  store::CheckpointMeta meta_ GUARDED_BY(mutex_);
  CheckpointStats stats_ GUARDED_BY(mutex_);
  std::atomic<bool> base_lost_ = false;
  bool base_in_doubt_ = false;  ///< Belongs to whoever set running_.

  base::Mutex background_mutex_;
  base::CondVar wake_;
  bool stopping_ GUARDED_BY(background_mutex_) = false;
  bool woken_ GUARDED_BY(background_mutex_) = false;
  std::thread background_;
  // The rest belongs to the background thread.
  std::int64_t last_checkpoint_ns_ = 0;
  std::int64_t retry_at_ns_ = 0;
  std::int64_t retry_delay_ns_ = 0;
  std::int64_t reclaim_at_ns_ = 0;
  Seq compacted_checkpoint_seq_ = 0;
  CompactionThrottle throttle_;
};

}  // namespace pluresdb::core
