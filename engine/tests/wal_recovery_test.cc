// What opening a log decides from files that a crash, or a predecessor's bug, left behind.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

/// Leaves the last group of the newest segment half on disk: a crash in the middle of a write.
void tear_last_group(MemoryDisk& disk, TestLog& test, std::string_view id) {
  disk.set_fault([](DiskOperation operation, const std::string& path) -> std::optional<Error> {
    const bool fails = operation != DiskOperation::kRead &&
                       (operation != DiskOperation::kWrite || path.ends_with(".wal"));
    return fails ? std::optional(Error{.code = ErrorCode::kIo, .context = "dying"}) : std::nullopt;
  });
  EXPECT_TRUE(failed_with(test.put(id, payload(2000, 77)), ErrorCode::kIndeterminate));
  test.log = nullptr;
  disk.set_fault(nullptr);
}

// The predecessor of this engine ignored a segment with a torn tail when it looked for the highest
// seq. After the second crash on one directory it used the same seqs and the same file again, and
// new records were written behind torn bytes, where no reader came by.
TEST(WalRecovery, TornTailTrap) {
  MemoryDisk disk;
  TestLog test(disk);
  std::set<Seq> acknowledged;
  std::set<std::string> names;
  for (int crash = 0; crash < 4; ++crash) {
    ASSERT_TRUE(succeeded(test.open()));
    const auto& recovery = test.log->recovery();
    EXPECT_EQ(recovery.validation.torn_tails, crash == 0 ? 0U : 1U);
    EXPECT_EQ(recovery.torn_bytes_dropped > 0, crash > 0);
    EXPECT_TRUE(recovery.validation.is_healthy());
    for (int i = 0; i < 3; ++i) {
      const auto put = test.put("doc", "value");
      ASSERT_TRUE(succeeded(put));
      EXPECT_TRUE(acknowledged.empty() || *put > *acknowledged.rbegin() + 1 || i > 0)
          << "the torn group's seq was given out again";
      EXPECT_TRUE(acknowledged.insert(*put).second) << "seq " << *put << " was used twice";
    }
    for (const auto& segment : test.log->segments()) {
      if (segment.active) {
        EXPECT_TRUE(names.insert(segment_path(segment.id)).second) << "a file name was used twice";
      }
    }
    tear_last_group(disk, test, "torn");
  }
  ASSERT_TRUE(succeeded(test.open()));
  const auto found = test.seqs();
  EXPECT_EQ(std::set<Seq>(found.begin(), found.end()), acknowledged);
}

TEST(WalRecovery, ATornSegmentThatIsTheOnlyOneStillCounts) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("first", "1")));
  tear_last_group(disk, test, "torn");
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_EQ(test.seqs(), seqs_between(1, 1));
  EXPECT_GT(test.put("next", "2").value_or(0), 2U);
  EXPECT_EQ(test.log->segments().size(), 2U);
}

TEST(WalRecovery, ALaterGroupProvesThatDamageIsNoTornTail) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(succeeded(test.put("doc", payload(100, 5))));
  }
  test.log = nullptr;
  auto bytes = disk.contents(segment_path(1));
  const auto value = payload(100, 5);
  const auto first = std::ranges::search(bytes, base::as_bytes(value));
  const auto second =
      std::ranges::search(std::ranges::subrange(first.end(), bytes.end()), base::as_bytes(value));
  ASSERT_FALSE(second.empty());
  *second.begin() ^= std::byte{1};
  disk.set_contents(segment_path(1), bytes);
  ASSERT_TRUE(succeeded(test.open()));
  const ValidationReport& report = test.log->recovery().validation;
  EXPECT_EQ(test.seqs(), (std::vector<Seq>{1, 3}));
  EXPECT_EQ(report.lost, (std::vector<SeqRange>{{.first = 2, .last = 2}}));
  EXPECT_EQ(report.torn_tails, 0U);
}

