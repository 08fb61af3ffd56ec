// What the pool makes of a disk that fails while it prepares the next segment in the background.
#include <cerrno>
#include <cstdint>
#include <latch>
#include <memory>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_pool.h"
#include <pluresdb/error.h>

namespace pluresdb::wal_test {
namespace {

constexpr std::uint64_t kFirstId = 7;
/// Larger than what is zero-filled before a sync.
constexpr std::uint64_t kSegmentBytes = 6ULL << 20;

class SegmentPoolTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.background_threads = true;
    options_.segment_bytes = kSegmentBytes;
    ASSERT_TRUE(succeeded(disk_.create_directory(kDirectory)));
  }
  /// The `n`-th operation of this kind on a spare fails, and the pool is known to have met it.
  void expect_spare_fails(DiskOperation kind, int n) {
    wal::SegmentPool pool(options_, kFirstId);
    std::latch failed(1);
    int left = n;
    disk_.set_fault([&](DiskOperation operation, const std::string& path) -> std::optional<Error> {
      if (operation != kind || !path.ends_with(".tmp") || left == 0 || --left > 0) {
        return std::nullopt;
      }
      failed.count_down();
      return Error{.code = ErrorCode::kIo, .sys_errno = EIO, .context = "fault " + path};
    });
    pool.request_spare(true);
    failed.wait();
    const auto taken = pool.take(0);
    ASSERT_TRUE(succeeded(taken)) << "made by the writer that needs it";
    EXPECT_EQ((*taken)->id(), kFirstId + 1) << "no id is used twice";
    EXPECT_FALSE((*taken)->is_zero_filled());
    EXPECT_EQ(disk_.files().size(), 1U) << "the half-made spare is gone";
    (*taken)->abandon();
    disk_.set_fault(nullptr);
  }
  /// A pool with a spare that is ready; the caller's until it is closed.
  std::unique_ptr<wal::SegmentPool> pool_with_spare() {
    auto pool = std::make_unique<wal::SegmentPool>(options_, kFirstId);
    std::latch allocated(1);
    disk_.set_observer([&](DiskOperation operation, const std::string&) {
      if (operation == DiskOperation::kAllocate) {
        allocated.count_down();
      }
    });
    pool->request_spare(false);
    allocated.wait();
    pool->stop();  // When it returns the spare is in its place.
    disk_.set_observer(nullptr);
    EXPECT_EQ(pool->spare_bytes(), kSegmentBytes);
    return pool;
  }

  MemoryDisk disk_;
  wal::LogOptions options_ = test_options(disk_);
};

TEST_F(SegmentPoolTest, ASpareThatCannotBeMadeIsMadeByWhoNeedsIt) {
  for (const DiskOperation kind : {DiskOperation::kCreate, DiskOperation::kAllocate}) {
    expect_spare_fails(kind, 1);
  }
}

TEST_F(SegmentPoolTest, ASpareThatCannotBeFilledWithZerosIsThrownAway) {
  expect_spare_fails(DiskOperation::kWrite, 1);
  expect_spare_fails(DiskOperation::kWrite, 6);
  expect_spare_fails(DiskOperation::kSync, 1);  // In between.
  expect_spare_fails(DiskOperation::kSync, 2);  // At the end.
}

TEST_F(SegmentPoolTest, ASpareThatCannotGrowForLackOfSpaceStaysForSmallerGroups) {
  const auto pool = pool_with_spare();
  disk_.set_capacity(kSegmentBytes);
  EXPECT_TRUE(failed_with(pool->take(2 * kSegmentBytes), ErrorCode::kNoSpace));
  EXPECT_EQ(pool->spare_bytes(), kSegmentBytes);
  const auto taken = pool->take(kSegmentBytes);
  ASSERT_TRUE(succeeded(taken));
  EXPECT_EQ((*taken)->id(), kFirstId);
}

TEST_F(SegmentPoolTest, ASpareThatCannotGrowForAnotherReasonIsThrownAway) {
  const auto pool = pool_with_spare();
  disk_.set_fault([](DiskOperation operation, const std::string& path) {
    return operation == DiskOperation::kAllocate
               ? std::optional(Error{.code = ErrorCode::kIo, .sys_errno = EIO, .context = path})
               : std::nullopt;
  });
  EXPECT_TRUE(failed_with(pool->take(2 * kSegmentBytes), ErrorCode::kIo));
  EXPECT_EQ(pool->spare_bytes(), 0U);
  EXPECT_TRUE(disk_.files().empty());
  disk_.set_fault(nullptr);
  const auto taken = pool->take(2 * kSegmentBytes);
  ASSERT_TRUE(succeeded(taken));
  EXPECT_EQ((*taken)->id(), kFirstId + 1);
}

}  // namespace
}  // namespace pluresdb::wal_test
