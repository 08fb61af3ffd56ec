// Errors at the seam, decided by libfiu: an operation fails when fiu_fail(point) is not zero.
//
// fiu-ctrl on the live process can arm any point (fiu_control.h). With nothing armed by us and no
// remote control the cost is one relaxed atomic load per operation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/io/file_system.h"

namespace faultinj {

/// Called once per fired fault, before the engine sees the error. Must be async-kill safe: it
/// writes to shared memory. Thread: any.
using FiredCallback = std::function<void(std::string_view point, int error_number)>;

std::unique_ptr<pluresdb::io::FileSystem> make_fault_file_system(pluresdb::io::FileSystem& next,
                                                                 const std::string& root,
                                                                 FiredCallback fired);

}  // namespace faultinj