/// Goal: a watermark closes the window in which the rotten last group looks torn. Method: let the
/// log be idle until it has written one, then spoil the last group.
TEST(WalRecovery, AnIdleLogProvesItsLastGroupByAWatermark) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.background_threads = true;
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("doc", payload(100, 5))));
  const std::uint64_t syncs = 1;
  while (test.log->stats().syncs == syncs) {  // The watermark's sync; the test has a time limit.
    std::this_thread::yield();
  }
  test.log = nullptr;
  auto bytes = disk.contents(segment_path(1));
  const auto value = payload(100, 5);
  const auto at = std::ranges::search(bytes, base::as_bytes(value));
  ASSERT_FALSE(at.empty());
  *at.begin() ^= std::byte{1};
  disk.set_contents(segment_path(1), bytes);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_EQ(test.log->recovery().validation.lost, (std::vector<SeqRange>{{.first = 1, .last = 1}}));
  EXPECT_EQ(test.log->recovery().validation.torn_tails, 0U);
}

/// A removed segment can come back after a power loss, and a younger one stay gone.
TEST(WalRecovery, RemovedSegmentsMayComeBackInAnyCombination) {
  constexpr std::size_t kRemoved = 4;
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  while (test.log->segments().size() < kRemoved + 2) {
    ASSERT_TRUE(succeeded(test.put("doc", payload(6000, test.client->applied().size()))));
  }
  const auto segments = test.log->segments();
  const Seq floor = segments[kRemoved - 1].last_seq;
  const auto kept = test.seqs();
  test.log = nullptr;
  for (std::uint64_t back = 0; back < 1U << kRemoved; ++back) {
    SCOPED_TRACE(back);
    const auto after = disk.clone();
    for (std::size_t i = 0; i < kRemoved; ++i) {
      if ((back >> i & 1U) == 0) {
        ASSERT_TRUE(succeeded(after->remove(segment_path(segments[i].id))));
      }
    }
    TestLog again(*after);
    ASSERT_TRUE(succeeded(again.open(floor)));
    EXPECT_TRUE(again.log->recovery().validation.is_healthy()) << "what was removed is no loss";
    EXPECT_LE(again.log->recovery().gone_through_seq, floor);
    const auto found = again.seqs();
    for (const Seq seq : kept) {
      EXPECT_TRUE(seq <= floor || std::ranges::find(found, seq) != found.end()) << seq;
    }
    EXPECT_GT(again.put("doc", "1").value_or(0), kept.back());
  }
}

/// Without a base store to say what may be gone, a hole would be taken for a loss: whatever instant
/// the power fails at, those that are removed go oldest first.
TEST(WalRecovery, RemovalIsDurableOldestFirst) {
  MemoryDisk disk;
  std::vector<std::uint64_t> removable;
  {
    TestLog test(disk);
    ASSERT_TRUE(succeeded(test.open()));
    while (test.log->segments().size() < 6) {
      ASSERT_TRUE(succeeded(test.put("doc", payload(6000, test.client->applied().size()))));
    }
    for (const auto& segment : test.log->segments()) {
      removable.push_back(segment.id);
    }
    removable.pop_back();
  }
  bool reached_the_end = false;
  for (std::uint64_t stop = 0; !reached_the_end; ++stop) {
    const auto stopped = disk.clone();
    {
      TestLog test(*stopped);
      ASSERT_TRUE(succeeded(test.open()));
      stopped->crash_at(stop);
      (void)test.log->remove_segments(removable);
      reached_the_end = !stopped->has_crashed();
    }
    for (std::uint64_t names = 0; names < 1U << stopped->unsynced_names(); ++names) {
      SCOPED_TRACE("stopped at " + std::to_string(stop) + ", names " + std::to_string(names));
      const auto after = stopped->clone();
      after->lose_power_but_keep_names(names);
      TestLog test(*after);
      ASSERT_TRUE(succeeded(test.open()));
      EXPECT_TRUE(test.log->recovery().validation.is_healthy());
    }
  }
}

