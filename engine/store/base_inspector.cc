#include "engine/store/base_inspector.h"

#include <algorithm>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/iterator.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/status.h>
#include <rocksdb/table_properties.h>

#include "engine/base/check.h"
#include "engine/io/file_system.h"
#include "engine/store/base_store.h"
#include "engine/store/rocks_database.h"
#include "engine/store/rocks_scan.h"
#include "engine/store/rocks_status.h"
#include "engine/store/value_codec.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

/// A scan of everything must not push out what point reads need.
rocksdb::ReadOptions scan_options() {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  return options;
}

class InspectingCursor final : public BaseCursor {
 public:
  explicit InspectingCursor(std::unique_ptr<rocksdb::Iterator> iterator)
      : iterator_(std::move(iterator)) {}

  Result<bool> next(std::string& id, BaseValue& value) override {
    return next_document(iterator_.get(), started_, id, value);
  }

 private:
  std::unique_ptr<rocksdb::Iterator> iterator_;
  bool started_ = false;
};

class RocksInspector final : public BaseInspector {
 public:
  RocksInspector(std::string directory, std::unique_ptr<RocksDatabase> database)
      : directory_(std::move(directory)), database_(std::move(database)) {}

  Result<CheckpointMeta> meta() override {
    TRY_ASSIGN(const std::string bytes, meta_bytes());
    return decode_meta(bytes);
  }

  Result<std::uint32_t> format_version() override {
    TRY_ASSIGN(const std::string bytes, meta_bytes());
    return meta_version(bytes);
  }

  std::unique_ptr<BaseCursor> cursor(std::string_view from) override {
    std::unique_ptr<rocksdb::Iterator> iterator(database_->db().NewIterator(scan_options()));
    iterator->Seek(slice(document_key(from)));
    return std::make_unique<InspectingCursor>(std::move(iterator));
  }

  std::vector<TableInfo> tables() const override {
    std::vector<rocksdb::LiveFileMetaData> files;
    database_->db().GetLiveFilesMetaData(&files);
    // The MANIFEST does not know how many records an ingested table has; the table does.
    rocksdb::TablePropertiesCollection properties;
    (void)database_->db().GetPropertiesOfAllTables(&properties);
    std::map<std::string, std::uint64_t> records;
    for (const auto& [path, table] : properties) {
      records.emplace(io::base_name(path), table->num_entries);
    }
    std::vector<TableInfo> tables;
    tables.reserve(files.size());
    for (const auto& file : files) {
      const std::string name = io::base_name(file.relative_filename);
      const auto known = records.find(name);
      tables.push_back({.name = name,
                        .bytes = file.size,
                        .records = known == records.end() ? 0 : known->second});
    }
    std::ranges::sort(tables, {}, &TableInfo::name);
    return tables;
  }

  Status verify_table(const TableInfo& table) override {
    rocksdb::SstFileReader reader(database_->options());
    auto status = reader.Open(io::join_path(directory_, table.name));
    if (status.ok()) {
      status = reader.VerifyChecksum();
    }
    if (!status.ok()) {
      return std::unexpected(to_error(status, "verify a table of the base store"));
    }
    return {};
  }

 private:
  Result<std::string> meta_bytes() {
    std::string bytes;
    const auto status = database_->db().Get(rocksdb::ReadOptions(), slice(meta_key()), &bytes);
    if (!status.ok()) {
      return std::unexpected(to_error(status, "read the checkpoint of the base store"));
    }
    return bytes;
  }

  const std::string directory_;
  std::unique_ptr<RocksDatabase> database_;
};

/// What cannot be read is as good as gone; errors that may pass stay what they are.
Error unreadable(Error error, const std::string& directory) {
  const bool gone = error.code == ErrorCode::kNotFound || error.code == ErrorCode::kCorruption ||
                    error.code == ErrorCode::kInvalidArgument;
  const bool unexplained = error.code == ErrorCode::kIo && error.sys_errno == 0 && !error.injected;
  if (gone || unexplained) {
    error.code = ErrorCode::kBaseLost;
    error.context = "base store " + directory + " is missing or damaged (" + error.context + ")";
  }
  return error;
}

}  // namespace

Result<std::unique_ptr<BaseInspector>> BaseInspector::open(const BaseStoreOptions& options) {
  DB_CHECK(options.files != nullptr);
  // Asked first, because RocksDB has other words for it.
  const auto current = options.files->info(io::join_path(options.directory, "CURRENT"));
  if (!current) {
    return std::unexpected(unreadable(current.error(), options.directory));
  }
  auto opened = RocksDatabase::open(options, rocksdb::NewLRUCache(options.block_cache_bytes),
                                    RocksDatabase::Mode::kReadOnly);
  if (!opened) {
    return std::unexpected(unreadable(opened.error(), options.directory));
  }
  auto inspector = std::make_unique<RocksInspector>(options.directory, *std::move(opened));
  const auto meta = inspector->meta();
  if (!meta) {
    return std::unexpected(unreadable(meta.error(), options.directory));
  }
  TRY(check_owner(options, *meta));
  return inspector;
}

}  // namespace pluresdb::store
