// From a fault of the scenario to what a power loss takes away.
#pragma once

#include <cstdint>

#include "faultinj/power_loss.h"
#include "harness/scenario/scenario.h"

namespace soak::supervisor {

inline faultinj::PowerLossPolicy power_policy(const scenario::FaultSection& fault,
                                              std::uint64_t seed) {
  return {.keep = fault.keep == "subset" ? faultinj::PowerLossPolicy::Keep::kSubset
                                         : faultinj::PowerLossPolicy::Keep::kNothing,
          .seed = seed,
          .sector_bytes = fault.sector_bytes};
}

}  // namespace soak::supervisor
