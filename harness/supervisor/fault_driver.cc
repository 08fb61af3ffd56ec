#include "harness/supervisor/fault_driver.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "faultinj/firing.h"
#include "harness/report/run_result.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/schedule.h"

namespace soak::supervisor {
namespace {

using scenario::FaultKind;
using scenario::FaultSection;

// The ledger is read within milliseconds; what a stalled machine brings later still finds its
// window here.
constexpr double kRememberedSeconds = 10;
// Between the disarm command and its effect a thread may fire once more.
constexpr double kLateFiringSeconds = 0.5;
constexpr double kMicrosecondsPerSecond = 1e6;
constexpr const char* kFullDiskPoint = "space/*";
constexpr std::string_view kSpaceQuestion = "space/statvfs";
constexpr const char* kForeignKind = "remote_control";

std::string point_of(const FaultSection& fault) {
  return fault.kind == FaultKind::kDiskFull && fault.point.empty() ? kFullDiskPoint : fault.point;
}

/// Of an instant.
FaultStep step_of(FaultKind kind) {
  if (kind == FaultKind::kPause) {
    return FaultStep::kPause;
  }
  if (kind == FaultKind::kMemoryLimit) {
    return FaultStep::kStarve;
  }
  if (kind == FaultKind::kCrashImage) {
    return FaultStep::kClone;
  }
  return kind == FaultKind::kClockJump ? FaultStep::kJumpClock : FaultStep::kKill;
}

faultinj::Effect effect_of(const FaultSection& fault) {
  if (fault.kind == FaultKind::kShortWrite) {
    return faultinj::Effect::kShortWrite;
  }
  if (fault.after_error == "ext4_ordered" || fault.after_error == "xfs") {
    return faultinj::Effect::kSyncMarkedClean;
  }
  if (fault.after_error == "btrfs") {
    return faultinj::Effect::kSyncReverted;
  }
  if (fault.after_error == "ext4_data") {
    return faultinj::Effect::kSyncReportedLater;
  }
  return fault.kind == FaultKind::kSlowIo ? faultinj::Effect::kDelay : faultinj::Effect::kError;
}

/// Firings of one window; 0: no limit. A worker that starts in it counts calls from the beginning.
std::uint64_t budget_of(const FaultSection& fault) { return fault.nth > 0 ? 1 : fault.times; }

int error_number_of(const FaultSection& fault) {
  if (fault.kind == FaultKind::kDiskFull) {
    return ENOSPC;
  }
  const auto errors = scenario::fault_errors();
  const auto found = std::ranges::find(errors, fault.error, &scenario::FaultError::name);
  return found == errors.end() ? EIO : found->number;
}

bool matches(const std::string& pattern, const std::string& point) {
  if (!pattern.empty() && pattern.back() == '*') {
    return point.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1));
  }
  return pattern == point;
}

}  // namespace

FaultDriver::FaultDriver(const scenario::Scenario& scenario)
    : scenario_(scenario), tallies_(scenario.faults.size()) {
  const std::vector<PlannedFault> plan = plan_faults(scenario);
  plan_.assign(plan.begin(), plan.end());
}

bool FaultDriver::overtaken(const PlannedFault& instant, double seconds) const {
  return std::any_of(plan_.begin() + 1, plan_.end(), [&](const PlannedFault& later) {
    return later.fault == instant.fault && later.begin_seconds <= seconds;
  });
}

std::optional<FaultAction> FaultDriver::close_due(double seconds) {
  for (Window& window : windows_) {
    if (!window.closed_seconds.has_value() && window.end_seconds <= seconds) {
      window.closed_seconds = seconds;
      return FaultAction{.step = FaultStep::kCloseWindow, .fault = window.fault};
    }
  }
  std::erase_if(windows_, [&](const Window& window) {
    return window.closed_seconds.has_value() &&
           *window.closed_seconds + kRememberedSeconds < seconds;
  });
  return std::nullopt;
}

std::optional<FaultAction> FaultDriver::next_due(double seconds) {
  if (auto action = close_due(seconds); action.has_value()) {
    return action;
  }
  while (!plan_.empty() && plan_.front().begin_seconds <= seconds) {
    const PlannedFault due = plan_.front();
    if (scenario::is_instant(scenario_.faults[due.fault].kind)) {
      const bool skip = overtaken(due, seconds);
      plan_.pop_front();
      if (skip) {
        continue;
      }
      ++tallies_[due.fault].attempted;
      return FaultAction{.step = step_of(scenario_.faults[due.fault].kind), .fault = due.fault};
    }
    if (open_window(due.fault) != nullptr) {  // Opened late; its successor makes it end early.
      for (Window& window : windows_) {
        if (window.fault == due.fault && !window.closed_seconds.has_value()) {
          window.closed_seconds = seconds;
        }
      }
      return FaultAction{.step = FaultStep::kCloseWindow, .fault = due.fault};
    }
    plan_.pop_front();
    windows_.push_back({.fault = due.fault,
                        .opened_seconds = seconds,
                        .end_seconds = seconds + (due.end_seconds - due.begin_seconds),
                        .closed_seconds = std::nullopt});
    ++tallies_[due.fault].attempted;
    return FaultAction{.step = FaultStep::kOpenWindow, .fault = due.fault};
  }
  return std::nullopt;
}

