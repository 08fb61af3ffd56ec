// The target of this folder.
#pragma once

#include "engine/fuzz/driver/target.h"

namespace soak::fuzz {

/// Scenario files and --set.
fuzzing::Target scenario_target();

}  // namespace soak::fuzz
