// The plan of a run's faults. Nothing here looks at a clock.
#include "harness/supervisor/schedule.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <tuple>
#include <vector>

#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/random.h"

namespace soak::supervisor {
namespace {

using scenario::FaultSection;
using scenario::PhaseSection;
using scenario::Scenario;

// Jitter of 1 can make an interval as short as this, never nothing: a plan is finite.
constexpr double kShortestIntervalSeconds = 0.01;

bool names(const PhaseSection& phase, const std::string& fault) {
  return std::find(phase.faults.begin(), phase.faults.end(), fault) != phase.faults.end();
}

double end_of_window(const FaultSection& fault, double begin, double latest) {
  if (scenario::is_instant(fault.kind)) {
    return begin;
  }
  return fault.for_seconds.has_value() ? std::min(begin + *fault.for_seconds, latest) : latest;
}

/// `every`: instants in `span`; a window without `for` lasts until the next one.
void plan_repeated(const FaultSection& fault, std::size_t index, const Span& span, Random& random,
                   std::vector<PlannedFault>& plan) {
  const auto interval = [&] {
    const double varied = *fault.every_seconds * (1 + fault.jitter * (2 * random.unit() - 1));
    return std::max(varied, kShortestIntervalSeconds);
  };
  double begin = span.begin_seconds + interval();
  while (begin < span.end_seconds) {
    const double next = begin + interval();
    plan.push_back({.fault = index,
                    .begin_seconds = begin,
                    .end_seconds = end_of_window(fault, begin, std::min(next, span.end_seconds))});
    begin = next;
  }
}

void plan_fault(const Scenario& scenario, std::size_t index, std::vector<PlannedFault>& plan) {
  const FaultSection& fault = scenario.faults[index];
  Random random(scenario.seed, fault.name);
  for (const Span& span : active_spans(scenario, fault)) {
    if (fault.every_seconds.has_value()) {
      plan_repeated(fault, index, span, random, plan);
    } else if (!fault.at_seconds.has_value()) {
      plan.push_back(
          {.fault = index, .begin_seconds = span.begin_seconds, .end_seconds = span.end_seconds});
    } else if (*fault.at_seconds >= span.begin_seconds && *fault.at_seconds < span.end_seconds) {
      // A window that began in its phase is kept to its end.
      const double latest =
          fault.for_seconds.has_value() ? scenario.duration_seconds : span.end_seconds;
      plan.push_back({.fault = index,
                      .begin_seconds = *fault.at_seconds,
                      .end_seconds = end_of_window(fault, *fault.at_seconds, latest)});
    }
  }
}

}  // namespace

std::vector<Span> active_spans(const Scenario& scenario, const FaultSection& fault) {
  if (scenario.phases.empty()) {
    return {{.begin_seconds = 0, .end_seconds = scenario.duration_seconds}};
  }
  std::vector<Span> spans;
  double begin = 0;
  bool active = false;
  for (const PhaseSection& phase : scenario.phases) {
    const double end = begin + phase.duration_seconds;
    if (!names(phase, fault.name)) {
      active = false;
    } else if (active) {
      spans.back().end_seconds = end;
    } else {
      spans.push_back({.begin_seconds = begin, .end_seconds = end});
      active = true;
    }
    begin = end;
  }
  return spans;
}

std::vector<PlannedFault> plan_faults(const Scenario& scenario) {
  std::vector<PlannedFault> plan;
  for (std::size_t i = 0; i < scenario.faults.size(); ++i) {
    plan_fault(scenario, i, plan);
  }
  std::sort(plan.begin(), plan.end(), [](const PlannedFault& left, const PlannedFault& right) {
    return std::tie(left.begin_seconds, left.fault) < std::tie(right.begin_seconds, right.fault);
  });
  return plan;
}

std::string phase_at(const Scenario& scenario, double seconds) {
  double end = 0;
  for (const PhaseSection& phase : scenario.phases) {
    end += phase.duration_seconds;
    if (seconds < end) {
      return phase.name;
    }
  }
  return scenario.phases.empty() ? std::string() : scenario.phases.back().name;
}

}  // namespace soak::supervisor
