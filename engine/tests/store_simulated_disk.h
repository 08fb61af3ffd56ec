// A disk in memory that knows what a power loss takes away, and that can fail any operation.
//
// Every file has live bytes and durable bytes; every name is durable only after the sync of its
// directory. power_loss() gives the disk that a machine would find after losing power right then.
// Names of directories are durable at once: only files are examined.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

class SimulatedDisk final : public io::FileSystem {
 public:
  enum class Keep {
    kNothing,     ///< Only what was synced.
    kEverything,  ///< A plain crash of the process.
    kSubset,      ///< Per file the durable, the live or a torn state; directory changes up to a
                  ///< seeded point.
  };
  enum class Fault {
    kNotDone,          ///< The operation fails and does nothing.
    kDoneButReported,  ///< It takes full effect and reports failure.
    kNoSpaceFromHere,  ///< This one and all later ones: ENOSPC, nothing done, until heal().
  };
  struct Lies {
    bool drop_directory_syncs = false;
    bool drop_table_syncs = false;
  };

  SimulatedDisk() = default;
  explicit SimulatedDisk(const Lies& lies) : lies_(lies) {}

  /// Called before each changing operation, with the disk still unchanged. Not while it runs.
  void set_observer(std::function<void()> observer) { observer_ = std::move(observer); }
  /// Fails changing operation number `ordinal` (the first is 1).
  void plan_fault(std::uint64_t ordinal, Fault fault) {
    fault_at_ = ordinal;
    fault_ = fault;
  }
  void heal() {
    const std::lock_guard lock(mutex_);
    fault_at_ = 0;
  }
  [[nodiscard]] std::uint64_t operations() const { return operations_; }
  [[nodiscard]] std::uint64_t faults_fired() const { return faults_fired_; }

  /// The most that any file has gained since its last sync.
  [[nodiscard]] std::size_t unsynced_growth() const {
    std::size_t most = 0;
    for (const auto& [path, inode] : live_names_) {
      most =
          std::max(most, inode->live.size() - std::min(inode->live.size(), inode->durable.size()));
    }
    return most;
  }

