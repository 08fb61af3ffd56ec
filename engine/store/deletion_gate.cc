#include "engine/store/deletion_gate.h"

#include <functional>
#include <string>

#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

Status DeletionGate::remove(const std::string& path) {
  const base::MutexLock lock(mutex_);
  if (suspended_) {
    return {};
  }
  if (!released_) {
    waiting_.insert(path);
    return {};
  }
  return files_.remove(path);
}

void DeletionGate::keep(const std::string& path) {
  const base::MutexLock lock(mutex_);
  waiting_.erase(path);
}

void DeletionGate::release() {
  // Under the lock, so that no file of a waiting name comes to life in between.
  const base::MutexLock lock(mutex_);
  if (!released_ && !suspended_) {
    for (const std::string& path : waiting_) {
      // What stays is found again by the next open.
      (void)files_.remove(path);
    }
  }
  released_ = true;
  waiting_.clear();
}

void DeletionGate::suspend() {
  const base::MutexLock lock(mutex_);
  suspended_ = true;
}

Result<bool> DeletionGate::exchange(const std::string& replacement, const std::string& path,
                                    const std::function<Result<bool>()>& is_still_there) {
  const base::MutexLock lock(mutex_);
  TRY_ASSIGN(const bool is_there, is_still_there());
  if (is_there) {
    TRY(files_.rename(replacement, path));
  }
  return is_there;
}

}  // namespace pluresdb::store
