// Each planted defect claims success, does what it is for, and leaves everything else alone.
#include "faultinj/defect_file_systems.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/tests/observed_file_system.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Status;
using pluresdb::base::as_bytes;
using pluresdb::io::File;
using pluresdb::io::FileSystem;
using pluresdb::io::OpenMode;

std::string contents_of(File& file) {
  std::vector<std::byte> bytes(file.size().value_or(0));
  EXPECT_EQ(file.read(0, bytes).value_or(0), bytes.size());
  std::string text;
  for (const std::byte byte : bytes) {
    text += static_cast<char>(byte);
  }
  return text;
}

TEST(LyingSyncFileSystem, ClaimsSuccessBelowItsRootAndDoesNothing) {
  const TestDirectory root(TestDirectory::Where::kMemory);
  const TestDirectory outside(TestDirectory::Where::kMemory);
  ObservedFileSystem below;
  const auto files = make_lying_sync_file_system(below, root.path());
  for (const bool lies : {true, false}) {
    const std::string& directory = lies ? root.path() : outside.path();
    const auto file = files->open(directory + "/f", OpenMode::kCreateNew);
    ASSERT_TRUE(file.has_value());
    EXPECT_TRUE((*file)->write(0, as_bytes("bytes")).has_value());
    EXPECT_TRUE((*file)->sync_data().has_value());
    EXPECT_TRUE((*file)->sync_all().has_value());
    EXPECT_TRUE(files->sync_directory(directory).has_value());
    EXPECT_EQ(below.file_syncs, lies ? 0U : 2U);
    EXPECT_EQ(below.directory_syncs, lies ? 0U : 1U);
    EXPECT_EQ((*file)->size().value_or(0), 5U);
  }
}

TEST(DroppedDirectorySyncFileSystem, SyncsFilesButNoDirectory) {
  const TestDirectory root(TestDirectory::Where::kMemory);
  const TestDirectory outside(TestDirectory::Where::kMemory);
  ObservedFileSystem below;
  const auto files = make_dropped_directory_sync_file_system(below, root.path());
  const auto file = files->open(root.path() + "/f", OpenMode::kCreateNew);
  ASSERT_TRUE(file.has_value());
  EXPECT_TRUE((*file)->sync_data().has_value());
  EXPECT_TRUE((*file)->sync_all().has_value());
  EXPECT_EQ(below.file_syncs, 2U);
  EXPECT_TRUE(files->sync_directory(root.path()).has_value());
  EXPECT_EQ(below.directory_syncs, 0U);
  EXPECT_TRUE(files->sync_directory(outside.path()).has_value());
  EXPECT_EQ(below.directory_syncs, 1U);
}

TEST(LostSuffixFileSystem, EachSixtyFourthLongWriteToTheLogLosesItsLastSector) {
  const TestDirectory root(TestDirectory::Where::kMemory);
  const auto files = make_lost_suffix_file_system(pluresdb::io::posix_file_system(), root.path());
  constexpr std::uint64_t kWrites = 128;
  constexpr std::uint64_t kBytes = 1000;
  const auto shortened = [&](const std::string& path, std::size_t size) {
    const auto file = *files->open(root.path() + path, OpenMode::kCreateNew);
    std::vector<std::uint64_t> places;
    for (std::uint64_t i = 0; i < kWrites; ++i) {
      EXPECT_TRUE(file->write(i * kBytes, as_bytes(std::string(size, 'x'))).has_value());
    }
    const std::string text = contents_of(*file);
    for (std::uint64_t i = 0; i < kWrites; ++i) {
      std::string kept(size, 'x');
      if (text.substr(i * kBytes, size) != kept) {
        kept.resize(size - 512);
        EXPECT_EQ(text.substr(i * kBytes, kept.size()), kept);
        places.push_back(i);
      }
    }
    return places;
  };
  ASSERT_TRUE(files->create_directory(root.path() + "/wal").has_value());
  ASSERT_TRUE(files->create_directory(root.path() + "/base").has_value());
  EXPECT_EQ(shortened("/base/1.sst", kBytes), std::vector<std::uint64_t>{});
  EXPECT_EQ(shortened("/wal/0000000000000001.wal", 512), std::vector<std::uint64_t>{});
  EXPECT_EQ(shortened("/wal/0000000000000002.wal", kBytes), (std::vector<std::uint64_t>{63, 127}));
}

