#include "engine/fuzz/memory_files.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::fuzz {
namespace {

constexpr std::uint64_t kDiskBytes = 1ULL << 40;

class OpenBytes final : public io::File {
 public:
  explicit OpenBytes(std::shared_ptr<Bytes> bytes) : bytes_(std::move(bytes)) {}

  Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) override {
    if (offset >= bytes_->size()) {
      return 0;
    }
    const auto from = base::ByteSpan(*bytes_).subspan(static_cast<std::size_t>(offset));
    const std::size_t count = std::min(from.size(), out.size());
    std::ranges::copy(from.first(count), out.begin());
    return count;
  }
  Status write(std::uint64_t offset, base::ByteSpan data) override {
    bytes_->resize(std::max<std::size_t>(bytes_->size(), offset + data.size()));
    std::ranges::copy(data, bytes_->begin() + static_cast<std::ptrdiff_t>(offset));
    return {};
  }
  Status sync_data() override { return {}; }
  Status sync_all() override { return {}; }
  Status truncate(std::uint64_t size_bytes) override {
    bytes_->resize(size_bytes);
    return {};
  }
  Status allocate(std::uint64_t size_bytes) override {
    bytes_->resize(std::max<std::size_t>(bytes_->size(), size_bytes));
    return {};
  }
  Result<std::uint64_t> size() override { return bytes_->size(); }
  Status close() override { return {}; }

 private:
  std::shared_ptr<Bytes> bytes_;
};

std::unexpected<Error> no_such_file(const std::string& path) {
  return fail(ErrorCode::kNotFound, path + " does not exist");
}

}  // namespace

void MemoryFiles::put(const std::string& path, base::ByteSpan contents) {
  files_[path] = std::make_shared<Bytes>(contents.begin(), contents.end());
}

Bytes MemoryFiles::contents(const std::string& path) const {
  const auto found = files_.find(path);
  return found == files_.end() ? Bytes{} : *found->second;
}

std::unique_ptr<io::File> MemoryFiles::open_bytes(base::ByteSpan contents) {
  return std::make_unique<OpenBytes>(std::make_shared<Bytes>(contents.begin(), contents.end()));
}

Result<std::unique_ptr<io::File>> MemoryFiles::open(const std::string& path, io::OpenMode mode) {
  auto& bytes = files_[path];
  const bool must_exist = mode == io::OpenMode::kRead || mode == io::OpenMode::kReadWrite;
  if (bytes == nullptr && must_exist) {
    files_.erase(path);
    return no_such_file(path);
  }
  if (!must_exist) {
    bytes = std::make_shared<Bytes>();
  }
  return std::make_unique<OpenBytes>(bytes);
}

Status MemoryFiles::create_directory(const std::string& /*path*/) { return {}; }

Result<std::vector<std::string>> MemoryFiles::list(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& [name, bytes] : files_) {
    if (io::parent_path(name) == path) {
      names.push_back(io::base_name(name));
    }
  }
  return names;
}

Status MemoryFiles::rename(const std::string& from, const std::string& to) {
  const auto found = files_.find(from);
  if (found == files_.end()) {
    return no_such_file(from);
  }
  auto bytes = std::move(found->second);
  files_.erase(found);
  files_[to] = std::move(bytes);
  return {};
}

Status MemoryFiles::remove(const std::string& path) {
  return files_.erase(path) > 0 ? Status{} : no_such_file(path);
}

Status MemoryFiles::sync_directory(const std::string& /*path*/) { return {}; }

Result<io::FileInfo> MemoryFiles::info(const std::string& path) {
  const auto found = files_.find(path);
  if (found == files_.end()) {
    return no_such_file(path);
  }
  const std::uint64_t bytes = found->second->size();
  return io::FileInfo{
      .kind = io::FileKind::kRegular, .size_bytes = bytes, .allocated_bytes = bytes};
}

Result<io::SpaceInfo> MemoryFiles::space(const std::string& /*path*/) {
  return io::SpaceInfo{.total_bytes = kDiskBytes, .available_bytes = kDiskBytes};
}

Result<std::unique_ptr<io::FileLock>> MemoryFiles::lock(const std::string& /*path*/) {
  return std::make_unique<io::FileLock>();
}

Result<std::unique_ptr<io::FileLock>> MemoryFiles::lock_shared(const std::string& /*path*/) {
  return std::make_unique<io::FileLock>();
}

}  // namespace pluresdb::fuzz
