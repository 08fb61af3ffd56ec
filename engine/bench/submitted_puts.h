// The puts of one writer that wait for their sync, and what became of those that no longer do.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <semaphore>

#include "engine/base/check.h"
#include "engine/bench/latency_histogram.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {

/// Who is told how an asynchronous put ended. Must outlive it.
class PutDone {
 public:
  virtual ~PutDone() = default;
  /// Called once, from a thread of the store: one call at a time for one writer, in the order of
  /// its puts.
  virtual void done(const Status& status) = 0;
};

/// For the writer's thread; the store's thread enters through PutDone.
class SubmittedPuts {
 public:
  using Clock = std::chrono::steady_clock;

  explicit SubmittedPuts(std::uint32_t under_way_max)
      : free_(static_cast<std::ptrdiff_t>(under_way_max)) {
    DB_CHECK(under_way_max > 0);
    for (std::uint32_t index = 0; index < under_way_max; ++index) {
      slots_.emplace_back(*this);
    }
  }

  /// Waits until fewer than the maximum are under way; what the next one is to tell. Its latency
  /// counts from `begin`, so that a wait here or for room in the store's queue is part of it.
  PutDone& next(Clock::time_point begin) {
    free_.acquire();
    // They end in their order, so the slot that became free is that of the oldest.
    Slot& slot = slots_[next_++ % slots_.size()];
    slot.begin = begin;
    return slot;
  }
  /// The last one was not taken: nobody will tell how it ended.
  void take_back() { free_.release(); }
  /// True as soon as one was not acknowledged.
  [[nodiscard]] bool has_failed() const { return has_failed_; }

  /// Waits until none is under way. Once, at the end; what follows is valid only then.
  void finish() {
    for (std::size_t taken = 0; taken < slots_.size(); ++taken) {
      free_.acquire();
    }
  }
  /// Of those that were acknowledged.
  [[nodiscard]] const LatencyHistogram& latencies() const { return latencies_; }
  /// The first failure.
  [[nodiscard]] const Status& status() const { return status_; }

 private:
  struct Slot final : PutDone {
    explicit Slot(SubmittedPuts& puts) : owner(puts) {}
    void done(const Status& status) override { owner.end(begin, status); }
    SubmittedPuts& owner;
    Clock::time_point begin;
  };
  void end(Clock::time_point begin, const Status& status) {
    if (status) {
      latencies_.record(static_cast<std::uint64_t>((Clock::now() - begin).count()));
    } else if (status_) {
      status_ = status;
      has_failed_ = true;
    }
    free_.release();
  }

  std::deque<Slot> slots_;
  std::counting_semaphore<> free_;
  std::uint64_t next_ = 0;
  std::atomic<bool> has_failed_ = false;
  // Of the store's thread until none is under way.
  LatencyHistogram latencies_;
  Status status_;
};

}  // namespace pluresdb::bench
