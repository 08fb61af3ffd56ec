// A disk that tells before names change, so that a test can act in the middle of an operation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::testing {

/// The callback may use the store, as far as the operation under way lets it.
class WatchedDisk final : public io::FileSystem {
 public:
  using Watch = std::function<void(std::string_view operation, const std::string& path)>;
  explicit WatchedDisk(io::FileSystem& disk) : disk_(disk) {}
  void set_watch(Watch watch) { watch_ = std::move(watch); }

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    tell(mode == io::OpenMode::kCreateNew ? "create" : "open", path);
    return disk_.open(path, mode);
  }
  Status create_directory(const std::string& path) override { return disk_.create_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return disk_.list(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    tell("rename", from);
    return disk_.rename(from, to);
  }
  Status remove(const std::string& path) override {
    tell("remove", path);
    return disk_.remove(path);
  }
  Status sync_directory(const std::string& path) override { return disk_.sync_directory(path); }
  Result<io::FileInfo> info(const std::string& path) override { return disk_.info(path); }
  Result<io::SpaceInfo> space(const std::string& path) override { return disk_.space(path); }
  Result<std::unique_ptr<io::FileLock>> lock(const std::string& path) override {
    return disk_.lock(path);
  }
  Result<std::unique_ptr<io::FileLock>> lock_shared(const std::string& path) override {
    return disk_.lock_shared(path);
  }

 private:
  void tell(std::string_view operation, const std::string& path) {
    if (watch_) {
      watch_(operation, path);
    }
  }
  io::FileSystem& disk_;
  Watch watch_;
};

}  // namespace pluresdb::testing
