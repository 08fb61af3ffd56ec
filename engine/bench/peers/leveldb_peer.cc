// LevelDB, synced for each write; it gathers waiting writers by itself.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <leveldb/cache.h>
#include <leveldb/db.h>
#include <leveldb/filter_policy.h>
#include <leveldb/options.h>
#include <leveldb/slice.h>
#include <leveldb/status.h>
#include <leveldb/write_batch.h>

#include "engine/bench/peers/peer.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

leveldb::Slice slice_of(std::string_view text) { return {text.data(), text.size()}; }

Status status_of(const char* operation, const leveldb::Status& status) {
  if (status.ok()) {
    return {};
  }
  return fail(ErrorCode::kIo, std::string("leveldb: ") + operation + ": " + status.ToString());
}

class LevelPeer final : public Peer {
 public:
  LevelPeer() { durable_.sync = true; }

  Status open(const PeerSettings& settings) {
    constexpr std::size_t kWriteBufferBytes = 64ULL << 20;
    constexpr std::size_t kWholeLogBytes = 1ULL << 30;  // It allows no more.
    leveldb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = settings.keeps_log_whole ? kWholeLogBytes : kWriteBufferBytes;
    options.block_cache = cache_.get();
    options.filter_policy = filter_.get();
    leveldb::DB* opened = nullptr;
    TRY(status_of("open", leveldb::DB::Open(options, settings.directory + "/db", &opened)));
    database_.reset(opened);
    return {};
  }

  Status put(unsigned /*writer*/, const KeyValue& pair) override {
    return status_of("put", database_->Put(durable_, slice_of(pair.key), slice_of(pair.value)));
  }
  Status put_many(std::span<const KeyValue> pairs) override {
    leveldb::WriteBatch batch;
    for (const KeyValue& pair : pairs) {
      batch.Put(slice_of(pair.key), slice_of(pair.value));
    }
    return status_of("write", database_->Write({}, &batch));
  }
  /// The log has no call of its own for this: an empty write is synced, and all before it.
  Status sync() override {
    leveldb::WriteBatch nothing;
    return status_of("sync", database_->Write(durable_, &nothing));
  }

  Result<std::uint64_t> verify(std::span<const KeyValue> samples) override {
    return verify_by_key(samples, [this](std::string_view key, std::string& found) -> Result<bool> {
      const leveldb::Status status = database_->Get({}, slice_of(key), &found);
      if (status.IsNotFound()) {
        return false;
      }
      TRY(status_of("get", status));
      return true;
    });
  }
  Status close() override {
    database_.reset();
    return {};
  }

 private:
  static constexpr std::size_t kCacheBytes = 32ULL << 20;
  static constexpr int kFilterBitsPerKey = 10;
  // Declared first: the database uses both until it is gone.
  std::unique_ptr<leveldb::Cache> cache_{leveldb::NewLRUCache(kCacheBytes)};
  std::unique_ptr<const leveldb::FilterPolicy> filter_{
      leveldb::NewBloomFilterPolicy(kFilterBitsPerKey)};
  std::unique_ptr<leveldb::DB> database_;
  leveldb::WriteOptions durable_;
};

}  // namespace

Result<std::unique_ptr<Peer>> open_leveldb(const PeerSettings& settings) {
  auto peer = std::make_unique<LevelPeer>();
  TRY(peer->open(settings));
  return peer;
}

}  // namespace pluresdb::bench