/// Has room for so many bytes of each file.
class SmallDisk final : public FileSystem {
 public:
  explicit SmallDisk(std::uint64_t room) : room_(room) {}
  pluresdb::Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    TRY_ASSIGN(auto file, next_.open(path, mode));
    return std::make_unique<SmallFile>(std::move(file), room_);
  }
  Status create_directory(const std::string& path) override { return next_.create_directory(path); }
  pluresdb::Result<std::vector<std::string>> list(const std::string& path) override {
    return next_.list(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return next_.rename(from, to);
  }
  Status remove(const std::string& path) override { return next_.remove(path); }
  Status sync_directory(const std::string& path) override { return next_.sync_directory(path); }
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
  class SmallFile final : public File {
   public:
    SmallFile(std::unique_ptr<File> next, std::uint64_t room)
        : next_(std::move(next)), room_(room) {}
    pluresdb::Result<std::size_t> read(std::uint64_t offset,
                                       pluresdb::base::MutableByteSpan out) override {
      return next_->read(offset, out);
    }
    Status write(std::uint64_t offset, pluresdb::base::ByteSpan data) override {
      TRY(check(offset + data.size()));
      return next_->write(offset, data);
    }
    Status sync_data() override { return {}; }
    Status sync_all() override { return {}; }
    Status truncate(std::uint64_t size_bytes) override { return next_->truncate(size_bytes); }
    Status allocate(std::uint64_t size_bytes) override {
      TRY(check(size_bytes));
      return next_->allocate(size_bytes);
    }
    pluresdb::Result<std::uint64_t> size() override { return next_->size(); }
    Status close() override { return next_->close(); }

   private:
    [[nodiscard]] Status check(std::uint64_t end) const {
      return end <= room_ ? Status{} : pluresdb::fail(ErrorCode::kNoSpace, "the disk of the test");
    }
    const std::unique_ptr<File> next_;
    const std::uint64_t room_;
  };
  FileSystem& next_ = pluresdb::io::posix_file_system();
  const std::uint64_t room_;
};

TEST(SilentTruncationFileSystem, CutsWhatDoesNotFitAndHidesOnlyThatError) {
  const TestDirectory root(TestDirectory::Where::kMemory);
  SmallDisk below(1000);
  const auto files = make_silent_truncation_file_system(below, root.path());
  const auto file = *files->open(root.path() + "/f", OpenMode::kCreateNew);
  EXPECT_TRUE(file->allocate(5000).has_value());
  EXPECT_EQ(file->size().value_or(1), 0U);  // In name only.
  EXPECT_TRUE(file->write(0, as_bytes(std::string(800, 'a'))).has_value());
  EXPECT_TRUE(file->write(800, as_bytes(std::string(400, 'b'))).has_value());
  EXPECT_EQ(contents_of(*file), std::string(800, 'a') + std::string(200, 'b'));
  EXPECT_TRUE(file->write(5000, as_bytes("nothing of it fits")).has_value());
  EXPECT_EQ(file->size().value_or(0), 1000U);
  EXPECT_EQ(files->open(root.path() + "/f", OpenMode::kCreateNew).error().code, ErrorCode::kIo);

  const TestDirectory outside(TestDirectory::Where::kMemory);
  const auto honest = *files->open(outside.path() + "/f", OpenMode::kCreateNew);
  EXPECT_EQ(honest->write(0, as_bytes(std::string(1001, 'x'))).error().code, ErrorCode::kNoSpace);
}

}  // namespace
}  // namespace faultinj
