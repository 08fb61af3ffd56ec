// How many entries share a sync, and what that does to rate and latency: groups of a given size,
// entries submitted without waiting, and a wait for more entries before each sync beside what the
// log does by itself.
//
// Each benchmark runs for kSeconds of its own and reports acknowledged entries per second, the
// latency of an acknowledgement and how many entries a sync made durable.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <sys/prctl.h>

#include "engine/base/mutex.h"
#include "engine/bench/bench_directory.h"
#include "engine/bench/latency_histogram.h"
#include "engine/bench/submitted_puts.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kBytes = 200;
constexpr double kSeconds = 0.5;

Operation make_put(std::size_t bytes) {
  return Put{.id = "document", .json = '"' + std::string(bytes - 2, 'x') + '"'};
}

/// Opens a log of its own, and says in the end what was measured.
class Measurement {
 public:
  explicit Measurement(benchmark::State& state) : state_(state) {
    auto opened = WriteAheadLog::open(directory_.path() + "/wal", {});
    if (opened) {
      log_ = *std::move(opened);
    } else {
      state.SkipWithError("cannot open the log");
    }
  }
  /// Null: the benchmark is over.
  [[nodiscard]] WriteAheadLog* log() const { return log_.get(); }

  void report(double seconds, const LatencyHistogram& latencies, const Status& status) {
    if (!status) {
      state_.SkipWithError(to_string(status.error()).c_str());
      return;
    }
    const WalStats stats = log_->stats();
    constexpr double kHalf = 0.5;
    constexpr double kAlmostAll = 0.99;
    state_.SetIterationTime(seconds);
    state_.SetItemsProcessed(static_cast<std::int64_t>(latencies.total()));
    state_.counters["ack_p50_us"] = latencies.percentile_us(kHalf);
    state_.counters["ack_p99_us"] = latencies.percentile_us(kAlmostAll);
    state_.counters["entries/sync"] =
        static_cast<double>(stats.appended_entries) / static_cast<double>(stats.syncs);
  }

 private:
  benchmark::State& state_;
  BenchDirectory directory_;
  std::unique_ptr<WriteAheadLog> log_;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

std::uint64_t nanoseconds_since(Clock::time_point begin) {
  return static_cast<std::uint64_t>((Clock::now() - begin).count());
}

/// One writer that appends so many entries at once: range(0). Their latency is that of the call.
void append_in_groups(benchmark::State& state) {
  const auto entries = static_cast<std::size_t>(state.range(0));
  const Operation entry = make_put(kBytes);
  while (state.KeepRunning()) {
    Measurement measurement(state);
    if (measurement.log() == nullptr) {
      return;
    }
    LatencyHistogram latencies;
    Status status;
    const auto begin = Clock::now();
    while (status && seconds_since(begin) < kSeconds) {
      std::vector<Operation> group(entries, entry);
      const auto call = Clock::now();
      const auto appended = measurement.log()->append_batch("writer", std::move(group));
      status = appended ? Status{} : Status(std::unexpected(appended.error()));
      const std::uint64_t nanoseconds = nanoseconds_since(call);
      for (std::size_t i = 0; i < entries; ++i) {
        latencies.record(nanoseconds);
      }
    }
    measurement.report(seconds_since(begin), latencies, status);
  }
}

/// One writer with so many entries under way: range(0). The log decides how many share a sync.
void append_with_window(benchmark::State& state) {
  const Operation entry = make_put(kBytes);
  while (state.KeepRunning()) {
    Measurement measurement(state);
    if (measurement.log() == nullptr) {
      return;
    }
    SubmittedPuts puts(static_cast<std::uint32_t>(state.range(0)));
    Status status;
    const auto begin = Clock::now();
    while (status && !puts.has_failed() && seconds_since(begin) < kSeconds) {
      PutDone& done = puts.next(Clock::now());
      status = measurement.log()->append_async("writer", entry, [&done](const Result<Seq>& seq) {
        done.done(seq ? Status{} : Status(std::unexpected(seq.error())));
      });
      if (!status) {
        puts.take_back();
      }
    }
    puts.finish();
    measurement.report(seconds_since(begin), puts.latencies(), status ? puts.status() : status);
  }
}

/// Blocking writers, so many as `writers`, each with `append`; until the time is over.
void run_writers(std::size_t writers, Measurement& measurement,
                 const std::function<Status(const std::string& actor)>& append) {
  base::Mutex mutex;
  LatencyHistogram latencies;
  Status status;
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> threads;
    threads.reserve(writers);
    for (std::size_t writer = 0; writer < writers; ++writer) {
      threads.emplace_back([&, actor = "writer-" + std::to_string(writer)] {
        LatencyHistogram own;
        Status appended;
        while (appended && seconds_since(begin) < kSeconds) {
          const auto call = Clock::now();
          appended = append(actor);
          own.record(nanoseconds_since(call));
        }
        const base::MutexLock lock(mutex);
        latencies.merge(own);
        if (!appended) {
          status = appended;
        }
      });
    }
  }
  measurement.report(seconds_since(begin), latencies, status);
}

