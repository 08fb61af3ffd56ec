// The posix file system with a call before every operation that changes something; its syncs only
// count, because a test's own directory needs no durability.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace faultinj {

class ObservedFileSystem final : public pluresdb::io::FileSystem {
 public:
  std::function<void()> before_change = [] {};
  std::atomic<std::uint64_t> file_syncs = 0, directory_syncs = 0;
  /// While set, syncs of files fail after everything was written.
  std::atomic<bool> fail_syncs = false;

  pluresdb::Result<std::unique_ptr<pluresdb::io::File>> open(const std::string& path,
                                                             pluresdb::io::OpenMode mode) override {
    if (mode == pluresdb::io::OpenMode::kCreateNew ||
        mode == pluresdb::io::OpenMode::kCreateOrEmpty) {
      before_change();
    }
    TRY_ASSIGN(auto file, next_.open(path, mode));
    return std::make_unique<ObservedFile>(*this, std::move(file));
  }
  pluresdb::Status create_directory(const std::string& path) override {
    before_change();
    return next_.create_directory(path);
  }
  pluresdb::Result<std::vector<std::string>> list(const std::string& path) override {
    return next_.list(path);
  }
  pluresdb::Status rename(const std::string& from, const std::string& to) override {
    before_change();
    return next_.rename(from, to);
  }
  pluresdb::Status remove(const std::string& path) override {
    before_change();
    return next_.remove(path);
  }
  pluresdb::Status sync_directory(const std::string& path) override {
    before_change();
    ++directory_syncs;
    TRY(next_.info(path));
    return {};
  }
  pluresdb::Result<pluresdb::io::FileInfo> info(const std::string& path) override {
    return next_.info(path);
  }
  pluresdb::Result<pluresdb::io::SpaceInfo> space(const std::string& path) override {
    return next_.space(path);
  }
  pluresdb::Result<std::unique_ptr<pluresdb::io::FileLock>> lock(const std::string& path) override {
    return next_.lock(path);
  }
  pluresdb::Result<std::unique_ptr<pluresdb::io::FileLock>> lock_shared(
      const std::string& path) override {
    return next_.lock_shared(path);
  }

 private:
  class ObservedFile final : public pluresdb::io::File {
   public:
    ObservedFile(ObservedFileSystem& files, std::unique_ptr<pluresdb::io::File> next)
        : files_(files), next_(std::move(next)) {}
    pluresdb::Result<std::size_t> read(std::uint64_t offset,
                                       pluresdb::base::MutableByteSpan out) override {
      return next_->read(offset, out);
    }
    pluresdb::Status write(std::uint64_t offset, pluresdb::base::ByteSpan data) override {
      files_.before_change();
      return next_->write(offset, data);
    }
    pluresdb::Status sync_data() override { return sync(); }
    pluresdb::Status sync_all() override { return sync(); }
    pluresdb::Status truncate(std::uint64_t size_bytes) override {
      files_.before_change();
      return next_->truncate(size_bytes);
    }
    pluresdb::Status allocate(std::uint64_t size_bytes) override {
      files_.before_change();
      return next_->allocate(size_bytes);
    }
    pluresdb::Result<std::uint64_t> size() override { return next_->size(); }
    pluresdb::Status close() override { return next_->close(); }

   private:
    pluresdb::Status sync() {
      files_.before_change();
      ++files_.file_syncs;
      if (files_.fail_syncs) {
        return pluresdb::fail(pluresdb::ErrorCode::kIo, "sync failed for the test", 5);
      }
      return {};
    }
    ObservedFileSystem& files_;
    std::unique_ptr<pluresdb::io::File> next_;
  };

  pluresdb::io::FileSystem& next_ = pluresdb::io::posix_file_system();
};

}  // namespace faultinj
