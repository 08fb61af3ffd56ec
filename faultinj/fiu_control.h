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
pluresdb::Status fiu_start(const std::string& fifo_base);
pluresdb::Status arm(const Arming& arming);
pluresdb::Status disarm(const std::string& point);

}  // namespace faultinj