  [[nodiscard]] std::unique_ptr<SimulatedDisk> power_loss(Keep keep, std::uint64_t seed) const {
    std::mt19937_64 random(seed);
    auto after = std::make_unique<SimulatedDisk>();
    std::map<const Inode*, std::shared_ptr<Inode>> copies;
    auto names = keep == Keep::kEverything ? live_names_ : durable_names_;
    if (keep == Keep::kSubset) {
      const std::size_t survivors = random() % (pending_.size() + 1);
      for (std::size_t index = 0; index < survivors; ++index) {
        apply(pending_[index], names);
      }
    }
    for (const auto& [path, inode] : names) {
      auto& copy = copies[inode.get()];
      if (copy == nullptr) {
        copy = std::make_shared<Inode>();
        copy->live = surviving_bytes(*inode, keep, random);
        copy->durable = copy->live;
      }
      after->live_names_[path] = copy;
      after->durable_names_[path] = copy;
    }
    after->directories_ = directories_;
    return after;
  }

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    const bool creates = mode == io::OpenMode::kCreateNew || mode == io::OpenMode::kCreateOrEmpty;
    const std::unique_lock lock(mutex_);
    const auto found = live_names_.find(path);
    if (!creates) {
      if (found == live_names_.end()) {
        return fail(ErrorCode::kNotFound, "open " + path, ENOENT);
      }
      return std::make_unique<OpenFile>(*this, path, found->second);
    }
    if (mode == io::OpenMode::kCreateNew && found != live_names_.end()) {
      return fail(ErrorCode::kIo, "open " + path, EEXIST);
    }
    std::shared_ptr<Inode> inode;
    TRY(change("create", path, [&] {
      auto& entry = live_names_[path];
      if (entry == nullptr) {
        entry = std::make_shared<Inode>();
        pending_.push_back({.path = path, .inode = entry});
      }
      entry->live.clear();
      inode = entry;
    }));
    return std::make_unique<OpenFile>(*this, path, inode);
  }

  Status create_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (directories_.contains(path)) {
      return {};
    }
    return change("create directory", path, [&] { directories_.insert(path); });
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!directories_.contains(path)) {
      return fail(ErrorCode::kNotFound, "list " + path, ENOENT);
    }
    std::vector<std::string> names;
    for (const auto& [file, inode] : live_names_) {
      if (io::parent_path(file) == path) {
        names.push_back(io::base_name(file));
      }
    }
    return names;
  }

  Status rename(const std::string& from, const std::string& to) override {
    const std::lock_guard lock(mutex_);
    if (!live_names_.contains(from)) {
      return fail(ErrorCode::kNotFound, "rename " + from, ENOENT);
    }
    return change("rename", from + " to " + to, [&] {
      const Change entry{.path = to, .inode = live_names_[from], .from = from};
      apply(entry, live_names_);
      pending_.push_back(entry);
    });
  }

  Status remove(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!live_names_.contains(path)) {
      return fail(ErrorCode::kNotFound, "remove " + path, ENOENT);
    }
    return change("remove", path, [&] {
      pending_.push_back({.path = path});
      live_names_.erase(path);
    });
  }

  Status sync_directory(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    return change("sync directory", path, [&] {
      if (lies_.drop_directory_syncs) {
        return;
      }
      std::vector<Change> others;
      for (const Change& entry : pending_) {
        if (io::parent_path(entry.path) == path) {
          apply(entry, durable_names_);
        } else {
          others.push_back(entry);
        }
      }
      pending_ = std::move(others);
    });
  }

  Result<io::FileInfo> info(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (directories_.contains(path)) {
      return io::FileInfo{.kind = io::FileKind::kDirectory};
    }
    const auto found = live_names_.find(path);
    if (found == live_names_.end()) {
      return fail(ErrorCode::kNotFound, "stat " + path, ENOENT);
    }
    const std::uint64_t size_bytes = found->second->live.size();
    return io::FileInfo{
        .kind = io::FileKind::kRegular, .size_bytes = size_bytes, .allocated_bytes = size_bytes};
  }

  Result<io::SpaceInfo> space(const std::string& /*path*/) override {
    constexpr std::uint64_t kBytes = 1ULL << 40;
    return io::SpaceInfo{.total_bytes = kBytes, .available_bytes = kBytes};
  }

  Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override {
    const std::lock_guard lock(mutex_);
    if (!locked_.insert(path).second) {
      return fail(ErrorCode::kLocked, path + " is locked by pid 1");
    }
    return std::make_unique<Lock>(*this, path);
  }
  Result<std::unique_ptr<io::FileLock>> lock_shared(const std::string& path) override {
    return lock(path);  // Nobody shares here.
  }

 private:
  struct Inode {
    std::vector<std::byte> live;
    std::vector<std::byte> durable;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>>;
  /// A directory change that no sync has made durable. inode null: removed. from: renamed.
  struct Change {
    std::string path;
    std::shared_ptr<Inode> inode = nullptr;
    std::string from = {};
  };

  class OpenFile final : public io::File {
   public:
    OpenFile(SimulatedDisk& disk, std::string path, std::shared_ptr<Inode> inode)
        : disk_(disk), path_(std::move(path)), inode_(std::move(inode)) {}
    Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) override {
      const std::lock_guard lock(disk_.mutex_);
      const auto& bytes = inode_->live;
      const auto start = std::min<std::size_t>(offset, bytes.size());
      const auto count = std::min(out.size(), bytes.size() - start);
      std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(start), count, out.begin());
      return count;
    }
    Status write(std::uint64_t offset, base::ByteSpan data) override {
      const std::lock_guard lock(disk_.mutex_);
      return disk_.change("write", path_, [&] {
        auto& bytes = inode_->live;
        bytes.resize(std::max<std::size_t>(bytes.size(), offset + data.size()));
        std::ranges::copy(data, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
      });
    }
    Status sync_data() override { return sync(); }
    Status sync_all() override { return sync(); }
    Status truncate(std::uint64_t size_bytes) override {
      const std::lock_guard lock(disk_.mutex_);
      return disk_.change("truncate", path_, [&] { inode_->live.resize(size_bytes); });
    }
    Status allocate(std::uint64_t size_bytes) override {
      return truncate(std::max<std::uint64_t>(size_bytes, inode_->live.size()));
    }
    Result<std::uint64_t> size() override {
      const std::lock_guard lock(disk_.mutex_);
      return inode_->live.size();
    }
    Status close() override { return {}; }

   private:
    Status sync() {
      const std::lock_guard lock(disk_.mutex_);
      return disk_.change("sync", path_, [&] {
        if (!disk_.lies_.drop_table_syncs || !path_.ends_with(".sst")) {
          inode_->durable = inode_->live;
        }
      });
    }
    SimulatedDisk& disk_;
    const std::string path_;
    const std::shared_ptr<Inode> inode_;
  };

  class Lock final : public io::FileLock {
   public:
    Lock(SimulatedDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
    ~Lock() override {
      const std::lock_guard lock(disk_.mutex_);
      disk_.locked_.erase(path_);
    }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    Lock(Lock&&) = delete;
    Lock& operator=(Lock&&) = delete;

   private:
    SimulatedDisk& disk_;
    const std::string path_;
  };

  static void apply(const Change& entry, Names& names) {
    if (!entry.from.empty()) {
      names.erase(entry.from);
    }
    if (entry.inode != nullptr) {
      names[entry.path] = entry.inode;
    } else {
      names.erase(entry.path);
    }
  }

  static std::vector<std::byte> surviving_bytes(const Inode& inode, Keep keep,
                                                std::mt19937_64& random) {
    if (keep == Keep::kNothing) {
      return inode.durable;
    }
    if (keep == Keep::kEverything) {
      return inode.live;
    }
    constexpr std::uint64_t kChoices = 3;
    switch (random() % kChoices) {
      case 0:
        return inode.durable;
      case 1:
        return inode.live;
      default: {
        // Torn: the live bytes up to a point, then what was durable there.
        auto bytes = inode.durable;
        const std::size_t edge = random() % (inode.live.size() + 1);
        bytes.resize(std::max(bytes.size(), edge));
        std::copy_n(inode.live.begin(), edge, bytes.begin());
        return bytes;
      }
    }
  }

  /// One changing operation; mutex_ is held.
  template <typename Effect>
  Status change(const char* operation, const std::string& path, Effect effect) {
    if (observer_) {
      observer_();
    }
    ++operations_;
    const bool now =
        fault_at_ != 0 && (operations_ == fault_at_ ||
                           (fault_ == Fault::kNoSpaceFromHere && operations_ > fault_at_));
    if (!now) {
      effect();
      return {};
    }
    ++faults_fired_;
    if (fault_ == Fault::kDoneButReported) {
      effect();
    }
    const bool no_space = fault_ == Fault::kNoSpaceFromHere;
    return std::unexpected(Error{.code = no_space ? ErrorCode::kNoSpace : ErrorCode::kIo,
                                 .sys_errno = no_space ? ENOSPC : EIO,
                                 .injected = true,
                                 .context = std::string(operation) + " " + path});
  }

  std::mutex mutex_;
  Lies lies_;
  std::function<void()> observer_;
  Names live_names_;
  Names durable_names_;
  std::set<std::string> directories_;
  std::vector<Change> pending_;
  std::set<std::string> locked_;
  std::uint64_t operations_ = 0;
  std::uint64_t fault_at_ = 0;
  Fault fault_ = Fault::kNotDone;
  std::uint64_t faults_fired_ = 0;
};

}  // namespace pluresdb::store
