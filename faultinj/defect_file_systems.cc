#include "faultinj/defect_file_systems.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/points.h"
#include "faultinj/root_path.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;
using pluresdb::base::ByteSpan;
using pluresdb::base::MutableByteSpan;
using pluresdb::io::File;
using pluresdb::io::FileInfo;
using pluresdb::io::FileLock;
using pluresdb::io::FileSystem;
using pluresdb::io::OpenMode;
using pluresdb::io::SpaceInfo;

constexpr std::size_t kSectorBytes = 512;
// Writes of the log between two that lose their end.
constexpr std::uint64_t kWritesPerLoss = 64;

/// Does what it is told; defects override what they spoil.
class HonestFile : public File {
 public:
  explicit HonestFile(std::unique_ptr<File> next) : next_(std::move(next)) {}

  Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out) override {
    return next_->read(offset, out);
  }
  Status write(std::uint64_t offset, ByteSpan data) override { return next_->write(offset, data); }
  Status sync_data() override { return next_->sync_data(); }
  Status sync_all() override { return next_->sync_all(); }
  Status truncate(std::uint64_t size_bytes) override { return next_->truncate(size_bytes); }
  Status allocate(std::uint64_t size_bytes) override { return next_->allocate(size_bytes); }
  Result<std::uint64_t> size() override { return next_->size(); }
  Status close() override { return next_->close(); }

 protected:
  [[nodiscard]] File& next() const { return *next_; }

 private:
  const std::unique_ptr<File> next_;
};

class HonestFileSystem : public FileSystem {
 public:
  HonestFileSystem(FileSystem& next, const std::string& root)
      : next_(next), root_(normal_path(root)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    TRY_ASSIGN(auto file, next_.open(path, mode));
    const auto name = relative_to(root_, path);
    return name ? spoil(*name, std::move(file)) : std::move(file);
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

 protected:
  /// The file that the defect makes of `file`, whose path relative to the root is `name`.
  virtual std::unique_ptr<File> spoil(const std::string& /*name*/, std::unique_ptr<File> file) {
    return file;
  }
  [[nodiscard]] bool is_inside(const std::string& path) const {
    return relative_to(root_, path).has_value();
  }

 private:
  FileSystem& next_;
  const std::string root_;
};

class DroppedDirectorySyncs : public HonestFileSystem {
 public:
  using HonestFileSystem::HonestFileSystem;
  Status sync_directory(const std::string& path) override {
    return is_inside(path) ? Status{} : HonestFileSystem::sync_directory(path);
  }
};

class LyingFile final : public HonestFile {
 public:
  using HonestFile::HonestFile;
  Status sync_data() override { return {}; }
  Status sync_all() override { return {}; }
};

class LyingSyncs final : public DroppedDirectorySyncs {
 public:
  using DroppedDirectorySyncs::DroppedDirectorySyncs;

 private:
  std::unique_ptr<File> spoil(const std::string& /*name*/, std::unique_ptr<File> file) override {
    return std::make_unique<LyingFile>(std::move(file));
  }
};

class SuffixLosingFile final : public HonestFile {
 public:
  SuffixLosingFile(std::unique_ptr<File> next, std::atomic<std::uint64_t>& writes)
      : HonestFile(std::move(next)), writes_(writes) {}

  Status write(std::uint64_t offset, ByteSpan data) override {
    const bool loses = data.size() > kSectorBytes && ++writes_ % kWritesPerLoss == 0;
    return next().write(offset, loses ? data.first(data.size() - kSectorBytes) : data);
  }

 private:
  std::atomic<std::uint64_t>& writes_;
};

class LostSuffixes final : public HonestFileSystem {
 public:
  using HonestFileSystem::HonestFileSystem;

 private:
  std::unique_ptr<File> spoil(const std::string& name, std::unique_ptr<File> file) override {
    if (classify_path(name).area != "wal") {
      return file;
    }
    return std::make_unique<SuffixLosingFile>(std::move(file), writes_);
  }

  std::atomic<std::uint64_t> writes_ = 0;
};

class TruncatingFile final : public HonestFile {
 public:
  using HonestFile::HonestFile;

  Status write(std::uint64_t offset, ByteSpan data) override {
    Status written = next().write(offset, data);
    // What fits is found by halving; nothing is right, too.
    while (!written && written.error().code == ErrorCode::kNoSpace && !data.empty()) {
      data = data.first(data.size() / 2);
      written = data.empty() ? Status{} : next().write(offset, data);
    }
    return written;
  }
  Status allocate(std::uint64_t size_bytes) override {
    Status allocated = next().allocate(size_bytes);
    return !allocated && allocated.error().code == ErrorCode::kNoSpace ? Status{} : allocated;
  }
};

class SilentTruncation final : public HonestFileSystem {
 public:
  using HonestFileSystem::HonestFileSystem;

 private:
  std::unique_ptr<File> spoil(const std::string& /*name*/, std::unique_ptr<File> file) override {
    return std::make_unique<TruncatingFile>(std::move(file));
  }
};

}  // namespace

std::unique_ptr<FileSystem> make_lying_sync_file_system(FileSystem& next, const std::string& root) {
  return std::make_unique<LyingSyncs>(next, root);
}

std::unique_ptr<FileSystem> make_dropped_directory_sync_file_system(FileSystem& next,
                                                                    const std::string& root) {
  return std::make_unique<DroppedDirectorySyncs>(next, root);
}

std::unique_ptr<FileSystem> make_lost_suffix_file_system(FileSystem& next,
                                                         const std::string& root) {
  return std::make_unique<LostSuffixes>(next, root);
}

std::unique_ptr<FileSystem> make_silent_truncation_file_system(FileSystem& next,
                                                               const std::string& root) {
  return std::make_unique<SilentTruncation>(next, root);
}

}  // namespace faultinj
