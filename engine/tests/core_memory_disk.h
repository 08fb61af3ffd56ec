// A disk in memory for crash tests: what was synced is kept apart from what was only written.
//
// Model: bytes are durable after the file's sync, names after their directory's. A power loss takes
// everything else away, or leaves a seeded part of it: any set of 512-byte sectors of each file, a
// prefix or any set of the changes of each directory. After a sync that failed (set_fault) what was
// written before it is never made durable by a later sync, as Linux does it. stop_after(n) makes
// operation n and all later ones fail, as a machine does that is about to lose power.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::testing {

/// Thread: any.
class MemoryDisk final : public io::FileSystem {
 public:
  struct Node;
  static constexpr std::uint64_t kNever = ~0ULL;

  MemoryDisk();
  ~MemoryDisk() override;
  MemoryDisk(const MemoryDisk&) = delete;
  MemoryDisk& operator=(const MemoryDisk&) = delete;
  MemoryDisk(MemoryDisk&&) = delete;
  MemoryDisk& operator=(MemoryDisk&&) = delete;

  /// Counts from now on; operation `count` (from 0) and later ones fail without effect.
  void stop_after(std::uint64_t count);
  /// Operations that change something, since the last stop_after().
  [[nodiscard]] std::uint64_t operations() const;
  [[nodiscard]] bool stopped() const;
  /// Everything that uses the disk must be gone. nullopt: nothing unsynced survives; a seed: a
  /// part.
  void lose_power(std::optional<std::uint64_t> seed);
  /// A crash of the process alone: the disk works on, nothing is lost.
  void restart();
  /// A copy of the present state, unsynced parts included, without faults.
  [[nodiscard]] std::unique_ptr<MemoryDisk> clone() const;

  /// Total size; a write or allocation beyond it is refused with kNoSpace.
  void set_capacity(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t used() const;
  /// Asked before every operation that changes something ("write", "sync", "rename", ...); an
  /// error is the answer of that operation.
  using Fault =
      std::function<std::optional<Error>(std::string_view operation, const std::string& path)>;
  void set_fault(Fault fault);
  /// Asked at every sync of a file or directory, with its number as stop_after() counts; true: it
  /// succeeds and does nothing.
  using Lie = std::function<bool(std::uint64_t operation, const std::string& path)>;
  void set_lie(Lie lie);
  /// Changes one byte of a file, durably: bit rot.
  void flip_byte(const std::string& path, std::uint64_t offset);
  /// Removes a file or a whole directory, durably.
  void destroy(const std::string& path);

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override;
  Status create_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<io::FileInfo> info(const std::string& path) override;
  Result<io::SpaceInfo> space(const std::string& path) override;
  Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override;
  Result<std::unique_ptr<io::FileLock>> lock_shared(const std::string& path) override;

 private:
  friend class MemoryFile;
  friend class MemoryLock;
  friend class SharedMemoryLock;
  using NodePointer = std::shared_ptr<Node>;

  /// Counts one operation; its error when it must fail.
  Status begin(std::string_view operation, const std::string& path) REQUIRES(mutex_);
  NodePointer find(const std::string& path) const REQUIRES(mutex_);
  Result<NodePointer> parent_of(const std::string& path) const REQUIRES(mutex_);
  Status resize(Node& node, std::uint64_t bytes, const std::string& path) REQUIRES(mutex_);
  std::uint64_t used_locked() const REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  NodePointer root_ GUARDED_BY(mutex_);
  std::uint64_t operations_ GUARDED_BY(mutex_) = 0;
  std::uint64_t stop_at_ GUARDED_BY(mutex_) = kNever;
  std::uint64_t capacity_ GUARDED_BY(mutex_) = kNever;
  Fault fault_ GUARDED_BY(mutex_);
  Lie lie_ GUARDED_BY(mutex_);
};

}  // namespace pluresdb::testing
