// Appends: what one acknowledged write costs, per durability level, number of writers and size,
// beside the cost of the bare system calls that a durable write cannot do without, and of what an
// append does before any of them. The whole matrix is in the extended benchmarks (main.cc).
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <semaphore>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/bench/bench_directory.h"
#include "engine/io/file_system.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb::bench {
namespace {

constexpr std::int64_t kSmall = 200;
constexpr std::int64_t kPage = 4 << 10;
constexpr std::int64_t kLarge = 64 << 10;
constexpr std::int64_t kHuge = 1 << 20;
constexpr std::uint64_t kFileBytes = 64ULL << 20;
constexpr double kMinSeconds = 0.3;
constexpr int kWindow = 256;
/// Distinct documents per writer: later puts overwrite.
constexpr std::uint64_t kDocumentsPerWriter = 1000;

/// A JSON string of `size_bytes` that does not compress to nothing.
std::string make_json(std::size_t size_bytes) {
  std::string json(size_bytes, '"');
  std::uint32_t state = 1;
  for (std::size_t index = 1; index + 1 < size_bytes; ++index) {
    state = state * 1664525U + 1013904223U;
    json[index] = static_cast<char>('a' + (state >> 24U) % 26U);
  }
  return json;
}

void report_rates(benchmark::State& state, std::int64_t bytes_each) {
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * bytes_each);
}

/// pwrite + fdatasync into one file whose blocks are allocated and zeroed, front to back, again and
/// again. range(0): bytes.
void bare_write_sync(benchmark::State& state) {
  const BenchDirectory directory;
  const auto size_bytes = static_cast<std::uint64_t>(state.range(0));
  auto& files = io::posix_file_system();
  const auto file = files.open(directory.path() + "/bare", io::OpenMode::kCreateNew);
  const std::vector<std::byte> zeros(kFileBytes);
  if (!file || !(*file)->write(0, zeros) || !(*file)->sync_all()) {
    state.SkipWithError("cannot prepare the file");
    return;
  }
  const std::string data = make_json(size_bytes);
  std::uint64_t offset = 0;
  while (state.KeepRunning()) {
    if (offset + size_bytes > kFileBytes) {
      offset = 0;
    }
    if (!(*file)->write(offset, base::as_bytes(data)) || !(*file)->sync_data()) {
      state.SkipWithError("write or sync failed");
      break;
    }
    offset += size_bytes;
  }
  report_rates(state, state.range(0));
}
BENCHMARK(bare_write_sync)
    ->Arg(kSmall)
    ->Arg(kPage)
    ->Arg(kLarge)
    ->Arg(kHuge)
    ->MinTime(kMinSeconds)
    ->UseRealTime();

/// Opened by the first thread of a run, used by all, closed by the first. range(0): bytes,
/// range(1): durability.
template <typename Opened>
class StoreFixture : public benchmark::Fixture {
 public:
  void SetUp(benchmark::State& state) override {
    if (state.thread_index() == 0) {
      directory_ = std::make_unique<BenchDirectory>();
      EngineOptions options;
      options.durability = static_cast<Durability>(state.range(1));
      auto outcome = open(directory_->path() + "/store", options);
      if (outcome) {
        opened_ = *std::move(outcome);
      }
    }
  }
  void TearDown(benchmark::State& state) override {
    if (state.thread_index() == 0) {
      opened_.reset();
      directory_.reset();
    }
  }

 protected:
  static Result<std::unique_ptr<Opened>> open(const std::string& path,
                                              const EngineOptions& options) {
    if constexpr (std::is_same_v<Opened, Engine>) {
      return Engine::open_with_recovery(path, options);
    } else {
      return WriteAheadLog::open(path, options);
    }
  }
  std::unique_ptr<BenchDirectory> directory_;
  std::unique_ptr<Opened> opened_;
};

using LogFixture = StoreFixture<WriteAheadLog>;
using EngineFixture = StoreFixture<Engine>;

BENCHMARK_DEFINE_F(LogFixture, wal_append)(benchmark::State& state) {
  const std::string json = make_json(static_cast<std::size_t>(state.range(0)));
  const std::string actor = "writer-" + std::to_string(state.thread_index());
  while (state.KeepRunning()) {
    if (opened_ == nullptr || !opened_->append(actor, Put{.id = "document", .json = json})) {
      state.SkipWithError("append failed");
      break;
    }
  }
  report_rates(state, state.range(0));
}

/// Each thread keeps kWindow appends under way.
BENCHMARK_DEFINE_F(LogFixture, wal_append_async)(benchmark::State& state) {
  const std::string json = make_json(static_cast<std::size_t>(state.range(0)));
  const std::string actor = "writer-" + std::to_string(state.thread_index());
  std::counting_semaphore<kWindow> window(kWindow);
  std::atomic<bool> failed = false;
  const auto done = [&](const Result<Seq>& seq) {
    failed = failed || !seq;
    window.release();
  };
  while (state.KeepRunning() && !failed) {
    window.acquire();
    if (opened_ == nullptr ||
        !opened_->append_async(actor, Put{.id = "document", .json = json}, done)) {
      failed = true;
      window.release();
    }
  }
  for (int i = 0; i < kWindow; ++i) {
    window.acquire();
  }
  if (failed) {
    state.SkipWithError("append failed");
  }
  report_rates(state, state.range(0));
}

