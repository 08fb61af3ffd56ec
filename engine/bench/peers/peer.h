// One store that is measured, behind what all of them can do; one file per store implements it.
//
// A put that returned is durable: it survives power loss. Everything else is the store's own
// choice, tuned as somebody who knows it would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/bench/submitted_puts.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {

struct KeyValue {
  std::string_view key;
  std::string_view value;  ///< JSON text.
};

struct PeerSettings {
  std::string directory;         ///< Exists; empty, or what an earlier open left there.
  std::size_t value_bytes = 0;   ///< Size of every value: some stores are tuned by it.
  bool keeps_log_whole = false;  ///< Nothing is flushed or checkpointed: recovery has all to do.
};

class Peer {
 public:
  virtual ~Peer() = default;
  /// Durable when it returns. `writer`: 0, 1, ...; one thread each. Thread: any.
  virtual Status put(unsigned writer, const KeyValue& pair) = 0;
  /// Returns before it is durable; `done` is told when it is, and not after an error here. `pair`
  /// is copied. Only for kinds that submit. Thread: as put().
  virtual Status submit(unsigned /*writer*/, const KeyValue& /*pair*/, PutDone& /*done*/) {
    return fail(ErrorCode::kInvalidArgument, "this store has no asynchronous put");
  }
  /// Writes many as fast as the store can, durable after sync(). One thread, no puts beside it.
  virtual Status put_many(std::span<const KeyValue> pairs) = 0;
  virtual Status sync() = 0;
  /// Reads samples back and compares; returns how many could be. kCorruption when one differs.
  virtual Result<std::uint64_t> verify(std::span<const KeyValue> samples) = 0;
  /// Moves what only the log holds to where the store keeps it for good.
  virtual Status checkpoint() { return {}; }
  virtual Status close() = 0;
};

enum class PeerRole { kOurs, kPeer, kDevice };

struct PeerKind {
  std::string_view name;
  std::string_view what;  ///< One line for people.
  PeerRole role = PeerRole::kPeer;
  unsigned writers_max = 64;
  bool submits = false;  ///< Measured by submit(), with many under way per writer.
  /// A killed process leaves a log to replay; false also where another peer has the same files.
  bool is_recovered = true;
  Result<std::unique_ptr<Peer>> (*open)(const PeerSettings&) = nullptr;
};

/// All of them, in the order of the tables.
std::span<const PeerKind> peer_kinds();

Result<std::unique_ptr<Peer>> open_pluresdb(const PeerSettings& settings);
Result<std::unique_ptr<Peer>> open_pluresdb_log(const PeerSettings& settings);
Result<std::unique_ptr<Peer>> open_pluresdb_encrypted(const PeerSettings& settings);
Result<std::unique_ptr<Peer>> open_rocksdb(const PeerSettings& settings);
Result<std::unique_ptr<Peer>> open_leveldb(const PeerSettings& settings);
Result<std::unique_ptr<Peer>> open_sqlite(const PeerSettings& settings);
Result<std::unique_ptr<Peer>> open_sqlite_batched(const PeerSettings& settings);
Result<std::unique_ptr<Peer>> open_lmdb(const PeerSettings& settings);
Result<std::unique_ptr<Peer>> open_lmdb_batched(const PeerSettings& settings);
Result<std::unique_ptr<Peer>> open_bare_device(const PeerSettings& settings);

/// Shared by peers with an index: `get` fills a string and returns whether the key was there.
template <typename Get>
Result<std::uint64_t> verify_by_key(std::span<const KeyValue> samples, const Get& get) {
  std::string found;
  for (const KeyValue& sample : samples) {
    TRY_ASSIGN(const bool is_there, get(sample.key, found));
    if (!is_there) {
      return fail(ErrorCode::kCorruption,
                  std::string(sample.key) + " was acknowledged and is gone");
    }
    if (found != sample.value) {
      return fail(ErrorCode::kCorruption, std::string(sample.key) + " is not what was written");
    }
  }
  return samples.size();
}

}  // namespace pluresdb::bench
