// Faults that come at an instant and leave the worker alive.
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "harness/common/worker_protocol.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/fault_driver.h"
#include "harness/supervisor/life.h"
#include "harness/supervisor/loop.h"
#include "harness/supervisor/monitor.h"
#include "harness/supervisor/recorder.h"
#include "harness/supervisor/worker_process.h"

namespace soak::supervisor {
namespace {

using scenario::FaultSection;

constexpr double kCommandStallSeconds = 60;
constexpr double kMicrosecondsPerSecond = 1e6;

}  // namespace

/// As a machine that sleeps, or a debugger: syncs half done, locks held, and everything goes on
/// later as if nothing had been. It has fired when nothing was acknowledged meanwhile.
void Life::stand_still(std::size_t index) {
  const FaultSection& fault = parts_.scenario.faults[index];
  if (!worker_->pause()) {
    return;  // It has ended: look_after_worker() finds out how.
  }
  parts_.loop.turn(0);
  const double begin = parts_.clock.seconds();
  const double end = begin + fault.for_seconds.value_or(0);
  const std::uint64_t acknowledged = acknowledged_operations();
  while (parts_.clock.seconds() < end && parts_.signals.count() == 0) {
    parts_.loop.turn(kTurnMs);
  }
  const std::uint64_t meanwhile = acknowledged_operations() - acknowledged;
  worker_->resume();
  parts_.loop.note_progress();
  parts_.recorder.paused(fault, begin, meanwhile);
  if (meanwhile == 0) {
    parts_.faults.instant_fired(index);
  }
}

/// Stays so, for later workers too, until the next jump.
void Life::jump_clock(std::size_t index) {
  const FaultSection& fault = parts_.scenario.faults[index];
  const bool back = fault.direction == "back" || (fault.direction == "either" && random_.coin());
  const double by_seconds = back ? -fault.by_seconds : fault.by_seconds;
  clock_offset_us_ += std::llround(by_seconds * kMicrosecondsPerSecond);
  ControlPacket packet{.type = CommandType::kShiftClock};
  packet.clock_offset_us = clock_offset_us_;
  const auto reply = parts_.loop.command(packet, kCommandStallSeconds);
  if (!reply.has_value()) {
    handle(reply.error(), "setting the clock");
    return;
  }
  parts_.recorder.clock_jumped(fault, by_seconds,
                               static_cast<double>(clock_offset_us_) / kMicrosecondsPerSecond);
  parts_.faults.instant_fired(index);
}

}  // namespace soak::supervisor
