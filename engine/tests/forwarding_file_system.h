// File system and file that hand every call on: a test's decorator overrides what it changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::io {

class ForwardingFile : public File {
 public:
  explicit ForwardingFile(std::unique_ptr<File> next) : next_(std::move(next)) {}

  Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) override {
    return next_->read(offset, out);
  }
  Status write(std::uint64_t offset, base::ByteSpan data) override {
    return next_->write(offset, data);
  }
  Status sync_data() override { return next_->sync_data(); }
  Status sync_all() override { return next_->sync_all(); }
  Status truncate(std::uint64_t size_bytes) override { return next_->truncate(size_bytes); }
  Status allocate(std::uint64_t size_bytes) override { return next_->allocate(size_bytes); }
  Result<std::uint64_t> size() override { return next_->size(); }
  Status close() override { return next_->close(); }

 private:
  std::unique_ptr<File> next_;
};

class ForwardingFileSystem : public FileSystem {
 public:
  explicit ForwardingFileSystem(FileSystem& next) : next_(next) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    return next_.open(path, mode);
  }
  Status create_directory(const std::string& path) override { return next_.create_directory(path); }
  Result<std::vector<std::string>> list(const std::string& path) override {
    return next_.list(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return next_.rename(from, to);
  }
  Status remove(const std::string& path) override { return next_.remove(path); }
  Status sync_directory(const std::string& path) override { return next_.sync_directory(path); }
  Result<FileInfo> info(const std::string& path) override { return next_.info(path); }
  Result<SpaceInfo> space(const std::string& path) override { return next_.space(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return next_.lock(path);
  }
  Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) override {
    return next_.lock_shared(path);
  }

 private:
  FileSystem& next_;
};

}  // namespace pluresdb::io
