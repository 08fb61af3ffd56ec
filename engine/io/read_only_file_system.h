// A view of another file system that refuses every operation that would change anything, so that a
// tool can look at a store with the engine's own code and provably leave it as it is.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::io {

/// Changing calls fail with kReadOnly and do not reach `below`; so does lock(), which writes a pid:
/// take lock_shared(). Thread: any. Outlives its files.
class ReadOnlyFileSystem final : public FileSystem {
 public:
  /// Called with the bytes that a read is about to ask for; its error is the answer of that read.
  /// Called by whoever reads, by several threads at once: a log is read by as many as there are.
  using ReadObserver = std::function<Status(std::uint64_t bytes)>;
  /// `below` is not owned. `observer`: may be empty.
  explicit ReadOnlyFileSystem(FileSystem& below, ReadObserver observer = {})
      : below_(below), observer_(std::move(observer)) {}

  /// Only OpenMode::kRead; the file refuses to be changed too.
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status create_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<SpaceInfo> space(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) override;

 private:
  FileSystem& below_;
  const ReadObserver observer_;
};

}  // namespace pluresdb::io
