// Files in memory, without faults: what a target reads, and writes again.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::fuzz {

using Bytes = std::vector<std::byte>;

/// Every directory is there, and has one level. Thread: one.
class MemoryFiles final : public io::FileSystem {
 public:
  void put(const std::string& path, base::ByteSpan contents);
  /// Nothing: no such file.
  [[nodiscard]] Bytes contents(const std::string& path) const;
  /// The file alone, open.
  static std::unique_ptr<io::File> open_bytes(base::ByteSpan contents);

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
  std::map<std::string, std::shared_ptr<Bytes>> files_;  // Shared: open files outlive names.
};

}  // namespace pluresdb::fuzz
