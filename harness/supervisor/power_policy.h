// From a fault of the scenario to what a power loss takes away.
#pragma once

#include <cstdint>

#include "faultinj/power_loss.h"
#include "harness/scenario/scenario.h"

namespace soak::supervisor {

/// Of a power_loss or a torn_write.
faultinj::PowerLossPolicy power_policy(const scenario::FaultSection& fault, std::uint64_t seed);

/// Of an image of a crash_image. The first image of a clone has lost everything unsynced; the
/// others go through all that the device can leave, one combination after the other, from clone to
/// clone. `clone`, `image`: from 1.
faultinj::PowerLossPolicy image_policy(const scenario::FaultSection& fault, std::uint32_t clone,
                                       std::uint32_t image, std::uint64_t seed);

/// Whether the power loss, or one of the images, may leave a part of what was written.
bool may_keep_writes(const scenario::FaultSection& fault);
/// The same of each name by itself.
bool may_scramble_names(const scenario::FaultSection& fault);

/// As scenarios write it: "subset".
const char* writes_name(faultinj::PowerLossPolicy::Writes writes);
const char* names_name(faultinj::PowerLossPolicy::Names names);

}  // namespace soak::supervisor
