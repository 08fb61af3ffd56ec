// Reading a log again from its first byte to its last: one sealed segment as recovery does it, and
// validate() over several.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/bench/bench_directory.h"
#include "engine/io/file_system.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb::bench {
namespace {

constexpr std::uint64_t kSegmentBytes = 64ULL << 20;
constexpr std::size_t kGroupBytes = 256 << 10;
constexpr std::int64_t kSegments = 4;

/// A log of sealed segments full of values of one size, closed.
class SealedLog {
 public:
  SealedLog(std::size_t value_bytes, std::uint64_t bytes) { status_ = fill(value_bytes, bytes); }
  [[nodiscard]] const Status& status() const { return status_; }
  [[nodiscard]] std::string directory() const { return directory_.path() + "/wal"; }
  [[nodiscard]] std::uint64_t entries() const { return entries_; }
  /// Sealed ones, oldest first.
  [[nodiscard]] std::vector<std::string> segments() const {
    std::vector<std::string> paths;
    const auto names = io::posix_file_system().list(directory());
    for (const std::string& name : names ? *names : std::vector<std::string>{}) {
      if (name.ends_with(".wal")) {
        paths.push_back(io::join_path(directory(), name));
      }
    }
    return paths;
  }

 private:
  Status fill(std::size_t value_bytes, std::uint64_t bytes) {
    EngineOptions options;
    options.durability = Durability::kNone;
    options.segment_bytes = kSegmentBytes;
    options.background_threads = false;
    TRY_ASSIGN(const auto log, WriteAheadLog::open(directory(), options));
    const std::size_t in_group = std::max<std::size_t>(1, kGroupBytes / value_bytes);
    while (log->stats().appended_bytes < bytes) {
      std::vector<Operation> group;
      group.reserve(in_group);
      for (std::size_t i = 0; i < in_group; ++i) {
        group.emplace_back(Put{.id = "document " + std::to_string(entries_++),
                               .json = '"' + std::string(value_bytes - 2, 'x') + '"'});
      }
      TRY(log->append_batch("writer", std::move(group)));
    }
    return log->close();
  }

  BenchDirectory directory_;
  std::uint64_t entries_ = 0;
  Status status_;
};

/// What recovery does with each segment, values checked. range(0): bytes of a value.
void scan_one_segment(benchmark::State& state) {
  const SealedLog log(static_cast<std::size_t>(state.range(0)), kSegmentBytes / 16 * 15);
  const auto paths = log.segments();
  if (!log.status() || paths.size() != 1) {
    state.SkipWithError("cannot make one full segment");
    return;
  }
  const auto file = io::posix_file_system().open(paths.front(), io::OpenMode::kRead);
  if (!file) {
    state.SkipWithError("cannot open the segment");
    return;
  }
  std::uint64_t file_bytes = 0;
  while (state.KeepRunning()) {
    const auto scan = wal::scan_segment(**file, {.name = paths.front(), .id = 1});
    if (!scan || scan->records != log.entries() || !scan->sealed || scan->is_damaged()) {
      state.SkipWithError("the scan did not find what was written");
      return;
    }
    file_bytes = scan->file_bytes;
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(file_bytes));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(log.entries()));
}

/// WriteAheadLog::validate() of kSegments segments. range(0): bytes of a value.
void validate_log(benchmark::State& state) {
  const SealedLog filled(static_cast<std::size_t>(state.range(0)), kSegments * kSegmentBytes);
  EngineOptions options;
  options.create_if_missing = false;
  auto log = WriteAheadLog::open(filled.directory(), options);
  if (!filled.status() || !log) {
    state.SkipWithError("cannot prepare the log");
    return;
  }
  const auto bytes = static_cast<std::int64_t>((*log)->stats().bytes);
  while (state.KeepRunning()) {
    const auto report = (*log)->validate();
    if (!report || !report->is_healthy() || report->valid_entries != filled.entries()) {
      state.SkipWithError("validate() did not find what was written");
      return;
    }
  }
  state.SetBytesProcessed(state.iterations() * bytes);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(filled.entries()));
}

void value_sizes(benchmark::internal::Benchmark* bench) {
  constexpr std::int64_t kSmall = 200;
  constexpr std::int64_t kPage = 4 << 10;
  constexpr std::int64_t kLarge = 64 << 10;
  bench->ArgName("bytes")->Arg(kSmall)->Arg(kPage)->Arg(kLarge);
  bench->Unit(benchmark::kMillisecond)->UseRealTime();
}
BENCHMARK(scan_one_segment)->Apply(value_sizes)->Iterations(5);
BENCHMARK(validate_log)->Apply(value_sizes)->Iterations(2);

}  // namespace
}  // namespace pluresdb::bench
