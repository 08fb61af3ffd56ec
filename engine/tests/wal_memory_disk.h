// A disk in memory with the durability rules of engine/io/file_system.h: what was not synced can be
// taken away, operations can be made to fail or to be the last one before a crash.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::wal_test {

enum class DiskOperation {
  kOpen,
  kCreate,
  kRead,
  kSize,
  kWrite,
  kSync,
  kTruncate,
  kAllocate,
  kRename,
  kRemove,
  kCreateDirectory,
  kSyncDirectory,
};

/// One file's contents; outlives its name while it is open.
struct Inode {
  struct Change {
    bool is_resize = false;
    std::uint64_t offset = 0;  // Or the new size.
    std::vector<std::byte> data;
  };
  std::string path;  // The last name it had.
  std::vector<std::byte> live;
  std::vector<std::byte> durable;
  std::vector<Change> unsynced;  // Turn `durable` into `live`, unless a failed sync dropped some.
  std::uint64_t allocated_bytes = 0;
};

inline void apply_change(std::vector<std::byte>& bytes, const Inode::Change& change,
                         std::uint64_t limit) {
  if (change.is_resize) {
    bytes.resize(change.offset);
    return;
  }
  const std::uint64_t count = std::min<std::uint64_t>(limit, change.data.size());
  bytes.resize(std::max<std::uint64_t>(bytes.size(), change.offset + count));
  std::copy_n(change.data.begin(), count,
              bytes.begin() + static_cast<std::ptrdiff_t>(change.offset));
}

class MemoryDisk final : public io::FileSystem {
 public:
  using Names = std::map<std::string, std::shared_ptr<Inode>>;  // Null: a directory.
  /// Asked before every operation; an error is what the operation answers. A failed write leaves
  /// half of its bytes, a failed sync takes the unsynced bytes off the list of what can be synced.
  using Fault = std::function<std::optional<Error>(DiskOperation, const std::string& path)>;
  /// Asked before every sync of a file or directory; true: it succeeds and does nothing.
  using Lie = std::function<bool(DiskOperation, const std::string& path)>;

  MemoryDisk() {
    live_["."] = nullptr;
    durable_["."] = nullptr;
  }

  /// The `ordinal`th changing operation from now (from 0) fails, and everything after it.
  void crash_at(std::uint64_t ordinal) {
    const base::MutexLock lock(mutex_);
    crash_at_ = changes_ + ordinal;
  }
  [[nodiscard]] bool has_crashed() const {
    const base::MutexLock lock(mutex_);
    return crashed_;
  }
  /// Changing operations so far.
  [[nodiscard]] std::uint64_t change_count() const {
    const base::MutexLock lock(mutex_);
    return changes_;
  }
  /// Bytes given to writes so far.
  [[nodiscard]] std::uint64_t written_bytes() const {
    const base::MutexLock lock(mutex_);
    return written_bytes_;
  }
  void set_fault(Fault fault) {
    const base::MutexLock lock(mutex_);
    fault_ = std::move(fault);
  }
  /// Told of every operation that changes something, before it happens.
  using Observer = std::function<void(DiskOperation, const std::string& path)>;
  void set_observer(Observer observer) {
    const base::MutexLock lock(mutex_);
    observer_ = std::move(observer);
  }
  void set_lie(Lie lie) {
    const base::MutexLock lock(mutex_);
    lie_ = std::move(lie);
  }
  /// A write that a fault fails has written everything all the same.
  void let_failed_writes_be_complete() {
    const base::MutexLock lock(mutex_);
    failed_writes_are_complete_ = true;
  }
  /// Allocated bytes of all files never exceed this.
  void set_capacity(std::uint64_t bytes) {
    const base::MutexLock lock(mutex_);
    capacity_bytes_ = bytes;
  }

