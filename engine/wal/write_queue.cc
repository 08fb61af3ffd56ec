// See write_queue.h.
#include "engine/wal/write_queue.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <thread>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/mutex.h"

namespace pluresdb::wal {
namespace {

constexpr std::size_t kWokenTogether = 128;
/// A leader waits for its crowd for at most this part of what the last group took, and for half as
/// long after each time in vain: writers that do not come back at once are not waited for.
constexpr int kPatiencePart = 4;
constexpr int kMissesMax = 6;
/// And never for longer than this, however long a device has held up the last group.
constexpr auto kPatienceMax = std::chrono::milliseconds(2);
/// A cheaper group, one without a sync, is not worth giving up the processor for.
constexpr auto kGroupThatCosts = std::chrono::microseconds(40);
/// Nor do more writers save anything when so much waits: what a sync costs whatever it has to write
/// is as much as some 64 KiB of bytes. The device is better kept busy while they check and copy.
constexpr std::uint64_t kGatherBytesMax = 256ULL << 10;

}  // namespace

void WriteQueue::enqueue(PendingWrite& write) {
  const base::MutexLock lock(mutex_);
  waiting_.push_back(&write);
  waiting_bytes_ += write.bytes_bound;
  if (!write.is_async) {
    write.wake_ = lend_wake();
    blocking_.push_back(&write);
  } else if (!is_led_ && blocking_.empty()) {
    async_wake_.notify_one();
  }
}

WriteQueue::Role WriteQueue::lead_or_wait(PendingWrite& write, std::uint64_t bytes_max,
                                          std::vector<PendingWrite*>& group) {
  const base::MutexLock lock(mutex_);
  while (!write.is_done_ && (is_led_ || blocking_.front() != &write)) {
    write.wake_->wait(mutex_);
  }
  if (write.is_done_) {
    free_wakes_.push_back(write.wake_);
    return Role::kDone;
  }
  is_led_ = true;
  if (!write.is_exclusive) {
    gather(bytes_max);
  }
  take_group(bytes_max, group);
  if (!blocking_.empty() && blocking_.front() == &write) {
    return Role::kLeadsOthers;
  }
  free_wakes_.push_back(write.wake_);
  write.wake_ = nullptr;
  return Role::kLeads;
}

/// The writers of the last group are just returning: let them queue up again, or the writers would
/// take turns in two halves with a sync for each. INV-WAL-5: nobody else leads meanwhile.
void WriteQueue::gather(std::uint64_t bytes_max) {
  const auto is_full = [this, enough = std::min(bytes_max, kGatherBytesMax)]() REQUIRES(mutex_) {
    return blocking_.size() >= crowd_ || waiting_bytes_ >= enough;
  };
  if (is_full() || last_lead_ < kGroupThatCosts) {
    return;
  }
  ++gather_count_;
  const std::chrono::steady_clock::duration patience =
      std::min<std::chrono::steady_clock::duration>(last_lead_ / kPatiencePart, kPatienceMax);
  const auto deadline = std::chrono::steady_clock::now() + patience / (1LL << misses_);
  do {
    mutex_.unlock();
    std::this_thread::yield();
    mutex_.lock();
  } while (!is_full() && std::chrono::steady_clock::now() < deadline);
  if (is_full()) {
    misses_ = std::max(misses_ - 1, 0);
  } else {
    misses_ = std::min(misses_ + 1, kMissesMax);
  }
}

void WriteQueue::take_group(std::uint64_t bytes_max, std::vector<PendingWrite*>& group) {
  group.clear();
  std::uint64_t bytes = 0;
  while (!waiting_.empty()) {
    PendingWrite& next = *waiting_.front();
    const bool fits = bytes + next.bytes_bound <= bytes_max && !next.is_exclusive;
    if (!group.empty() && (!fits || group.front()->is_exclusive)) {
      break;
    }
    bytes += next.bytes_bound;
    group.push_back(&next);
    waiting_.pop_front();
    waiting_bytes_ -= next.bytes_bound;
    if (!next.is_async) {
      DB_CHECK(blocking_.front() == &next);
      blocking_.pop_front();
    }
  }
  DB_CHECK(!group.empty());
  lead_start_ = std::chrono::steady_clock::now();
  ++group_count_;
}

base::CondVar* WriteQueue::lend_wake() {
  if (free_wakes_.empty()) {
    return &wakes_.emplace_back();
  }
  base::CondVar* const wake = free_wakes_.back();
  free_wakes_.pop_back();
  return wake;
}

base::CondVar* WriteQueue::next_leader() {
  if (!blocking_.empty()) {
    return blocking_.front()->wake_;
  }
  return waiting_.empty() ? nullptr : &async_wake_;
}

void WriteQueue::finish(std::span<PendingWrite* const> group) {
  // Woken behind the lock, which they need first of all. A writer that sees is_done_ returns and
  // takes its PendingWrite with it; what it waited on is the queue's.
  std::array<base::CondVar*, kWokenTogether> woken{};
  std::size_t count = 0;
  {
    const base::MutexLock lock(mutex_);
    DB_CHECK(is_led_);  // INV-WAL-5
    is_led_ = false;
    if (base::CondVar* const leader = next_leader()) {
      woken[count++] = leader;
    }
    last_lead_ = std::chrono::steady_clock::now() - lead_start_;
    crowd_ = blocking_.size();
    const std::size_t completed = completed_.size();
    for (PendingWrite* const write : group) {
      if (write->is_async) {
        completed_.push_back(write);
        continue;
      }
      ++crowd_;
      write->is_done_ = true;
      if (write->wake_ == nullptr) {
        continue;  // The leader itself.
      }
      if (count < woken.size()) {
        woken[count++] = write->wake_;
      } else {
        write->wake_->notify_one();
      }
    }
    if (completed_.size() > completed || async_stopping_) {
      async_wake_.notify_one();
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    woken[i]->notify_one();
  }
}

bool WriteQueue::next_async(std::uint64_t bytes_max, std::vector<PendingWrite*>& group,
                            std::vector<PendingWrite*>& completed) {
  group.clear();
  completed.clear();
  const base::MutexLock lock(mutex_);
  while (true) {
    // First who waits for the last group: its callers can then join the next one.
    if (!completed_.empty()) {
      completed.swap(completed_);
      return true;
    }
    if (!is_led_ && blocking_.empty() && !waiting_.empty()) {
      is_led_ = true;
      take_group(bytes_max, group);
      return true;
    }
    // A write that is led by another thread comes back as completed.
    if (async_stopping_ && waiting_.empty() && !is_led_) {
      return false;
    }
    async_wake_.wait(mutex_);
  }
}

void WriteQueue::stop_async() {
  const base::MutexLock lock(mutex_);
  async_stopping_ = true;
  async_wake_.notify_one();
}

bool WriteQueue::try_lead() {
  const base::MutexLock lock(mutex_);
  if (is_led_ || !waiting_.empty()) {
    return false;
  }
  is_led_ = true;
  lead_start_ = std::chrono::steady_clock::now();
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

std::uint64_t WriteQueue::gather_count() const {
  const base::MutexLock lock(mutex_);
  return gather_count_;
}

}  // namespace pluresdb::wal
