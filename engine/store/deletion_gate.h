// Who may make a file of the base store vanish, and when.
#pragma once

#include <functional>
#include <set>
#include <string>

#include "engine/base/mutex.h"
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

  /// Renames `replacement` to `path` if `path` is still what it is to replace; nothing is deleted
  /// in between, so that no deleted name comes to life again.  INV-STORE-17. False: it is not.
  Result<bool> exchange(const std::string& replacement, const std::string& path,
                        const std::function<Result<bool>()>& is_still_there);

 private:
  io::FileSystem& files_;
  base::Mutex mutex_;
  bool released_ GUARDED_BY(mutex_) = false;
  bool suspended_ GUARDED_BY(mutex_) = false;
  std::set<std::string> waiting_ GUARDED_BY(mutex_);
};

}  // namespace pluresdb::store
