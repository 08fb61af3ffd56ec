// The base store on RocksDB. A checkpoint is one table file, written beside the store, synced,
// renamed into it and registered in the MANIFEST: docs/formats/store.md argues why a crash at any
// operation leaves the state before or the state after.
#include "engine/store/base_store.h"

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/iterator.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/status.h>

#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/sealed_file.h"
#include "engine/io/file_system.h"
#include "engine/store/database_gate.h"
#include "engine/store/file_contents.h"
#include "engine/store/file_renewal.h"
#include "engine/store/rocks_database.h"
#include "engine/store/rocks_scan.h"
#include "engine/store/rocks_status.h"
#include "engine/store/sealed_format.h"
#include "engine/store/value_codec.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

/// The next checkpoint while it is written. RocksDB ignores names without a number.
constexpr const char* kIngestFileName = "ingest.sst";
/// What a creation that was interrupted can have left: nothing but the empty first checkpoint.
constexpr std::uint64_t kLeftoverTableBytesMax = 64 << 10;
/// With no background threads the store is merged by the checkpoint that finds so many files.
constexpr std::uint64_t kFilesBeforeMerge = 32;
/// With background threads a checkpoint waits, a bounded time, when merging falls so far behind.
constexpr std::uint64_t kWaitingFilesMax = 192;
constexpr int kWaitRoundsMax = 200;
constexpr int kWaitRoundUs = 10'000;

std::string_view view(const rocksdb::Slice& text) { return {text.data(), text.size()}; }

class EmptySource final : public CheckpointSource {
 public:
  bool next(std::string& /*id*/, BaseValue& /*value*/) override { return false; }
};

std::unexpected<Error> closed_error() {
  return fail(ErrorCode::kIo, "the base store is not open after an error; reopen it");
}

class Cursor;

/// Iterators must end before their database does: the cursors that exist.
struct CursorRegistry {
  base::Mutex mutex;
  std::set<Cursor*> cursors GUARDED_BY(mutex);
};

class Cursor final : public BaseCursor {
 public:
  Cursor(DatabaseGate& gate, CursorRegistry& registry, std::unique_ptr<rocksdb::Iterator> iterator)
      : gate_(gate), registry_(registry), iterator_(std::move(iterator)) {
    const base::MutexLock lock(registry_.mutex);
    registry_.cursors.insert(this);
  }
  ~Cursor() override {
    const Visit visit(gate_);  // The database must not go away meanwhile.
    const base::MutexLock lock(registry_.mutex);
    registry_.cursors.erase(this);
    iterator_.reset();
  }
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;
  Cursor(Cursor&&) = delete;
  Cursor& operator=(Cursor&&) = delete;

  Result<bool> next(std::string& id, BaseValue& value) override {
    const Visit visit(gate_);
    if (iterator_ == nullptr) {
      return fail(ErrorCode::kIo, "the base store was reopened; start the scan again");
    }
    return next_document(iterator_.get(), started_, id, value);
  }
  [[nodiscard]] bool is_cut_off() const override {
    const Visit visit(gate_);
    return iterator_ == nullptr;
  }

  /// Only between begin_change() and end_change().
  void invalidate() { iterator_.reset(); }

 private:
  DatabaseGate& gate_;
  CursorRegistry& registry_;
  std::unique_ptr<rocksdb::Iterator> iterator_;
  bool started_ = false;
};

class RocksBaseStore final : public BaseStore {
 public:
  explicit RocksBaseStore(BaseStoreOptions options)
      : options_(std::move(options)),
        ingest_path_(io::join_path(options_.directory, kIngestFileName)),
        cache_(rocksdb::NewLRUCache(options_.block_cache_bytes)) {}
  ~RocksBaseStore() override { (void)close_database(); }
  RocksBaseStore(const RocksBaseStore&) = delete;
  RocksBaseStore& operator=(const RocksBaseStore&) = delete;
  RocksBaseStore(RocksBaseStore&&) = delete;
  RocksBaseStore& operator=(RocksBaseStore&&) = delete;

  /// Once, before anything else.
  Status start(bool create) {
    (void)gate_.begin_change();
    Status prepared;
    if (options_.keys != nullptr && !create) {
      prepared = remove_renewal_leftovers(*options_.files, options_.directory);
    }
    auto opened = prepared ? open_database(create) : std::unexpected(prepared.error());
    if (!opened) {
      gate_.end_change(nullptr);
      return std::unexpected(opened.error());
    }
    gate_.end_change(*std::move(opened));
    return {};
  }

