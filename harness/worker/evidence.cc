#include "harness/worker/evidence.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>

#include "harness/common/shared_region.h"
#include "harness/worker/target.h"
#include <pluresdb/stats.h>

namespace soak::worker {
namespace {

/// A kill loses what happened since: short, so that a run seldom loses the trace of a fault.
constexpr std::chrono::milliseconds kPublishEvery{25};
constexpr double kNanoseconds = 1e9;

static_assert(kDurationBuckets == pluresdb::DurationHistogram::kBucketCount);

// Relaxed: plain numbers, consistent only one by one.
void set(std::atomic<std::uint64_t>& field, std::uint64_t value) {
  field.store(value, std::memory_order_relaxed);
}
std::uint64_t get(const std::atomic<std::uint64_t>& field) {
  return field.load(std::memory_order_relaxed);
}

pluresdb::DurationHistogram load(const SharedHistogram& shared) {
  pluresdb::DurationHistogram histogram;
  for (std::size_t i = 0; i < kDurationBuckets; ++i) {
    histogram.buckets[i] = get(shared.buckets[i]);
  }
  histogram.count = get(shared.count);
  histogram.sum_seconds = static_cast<double>(get(shared.sum_ns)) / kNanoseconds;
  return histogram;
}

void store_sum(const pluresdb::DurationHistogram& before, const pluresdb::DurationHistogram& own,
               SharedHistogram& shared) {
  for (std::size_t i = 0; i < kDurationBuckets; ++i) {
    set(shared.buckets[i], before.buckets[i] + own.buckets[i]);
  }
  set(shared.count, before.count + own.count);
  set(shared.sum_ns,
      static_cast<std::uint64_t>((before.sum_seconds + own.sum_seconds) * kNanoseconds));
}

}  // namespace

void publish_recovery(const pluresdb::RecoveryReport& report, std::uint32_t incarnation,
                      RecoveryEvidence& evidence) {
  set(evidence.duration_ns, static_cast<std::uint64_t>(report.duration_seconds * kNanoseconds));
  set(evidence.replayed_entries, report.replayed_entries);
  set(evidence.torn_tails, report.wal.torn_tails);
  set(evidence.torn_bytes_dropped, report.torn_bytes_dropped);
  set(evidence.quarantined_bytes, report.quarantined_bytes);
  set(evidence.corrupted_entries, report.wal.corrupted_entries);
  set(evidence.corrupted_segments, report.wal.corrupted_segments);
  set(evidence.tampered_places, report.wal.tampered_places);
  set(evidence.wal_lost, report.wal_lost ? 1 : 0);
  set(evidence.created, report.created ? 1 : 0);
  set(evidence.clean_shutdown, report.clean_shutdown ? 1 : 0);
  set(evidence.last_seq, report.last_seq);
  set(evidence.checkpoint_seq, report.checkpoint_seq);
  const std::size_t lost = std::min(report.wal.lost.size(), evidence.lost.size());
  for (std::size_t i = 0; i < lost; ++i) {
    evidence.lost[i] = {.first = report.wal.lost[i].first, .last = report.wal.lost[i].last};
  }
  set(evidence.lost_count, lost);
  set(evidence.lost_left_out, report.wal.lost.size() - lost);
  evidence.incarnation.store(incarnation, std::memory_order_release);  // Everything before it.
}

StatsPublisher::Totals StatsPublisher::totals_of(const SharedCounters& counters) {
  return {.appended_entries = get(counters.wal_appended_entries_total),
          .appended_bytes = get(counters.wal_appended_bytes_total),
          .groups = get(counters.wal_groups_total),
          .syncs = get(counters.wal_syncs_total),
          .sync_failures = get(counters.wal_sync_failures_total),
          .groups_rewritten = get(counters.wal_groups_rewritten_total),
          .no_space_refusals = get(counters.wal_no_space_refusals_total),
          .checkpoints = get(counters.checkpoints_total),
          .checkpoint_failures = get(counters.checkpoint_failures_total),
          .segments_deleted = get(counters.segments_deleted_total),
          .segments_rewritten = get(counters.segments_rewritten_total),
          .segments_compressed = get(counters.segments_compressed_total),
          .compaction_runs = get(counters.compaction_runs_total),
          .compaction_failures = get(counters.compaction_failures_total),
          .compaction_reclaimed_bytes = get(counters.compaction_reclaimed_bytes_total),
          .compaction_read_bytes = get(counters.compaction_read_bytes_total),
          .compaction_written_bytes = get(counters.compaction_written_bytes_total),
          .payload_written_bytes = get(counters.payload_written_bytes_total),
          .payload_read_bytes = get(counters.payload_read_bytes_total),
          .clock_jumps_held = get(counters.clock_jumps_held_total),
          .rate_limit_refusals = get(counters.rate_limit_refusals_total),
          .wal_sync = load(counters.wal_sync_duration),
          .checkpoint = load(counters.checkpoint_duration)};
}

StatsPublisher::StatsPublisher(Target& target, SharedCounters& counters)
    : target_(target), counters_(counters), before_(totals_of(counters)) {
  publish();
  thread_ = std::thread([this] { run(); });
}

StatsPublisher::~StatsPublisher() { stop(); }

void StatsPublisher::publish() {
  const std::lock_guard lock(publish_mutex_);
  const pluresdb::EngineStats stats = target_.stats();
  const pluresdb::WalStats& wal = stats.wal;
  set(counters_.wal_segments, wal.segments);
  set(counters_.wal_bytes, wal.bytes);
  set(counters_.wal_last_seq, wal.last_seq);
  set(counters_.wal_read_only, wal.read_only ? 1 : 0);
  set(counters_.wal_appended_entries_total, before_.appended_entries + wal.appended_entries);
  set(counters_.wal_appended_bytes_total, before_.appended_bytes + wal.appended_bytes);
  set(counters_.wal_groups_total, before_.groups + wal.groups);
  set(counters_.wal_syncs_total, before_.syncs + wal.syncs);
  set(counters_.wal_sync_failures_total, before_.sync_failures + wal.sync_failures);
  set(counters_.wal_groups_rewritten_total, before_.groups_rewritten + wal.groups_rewritten);
  set(counters_.wal_no_space_refusals_total, before_.no_space_refusals + wal.no_space_refusals);
  set(counters_.checkpoints_total, before_.checkpoints + stats.checkpoints);
  set(counters_.checkpoint_failures_total, before_.checkpoint_failures + stats.checkpoint_failures);
  set(counters_.checkpoint_seq, stats.checkpoint_seq);
  publish_compaction(stats);
  set(counters_.payload_written_bytes_total,
      before_.payload_written_bytes + stats.payload_written_bytes);
  set(counters_.payload_read_bytes_total, before_.payload_read_bytes + stats.payload_read_bytes);
  set(counters_.documents_dirty, stats.documents_dirty);
  set(counters_.dirty_bytes, stats.dirty_bytes);
  set(counters_.base_store_bytes, stats.base_store_bytes);
  set(counters_.tombstones, stats.tombstones);
  set(counters_.actors, stats.actors);
  set(counters_.space_state, static_cast<std::uint64_t>(stats.space));
  set(counters_.clock_jumps_held_total, before_.clock_jumps_held + stats.clock_jumps_held);
  set(counters_.rate_limit_refusals_total, before_.rate_limit_refusals + stats.rate_limit_refusals);
  store_sum(before_.wal_sync, wal.sync_duration, counters_.wal_sync_duration);
  store_sum(before_.checkpoint, stats.checkpoint_duration, counters_.checkpoint_duration);
}

void StatsPublisher::publish_compaction(const pluresdb::EngineStats& stats) {
  set(counters_.segments_deleted_total, before_.segments_deleted + stats.segments_deleted);
  set(counters_.segments_rewritten_total, before_.segments_rewritten + stats.segments_rewritten);
  set(counters_.segments_compressed_total, before_.segments_compressed + stats.segments_compressed);
  set(counters_.compaction_runs_total, before_.compaction_runs + stats.compaction_runs);
  set(counters_.compaction_failures_total, before_.compaction_failures + stats.compaction_failures);
  set(counters_.compaction_reclaimed_bytes_total,
      before_.compaction_reclaimed_bytes + stats.compaction_reclaimed_bytes);
  set(counters_.compaction_read_bytes_total,
      before_.compaction_read_bytes + stats.compaction_read_bytes);
  set(counters_.compaction_written_bytes_total,
      before_.compaction_written_bytes + stats.compaction_written_bytes);
}

void StatsPublisher::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, kPublishEvery, [this] { return stop_; })) {
    lock.unlock();
    publish();
    lock.lock();
  }
}

void StatsPublisher::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
    publish();
  }
}

}  // namespace soak::worker
