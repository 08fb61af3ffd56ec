// The states of a filling disk, by free space and by refusals.
#include <cerrno>
#include <cstdint>

#include <gtest/gtest.h>

#include "engine/core/disk_space.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_memory_disk.h"
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {
namespace {

using pluresdb::testing::MemoryDisk;

constexpr std::uint64_t kMiB = 1ULL << 20;

TEST(DiskSpace, GoesFromNormalOverLowToFullAndBack) {
  MemoryDisk disk;
  disk.set_capacity(1024 * kMiB);
  DiskSpace space(disk, "/", kMiB);
  EXPECT_EQ(space.state(), SpaceState::kNormal);
  space.restore_reserve();
  EXPECT_EQ(disk.info("/RESERVE")->size_bytes, kMiB);
  disk.set_capacity(20 * kMiB);
  space.refresh();
  EXPECT_EQ(space.state(), SpaceState::kNormal) << "marks shrink with the file system";
  const auto ballast = *disk.open("/ballast", io::OpenMode::kCreateNew);
  ASSERT_TRUE(ballast->allocate(17 * kMiB).has_value());
  space.refresh();
  EXPECT_EQ(space.state(), SpaceState::kLow);
  EXPECT_TRUE(space.admit(false).has_value());
  ASSERT_TRUE(ballast->allocate(19 * kMiB - 257 * (kMiB >> 10U)).has_value());
  const auto refused = space.admit(false);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(space.refusals(), 1U);
  EXPECT_EQ(space.state(), SpaceState::kFull);
  EXPECT_TRUE(space.admit(true).has_value()) << "deletes go on";
  EXPECT_FALSE(disk.info("/RESERVE").has_value()) << "into the space of the reserve";
  EXPECT_TRUE(disk.info("/RESERVE.open").has_value()) << "and not into that of the next open";
  ASSERT_TRUE(ballast->truncate(0).has_value());
  EXPECT_TRUE(space.admit(false).has_value()) << "resumes by itself";
  EXPECT_EQ(space.state(), SpaceState::kNormal);
  space.restore_reserve();
  EXPECT_TRUE(disk.info("/RESERVE").has_value());
}

TEST(DiskSpace, AReserveWithoutItsSpaceIsMadeAgain) {
  MemoryDisk disk;
  disk.set_capacity(1024 * kMiB);
  for (const char* name : {"/RESERVE", "/RESERVE.open"}) {
    ASSERT_TRUE(disk.open(name, io::OpenMode::kCreateNew).has_value());
  }
  DiskSpace space(disk, "/", kMiB);
  space.restore_reserve();
  EXPECT_EQ(disk.info("/RESERVE")->size_bytes, kMiB);
  EXPECT_EQ(disk.info("/RESERVE.open")->size_bytes, kMiB / 4);
}

TEST(DiskSpace, RefusalByTheFileSystemIsFullUntilAWriteSucceeds) {
  MemoryDisk disk;
  DiskSpace space(disk, "/", kMiB);
  const Error error{.code = ErrorCode::kNoSpace, .sys_errno = ENOSPC, .context = "x"};
  space.note_outcome(&error);
  EXPECT_EQ(space.state(), SpaceState::kFull);
  space.restore_reserve();
  EXPECT_FALSE(disk.info("/RESERVE").has_value()) << "no reserve while others are refused";
  EXPECT_TRUE(disk.info("/RESERVE.open").has_value()) << "but for the next open";
  EXPECT_TRUE(space.admit(false).has_value()) << "each write is a probe";
  space.note_outcome(nullptr);
  EXPECT_EQ(space.state(), SpaceState::kNormal);
}

}  // namespace
}  // namespace pluresdb::core
