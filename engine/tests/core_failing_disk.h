// A memory disk whose N-th operation fails, reads and closes included, once or from there on.
//
// Made for loops: for N = 1, 2, 3, ... until a run in which nothing failed. It also counts what is
// open, so that a loop sees what an error path forgets to close.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_memory_disk.h"
#include <pluresdb/error.h>

namespace pluresdb::testing {

/// How an operation fails.
struct FailureMode {
  enum class Effect {
    kNothing,  ///< It did not happen. A sync leaves its pages clean: a second one would lie.
    kPrefix,   ///< A write reached half of its range; nothing else fails.
    kAll,      ///< It happened, and is reported as failed.
  };
  std::string_view name;
  ErrorCode code = ErrorCode::kIo;
  int sys_errno = EIO;
  Effect effect = Effect::kNothing;
  bool lasting = false;  ///< All later ones too.

  [[nodiscard]] bool concerns(std::string_view operation) const {
    if (effect == Effect::kPrefix) {
      return operation == "write";
    }
    if (code == ErrorCode::kNoSpace) {
      return operation == "write" || operation == "create" || operation == "create_directory" ||
             operation == "allocate" || operation == "rename" || operation == "sync";
    }
    return effect == Effect::kNothing || changes(operation);
  }

 private:
  static bool changes(std::string_view operation) {
    return operation != "open" && operation != "read" && operation != "size" &&
           operation != "list" && operation != "info" && operation != "space" &&
           operation != "lock" && operation != "close";
  }
};

/// Thread: any; one operation at a time.
class FailingDisk final : public io::FileSystem {
 public:
  struct Call {
    std::string operation;
    std::string path;
    bool under_lock = false;  ///< Somebody holds a lock: an opening has come so far.
  };

  explicit FailingDisk(MemoryDisk& below) : below_(below) {}

  /// The `n`-th operation from now on that the mode concerns fails, from 1. Those on paths that
  /// contain `spared`, unless that is empty, do not count; a lasting failure does not spare them.
  void fail_from(std::uint64_t n, const FailureMode& mode, std::string_view spared = "") {
    const base::MutexLock lock(mutex_);
    mode_ = mode;
    left_ = n;
    spared_ = spared;
    fired_.clear();
    reached_ = false;
  }
  /// Sets `flag` at the `n`-th operation from now on, from 1; nothing fails.
  void tell_at(std::uint64_t n, std::atomic<bool>& flag) {
    const base::MutexLock lock(mutex_);
    left_ = n;
    told_ = &flag;
    reached_ = false;
  }
  /// Whether there was an `n`-th operation: whether a loop has to go on.
  [[nodiscard]] bool reached() const {
    const base::MutexLock lock(mutex_);
    return reached_;
  }
  /// All is well again; what has failed, in order.
  std::vector<Call> heal() {
    const base::MutexLock lock(mutex_);
    mode_.reset();
    told_ = nullptr;
    return std::exchange(fired_, {});
  }
  /// Files and locks that somebody holds.
  [[nodiscard]] std::uint64_t open_handles() const {
    const base::MutexLock lock(mutex_);
    return handles_;
  }

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override;
  Status create_directory(const std::string& path) override {
    return run("create_directory", path, [&] { return below_.create_directory(path); });
  }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return run("list", path, [&] { return below_.list(path); });
  }
  Status rename(const std::string& from, const std::string& to) override {
    return run("rename", to, [&] { return below_.rename(from, to); });
  }
  Status remove(const std::string& path) override {
    return run("remove", path, [&] { return below_.remove(path); });
  }
  Status sync_directory(const std::string& path) override {
    return run("sync_directory", path, [&] { return below_.sync_directory(path); });
  }
  Result<io::FileInfo> info(const std::string& path) override {
    return run("info", path, [&] { return below_.info(path); });
  }
  Result<io::SpaceInfo> space(const std::string& path) override {
    return run("space", path, [&] { return below_.space(path); });
  }
  Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override;
  Result<std::unique_ptr<io::FileLock>> lock_shared(const std::string& path) override;

 private:
  class OpenFile;
  class HeldLock;

  /// The mode when this call is to fail.
  std::optional<FailureMode> take(std::string_view operation, const std::string& path)
      REQUIRES(mutex_) {
    if (told_ != nullptr && left_ > 0) {
      --left_;
      reached_ = left_ == 0;
      told_->store(reached_);
    }
    if (!mode_ || !mode_->concerns(operation) || left_ == 0) {
      return std::nullopt;
    }
    if (fired_.empty() && !spared_.empty() && path.find(spared_) != std::string::npos) {
      return std::nullopt;
    }
    if (left_ > 1) {
      --left_;
      return std::nullopt;
    }
    left_ = mode_->lasting ? 1 : 0;
    reached_ = true;
    fired_.push_back({.operation = std::string(operation), .path = path, .under_lock = locks_ > 0});
    return mode_;
  }

