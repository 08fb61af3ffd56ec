// See write_queue.h.
#include "engine/wal/write_queue.h"

#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/mutex.h"

namespace pluresdb::wal {

bool WriteQueue::join(PendingWrite& write, std::uint64_t bytes_max,
                      std::vector<PendingWrite*>& group) {
  const base::MutexLock lock(mutex_);
  waiting_.push_back(&write);
  while (!write.is_done_ && (is_led_ || waiting_.front() != &write)) {
    write.wake_.wait(mutex_);
  }
  if (write.is_done_) {
    return false;
  }
  is_led_ = true;
  if (!write.is_exclusive && waiting_.size() < last_group_size_) {
    // The writers of the last group are just returning; let them queue up again, or two writers
    // would take turns with groups of one.
    mutex_.unlock();
    std::this_thread::yield();
    mutex_.lock();
  }
  group.clear();
  std::uint64_t bytes = 0;
  while (!waiting_.empty()) {
    PendingWrite& next = *waiting_.front();
    const bool fits = bytes + next.bytes_bound <= bytes_max && !next.is_exclusive;
    if (!group.empty() && (!fits || write.is_exclusive)) {
      break;
    }
    bytes += next.bytes_bound;
    group.push_back(&next);
    waiting_.pop_front();
  }
  DB_CHECK(group.front() == &write);
  last_group_size_ = group.size();
  ++group_count_;
  return true;
}

void WriteQueue::finish(std::span<PendingWrite* const> group) {
  const base::MutexLock lock(mutex_);
  DB_CHECK(is_led_);  // INV-WAL-5
  is_led_ = false;
  // Under the lock: a writer that sees is_done_ returns and takes its PendingWrite with it.
  if (!waiting_.empty()) {
    waiting_.front()->wake_.notify_one();
  }
  for (PendingWrite* const write : group) {
    write->is_done_ = true;
    write->wake_.notify_one();
  }
}

bool WriteQueue::try_lead() {
  const base::MutexLock lock(mutex_);
  if (is_led_ || !waiting_.empty()) {
    return false;
  }
  is_led_ = true;
  return true;
}

std::size_t WriteQueue::waiting_count() const {
  const base::MutexLock lock(mutex_);
  return waiting_.size();
}

std::uint64_t WriteQueue::group_count() const {
  const base::MutexLock lock(mutex_);
  return group_count_;
}

}  // namespace pluresdb::wal
