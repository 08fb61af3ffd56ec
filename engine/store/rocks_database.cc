#include "engine/store/rocks_database.h"

#include <charconv>
#include <chrono>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>

#include <rocksdb/advanced_options.h>
#include <rocksdb/cache.h>
#include <rocksdb/compression_type.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_system.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/system_clock.h>
#include <rocksdb/table.h>
#include <rocksdb/universal_compaction.h>

#include "engine/base/mutex.h"
#include "engine/store/base_store.h"
#include "engine/store/deletion_gate.h"
#include "engine/store/rocks_file_system.h"
#include "engine/store/rocks_status.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

constexpr int kOpenFilesMax = 256;
constexpr int kBloomBitsPerKey = 10;
constexpr std::size_t kBlockBytes = 8 << 10;
constexpr std::size_t kMetadataBlockBytes = 4 << 10;
constexpr std::uint64_t kTableFileBytes = 64ULL << 20;
constexpr std::uint64_t kManifestBytesMax = 4ULL << 20;
/// Nothing is ever written to the memtable; RocksDB wants one.
constexpr std::size_t kMemtableBytes = 1 << 20;
/// Merging fewer at a time would compress and write everything more often; a look-up asks the
/// filter of each.
constexpr int kRunsBeforeCompaction = 10;
/// A sync of the log waits for what the file system writes out at once, and no longer.
constexpr std::uint64_t kBytesPerSync = 1ULL << 20;
/// Room for a stale copy of everything besides the live one, not for two.
constexpr unsigned kSpaceAmplificationPercent = 100;
/// One for the merge of everything, which takes long, and one for the small ones meanwhile.
constexpr int kBackgroundJobs = 3;

/// RocksDB sleeps a second after failed background work: close() must not wait for that.
class InterruptibleClock final : public rocksdb::SystemClockWrapper {
 public:
  explicit InterruptibleClock(bool may_sleep)
      : SystemClockWrapper(rocksdb::SystemClock::Default()), interrupted_(!may_sleep) {}

  const char* Name() const override { return "PluresDbClock"; }

  void SleepForMicroseconds(int duration_us) override {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::microseconds(duration_us);
    const base::MutexLock lock(mutex_);
    while (!interrupted_ && std::chrono::steady_clock::now() < deadline) {
      (void)wake_.wait_for(mutex_, deadline - std::chrono::steady_clock::now());
    }
  }
  void interrupt() {
    const base::MutexLock lock(mutex_);
    interrupted_ = true;
    wake_.notify_all();
  }

 private:
  base::Mutex mutex_;
  base::CondVar wake_;
  bool interrupted_ GUARDED_BY(mutex_);
};

/// What RocksDB has to say reaches the caller as a status; its own log file is not wanted.
class NullLogger final : public rocksdb::Logger {
 public:
  NullLogger() : Logger(rocksdb::InfoLogLevel::FATAL_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* /*format*/, std::va_list /*arguments*/) override {}
};

rocksdb::BlockBasedTableOptions table_options(const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  // Index and filter blocks live in the cache too, in parts: memory is bounded by the cache, not
  // by the number of keys. INV-STORE-6.
  table.block_cache = cache;
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_top_level_index_and_filter = true;
  table.index_type = rocksdb::BlockBasedTableOptions::kTwoLevelIndexSearch;
  table.partition_filters = true;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(kBloomBitsPerKey));
  table.block_size = kBlockBytes;
  table.metadata_block_size = kMetadataBlockBytes;
  table.checksum = rocksdb::kXXH3;
  table.format_version = 5;
  return table;
}

