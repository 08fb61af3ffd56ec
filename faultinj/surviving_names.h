// Which unsynced changes of names a power loss leaves on the disk, and making the disk so.
//
// The files below carry the live names: every change is made, and what a change removed or replaced
// is set aside. The durable names are worked out backwards from there, the changes that survive are
// made to them forwards (docs/TESTING.md, "What a power loss can leave"), and then each file is
// moved to where it belongs.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "engine/io/file_system.h"
#include "faultinj/pending_state.h"
#include "faultinj/power_loss.h"
#include <pluresdb/error.h>

namespace faultinj {

/// One per change, in order, by the policy's seed and the change's seq. `cut_seq`: with
/// Names::kPrefix the first change that does not survive.
std::vector<bool> surviving_changes(std::span<const DirectoryChange> changes,
                                    const PowerLossPolicy& policy, std::uint64_t cut_seq);

/// Takes out of `survives` what cannot survive: a change that leads below a directory whose
/// creation does not.
void drop_impossible(std::span<const DirectoryChange> changes, std::vector<bool>& survives);

/// Where a file was -> where it is; set aside when it has no name any more.
using MovedFiles = std::map<std::string, std::string>;

/// `changes`: all unsynced ones, in order; `survives`: one per change. Returns what was moved;
/// nothing that is set aside is needed any more.
pluresdb::Result<MovedFiles> leave_names(pluresdb::io::FileSystem& files, const std::string& root,
                                         std::span<const DirectoryChange> changes,
                                         const std::vector<bool>& survives);

}  // namespace faultinj
