// A base store without encryption, whose files are what was appended to them; and what has nothing
// to do with the contents.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/store/file_contents.h"
#include "engine/store/sealed_format.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

class PlainAppender final : public FileAppender {
 public:
  explicit PlainAppender(std::unique_ptr<io::File> file) : file_(std::move(file)) {}

  Status append(base::ByteSpan plain) override {
    TRY(file_->write(size_bytes_, plain));
    size_bytes_ += plain.size();
    return {};
  }
  Status sync_most() override { return file_->sync_data(); }
  Status sync_data() override { return file_->sync_data(); }
  Status sync_all() override { return file_->sync_all(); }
  Status close() override { return file_->close(); }
  [[nodiscard]] std::uint64_t size_bytes() const override { return size_bytes_; }

 private:
  const std::unique_ptr<io::File> file_;
  std::uint64_t size_bytes_ = 0;
};

/// Nobody goes on with what somebody else has written.  INV-STORE-14
class FinishedFile final : public FileAppender {
 public:
  FinishedFile(std::unique_ptr<io::File> file, std::uint64_t size_bytes)
      : file_(std::move(file)), size_bytes_(size_bytes) {}

  Status append(base::ByteSpan /*plain*/) override {
    return fail(ErrorCode::kInvalidArgument, "append to a file that has been written");
  }
  Status sync_most() override { return file_->sync_data(); }
  Status sync_data() override { return file_->sync_data(); }
  Status sync_all() override { return file_->sync_all(); }
  Status close() override { return file_->close(); }
  [[nodiscard]] std::uint64_t size_bytes() const override { return size_bytes_; }

 private:
  const std::unique_ptr<io::File> file_;
  const std::uint64_t size_bytes_;
};

class PlainReader final : public FileReader {
 public:
  explicit PlainReader(std::unique_ptr<io::File> file) : file_(std::move(file)) {}

  Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) const override {
    return file_->read(offset, out);
  }

 private:
  const std::unique_ptr<io::File> file_;
};

class PlainStream final : public FileStream {
 public:
  explicit PlainStream(std::unique_ptr<io::File> file) : file_(std::move(file)) {}

  Result<std::size_t> read(base::MutableByteSpan out) override {
    TRY_ASSIGN(const auto count, file_->read(offset_, out));
    offset_ += count;
    return count;
  }

 private:
  const std::unique_ptr<io::File> file_;
  std::uint64_t offset_ = 0;
};

class PlainContents final : public FileContents {
 public:
  explicit PlainContents(io::FileSystem& files) : files_(files) {}

  Result<std::unique_ptr<FileAppender>> create(const std::string& path) override {
    TRY_ASSIGN(auto file, files_.open(path, io::OpenMode::kCreateOrEmpty));
    return std::make_unique<PlainAppender>(std::move(file));
  }
  Result<std::unique_ptr<FileReader>> open(const std::string& path) override {
    TRY_ASSIGN(auto file, open_plain(path));
    return std::make_unique<PlainReader>(std::move(file));
  }
  Result<std::unique_ptr<FileStream>> open_stream(const std::string& path) override {
    TRY_ASSIGN(auto file, open_plain(path));
    return std::make_unique<PlainStream>(std::move(file));
  }
  Result<std::uint64_t> size_of(const std::string& path) override {
    TRY_ASSIGN(const auto info, files_.info(path));
    return info.size_bytes;
  }

 private:
  Result<std::unique_ptr<io::File>> open_plain(const std::string& path) {
    TRY_ASSIGN(auto file, files_.open(path, io::OpenMode::kRead));
    std::array<std::byte, kMagicBytes> start{};
    TRY_ASSIGN(const auto count, file->read(0, start));
    if (count == kMagicBytes && begins_sealed(start)) {
      return fail(ErrorCode::kKeyUnavailable, path + " is encrypted, and no key was given");
    }
    return file;
  }

  io::FileSystem& files_;
};

}  // namespace

Result<std::unique_ptr<FileAppender>> open_for_sync(io::FileSystem& files, const std::string& path,
                                                    std::uint64_t size_bytes) {
  TRY_ASSIGN(auto file, files.open(path, io::OpenMode::kReadWrite));
  return std::make_unique<FinishedFile>(std::move(file), size_bytes);
}

std::unique_ptr<FileContents> make_plain_contents(io::FileSystem& files) {
  return std::make_unique<PlainContents>(files);
}

}  // namespace pluresdb::store
