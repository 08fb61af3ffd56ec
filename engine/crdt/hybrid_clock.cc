#include "engine/crdt/hybrid_clock.h"

#include <algorithm>
#include <cstdint>
#include <limits>

#include "engine/base/check.h"
#include <pluresdb/document.h>

namespace pluresdb::crdt {
namespace {

constexpr std::int64_t kMicrosecondsPerMillisecond = 1000;
constexpr std::int64_t kNanosecondsPerMicrosecond = 1000;
constexpr std::int64_t kJumpUsMax = kHlcDriftMsMax * kMicrosecondsPerMillisecond;
constexpr std::int64_t kMillisecondsMax = (1LL << (64 - kHlcCounterBits)) - 1;

std::uint64_t clamped_milliseconds(std::int64_t wall_us) {
  return static_cast<std::uint64_t>(
      std::clamp<std::int64_t>(wall_us / kMicrosecondsPerMillisecond, 0, kMillisecondsMax));
}

}  // namespace

std::uint64_t HybridClock::believed_milliseconds(ClockReading now) {
  if (!anchored_) {
    anchored_ = true;
    anchor_ = now;
  }
  const std::int64_t elapsed_us =
      (now.monotonic_ns - anchor_.monotonic_ns) / kNanosecondsPerMicrosecond;
  const std::int64_t expected_us = anchor_.wall_us + elapsed_us;
  const std::int64_t ahead_us = now.wall_us - expected_us;
  if (ahead_us > kJumpUsMax) {
    // One wrong clock would put its stamps before everybody else's for as long as it was ahead.
    forward_jumps_held_ += holding_ ? 0 : 1;
    holding_ = true;
    return clamped_milliseconds(expected_us);
  }
  holding_ = false;
  // After a step back the old line stays, so that the correction is not taken for a jump.
  if (ahead_us >= -kJumpUsMax) {
    anchor_ = now;
  }
  return clamped_milliseconds(now.wall_us);
}

Hlc HybridClock::next(ClockReading now) {
  DB_CHECK(last_ < std::numeric_limits<Hlc>::max());
  last_ = std::max(last_ + 1, make_hlc(believed_milliseconds(now), 0));
  return last_;
}

HybridClock::Observation HybridClock::observe(Hlc remote, ClockReading now) {
  const std::uint64_t limit =
      believed_milliseconds(now) + static_cast<std::uint64_t>(kHlcDriftMsMax);
  if (hlc_milliseconds(remote) > limit) {
    return Observation::kTooFarAhead;
  }
  raise_floor(remote);
  return Observation::kAccepted;
}

void HybridClock::raise_floor(Hlc floor) { last_ = std::max(last_, floor); }

}  // namespace pluresdb::crdt