  Result<CheckpointMeta> meta() override {
    Visit visit(gate_);
    if (!visit.is_open()) {
      return closed_error();
    }
    return read_meta(visit->db());
  }

  Result<std::optional<BaseValue>> get(std::string_view id) override {
    Visit visit(gate_);
    if (!visit.is_open()) {
      return closed_error();
    }
    rocksdb::PinnableSlice found;
    auto& db = visit->db();
    const auto status =
        db.Get(rocksdb::ReadOptions(), db.DefaultColumnFamily(), slice(document_key(id)), &found);
    if (status.IsNotFound()) {
      return std::nullopt;
    }
    if (!status.ok()) {
      return std::unexpected(to_error(status, "read the base store"));
    }
    std::optional<BaseValue> value(std::in_place);
    TRY(decode_value(view(found), *value));
    return value;
  }

  Result<std::unique_ptr<BaseCursor>> cursor(std::string_view from) override {
    Visit visit(gate_);
    if (!visit.is_open()) {
      return closed_error();
    }
    std::unique_ptr<rocksdb::Iterator> iterator(visit->db().NewIterator(rocksdb::ReadOptions()));
    iterator->Seek(slice(document_key(from)));
    return std::make_unique<Cursor>(gate_, registry_, std::move(iterator));
  }

  Status ingest(CheckpointSource& source, const CheckpointMeta& meta) override {
    Visit visit(gate_);
    if (!visit.is_open()) {
      return closed_error();
    }
    if (visit->is_read_only()) {
      return fail(ErrorCode::kIo, "the base store is open for reading only; reopen it");
    }
    visit->release_deletions();
    Status outcome = make_room(*visit.operator->());
    if (outcome) {
      outcome = ingest_into(*visit.operator->(), source, meta);
    }
    if (!outcome && outcome.error().code == ErrorCode::kCorruption) {
      merges_.store(false);  // The next merge would meet the same table.  INV-STORE-16
    }
    return outcome;
  }

  Status reopen() override {
    return reopen_after([] { return Status{}; });
  }
  Status reopen_renewed() override {
    return reopen_after(
        [this] { return renew_registry(*options_.files, options_.directory, keys()); });
  }

  Result<std::vector<crypto::SealedFile>> sealed_files() override {
    // Whoever asks has accepted the state that was opened.  INV-STORE-3
    if (Visit visit(gate_); visit.is_open() && !visit->is_read_only()) {
      visit->release_deletions();
    }
    return store::sealed_files(*options_.files, options_.directory, keys());
  }

  Status renew_table(const std::string& path,
                     const std::function<Status(std::uint64_t)>& progress) override {
    const auto contents = make_sealed_contents(*options_.files, keys());
    const auto header = copy_under_new_key(*options_.files, *contents, path, progress);
    if (!header) {
      const bool is_gone = header.error().code == ErrorCode::kNotFound;
      return is_gone ? Status{} : Status(std::unexpected(header.error()));
    }
    const auto exchanged = exchange_table(*contents, path, *header);
    if (exchanged && *exchanged) {
      return options_.files->sync_directory(options_.directory);
    }
    const Status removed = options_.files->remove(renewal_path(path));
    return exchanged ? removed : Status(std::unexpected(exchanged.error()));
  }

  std::uint64_t file_bytes() const override {
    Visit visit(gate_);
    std::uint64_t size_bytes = 0;
    if (visit.is_open()) {
      (void)visit->db().GetIntProperty(rocksdb::DB::Properties::kTotalSstFilesSize, &size_bytes);
    }
    return size_bytes;
  }

  Status close() override { return close_database(); }

 private:
  const crypto::MasterKeys& keys() const {
    DB_CHECK(options_.keys != nullptr);
    return *options_.keys;
  }

