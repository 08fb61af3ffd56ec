#include <array>
#include <span>

#include "engine/fuzz/driver/target.h"
#include "harness/fuzz/scenario_target.h"

namespace fuzzing {

std::span<const Target> targets() {
  static const std::array all = {soak::fuzz::scenario_target()};
  return all;
}

}  // namespace fuzzing