BENCHMARK_DEFINE_F(EngineFixture, engine_put)(benchmark::State& state) {
  const std::string json = make_json(static_cast<std::size_t>(state.range(0)));
  const std::string actor = "writer-" + std::to_string(state.thread_index());
  std::uint64_t number = 0;
  while (state.KeepRunning()) {
    const std::string id = actor + "/" + std::to_string(number++ % kDocumentsPerWriter);
    if (opened_ == nullptr || !opened_->put(actor, id, json)) {
      state.SkipWithError("put failed");
      break;
    }
  }
  report_rates(state, state.range(0));
}

/// What is left of an append when there is no log: the operation is made, checked by its CRC and
/// encoded into a group of one record in memory. No queue, no other writer, no file: each thread
/// has a group of its own. range(0): bytes.
void encode_group_without_log(benchmark::State& state) {
  const std::string json = make_json(static_cast<std::size_t>(state.range(0)));
  const std::string actor = "writer-" + std::to_string(state.thread_index());
  const EngineOptions options;
  wal::GroupBuilder group;
  Seq seq = 0;
  while (state.KeepRunning()) {
    const Put put{.id = "document", .json = json};
    wal::RecordView record;
    record.seq = ++seq;
    record.actor = actor;
    record.id = put.id;
    record.value = put.json;
    record.value_in_log = put.json.size() >= options.large_value_bytes;
    record.value_bytes = put.json.size();
    record.value_crc = base::crc32c(base::as_bytes(put.json));
    group.clear(wal::group_bytes_bound(record));
    group.add(record);
    constexpr std::uint64_t kSalt = 1;
    benchmark::DoNotOptimize(
        group.place(kSalt, wal::kSegmentHeaderBytes, wal::kSegmentHeaderBytes, 0).front().data());
    if (group.bytes() <= json.size()) {
      state.SkipWithError("the group does not hold its value");
      break;
    }
  }
  report_rates(state, state.range(0));
}
BENCHMARK(encode_group_without_log)
    ->Arg(kSmall)
    ->Arg(kPage)
    ->Arg(kLarge)
    ->Arg(kHuge)
    ->UseRealTime();
BENCHMARK(encode_group_without_log)
    ->Name("extended/encode_group_without_log")
    ->Arg(kSmall)
    ->Arg(kPage)
    ->Arg(kLarge)
    ->Arg(kHuge)
    ->ThreadRange(2, 64)
    ->UseRealTime();

constexpr auto kNone = static_cast<std::int64_t>(Durability::kNone);
constexpr auto kWal = static_cast<std::int64_t>(Durability::kWal);
constexpr auto kFull = static_cast<std::int64_t>(Durability::kFull);

void small_with_all_writers(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"bytes", "durability"})->MinTime(kMinSeconds)->UseRealTime();
  bench->Args({kSmall, kWal})->Args({kPage, kWal})->ThreadRange(1, 64);
}
void large_with_few_writers(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"bytes", "durability"})->MinTime(kMinSeconds)->UseRealTime();
  bench->Args({kLarge, kWal})->Args({kHuge, kWal})->Threads(1)->Threads(4)->Threads(16);
}
void async(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"bytes", "durability"})->MinTime(kMinSeconds)->UseRealTime();
  bench->Args({kSmall, kWal})->Args({kPage, kWal})->Threads(1)->Threads(4);
}
void buffered(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"bytes", "durability"})->MinTime(kMinSeconds)->UseRealTime();
  bench->Args({kSmall, kNone})->Args({kLarge, kNone})->Threads(1)->Threads(4);
}
void put_levels(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"bytes", "durability"})->MinTime(kMinSeconds)->UseRealTime();
  bench->Args({kSmall, kNone})->Args({kSmall, kWal})->Args({kSmall, kFull});
  bench->Threads(1)->Threads(8)->Threads(64);
}

/// The log knows two levels: full is the engine's, which waits for a checkpoint.
void log_matrix(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"bytes", "durability"})->MinTime(kMinSeconds)->UseRealTime();
  bench->ArgsProduct({{kSmall, kPage, kLarge, kHuge}, {kNone, kWal}})->ThreadRange(1, 64);
}
void put_matrix(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"bytes", "durability"})->MinTime(kMinSeconds)->UseRealTime();
  bench->ArgsProduct({{kSmall, kPage, kLarge, kHuge}, {kNone, kWal, kFull}})->ThreadRange(1, 64);
}

BENCHMARK_REGISTER_F(LogFixture, wal_append)->Apply(small_with_all_writers);
BENCHMARK_REGISTER_F(LogFixture, wal_append)->Apply(large_with_few_writers);
BENCHMARK_REGISTER_F(LogFixture, wal_append)->Apply(buffered);
BENCHMARK_REGISTER_F(LogFixture, wal_append_async)->Apply(async);
BENCHMARK_REGISTER_F(EngineFixture, engine_put)->Apply(put_levels);
BENCHMARK_REGISTER_F(LogFixture, wal_append)->Name("extended/wal_append")->Apply(log_matrix);
BENCHMARK_REGISTER_F(EngineFixture, engine_put)->Name("extended/engine_put")->Apply(put_matrix);

}  // namespace
}  // namespace pluresdb::bench
