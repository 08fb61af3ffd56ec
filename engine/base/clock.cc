#include "engine/base/clock.h"

#include <chrono>
#include <cstdint>

namespace pluresdb {
namespace {

class SystemClock final : public Clock {
 public:
  std::int64_t wall_us() override {
    return std::chrono::duration_cast<std::chrono::microseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  std::int64_t monotonic_ns() override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;  // Stateless: not a mutable global.
  return clock;
}

}  // namespace pluresdb