TEST(WalRecovery, TemporaryFilesOfACrashAreRemoved) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  disk.set_contents("wal/" + wal::spare_name(7), std::vector<std::byte>(100));
  disk.set_contents("wal/" + wal::rewrite_name(9), std::vector<std::byte>(100));
  disk.set_contents("wal/notes.txt", std::vector<std::byte>(3));
  ASSERT_TRUE(succeeded(test.open()));
  const auto names = disk.list(kDirectory);
  ASSERT_TRUE(succeeded(names));
  EXPECT_EQ(*names, std::vector<std::string>{"notes.txt"}) << "foreign files are not ours";
  ASSERT_TRUE(succeeded(test.put("doc", "1")));
  EXPECT_EQ(test.log->segments().back().id, 10U) << "ids of lost spares are not used again";
}

TEST(WalRecovery, SpaceBehindACrashIsGivenBack) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("doc", "1")));
  EXPECT_EQ(disk.contents(segment_path(1)).size(), test.options.segment_bytes);
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("doc", "2")));
  EXPECT_LT(disk.contents(segment_path(1)).size(), 5000U);
  EXPECT_EQ(test.seqs().size(), 2U);
}

TEST(WalRecovery, ManyCrashesAndClosesKeepEverything) {
  MemoryDisk disk;
  TestLog test(disk);
  std::vector<Seq> written;
  for (int round = 0; round < 20; ++round) {
    ASSERT_TRUE(succeeded(test.open()));
    EXPECT_TRUE(test.log->recovery().validation.is_healthy());
    for (int i = 0; i <= round % 3; ++i) {
      const auto put = test.put("doc", payload(5000, 1));
      ASSERT_TRUE(succeeded(put));
      written.push_back(*put);
    }
    if (round % 4 == 0) {
      ASSERT_TRUE(succeeded(test.log->close()));
    } else if (round % 4 == 1) {
      test.log = nullptr;
      disk.lose_power();
    }
  }
  EXPECT_EQ(test.seqs(), written);
}

/// Every byte of one segment, without opening a log: what is not read is named, nothing else is.
TEST(WalScan, AnyFlippedByteOfASegmentWithAKnownEndIsNamed) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.segment_bytes = 8ULL << 10;
  test.options.large_value_bytes = 500;
  ASSERT_TRUE(succeeded(test.open()));
  for (const std::size_t bytes : {80U, 600U, 30U, 700U, 40U}) {
    ASSERT_TRUE(succeeded(test.put("doc", payload(bytes, bytes))));
  }
  test.log = nullptr;
  const auto intact = disk.contents(segment_path(1));
  const auto opened = disk.open(segment_path(1), io::OpenMode::kReadWrite);
  ASSERT_TRUE(succeeded(opened));
  io::File& file = **opened;
  const auto whole = wal::scan_segment(file, {.name = "x", .id = 1});
  ASSERT_TRUE(succeeded(whole));
  ASSERT_EQ(whole->records, 5U);
  const wal::Predecessor end{.id = 1, .valid_bytes = whole->valid_end, .last_seq = 5};
  for (std::uint64_t at = 0; at < whole->valid_end; ++at) {
    const std::byte flipped = intact[at] ^ std::byte{0x80};
    ASSERT_TRUE(succeeded(file.write(at, base::ByteSpan(&flipped, 1))));
    const auto scan = wal::scan_segment(file, {.name = "x", .id = 1, .known_end = end});
    ASSERT_TRUE(succeeded(scan));
    std::uint64_t lost = 0;
    for (const SeqRange& range : scan->lost) {
      lost += range.last - range.first + 1;
    }
    ASSERT_EQ(scan->records + lost, 5U) << "byte " << at;
    ASSERT_TRUE(scan->is_damaged()) << "byte " << at;
    ASSERT_EQ(lost, at < wal::kSegmentHeaderBytes ? 0U : 1U) << "byte " << at;
    ASSERT_EQ(scan->valid_end, whole->valid_end);
    ASSERT_TRUE(succeeded(file.write(at, base::ByteSpan(&intact[at], 1))));
  }
}

}  // namespace
}  // namespace pluresdb::wal_test
