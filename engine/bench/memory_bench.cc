// What the log takes beside what it is asked to keep: bytes on disk per entry, memory of an open
// log per segment and per large value, memory of reading. Measured: sizes of files, and bytes of
// the heap as operator new counts them. The times mean nothing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/bench/allocation_counter.h"
#include "engine/bench/bench_directory.h"
#include "engine/io/file_system.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb::bench {
namespace {

constexpr double kKibibyte = 1024;

/// No thread but the caller's, so that its heap is all there is.
EngineOptions one_thread() {
  EngineOptions options;
  options.durability = Durability::kNone;
  options.background_threads = false;
  return options;
}

struct Filling {
  std::size_t value_bytes = 0;
  std::size_t group = 1;  ///< Entries per group.
  std::uint64_t entries = 0;
  std::uint64_t segments = 0;  ///< Not 0: until there are so many, whatever `entries` says.
};

struct Filled {
  std::uint64_t entries = 0;
  std::uint64_t content_bytes = 0;  ///< Actors, ids and values.
};

/// Writes a log and closes it.
Result<Filled> fill(const std::string& directory, const EngineOptions& options,
                    const Filling& filling) {
  const std::string actor = "writer-00";
  Filled filled;
  TRY_ASSIGN(const auto log, WriteAheadLog::open(directory, options));
  while (filling.segments > 0 ? log->stats().segments < filling.segments
                              : filled.entries < filling.entries) {
    std::vector<Operation> group;
    for (std::size_t i = 0; i < filling.group; ++i) {
      Put put{.id = "document " + std::to_string(filled.entries++),
              .json = '"' + std::string(filling.value_bytes - 2, 'x') + '"'};
      filled.content_bytes += actor.size() + put.id.size() + put.json.size();
      group.emplace_back(std::move(put));
    }
    TRY(log->append_batch(actor, std::move(group)));
  }
  TRY(log->close());
  return filled;
}

std::uint64_t file_bytes_in(const std::string& directory) {
  std::uint64_t bytes = 0;
  std::error_code ignored;  // Then nothing is counted, which the caller's figures show.
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    bytes += entry.path().extension() == ".wal" ? entry.file_size(ignored) : 0;
  }
  return bytes;
}

/// range(0): bytes of a value, range(1): entries per group.
void disk_overhead(benchmark::State& state) {
  constexpr std::uint64_t kEntries = 8192;
  const Filling filling{.value_bytes = static_cast<std::size_t>(state.range(0)),
                        .group = static_cast<std::size_t>(state.range(1)),
                        .entries = kEntries};
  while (state.KeepRunning()) {
    const BenchDirectory directory;
    const std::string path = directory.path() + "/wal";
    const auto filled = fill(path, one_thread(), filling);
    const std::uint64_t file_bytes = file_bytes_in(path);
    if (!filled || file_bytes <= filled->content_bytes) {
      state.SkipWithError("the files do not hold what was written");
      return;
    }
    const auto entries = static_cast<double>(filled->entries);
    state.counters["content_B/entry"] = static_cast<double>(filled->content_bytes) / entries;
    state.counters["overhead_B/entry"] =
        static_cast<double>(file_bytes - filled->content_bytes) / entries;
  }
}

/// Heap of a log that was opened and not used, in bytes; kIo when it holds other entries.
Result<std::int64_t> heap_of_open_log(const std::string& directory, const EngineOptions& options,
                                      std::uint64_t entries) {
  const AllocationCounter counter;
  TRY_ASSIGN(const auto log, WriteAheadLog::open(directory, options));
  if (log->recovery().wal.valid_entries != entries) {
    return fail(ErrorCode::kIo, "not every entry was found");
  }
  return counter.bytes();
}

/// range(0): segments, range(1): KiB of each. Per segment: beyond what a log of one takes.
void open_log_memory(benchmark::State& state) {
  EngineOptions options = one_thread();
  options.segment_bytes = static_cast<std::uint64_t>(state.range(1)) << 10U;
  const auto segments = static_cast<std::uint64_t>(state.range(0));
  constexpr std::size_t kValueBytes = 1000;
  constexpr std::size_t kGroup = 8;
  while (state.KeepRunning()) {
    const BenchDirectory directory;
    const std::string path = directory.path() + "/wal";
    const std::string small_path = directory.path() + "/one";
    const auto filled =
        fill(path, options, {.value_bytes = kValueBytes, .group = kGroup, .segments = segments});
    const auto small = fill(small_path, options, {.value_bytes = kValueBytes, .entries = 1});
    const auto heap =
        filled ? heap_of_open_log(path, options, filled->entries) : Result<std::int64_t>();
    const auto small_heap =
        small ? heap_of_open_log(small_path, options, 1) : Result<std::int64_t>();
    if (!filled || !small || !heap || !small_heap) {
      state.SkipWithError("cannot fill or open the log");
      return;
    }
    state.counters["heap_KiB"] = static_cast<double>(*heap) / kKibibyte;
    state.counters["heap_B/segment"] =
        static_cast<double>(*heap - *small_heap) / static_cast<double>(segments - 1);
  }
}

