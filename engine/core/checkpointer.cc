#include "engine/core/checkpointer.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/duration_recorder.h"
#include "engine/base/mutex.h"
#include "engine/core/compaction_throttle.h"
#include "engine/core/compactor.h"
#include "engine/core/disk_space.h"
#include "engine/core/document_table.h"
#include "engine/store/base_store.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {
namespace {

/// How often one caller tries before it gives up; the background thread comes back anyway.
constexpr int kAttemptsPerCall = 2;
constexpr std::int64_t kNanosecondsPerMillisecond = 1'000'000;
constexpr std::int64_t kRetryDelayNsMin = 50 * kNanosecondsPerMillisecond;
constexpr std::int64_t kRetryDelayNsMax = 5000 * kNanosecondsPerMillisecond;
constexpr std::int64_t kReclaimPauseNs = 500 * kNanosecondsPerMillisecond;
constexpr auto kBackgroundTick = std::chrono::milliseconds(200);
/// A checkpoint is started at this part of the limit, so that writers seldom have to wait.
constexpr std::uint64_t kPressurePart = 2;

}  // namespace

Checkpointer::Checkpointer(const CheckpointerParts& parts, const EngineOptions& options,
                           const store::CheckpointMeta& meta)
    : parts_(parts),
      policy_(options.checkpoint),
      durability_(options.durability),
      dirty_bytes_max_(options.dirty_bytes_max),
      meta_(meta),
      last_checkpoint_ns_(parts.clock.monotonic_ns()),
      throttle_(options.segment_bytes, last_checkpoint_ns_) {
  const base::MutexLock lock(mutex_);
  stats_.checkpoint_seq = meta.checkpoint_seq;
}

Status Checkpointer::cover(Seq seq) { return cover_with(seq, Force::kNo); }

Status Checkpointer::cover_with(Seq seq, Force force) {
  DB_CHECK(seq <= parts_.table.last_seq());  // INV-CORE-9
  int failures = 0;
  bool forced = force == Force::kNo;  // Nothing left to force.
  while (true) {
    {
      const base::MutexLock lock(mutex_);
      if (meta_.checkpoint_seq >= seq && forced) {
        return {};
      }
      if (running_) {
        // The one under way may have frozen the table before `seq` came: look again afterwards.
        const std::uint64_t awaited = runs_started_;
        while (runs_ended_ < awaited) {
          finished_.wait(mutex_);
        }
        if (last_failure_ && meta_.checkpoint_seq < seq && ++failures >= kAttemptsPerCall) {
          return std::unexpected(*last_failure_);
        }
        continue;
      }
      running_ = true;
      ++runs_started_;
    }
    const Status outcome = run_once(forced ? Force::kNo : Force::kMetaOnly);
    forced = forced || outcome.has_value();
    const base::MutexLock lock(mutex_);
    stats_.failures += outcome ? 0U : 1U;
    running_ = false;
    ++runs_ended_;
    last_failure_ = outcome ? std::nullopt : std::optional(outcome.error());
    finished_.notify_all();
    if (!outcome && ++failures >= kAttemptsPerCall) {
      return outcome;
    }
  }
}

Status Checkpointer::run_once(Force force) {
  const std::int64_t start_ns = parts_.clock.monotonic_ns();
  if (base_in_doubt_) {
    TRY(recover_base());
  }
  store::CheckpointMeta before;
  {
    const base::MutexLock lock(mutex_);
    before = meta_;
  }
  auto frozen = parts_.table.freeze();
  const bool nothing_new = frozen.meta.checkpoint_seq == before.checkpoint_seq;
  if (nothing_new &&
      (force == Force::kNo || before.previous_checkpoint_seq == before.checkpoint_seq)) {
    parts_.table.drop_frozen();
    return {};
  }
  store::CheckpointMeta meta = frozen.meta;
  meta.previous_checkpoint_seq = before.checkpoint_seq;
  const Status outcome = ingest(frozen, meta);
  parts_.space.note_outcome(outcome ? nullptr : &outcome.error());
  TRY(outcome);
  const base::MutexLock lock(mutex_);
  meta_ = std::move(meta);
  ++stats_.checkpoints;
  stats_.checkpoint_seq = meta_.checkpoint_seq;
  base::record_duration(stats_.duration,
                        std::chrono::nanoseconds(parts_.clock.monotonic_ns() - start_ns));
  return {};
}

