// One open RocksDB on the seam: its environment, its options, and the database itself.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/options.h>
#include <rocksdb/slice.h>

#include "engine/store/base_store.h"
#include "engine/store/deletion_gate.h"
#include "engine/store/open_tables.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

inline rocksdb::Slice slice(std::string_view text) { return {text.data(), text.size()}; }

class RocksDatabase {
 public:
  enum class Mode {
    kCreate,    ///< The directory exists and is empty.
    kExisting,  ///< Nothing is ever created but RocksDB's own files.
    kUnmerged,  ///< As kExisting, and tables are not merged: a merge has met one that is damaged.
    kReadOnly,  ///< Writes nothing at all; for a disk that is full. What it shows may not be
                ///< durable.
  };
  /// `cache` survives a reopen.
  static Result<std::unique_ptr<RocksDatabase>> open(const BaseStoreOptions& options,
                                                     const std::shared_ptr<rocksdb::Cache>& cache,
                                                     Mode mode);
  /// Waits for background work; sleeping work is woken.
  ~RocksDatabase();
  RocksDatabase(const RocksDatabase&) = delete;
  RocksDatabase& operator=(const RocksDatabase&) = delete;
  RocksDatabase(RocksDatabase&&) = delete;
  RocksDatabase& operator=(RocksDatabase&&) = delete;

  rocksdb::DB& db() { return *db_; }
  [[nodiscard]] const rocksdb::Options& options() const { return options_; }
  [[nodiscard]] bool is_read_only() const { return mode_ == Mode::kReadOnly; }
  [[nodiscard]] bool merges() const { return mode_ != Mode::kUnmerged; }
  /// Sorted runs that wait for a compaction.
  std::uint64_t waiting_files();
  /// Lets RocksDB delete what it does not need: the state it opened with has been accepted.
  void release_deletions() { deletions_->release(); }
  DeletionGate& deletions() { return *deletions_; }
  OpenTables& tables() { return *tables_; }
  Status close();

 private:
  class SeamEnv;
  explicit RocksDatabase(Mode mode);

  const Mode mode_;
  std::shared_ptr<DeletionGate> deletions_;
  const std::shared_ptr<OpenTables> tables_ = std::make_shared<OpenTables>();
  std::unique_ptr<SeamEnv> env_;  // Outlives db_.
  rocksdb::Options options_;
  std::unique_ptr<rocksdb::DB> db_;
};

}  // namespace pluresdb::store
