// Faults at the seam, decided by libfiu: something happens to an operation when fiu_fail(point) is
// not zero. firing.h says what.
//
// fiu-ctrl on the live process can arm any point (fiu_control.h). With nothing armed by us and no
// remote control the cost is one relaxed atomic load per operation.
#pragma once

#include <memory>
#include <string>

#include "engine/io/file_system.h"
#include "faultinj/firing.h"

namespace faultinj {

std::unique_ptr<pluresdb::io::FileSystem> make_fault_file_system(pluresdb::io::FileSystem& next,
                                                                 const std::string& root,
                                                                 FiredCallback fired);

}  // namespace faultinj
