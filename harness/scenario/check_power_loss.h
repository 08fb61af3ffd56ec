// What a power loss may leave is limited by the device that the scenario names.
#pragma once

#include "harness/scenario/document.h"
#include "harness/scenario/scenario.h"

namespace soak::scenario {

/// `table`: the fault as written.
void check_power_loss(const Node& table, const FaultSection& fault, Findings& findings);

}  // namespace soak::scenario
