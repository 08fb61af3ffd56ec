// Which operation fires which point, and what the caller gets to see.
#include "faultinj/fault_file_system.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/firing.h"
#include "faultinj/fiu_control.h"
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

struct Fired {
  std::string point;
  int error_number = 0;
  friend bool operator==(const Fired&, const Fired&) = default;
};

template <typename T>
Status status_of(const pluresdb::Result<T>& result) {
  if (result.has_value()) {
    return {};
  }
  return std::unexpected(result.error());
}

class FaultFileSystemTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { ASSERT_TRUE(fiu_start("").has_value()); }

  FaultFileSystemTest() {
    for (const char* directory : {"wal", "base", "quarantine"}) {
      EXPECT_TRUE(disk.create_directory(path(directory)).has_value());
    }
  }
  void TearDown() override {
    for (const std::string& point : armed_points) {
      (void)disarm(point);  // Some tests disarm themselves.
    }
  }

  [[nodiscard]] std::string path(const std::string& name) const {
    return store_directory.path() + "/" + name;
  }
  void arm_point(const std::string& point, int error_number = EIO, std::uint64_t times = 0) {
    ASSERT_TRUE(arm({.point = point, .error_number = error_number, .times = times}).has_value());
    armed_points.push_back(point);
  }
  std::unique_ptr<File> open(const std::string& name, OpenMode mode = OpenMode::kCreateOrEmpty) {
    auto file = faulty->open(path(name), mode);
    EXPECT_TRUE(file.has_value());
    return file ? *std::move(file) : nullptr;
  }

  TestDirectory store_directory{TestDirectory::Where::kMemory};
  ObservedFileSystem disk;
  std::vector<Fired> firings;
  std::unique_ptr<FileSystem> faulty = make_fault_file_system(
      disk, store_directory.path(), [this](std::string_view point, const Firing& firing) {
        firings.push_back({.point = std::string(point), .error_number = firing.error_number});
      });
  std::vector<std::string> armed_points;
};

TEST_F(FaultFileSystemTest, AnOpenFileThatIsRenamedHasThePointsOfItsNewName) {
  const auto file = open("wal/0000000000000001.tmp");
  ASSERT_TRUE(faulty->rename(path("wal/0000000000000001.tmp"), path("wal/0000000000000001.wal"))
                  .has_value());
  arm_point("wal/spare/sync");
  EXPECT_TRUE(file->sync_data().has_value());
  arm_point("wal/segment/sync");
  EXPECT_FALSE(file->sync_data().has_value());
  const std::vector<Fired> expected = {{.point = "wal/segment/sync", .error_number = EIO}};
  EXPECT_EQ(firings, expected);
}

TEST_F(FaultFileSystemTest, EachOperationFiresItsOwnPoint) {
  const auto segment = open("wal/1.wal");
  const auto table = open("base/1.sst");
  std::array<std::byte, 8> buffer{};
  const auto write = [&] { return segment->write(0, as_bytes("x")); };
  const std::vector<std::pair<std::string, std::function<Status()>>> operations{
      {"wal/segment/open",
       [&] { return status_of(faulty->open(path("wal/1.wal"), OpenMode::kRead)); }},
      {"wal/spare/create",
       [&] { return status_of(faulty->open(path("wal/spare-2.tmp"), OpenMode::kCreateNew)); }},
      {"wal/segment/write", write},
      {"wal/segment/sync", [&] { return segment->sync_data(); }},
      {"wal/segment/sync", [&] { return segment->sync_all(); }},
      {"wal/segment/truncate", [&] { return segment->truncate(1); }},
      {"wal/segment/allocate", [&] { return segment->allocate(100); }},
      {"base/sst/read", [&] { return status_of(table->read(0, buffer)); }},
      {"base/current/rename",
       [&] { return faulty->rename(path("base/1.sst"), path("base/CURRENT")); }},
      {"base/sst/remove", [&] { return faulty->remove(path("base/1.sst")); }},
      {"wal/directory/list", [&] { return status_of(faulty->list(path("wal"))); }},
      {"wal/directory/sync_directory", [&] { return faulty->sync_directory(path("wal")); }},
      {"base/directory/create", [&] { return faulty->create_directory(path("base")); }},
      {"store/directory/space", [&] { return status_of(faulty->space(store_directory.path())); }},
      {"store/lock/open", [&] { return status_of(faulty->lock(path("LOCK"))); }},
  };
  for (const auto& [point, operation] : operations) {
    SCOPED_TRACE(point);
    firings.clear();
    arm_point(point, ENXIO);
    const Status status = operation();
    ASSERT_FALSE(status.has_value());
    EXPECT_TRUE(status.error().injected);
    EXPECT_EQ(status.error().sys_errno, ENXIO);
    EXPECT_EQ(status.error().code, ErrorCode::kIo);
    EXPECT_EQ(firings, (std::vector<Fired>{{.point = point, .error_number = ENXIO}}));
    ASSERT_TRUE(disarm(point).has_value());
    EXPECT_TRUE(write().has_value());  // Other points do not fire, and this one no longer.
  }
}