/// What the log does by itself: who comes while a sync is under way shares the next one.
/// range(0): writers.
void append_as_they_come(benchmark::State& state) {
  const Operation entry = make_put(kBytes);
  while (state.KeepRunning()) {
    Measurement measurement(state);
    if (measurement.log() == nullptr) {
      return;
    }
    run_writers(static_cast<std::size_t>(state.range(0)), measurement,
                [&](const std::string& actor) -> Status {
                  TRY(measurement.log()->append(actor, entry));
                  return {};
                });
  }
}

/// A caller of the log that collects entries for some time before it appends them as one group.
class Collector {
 public:
  Collector(WriteAheadLog& log, std::chrono::microseconds wait) : log_(log), wait_(wait) {}

  /// Returns when the group of `operation` is durable. Thread: any.
  Status put(const Operation& operation) {
    Waiting self{.operation = &operation, .wake = {}, .status = {}};
    {
      const base::MutexLock lock(mutex_);
      waiting_.push_back(&self);
      while (!self.is_done && (is_led_ || waiting_.front() != &self)) {
        self.wake.wait(mutex_);
      }
      if (self.is_done) {
        return self.status;
      }
      is_led_ = true;
    }
    if (wait_.count() > 0) {
      const auto begin = Clock::now();
      std::this_thread::sleep_for(wait_);  // What is measured here.
      waited_ns_ += nanoseconds_since(begin);
      ++waits_;
    }
    return lead();
  }
  /// What the wait really took, with timer and wake-up.
  [[nodiscard]] double mean_wait_us() const {
    constexpr double kNanosecondsPerMicrosecond = 1000;
    return waits_ == 0 ? 0
                       : static_cast<double>(waited_ns_) / static_cast<double>(waits_) /
                             kNanosecondsPerMicrosecond;
  }

 private:
  struct Waiting {
    const Operation* operation = nullptr;
    base::CondVar wake;
    Status status;
    bool is_done = false;
  };

  Status lead() {
    {
      const base::MutexLock lock(mutex_);
      group_.assign(waiting_.begin(), waiting_.end());
      waiting_.clear();
    }
    std::vector<Operation> batch;
    batch.reserve(group_.size());
    for (const Waiting* const member : group_) {
      batch.push_back(*member->operation);
    }
    const auto appended = log_.append_batch("collector", std::move(batch));
    const Status outcome = appended ? Status{} : Status(std::unexpected(appended.error()));
    const base::MutexLock lock(mutex_);
    is_led_ = false;
    if (!waiting_.empty()) {
      waiting_.front()->wake.notify_one();
    }
    // Under the lock: a writer that sees is_done returns and takes its Waiting with it.
    for (Waiting* const member : group_) {
      member->status = outcome;
      member->is_done = true;
      member->wake.notify_one();
    }
    return outcome;
  }

  WriteAheadLog& log_;
  const std::chrono::microseconds wait_;
  base::Mutex mutex_;
  std::deque<Waiting*> waiting_ GUARDED_BY(mutex_);
  bool is_led_ GUARDED_BY(mutex_) = false;
  // The leader's, one thread at a time.
  std::vector<Waiting*> group_;
  std::uint64_t waited_ns_ = 0;
  std::uint64_t waits_ = 0;
};

/// range(0): writers, range(1): microseconds that the first entry of a group waits for others.
void collect_then_append(benchmark::State& state) {
  // A thread gets it from the one that starts it; the kernel's own 50 us would be the wait.
  if (::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL) != 0) {
    state.SkipWithError("cannot set the timer slack");
    return;
  }
  const Operation entry = make_put(kBytes);
  while (state.KeepRunning()) {
    Measurement measurement(state);
    if (measurement.log() == nullptr) {
      return;
    }
    Collector collector(*measurement.log(), std::chrono::microseconds(state.range(1)));
    run_writers(static_cast<std::size_t>(state.range(0)), measurement,
                [&](const std::string& /*actor*/) { return collector.put(entry); });
    state.counters["waited_us"] = collector.mean_wait_us();
  }
}

void once(benchmark::internal::Benchmark* bench) { bench->Iterations(1)->UseManualTime(); }
void group_sizes(benchmark::internal::Benchmark* bench) {
  constexpr std::int64_t kMost = 512;
  bench->ArgName("entries")->RangeMultiplier(8)->Range(1, kMost);
}
void writer_counts(benchmark::internal::Benchmark* bench) {
  constexpr std::int64_t kMost = 64;
  bench->ArgName("writers")->RangeMultiplier(8)->Range(1, kMost);
}
void waits(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"writers", "wait_us"})->ArgsProduct({{1, 8, 64}, {0, 50, 200, 1000}});
}
BENCHMARK(append_in_groups)->Apply(group_sizes)->Apply(once);
BENCHMARK(append_with_window)->Apply(group_sizes)->Apply(once);
BENCHMARK(append_as_they_come)->Apply(writer_counts)->Apply(once);
BENCHMARK(collect_then_append)->Apply(waits)->Apply(once);

}  // namespace
}  // namespace pluresdb::bench
