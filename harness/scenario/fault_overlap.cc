#include "harness/scenario/fault_overlap.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"

namespace soak::scenario {
namespace {

bool have_a_common_point(std::string_view one, std::string_view other) {
  if (one.empty() || other.empty()) {
    return false;
  }
  const bool one_is_pattern = one.back() == '*';
  const bool other_is_pattern = other.back() == '*';
  one.remove_suffix(one_is_pattern ? 1 : 0);
  other.remove_suffix(other_is_pattern ? 1 : 0);
  return one == other || (one_is_pattern && other.starts_with(one)) ||
         (other_is_pattern && one.starts_with(other));
}

bool have_a_common_phase(const Scenario& scenario, const std::string& one,
                         const std::string& other) {
  return scenario.phases.empty() ||
         std::ranges::any_of(scenario.phases, [&](const PhaseSection& phase) {
           return std::ranges::count(phase.faults, one) > 0 &&
                  std::ranges::count(phase.faults, other) > 0;
         });
}

/// When it is armed: only known when it comes once.
bool are_apart(const FaultSection& one, const FaultSection& other) {
  const auto ends_before = [](const FaultSection& first, const FaultSection& second) {
    return first.at_seconds && first.for_seconds && second.at_seconds &&
           *first.at_seconds + *first.for_seconds <= *second.at_seconds;
  };
  return ends_before(one, other) || ends_before(other, one);
}

}  // namespace

bool may_arm_the_same(const Scenario& scenario, const FaultSection& one,
                      const FaultSection& other) {
  return !is_instant(one.kind) && !is_instant(other.kind) &&
         have_a_common_point(one.point, other.point) &&
         have_a_common_phase(scenario, one.name, other.name) && !are_apart(one, other);
}

}  // namespace soak::scenario
