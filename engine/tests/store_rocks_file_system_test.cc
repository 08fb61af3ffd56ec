// RocksDB's view of the seam: what its calls become, and which of its deletions are believed.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rocksdb/file_system.h>
#include <rocksdb/io_status.h>
#include <rocksdb/slice.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/store/rocks_file_system.h"
#include "engine/tests/forwarding_file_system.h"
#include "engine/tests/store_simulated_disk.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

class RocksFileSystemTest : public testing::Test {
 protected:
  RocksFileSystemTest() { EXPECT_TRUE(disk_.create_directory("base")); }

  std::unique_ptr<rocksdb::FSWritableFile> created(const std::string& path) {
    std::unique_ptr<rocksdb::FSWritableFile> file;
    EXPECT_TRUE(rocks_->NewWritableFile(path, {}, &file, nullptr).ok());
    return file;
  }
  bool exists(const std::string& path) { return disk_.info(path).has_value(); }

  SimulatedDisk disk_;
  std::shared_ptr<DeletionGate> deletions_ = std::make_shared<DeletionGate>(disk_);
  std::shared_ptr<rocksdb::FileSystem> rocks_ = make_rocks_file_system(disk_, nullptr, deletions_);
};

TEST_F(RocksFileSystemTest, DeletionsWaitForTheRelease) {
  (void)created("base/000001.sst");
  EXPECT_TRUE(rocks_->DeleteFile("base//000001.sst", {}, nullptr).ok());
  EXPECT_TRUE(exists("base/000001.sst"));
  deletions_->release();
  EXPECT_FALSE(exists("base/000001.sst"));
  (void)created("base/000002.sst");
  EXPECT_TRUE(rocks_->DeleteFile("base/000002.sst", {}, nullptr).ok());
  EXPECT_FALSE(exists("base/000002.sst"));
}

// RocksDB uses a file number again when nothing named it: the new file is not the one it deleted.
TEST_F(RocksFileSystemTest, FileMadeAgainUnderAWaitingNameIsKept) {
  for (const std::string path : {"base/000001.sst", "base/000002.sst", "base/000003.sst"}) {
    (void)created(path);
    EXPECT_TRUE(rocks_->DeleteFile(path, {}, nullptr).ok());
  }
  (void)created("base/000001.sst");
  (void)created("base/ingest.sst");
  EXPECT_TRUE(rocks_->LinkFile("base/ingest.sst", "base/000002.sst", {}, nullptr).ok());
  deletions_->release();
  EXPECT_TRUE(exists("base/000001.sst"));
  EXPECT_TRUE(exists("base/000002.sst"));
  EXPECT_FALSE(exists("base/000003.sst"));
  EXPECT_FALSE(exists("base/ingest.sst")) << "linking moves";
}

TEST_F(RocksFileSystemTest, NothingIsDeletedAfterAFailedChangeOfTheManifest) {
  (void)created("base/000001.sst");
  deletions_->release();
  const auto manifest = created("base/MANIFEST-000002");
  disk_.plan_fault(disk_.operations() + 1, SimulatedDisk::Fault::kNotDone);
  const auto failed = manifest->Sync({}, nullptr);
  EXPECT_TRUE(failed.IsIOError());
  EXPECT_TRUE(rocks_->DeleteFile("base/000001.sst", {}, nullptr).ok());
  EXPECT_TRUE(exists("base/000001.sst"));
}

TEST_F(RocksFileSystemTest, FailedTableWriteLeavesDeletionsAlone) {
  deletions_->release();
  const auto table = created("base/000001.sst");
  disk_.plan_fault(disk_.operations() + 1, SimulatedDisk::Fault::kNoSpaceFromHere);
  EXPECT_TRUE(table->Append("x", {}, nullptr).IsNoSpace());
  disk_.heal();
  EXPECT_TRUE(rocks_->DeleteFile("base/000001.sst", {}, nullptr).ok());
  EXPECT_FALSE(exists("base/000001.sst"));
}

/// Tells the order of changes.
class WrittenDown final : public io::ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  std::vector<std::string> changes;

  Status rename(const std::string& from, const std::string& to) override {
    changes.push_back("rename " + to);
    return ForwardingFileSystem::rename(from, to);
  }
  Status sync_directory(const std::string& path) override {
    changes.push_back("sync " + path);
    return ForwardingFileSystem::sync_directory(path);
  }
};