Status Checkpointer::ingest(DocumentTable::Frozen& frozen, store::CheckpointMeta& meta) {
  if (durability_ == Durability::kNone) {
    // The base store must never know a seq, or refer to a value, that the log could still lose.
    // INV-CORE-7
    if (auto synced = parts_.log.sync(); !synced) {
      parts_.table.thaw();
      return synced;
    }
  }
  Status outcome = parts_.base.ingest(*frozen.source, meta);
  if (outcome) {
    parts_.table.drop_frozen();
    return outcome;
  }
  if (outcome.error().code == ErrorCode::kCorruption) {  // The second attempt will succeed.
    (void)std::fprintf(
        stderr,
        "pluresdb: warning: the base store is damaged, and not merged any more until "
        "the store is opened again: %s\n",
        to_string(outcome.error()).c_str());
  }
  // Whether the ingest took effect is for the reopened base store to say (D7).
  base_in_doubt_ = true;
  if (recover_base()) {
    const base::MutexLock lock(mutex_);
    if (meta_.checkpoint_seq == meta.checkpoint_seq &&
        meta_.previous_checkpoint_seq == meta.previous_checkpoint_seq) {
      parts_.table.drop_frozen();
      return {};
    }
  }
  parts_.table.thaw();
  return outcome;
}

Status Checkpointer::recover_base(Status (store::BaseStore::*reopen)()) {
  Status reopened = (parts_.base.*reopen)();
  auto meta = parts_.base.meta();  // Also when it could be opened for reading only.
  const base::MutexLock lock(mutex_);
  if (meta && meta->checkpoint_seq < meta_.checkpoint_seq) {
    // What it had promised is gone, and the table does not have it any more: reads would answer
    // with older states.  INV-CORE-8
    base_lost_.store(true);
    return fail(ErrorCode::kBaseLost,
                "base store fell back from checkpoint " + std::to_string(meta_.checkpoint_seq) +
                    " to " + std::to_string(meta->checkpoint_seq) + "; close and open the store");
  }
  TRY(std::move(reopened));
  if (!meta) {
    return std::unexpected(std::move(meta).error());
  }
  base_in_doubt_ = false;
  meta_ = *std::move(meta);
  stats_.checkpoint_seq = meta_.checkpoint_seq;  // Also of one that was reported as failed.
  return {};
}

Result<Seq> Checkpointer::checkpoint(const CompactionLimits& limits) {
  TRY(cover(parts_.table.last_seq()));
  TRY(compact(limits).outcome);
  const base::MutexLock lock(mutex_);
  return meta_.checkpoint_seq;
}

CompactionPass Checkpointer::compact(const CompactionLimits& limits) {
  return parts_.compactor.run(meta(), limits);
}

store::CheckpointMeta Checkpointer::meta() const {
  const base::MutexLock lock(mutex_);
  return meta_;
}

Status Checkpointer::cover_for_good() {
  TRY(cover(parts_.table.last_seq()));
  return cover_with(parts_.table.last_seq(), Force::kMetaOnly);
}

Status Checkpointer::renew_base() {
  {
    const base::MutexLock lock(mutex_);
    while (running_) {
      finished_.wait(mutex_);
    }
    running_ = true;
    ++runs_started_;
  }
  base_in_doubt_ = true;
  const Status outcome = recover_base(&store::BaseStore::reopen_renewed);
  const base::MutexLock lock(mutex_);
  running_ = false;
  ++runs_ended_;
  last_failure_ = std::nullopt;  // Whoever waited for a checkpoint runs it now.
  finished_.notify_all();
  return outcome;
}

Status Checkpointer::relieve_pressure() {
  while (parts_.table.bytes() >= dirty_bytes_max_) {
    TRY(cover(parts_.table.last_seq()));
  }
  return {};
}