  /// `meanwhile`: done while nothing is open.
  Status reopen_after(const std::function<Status()>& meanwhile) {
    auto old = gate_.begin_change();
    end_cursors();
    // What closing has to complain about is why it is reopened.
    old.reset();
    Status done = meanwhile();
    auto opened = open_database(false);
    if (!opened) {
      // Opening writes files. Where that fails, on a full disk above all, reads still work (D6).
      auto readable = RocksDatabase::open(options_, cache_, RocksDatabase::Mode::kReadOnly);
      const auto meta = readable ? read_meta((*readable)->db()) : std::unexpected(readable.error());
      const bool is_ours = meta && check_owner(options_, *meta);
      gate_.end_change(is_ours ? *std::move(readable) : nullptr);
      return std::unexpected(opened.error());
    }
    gate_.end_change(*std::move(opened));
    return done;
  }

  /// False: `path` is not what `header` was read from any more.
  Result<bool> exchange_table(FileContents& contents, const std::string& path,
                              const FileHeader& header) {
    Visit visit(gate_);
    if (!visit.is_open() || visit->is_read_only()) {
      return closed_error();
    }
    const auto is_there = [&] { return has_header(*options_.files, path, header); };
    TRY_ASSIGN(const bool exchanged,
               visit->deletions().exchange(renewal_path(path), path, is_there));
    if (exchanged) {
      // Deleted in this moment: whoever still reads it reads what there was.
      auto reader = contents.open(path);
      if (reader) {
        visit->tables().exchange(path, *std::move(reader));
      } else if (reader.error().code != ErrorCode::kNotFound) {
        return std::unexpected(reader.error());
      }
    }
    return exchanged;
  }

  static Result<CheckpointMeta> read_meta(rocksdb::DB& db) {
    std::string bytes;
    const auto status = db.Get(rocksdb::ReadOptions(), slice(meta_key()), &bytes);
    if (!status.ok()) {
      return std::unexpected(to_error(status, "read the checkpoint of the base store"));
    }
    return decode_meta(bytes);
  }

  Result<std::unique_ptr<RocksDatabase>> open_database(bool create) {
    if (!create) {
      // Asked first, because RocksDB makes directories and a lock before it looks.
      const auto current = options_.files->info(io::join_path(options_.directory, "CURRENT"));
      if (!current) {
        return std::unexpected(open_failure(current.error(), options_.directory));
      }
    }
    // A checkpoint that was not finished; nothing refers to it.
    const Status removed = options_.files->remove(ingest_path_);
    if (!removed && removed.error().code != ErrorCode::kNotFound) {
      return std::unexpected(removed.error());
    }
    using enum RocksDatabase::Mode;
    const auto existing = merges_.load() ? kExisting : kUnmerged;
    auto opened = RocksDatabase::open(options_, cache_, create ? kCreate : existing);
    if (!opened) {
      return std::unexpected(open_failure(opened.error(), options_.directory));
    }
    if (create) {
      EmptySource nothing;
      TRY(ingest_into(**opened, nothing, CheckpointMeta{}));
    }
    const auto meta = read_meta((*opened)->db());
    if (!meta) {
      return std::unexpected(open_failure(meta.error(), options_.directory));
    }
    TRY(check_owner(options_, *meta));
    return opened;
  }

  Status write_table(RocksDatabase& database, CheckpointSource& source,
                     const CheckpointMeta& meta) {
    const rocksdb::EnvOptions environment(database.options());  // Of all, bytes_per_sync.
    rocksdb::SstFileWriter writer(environment, database.options(), nullptr, false);
    auto status = writer.Open(ingest_path_);
    if (status.ok()) {
      CheckpointMeta ours = meta;
      ours.store_uuid = options_.store_uuid;
      status = writer.Put(slice(meta_key()), slice(encode_meta(ours)));
    }
    std::string id;
    std::string previous;
    std::string bytes;
    BaseValue value;
    bool first = true;
    while (status.ok() && source.next(id, value)) {
      DB_CHECK(first || previous < id);  // INV-STORE-5
      encode_value(value, bytes);
      status = writer.Put(slice(document_key(id)), slice(bytes));
      std::swap(previous, id);
      first = false;
    }
    if (status.ok()) {
      status = writer.Finish();  // Syncs the file.
    }
    if (!status.ok()) {
      return std::unexpected(to_error(status, "write a checkpoint"));
    }
    return {};
  }

