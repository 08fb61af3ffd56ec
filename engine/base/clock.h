// The engine's only source of time. Recovery never asks it.
#pragma once

#include <cstdint>

namespace pluresdb {

class Clock {
 public:
  virtual ~Clock() = default;
  /// Microseconds since 1970-01-01 UTC; may jump.
  virtual std::int64_t wall_us() = 0;
  /// Nanoseconds from some start; never goes back while the machine is up.
  virtual std::int64_t monotonic_ns() = 0;
};

/// The system's clocks. Thread-safe; lives for ever.
Clock& system_clock();

}  // namespace pluresdb