bool Checkpointer::due() {
  const auto progress = parts_.table.since_checkpoint();
  if (progress.operations == 0) {
    return false;
  }
  const auto reached = [](std::uint64_t value, std::uint64_t limit) {
    return limit != 0 && value >= limit;
  };
  return reached(progress.bytes, policy_.wal_bytes) ||
         reached(progress.operations, policy_.operations) ||
         parts_.table.bytes() >= dirty_bytes_max_ / kPressurePart;
}

void Checkpointer::poll() {
  if (!background_.joinable() || !due()) {
    return;
  }
  const base::MutexLock lock(background_mutex_);
  if (!woken_) {
    woken_ = true;
    wake_.notify_one();
  }
}

void Checkpointer::start() {
  background_ = std::thread([this] { run_background(); });
}

void Checkpointer::stop() {
  if (!background_.joinable()) {
    return;
  }
  {
    const base::MutexLock lock(background_mutex_);
    stopping_ = true;
    wake_.notify_one();
  }
  background_.join();
}

void Checkpointer::run_background() {
  while (true) {
    {
      const base::MutexLock lock(background_mutex_);
      if (!stopping_ && !woken_) {
        (void)wake_.wait_for(background_mutex_, kBackgroundTick);
      }
      if (stopping_) {
        return;
      }
      woken_ = false;
    }
    background_step();
  }
}

void Checkpointer::background_step() {
  const std::int64_t now_ns = parts_.clock.monotonic_ns();
  parts_.space.refresh();
  parts_.space.restore_reserve();
  if (parts_.space.state() != SpaceState::kNormal && now_ns >= reclaim_at_ns_) {
    reclaim_at_ns_ = now_ns + kReclaimPauseNs;
    reclaim();
  }
  const std::int64_t interval_ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(policy_.interval).count();
  const bool interval_over = interval_ns > 0 && now_ns - last_checkpoint_ns_ >= interval_ns &&
                             parts_.table.since_checkpoint().operations > 0;
  if ((due() || interval_over) && now_ns >= retry_at_ns_) {
    const Status outcome = cover(parts_.table.last_seq());
    retry_delay_ns_ =
        outcome ? 0 : std::clamp(retry_delay_ns_ * 2, kRetryDelayNsMin, kRetryDelayNsMax);
    retry_at_ns_ = now_ns + retry_delay_ns_;
    last_checkpoint_ns_ = outcome ? now_ns : last_checkpoint_ns_;
    if (!outcome) {
      (void)std::fprintf(stderr, "pluresdb: warning: checkpoint failed, will be tried again: %s\n",
                         to_string(outcome.error()).c_str());
    }
  }
  compact_in_background(now_ns);
}

void Checkpointer::compact_in_background(std::int64_t now_ns) {
  throttle_.earn(now_ns, parts_.log.stats().appended_bytes, parts_.table.operations_total());
  const Seq checkpoint_seq = stats().checkpoint_seq;
  if (checkpoint_seq == compacted_checkpoint_seq_ && !throttle_.can_go_on()) {
    return;
  }
  // What failed is repeated after the next checkpoint; it has cost as much as what did not.
  const CompactionPass pass = compact(throttle_.limits());
  throttle_.spend(pass.work);
  if (!pass.outcome) {
    (void)std::fprintf(stderr, "pluresdb: warning: compaction failed, will be tried again: %s\n",
                       to_string(pass.outcome.error()).c_str());
  }
  compacted_checkpoint_seq_ = checkpoint_seq;
}

void Checkpointer::reclaim() {
  if (parts_.space.state() == SpaceState::kFull) {
    parts_.space.release_reserve();
  }
  // Failures are counted, and the next tick tries again: there is nobody to tell here.
  if (cover_for_good()) {
    (void)compact({}).outcome;
  }
}

CheckpointStats Checkpointer::stats() const {
  const base::MutexLock lock(mutex_);
  return stats_;
}

}  // namespace pluresdb::core
