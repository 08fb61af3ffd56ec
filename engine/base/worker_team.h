// A few threads that share out one list of tasks at a time; for work at opening, not for serving.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "engine/base/mutex.h"

namespace pluresdb::base {

/// One caller at a time. Its threads exist from the first run() that can use them on, until it is
/// destroyed.
class WorkerTeam {
 public:
  /// `threads`: the caller's included; 1 (or 0) means that no thread is ever started.
  explicit WorkerTeam(std::size_t threads) : threads_(threads == 0 ? 1 : threads) {}
  ~WorkerTeam();
  WorkerTeam(const WorkerTeam&) = delete;
  WorkerTeam& operator=(const WorkerTeam&) = delete;
  WorkerTeam(WorkerTeam&&) = delete;
  WorkerTeam& operator=(WorkerTeam&&) = delete;

  /// One per processor, up to a limit; 1 where `background_threads` is false.
  static std::size_t threads_for(bool background_threads);

  [[nodiscard]] std::size_t threads() const { return threads_; }
  /// Calls task(0) .. task(count - 1), each once, and returns when all have returned. They begin in
  /// this order; with one thread each ends before the next begins.
  void run(std::size_t count, const std::function<void(std::size_t)>& task);

 private:
  void work(std::uint64_t seen);
  void take_tasks(std::size_t count, const std::function<void(std::size_t)>& task);

  const std::size_t threads_;
  std::vector<std::thread> others_;  // Of the caller.
  std::atomic<std::size_t> next_ = 0;
  Mutex mutex_;
  CondVar wake_;
  CondVar done_;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::uint64_t runs_ GUARDED_BY(mutex_) = 0;
  std::size_t busy_ GUARDED_BY(mutex_) = 0;  // Threads that have not finished this run.
  std::size_t count_ GUARDED_BY(mutex_) = 0;
  const std::function<void(std::size_t)>* task_ GUARDED_BY(mutex_) = nullptr;
};

}  // namespace pluresdb::base
