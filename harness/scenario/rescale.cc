// --duration: the same scenario, shorter or longer. Intervals and rates stay, so a short run has
// the same load and fewer events.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include <fmt/format.h>

#include "harness/scenario/document.h"
#include "harness/scenario/read.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/units.h"

namespace soak::scenario {
namespace {

// A product of decimals such as 3 * (20 / 60) may end just below the whole number that is meant.
constexpr double kRounding = 1e-9;
constexpr double kSameSeconds = 1e-6;
constexpr double kShortestPhaseSeconds = 1e-3;
constexpr double kShortestWindowSeconds = 1e-3;
constexpr double kLongestSeconds = 31.0 * 86400;

/// Intervals stay, and an instant may come as late as this: a run that ends before it would prove
/// nothing about the fault.
bool leaves_no_time(const Scenario& scenario, const FaultSection& fault) {
  return fault.must_fire > 0 && fault.every_seconds.value_or(0) * (1 + fault.jitter) >
                                    longest_active_seconds(scenario, fault);
}

std::uint64_t rescaled_must_fire(const Scenario& scenario, const FaultSection& fault,
                                 double factor) {
  if (fault.must_fire == 0) {
    return 0;
  }
  const double scaled = std::floor(static_cast<double>(fault.must_fire) * factor + kRounding);
  const double possible = std::min(scaled, most_firings(scenario, fault));
  return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(possible));
}

/// An instant on the border of two phases stays there: rounding must not move it into the other.
double rescaled_at(const Scenario& scenario, double seconds) {
  double begin = 0;
  for (const PhaseSection& phase : scenario.phases) {
    if (std::abs(seconds - begin) < kSameSeconds) {
      return begin;
    }
    begin += phase.duration_seconds;
  }
  return seconds;
}

}  // namespace

void rescale(Scenario& scenario, double duration_seconds, Findings& findings) {
  if (!(duration_seconds >= 1) || !(duration_seconds <= kLongestSeconds)) {
    findings.add({}, fmt::format("--duration: {} is out of range; write 1s .. 31d",
                                 format_duration(duration_seconds)));
    return;
  }
  const double factor = duration_seconds / scenario.duration_seconds;
  scenario.duration_seconds = duration_seconds;
  for (PhaseSection& phase : scenario.phases) {
    phase.duration_seconds *= factor;
    if (phase.duration_seconds < kShortestPhaseSeconds) {
      findings.add({}, fmt::format("--duration: {} leaves no time for the phase \"{}\"; write a "
                                   "longer one",
                                   format_duration(duration_seconds), phase.name));
    }
  }
  for (FaultSection& fault : scenario.faults) {
    if (fault.at_seconds.has_value()) {
      fault.at_seconds = rescaled_at(scenario, *fault.at_seconds * factor);
    }
    // With `every` the window is a part of each interval, and intervals stay.
    if (fault.for_seconds.has_value() && !fault.every_seconds.has_value()) {
      fault.for_seconds = std::max(*fault.for_seconds * factor, kShortestWindowSeconds);
    }
    if (leaves_no_time(scenario, fault)) {
      findings.add({},
                   fmt::format("--duration: {} leaves no time for the fault \"{}\", which comes "
                               "every {}; write a longer one",
                               format_duration(duration_seconds), fault.name,
                               format_duration(fault.every_seconds.value_or(0))));
    }
    fault.must_fire = rescaled_must_fire(scenario, fault, factor);
  }
}

}  // namespace soak::scenario
