// RocksDB's files on the seam: every byte of the base store passes engine/io/file_system.h, sealed
// on its way when the store is encrypted (file_contents.h).
//
// Differences to RocksDB's own file system, each wanted:
//   - LinkFile renames. RocksDB calls it only to bring an ingested file in, and drops the old name
//     itself afterwards; so a checkpoint is written once and leaves no second name behind. A file
//     of which a read has failed is not brought in.
//   - A file that is there can be synced again, never continued or cut.
//   - Deletions pass a gate, because RocksDB deletes what it believes to be unused at two moments
//     when that belief may be wrong: see DeletionGate.
#pragma once

#include <memory>
#include <set>
#include <string>

#include <rocksdb/file_system.h>

#include "engine/base/mutex.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

/// Decides about RocksDB's deletions during one open of the store. INV-STORE-3. Thread: any.
class DeletionGate {
 public:
  explicit DeletionGate(io::FileSystem& files) : files_(files) {}

  /// Deletes; or only remembers while release() has not been called (a damaged MANIFEST may open
  /// as an older state, and then RocksDB takes the newer tables for garbage); or does nothing after
  /// suspend().
  Status remove(const std::string& path);
  /// `path` exists again: not to be deleted for what it was before.
  void keep(const std::string& path);
  /// Whoever opened the store has accepted its state: does what was put off, and no longer waits.
  void release();
  /// A change of the MANIFEST, CURRENT or a directory failed: it may have taken effect all the
  /// same, so that nothing is known to be unused until the store is opened again.
  void suspend();

 private:
  io::FileSystem& files_;
  base::Mutex mutex_;
  bool released_ GUARDED_BY(mutex_) = false;
  bool suspended_ GUARDED_BY(mutex_) = false;
  std::set<std::string> waiting_ GUARDED_BY(mutex_);
};

/// `files` and `keys` are not owned; `keys` null: the files are plain. One per open of the store.
/// Thread: any.
std::shared_ptr<rocksdb::FileSystem> make_rocks_file_system(
    io::FileSystem& files, const crypto::MasterKeys* keys, std::shared_ptr<DeletionGate> deletions);

}  // namespace pluresdb::store