std::vector<std::size_t> FaultDriver::close_all(double seconds) {
  plan_.clear();
  std::vector<std::size_t> closed;
  for (Window& window : windows_) {
    if (!window.closed_seconds.has_value()) {
      window.closed_seconds = seconds;
      closed.push_back(window.fault);
    }
  }
  return closed;
}

const FaultDriver::Window* FaultDriver::open_window(std::size_t fault) const {
  for (const Window& window : windows_) {
    if (window.fault == fault && !window.closed_seconds.has_value()) {
      return &window;
    }
  }
  return nullptr;
}

std::uint64_t FaultDriver::fired_in_window(std::size_t fault) const {
  for (auto window = windows_.rbegin(); window != windows_.rend(); ++window) {
    if (window->fault == fault) {
      return window->fired;
    }
  }
  return 0;
}

std::vector<std::size_t> FaultDriver::open_windows() const {
  std::vector<std::size_t> open;
  for (const Window& window : windows_) {
    const std::uint64_t times = budget_of(scenario_.faults[window.fault]);
    if (!window.closed_seconds.has_value() && (times == 0 || window.fired < times)) {
      open.push_back(window.fault);
    }
  }
  return open;
}

bool FaultDriver::is_open(FaultKind kind) const {
  return std::any_of(windows_.begin(), windows_.end(), [&](const Window& window) {
    return !window.closed_seconds.has_value() && scenario_.faults[window.fault].kind == kind;
  });
}

ArmedPoint FaultDriver::armed_point(std::size_t fault) const {
  const FaultSection& section = scenario_.faults[fault];
  const Window* window = open_window(fault);
  const std::uint64_t fired = window == nullptr ? 0 : window->fired;
  const std::uint64_t budget = budget_of(section);
  return {.point = point_of(section),
          .how = {.effect = static_cast<std::uint32_t>(effect_of(section)),
                  .error_number = error_number_of(section),
                  .delay_us = static_cast<std::uint32_t>(
                      std::llround(section.delay_seconds * kMicrosecondsPerSecond)),
                  .times = budget > fired ? budget - fired : 0,
                  .nth = section.nth,
                  .every = section.every_calls,
                  .bytes_min = section.min_bytes,
                  .bytes_max = section.max_bytes == 0 ? UINT64_MAX : section.max_bytes,
                  .probability = section.probability}};
}

void FaultDriver::instant_fired(std::size_t fault) {
  ++tallies_[fault].fired;
  ++total_fired_;
  ++fired_by_point_[{scenario::fault_kind_name(scenario_.faults[fault].kind), ""}];
}

std::size_t FaultDriver::point_fired(const std::string& point, double seconds) {
  // An answer that says how much space there is fails nothing yet: no evidence of a full disk.
  const std::uint64_t effects = point == kSpaceQuestion ? 0 : 1;
  total_fired_ += effects;
  for (Window& window : windows_) {
    const FaultSection& fault = scenario_.faults[window.fault];
    const bool in_time = !window.closed_seconds.has_value() ||
                         seconds <= *window.closed_seconds + kLateFiringSeconds;
    if (in_time && seconds >= window.opened_seconds && matches(point_of(fault), point)) {
      window.fired += effects;
      tallies_[window.fault].fired += effects;
      ++fired_by_point_[{scenario::fault_kind_name(fault.kind), point}];
      return window.fault;
    }
  }
  ++foreign_[point];
  ++fired_by_point_[{kForeignKind, point}];
  return kForeignFault;
}

std::vector<report::FaultResult> FaultDriver::results() const {
  std::vector<report::FaultResult> results;
  for (std::size_t i = 0; i < scenario_.faults.size(); ++i) {
    const FaultSection& fault = scenario_.faults[i];
    results.push_back({.name = fault.name,
                       .kind = scenario::fault_kind_name(fault.kind),
                       .point = point_of(fault),
                       .planned = fault.must_fire,
                       .attempted = tallies_[i].attempted,
                       .fired = tallies_[i].fired});
  }
  for (const auto& [point, fired] : foreign_) {
    results.push_back({.name = "fiu-ctrl",
                       .kind = kForeignKind,
                       .point = point,
                       .planned = 0,
                       .attempted = 0,
                       .fired = fired});
  }
  return results;
}

}  // namespace soak::supervisor