rocksdb::Options make_options(bool background_threads,
                              const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::Options options;
  options.info_log = std::make_shared<NullLogger>();
  options.paranoid_checks = true;
  options.max_open_files = kOpenFilesMax;
  options.max_file_opening_threads = 1;
  options.max_manifest_file_size = kManifestBytesMax;
  options.write_buffer_size = kMemtableBytes;
  options.avoid_flush_during_shutdown = true;
  options.skip_stats_update_on_db_open = true;
  options.keep_log_file_num = 1;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.max_bgerror_resume_count = 0;  // The owner reopens; nothing resumes behind its back.
  options.compression = rocksdb::kLZ4Compression;
  options.target_file_size_base = kTableFileBytes;
  options.bytes_per_sync = kBytesPerSync;
  // Universal, because checkpoints come in all sizes: small ones merge with small ones, and the
  // bulk is rewritten only when as much again has been added.
  options.compaction_style = rocksdb::kCompactionStyleUniversal;
  options.compaction_options_universal.max_size_amplification_percent = kSpaceAmplificationPercent;
  options.compaction_options_universal.allow_trivial_move = false;
  options.level0_file_num_compaction_trigger = kRunsBeforeCompaction;
  options.disable_auto_compactions = !background_threads;
  options.max_background_jobs = background_threads ? kBackgroundJobs : 1;
  options.max_subcompactions = 1;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table_options(cache)));
  return options;
}

}  // namespace

/// RocksDB's own threads, our files, our clock.
class RocksDatabase::SeamEnv final : public rocksdb::EnvWrapper {
 public:
  SeamEnv(const std::shared_ptr<rocksdb::FileSystem>& files,
          std::shared_ptr<InterruptibleClock> clock)
      : EnvWrapper(rocksdb::NewCompositeEnv(files)), clock_(std::move(clock)) {
    file_system_ = files;
    system_clock_ = clock_;
  }
  const char* Name() const override { return "PluresDbEnv"; }
  void SleepForMicroseconds(int duration_us) override { clock_->SleepForMicroseconds(duration_us); }
  void interrupt() { clock_->interrupt(); }

 private:
  const std::shared_ptr<InterruptibleClock> clock_;
};

RocksDatabase::RocksDatabase(Mode mode) : mode_(mode) {}

Result<std::unique_ptr<RocksDatabase>> RocksDatabase::open(
    const BaseStoreOptions& options, const std::shared_ptr<rocksdb::Cache>& cache, Mode mode) {
  std::unique_ptr<RocksDatabase> database(new RocksDatabase(mode));
  database->deletions_ = std::make_shared<DeletionGate>(*options.files);
  database->env_ = std::make_unique<SeamEnv>(
      make_rocks_file_system(*options.files, options.keys, database->deletions_, database->tables_),
      std::make_shared<InterruptibleClock>(options.background_threads));
  database->options_ = make_options(options.background_threads, cache);
  database->options_.env = database->env_.get();
  database->options_.create_if_missing = mode == Mode::kCreate;
  database->options_.error_if_exists = mode == Mode::kCreate;
  database->options_.disable_auto_compactions |= mode == Mode::kUnmerged;
  rocksdb::DB* opened = nullptr;
  const auto status =
      mode == Mode::kReadOnly
          ? rocksdb::DB::OpenForReadOnly(database->options_, options.directory, &opened)
          : rocksdb::DB::Open(database->options_, options.directory, &opened);
  database->db_.reset(opened);
  if (!status.ok()) {
    return std::unexpected(to_error(status, "open the base store"));
  }
  return database;
}

RocksDatabase::~RocksDatabase() {
  if (db_ != nullptr) {
    env_->interrupt();
    // Everything acknowledged is synced already: an error here loses nothing.
    (void)close();
  }
}

std::uint64_t RocksDatabase::waiting_files() {
  std::string text;
  std::uint64_t count = 0;
  if (db_->GetProperty(rocksdb::DB::Properties::kNumFilesAtLevelPrefix + "0", &text)) {
    (void)std::from_chars(text.data(), text.data() + text.size(), count);
  }
  return count;
}

Status RocksDatabase::close() {
  env_->interrupt();
  const auto status = db_->Close();
  db_.reset();
  if (!status.ok()) {
    return std::unexpected(to_error(status, "close the base store"));
  }
  return {};
}

}  // namespace pluresdb::store
