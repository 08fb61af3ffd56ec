// Which faults of a scenario would arm the same fault point at the same time. libfiu keeps one
// arming per point: the second would replace the first.
#pragma once

#include "harness/scenario/scenario.h"

namespace soak::scenario {

/// True when a fault point is in the patterns of both and nothing keeps their times apart: neither
/// disjoint phases nor disjoint spans of `at` and `for`.
bool may_arm_the_same(const Scenario& scenario, const FaultSection& one, const FaultSection& other);

}  // namespace soak::scenario
