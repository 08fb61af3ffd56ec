// When which fault comes: a pure function of the scenario and its seed.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "harness/scenario/scenario.h"

namespace soak::supervisor {

/// One coming of one fault. Seconds since the start of the run.
struct PlannedFault {
  std::size_t fault = 0;  ///< Index into Scenario.faults.
  double begin_seconds = 0;
  double end_seconds = 0;  ///< Of instants: the same; else when the point is disarmed.
  friend bool operator==(const PlannedFault&, const PlannedFault&) = default;
};

/// A stretch of the run, begin included, end not.
struct Span {
  double begin_seconds = 0, end_seconds = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

/// Where the fault is active: adjacent phases that name it are one span; without phases, all of
/// the run.
std::vector<Span> active_spans(const scenario::Scenario& scenario,
                               const scenario::FaultSection& fault);
/// Every coming of every fault, by begin (then by fault). `every` counts from the begin of a span,
/// each interval varied by its jitter; without `every` and `at` the fault is there all the span.
std::vector<PlannedFault> plan_faults(const scenario::Scenario& scenario);
/// Name of the phase at that time; empty without phases. After the end: the last one.
std::string phase_at(const scenario::Scenario& scenario, double seconds);

}  // namespace soak::supervisor
