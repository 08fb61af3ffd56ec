// What compression of sealed segments costs and saves: rewriting with and without it, reading one
// value from either file, and the levels of the library side by side.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <zstd.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/bench/bench_directory.h"
#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::bench {
namespace {

constexpr std::size_t kValueBytes = 64 << 10;
constexpr std::uint64_t kValues = 512;  ///< 32 MiB.

/// Lines as builds and services print them: times, levels, paths, numbers.
std::string log_text(std::uint64_t seed, std::size_t size_bytes) {
  static const std::vector<std::string> kWords = {
      "request", "connection", "retrying", "compiled", "linked",  "cache",  "timeout",
      "worker",  "flushed",    "segment",  "opened",   "refused", "socket", "completed"};
  std::string text;
  std::uint64_t state = seed + 1;
  const auto next = [&state](std::uint64_t limit) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (state >> 33U) % limit;
  };
  std::uint64_t time_ms = seed * 100'000;
  while (text.size() < size_bytes) {
    time_ms += next(900);
    text +=
        fmt::format("2026-11-24T{:02}:{:02}:{:02}.{:03}Z {} [{}-{}] {} {} /srv/app/{}/{:x} {} ms\n",
                    time_ms / 3'600'000 % 24, time_ms / 60'000 % 60, time_ms / 1000 % 60,
                    time_ms % 1000, next(9) == 0 ? "WARN" : "INFO", kWords[next(kWords.size())],
                    next(16), kWords[next(kWords.size())], kWords[next(kWords.size())],
                    kWords[next(kWords.size())], next(1U << 30U), next(2000));
  }
  text.resize(size_bytes);
  return text;
}

class CountingClient final : public wal::LogClient {
 public:
  wal::RecordStamp stamp(std::string_view /*actor*/) override {
    ++last_;
    return {.timestamp_us = 0, .hlc = last_, .actor_seq = last_};
  }
  void apply(std::span<const wal::RecordView> /*records*/) override {}
  void unstamp(std::span<const wal::RecordView> /*records*/) override {}
  Hlc hlc_floor() override { return last_; }

 private:
  Hlc last_ = 0;
};

/// A log of kValues log-like texts in one segment, and a newest one behind it.
class FilledLog {
 public:
  explicit FilledLog(bool compress) {
    wal::LogOptions options;
    options.directory = directory_.path() + "/wal";
    options.durability = Durability::kNone;
    options.background_threads = false;
    options.compress_rewritten = compress;
    options.files = &io::posix_file_system();
    for (int open = 0; open < 2; ++open) {  // The second one begins a new segment.
      log_ = nullptr;
      auto opened = wal::Log::open(options, 0);
      if (!opened) {
        return;
      }
      log_ = *std::move(opened);
      log_->start(client_);
      for (std::uint64_t i = 0; i < (open == 0 ? kValues : 1); ++i) {
        const std::string value = log_text(i, kValueBytes);
        const auto seq = log_->append({.actor = "agent", .id = "stdout", .value = value});
        ok_ = seq.has_value();
        if (open == 0) {
          seqs_.push_back(seq.value_or(0));
          crcs_.push_back(base::crc32c(base::as_bytes(value)));
        }
      }
      ok_ = ok_ && log_->close().has_value();
    }
  }
  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] std::uint64_t oldest_file_bytes() const {
    std::uint64_t bytes = 0;
    for (const auto& info : log_->segments()) {
      bytes = info.first_seq == seqs_.front() ? info.file_bytes : bytes;
    }
    return bytes;
  }
  bool rewrite() {
    const auto segments = log_->segments();
    return log_
        ->rewrite_segments(std::vector{segments.front().id},
                           [](const wal::RecordView&) { return true; })
        .has_value();
  }
  Result<std::string> read(std::uint64_t number) {
    const std::size_t at = number % seqs_.size();
    return log_->read_value(seqs_[at], kValueBytes, crcs_[at]);
  }

 private:
  BenchDirectory directory_;
  CountingClient client_;
  std::unique_ptr<wal::Log> log_;
  std::vector<Seq> seqs_;
  std::vector<std::uint32_t> crcs_;
  bool ok_ = false;
};

/// Reading 32 MiB, writing what is left of it, reading that back. range(0): compress.
void rewrite_segment(benchmark::State& state) {
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  while (state.KeepRunning()) {
    state.PauseTiming();
    auto log = std::make_unique<FilledLog>(state.range(0) != 0);
    before = log->ok() ? log->oldest_file_bytes() : 0;
    state.ResumeTiming();
    if (before == 0 || !log->rewrite()) {
      state.SkipWithError("cannot rewrite");
      break;
    }
    state.PauseTiming();
    after = log->oldest_file_bytes();
    log.reset();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(before));
  state.counters["file_before"] = static_cast<double>(before);
  state.counters["file_after"] = static_cast<double>(after);
}
BENCHMARK(rewrite_segment)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond)->UseRealTime();

/// One value of 64 KiB from a rewritten segment, checked, warm cache. range(0): compressed.
void read_large_value(benchmark::State& state) {
  FilledLog log(state.range(0) != 0);
  if (!log.ok() || !log.rewrite()) {
    state.SkipWithError("cannot prepare the log");
    return;
  }
  std::uint64_t number = 0;
  while (state.KeepRunning()) {
    number += 77;
    if (!log.read(number)) {
      state.SkipWithError("read failed");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kValueBytes));
}
BENCHMARK(read_large_value)->Arg(0)->Arg(1)->Unit(benchmark::kMicrosecond);

/// Chunks of 64 KiB by themselves. range(0): level.
void compression_level(benchmark::State& state) {
  constexpr std::uint64_t kTexts = 32;
  std::vector<std::string> texts;
  texts.reserve(kTexts);
  for (std::uint64_t i = 0; i < kTexts; ++i) {
    texts.push_back(log_text(i, kValueBytes));
  }
  std::string out(ZSTD_compressBound(kValueBytes), '\0');
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(),
                                                                     ZSTD_freeCCtx);
  std::size_t stored = 0;
  std::size_t at = 0;
  while (state.KeepRunning()) {
    const std::string& text = texts[at++ % texts.size()];
    stored = ZSTD_compressCCtx(context.get(), out.data(), out.size(), text.data(), text.size(),
                               static_cast<int>(state.range(0)));
    benchmark::DoNotOptimize(stored);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kValueBytes));
  state.counters["ratio"] = static_cast<double>(kValueBytes) / static_cast<double>(stored);
}
BENCHMARK(compression_level)->Arg(1)->Arg(3)->Arg(6)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace pluresdb::bench
