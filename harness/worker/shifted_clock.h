// The system's clocks, the wall clock shifted: what a store sees when somebody sets the clock.
#pragma once

#include <atomic>
#include <cstdint>

#include "engine/base/clock.h"

namespace soak::worker {

/// Thread: any.
class ShiftedClock final : public pluresdb::Clock {
 public:
  explicit ShiftedClock(std::int64_t offset_us) : offset_us_(offset_us) {}
  std::int64_t wall_us() override { return pluresdb::system_clock().wall_us() + offset_us_.load(); }
  std::int64_t monotonic_ns() override { return pluresdb::system_clock().monotonic_ns(); }
  void set_offset_us(std::int64_t offset_us) { offset_us_ = offset_us; }

 private:
  std::atomic<std::int64_t> offset_us_;
};

}  // namespace soak::worker
