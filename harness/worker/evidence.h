// The engine's numbers in the shared region: what recovery found, and counters that go on over
// kills.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "harness/common/shared_region.h"
#include "harness/worker/target.h"
#include <pluresdb/stats.h>

namespace soak::worker {

/// Fills `evidence`; its incarnation last, which makes the rest valid.
void publish_recovery(const pluresdb::RecoveryReport& report, std::uint32_t incarnation,
                      RecoveryEvidence& evidence);

/// Publishes the target's stats about every 25 ms. Totals: what the region held when the worker
/// started (earlier incarnations) plus what this incarnation did.
class StatsPublisher {
 public:
  /// Both outlive it. Starts its thread.
  StatsPublisher(Target& target, SharedCounters& counters);
  /// stop().
  ~StatsPublisher();
  StatsPublisher(const StatsPublisher&) = delete;
  StatsPublisher& operator=(const StatsPublisher&) = delete;
  StatsPublisher(StatsPublisher&&) = delete;
  StatsPublisher& operator=(StatsPublisher&&) = delete;

  /// Publishes now. Thread: any.
  void publish();
  /// Publishes once more and joins the thread.
  void stop();

 private:
  /// What earlier incarnations did; constant after construction.
  struct Totals {
    std::uint64_t appended_entries = 0, appended_bytes = 0, groups = 0, syncs = 0;
    std::uint64_t sync_failures = 0, groups_rewritten = 0, no_space_refusals = 0;
    std::uint64_t checkpoints = 0, checkpoint_failures = 0;
    std::uint64_t segments_deleted = 0, segments_rewritten = 0, segments_compressed = 0;
    std::uint64_t compaction_runs = 0, compaction_failures = 0, compaction_reclaimed_bytes = 0;
    std::uint64_t compaction_read_bytes = 0, compaction_written_bytes = 0;
    std::uint64_t payload_written_bytes = 0, payload_read_bytes = 0;
    std::uint64_t clock_jumps_held = 0, rate_limit_refusals = 0;
    pluresdb::DurationHistogram wal_sync, checkpoint;
  };
  void run();
  void publish_compaction(const pluresdb::EngineStats& stats);

  Target& target_;
  SharedCounters& counters_;
  const Totals before_;
  std::mutex publish_mutex_;  ///< One publication at a time, so that totals never go back.
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stop_ = false;  ///< Guarded by mutex_.
  std::thread thread_;

  static Totals totals_of(const SharedCounters& counters);
};

}  // namespace soak::worker
