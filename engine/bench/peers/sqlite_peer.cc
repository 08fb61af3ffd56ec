// SQLite in WAL mode with synchronous=FULL: one connection, because writers of several connections
// only wait for each other's locks.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "engine/base/mutex.h"
#include "engine/bench/peers/group_commit.h"
#include "engine/bench/peers/peer.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

struct CloseDatabase {
  void operator()(sqlite3* database) const { (void)sqlite3_close_v2(database); }
};
struct FinalizeStatement {
  void operator()(sqlite3_stmt* statement) const { (void)sqlite3_finalize(statement); }
};
using Database = std::unique_ptr<sqlite3, CloseDatabase>;
using Statement = std::unique_ptr<sqlite3_stmt, FinalizeStatement>;

class SqlitePeer final : public Peer {
 public:
  explicit SqlitePeer(bool batches)
      : batches_(batches),
        group_commit_([this](std::span<const KeyValue> pairs) { return put_many(pairs); }) {}

  Status open(const PeerSettings& settings);

  Status put(unsigned /*writer*/, const KeyValue& pair) override {
    if (batches_) {
      return group_commit_.put(pair);
    }
    const base::MutexLock lock(mutex_);  // Held across the sync: SQLite would do the same.
    return insert(pair);
  }
  Status put_many(std::span<const KeyValue> pairs) override {
    if (fills_ && !is_buffered_) {
      TRY(execute("PRAGMA synchronous=OFF"));
      is_buffered_ = true;
    }
    return insert_all(pairs);
  }
  /// A commit with synchronous=FULL syncs the log, and all before it.
  Status sync() override {
    if (!is_buffered_) {
      return {};
    }
    TRY(execute("PRAGMA synchronous=FULL"));
    is_buffered_ = false;
    return insert({.key = "synced", .value = "true"});
  }

  Result<std::uint64_t> verify(std::span<const KeyValue> samples) override {
    return verify_by_key(
        samples, [this](std::string_view key, std::string& found) { return select(key, found); });
  }
  Status checkpoint() override { return execute("PRAGMA wal_checkpoint(TRUNCATE)"); }
  Status close() override {
    for (Statement* statement : {&insert_, &select_, &begin_, &commit_, &rollback_}) {
      statement->reset();
    }
    return sqlite3_close(database_.release()) == SQLITE_OK
               ? Status{}
               : Status(fail(ErrorCode::kIo, "sqlite: close"));
  }

 private:
  [[nodiscard]] std::unexpected<Error> error(std::string_view what) const {
    return fail(ErrorCode::kIo,
                fmt::format("sqlite: {}: {}", what, sqlite3_errmsg(database_.get())));
  }
  Status execute(const std::string& sql) {
    if (sqlite3_exec(database_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
      return error(sql);
    }
    return {};
  }
  Result<Statement> prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(database_.get(), sql.data(), static_cast<int>(sql.size()),
                           SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
      return error(sql);
    }
    return Statement(statement);
  }
  Status bind(sqlite3_stmt& statement, int index, std::string_view text) {
    if (sqlite3_bind_text64(&statement, index, text.data(), text.size(), SQLITE_STATIC,
                            SQLITE_UTF8) != SQLITE_OK) {
      return error("bind");
    }
    return {};
  }
  Status step(sqlite3_stmt& statement) {
    const int done = sqlite3_step(&statement);
    if (done != SQLITE_DONE || sqlite3_reset(&statement) != SQLITE_OK) {
      return error("step");
    }
    return {};
  }
  Status insert(const KeyValue& pair) {
    TRY(bind(*insert_, 1, pair.key));
    TRY(bind(*insert_, 2, pair.value));
    return step(*insert_);
  }
  Status insert_all(std::span<const KeyValue> pairs) {
    if (pairs.size() == 1) {
      return insert(pairs.front());
    }
    TRY(step(*begin_));
    for (const KeyValue& pair : pairs) {
      if (Status inserted = insert(pair); !inserted) {
        (void)step(*rollback_);
        return inserted;
      }
    }
    return step(*commit_);
  }
  Result<bool> select(std::string_view key, std::string& found) {
    TRY(bind(*select_, 1, key));
    const int row = sqlite3_step(select_.get());
    if (row == SQLITE_ROW) {
      const void* text = sqlite3_column_blob(select_.get(), 0);
      found.assign(static_cast<const char*>(text),
                   static_cast<std::size_t>(sqlite3_column_bytes(select_.get(), 0)));
    }
    if (sqlite3_reset(select_.get()) != SQLITE_OK || (row != SQLITE_ROW && row != SQLITE_DONE)) {
      return error("select");
    }
    return row == SQLITE_ROW;
  }

  const bool batches_;
  bool fills_ = false;
  bool is_buffered_ = false;
  GroupCommit group_commit_;
  base::Mutex mutex_;  // One transaction at a time; without batches.
  // Declared before the statements, which must be gone first.
  Database database_;
  Statement insert_, select_, begin_, commit_, rollback_;
};

Status SqlitePeer::open(const PeerSettings& settings) {
  // SQLite's own advice: WITHOUT ROWID while a row is a small part of a page, larger pages for
  // large values. Its log is overwritten in place after a checkpoint, so it is made large.
  constexpr std::size_t kSmallRowBytes = 1024;
  constexpr std::size_t kLargeValueBytes = 64ULL << 10;
  constexpr int kCheckpointBytes = 64 << 20;
  fills_ = settings.keeps_log_whole;
  const int page_bytes = settings.value_bytes >= kLargeValueBytes ? 16384 : 4096;
  const int checkpoint_pages = settings.keeps_log_whole ? 0 : kCheckpointBytes / page_bytes;
  sqlite3* opened = nullptr;
  const std::string path = settings.directory + "/store.sqlite";
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
  const int status = sqlite3_open_v2(path.c_str(), &opened, flags, nullptr);
  database_.reset(opened);
  if (status != SQLITE_OK) {
    return error("open");
  }
  TRY(
      execute(fmt::format("PRAGMA page_size={}; PRAGMA locking_mode=EXCLUSIVE; "
                          "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; "
                          "PRAGMA wal_autocheckpoint={}; PRAGMA cache_size=-32768; "
                          "PRAGMA temp_store=MEMORY",
                          page_bytes, checkpoint_pages)));
  TRY(execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS documents(id TEXT PRIMARY KEY NOT NULL, json TEXT NOT NULL){}",
      settings.value_bytes < kSmallRowBytes ? " WITHOUT ROWID" : "")));
  TRY_ASSIGN(insert_, prepare("INSERT OR REPLACE INTO documents(id, json) VALUES(?1, ?2)"));
  TRY_ASSIGN(select_, prepare("SELECT json FROM documents WHERE id = ?1"));
  TRY_ASSIGN(begin_, prepare("BEGIN IMMEDIATE"));
  TRY_ASSIGN(commit_, prepare("COMMIT"));
  TRY_ASSIGN(rollback_, prepare("ROLLBACK"));
  return {};
}

Result<std::unique_ptr<Peer>> open_connection(const PeerSettings& settings, bool batches) {
  auto peer = std::make_unique<SqlitePeer>(batches);
  TRY(peer->open(settings));
  return peer;
}

}  // namespace

Result<std::unique_ptr<Peer>> open_sqlite(const PeerSettings& settings) {
  return open_connection(settings, false);
}

Result<std::unique_ptr<Peer>> open_sqlite_batched(const PeerSettings& settings) {
  return open_connection(settings, true);
}

}  // namespace pluresdb::bench
