#include "engine/base/worker_team.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>

#include "engine/base/mutex.h"

namespace pluresdb::base {
namespace {

/// Each costs a window of memory, and behind so many the disk or the memory bus is what is waited
/// for.
constexpr std::size_t kThreadsMax = 16;

}  // namespace

std::size_t WorkerTeam::threads_for(bool background_threads) {
  if (!background_threads) {
    return 1;
  }
  return std::clamp<std::size_t>(std::thread::hardware_concurrency(), 1, kThreadsMax);
}

WorkerTeam::~WorkerTeam() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
  }
  for (std::thread& thread : others_) {
    thread.join();
  }
}

void WorkerTeam::take_tasks(std::size_t count, const std::function<void(std::size_t)>& task) {
  // Relaxed: the mutex orders what tasks read and write; this only gives each number out once.
  for (std::size_t i = next_.fetch_add(1, std::memory_order_relaxed); i < count;
       i = next_.fetch_add(1, std::memory_order_relaxed)) {
    task(i);
  }
}

void WorkerTeam::run(std::size_t count, const std::function<void(std::size_t)>& task) {
  if (threads_ == 1 || count <= 1) {
    for (std::size_t i = 0; i < count; ++i) {
      task(i);
    }
    return;
  }
  {
    const MutexLock lock(mutex_);
    next_.store(0, std::memory_order_relaxed);
    count_ = count;
    task_ = &task;
    busy_ = threads_ - 1;
    while (others_.size() < threads_ - 1) {
      others_.emplace_back([this, seen = runs_] { work(seen); });
    }
    ++runs_;
    wake_.notify_all();
  }
  take_tasks(count, task);
  const MutexLock lock(mutex_);
  while (busy_ > 0) {
    done_.wait(mutex_);
  }
}

/// `seen`: the runs there were when this thread was started.
void WorkerTeam::work(std::uint64_t seen) {
  while (true) {
    std::size_t count = 0;
    const std::function<void(std::size_t)>* task = nullptr;
    {
      const MutexLock lock(mutex_);
      while (!stopping_ && runs_ == seen) {
        wake_.wait(mutex_);
      }
      if (stopping_) {
        return;
      }
      seen = runs_;
      count = count_;
      task = task_;
    }
    take_tasks(count, *task);
    const MutexLock lock(mutex_);
    if (--busy_ == 0) {
      done_.notify_one();
    }
  }
}

}  // namespace pluresdb::base
