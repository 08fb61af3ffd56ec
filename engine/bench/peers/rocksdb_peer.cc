// RocksDB with its own log, synced for each write.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/status.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>

#include "engine/bench/peers/peer.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

rocksdb::Slice rocks_slice_of(std::string_view text) { return {text.data(), text.size()}; }

Status status_of(const char* operation, const rocksdb::Status& status) {
  if (status.ok()) {
    return {};
  }
  return fail(ErrorCode::kIo, std::string("rocksdb: ") + operation + ": " + status.ToString());
}

rocksdb::Options options_for(const PeerSettings& settings) {
  constexpr std::size_t kWriteBufferBytes = 64ULL << 20;
  constexpr std::size_t kWholeLogBytes = 4ULL << 30;
  constexpr std::size_t kCacheBytes = 32ULL << 20;  // As much as this engine has by default.
  constexpr std::uint64_t kBlobBytesMin = 4096;
  rocksdb::Options options;
  options.create_if_missing = true;
  options.enable_pipelined_write = true;
  // A recycled log file has its blocks: a sync then changes no metadata.
  options.recycle_log_file_num = 4;
  options.max_total_wal_size = 256ULL << 20;
  options.write_buffer_size = kWriteBufferBytes;
  options.max_write_buffer_number = 4;
  options.max_background_jobs = 2;
  options.bytes_per_sync = 1ULL << 20;  // Of tables; log writes are synced one by one.
  options.compression = rocksdb::kLZ4Compression;
  options.enable_blob_files = settings.value_bytes >= kBlobBytesMin;
  options.min_blob_size = kBlobBytesMin;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(kCacheBytes);
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  if (settings.keeps_log_whole) {
    options.write_buffer_size = kWholeLogBytes;
    options.max_total_wal_size = 2 * kWholeLogBytes;
    options.avoid_flush_during_recovery = true;
    options.avoid_flush_during_shutdown = true;
  }
  return options;
}

class RocksPeer final : public Peer {
 public:
  explicit RocksPeer(std::unique_ptr<rocksdb::DB> database) : database_(std::move(database)) {
    durable_.sync = true;
  }

  Status put(unsigned /*writer*/, const KeyValue& pair) override {
    return status_of(
        "put", database_->Put(durable_, rocks_slice_of(pair.key), rocks_slice_of(pair.value)));
  }
  Status put_many(std::span<const KeyValue> pairs) override {
    rocksdb::WriteBatch batch;
    for (const KeyValue& pair : pairs) {
      TRY(status_of("batch", batch.Put(rocks_slice_of(pair.key), rocks_slice_of(pair.value))));
    }
    return status_of("write", database_->Write({}, &batch));
  }
  Status sync() override { return status_of("sync", database_->SyncWAL()); }

  Result<std::uint64_t> verify(std::span<const KeyValue> samples) override {
    return verify_by_key(samples, [this](std::string_view key, std::string& found) -> Result<bool> {
      const rocksdb::Status status = database_->Get({}, rocks_slice_of(key), &found);
      if (status.IsNotFound()) {
        return false;
      }
      TRY(status_of("get", status));
      return true;
    });
  }
  Status checkpoint() override { return status_of("flush", database_->Flush({})); }
  Status close() override { return status_of("close", database_->Close()); }

 private:
  std::unique_ptr<rocksdb::DB> database_;
  rocksdb::WriteOptions durable_;
};

}  // namespace

Result<std::unique_ptr<Peer>> open_rocksdb(const PeerSettings& settings) {
  rocksdb::DB* opened = nullptr;
  TRY(status_of("open",
                rocksdb::DB::Open(options_for(settings), settings.directory + "/db", &opened)));
  return std::make_unique<RocksPeer>(std::unique_ptr<rocksdb::DB>(opened));
}

}  // namespace pluresdb::bench
