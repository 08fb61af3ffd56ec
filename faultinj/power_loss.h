// What the supervisor does with the bytes a killed worker had not synced. Standard types only: the
// supervisor includes nothing of the engine.
//
// The journal is a file without a name (memfd) that power_loss_file_system appends unsynced writes
// and directory changes to and that both processes hold. After a kill: leave it alone = a plain
// crash (the next worker inherits it); apply_power_loss = the machine lost power.
#pragma once

#include <cstdint>
#include <string>

#include <pluresdb/error.h>

namespace faultinj {

struct PowerLossPolicy {
  enum class Keep {
    kNothing,     ///< Every unsynced byte and directory entry is gone.
    kSubset,      ///< A seeded subset of unsynced writes reached the disk, torn at sector_bytes;
                  ///< directory changes survive up to a seeded point.
    kEverything,  ///< Nothing is lost: the files become what the worker saw (to look at them).
  };
  Keep keep = Keep::kNothing;
  std::uint64_t seed = 0;
  std::uint32_t sector_bytes = 512;  ///< 512 or 4096.
};

struct PowerLossOutcome {
  std::uint64_t writes_discarded = 0, bytes_discarded = 0;
  std::uint64_t writes_kept = 0, bytes_kept = 0, writes_torn = 0;
  std::uint64_t directory_changes_undone = 0, directory_changes_kept = 0;
};

/// A new empty journal. The caller closes the descriptor.
pluresdb::Result<int> create_power_loss_journal();
/// Unsynced bytes that the journal holds.
pluresdb::Result<std::uint64_t> power_loss_pending_bytes(int journal_fd);
/// Turns the files below `root` into what a power loss leaves, and empties the journal. Only while
/// no worker runs.
pluresdb::Result<PowerLossOutcome> apply_power_loss(const std::string& root, int journal_fd,
                                                    const PowerLossPolicy& policy);

}  // namespace faultinj
