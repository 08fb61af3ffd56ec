// What a failing file does to a write: rewritten elsewhere (D5), refused (D6), or unknown.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/worker_team.h"
#include "engine/tests/wal_layout.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

/// Fails the next `count` operations of one kind on files with this name ending.
MemoryDisk::Fault fail_next(DiskOperation kind, int count, std::string name_end,
                            ErrorCode code = ErrorCode::kIo) {
  auto left = std::make_shared<int>(count);  // Shared: the function object is copied.
  return [=](DiskOperation operation, const std::string& path) -> std::optional<Error> {
    if (operation != kind || !path.ends_with(name_end) || *left == 0) {
      return std::nullopt;
    }
    --*left;
    return Error{.code = code, .sys_errno = EIO, .injected = true, .context = "fault " + path};
  };
}

struct CountingSink final : wal::ReplaySink {
  std::size_t records = 0;
  void take(std::size_t /*slot*/, std::span<const wal::RecordView> taken) override {
    records += taken.size();
  }
  Status end_window(std::size_t /*slots*/) override { return {}; }
};

class WalFailure : public testing::Test {
 protected:
  void open() {
    ASSERT_TRUE(succeeded(test_.open()));
    ASSERT_EQ(test_.put("first", "1").value_or(0), 1U);
  }
  /// After power loss and reopening, exactly these seqs are there, and nothing is damaged.
  void expect_after_power_loss(const std::vector<Seq>& seqs) {
    test_.log = nullptr;
    disk_.set_fault(nullptr);
    disk_.lose_power();
    ASSERT_TRUE(succeeded(test_.open()));
    EXPECT_EQ(test_.seqs(), seqs);
    EXPECT_TRUE(test_.log->recovery().validation.is_healthy());
  }

  MemoryDisk disk_;
  TestLog test_{disk_};
};

TEST_F(WalFailure, AGroupWhoseSyncFailedIsRewrittenIntoANewSegment) {
  open();
  disk_.set_fault(fail_next(DiskOperation::kSync, 1, ".wal"));
  EXPECT_EQ(test_.put("second", payload(9000, 2)).value_or(0), 2U);
  EXPECT_EQ(test_.log->segments().size(), 2U);
  EXPECT_EQ(test_.log->stats().sync_failures, 1U);
  EXPECT_EQ(test_.log->stats().groups_rewritten, 1U);
  EXPECT_FALSE(test_.log->stats().read_only);
  EXPECT_EQ(test_.put("third", "3").value_or(0), 3U);
  EXPECT_EQ(test_.seqs(), seqs_between(1, 3));
  expect_after_power_loss(seqs_between(1, 3));
}

TEST_F(WalFailure, ASegmentWhoseSyncFailedIsNeverSyncedAgain) {
  open();
  const std::string failed = segment_path(1);
  auto syncs = std::make_shared<int>(0);  // Shared with the function object.
  disk_.set_fault([=](DiskOperation operation, const std::string& path) -> std::optional<Error> {
    if (operation == DiskOperation::kSync && path == failed && ++*syncs == 1) {
      return Error{.code = ErrorCode::kIo, .context = "fault"};
    }
    return std::nullopt;
  });
  ASSERT_TRUE(succeeded(test_.put("second", "2")));
  ASSERT_TRUE(succeeded(test_.put("third", "3")));
  ASSERT_TRUE(succeeded(test_.log->sync()));
  ASSERT_TRUE(succeeded(test_.log->close()));
  EXPECT_EQ(*syncs, 1);
}

