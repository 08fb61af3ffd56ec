// From the document to a Scenario, by the table of keys.
#pragma once

#include "harness/scenario/document.h"
#include "harness/scenario/scenario.h"

namespace soak::scenario {

/// Reads every section. What is wrong becomes a finding and leaves the default, so that the rest is
/// still read. Element i of `agents`, `phases`, `faults`, `thresholds` comes from element i of the
/// document. `seed_override` replaces the seed of the file.
Scenario read_scenario(const Node& root, std::optional<std::uint64_t> seed_override,
                       Findings& findings);

/// What one section cannot see alone: references, sums, instants that never come. Skips what
/// read_scenario refused.
void check_scenario(const Node& root, const Scenario& scenario, Findings& findings);

/// Makes the run last `duration_seconds`: phases, `at`, `for` (not that of an `every`) and
/// `must_fire` change in proportion.
/// A duration that makes a phase too short to happen is a finding.
void rescale(Scenario& scenario, double duration_seconds, Findings& findings);

/// Seconds of the run in which the fault is active: its phases, or all of it.
double active_seconds(const Scenario& scenario, const FaultSection& fault);
/// The longest time without a pause in which the fault is active: adjacent phases count together.
double longest_active_seconds(const Scenario& scenario, const FaultSection& fault);

/// The most effects that the fault can have: infinity when only the load decides.
double most_firings(const Scenario& scenario, const FaultSection& fault);

/// The scenario with every default written out; parses back to the same scenario.
std::string to_toml(const Scenario& scenario);

}  // namespace soak::scenario