/// Beyond what the same values take when they count as small. range(0): values in one segment.
void large_value_index_memory(benchmark::State& state) {
  constexpr std::size_t kValueBytes = 1024;
  const auto values = static_cast<std::uint64_t>(state.range(0));
  EngineOptions options = one_thread();
  while (state.KeepRunning()) {
    const BenchDirectory directory;
    std::vector<std::int64_t> heaps;
    for (const std::size_t large_value_bytes : {kValueBytes, 2 * kValueBytes}) {
      options.large_value_bytes = large_value_bytes;
      const std::string path = directory.path() + "/" + std::to_string(large_value_bytes);
      const auto filled =
          fill(path, options, {.value_bytes = kValueBytes, .group = 64, .entries = values});
      const auto heap =
          filled ? heap_of_open_log(path, options, filled->entries) : Result<std::int64_t>();
      if (!filled || !heap) {
        state.SkipWithError("cannot fill or open the log");
        return;
      }
      heaps.push_back(*heap);
    }
    state.counters["heap_B/value"] =
        static_cast<double>(heaps.front() - heaps.back()) / static_cast<double>(values);
  }
}

std::uint64_t open_files() {
  std::error_code ignored;
  return static_cast<std::uint64_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd", ignored), {}));
}

/// A cursor from end to end, then validate(). range(0): bytes of a value.
void read_memory(benchmark::State& state) {
  constexpr std::uint64_t kLogBytes = 16ULL << 20;
  constexpr std::uint64_t kHeaderBytes = 100;  // About.
  const auto value_bytes = static_cast<std::uint64_t>(state.range(0));
  EngineOptions options = one_thread();
  options.segment_bytes = 4ULL << 20;
  while (state.KeepRunning()) {
    const BenchDirectory directory;
    const std::string path = directory.path() + "/wal";
    const auto filled =
        fill(path, options,
             {.value_bytes = value_bytes, .entries = kLogBytes / (value_bytes + kHeaderBytes)});
    const auto log =
        filled ? WriteAheadLog::open(path, options) : Result<std::unique_ptr<WriteAheadLog>>();
    if (!filled || !log) {
      state.SkipWithError("cannot fill or open the log");
      return;
    }
    const std::uint64_t files_before = open_files();
    AllocationCounter counter;
    std::uint64_t entries = 0;
    {
      const auto cursor = (*log)->cursor();
      Entry entry;
      while (cursor && (*cursor)->next(entry).value_or(false)) {
        ++entries;
      }
    }
    state.counters["cursor_peak_KiB"] = static_cast<double>(counter.peak_bytes()) / kKibibyte;
    state.counters["kept_KiB"] = static_cast<double>(counter.bytes()) / kKibibyte;
    state.counters["kept_files"] = static_cast<double>(open_files() - files_before);
    counter.restart_peak();
    const std::int64_t before = counter.bytes();
    const auto report = (*log)->validate();
    state.counters["validate_peak_KiB"] =
        static_cast<double>(counter.peak_bytes() - before) / kKibibyte;
    if (entries != filled->entries || !report || report->valid_entries != entries) {
      state.SkipWithError("not every entry was read");
      return;
    }
  }
}

Result<bool> holds(Engine& engine, const std::string& id, const std::string& json) {
  TRY_ASSIGN(const auto document, engine.get(id));
  return document && document->json == json;
}

/// Engine::get of a large value out of the log. range(0): its bytes.
void read_value_memory(benchmark::State& state) {
  const std::string json =
      '"' + std::string(static_cast<std::size_t>(state.range(0)) - 2, 'x') + '"';
  while (state.KeepRunning()) {
    const BenchDirectory directory;
    const auto engine = Engine::open_with_recovery(directory.path() + "/store", one_thread());
    if (!engine || !(*engine)->put("writer", "document", json)) {
      state.SkipWithError("cannot write the document");
      return;
    }
    const AllocationCounter counter;
    if (!holds(**engine, "document", json).value_or(false)) {
      state.SkipWithError("the document is not what was written");
      return;
    }
    state.counters["get_peak_KiB"] = static_cast<double>(counter.peak_bytes()) / kKibibyte;
    state.counters["peak/value"] =
        static_cast<double>(counter.peak_bytes()) / static_cast<double>(json.size());
  }
}

void once(benchmark::internal::Benchmark* bench) {
  bench->Iterations(1)->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(disk_overhead)
    ->ArgNames({"bytes", "entries_per_group"})
    ->ArgsProduct({{200, 4 << 10}, {1, 64}})
    ->Apply(once);
BENCHMARK(open_log_memory)
    ->ArgNames({"segments", "KiB"})
    ->Args({16, 64})
    ->Args({128, 64})
    ->Args({4, 64 << 10})
    ->Apply(once);
BENCHMARK(large_value_index_memory)->ArgName("values")->Arg(1000)->Arg(20'000)->Apply(once);
BENCHMARK(read_memory)
    ->ArgName("bytes")
    ->Arg(200)
    ->Arg(4 << 10)
    ->Arg(64 << 10)
    ->Arg(1 << 20)
    ->Apply(once);
BENCHMARK(read_value_memory)
    ->ArgName("bytes")
    ->Arg(64 << 10)
    ->Arg(1 << 20)
    ->Arg(16 << 20)
    ->Apply(once);

}  // namespace
}  // namespace pluresdb::bench
