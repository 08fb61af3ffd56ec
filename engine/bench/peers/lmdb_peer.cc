// LMDB with its default, synchronous commits.
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <lmdb.h>

#include "engine/bench/peers/group_commit.h"
#include "engine/bench/peers/peer.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

/// Address space only: the file grows as it is used.
constexpr std::size_t kMapBytes = 64ULL << 30;
constexpr mdb_mode_t kFileMode = 0600;

struct CloseEnvironment {
  void operator()(MDB_env* environment) const { mdb_env_close(environment); }
};
struct AbortTransaction {
  void operator()(MDB_txn* transaction) const { mdb_txn_abort(transaction); }
};
using Environment = std::unique_ptr<MDB_env, CloseEnvironment>;
using Transaction = std::unique_ptr<MDB_txn, AbortTransaction>;

Status status_of(const char* operation, int code) {
  if (code == MDB_SUCCESS) {
    return {};
  }
  return fail(ErrorCode::kIo, std::string("lmdb: ") + operation + ": " + mdb_strerror(code));
}

/// LMDB's API is not const; it does not write through these.
MDB_val value_of(std::string_view text) { return {text.size(), const_cast<char*>(text.data())}; }

class LmdbPeer final : public Peer {
 public:
  explicit LmdbPeer(bool batches)
      : batches_(batches),
        group_commit_([this](std::span<const KeyValue> pairs) { return put_many(pairs); }) {}

  Status open(const PeerSettings& settings) {
    MDB_env* created = nullptr;
    TRY(status_of("create", mdb_env_create(&created)));
    environment_.reset(created);
    TRY(status_of("map size", mdb_env_set_mapsize(created, kMapBytes)));
    const std::string path = settings.directory + "/store.lmdb";
    TRY(status_of("open",
                  mdb_env_open(created, path.c_str(), MDB_NOSUBDIR | MDB_NORDAHEAD, kFileMode)));
    TRY_ASSIGN(Transaction transaction, begin(0));
    TRY(status_of("open table", mdb_dbi_open(transaction.get(), nullptr, 0, &table_)));
    return commit(std::move(transaction));
  }

  Status put(unsigned /*writer*/, const KeyValue& pair) override {
    return batches_ ? group_commit_.put(pair) : put_many(std::span(&pair, 1));
  }
  /// Writers wait for LMDB's own lock.
  Status put_many(std::span<const KeyValue> pairs) override {
    TRY_ASSIGN(Transaction transaction, begin(0));
    for (const KeyValue& pair : pairs) {
      MDB_val key = value_of(pair.key);
      MDB_val value = value_of(pair.value);
      TRY(status_of("put", mdb_put(transaction.get(), table_, &key, &value, 0)));
    }
    return commit(std::move(transaction));
  }
  Status sync() override { return {}; }  // Each commit was one.

  Result<std::uint64_t> verify(std::span<const KeyValue> samples) override {
    TRY_ASSIGN(const Transaction transaction, begin(MDB_RDONLY));
    return verify_by_key(samples, [&](std::string_view text, std::string& found) -> Result<bool> {
      MDB_val key = value_of(text);
      MDB_val value{};
      const int code = mdb_get(transaction.get(), table_, &key, &value);
      if (code == MDB_NOTFOUND) {
        return false;
      }
      TRY(status_of("get", code));
      found.assign(static_cast<const char*>(value.mv_data), value.mv_size);
      return true;
    });
  }
  Status close() override {
    environment_.reset();
    return {};
  }

 private:
  Result<Transaction> begin(unsigned flags) {
    MDB_txn* begun = nullptr;
    TRY(status_of("begin", mdb_txn_begin(environment_.get(), nullptr, flags, &begun)));
    return Transaction(begun);
  }
  static Status commit(Transaction transaction) {
    return status_of("commit", mdb_txn_commit(transaction.release()));  // Frees it either way.
  }

  const bool batches_;
  GroupCommit group_commit_;
  Environment environment_;
  MDB_dbi table_ = 0;
};

Result<std::unique_ptr<Peer>> open_one(const PeerSettings& settings, bool batches) {
  auto peer = std::make_unique<LmdbPeer>(batches);
  TRY(peer->open(settings));
  return peer;
}

}  // namespace

Result<std::unique_ptr<Peer>> open_lmdb(const PeerSettings& settings) {
  return open_one(settings, false);
}

Result<std::unique_ptr<Peer>> open_lmdb_batched(const PeerSettings& settings) {
  return open_one(settings, true);
}

}  // namespace pluresdb::bench
