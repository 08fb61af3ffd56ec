// Time of a run: seconds since its start on the clock that never jumps, which worker and fault
// ledger use too (CLOCK_MONOTONIC).
#pragma once

#include <cstdint>

#include "harness/common/shared_region.h"

namespace soak::supervisor {

class RunClock {
 public:
  RunClock() : start_ns_(monotonic_ns()) {}
  [[nodiscard]] double seconds() const { return seconds_at(monotonic_ns()); }
  /// Of an instant of CLOCK_MONOTONIC; negative before the start.
  [[nodiscard]] double seconds_at(std::uint64_t time_ns) const {
    return static_cast<double>(static_cast<std::int64_t>(time_ns - start_ns_)) * 1e-9;
  }

 private:
  std::uint64_t start_ns_;
};

}  // namespace soak::supervisor
