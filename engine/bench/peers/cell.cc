// See cell.h. The child's half runs the writers; the parent's half gives the turns.
#include "engine/bench/peers/cell.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/bench/bench_directory.h"
#include "engine/bench/latency_histogram.h"
#include "engine/bench/peers/child_process.h"
#include "engine/bench/peers/machine.h"
#include "engine/bench/peers/message.h"
#include "engine/bench/peers/peer.h"
#include "engine/bench/peers/workload.h"
#include "engine/bench/submitted_puts.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

using Clock = std::chrono::steady_clock;

enum class Command : std::uint8_t { kSlice, kFinish };

struct Request {
  Command command = Command::kSlice;
  double seconds = 0;
};
struct Answer {
  Outcome outcome;
  Slice slice;
  std::uint64_t verified_samples = 0;
};

// The child.

class CellRunner {
 public:
  /// `under_way`: puts of each writer that wait for their sync; 0: each put waits for its own.
  CellRunner(const CellPlan& plan, Peer& peer, std::uint32_t under_way)
      : peer_(peer),
        under_way_(under_way),
        workload_(plan.value_bytes, plan.writers),
        written_(plan.writers, 0) {}

  Result<Slice> run_slice(double seconds);
  Result<std::uint64_t> verify();

 private:
  struct Writer {
    LatencyHistogram latencies;
    std::uint64_t operations = 0;
    Status status;
  };
  void write_until(Clock::time_point deadline, unsigned writer, Writer& outcome);
  void submit_until(Clock::time_point deadline, unsigned writer, Writer& outcome);

  Peer& peer_;
  const std::uint32_t under_way_;
  Workload workload_;
  std::vector<std::uint64_t> written_;  // Acknowledged writes of each writer.
};

void CellRunner::write_until(Clock::time_point deadline, unsigned writer, Writer& outcome) {
  Clock::time_point end;
  do {  // At least one write, also when the slice is over before the thread runs.
    const KeyValue pair = workload_.pair(writer, written_[writer] + outcome.operations);
    const Clock::time_point begin = Clock::now();
    outcome.status = peer_.put(writer, pair);
    end = Clock::now();
    if (!outcome.status) {
      return;
    }
    ++outcome.operations;
    outcome.latencies.record(static_cast<std::uint64_t>((end - begin).count()));
  } while (end < deadline);
}

void CellRunner::submit_until(Clock::time_point deadline, unsigned writer, Writer& outcome) {
  SubmittedPuts puts(under_way_);
  std::uint64_t number = written_[writer];
  Clock::time_point begin;
  do {
    begin = Clock::now();
    PutDone& done = puts.next(begin);
    outcome.status = peer_.submit(writer, workload_.pair(writer, number++), done);
    if (!outcome.status) {
      puts.take_back();
    }
  } while (outcome.status && !puts.has_failed() && begin < deadline);
  puts.finish();
  if (outcome.status) {
    outcome.status = puts.status();
  }
  outcome.latencies = puts.latencies();
  outcome.operations = puts.latencies().total();
}

Result<Slice> CellRunner::run_slice(double seconds) {
  std::vector<Writer> writers(written_.size());
  Slice slice;
  const double processor_before = processor_seconds();
  const Clock::time_point begin = Clock::now();
  const auto deadline =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  {
    std::vector<std::jthread> threads;
    threads.reserve(writers.size());
    for (unsigned writer = 0; writer < writers.size(); ++writer) {
      threads.emplace_back([this, deadline, writer, &outcome = writers[writer]] {
        if (under_way_ > 0) {
          submit_until(deadline, writer, outcome);
        } else {
          write_until(deadline, writer, outcome);
        }
      });
    }
  }
  slice.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  slice.processor_seconds = processor_seconds() - processor_before;
  slice.resident_bytes = resident_bytes();
  for (std::size_t index = 0; index < writers.size(); ++index) {
    TRY(std::move(writers[index].status));
    slice.operations += writers[index].operations;
    slice.latencies.merge(writers[index].latencies);
    written_[index] += writers[index].operations;
  }
  return slice;
}

Result<std::uint64_t> CellRunner::verify() {
  std::vector<OwnedPair> samples;
  for (unsigned writer = 0; writer < written_.size(); ++writer) {
    for (OwnedPair& sample : workload_.samples(writer, written_[writer])) {
      samples.push_back(std::move(sample));
    }
  }
  std::vector<KeyValue> views;
  views.reserve(samples.size());
  for (const OwnedPair& sample : samples) {
    views.push_back(sample.view());
  }
  return peer_.verify(views);
}

/// One answer after the open, then one per request; ends with the first failure.
void serve(Channel& channel, const CellPlan& plan, const PeerKind& kind,
           const PeerSettings& settings) {
  const auto peer = kind.open(settings);
  Answer answer{.outcome = Outcome::of(peer), .slice = {}};
  bool goes_on = channel.send(answer) && peer;
  std::optional<CellRunner> runner;
  if (goes_on) {
    runner.emplace(plan, **peer, kind.submits ? plan.under_way : 0);
  }
  while (goes_on) {
    const Result<Request> request = channel.receive<Request>();
    if (!request) {
      return;  // The parent is gone.
    }
    if (request->command == Command::kSlice) {
      const Result<Slice> slice = runner->run_slice(request->seconds);
      answer = {.outcome = Outcome::of(slice), .slice = slice ? *slice : Slice{}};
      goes_on = slice.has_value();
    } else {
      const Result<std::uint64_t> verified = runner->verify();
      answer = {.outcome = Outcome::of(verified),
                .slice = {},
                .verified_samples = verified ? *verified : 0};
      if (const Status closed = (*peer)->close(); verified && !closed) {
        answer.outcome = Outcome::of(closed);
      }
      goes_on = false;
    }
    goes_on = channel.send(answer) && goes_on;
  }
}