TEST_F(RocksFileSystemTest, CurrentIsNamedWhenItsManifestIsThere) {
  WrittenDown written(disk_);
  const auto rocks = make_rocks_file_system(written, nullptr, deletions_);
  (void)created("base/MANIFEST-000001");
  (void)created("base/000001.dbtmp");
  EXPECT_TRUE(rocks->RenameFile("base/000001.dbtmp", "base/CURRENT", {}, nullptr).ok());
  EXPECT_EQ(written.changes, (std::vector<std::string>{"sync base", "rename base/CURRENT"}));
}

/// Nothing can be read behind the beginning, which is asked for when a file is opened.
class Unreadable final : public io::ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    auto opened = ForwardingFileSystem::open(path, mode);
    if (!opened) {
      return opened;
    }
    return std::make_unique<UnreadableFile>(*std::move(opened));
  }

 private:
  class UnreadableFile final : public io::ForwardingFile {
   public:
    using ForwardingFile::ForwardingFile;
    Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) override {
      if (offset == 0) {
        return ForwardingFile::read(offset, out);
      }
      return fail(ErrorCode::kIo, "read", EIO);
    }
  };
};

// RocksDB goes on with the ingestion of a table whose last key it could not read.
TEST_F(RocksFileSystemTest, FileThatCouldNotBeReadIsNotBroughtIn) {
  Unreadable unreadable(disk_);
  const auto rocks = make_rocks_file_system(unreadable, nullptr, deletions_);
  const std::string path = "base//ingest.sst";
  (void)created(path);
  std::unique_ptr<rocksdb::FSRandomAccessFile> file;
  ASSERT_TRUE(rocks->NewRandomAccessFile(path, {}, &file, nullptr).ok());
  rocksdb::Slice bytes;
  char scratch[1];
  EXPECT_TRUE(file->Read(1, 1, {}, &bytes, scratch, nullptr).IsIOError());
  EXPECT_TRUE(rocks->LinkFile(path, "base/000002.sst", {}, nullptr).IsIOError());
  EXPECT_FALSE(exists("base/000002.sst"));
  // The next checkpoint writes another file of that name.
  std::unique_ptr<rocksdb::FSWritableFile> next;
  ASSERT_TRUE(rocks->NewWritableFile(path, {}, &next, nullptr).ok());
  EXPECT_TRUE(rocks->LinkFile(path, "base/000002.sst", {}, nullptr).ok());
}

// RocksDB syncs a table again that it has taken in. Nothing else is done to a file that is there.
TEST_F(RocksFileSystemTest, FileThatIsThereCanBeSyncedAndNothingElse) {
  const auto first = created("base/x");
  EXPECT_TRUE(first->Append("abc", {}, nullptr).ok());
  std::unique_ptr<rocksdb::FSWritableFile> again;
  ASSERT_TRUE(rocks_->ReopenWritableFile("base/x", {}, &again, nullptr).ok());
  EXPECT_EQ(again->GetFileSize({}, nullptr), 3U);
  EXPECT_TRUE(again->Sync({}, nullptr).ok());
  EXPECT_TRUE(again->Append("de", {}, nullptr).IsIOError());
  EXPECT_TRUE(again->Truncate(1, {}, nullptr).IsNotSupported());
  EXPECT_TRUE(again->Close({}, nullptr).ok());
  EXPECT_EQ(disk_.unsynced_growth(), 0U);
  const auto contents = io::read_whole_file(disk_, "base/x", 100);
  ASSERT_TRUE(contents);
  EXPECT_EQ(base::as_text(*contents), "abc");
  EXPECT_TRUE(rocks_->ReopenWritableFile("base/none", {}, &again, nullptr).IsPathNotFound());
  EXPECT_TRUE(rocks_->FileExists("base/none", {}, nullptr).IsNotFound());
}

TEST_F(RocksFileSystemTest, SkippingIsReading) {
  const auto file = created("base/x");
  EXPECT_TRUE(file->Append(std::string(10'000, 'a') + "bc", {}, nullptr).ok());
  std::unique_ptr<rocksdb::FSSequentialFile> stream;
  ASSERT_TRUE(rocks_->NewSequentialFile("base/x", {}, &stream, nullptr).ok());
  EXPECT_TRUE(stream->Skip(10'000).ok());
  rocksdb::Slice bytes;
  char scratch[10];
  EXPECT_TRUE(stream->Read(sizeof(scratch), {}, &bytes, scratch, nullptr).ok());
  EXPECT_EQ(bytes.ToStringView(), "bc");
  EXPECT_TRUE(stream->Skip(10'000).ok()) << "the end stays the end";
}

}  // namespace
}  // namespace pluresdb::store