TEST_F(FaultFileSystemTest, AFailedOperationDoesNothingBelow) {
  const auto file = open("wal/1.wal");
  arm_point("wal/segment/write");
  arm_point("wal/segment/sync");
  const std::uint64_t syncs = disk.file_syncs;
  EXPECT_FALSE(file->write(0, as_bytes("x")).has_value());
  EXPECT_FALSE(file->sync_data().has_value());
  EXPECT_EQ(file->size().value_or(99), 0U);
  EXPECT_EQ(disk.file_syncs, syncs);
}

TEST_F(FaultFileSystemTest, AFullDiskRefusesOnlyWhatNeedsSpace) {
  const auto file = open("wal/1.wal");
  const auto other = open("base/2.sst");
  ASSERT_TRUE(file->allocate(8192).has_value());
  arm_point("space/*", ENOSPC);
  EXPECT_TRUE(file->write(0, as_bytes(std::string(8192, 'x'))).has_value());
  EXPECT_TRUE(file->sync_data().has_value());
  EXPECT_TRUE(file->allocate(8192).has_value());
  for (const Status& status : {file->write(8000, as_bytes(std::string(200, 'x'))),
                               file->allocate(8193), other->write(0, as_bytes("x")),
                               status_of(faulty->open(path("wal/2.wal"), OpenMode::kCreateNew)),
                               faulty->create_directory(path("new"))}) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ErrorCode::kNoSpace);
    EXPECT_TRUE(status.error().injected);
  }
  const auto space = faulty->space(store_directory.path());
  ASSERT_TRUE(space.has_value());
  EXPECT_EQ(space->available_bytes, 0U);
  EXPECT_GT(space->total_bytes, 0U);
  EXPECT_EQ(firings.back(), (Fired{.point = "space/statvfs", .error_number = ENOSPC}));
  // Existing files open, and what was allocated before is known.
  const auto again = open("wal/1.wal", OpenMode::kReadWrite);
  EXPECT_TRUE(again->write(8191, as_bytes("x")).has_value());
  EXPECT_FALSE(again->write(8192, as_bytes("x")).has_value());
  // Space that a truncation gives back is not ours any more.
  ASSERT_TRUE(again->truncate(0).has_value());
  EXPECT_FALSE(again->write(0, as_bytes("x")).has_value());
  ASSERT_TRUE(disarm("space/*").has_value());
  EXPECT_TRUE(again->write(0, as_bytes("x")).has_value());
  EXPECT_GT(faulty->space(store_directory.path())->available_bytes, 0U);
}

TEST_F(FaultFileSystemTest, AModelOfThePageCacheNeedsTheLayerThatHasOne) {
  const auto file = open("wal/1.wal");
  ASSERT_TRUE(arm({.point = "wal/segment/sync", .effect = Effect::kSyncReverted}).has_value());
  const Status refused = file->sync_data();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  ASSERT_TRUE(disarm("wal/segment/sync").has_value());
}

TEST_F(FaultFileSystemTest, WithoutInodesOnlyCreationsFail) {
  const auto file = open("wal/1.wal");
  arm_point("inodes/*", ENOSPC);
  EXPECT_TRUE(file->allocate(8192).has_value());
  EXPECT_TRUE(file->write(0, as_bytes(std::string(9000, 'x'))).has_value());
  EXPECT_GT(faulty->space(store_directory.path())->available_bytes, 0U);
  EXPECT_TRUE(faulty->open(path("wal/1.wal"), OpenMode::kReadWrite).has_value());
  for (const Status& status : {status_of(faulty->open(path("wal/2.wal"), OpenMode::kCreateNew)),
                               faulty->create_directory(path("new"))}) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ErrorCode::kNoSpace);
  }
  EXPECT_EQ(firings.back(),
            (Fired{.point = "inodes/store/directory/create", .error_number = ENOSPC}));
  ASSERT_TRUE(disarm("inodes/*").has_value());
  EXPECT_TRUE(faulty->open(path("wal/2.wal"), OpenMode::kCreateNew).has_value());
}

