// What encryption of the log costs: appending, replaying and reading one value, plain and
// encrypted. In each, range(1) says which: 0 plain, 1 encrypted. And how fast a whole store is put
// under new keys.
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/worker_team.h"
#include "engine/bench/bench_directory.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/reencrypt.h>

namespace pluresdb::bench {
namespace {

constexpr std::int64_t kSmall = 256;
constexpr std::int64_t kPage = 4 << 10;
constexpr std::int64_t kLarge = 64 << 10;
constexpr double kMinSeconds = 0.5;
/// Of a log that is replayed or read.
constexpr std::int64_t kLogBytes = 32 << 20;
constexpr int kBatch = 64;

class Client final : public wal::LogClient {
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

std::optional<crypto::MasterKeys> make_keys() {
  auto key = crypto::SecretBytes::random(32);
  if (!key) {
    return std::nullopt;
  }
  std::map<crypto::Generation, crypto::SecretBytes> keys;
  keys.emplace(1, *std::move(key));
  return crypto::MasterKeys({}, 1, std::move(keys));
}

/// An open log; null when it could not be opened.
class OpenLog {
 public:
  OpenLog(bool is_encrypted, Durability durability) : keys_(make_keys()) {
    wal::LogOptions options;
    options.directory = directory_.path() + "/wal";
    options.durability = durability;
    options.files = &io::posix_file_system();
    options.keys = is_encrypted && keys_ ? &*keys_ : nullptr;
    auto opened = wal::Log::open(options, 0);
    if (opened && keys_) {
      log_ = *std::move(opened);
      log_->start(client_);
    }
  }
  wal::Log* get() { return log_.get(); }

