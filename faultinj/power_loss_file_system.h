// A file system whose unsynced bytes and directory entries can be taken away again (D13a).
//
// Writes, truncations and allocations stay in the journal until the file's sync moves them to the
// file below; reads see them. Creations, renames and removals happen below at once, but the journal
// keeps what is needed to undo them until sync_directory. format of the journal: the .cc file.
#pragma once

#include <memory>
#include <string>

#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace faultinj {

/// `next`: the file system below, not owned. `root`: only paths below it are buffered.
/// `journal_fd`: from create_power_loss_journal, not owned; what it already holds (a crash) is
/// pending again. Thread-safe. It outlives its files. A full disk shows at the sync, not at the
/// write. The renaming of a directory is refused (kInvalidArgument); the file of lock() is durable
/// at once.
pluresdb::Result<std::unique_ptr<pluresdb::io::FileSystem>> make_power_loss_file_system(
    pluresdb::io::FileSystem& next, const std::string& root, int journal_fd);

}  // namespace faultinj
