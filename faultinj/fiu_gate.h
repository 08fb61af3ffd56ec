// The question "does this operation fail?", asked of libfiu.
#pragma once

#include <atomic>
#include <string>

namespace faultinj {

/// Armings of ours, plus one while a remote control may arm more.
std::atomic<int>& fiu_sources();

/// The error number with which an operation at `point` fails, or 0. Calls fiu_fail(point) unless
/// nothing can be armed. `default_error`: for points armed from outside without a failinfo.
int fiu_error_at(const std::string& point, int default_error);

}  // namespace faultinj
