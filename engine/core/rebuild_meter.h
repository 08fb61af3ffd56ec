// How far a rebuild is, and whether it is to go on.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <thread>

#include "engine/base/mutex.h"
#include <pluresdb/error.h>
#include <pluresdb/rebuild.h>

namespace pluresdb::core {

/// The log is read so often: examined, replayed, and for its large values.
inline constexpr std::uint64_t kPassesOverTheLog = 3;
inline constexpr std::uint64_t kReportStepBytes = 1ULL << 20;

/// Counts what is read of the source, tells the caller, hears whether to go on.
///
/// Thread: any for add() and check(), several at once, because segments are read side by side; the
/// rest is for the thread that made the meter, and nobody else calls its progress.
class RebuildMeter {
 public:
  explicit RebuildMeter(const RebuildOptions& options) : options_(options) {}

  void set_sizes(std::uint64_t log_bytes, std::uint64_t base_bytes) {
    const base::MutexLock lock(mutex_);
    progress_.total_bytes = kPassesOverTheLog * log_bytes + base_bytes;
  }
  /// What follows reads about so much; then it counts as done, whatever was really read.
  Status begin_stage(std::uint64_t bytes) {
    {
      const base::MutexLock lock(mutex_);
      stage_end_ += bytes;
    }
    return report();
  }
  Status end_stage() {
    {
      const base::MutexLock lock(mutex_);
      progress_.done_bytes = stage_end_;
    }
    return report();
  }
  Status add(std::uint64_t bytes) {
    bool is_due = false;
    {
      const base::MutexLock lock(mutex_);
      progress_.done_bytes = std::min(progress_.done_bytes + bytes, stage_end_);
      unreported_bytes_ += bytes;
      is_due = unreported_bytes_ >= kReportStepBytes;
    }
    return is_due && std::this_thread::get_id() == owner_ ? report() : check();
  }
  Status finish() {
    {
      const base::MutexLock lock(mutex_);
      progress_.done_bytes = progress_.total_bytes;
    }
    return report();
  }
  /// kCancelled once somebody wants that.
  Status check() {
    if (options_.cancel != nullptr && options_.cancel->load()) {
      cancelled_ = true;
    }
    return cancelled_ ? Status(fail(ErrorCode::kCancelled, "rebuild")) : Status{};
  }

 private:
  Status report() {
    RebuildProgress progress;
    {
      const base::MutexLock lock(mutex_);
      unreported_bytes_ = 0;
      progress = progress_;
    }
    if (options_.progress && !options_.progress(progress)) {
      cancelled_ = true;
    }
    return check();
  }

  const RebuildOptions& options_;
  const std::thread::id owner_ = std::this_thread::get_id();
  base::Mutex mutex_;
  RebuildProgress progress_ GUARDED_BY(mutex_);
  std::uint64_t stage_end_ GUARDED_BY(mutex_) = 0;
  std::uint64_t unreported_bytes_ GUARDED_BY(mutex_) = 0;
  std::atomic<bool> cancelled_ = false;
};

}  // namespace pluresdb::core