 private:
  BenchDirectory directory_;
  const std::optional<crypto::MasterKeys> keys_;
  Client client_;
  std::unique_ptr<wal::Log> log_;
};

std::string text_of(std::int64_t bytes) {
  std::string text(static_cast<std::size_t>(bytes), ' ');
  std::uint32_t state = 1;
  for (char& character : text) {
    state = state * 1664525U + 1013904223U;
    character = static_cast<char>('a' + (state >> 24U) % 26U);
  }
  return text;
}

/// One record, one group. range(0): bytes of its value, range(2): durability.
void append_encrypted(benchmark::State& state) {
  OpenLog log(state.range(1) != 0, static_cast<Durability>(state.range(2)));
  const std::string value = text_of(state.range(0));
  while (state.KeepRunning()) {
    if (log.get() == nullptr ||
        !log.get()->append({.actor = "agent", .id = "document", .value = value})) {
      state.SkipWithError("append failed");
      break;
    }
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(append_encrypted)
    ->ArgNames({"bytes", "encrypted", "durability"})
    ->ArgsProduct({{kSmall, kPage, kLarge},
                   {0, 1},
                   {static_cast<std::int64_t>(Durability::kNone),
                    static_cast<std::int64_t>(Durability::kWal)}})
    ->MinTime(kMinSeconds)
    ->UseRealTime();

/// Fills a log with kLogBytes of values, kBatch in each group. False: it failed.
bool fill(wal::Log* log, const std::string& value) {
  const std::vector<wal::AppendRequest> batch(kBatch,
                                              {.actor = "agent", .id = "doc", .value = value});
  const auto batch_bytes = static_cast<std::int64_t>(kBatch * value.size());
  for (std::int64_t bytes = 0; log != nullptr && bytes < kLogBytes; bytes += batch_bytes) {
    if (!log->append_batch(batch)) {
      return false;
    }
  }
  return log != nullptr;
}

class Sink final : public wal::ReplaySink {
 public:
  void take(std::size_t /*slot*/, std::span<const wal::RecordView> records) override {
    benchmark::DoNotOptimize(records.data());
  }
  Status end_window(std::size_t slots) override {
    benchmark::DoNotOptimize(slots);
    return {};
  }
};

/// All records, warm cache, one thread. range(0): bytes of a value.
void replay_encrypted(benchmark::State& state) {
  OpenLog log(state.range(1) != 0, Durability::kNone);
  if (!fill(log.get(), text_of(state.range(0)))) {
    state.SkipWithError("cannot fill the log");
    return;
  }
  base::WorkerTeam team(1);
  Sink sink;
  while (state.KeepRunning()) {
    if (!log.get()->replay_windows(0, team, sink)) {
      state.SkipWithError("replay failed");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * kLogBytes);
}
BENCHMARK(replay_encrypted)
    ->ArgNames({"bytes", "encrypted"})
    ->ArgsProduct({{kSmall, kPage}, {0, 1}})
    ->MinTime(kMinSeconds)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

/// One large value, checked, warm cache. range(0): its bytes.
void read_value_encrypted(benchmark::State& state) {
  OpenLog log(state.range(1) != 0, Durability::kNone);
  const std::string value = text_of(state.range(0));
  if (!fill(log.get(), value)) {
    state.SkipWithError("cannot fill the log");
    return;
  }
  const std::uint32_t crc = base::crc32c(base::as_bytes(value));
  const auto count = static_cast<Seq>(kLogBytes / state.range(0));
  Seq seq = 0;
  while (state.KeepRunning()) {
    seq = (seq + 77) % count;
    if (!log.get()->read_value(seq + 1, value.size(), crc)) {
      state.SkipWithError("read failed");
      break;
    }
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(read_value_encrypted)
    ->ArgNames({"bytes", "encrypted"})
    ->ArgsProduct({{kLarge}, {0, 1}})
    ->MinTime(kMinSeconds)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

constexpr int kReencryptions = 3;

/// An encrypted store of kLogBytes of live values. False: it failed.
bool fill_store(const std::string& directory, const EngineOptions& options,
                const std::string& value) {
  const auto engine = Engine::open_with_recovery(directory, options);
  const auto json = '"' + value + '"';
  for (std::int64_t bytes = 0, i = 0; engine && bytes < kLogBytes; ++i) {
    if (!(*engine)->put("agent", "document" + std::to_string(i), json)) {
      return false;
    }
    bytes += static_cast<std::int64_t>(json.size());
  }
  return engine && (*engine)->close();
}

/// A new master key, so that every file of the store is old.
bool rotate(const std::string& directory, const StoreSecret& secret) {
  const auto survivors = secret.readings().first(1);
  auto keyring = crypto::Keyring::unlock({.files = io::posix_file_system(), .directory = directory},
                                         survivors.front(), crypto::Keyring::Access::kOwner);
  return keyring && keyring->rotate(survivors);
}

/// File bytes per second, with all syncs. range(0): bytes of a value; small ones are in the base
/// store, large ones in the log.
void reencrypt(benchmark::State& state) {
  const BenchDirectory directory;
  const std::string store = directory.path() + "/store";
  std::array<std::byte, crypto::kKeyBytes> key{std::byte{1}};
  const auto secret = StoreSecret::device_key(key);
  EngineOptions options;
  options.durability = Durability::kNone;
  options.compress_sealed = false;
  options.secret = secret ? &*secret : nullptr;
  if (!secret || !fill_store(store, options, text_of(state.range(0)))) {
    state.SkipWithError("cannot fill the store");
    return;
  }
  ReencryptOptions how;
  how.bytes_per_second = 0;
  std::int64_t bytes = 0;
  while (state.KeepRunning()) {
    const bool is_rotated = rotate(store, *secret);
    const auto engine = Engine::open_with_recovery(store, options);
    const auto done = is_rotated && engine ? (*engine)->reencrypt(how)
                                           : Result<ReencryptStats>(fail(ErrorCode::kIo, ""));
    if (!done || !done->left.empty() || !(*engine)->close()) {
      state.SkipWithError("re-encryption failed");
      break;
    }
    bytes += static_cast<std::int64_t>(done->bytes);
    state.SetIterationTime(done->duration_seconds);
  }
  state.SetBytesProcessed(bytes);
}
BENCHMARK(reencrypt)
    ->ArgName("bytes")
    ->Arg(kSmall)
    ->Arg(kLarge)
    ->Iterations(kReencryptions)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime();

}  // namespace
}  // namespace pluresdb::bench