// The parent.

struct Turn {
  PeerResult result;
  std::unique_ptr<BenchDirectory> directory;
  std::unique_ptr<ChildProcess> child;
  LatencyHistogram latencies;
  double processor_seconds = 0;
  std::optional<std::uint64_t> written_bytes = 0;
};

Result<Answer> receive_answer(Turn& turn) {
  const auto named = [&turn](Error error) {
    error.context = turn.result.peer + ": " + error.context;
    return std::unexpected(std::move(error));
  };
  Result<Answer> answer = turn.child->channel().receive<Answer>();
  if (!answer) {
    return named(answer.error());
  }
  if (const Status status = answer->outcome.status(); !status) {
    return named(status.error());
  }
  return answer;
}

Result<Turn> start_turn(const CellPlan& plan, const PeerKind& kind) {
  Turn turn;
  turn.result.peer = kind.name;
  turn.result.role = kind.role;
  turn.result.submits = kind.submits;
  TRY_ASSIGN(turn.directory, BenchDirectory::create(plan.directory));
  const PeerSettings settings{.directory = turn.directory->path(), .value_bytes = plan.value_bytes};
  TRY_ASSIGN(turn.child,
             ChildProcess::start([&](Channel& channel) { serve(channel, plan, kind, settings); }));
  TRY(receive_answer(turn));
  turn.child->stop();
  return turn;
}

/// The device is quiet before and what the slice left in memory is written after, so that all of it
/// is counted for this peer.
Status take_turn(const CellPlan& plan, const BlockDevice& device, Turn& turn) {
  TRY(settle_file_system(turn.directory->path()));
  const std::optional<std::uint64_t> before = device.written_bytes();
  turn.child->go_on();
  TRY(turn.child->channel().send(
      Request{.command = Command::kSlice, .seconds = plan.seconds / plan.slices}));
  TRY_ASSIGN(const Answer answer, receive_answer(turn));
  turn.child->stop();
  TRY(settle_file_system(turn.directory->path()));
  const std::optional<std::uint64_t> after = device.written_bytes();
  if (before && after && turn.written_bytes) {
    *turn.written_bytes += *after - *before;
  } else {
    turn.written_bytes.reset();
  }
  const Slice& slice = answer.slice;
  turn.latencies.merge(slice.latencies);
  turn.processor_seconds += slice.processor_seconds;
  turn.result.operations += slice.operations;
  turn.result.resident_bytes = slice.resident_bytes;
  turn.result.slice_rates.push_back(static_cast<double>(slice.operations) / slice.seconds);
  return {};
}

Status finish_turn(const CellPlan& plan, Turn& turn) {
  turn.child->go_on();
  TRY(turn.child->channel().send(Request{.command = Command::kFinish}));
  TRY_ASSIGN(const Answer answer, receive_answer(turn));
  turn.child->kill();
  turn.directory.reset();
  constexpr double kMicrosecondsPerSecond = 1e6;
  constexpr double kMegabyte = 1e6;
  PeerResult& result = turn.result;
  const auto operations = static_cast<double>(result.operations);
  const auto value_bytes = static_cast<double>(plan.value_bytes);
  result.verified_samples = answer.verified_samples;
  result.operations_per_second = median(result.slice_rates);
  result.megabytes_per_second = result.operations_per_second * value_bytes / kMegabyte;
  result.p50_us = turn.latencies.percentile_us(0.5);
  result.p99_us = turn.latencies.percentile_us(0.99);
  result.p999_us = turn.latencies.percentile_us(0.999);
  if (result.operations > 0) {
    result.processor_us_per_operation =
        turn.processor_seconds * kMicrosecondsPerSecond / operations;
    if (turn.written_bytes) {
      result.written_per_acknowledged =
          static_cast<double>(*turn.written_bytes) / (operations * value_bytes);
    }
  }
  return {};
}

}  // namespace

double median(std::vector<double> numbers) {
  if (numbers.empty()) {
    return 0;
  }
  std::ranges::sort(numbers);
  const std::size_t middle = numbers.size() / 2;
  return numbers.size() % 2 == 1 ? numbers[middle] : (numbers[middle - 1] + numbers[middle]) / 2;
}

Result<CellResult> run_cell(const CellPlan& plan, std::span<const PeerKind> kinds) {
  const BlockDevice device(plan.directory);
  std::vector<Turn> turns;
  for (const PeerKind& kind : kinds) {
    if (kind.writers_max >= plan.writers) {
      TRY_ASSIGN(Turn turn, start_turn(plan, kind));
      turns.push_back(std::move(turn));
    }
  }
  for (std::uint32_t slice = 0; slice < plan.slices; ++slice) {
    for (Turn& turn : turns) {
      TRY(take_turn(plan, device, turn));
    }
  }
  CellResult cell{.value_bytes = plan.value_bytes, .writers = plan.writers, .peers = {}};
  for (Turn& turn : turns) {
    TRY(finish_turn(plan, turn));
    cell.peers.push_back(std::move(turn.result));
  }
  return cell;
}

}  // namespace pluresdb::bench