  Status ingest_into(RocksDatabase& database, CheckpointSource& source,
                     const CheckpointMeta& meta) {
    Status outcome = write_table(database, source, meta);
    if (outcome) {
      outcome = read_bounds(database.options(), ingest_path_);
    }
    if (outcome) {
      rocksdb::IngestExternalFileOptions ingestion;
      ingestion.move_files = true;
      ingestion.failed_move_fall_back_to_copy = false;
      ingestion.write_global_seqno = false;  // The file is never changed after its sync.
      ingestion.allow_blocking_flush = false;
      const auto status = database.db().IngestExternalFile({ingest_path_}, ingestion);
      if (status.ok()) {
        return {};
      }
      outcome = std::unexpected(to_error(status, "ingest a checkpoint"));
    }
    // Best effort: it may hold the space that is missing, and the next open removes it anyway.
    (void)options_.files->remove(ingest_path_);
    return outcome;
  }

  Status make_room(RocksDatabase& database) {
    if (!options_.background_threads) {
      if (!database.merges() || database.waiting_files() < kFilesBeforeMerge) {
        return {};
      }
      const auto status =
          database.db().CompactRange(rocksdb::CompactRangeOptions(), nullptr, nullptr);
      if (!status.ok()) {
        return std::unexpected(to_error(status, "merge the base store"));
      }
      return {};
    }
    // Merging that stopped after an error shows as the error of the ingest: no point in waiting.
    for (int round = 0; round < kWaitRoundsMax; ++round) {
      std::uint64_t errors = 0;
      (void)database.db().GetIntProperty(rocksdb::DB::Properties::kBackgroundErrors, &errors);
      if (errors != 0 || !database.merges() || database.waiting_files() < kWaitingFilesMax) {
        break;
      }
      rocksdb::Env::Default()->SleepForMicroseconds(kWaitRoundUs);
    }
    return {};
  }

  void end_cursors() {
    const base::MutexLock lock(registry_.mutex);
    for (Cursor* cursor : registry_.cursors) {
      cursor->invalidate();
    }
  }

  Status close_database() {
    auto database = gate_.begin_change();
    end_cursors();
    Status outcome;
    if (database != nullptr) {
      outcome = database->close();
    }
    gate_.end_change(nullptr);
    return outcome;
  }

  const BaseStoreOptions options_;
  const std::string ingest_path_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  mutable DatabaseGate gate_;
  CursorRegistry registry_;
  std::atomic<bool> merges_ = true;
};

/// Empties the directory of a creation that was interrupted, and of nothing else.
Status remove_leftovers(const BaseStoreOptions& options) {
  io::FileSystem& files = *options.files;
  TRY_ASSIGN(const auto names, files.list(options.directory));
  std::uint64_t table_bytes = 0;
  bool looks_complete = false;
  for (const std::string& name : names) {
    looks_complete = looks_complete || name == "CURRENT";
    if (name.ends_with(".sst")) {
      TRY_ASSIGN(const auto info, files.info(io::join_path(options.directory, name)));
      table_bytes += info.size_bytes;
    }
  }
  bool holds_documents = table_bytes > kLeftoverTableBytesMax;
  if (looks_complete && !holds_documents) {
    BaseStoreOptions of_anybody = options;
    of_anybody.store_uuid = {};
    const auto existing = BaseStore::open(of_anybody);
    if (existing) {
      TRY_ASSIGN(const auto meta, (*existing)->meta());
      holds_documents = meta.checkpoint_seq != 0;
      TRY((*existing)->close());
    } else if (existing.error().code != ErrorCode::kBaseLost) {
      return std::unexpected(existing.error());
    }
  }
  if (holds_documents) {
    return fail(ErrorCode::kInvalidArgument,
                options.directory + " already holds documents; a new store needs an empty place");
  }
  TRY_ASSIGN(const auto rest, files.list(options.directory));
  for (const std::string& name : rest) {
    TRY(files.remove(io::join_path(options.directory, name)));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<BaseStore>> BaseStore::create(const BaseStoreOptions& options) {
  DB_CHECK(options.files != nullptr);
  TRY(options.files->create_directory(options.directory));
  TRY(remove_leftovers(options));
  TRY(options.files->sync_directory(io::parent_path(options.directory)));
  auto store = std::make_unique<RocksBaseStore>(options);
  TRY(store->start(true));
  return store;
}

Result<std::unique_ptr<BaseStore>> BaseStore::open(const BaseStoreOptions& options) {
  DB_CHECK(options.files != nullptr);
  auto store = std::make_unique<RocksBaseStore>(options);
  TRY(store->start(false));
  return store;
}

}  // namespace pluresdb::store