TEST_F(WalFailure, WhatTheFailedSegmentHoldsOfTheGroupIsVoid) {
  open();
  disk_.set_fault(fail_next(DiskOperation::kSync, 1, ".wal"));
  ASSERT_TRUE(succeeded(test_.put("second", "2")));
  // The first segment's copy of the group is complete in the page cache: it must not come twice.
  ASSERT_TRUE(succeeded(test_.open()));
  EXPECT_EQ(test_.seqs(), seqs_between(1, 2));
  EXPECT_EQ(test_.log->recovery().validation.valid_entries, 2U);
  // Its successor cannot go before the void bytes are gone; recovery has cut them off.
  ASSERT_TRUE(succeeded(test_.put("later", "x")));
  EXPECT_EQ(test_.log->remove_segments(std::vector<std::uint64_t>{2}).value_or(0), 1U);
  ASSERT_TRUE(succeeded(test_.open()));
  EXPECT_EQ(test_.seqs().size(), 2U);
  EXPECT_EQ(test_.seqs().front(), 1U);
}

TEST_F(WalFailure, TheSuccessorOfASuspectSegmentStaysAsLongAsThatOne) {
  open();
  disk_.set_fault(fail_next(DiskOperation::kSync, 1, ".wal"));
  ASSERT_TRUE(succeeded(test_.put("second", "2")));
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(succeeded(test_.put("more", payload(3000, 1))));
  }
  ASSERT_GE(test_.log->segments().size(), 3U);
  EXPECT_EQ(test_.log->remove_segments(std::vector<std::uint64_t>{2}).value_or(9), 0U);
  EXPECT_TRUE(failed_with(test_.log->rewrite_segments(std::vector<std::uint64_t>{2},
                                                      [](const wal::RecordView&) { return true; }),
                          ErrorCode::kInvalidArgument));
  EXPECT_EQ(test_.log->remove_segments(std::vector<std::uint64_t>{1, 2}).value_or(9), 2U);
}

TEST_F(WalFailure, AGroupWhoseWriteFailedIsRewrittenIntoANewSegment) {
  open();
  disk_.set_fault(fail_next(DiskOperation::kWrite, 1, ".wal"));
  EXPECT_EQ(test_.put("second", payload(30000, 2)).value_or(0), 2U);
  EXPECT_EQ(test_.put("third", "3").value_or(0), 3U);
  EXPECT_EQ(test_.log->segments().size(), 2U);
  EXPECT_EQ(test_.client->unstamped(), 0U);
  expect_after_power_loss(seqs_between(1, 3));
}

TEST_F(WalFailure, FailingTwiceIsIndeterminateAndReadOnly) {
  open();
  disk_.set_fault(fail_next(DiskOperation::kSync, -1, ".wal"));
  EXPECT_TRUE(failed_with(test_.put("second", "2"), ErrorCode::kIndeterminate));
  EXPECT_TRUE(test_.log->stats().read_only);
  EXPECT_TRUE(failed_with(test_.put("third", "3"), ErrorCode::kReadOnly));
  EXPECT_TRUE(failed_with(test_.log->sync(), ErrorCode::kReadOnly));
  EXPECT_EQ(test_.client->applied().size(), 1U);
  EXPECT_EQ(test_.seqs(), seqs_between(1, 1)) << "reads go on";
  EXPECT_TRUE(failed_with(test_.log->close(), ErrorCode::kReadOnly));
  expect_after_power_loss(seqs_between(1, 1));
  EXPECT_GT(test_.put("fourth", "4").value_or(0), 2U) << "the seq of a maybe is not used again";
}

TEST_F(WalFailure, AMaybeThatSurvivesIsReadAndStays) {
  open();
  disk_.set_fault(fail_next(DiskOperation::kSync, -1, ".wal"));
  ASSERT_TRUE(failed_with(test_.put("second", "2"), ErrorCode::kIndeterminate));
  disk_.set_fault(nullptr);
  ASSERT_TRUE(succeeded(test_.open()));  // The page cache still has it.
  const auto seen = test_.seqs();
  EXPECT_EQ(seen, seqs_between(1, 2));
  expect_after_power_loss(seen);
}

