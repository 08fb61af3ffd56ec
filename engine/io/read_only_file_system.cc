#include "engine/io/read_only_file_system.h"

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::io {
namespace {

std::unexpected<Error> refuse(const char* operation, const std::string& path) {
  return fail(ErrorCode::kReadOnly,
              std::string(operation) + " " + path + ": it is looked at, not changed");
}

class ReadOnlyFile final : public File {
 public:
  ReadOnlyFile(std::unique_ptr<File> below, std::string path,
               const ReadOnlyFileSystem::ReadObserver& observer)
      : below_(std::move(below)), path_(std::move(path)), observer_(observer) {}

  Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) override {
    if (observer_) {
      TRY(observer_(out.size()));
    }
    return below_->read(offset, out);
  }
  Status write(std::uint64_t /*offset*/, base::ByteSpan /*data*/) override {
    return refuse("write", path_);
  }
  Status sync_data() override { return refuse("sync", path_); }
  Status sync_all() override { return refuse("sync", path_); }
  Status truncate(std::uint64_t /*size_bytes*/) override { return refuse("truncate", path_); }
  Status allocate(std::uint64_t /*size_bytes*/) override { return refuse("allocate", path_); }
  Result<std::uint64_t> size() override { return below_->size(); }
  Status close() override { return below_->close(); }

 private:
  std::unique_ptr<File> below_;
  std::string path_;
  const ReadOnlyFileSystem::ReadObserver& observer_;  // Of the file system, which lives longer.
};

}  // namespace

Result<std::unique_ptr<File>> ReadOnlyFileSystem::open(const std::string& path, OpenMode mode) {
  if (mode != OpenMode::kRead) {
    return refuse("open for writing", path);
  }
  TRY_ASSIGN(auto file, below_.open(path, mode));
  return std::make_unique<ReadOnlyFile>(std::move(file), path, observer_);
}

Status ReadOnlyFileSystem::create_directory(const std::string& path) {
  return refuse("create directory", path);
}

Result<std::vector<std::string>> ReadOnlyFileSystem::list(const std::string& path) {
  return below_.list(path);
}

Status ReadOnlyFileSystem::rename(const std::string& from, const std::string& /*to*/) {
  return refuse("rename", from);
}

Status ReadOnlyFileSystem::remove(const std::string& path) { return refuse("remove", path); }

Status ReadOnlyFileSystem::sync_directory(const std::string& path) {
  return refuse("sync directory", path);
}

Result<FileInfo> ReadOnlyFileSystem::info(const std::string& path) { return below_.info(path); }

Result<SpaceInfo> ReadOnlyFileSystem::space(const std::string& path) { return below_.space(path); }

Result<std::unique_ptr<FileLock>> ReadOnlyFileSystem::lock(const std::string& path) {
  return refuse("lock", path);
}

Result<std::unique_ptr<FileLock>> ReadOnlyFileSystem::lock_shared(const std::string& path) {
  return below_.lock_shared(path);
}

}  // namespace pluresdb::io