TEST_F(FaultFileSystemTest, AWriteAllocatesWholeBlocks) {
  const auto file = open("wal/1.wal");
  ASSERT_TRUE(file->write(0, as_bytes(std::string(5000, 'x'))).has_value());
  arm_point("space/*", ENOSPC);
  EXPECT_TRUE(file->write(100, as_bytes(std::string(5000, 'y'))).has_value());
  EXPECT_TRUE(file->write(8191, as_bytes("z")).has_value());
  EXPECT_EQ(file->write(8192, as_bytes("z")).error().code, ErrorCode::kNoSpace);
}

TEST_F(FaultFileSystemTest, AWildcardHitsItsPrefixOnly) {
  const auto segment = open("wal/1.wal");
  const auto table = open("base/1.sst");
  arm_point("wal/*", EIO);
  EXPECT_FALSE(segment->write(0, as_bytes("x")).has_value());
  EXPECT_FALSE(segment->sync_data().has_value());
  EXPECT_TRUE(table->write(0, as_bytes("x")).has_value());
}

TEST_F(FaultFileSystemTest, PathsOutsideTheRootNeverFail) {
  const TestDirectory outside(TestDirectory::Where::kMemory);
  arm_point("*", EIO);
  const auto file = faulty->open(outside.path() + "/f", OpenMode::kCreateNew);
  ASSERT_TRUE(file.has_value());
  EXPECT_TRUE((*file)->write(0, as_bytes("x")).has_value());
  EXPECT_TRUE(faulty->sync_directory(outside.path()).has_value());
  EXPECT_TRUE(firings.empty());
  EXPECT_FALSE(faulty->list(store_directory.path()).has_value());
}

TEST_F(FaultFileSystemTest, AShortWriteStoresABeginningAndFails) {
  constexpr std::string_view kData = "0123456789";
  std::set<std::size_t> stored;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const std::string name = "wal/" + std::to_string(seed) + ".wal";
    const auto file = open(name);
    const Arming arming{.point = "wal/segment/write",
                        .effect = Effect::kShortWrite,
                        .error_number = ENOSPC,
                        .times = 1,
                        .seed = seed};
    ASSERT_TRUE(arm(arming).has_value());
    const Status status = file->write(0, as_bytes(kData));
    ASSERT_TRUE(disarm(arming.point).has_value());
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ErrorCode::kNoSpace);
    const auto size = file->size();
    ASSERT_TRUE(size.has_value());
    std::string content(*size, '?');
    ASSERT_TRUE(file->read(0, std::as_writable_bytes(std::span(content))).has_value());
    EXPECT_EQ(content, kData.substr(0, *size));
    stored.insert(*size);
  }
  // Never all of it, now and then nothing.
  EXPECT_EQ(stored.size(), kData.size());
  EXPECT_EQ(*stored.rbegin(), kData.size() - 1);
}

TEST_F(FaultFileSystemTest, ADelayedOperationIsMadeInTheEnd) {
  constexpr std::uint32_t kDelayUs = 20'000;
  const auto file = open("wal/1.wal");
  arm_point("wal/segment/sync");
  ASSERT_TRUE(arm({.point = "wal/segment/sync", .effect = Effect::kDelay, .delay_us = kDelayUs})
                  .has_value());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_TRUE(file->sync_data().has_value());
  // A lower bound: no slow machine can break it.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::microseconds(kDelayUs));
  ASSERT_EQ(firings.size(), 1U);
  EXPECT_EQ(firings.at(0).point, "wal/segment/sync");
}

TEST_F(FaultFileSystemTest, SizesChooseAmongWrites) {
  const auto file = open("wal/1.wal");
  ASSERT_TRUE(arm({.point = "wal/segment/write", .bytes_min = 4}).has_value());
  armed_points.emplace_back("wal/segment/write");
  EXPECT_TRUE(file->write(0, as_bytes("abc")).has_value());
  EXPECT_FALSE(file->write(0, as_bytes("abcd")).has_value());
}

TEST_F(FaultFileSystemTest, ABudgetEnds) {
  const auto file = open("wal/1.wal");
  arm_point("wal/segment/sync", EIO, 2);
  EXPECT_FALSE(file->sync_data().has_value());
  EXPECT_FALSE(file->sync_all().has_value());
  EXPECT_TRUE(file->sync_data().has_value());
  EXPECT_EQ(firings.size(), 2U);
}

}  // namespace
}  // namespace faultinj
