// The base store plain and encrypted: checkpoints, and random reads of small documents with a block
// cache that holds next to nothing, or everything (blocks in the cache are plain).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "engine/bench/bench_directory.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include "engine/store/base_store.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

constexpr std::uint64_t kDocuments = 200'000;
constexpr std::size_t kDocumentBytes = 200;
constexpr std::uint64_t kSmallCacheBytes = 1ULL << 20;
constexpr std::uint64_t kLargeCacheBytes = 256ULL << 20;
constexpr std::uint64_t kCheckpointBytes = 64ULL << 20;

std::string id_of(std::uint64_t number) { return fmt::format("document {:08}", number); }

/// Texts that do not compress, the same in every run.
class RandomDocuments final : public store::CheckpointSource {
 public:
  RandomDocuments(std::uint64_t count, std::size_t bytes) : count_(count), bytes_(bytes) {}

  bool next(std::string& id, store::BaseValue& value) override {
    if (next_ == count_) {
      return false;
    }
    id = id_of(next_);
    value.seq = ++next_;
    value.json.resize(bytes_);
    std::ranges::generate(value.json, [this] { return static_cast<char>(numbers_()); });
    return true;
  }

 private:
  const std::uint64_t count_;
  const std::size_t bytes_;
  std::uint64_t next_ = 0;
  std::mt19937_64 numbers_{1};
};

/// range(0) of every benchmark: encrypted or not.
class BenchStore {
 public:
  BenchStore(bool encrypted, std::uint64_t cache_bytes) {
    std::map<crypto::Generation, crypto::SecretBytes> keys;
    if (auto key = crypto::SecretBytes::random(kKeyBytes)) {
      keys.emplace(1, *std::move(key));
      keys_ = std::make_unique<const crypto::MasterKeys>(crypto::StoreId{}, 1, std::move(keys));
    }
    auto created = store::BaseStore::create({.directory = directory_.path() + "/base",
                                             .block_cache_bytes = cache_bytes,
                                             .files = &io::posix_file_system(),
                                             .keys = encrypted ? keys_.get() : nullptr,
                                             .background_threads = false});
    if (keys_ != nullptr && created) {
      store_ = *std::move(created);
    }
  }
  /// Null: it could not be made.
  [[nodiscard]] store::BaseStore* get() const { return store_.get(); }

 private:
  static constexpr std::size_t kKeyBytes = 32;

  BenchDirectory directory_;
  std::unique_ptr<const crypto::MasterKeys> keys_;
  std::unique_ptr<store::BaseStore> store_;
};

/// range(1): bytes of the block cache.
void base_store_get(benchmark::State& state) {
  const BenchStore store(state.range(0) != 0, static_cast<std::uint64_t>(state.range(1)));
  RandomDocuments documents(kDocuments, kDocumentBytes);
  if (store.get() == nullptr ||
      !store.get()->ingest(documents, {.checkpoint_seq = kDocuments, .version_vector = {}})) {
    state.SkipWithError("cannot fill the base store");
    return;
  }
  std::mt19937_64 numbers(2);
  while (state.KeepRunning()) {
    const auto found = store.get()->get(id_of(numbers() % kDocuments));
    if (!found || !*found) {
      state.SkipWithError("a document is missing");
      return;
    }
  }
  state.SetItemsProcessed(state.iterations());
}

/// range(1): bytes of a document.
void base_store_checkpoint(benchmark::State& state) {
  const BenchStore store(state.range(0) != 0, kSmallCacheBytes);
  const auto bytes = static_cast<std::size_t>(state.range(1));
  if (store.get() == nullptr) {
    state.SkipWithError("cannot make the base store");
    return;
  }
  Seq seq = 0;
  while (state.KeepRunning()) {
    RandomDocuments documents(kCheckpointBytes / bytes, bytes);
    seq += kCheckpointBytes / bytes;
    if (!store.get()->ingest(documents, {.checkpoint_seq = seq, .version_vector = {}})) {
      state.SkipWithError("cannot write a checkpoint");
      return;
    }
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kCheckpointBytes));
}

BENCHMARK(base_store_get)
    ->ArgNames({"encrypted", "cache"})
    ->ArgsProduct({{0, 1}, {kSmallCacheBytes, kLargeCacheBytes}})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();
BENCHMARK(base_store_checkpoint)
    ->ArgNames({"encrypted", "bytes"})
    ->ArgsProduct({{0, 1}, {kDocumentBytes, 4 << 10}})
    ->Unit(benchmark::kMillisecond)
    ->Iterations(4)
    ->UseRealTime();

}  // namespace
}  // namespace pluresdb::bench
