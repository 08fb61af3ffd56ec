#include "engine/core/compaction_throttle.h"

#include <algorithm>
#include <cstdint>

#include "engine/core/compactor.h"

namespace pluresdb::core {
namespace {

/// More than so much is not saved up: a long pause must not be followed by a storm.
constexpr std::uint64_t kSavingsSegments = 2;
constexpr std::int64_t kSavingsLookups = 1'000'000;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kMillisecondsPerSecond = 1000;
/// Longer pauses earn no more than this one: also keeps the products below small.
constexpr std::int64_t kPauseMsMax = 3'600'000;
constexpr std::uint64_t kStepMax = 1ULL << 40;

std::uint64_t affordable(std::int64_t balance) {
  return balance > 0 ? static_cast<std::uint64_t>(balance) : 0;
}

/// Adds what units and time have earned. What is saved up is bounded, but never below what one
/// step has brought: else a writer could outrun it.
void add(std::int64_t& balance, std::int64_t savings_max, std::uint64_t for_units,
         std::uint64_t per_second, std::int64_t elapsed_ms) {
  const auto units = static_cast<std::int64_t>(std::min(for_units, kStepMax));
  const auto floor = static_cast<std::int64_t>(per_second) * elapsed_ms / kMillisecondsPerSecond;
  balance = std::min(balance + units + floor, std::max(savings_max, units));
}

}  // namespace

CompactionThrottle::CompactionThrottle(std::uint64_t segment_bytes, std::int64_t now_ns)
    : savings_bytes_max_(static_cast<std::int64_t>(kSavingsSegments * segment_bytes)),
      now_ns_(now_ns) {}

void CompactionThrottle::earn(std::int64_t now_ns, std::uint64_t appended_bytes,
                              std::uint64_t operations) {
  // The remainder of a millisecond is earned the next time.
  const std::int64_t elapsed_ms =
      std::clamp<std::int64_t>((now_ns - now_ns_) / kNsPerMs, 0, kPauseMsMax);
  const std::uint64_t bytes = appended_bytes - std::min(appended_bytes, appended_bytes_);
  const std::uint64_t count = operations - std::min(operations, operations_);
  add(collect_bytes_, savings_bytes_max_, kCollectPerAppendedByte * bytes,
      kCollectFloorBytesPerSecond, elapsed_ms);
  add(compress_bytes_, savings_bytes_max_, 0, kCompressBytesPerSecond, elapsed_ms);
  add(lookups_, kSavingsLookups, kLookupsPerOperation * count, kFloorLookupsPerSecond, elapsed_ms);
  now_ns_ = elapsed_ms == kPauseMsMax ? now_ns : now_ns_ + elapsed_ms * kNsPerMs;
  appended_bytes_ = std::max(appended_bytes, appended_bytes_);
  operations_ = std::max(operations, operations_);
}

CompactionLimits CompactionThrottle::limits() const {
  return {.lookups = affordable(lookups_),
          .collect_bytes = affordable(collect_bytes_),
          .compress_bytes = affordable(compress_bytes_)};
}

void CompactionThrottle::spend(const CompactionWork& work) {
  lookups_ -= static_cast<std::int64_t>(work.lookups);
  collect_bytes_ -= static_cast<std::int64_t>(work.collect_bytes);
  compress_bytes_ -= static_cast<std::int64_t>(work.compress_bytes);
  last_ = work;
}

bool CompactionThrottle::can_go_on() const {
  // A segment is looked at before anything else is known about it.
  return lookups_ > 0 && (last_.lookups_ran_out || (last_.collect_ran_out && collect_bytes_ > 0) ||
                          (last_.compress_ran_out && compress_bytes_ > 0));
}

}  // namespace pluresdb::core
