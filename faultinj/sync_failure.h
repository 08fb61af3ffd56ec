// What the page cache does with the bytes of a sync that failed: kernels differ, and a second sync
// tells nothing. Source: Rebello et al., "Can Applications Recover from fsync Failures?", 2020.
#pragma once

#include <pluresdb/error.h>

namespace faultinj {

enum class SyncFailure {
  kMarkedClean,    ///< ext4 (ordered), XFS: readable, and never written any more.
  kReverted,       ///< Btrfs: content and size are as after the last sync.
  kReportedLater,  ///< ext4 (data journalling): as kMarkedClean, but the next sync reports it.
};

/// A file that can do so: those of power_loss_file_system. An error goes once to each handle that
/// was open when the sync failed.
class FailingSync {
 public:
  virtual ~FailingSync() = default;
  /// A sync through this handle fails. kIo when it reports that; success when a later one does.
  virtual pluresdb::Status fail_sync(SyncFailure failure) = 0;
};

}  // namespace faultinj
