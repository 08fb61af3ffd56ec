// Options of a store. At most 15 fields; a new one needs a decision record.
#pragma once

#include <chrono>
#include <cstdint>

namespace pluresdb {

namespace io {
class FileSystem;
}
class Clock;
class StoreSecret;

/// What an acknowledged write survives. docs/DURABILITY.md states each promise and its test.
enum class Durability {
  kNone,  ///< Process death: usually. Power loss: may lose a suffix. For tests and caches.
  kWal,   ///< Power loss: everything acknowledged. One fdatasync per group. The default.
  kFull,  ///< As kWal, and small documents also survive the loss of every WAL segment.
};

/// When the store writes a checkpoint by itself; whichever comes first. Zero switches one off.
struct CheckpointPolicy {
  std::uint64_t wal_bytes = 256ULL << 20;
  std::uint64_t operations = 1'000'000;
  std::chrono::milliseconds interval = std::chrono::minutes(5);
};

/// What a store takes per second; zero: no limit. A write beyond it is refused (kRateLimited), none
/// waits. One second's worth may come at once, and a write that is larger than that passes when
/// nothing is owed.
struct WriteRateLimit {
  std::uint64_t actor_operations_per_second = 0;  ///< Of each actor.
  std::uint64_t actor_bytes_per_second = 0;       ///< Of its ids and JSON texts.
  std::uint64_t operations_per_second = 0;        ///< Of all together.
  std::uint64_t bytes_per_second = 0;
};

struct EngineOptions {
  Durability durability = Durability::kWal;
  std::uint64_t segment_bytes = 64ULL << 20;  ///< 64 KiB .. 4 GiB; a larger group extends its file.
  std::uint64_t large_value_bytes = 16ULL << 10;  ///< Values from this size stay in the WAL (D7a).
  std::uint64_t value_bytes_max = 64ULL << 20;    ///< A larger JSON text is refused.
  std::uint64_t dirty_bytes_max = 128ULL << 20;   ///< Table of not yet checkpointed documents.
  std::uint64_t block_cache_bytes = 32ULL << 20;
  CheckpointPolicy checkpoint;
  WriteRateLimit rate_limit;    ///< Of Engine::put and erase; a log used alone has none.
  bool compress_sealed = true;  ///< Large values of checkpointed segments (zstd, background).
  bool create_if_missing = true;
  /// Network and FUSE file systems are refused (kInvalidArgument): their locks need not exclude
  /// other machines, their syncs need not mean anything. true: the caller knows that these do.
  bool allow_shared_file_system = false;
  bool background_threads = true;  ///< false: checkpoints, compaction only when called (tests).
  /// Of an encrypted store, or of one that is to be created encrypted (keyring.h). Null: the store
  /// is plain. Where store and secret do not fit nothing is opened: kKeyUnavailable. Not owned, not
  /// used after opening.
  const StoreSecret* secret = nullptr;
  io::FileSystem* file_system = nullptr;  ///< Not owned; null: the real one.
  Clock* clock = nullptr;                 ///< Not owned; null: the system's.
};

}  // namespace pluresdb
