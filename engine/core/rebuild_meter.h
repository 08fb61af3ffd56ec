// How far a rebuild is, and whether it is to go on.
#pragma once

#include <algorithm>
#include <cstdint>

#include <pluresdb/error.h>
#include <pluresdb/rebuild.h>

namespace pluresdb::core {

/// The log is read so often: examined, replayed, and for its large values.
inline constexpr std::uint64_t kPassesOverTheLog = 3;
inline constexpr std::uint64_t kReportStepBytes = 1ULL << 20;

/// Counts what is read of the source, tells the caller, hears whether to go on.
class RebuildMeter {
 public:
  explicit RebuildMeter(const RebuildOptions& options) : options_(options) {}

  void set_sizes(std::uint64_t log_bytes, std::uint64_t base_bytes) {
    progress_.total_bytes = kPassesOverTheLog * log_bytes + base_bytes;
  }
  /// What follows reads about so much; then it counts as done, whatever was really read.
  Status begin_stage(std::uint64_t bytes) {
    stage_end_ += bytes;
    return report();
  }
  Status end_stage() {
    progress_.done_bytes = stage_end_;
    return report();
  }
  Status add(std::uint64_t bytes) {
    progress_.done_bytes = std::min(progress_.done_bytes + bytes, stage_end_);
    unreported_bytes_ += bytes;
    return unreported_bytes_ >= kReportStepBytes ? report() : check();
  }
  Status finish() {
    progress_.done_bytes = progress_.total_bytes;
    return report();
  }
  /// kCancelled once somebody wants that.
  Status check() {
    cancelled_ = cancelled_ || (options_.cancel != nullptr && options_.cancel->load());
    return cancelled_ ? Status(fail(ErrorCode::kCancelled, "rebuild")) : Status{};
  }

 private:
  Status report() {
    unreported_bytes_ = 0;
    if (options_.progress && !options_.progress(progress_)) {
      cancelled_ = true;
    }
    return check();
  }

  const RebuildOptions& options_;
  RebuildProgress progress_;
  std::uint64_t stage_end_ = 0;
  std::uint64_t unreported_bytes_ = 0;
  bool cancelled_ = false;
};

}  // namespace pluresdb::core
