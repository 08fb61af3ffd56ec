// Arming and disarming of libfiu points. <fiu*.h> is included only in faultinj/.
#pragma once

#include <cstdint>
#include <string>

#include <pluresdb/error.h>

namespace faultinj {

struct Arming {
  std::string point;         ///< May end in '*'.
  int error_number = 5;      ///< Never 0: libfiu would pick one at random.
  std::uint64_t times = 0;   ///< 0: until disarmed.
  double probability = 1.0;  ///< (0, 1].
  std::uint64_t seed = 0;    ///< Decides which calls fire: hash(seed, point, lane, ordinal).
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
