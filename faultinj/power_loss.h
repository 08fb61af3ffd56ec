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

/// docs/TESTING.md, "What a power loss can leave", says what each of these means.
struct PowerLossPolicy {
  enum class Writes {
    kNone,
    kPrefix,  ///< Up to a seeded point; the write there is cut at a sector.
    kSubset,  ///< Each kept, lost, torn, or of it only the size.
    kAll,
  };
  enum class Names {
    kNone,
    kPrefix,  ///< Up to a seeded point, with Writes::kPrefix the same one.
    kAny,     ///< Each by itself.
    kAll,
  };
  Writes writes = Writes::kNone;
  Names names = Names::kNone;
  std::uint64_t seed = 0;
  std::uint32_t sector_bytes = 512;  ///< 512 or 4096.
  /// With Writes::kPrefix: the point is inside a write of several sectors, if there is any.
  bool tears = false;
  double garbage = 0;  ///< Of the lost sectors of torn writes; with Writes::kSubset.

  /// Nothing is lost but what a failed sync has marked clean: the files become what the worker
  /// saw, as far as anything still writes it (to look at them).
  static PowerLossPolicy keeping_everything() {
    return {.writes = Writes::kAll, .names = Names::kAll};
  }
};

/// What became of everything unsynced. A write is in exactly one of the first four; those of files
/// that have lost their names are discarded.
struct PowerLossOutcome {
  std::uint64_t writes_discarded = 0, writes_kept = 0, writes_torn = 0, sizes_without_bytes = 0;
  std::uint64_t writes_out_of_order = 0;  ///< Kept or torn behind one of their file that is not.
  std::uint64_t sectors_of_garbage = 0;
  std::uint64_t bytes_discarded = 0, bytes_kept = 0, bytes_of_garbage = 0;
  std::uint64_t directory_changes_undone = 0, directory_changes_kept = 0;
  std::uint64_t names_out_of_order = 0;  ///< Changes that were kept behind one that was not.

  friend bool operator==(const PowerLossOutcome&, const PowerLossOutcome&) = default;
};

/// A new empty journal. The caller closes the descriptor.
pluresdb::Result<int> create_power_loss_journal();
/// What the journal holds: what a power loss could take away now.
struct PowerLossPending {
  std::uint64_t bytes = 0;
  std::uint64_t directory_changes = 0;
};
pluresdb::Result<PowerLossPending> power_loss_pending(int journal_fd);
/// Turns the files below `root` into what a power loss leaves, and empties the journal. Only while
/// no worker runs.
pluresdb::Result<PowerLossOutcome> apply_power_loss(const std::string& root, int journal_fd,
                                                    const PowerLossPolicy& policy);

}  // namespace faultinj
