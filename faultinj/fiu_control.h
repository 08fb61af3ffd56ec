// Arming and disarming of libfiu points. <fiu*.h> is included only in faultinj/.
#pragma once

#include <cstdint>
#include <string>

#include "faultinj/firing.h"
#include <pluresdb/error.h>

namespace faultinj {

/// An armed point. A call of it fires when all conditions hold; those of count look at calls of the
/// wanted sizes since the arming, by whatever thread.
struct Arming {
  std::string point;  ///< May end in '*'.
  Effect effect = Effect::kError;
  int error_number = 5;        ///< Never 0: libfiu would pick one at random.
  std::uint32_t delay_us = 0;  ///< Effect::kDelay: above 0.
  std::uint64_t times = 0;     ///< At most so many firings; 0: until disarmed.
  std::uint64_t nth = 0;       ///< Only the n-th call; 0: any.
  std::uint64_t every = 0;     ///< Only each n-th call; 0: any.
  std::uint64_t bytes_min = 0;
  std::uint64_t bytes_max = UINT64_MAX;  ///< Sizes. Operations without a size have 0.
  double probability = 1.0;              ///< (0, 1].
  std::uint64_t seed = 0;  ///< Decides which calls fire: hash(seed, point, lane, ordinal).
};

/// Once per process, before any thread: fiu_init; a remote control at `fifo_base` unless empty.
/// kInvalidArgument on the second call, kIo when the pipes cannot be made.
pluresdb::Status fiu_start(const std::string& fifo_base);
/// Replaces an arming of the same point. kInvalidArgument. Thread: any.
pluresdb::Status arm(const Arming& arming);
/// kNotFound when the point was not armed here. An operation that another thread has begun may
/// still fail. Thread: any.
pluresdb::Status disarm(const std::string& point);
/// Whose operations the calling thread makes, for the decider. Threads that never say so get
/// numbers from kFirstUnnamedLane on, in the order of their first decision.
void set_fault_lane(std::uint32_t lane);
inline constexpr std::uint32_t kFirstUnnamedLane = 1U << 16;

}  // namespace faultinj
