// The question "does this operation fail?", asked of libfiu.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "faultinj/firing.h"

namespace faultinj {

/// Armings of ours, plus one while a remote control may arm more.
std::atomic<int>& fiu_sources();

/// What happens to an operation of `bytes` bytes (0: it has no size) at `point`. Calls
/// fiu_fail(point) unless nothing can be armed. `default_error`: for points armed from outside
/// without a failinfo.
std::optional<Firing> fiu_firing_at(const std::string& point, std::uint64_t bytes,
                                    int default_error);

}  // namespace faultinj