  /// The process died: what it had written is still there.
  void restart() {
    const base::MutexLock lock(mutex_);
    crashed_ = false;
    crash_at_.reset();
  }
  /// The machine lost power: what was not synced is gone, or, with a seed, a part of it.
  void lose_power(std::optional<std::uint64_t> seed = std::nullopt) {
    const base::MutexLock lock(mutex_);
    crashed_ = false;
    crash_at_.reset();
    std::mt19937_64 random(seed.value_or(0));
    for (const auto& [path, inode] : all_inodes()) {
      if (seed) {
        keep_some(*inode, random);
      }
      inode->live = inode->durable;
      inode->unsynced.clear();
    }
    // Of the names that changed: none, all, or any of the changes, each for itself.
    const auto dice = seed ? random() % 3 : 0;
    keep_names(dice == 0 ? 0 : dice == 1 ? ~0ULL : random());
  }
  /// The same, with no unsynced byte left and the changes of names whose bits are set in `kept`.
  void lose_power_but_keep_names(std::uint64_t kept) {
    const base::MutexLock lock(mutex_);
    crashed_ = false;
    crash_at_.reset();
    for (const auto& [path, inode] : all_inodes()) {
      inode->live = inode->durable;
      inode->unsynced.clear();
    }
    keep_names(kept);
  }
  /// Changes of names that no sync of their directory has made durable.
  [[nodiscard]] std::size_t unsynced_names() const {
    const base::MutexLock lock(mutex_);
    return name_changes_.size();
  }
  /// An independent copy.
  [[nodiscard]] std::unique_ptr<MemoryDisk> clone() const {
    const base::MutexLock lock(mutex_);
    auto copy = std::make_unique<MemoryDisk>();
    const base::MutexLock copy_lock(copy->mutex_);
    std::map<const Inode*, std::shared_ptr<Inode>> copies;
    const auto copied_inode = [&copies](const std::shared_ptr<Inode>& inode) {
      auto& target = copies[inode.get()];
      if (inode != nullptr && target == nullptr) {
        target = std::make_shared<Inode>(*inode);
      }
      return target;
    };
    const auto copied = [&copied_inode](const Names& names) {
      Names result;
      for (const auto& [path, inode] : names) {
        result[path] = copied_inode(inode);
      }
      return result;
    };
    copy->live_ = copied(live_);
    copy->durable_ = copied(durable_);
    for (const NameChange& change : name_changes_) {
      copy->name_changes_.push_back(
          {.from = change.from, .to = change.to, .inode = copied_inode(change.inode)});
    }
    copy->capacity_bytes_ = capacity_bytes_;
    return copy;
  }
  [[nodiscard]] std::vector<std::byte> contents(const std::string& path) const {
    const base::MutexLock lock(mutex_);
    return live_.at(path)->live;
  }
  /// Replaces a file behind everybody's back, durably.
  void set_contents(const std::string& path, std::vector<std::byte> bytes) {
    const base::MutexLock lock(mutex_);
    auto inode = std::make_shared<Inode>();
    inode->durable = bytes;
    inode->live = std::move(bytes);
    inode->path = path;
    inode->allocated_bytes = inode->live.size();
    live_[path] = inode;
    durable_[path] = inode;
  }
  /// Every file's live contents by path.
  [[nodiscard]] std::map<std::string, std::vector<std::byte>> files() const {
    const base::MutexLock lock(mutex_);
    std::map<std::string, std::vector<std::byte>> result;
    for (const auto& [path, inode] : live_) {
      if (inode != nullptr) {
        result[path] = inode->live;
      }
    }
    return result;
  }

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override;
  Status create_directory(const std::string& path) override {
    const base::MutexLock lock(mutex_);
    TRY(begin(DiskOperation::kCreateDirectory, path));
    change_names({.to = path});
    return {};
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    const base::MutexLock lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [name, inode] : live_) {
      if (name != path && io::parent_path(name) == path) {
        names.push_back(io::base_name(name));
      }
    }
    return names;
  }
  Status rename(const std::string& from, const std::string& to) override {
    const base::MutexLock lock(mutex_);
    TRY(begin(DiskOperation::kRename, to));
    const auto at = live_.find(from);
    if (at == live_.end()) {
      return fail(ErrorCode::kNotFound, "rename " + from, ENOENT);
    }
    at->second->path = to;
    change_names({.from = from, .to = to, .inode = at->second});
    return {};
  }
  Status remove(const std::string& path) override {
    const base::MutexLock lock(mutex_);
    TRY(begin(DiskOperation::kRemove, path));
    if (!live_.contains(path)) {
      return fail(ErrorCode::kNotFound, "remove " + path, ENOENT);
    }
    change_names({.from = path});
    return {};
  }
  Status sync_directory(const std::string& path) override {
    const base::MutexLock lock(mutex_);
    TRY(begin(DiskOperation::kSyncDirectory, path));
    if (lie_ && lie_(DiskOperation::kSyncDirectory, path)) {
      return {};
    }
    std::erase_if(durable_,
                  [&](const auto& entry) { return io::parent_path(entry.first) == path; });
    for (const auto& entry : live_) {
      if (io::parent_path(entry.first) == path) {
        durable_.insert(entry);
      }
    }
    std::erase_if(name_changes_, [&path](const NameChange& change) {
      return io::parent_path(change.to.empty() ? change.from : change.to) == path;
    });
    return {};
  }
  Result<io::FileInfo> info(const std::string& path) override {
    const base::MutexLock lock(mutex_);
    const auto at = live_.find(path);
    if (at == live_.end()) {
      return fail(ErrorCode::kNotFound, "stat " + path, ENOENT);
    }
    if (at->second == nullptr) {
      return io::FileInfo{.kind = io::FileKind::kDirectory};
    }
    return io::FileInfo{.kind = io::FileKind::kRegular,
                        .size_bytes = at->second->live.size(),
                        .allocated_bytes = at->second->allocated_bytes};
  }
  Result<io::SpaceInfo> space(const std::string&) override {
    const base::MutexLock lock(mutex_);
    return io::SpaceInfo{.total_bytes = capacity_bytes_,
                         .available_bytes = capacity_bytes_ - std::min(capacity_bytes_, used())};
  }
  Result<std::unique_ptr<io::FileLock>> lock(const std::string&) override {
    return std::make_unique<io::FileLock>();
  }
  Result<std::unique_ptr<io::FileLock>> lock_shared(const std::string&) override {
    return std::make_unique<io::FileLock>();
  }

 private:
  friend class MemoryFile;

  /// A new name, a removed one, or both at once.
  struct NameChange {
    std::string from{};
    std::string to{};
    std::shared_ptr<Inode> inode{};  // Null: a directory.
  };
  static void apply_name_change(Names& names, const NameChange& change) {
    if (!change.from.empty() && names.erase(change.from) == 0) {
      return;  // Its creation was lost.
    }
    if (!change.to.empty()) {
      names[change.to] = change.inode;
    }
  }
  void keep_names(std::uint64_t kept) REQUIRES(mutex_) {
    for (std::size_t i = 0; i < name_changes_.size(); ++i) {
      if ((kept >> (i % 64)) % 2 == 1) {
        apply_name_change(durable_, name_changes_[i]);
      }
    }
    name_changes_.clear();
    std::set<std::string> directories;
    for (const auto& [path, inode] : durable_) {
      if (inode == nullptr) {
        directories.insert(path);
      }
    }
    std::erase_if(durable_, [&directories](const auto& entry) {  // With its directory a file goes.
      return entry.first != "." && !directories.contains(io::parent_path(entry.first));
    });
    live_ = durable_;
  }
  void change_names(NameChange change) REQUIRES(mutex_) {
    apply_name_change(live_, change);
    name_changes_.push_back(std::move(change));
  }

  /// To be called first by every operation, with the lock held.
  Status begin(DiskOperation operation, const std::string& path) REQUIRES(mutex_) {
    const bool changes = operation != DiskOperation::kRead && operation != DiskOperation::kOpen &&
                         operation != DiskOperation::kSize;
    if (changes && crash_at_ && changes_ >= *crash_at_) {
      crashed_ = true;
    }
    changes_ += changes ? 1U : 0U;
    if (changes && observer_) {
      observer_(operation, path);
    }
    if (crashed_) {
      return fail(ErrorCode::kIo, "crashed before " + path, EIO);
    }
    if (fault_) {
      if (auto error = fault_(operation, path)) {
        return std::unexpected(*std::move(error));
      }
    }
    return {};
  }
  /// Every inode that still has a name, in a fixed order.
  std::map<std::string, std::shared_ptr<Inode>> all_inodes() const REQUIRES(mutex_) {
    std::map<std::string, std::shared_ptr<Inode>> result;
    for (const auto& [path, inode] : durable_) {
      if (inode != nullptr) {
        result["durable:" + path] = inode;
      }
    }
    for (const auto& [path, inode] : live_) {
      if (inode != nullptr) {
        result["live:" + path] = inode;
      }
    }
    return result;
  }
  static void keep_some(Inode& inode, std::mt19937_64& random) {
    constexpr std::uint64_t kSectorBytes = 512;
    for (const Inode::Change& change : inode.unsynced) {
      const auto dice = random() % 4;
      if (dice == 0) {
        continue;
      }
      std::uint64_t limit = change.data.size();
      if (dice == 1) {  // Torn at a sector of the file.
        const std::uint64_t sectors = (change.offset + limit) / kSectorBytes + 1;
        const std::uint64_t end = (random() % sectors) * kSectorBytes;
        limit = end > change.offset ? std::min(limit, end - change.offset) : 0;
      }
      if (change.is_resize || limit > 0) {
        apply_change(inode.durable, change, limit);
      }
    }
    inode.unsynced.clear();
  }
  std::uint64_t used() const REQUIRES(mutex_) {
    std::uint64_t bytes = 0;
    for (const auto& [path, inode] : live_) {
      bytes += inode == nullptr ? 0 : inode->allocated_bytes;
    }
    return bytes;
  }
  Status reserve(Inode& inode, std::uint64_t size_bytes, const std::string& path) REQUIRES(mutex_) {
    if (size_bytes <= inode.allocated_bytes) {
      return {};
    }
    if (used() + size_bytes - inode.allocated_bytes > capacity_bytes_) {
      return fail(ErrorCode::kNoSpace, "write " + path, ENOSPC);
    }
    inode.allocated_bytes = size_bytes;
    return {};
  }

  mutable base::Mutex mutex_;
  Names live_ GUARDED_BY(mutex_);
  Names durable_ GUARDED_BY(mutex_);
  std::vector<NameChange> name_changes_ GUARDED_BY(mutex_);  // Turn `durable_` into `live_`.
  Fault fault_ GUARDED_BY(mutex_);
  Lie lie_ GUARDED_BY(mutex_);
  Observer observer_ GUARDED_BY(mutex_);
  std::uint64_t written_bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t changes_ GUARDED_BY(mutex_) = 0;
  std::optional<std::uint64_t> crash_at_ GUARDED_BY(mutex_);
  bool crashed_ GUARDED_BY(mutex_) = false;
  std::uint64_t capacity_bytes_ GUARDED_BY(mutex_) = ~0ULL;
  bool failed_writes_are_complete_ GUARDED_BY(mutex_) = false;
};

