// Replay per entry, checkpoint per document, and the checksum beneath both.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/bench/bench_directory.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb::bench {
namespace {

constexpr std::uint64_t kCursorEntries = 200'000;
constexpr std::uint64_t kBatch = 1000;
constexpr std::uint64_t kCheckpointDocuments = 50'000;
constexpr std::size_t kJsonBytes = 200;
constexpr std::size_t kReplayJsonBytes = 250;

std::string json_of(std::uint64_t number, std::size_t bytes = kJsonBytes) {
  std::string json = "{\"n\":" + std::to_string(number) + ",\"text\":\"";
  json.append(bytes - json.size() - 2, static_cast<char>('a' + number % 26));
  return json + "\"}";
}

EngineOptions quiet_options() {
  EngineOptions options;
  options.durability = Durability::kNone;
  options.background_threads = false;
  options.dirty_bytes_max = 1ULL << 30;
  options.checkpoint = {.wal_bytes = 0, .operations = 0, .interval = {}};
  return options;
}

/// A store whose log holds `count` puts and whose base store holds none of them. About 70 % are
/// live: the rest is overwritten later.
Status fill(const std::string& path, std::uint64_t count) {
  constexpr std::uint64_t kLivePercent = 70;
  const std::uint64_t live = std::max<std::uint64_t>(1, count * kLivePercent / 100);
  {
    TRY_ASSIGN(const auto engine, Engine::open_with_recovery(path, quiet_options()));
    for (std::uint64_t number = 1; number < count; ++number) {
      // Overwritten in another order than written.
      const std::uint64_t id = number < live ? number : (number * 7919) % live;
      TRY(engine->put("writer", "document " + std::to_string(id),
                      json_of(number, kReplayJsonBytes)));
    }
  }  // Not closed: closing would checkpoint.
  EngineOptions durable = quiet_options();
  durable.durability = Durability::kWal;
  TRY_ASSIGN(const auto engine, Engine::open_with_recovery(path, durable));
  // A later segment proves that those before it are durable: nothing is left to be made so.
  TRY(engine->put("writer", "last", json_of(0, kReplayJsonBytes)));
  return {};
}

/// Opening a store with a log that no checkpoint covers, warm cache. Items are entries, time is
/// that of the whole open; `replay_ms` and `replay/s` are about the replay alone, without the scan.
/// Arguments: entries, dirty_bytes_max in MiB, threads (0: as many as there are processors).
void replay_into_documents(benchmark::State& state) {
  const BenchDirectory directory;
  const std::string path = directory.path() + "/store";
  const auto entries = static_cast<std::uint64_t>(state.range(0));
  EngineOptions options = quiet_options();
  options.dirty_bytes_max = static_cast<std::uint64_t>(state.range(1)) << 20;
  options.background_threads = state.range(2) == 0;
  if (!fill(path, entries)) {
    state.SkipWithError("cannot fill the store");
    return;
  }
  double replay_seconds = 0;
  std::uint64_t log_bytes = 0;
  while (state.KeepRunning()) {
    auto engine = Engine::open_with_recovery(path, options);
    if (!engine || (*engine)->recovery().replayed_entries != entries) {
      state.SkipWithError("not every entry was replayed");
      break;
    }
    replay_seconds += (*engine)->recovery().replay_seconds;
    log_bytes = (*engine)->stats().wal.bytes;
    state.PauseTiming();
    engine->reset();
    state.ResumeTiming();
  }
  const auto opens = static_cast<double>(state.iterations());
  state.counters["log_MiB"] = static_cast<double>(log_bytes) / (1 << 20);
  state.counters["replay_ms"] = replay_seconds / opens * 1e3;
  state.counters["replay/s"] = static_cast<double>(entries) * opens / replay_seconds;
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(replay_into_documents)
    ->ArgNames({"entries", "dirty_MiB", "threads"})
    ->Args({1'000, 1024, 0})
    ->Args({10'000, 1024, 0})
    ->Args({100'000, 1024, 0})
    ->Args({1'000'000, 1024, 0})
    ->Args({1'000'000, 1024, 1})
    ->Iterations(2)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()  // Of all threads.
    ->UseRealTime();
// With the default limit the first open makes checkpoints; behind them a second has less to do.
BENCHMARK(replay_into_documents)
    ->Name("replay_with_checkpoints")
    ->ArgNames({"entries", "dirty_MiB", "threads"})
    ->Args({1'000'000, 128, 0})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()  // Of all threads.
    ->UseRealTime();

// A log of 1 GiB: all of it in the table, and with checkpoints on the way.
BENCHMARK(replay_into_documents)
    ->Name("extended/replay_1_GiB")
    ->ArgNames({"entries", "dirty_MiB", "threads"})
    ->Args({2'450'000, 4096, 0})
    ->Args({2'450'000, 128, 0})
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->MeasureProcessCPUTime()  // Of all threads.
    ->UseRealTime();

/// Reading a log from end to end: items are entries.
void cursor_over_log(benchmark::State& state) {
  const BenchDirectory directory;
  const EngineOptions options = quiet_options();
  auto log = WriteAheadLog::open(directory.path() + "/wal", options);
  for (std::uint64_t number = 0; log && number < kCursorEntries; number += kBatch) {
    std::vector<Operation> batch;
    for (std::uint64_t index = number; index < number + kBatch; ++index) {
      batch.emplace_back(Put{.id = "document " + std::to_string(index), .json = json_of(index)});
    }
    if (!(*log)->append_batch("writer", std::move(batch))) {
      state.SkipWithError("cannot fill the log");
      return;
    }
  }
  if (!log) {
    state.SkipWithError("cannot open the log");
    return;
  }
  std::uint64_t entries = 0;
  while (state.KeepRunning()) {
    const auto cursor = (*log)->cursor();
    Entry entry;
    while (cursor) {
      const auto more = (*cursor)->next(entry);
      if (!more || !*more) {
        break;
      }
      ++entries;
    }
  }
  if (entries != kCursorEntries * static_cast<std::uint64_t>(state.iterations())) {
    state.SkipWithError("not every entry was read");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(entries));
}
BENCHMARK(cursor_over_log)->Iterations(5)->Unit(benchmark::kMillisecond)->UseRealTime();

/// One checkpoint of kCheckpointDocuments changed documents: items are documents.
void checkpoint_documents(benchmark::State& state) {
  const BenchDirectory directory;
  const auto engine = Engine::open_with_recovery(directory.path() + "/store", quiet_options());
  if (!engine) {
    state.SkipWithError("cannot open the store");
    return;
  }
  while (state.KeepRunning()) {
    state.PauseTiming();
    for (std::uint64_t number = 0; number < kCheckpointDocuments; ++number) {
      if (!(*engine)->put("writer", "document " + std::to_string(number), json_of(number))) {
        state.SkipWithError("put failed");
      }
    }
    state.ResumeTiming();
    if (!(*engine)->checkpoint()) {
      state.SkipWithError("checkpoint failed");
    }
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kCheckpointDocuments));
}
BENCHMARK(checkpoint_documents)->Iterations(5)->Unit(benchmark::kMillisecond)->UseRealTime();

void checksum(benchmark::State& state) {
  const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)), std::byte{0x5a});
  while (state.KeepRunning()) {
    benchmark::DoNotOptimize(base::crc32c(bytes));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(checksum)->Arg(256)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20);

}  // namespace
}  // namespace pluresdb::bench
