// A disk that tells before names change, so that a test can act in the middle of an operation.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "engine/io/file_system.h"
#include "engine/tests/forwarding_file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::testing {

/// The callback may use the store, as far as the operation under way lets it.
class WatchedDisk final : public io::ForwardingFileSystem {
 public:
  using Watch = std::function<void(std::string_view operation, const std::string& path)>;
  using ForwardingFileSystem::ForwardingFileSystem;
  void set_watch(Watch watch) { watch_ = std::move(watch); }

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    tell(mode == io::OpenMode::kCreateNew ? "create" : "open", path);
    return io::ForwardingFileSystem::open(path, mode);
  }
  Status rename(const std::string& from, const std::string& to) override {
    tell("rename", from);
    return io::ForwardingFileSystem::rename(from, to);
  }
  Status remove(const std::string& path) override {
    tell("remove", path);
    return io::ForwardingFileSystem::remove(path);
  }

 private:
  void tell(std::string_view operation, const std::string& path) {
    if (watch_) {
      watch_(operation, path);
    }
  }
  Watch watch_;
};

}  // namespace pluresdb::testing