// The values of the input are read from it and from nothing else: what does not open is not copied.
TEST_F(WalFailure, ARewriteWhoseInputDoesNotOpenChangesNothing) {
  open();
  ASSERT_TRUE(succeeded(test_.put("large", payload(50'000, 1))));
  ASSERT_TRUE(succeeded(test_.put("large", payload(50'000, 2))));
  test_.log = nullptr;
  auto log = wal::Log::open(test_.options, 0);  // No record was asked for: no file is open.
  ASSERT_TRUE(succeeded(log));
  TestClient client((*log)->recovery().hlc_floor);
  (*log)->start(client);
  const std::uint64_t input[] = {(*log)->segments().front().id};
  const auto keep = [](const wal::RecordView&) { return true; };
  disk_.set_fault(fail_next(DiskOperation::kOpen, 1, ".wal"));
  EXPECT_TRUE(failed_with((*log)->rewrite_segments(input, keep), ErrorCode::kIo));
  EXPECT_EQ((*log)->segments().front().id, input[0]);
  disk_.set_fault(nullptr);
  EXPECT_TRUE(succeeded((*log)->rewrite_segments(input, keep)));
  *log = nullptr;
  expect_after_power_loss(seqs_between(1, 3));
}

// A long rewrite is synced in steps, each of which may fail.
TEST_F(WalFailure, AnyStepOfALongRewriteMayFailToBeSynced) {
  constexpr std::uint64_t kValue = 1ULL << 20;
  constexpr std::uint64_t kValues = 7;
  test_.options.segment_bytes = (kValues - 1) * kValue;
  open();
  for (std::uint64_t i = 0; i < kValues; ++i) {
    ASSERT_TRUE(succeeded(test_.put("large", payload(kValue, i))));
  }
  ASSERT_EQ(test_.log->segments().size(), 2U);
  const std::uint64_t input[] = {test_.log->segments().front().id};
  const auto keep = [](const wal::RecordView&) { return true; };
  int failed = 0;
  bool done = false;
  for (int n = 1; !done; ++n) {
    SCOPED_TRACE(n);
    ASSERT_LT(n, 20);
    int left = n;
    disk_.set_fault([&left](DiskOperation operation, const std::string& path) {
      const bool hit =
          operation == DiskOperation::kSync && path.find("rewrite-") != std::string::npos;
      return hit && --left == 0 ? std::optional(Error{.code = ErrorCode::kIo, .context = path})
                                : std::nullopt;
    });
    const auto rewritten = test_.log->rewrite_segments(input, keep);
    disk_.set_fault(nullptr);
    done = left > 0;
    EXPECT_EQ(rewritten.has_value(), done);
    failed += done ? 0 : 1;
    EXPECT_EQ(test_.seqs(), seqs_between(1, kValues + 1));
    EXPECT_EQ(test_.log->segments().front().id == input[0], !done);
  }
  EXPECT_GE(failed, 2) << "one in the middle, one at the end";
  expect_after_power_loss(seqs_between(1, kValues + 1));
}

// What a value in it says cannot be copied any more: nothing is.
TEST_F(WalFailure, ARewriteOfADamagedValueChangesNothing) {
  constexpr std::uint64_t kValue = 30'000;
  open();
  for (std::uint64_t i = 0; i < 4; ++i) {
    ASSERT_TRUE(succeeded(test_.put("large", payload(kValue, i))));
  }
  const std::uint64_t input[] = {test_.log->segments().front().id};
  ASSERT_NE(input[0], test_.log->segments().back().id);
  const auto keep = [](const wal::RecordView&) { return true; };
  std::vector<std::byte> bytes = disk_.contents(segment_path(input[0]));
  bytes[wal::kSegmentHeaderBytes + kValue] ^= std::byte{1};
  disk_.set_contents(segment_path(input[0]), bytes);
  const auto rewritten = test_.log->rewrite_segments(input, keep);
  ASSERT_TRUE(failed_with(rewritten, ErrorCode::kCorruption));
  EXPECT_NE(rewritten.error().context.find("value of seq 2"), std::string::npos)
      << rewritten.error().context;
  EXPECT_EQ(test_.log->segments().front().id, input[0]);
  EXPECT_TRUE(succeeded(
      test_.log->read_value(3, kValue, base::crc32c(base::as_bytes(payload(kValue, 1))))));
}

// The end of a segment that an earlier open wrote is cut when its successor is durable: where that
// fails only space is lost, until the next open.
TEST_F(WalFailure, APredecessorThatCannotBeCutIsCutByTheNextOpen) {
  open();
  const std::uint64_t whole = disk_.contents(segment_path(1)).size();
  ASSERT_TRUE(succeeded(test_.open()));
  disk_.set_fault(fail_next(DiskOperation::kOpen, 1, ".wal"));
  const auto second = test_.put("second", "2");
  ASSERT_TRUE(succeeded(second));
  disk_.set_fault(nullptr);
  EXPECT_EQ(disk_.contents(segment_path(1)).size(), whole);
  ASSERT_TRUE(succeeded(test_.open()));
  EXPECT_LT(disk_.contents(segment_path(1)).size(), whole);
  expect_after_power_loss({1, *second});
}

TEST_F(WalFailure, RotationSurvivesASpareThatCannotBeActivated) {
  open();
  disk_.set_fault(fail_next(DiskOperation::kSync, 1, ".tmp"));
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(succeeded(test_.put("more", payload(3000, 1))));
  }
  EXPECT_FALSE(test_.log->stats().read_only);
  expect_after_power_loss(seqs_between(1, 31));
}

TEST_F(WalFailure, NoNewSegmentAtAllIsReadOnlyAndTheWriteWasNotDone) {
  open();
  disk_.set_fault(fail_next(DiskOperation::kSyncDirectory, -1, kDirectory));
  Result<Seq> last = 1;
  Seq acknowledged = 1;
  while (last) {
    acknowledged = *last;
    last = test_.put("more", payload(3000, 1));
    ASSERT_LT(acknowledged, 100U);
  }
  EXPECT_TRUE(failed_with(last, ErrorCode::kReadOnly));
  EXPECT_EQ(test_.client->unstamped(), 1U);
  expect_after_power_loss(seqs_between(1, acknowledged));
}

TEST_F(WalFailure, AFooterThatCannotBeWrittenCostsOnlyTheFooter) {
  open();
  ASSERT_TRUE(succeeded(test_.put("more", payload(3000, 1))));
  disk_.set_fault(fail_next(DiskOperation::kTruncate, 1, ".wal"));
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(succeeded(test_.put("more", payload(3000, 1))));
  }
  expect_after_power_loss(seqs_between(1, 32));
}

TEST_F(WalFailure, AFullDiskRefusesTheGroupAndLaterTakesItAgain) {
  open();
  disk_.set_capacity(100ULL << 10);  // The active segment, but no second one.
  Seq written = 1;
  while (true) {
    const auto put = test_.put("more", payload(3000, 1));
    if (!put) {
      ASSERT_TRUE(failed_with(put, ErrorCode::kNoSpace));
      break;
    }
    written = *put;
    ASSERT_LT(written, 100U);
  }
  EXPECT_GT(written, 15U) << "the preallocated segment must be used up first";
  EXPECT_TRUE(failed_with(test_.put("large", payload(50000, 1)), ErrorCode::kNoSpace));
  EXPECT_EQ(test_.log->stats().no_space_refusals, 2U);
  EXPECT_EQ(test_.client->unstamped(), 2U);
  EXPECT_EQ(test_.put("tiny", "1").value_or(0), written + 1) << "there is room for a small one";
  EXPECT_EQ(test_.seqs(), seqs_between(1, written + 1));
  disk_.set_capacity(~0ULL);
  EXPECT_EQ(test_.put("large", payload(50000, 1)).value_or(0), written + 2);
  EXPECT_FALSE(test_.log->stats().read_only);
  for (const auto& record : test_.client->applied()) {
    EXPECT_EQ(record.actor_seq, record.seq) << "dots taken back are given out again";
  }
  expect_after_power_loss(seqs_between(1, written + 2));
}

TEST_F(WalFailure, AGroupHalfWrittenOnAFullDiskIsTakenBack) {
  open();
  ASSERT_TRUE(succeeded(test_.put("second", "2")));
  disk_.set_capacity(64ULL << 10);
  disk_.set_fault(fail_next(DiskOperation::kWrite, 1, ".wal", ErrorCode::kNoSpace));
  EXPECT_TRUE(failed_with(test_.put("third", "3"), ErrorCode::kNoSpace));
  EXPECT_EQ(test_.client->unstamped(), 1U);
  EXPECT_TRUE(failed_with(test_.put("third", "3"), ErrorCode::kNoSpace));
  EXPECT_EQ(test_.seqs(), seqs_between(1, 2));
  disk_.set_capacity(~0ULL);
  EXPECT_EQ(test_.put("third", "3").value_or(0), 3U);
  EXPECT_EQ(test_.log->segments().size(), 2U) << "the half-written segment takes no more groups";
  expect_after_power_loss(seqs_between(1, 3));
}

TEST_F(WalFailure, ATakenBackGroupIsNotFoundAfterACrash) {
  open();
  // The whole group reaches the file, and only then is the write said to have failed.
  disk_.let_failed_writes_be_complete();
  disk_.set_capacity(64ULL << 10);
  disk_.set_fault(fail_next(DiskOperation::kWrite, 1, ".wal", ErrorCode::kNoSpace));
  ASSERT_TRUE(failed_with(test_.put("second", "2"), ErrorCode::kNoSpace));
  disk_.set_capacity(~0ULL);
  ASSERT_TRUE(succeeded(test_.open()));
  EXPECT_EQ(test_.seqs(), seqs_between(1, 1));
  EXPECT_TRUE(test_.log->recovery().validation.is_healthy());
}

TEST_F(WalFailure, OpensOnAFullDisk) {
  open();
  disk_.set_capacity(64ULL << 10);
  ASSERT_TRUE(succeeded(test_.open()));
  EXPECT_EQ(test_.seqs(), seqs_between(1, 1));
  EXPECT_TRUE(failed_with(test_.put("second", "2"), ErrorCode::kNoSpace));
  ASSERT_TRUE(succeeded(test_.open()));
  disk_.set_capacity(~0ULL);
  EXPECT_TRUE(succeeded(test_.put("second", "2")));
}

TEST_F(WalFailure, AFailedRewriteLeavesTheInputs) {
  open();
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(succeeded(test_.put("more", payload(3000, 1))));
  }
  const auto everything = [](const wal::RecordView&) { return true; };
  const std::vector<std::uint64_t> inputs{test_.log->segments()[0].id, test_.log->segments()[1].id};
  for (const DiskOperation kind :
       {DiskOperation::kCreate, DiskOperation::kAllocate, DiskOperation::kWrite,
        DiskOperation::kSync, DiskOperation::kTruncate}) {
    disk_.set_fault(fail_next(kind, 1, ".tmp", ErrorCode::kNoSpace));
    EXPECT_TRUE(failed_with(test_.log->rewrite_segments(inputs, everything), ErrorCode::kNoSpace));
    EXPECT_EQ(test_.seqs(), seqs_between(1, 61));
    for (const auto& [path, bytes] : disk_.files()) {
      EXPECT_FALSE(path.ends_with(".tmp")) << path << " was left behind";
    }
  }
  EXPECT_TRUE(succeeded(test_.log->rewrite_segments(inputs, everything)));
  expect_after_power_loss(seqs_between(1, 61));
}

TEST_F(WalFailure, NoneTurnsReadOnlyWhenUnsyncedGroupsCannotBeMadeDurable) {
  test_.options.durability = Durability::kNone;
  open();
  ASSERT_TRUE(succeeded(test_.log->sync()));
  ASSERT_TRUE(succeeded(test_.put("second", "2")));
  disk_.set_fault(fail_next(DiskOperation::kSync, 1, ".wal"));
  EXPECT_TRUE(failed_with(test_.log->sync(), ErrorCode::kIndeterminate));
  EXPECT_TRUE(failed_with(test_.log->sync(), ErrorCode::kReadOnly)) << "no sync is repeated";
  EXPECT_TRUE(failed_with(test_.put("third", "3"), ErrorCode::kReadOnly));
  expect_after_power_loss(seqs_between(1, 1));
}

TEST_F(WalFailure, NoneSurvivesAFailedWrite) {
  test_.options.durability = Durability::kNone;
  open();
  ASSERT_TRUE(succeeded(test_.put("second", "2")));
  disk_.set_fault(fail_next(DiskOperation::kWrite, 1, ".wal"));
  EXPECT_EQ(test_.put("third", "3").value_or(0), 3U);
  EXPECT_EQ(test_.seqs(), seqs_between(1, 3));
  expect_after_power_loss(seqs_between(1, 3));
}

TEST_F(WalFailure, NoneTurnsReadOnlyWhenAFullSegmentCannotBeSynced) {
  test_.options.durability = Durability::kNone;
  open();
  ASSERT_TRUE(succeeded(test_.log->sync()));
  disk_.set_fault(fail_next(DiskOperation::kSync, 1, segment_path(1)));
  Result<Seq> last = test_.put("more", payload(3000, 1));
  while (last && *last < 100) {
    last = test_.put("more", payload(3000, *last));
  }
  EXPECT_TRUE(failed_with(last, ErrorCode::kReadOnly)) << "the group that needed a new segment";
  EXPECT_TRUE(test_.log->stats().read_only);
  EXPECT_TRUE(failed_with(test_.log->sync(), ErrorCode::kReadOnly)) << "no sync is repeated";
  EXPECT_EQ(test_.log->segments().size(), 1U);
  EXPECT_GT(test_.seqs().size(), 10U);
  expect_after_power_loss(seqs_between(1, 1));
}

/// Fills a segment, so that the next group begins another one.
void write_three_segments(TestLog& test) {
  for (std::uint64_t i = 0; test.log->segments().size() < 3; ++i) {
    ASSERT_TRUE(succeeded(test.put("doc", payload(i % 2 == 0 ? 5000 : 3000, i))));
  }
}

TEST_F(WalFailure, ASegmentThatGotNoRecordIsNotRewritten) {
  open();
  disk_.set_fault(fail_next(DiskOperation::kWrite, 100, ".wal"));
  EXPECT_TRUE(failed_with(test_.put("unknown", "2"), ErrorCode::kIndeterminate));
  disk_.set_fault(nullptr);
  ASSERT_TRUE(succeeded(test_.open()));
  ASSERT_TRUE(succeeded(test_.put("third", "3")));
  const auto segments = test_.log->segments();
  ASSERT_EQ(segments.size(), 3U);
  ASSERT_EQ(segments[1].last_seq, 0U);
  const std::uint64_t empty[] = {segments[1].id};
  const auto rewritten = test_.log->rewrite_segments(empty, [](const auto&) { return true; });
  ASSERT_TRUE(failed_with(rewritten, ErrorCode::kInvalidArgument));
  EXPECT_EQ(rewritten.error().context, "no record to rewrite");
}

/// The record of a large value is damaged after the log was opened: its value would go unseen.
TEST_F(WalFailure, ARewriteThatFindsFewerValuesThanThereWereKeepsItsInput) {
  open();
  write_three_segments(test_);
  const std::uint64_t input[] = {1};
  const auto before = test_.log->segments();
  auto bytes = disk_.contents(segment_path(1));
  const auto groups = layout_of(bytes).groups;
  bytes[groups[1].begin + wal::kGroupHeaderBytes + 40] ^= std::byte{1};  // In the record's chunk.
  disk_.set_contents(segment_path(1), bytes);
  const auto rewritten = test_.log->rewrite_segments(input, [](const auto&) { return true; });
  ASSERT_TRUE(failed_with(rewritten, ErrorCode::kCorruption));
  EXPECT_NE(rewritten.error().context.find("large values"), std::string::npos);
  EXPECT_EQ(test_.log->segments().size(), before.size());
  EXPECT_EQ(disk_.contents(segment_path(1)), bytes);
}

/// Somebody removes a file under the open log: what was in it is lost, named, and no error of what
/// reads the others.
TEST_F(WalFailure, AFileThatVanishedUnderTheOpenLogIsNamedAndHidesNothingElse) {
  open();
  write_three_segments(test_);
  const auto first = test_.log->segments().front();
  const std::string value = payload(5000, 0);
  const auto crc = base::crc32c(base::as_bytes(value));
  test_.log = nullptr;
  const auto log = wal::Log::open(test_.options, 0);  // Which holds no file open yet.
  ASSERT_TRUE(succeeded(log));
  ASSERT_TRUE(succeeded(disk_.remove(segment_path(1))));
  EXPECT_TRUE(failed_with((*log)->read_value(2, value.size(), crc), ErrorCode::kNotFound));
  const auto nothing = [](Seq, auto, std::uint64_t) { return Status{}; };
  EXPECT_TRUE(failed_with((*log)->visit_large_values(99, nothing), ErrorCode::kNotFound));
  std::vector<Seq> left;
  ASSERT_TRUE(succeeded((*log)->replay(0, true, [&left](const wal::RecordView& record) {
    left.push_back(record.seq);
    return Status{};
  })));
  ASSERT_FALSE(left.empty());
  EXPECT_EQ(left.front(), first.last_seq + 1);
  const auto report = (*log)->validate();
  ASSERT_TRUE(succeeded(report));
  ASSERT_EQ(report->lost.size(), 1U);
  EXPECT_EQ(report->lost.front(), (SeqRange{.first = 1, .last = first.last_seq}));
  base::WorkerTeam team(1);
  CountingSink sink;
  ASSERT_TRUE(succeeded((*log)->replay_windows(0, team, sink)));
  EXPECT_EQ(sink.records, left.size());
}

/// Every single operation fails once: nothing acknowledged may be missing, whatever was answered.
TEST_F(WalFailure, AnyOperationThatFailsOnceLosesNothingAcknowledged) {
  for (std::uint64_t target = 0; target < 120; ++target) {
    SCOPED_TRACE("operation " + std::to_string(target) + " fails");
    MemoryDisk disk;
    TestLog test(disk);
    auto count = std::make_shared<std::uint64_t>(0);  // Shared with the function object.
    disk.set_fault([=](DiskOperation operation, const std::string& path) -> std::optional<Error> {
      if (operation == DiskOperation::kRead || (*count)++ != target) {
        return std::nullopt;
      }
      return Error{.code = ErrorCode::kIo, .context = "fault " + path};
    });
    std::vector<Seq> acknowledged;
    if (test.open()) {
      for (int i = 0; i < 60; ++i) {
        // Some are large; the groups of some of those are written piece by piece.
        const auto put = test.put("more", payload(i % 29 == 7  ? 600'001
                                                  : i % 3 == 0 ? 9001
                                                               : 3000,
                                                  1));
        if (put) {
          acknowledged.push_back(*put);
        } else {
          EXPECT_NE(put.error().code, ErrorCode::kNoSpace);
        }
      }
    }
    test.log = nullptr;
    disk.set_fault(nullptr);
    disk.lose_power();
    ASSERT_TRUE(succeeded(test.open()));
    const auto found = test.seqs();
    for (const Seq seq : acknowledged) {
      ASSERT_TRUE(std::ranges::find(found, seq) != found.end()) << "lost: " << seq;
    }
    ASSERT_TRUE(test.log->recovery().validation.is_healthy());
  }
}

}  // namespace
}  // namespace pluresdb::wal_test
