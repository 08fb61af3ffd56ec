// The base store: what checkpoints have made durable, by document id. RocksDB with its own WAL off,
// running on the seam; nothing of RocksDB shows in this header.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/crypto/master_keys.h"
#include "engine/crypto/sealed_file.h"
#include "engine/io/file_system.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::store {

enum class ValueKind : std::uint8_t {
  kInline = 1,     ///< The JSON is here.
  kInLog = 2,      ///< {seq, length, crc}: the JSON is in the WAL segment that acknowledged it.
  kTombstone = 3,  ///< Deleted; kept for merging.
};

struct BaseValue {
  ValueKind kind = ValueKind::kInline;
  Stamp stamp = {};
  Seq seq = 0;
  std::string json = {};          ///< kInline.
  std::uint64_t value_bytes = 0;  ///< kInLog.
  std::uint32_t value_crc = 0;    ///< kInLog.
  friend bool operator==(const BaseValue&, const BaseValue&) = default;
};

/// Stored in the same ingested file as the data it describes: one atomic step.
struct CheckpointMeta {
  Seq checkpoint_seq = 0;
  Seq previous_checkpoint_seq = 0;  ///< WAL since this one is kept.
  Hlc hlc_floor = 0;
  std::uint64_t tombstones = 0;  ///< Estimate.
  std::map<std::string, std::uint64_t> version_vector =
      {};  ///< actor -> highest actor_seq applied.
  /// Set by the base store, from its options. All zero: not known (format version 1).
  std::array<std::byte, 16> store_uuid{};
  friend bool operator==(const CheckpointMeta&, const CheckpointMeta&) = default;
};

struct BaseStoreOptions {
  std::string directory;
  /// Goes into every checkpoint; a base store of another store is kBaseLost. All zero: unchecked.
  std::array<std::byte, 16> store_uuid{};
  std::uint64_t block_cache_bytes = 32ULL << 20;
  io::FileSystem* files = nullptr;  ///< Never null.
  /// Outlives the store. Null: the files are plain; encrypted ones are then kKeyUnavailable.
  const crypto::MasterKeys* keys = nullptr;
  bool background_threads = true;  ///< false: one background job, no automatic compaction.
};

/// Gives the sorted input of a checkpoint: strictly ascending ids.
class CheckpointSource {
 public:
  virtual ~CheckpointSource() = default;
  /// False at the end.
  virtual bool next(std::string& id, BaseValue& value) = 0;
};

/// Walks ids in byte order from a snapshot. Tombstones included.
class BaseCursor {
 public:
  virtual ~BaseCursor() = default;
  /// False at the end.
  virtual Result<bool> next(std::string& id, BaseValue& value) = 0;
  /// True: the store was reopened, and next() is refused for that. Another cursor goes on.
  [[nodiscard]] virtual bool is_cut_off() const { return false; }
};

class BaseStore {
 public:
  /// Creates a new, empty one; removes leftovers of an interrupted creation first.
  static Result<std::unique_ptr<BaseStore>> create(const BaseStoreOptions& options);
  /// Opens an existing one; never creates. kBaseLost when it is missing or unreadable, or plain and
  /// there are keys. kKeyUnavailable when there is no key for it.
  static Result<std::unique_ptr<BaseStore>> open(const BaseStoreOptions& options);
  virtual ~BaseStore() = default;

  /// Zero-valued before the first checkpoint.
  virtual Result<CheckpointMeta> meta() = 0;
  virtual Result<std::optional<BaseValue>> get(std::string_view id) = 0;
  /// First id >= `from`.
  virtual Result<std::unique_ptr<BaseCursor>> cursor(std::string_view from) = 0;
  /// Writes `source` and `meta` as one SST and ingests it: durable and atomic when it returns.
  /// After an error call reopen() and trust only meta(). kCorruption: merging has met a damaged
  /// table; after the reopen() nothing is merged until close(), so that checkpoints go on. Thread:
  /// one at a time; reads go on meanwhile.
  virtual Status ingest(CheckpointSource& source, const CheckpointMeta& meta) = 0;
  /// Closes and opens again after an I/O error. Blocks reads while it runs. On failure the store is
  /// left open for reading when that is possible (a full disk); get() and cursor() then work,
  /// meta() is not to be trusted, and ingest() needs another reopen().
  virtual Status reopen() = 0;

  /// The files of an encrypted store, and which master keys they are under. Thread: any.
  virtual Result<std::vector<crypto::SealedFile>> sealed_files() = 0;
  /// Puts table `path` under a new data key; its contents stay, and so do readers. One that is gone
  /// meanwhile is none to be renewed. `progress`: told of plain bytes, about once per MiB; an error
  /// ends it. Takes the space of this one table. An error leaves the table as it was, or renewed.
  /// Thread: one at a time; everything else goes on.
  virtual Status renew_table(const std::string& path,
                             const std::function<Status(std::uint64_t)>& progress) = 0;
  /// reopen(); while the store is closed every file that is no table and not under the newest
  /// master key gets a new data key. Cursors that exist are cut off.
  virtual Status reopen_renewed() = 0;
  /// Bytes of its files.
  virtual std::uint64_t file_bytes() const = 0;
  virtual Status close() = 0;
};

}  // namespace pluresdb::store