class MemoryFile final : public io::File {
 public:
  MemoryFile(MemoryDisk& disk, std::shared_ptr<Inode> inode)
      : disk_(disk), inode_(std::move(inode)) {}

  Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) override {
    const base::MutexLock lock(disk_.mutex_);
    TRY(disk_.begin(DiskOperation::kRead, inode_->path));
    if (offset >= inode_->live.size()) {
      return 0;
    }
    const std::size_t count = std::min<std::size_t>(out.size(), inode_->live.size() - offset);
    std::copy_n(inode_->live.begin() + static_cast<std::ptrdiff_t>(offset), count, out.begin());
    return count;
  }
  Status write(std::uint64_t offset, base::ByteSpan data) override {
    const base::MutexLock lock(disk_.mutex_);
    Status begun = disk_.begin(DiskOperation::kWrite, inode_->path);
    disk_.written_bytes_ += data.size();
    if (begun) {
      begun = disk_.reserve(*inode_, offset + data.size(), inode_->path);
    }
    if (!begun) {
      const bool died_before = disk_.crashed_ && disk_.changes_ - 1 != disk_.crash_at_;
      const std::size_t kept = disk_.failed_writes_are_complete_ ? data.size() : data.size() / 2;
      data = data.first(died_before ? 0 : kept);
    }
    if (!data.empty()) {
      change({.offset = offset, .data = {data.begin(), data.end()}});
    }
    return begun;
  }
  Status sync_data() override {
    const base::MutexLock lock(disk_.mutex_);
    Status begun = disk_.begin(DiskOperation::kSync, inode_->path);
    if (!begun) {
      if (!disk_.crashed_) {
        inode_->unsynced.clear();  // Marked clean in the cache, not on disk.
      }
      return begun;
    }
    if (disk_.lie_ && disk_.lie_(DiskOperation::kSync, inode_->path)) {
      return {};
    }
    for (const Inode::Change& change : inode_->unsynced) {
      apply_change(inode_->durable, change, change.data.size());
    }
    inode_->unsynced.clear();
    return {};
  }
  Status sync_all() override { return sync_data(); }
  Status truncate(std::uint64_t size_bytes) override {
    const base::MutexLock lock(disk_.mutex_);
    TRY(disk_.begin(DiskOperation::kTruncate, inode_->path));
    change({.is_resize = true, .offset = size_bytes, .data = {}});
    inode_->allocated_bytes = size_bytes;
    return {};
  }
  Status allocate(std::uint64_t size_bytes) override {
    const base::MutexLock lock(disk_.mutex_);
    TRY(disk_.begin(DiskOperation::kAllocate, inode_->path));
    TRY(disk_.reserve(*inode_, size_bytes, inode_->path));
    if (size_bytes > inode_->live.size()) {
      change({.is_resize = true, .offset = size_bytes, .data = {}});
    }
    return {};
  }
  Result<std::uint64_t> size() override {
    const base::MutexLock lock(disk_.mutex_);
    TRY(disk_.begin(DiskOperation::kSize, inode_->path));
    return inode_->live.size();
  }
  Status close() override { return {}; }

 private:
  void change(Inode::Change change) {
    apply_change(inode_->live, change, change.data.size());
    inode_->unsynced.push_back(std::move(change));
  }

  MemoryDisk& disk_;
  std::shared_ptr<Inode> inode_;  // Shared with the names of the file.
};

inline Result<std::unique_ptr<io::File>> MemoryDisk::open(const std::string& path,
                                                          io::OpenMode mode) {
  const base::MutexLock lock(mutex_);
  const auto at = live_.find(path);
  const bool creates = mode == io::OpenMode::kCreateNew || mode == io::OpenMode::kCreateOrEmpty;
  TRY(begin(creates ? DiskOperation::kCreate : DiskOperation::kOpen, path));
  if (at == live_.end() && !creates) {
    return fail(ErrorCode::kNotFound, "open " + path, ENOENT);
  }
  if (at != live_.end() && mode == io::OpenMode::kCreateNew) {
    return fail(ErrorCode::kIo, "open " + path, EEXIST);
  }
  if (at == live_.end() || mode == io::OpenMode::kCreateOrEmpty) {
    auto inode = std::make_shared<Inode>();
    inode->path = path;
    change_names({.to = path, .inode = std::move(inode)});
  }
  return std::make_unique<MemoryFile>(*this, live_[path]);
}

}  // namespace pluresdb::wal_test
