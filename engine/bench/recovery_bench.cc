// Replay per entry, checkpoint per document, and the checksum beneath both.
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

constexpr std::uint64_t kReplayEntries = 200'000;
constexpr std::uint64_t kBatch = 1000;
constexpr std::uint64_t kCheckpointDocuments = 50'000;
constexpr std::size_t kJsonBytes = 200;

std::string json_of(std::uint64_t number) {
  std::string json = "{\"n\":" + std::to_string(number) + ",\"text\":\"";
  json.append(kJsonBytes - json.size() - 2, static_cast<char>('a' + number % 26));
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

/// A store whose log holds kReplayEntries puts and whose base store holds none of them.
Status fill(const std::string& path, std::uint64_t count) {
  TRY_ASSIGN(const auto engine, Engine::open_with_recovery(path, quiet_options()));
  for (std::uint64_t number = 0; number < count; ++number) {
    TRY(engine->put("writer", "document " + std::to_string(number), json_of(number)));
  }
  return {};  // Not closed: closing would checkpoint.
}

/// Opening a store with a log that no checkpoint covers: items are entries replayed. Warm cache.
void replay_into_documents(benchmark::State& state) {
  const BenchDirectory directory;
  const std::string path = directory.path() + "/store";
  if (!fill(path, kReplayEntries)) {
    state.SkipWithError("cannot fill the store");
    return;
  }
  std::uint64_t replayed = 0;
  while (state.KeepRunning()) {
    auto engine = Engine::open_with_recovery(path, quiet_options());
    if (!engine || (*engine)->recovery().replayed_entries != kReplayEntries) {
      state.SkipWithError("not every entry was replayed");
      break;
    }
    replayed += kReplayEntries;
    state.PauseTiming();
    engine->reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(replayed));
}
BENCHMARK(replay_into_documents)->Iterations(5)->Unit(benchmark::kMillisecond)->UseRealTime();

/// Reading a log from end to end: items are entries.
void cursor_over_log(benchmark::State& state) {
  const BenchDirectory directory;
  const EngineOptions options = quiet_options();
  auto log = WriteAheadLog::open(directory.path() + "/wal", options);
  for (std::uint64_t number = 0; log && number < kReplayEntries; number += kBatch) {
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
  if (entries != kReplayEntries * static_cast<std::uint64_t>(state.iterations())) {
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
