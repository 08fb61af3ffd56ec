// The open database of a base store, its users, and the one who changes it.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "engine/base/mutex.h"
#include "engine/store/rocks_database.h"

namespace pluresdb::store {

/// The open database, and who uses it: readers come and go, a reopen waits until none is inside.
class DatabaseGate {
 public:
  /// Null while closed.
  RocksDatabase* enter() {
    const base::MutexLock lock(mutex_);
    while (closing_) {
      changed_.wait(mutex_);
    }
    if (database_ != nullptr) {
      ++inside_;
    }
    return database_.get();
  }
  void leave() {
    const base::MutexLock lock(mutex_);
    if (--inside_ == 0) {
      changed_.notify_all();
    }
  }
  /// Keeps everybody out and waits for those inside; the caller then owns the database.
  std::unique_ptr<RocksDatabase> begin_change() {
    const base::MutexLock lock(mutex_);
    while (closing_) {
      changed_.wait(mutex_);
    }
    closing_ = true;
    while (inside_ != 0) {
      changed_.wait(mutex_);
    }
    return std::move(database_);
  }
  void end_change(std::unique_ptr<RocksDatabase> database) {
    const base::MutexLock lock(mutex_);
    database_ = std::move(database);
    closing_ = false;
    changed_.notify_all();
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  bool closing_ GUARDED_BY(mutex_) = false;
  std::uint64_t inside_ GUARDED_BY(mutex_) = 0;
  std::unique_ptr<RocksDatabase> database_ GUARDED_BY(mutex_);
};

/// One visit to the open database.
class Visit {
 public:
  explicit Visit(DatabaseGate& gate) : gate_(gate), database_(gate.enter()) {}
  ~Visit() {
    if (database_ != nullptr) {
      gate_.leave();
    }
  }
  Visit(const Visit&) = delete;
  Visit& operator=(const Visit&) = delete;
  Visit(Visit&&) = delete;
  Visit& operator=(Visit&&) = delete;

  [[nodiscard]] bool is_open() const { return database_ != nullptr; }
  RocksDatabase* operator->() { return database_; }

 private:
  DatabaseGate& gate_;
  RocksDatabase* database_;
};

}  // namespace pluresdb::store