  template <typename Operation>
  auto run(std::string_view operation, const std::string& path, const Operation& call)
      -> decltype(call()) {
    const base::MutexLock lock(mutex_);
    const auto mode = take(operation, path);
    if (!mode) {
      return call();
    }
    const Error error = error_of(*mode, operation, path);
    if (mode->effect == FailureMode::Effect::kAll) {
      if (const auto done = call(); !done) {
        fired_.pop_back();  // No failure of ours: this is the true answer.
        return std::unexpected(done.error());
      }
    } else if (operation == "sync") {
      below_.set_fault([&error](std::string_view, const std::string&) { return error; });
      (void)call();
      below_.set_fault(nullptr);
    }
    return std::unexpected(error);
  }

  static Error error_of(const FailureMode& mode, std::string_view operation,
                        const std::string& path) {
    return {.code = mode.code,
            .sys_errno = mode.sys_errno,
            .injected = true,
            .context = std::string(operation) + " " + path};
  }

  void count(int change) {
    const base::MutexLock lock(mutex_);
    handles_ += static_cast<std::uint64_t>(change);
  }
  void count_lock(int change) {
    const base::MutexLock lock(mutex_);
    handles_ += static_cast<std::uint64_t>(change);
    locks_ += static_cast<std::uint64_t>(change);
  }

  MemoryDisk& below_;
  mutable base::Mutex mutex_;
  std::optional<FailureMode> mode_ GUARDED_BY(mutex_);
  std::atomic<bool>* told_ GUARDED_BY(mutex_) = nullptr;
  std::uint64_t left_ GUARDED_BY(mutex_) = 0;
  bool reached_ GUARDED_BY(mutex_) = false;
  std::string spared_ GUARDED_BY(mutex_);
  std::uint64_t handles_ GUARDED_BY(mutex_) = 0;
  std::uint64_t locks_ GUARDED_BY(mutex_) = 0;
  std::vector<Call> fired_ GUARDED_BY(mutex_);
};

class FailingDisk::OpenFile final : public io::File {
 public:
  OpenFile(FailingDisk& disk, std::unique_ptr<io::File> next, std::string path)
      : disk_(disk), next_(std::move(next)), path_(std::move(path)) {
    disk_.count(1);
  }
  ~OpenFile() override { disk_.count(-1); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  OpenFile(OpenFile&&) = delete;
  OpenFile& operator=(OpenFile&&) = delete;

  Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) override {
    return disk_.run("read", path_, [&] { return next_->read(offset, out); });
  }
  Status write(std::uint64_t offset, base::ByteSpan data) override {
    const base::MutexLock lock(disk_.mutex_);
    const auto mode = disk_.take("write", path_);
    if (!mode) {
      return next_->write(offset, data);
    }
    if (mode->effect == FailureMode::Effect::kPrefix) {
      TRY(next_->write(offset, data.first(data.size() / 2)));
    } else if (mode->effect == FailureMode::Effect::kAll) {
      TRY(next_->write(offset, data));
    }
    return std::unexpected(error_of(*mode, "write", path_));
  }
  Status sync_data() override {
    return disk_.run("sync", path_, [&] { return next_->sync_data(); });
  }
  Status sync_all() override {
    return disk_.run("sync", path_, [&] { return next_->sync_all(); });
  }
  Status truncate(std::uint64_t size_bytes) override {
    return disk_.run("truncate", path_, [&] { return next_->truncate(size_bytes); });
  }
  Status allocate(std::uint64_t size_bytes) override {
    return disk_.run("allocate", path_, [&] { return next_->allocate(size_bytes); });
  }
  Result<std::uint64_t> size() override {
    return disk_.run("size", path_, [&] { return next_->size(); });
  }
  Status close() override {
    return disk_.run("close", path_, [&] { return next_->close(); });
  }

 private:
  FailingDisk& disk_;
  const std::unique_ptr<io::File> next_;
  const std::string path_;
};

class FailingDisk::HeldLock final : public io::FileLock {
 public:
  HeldLock(FailingDisk& disk, std::unique_ptr<io::FileLock> next)
      : disk_(disk), next_(std::move(next)) {
    disk_.count_lock(1);
  }
  ~HeldLock() override { disk_.count_lock(-1); }
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;
  HeldLock(HeldLock&&) = delete;
  HeldLock& operator=(HeldLock&&) = delete;

 private:
  FailingDisk& disk_;
  const std::unique_ptr<io::FileLock> next_;
};

inline Result<std::unique_ptr<io::File>> FailingDisk::open(const std::string& path,
                                                           io::OpenMode mode) {
  const bool creates = mode == io::OpenMode::kCreateNew || mode == io::OpenMode::kCreateOrEmpty;
  auto opened = run(creates ? "create" : "open", path, [&] { return below_.open(path, mode); });
  if (!opened) {
    return opened;
  }
  return std::make_unique<OpenFile>(*this, *std::move(opened), path);
}

inline Result<std::unique_ptr<io::FileLock>> FailingDisk::lock(const std::string& path) {
  auto held = run("lock", path, [&] { return below_.lock(path); });
  if (!held) {
    return held;
  }
  return std::make_unique<HeldLock>(*this, *std::move(held));
}

inline Result<std::unique_ptr<io::FileLock>> FailingDisk::lock_shared(const std::string& path) {
  auto held = run("lock", path, [&] { return below_.lock_shared(path); });
  if (!held) {
    return held;
  }
  return std::make_unique<HeldLock>(*this, *std::move(held));
}

}  // namespace pluresdb::testing
