// What compaction removes, rewrites and leaves, on a log and a base store that are made up; its
// throttle.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/compaction_throttle.h"
#include "engine/core/compactor.h"
#include "engine/core/disk_space.h"
#include "engine/core/store_identity.h"
#include "engine/store/base_store.h"
#include "engine/tests/core_fakes.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::core {
namespace {

using pluresdb::testing::MemoryDisk;

constexpr std::uint64_t kMiB = 1ULL << 20;

class CompactorTest : public ::testing::Test {
 protected:
  CompactorTest() : identity_(created(disk_, IdentityRecord{})) {
    log_.infos = {segment(1, 1, 10),     segment(2, 11, 20, 2), segment(3, 21, 30, 2),
                  segment(4, 31, 40, 1), segment(5, 41, 50),    segment(6, 51, 60)};
    log_.infos.back().active = true;
    log_.infos.back().sealed = false;
    log_.large_values[2] = {{11, "a", 10'000}, {12, "b", 10'000}};
    log_.large_values[3] = {{21, "c", 10'000}, {22, "a", 90'000}};
    log_.large_values[4] = {{31, "d", 10'000}};
    base_.values["a"] = in_log(22);
    base_.values["b"] = in_log(12);
    base_.values["d"] = store::BaseValue{};  // Overwritten by a small one.
  }
  static store::CheckpointMeta meta_of(Seq checkpoint, Seq previous) {
    store::CheckpointMeta meta;
    meta.checkpoint_seq = checkpoint;
    meta.previous_checkpoint_seq = previous;
    return meta;
  }
  CompactionPass pass(Seq checkpoint, Seq previous, const CompactionLimits& limits = {}) {
    return compactor_.run(meta_of(checkpoint, previous), limits);
  }
  Status run(Seq checkpoint, Seq previous, const CompactionLimits& limits = {}) {
    return pass(checkpoint, previous, limits).outcome;
  }

  MemoryDisk disk_;
  FakeLog log_;
  FakeBase base_;
  StoreIdentity identity_;
  DiskSpace space_{disk_, "/", 64ULL << 10};
  Compactor compactor_{log_, base_, identity_, space_, {.segment_bytes = 64ULL << 10}};
};

TEST_F(CompactorTest, KeepsWhatLiesAboveThePreviousCheckpoint) {
  ASSERT_TRUE(run(60, 9).has_value());
  EXPECT_TRUE(log_.removed.empty());
  EXPECT_TRUE(log_.rewritten.empty());
  EXPECT_EQ(identity_.record().compacted_through_seq, 0U);
}

TEST_F(CompactorTest, RemovesDeadSegmentsAndThinsOutSparseOnes) {
  ASSERT_TRUE(run(60, 60).has_value());
  EXPECT_EQ(log_.removed, (std::vector<std::uint64_t>{1, 4, 5}));
  ASSERT_EQ(log_.rewritten.size(), 1U);
  EXPECT_EQ(log_.rewritten[0], (std::vector<std::uint64_t>{2}))
      << "segment 3 is mostly live: c is gone, but a has nine tenths";
  EXPECT_EQ(log_.kept, (std::set<Seq>{12}));
  EXPECT_EQ(compactor_.counts().removed, 3U);
  EXPECT_EQ(compactor_.counts().rewritten, 1U);
}

TEST_F(CompactorTest, SaysWhatGoesBeforeItGoes) {
  log_.before_change = [&] {
    const auto on_disk = StoreIdentity::load(disk_, "/");
    EXPECT_GE(on_disk->record().compacted_through_seq, log_.removed.empty() ? 50U : 20U);
  };
  ASSERT_TRUE(run(60, 60).has_value());
  EXPECT_EQ(StoreIdentity::load(disk_, "/")->record().compacted_through_seq, 50U);
}

TEST_F(CompactorTest, NothingGoesWhenThatCannotBeWrittenDown) {
  disk_.set_fault([](std::string_view, const std::string& path) -> std::optional<Error> {
    return Error{.code = ErrorCode::kIo, .sys_errno = EIO, .context = path};
  });
  EXPECT_FALSE(run(60, 60).has_value());
  EXPECT_TRUE(log_.removed.empty());
  EXPECT_TRUE(log_.rewritten.empty());
}

TEST_F(CompactorTest, KeepsTheNewestDurableRecordsWhenTheActiveSegmentMayVanish) {
  log_.durable_seq = 50;  // Of the active segment nothing is durable (Durability::kNone).
  ASSERT_TRUE(run(50, 50).has_value());
  EXPECT_EQ(log_.removed, (std::vector<std::uint64_t>{1, 4})) << "5 proves that seq 50 existed";
}

TEST_F(CompactorTest, RewritesTogetherOnlyWhatIsAdjacentBySeq) {
  // Segment 7 is an earlier rewrite of seqs 5..8: its id is next to nobody, its seqs are before 2.
  base_.values["a"] = in_log(11);
  base_.values["e"] = in_log(5);
  log_.infos.erase(log_.infos.begin());
  log_.infos.push_back(segment(7, 5, 8, 1));
  log_.large_values[7] = {{5, "e", 10'000}};
  log_.large_values[3] = {{21, "c", 10'000}, {22, "x", 90'000}};
  ASSERT_TRUE(run(60, 60).has_value());
  ASSERT_EQ(log_.rewritten.size(), 1U);
  EXPECT_EQ(log_.rewritten[0], (std::vector<std::uint64_t>{7, 2}));
}

TEST_F(CompactorTest, ADamagedValueIsToldAndDoesNotStopTheOthers) {
  base_.values["c"] = in_log(21);
  log_.large_values[3] = {{21, "c", 10'000}, {22, "x", 90'000}};
  log_.infos[3].large_values = 0;  // Between 3 and 5 nothing: two runs, not one.
  log_.infos.push_back(segment(7, 44, 48, 1));
  log_.infos.erase(log_.infos.begin() + 4);
  log_.large_values[7] = {{44, "e", 10'000}};
  base_.values["e"] = in_log(44);
  log_.damaged_ids = {2};
  const auto outcome = run(60, 60);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kCorruption);
  EXPECT_FALSE(log_.rewritten.empty()) << "the other batch";
  for (const auto& batch : log_.rewritten) {
    EXPECT_EQ(std::ranges::count(batch, 2U), 0);
  }
}

// A pass that fails has read as much as one that does not: were it free, the next one would begin
// at once.
TEST_F(CompactorTest, AFailingPassIsChargedForWhatItRead) {
  log_.damaged_ids = {2};
  const CompactionLimits limits{.lookups = 1000, .collect_bytes = 1};
  const CompactionPass failed = pass(60, 60, limits);
  ASSERT_FALSE(failed.outcome.has_value());
  EXPECT_EQ(failed.work.collect_bytes, 100'000U) << "segment 2";
  EXPECT_EQ(failed.work.lookups, 5U) << "of segments 2, 3 and 4";
  EXPECT_EQ(compactor_.counts().runs, 0U);
  EXPECT_EQ(compactor_.counts().failures, 1U);
  CompactionThrottle throttle(64 * kMiB, 0);
  throttle.earn(1'000'000, 0, 0);  // A millisecond: 4 KiB.
  throttle.spend(failed.work);
  EXPECT_EQ(throttle.limits().collect_bytes, 0U);
}

TEST_F(CompactorTest, EveryErrorOfAPassIsCountedAndTheLastIsTold) {
  log_.damaged_ids = {2, 4};
  base_.values["d"] = in_log(31);
  log_.unreadable_id = 3;
  const Status outcome = run(60, 60);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().context,
            "look at 3; 2 more of this pass failed, the last one: "
            "corruption: 4 is damaged");
  EXPECT_EQ(compactor_.counts().failures, 3U);
}

// Whether a value is live cannot be said when the base store cannot be read: its segment stays.
TEST_F(CompactorTest, NothingThatCannotBeJudgedGoes) {
  base_.reads_fail = true;
  const Status outcome = run(60, 60);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_TRUE(outcome.error().context.starts_with("get; 2 more of this pass failed"))
      << outcome.error().context;
  EXPECT_EQ(log_.removed, (std::vector<std::uint64_t>{1, 5})) << "what holds no large value";
  EXPECT_TRUE(log_.rewritten.empty());
}

TEST_F(CompactorTest, WhatCannotBeRewrittenYetIsNoFailure) {
  log_.needed_ids = {2, 3, 4};
  EXPECT_TRUE(run(60, 60).has_value());
  EXPECT_EQ(compactor_.counts().rewritten, 0U);
  EXPECT_EQ(compactor_.counts().failures, 0U);
}

TEST_F(CompactorTest, LimitedPassesGoOnWhereTheLastOneStopped) {
  ASSERT_TRUE(run(60, 60, {.lookups = 1}).has_value());
  EXPECT_EQ(log_.rewritten.size(), 1U) << "segment 2";
  EXPECT_EQ(log_.removed, (std::vector<std::uint64_t>{1, 5}));
  log_.removed.clear();
  ASSERT_TRUE(run(60, 60, {.lookups = 3}).has_value());
  EXPECT_TRUE(std::ranges::find(log_.removed, 4U) != log_.removed.end()) << "reached segment 4";
  EXPECT_EQ(log_.rewritten.size(), 1U) << "segment 2 was not looked at again";
}

TEST_F(CompactorTest, CollectsBelowHalfAndNotAbove) {
  for (const std::uint64_t live : {46'000U, 45'800U}) {  // Of 100,000 less 8 KiB.
    log_.infos = {segment(1, 1, 10, 1), segment(2, 11, 20)};
    log_.large_values[1] = {{1, "a", live}};
    base_.values["a"] = in_log(1);
    log_.rewritten.clear();
    ASSERT_TRUE(run(20, 20).has_value());
    EXPECT_EQ(log_.rewritten.size(), live < 45'904 ? 1U : 0U) << live;
  }
}

TEST_F(CompactorTest, CompressesOnceWhatHoldsLiveValues) {
  Compactor compactor(log_, base_, identity_, space_,
                      {.segment_bytes = 64ULL << 10, .compress = true});
  ASSERT_TRUE(compactor.run(meta_of(60, 60), {}).outcome.has_value());
  EXPECT_EQ(log_.rewritten, (std::vector<std::vector<std::uint64_t>>{{2}, {3}}))
      << "2 to collect garbage, 3 to compress: two accounts, two rewrites";
  log_.rewritten.clear();
  std::ranges::find(log_.infos, 3U, &wal::SegmentInfo::id)->compressed = true;
  ASSERT_TRUE(compactor.run(meta_of(60, 60), {}).outcome.has_value());
  EXPECT_EQ(log_.rewritten, (std::vector<std::vector<std::uint64_t>>{{2}}));
}

TEST_F(CompactorTest, LimitsAreKeptApartAndWhatIsLeftComesFirst) {
  Compactor compactor(log_, base_, identity_, space_,
                      {.segment_bytes = 64ULL << 10, .compress = true});
  const auto first = compactor.run(meta_of(60, 60), {.lookups = 100, .compress_bytes = 0});
  ASSERT_TRUE(first.outcome.has_value());
  EXPECT_EQ(log_.rewritten, (std::vector<std::vector<std::uint64_t>>{{2}}));
  EXPECT_TRUE(first.work.compress_ran_out);
  EXPECT_FALSE(first.work.collect_ran_out);
  EXPECT_EQ(first.work.collect_bytes, 100'000U);
  EXPECT_EQ(first.work.compress_bytes, 0U);
  const auto second = compactor.run(meta_of(60, 60), {.lookups = 2, .collect_bytes = 0});
  ASSERT_TRUE(second.outcome.has_value());
  EXPECT_EQ(log_.rewritten.back(), std::vector<std::uint64_t>{3}) << "the budget went on there";
}

TEST_F(CompactorTest, ManySmallFilesInARowBecomeOne) {
  log_.infos.clear();
  for (std::uint64_t id = 1; id <= 6; ++id) {
    log_.infos.push_back(segment(id, id * 10, id * 10 + 5, 1));
    log_.infos.back().file_bytes = id == 2 ? 30'000 : 5000;
    log_.infos.back().compressed = true;
    log_.large_values[id] = {{id * 10, std::to_string(id), id == 2 ? 20'000U : 600U}};
    base_.values[std::to_string(id)] = in_log(id * 10);
  }
  log_.infos.push_back(segment(7, 70, 75));
  log_.infos.back().active = true;
  ASSERT_TRUE(run(75, 75).has_value());
  EXPECT_EQ(log_.rewritten, (std::vector<std::vector<std::uint64_t>>{{3, 4, 5, 6}}))
      << "2 is large, and 1 is alone";
}

TEST_F(CompactorTest, ATinyFileIsNotRewrittenForItsHeaderAgainAndAgain) {
  log_.infos = {segment(1, 1, 10, 1), segment(2, 11, 20)};
  log_.infos[0].file_bytes = 4096 + 128 + 300 + 400;
  log_.infos[0].compressed = true;
  log_.large_values[1] = {{1, "a", 400}};
  base_.values["a"] = in_log(1);
  ASSERT_TRUE(run(20, 20).has_value());
  EXPECT_TRUE(log_.rewritten.empty());
}

TEST_F(CompactorTest, CompressionKeepsClearOfAWritersNextSegment) {
  Compactor compactor(log_, base_, identity_, space_,
                      {.segment_bytes = 64ULL << 10, .compress = true});
  base_.values["b"] = in_log(1);  // Segment 2 is dead, 3 is worth compressing.
  disk_.set_capacity(disk_.used() + 140'000);
  ASSERT_TRUE(compactor.run(meta_of(60, 60), {}).outcome.has_value());
  EXPECT_TRUE(log_.rewritten.empty()) << "90,000 bytes and a segment do not fit";
  disk_.set_capacity(disk_.used() + 170'000);
  ASSERT_TRUE(compactor.run(meta_of(60, 60), {}).outcome.has_value());
  EXPECT_EQ(log_.rewritten, (std::vector<std::vector<std::uint64_t>>{{3}}));
}

constexpr std::int64_t kSecondNs = 1'000'000'000;

TEST(CompactionThrottle, EarnsByAppendedBytesAndByTime) {
  CompactionThrottle throttle(64 * kMiB, 0);
  EXPECT_EQ(throttle.limits().collect_bytes, 0U);
  throttle.earn(0, 10 * kMiB, 100);
  EXPECT_EQ(throttle.limits().collect_bytes, 30 * kMiB);
  EXPECT_EQ(throttle.limits().compress_bytes, 0U) << "by time only";
  EXPECT_EQ(throttle.limits().lookups, 400U);
  throttle.earn(2 * kSecondNs, 10 * kMiB, 100);
  EXPECT_EQ(throttle.limits().collect_bytes, 38 * kMiB);
  EXPECT_EQ(throttle.limits().compress_bytes, 32 * kMiB);
  EXPECT_EQ(throttle.limits().lookups, 4400U);
  throttle.earn(5'000'000 * kSecondNs, 10 * kMiB, 100);
  EXPECT_EQ(throttle.limits().collect_bytes, 128 * kMiB) << "no storm after a pause";
}

TEST(CompactionThrottle, DebtIsEarnedBackBeforeMoreIsBegun) {
  CompactionThrottle throttle(64 * kMiB, 0);
  throttle.earn(kSecondNs / 2, 0, 0);
  EXPECT_FALSE(throttle.can_go_on()) << "nothing was left";
  throttle.spend({.lookups = 10, .collect_bytes = 64 * kMiB, .collect_ran_out = true});
  EXPECT_EQ(throttle.limits().collect_bytes, 0U);
  EXPECT_EQ(throttle.limits().compress_bytes, 8 * kMiB) << "the other account is untouched";
  EXPECT_FALSE(throttle.can_go_on());
  throttle.earn(15 * kSecondNs, 0, 0);
  EXPECT_FALSE(throttle.can_go_on());
  throttle.earn(17 * kSecondNs, 0, 0);
  EXPECT_TRUE(throttle.can_go_on()) << "62 MiB at 4 MiB a second";
  throttle.spend({.lookups = 10, .lookups_ran_out = true});
  EXPECT_TRUE(throttle.can_go_on());
}

// Goal: collection never falls behind without bound, compression not below 16 MiB/s. Method:
// everything that is appended dies, and lies in segments that are just below half live, the most
// expensive there are: two bytes are read for each that is given back. All of it is to be
// compressed once as well.
TEST(CompactionThrottle, NoWriterOutrunsIt) {
  constexpr std::uint64_t kSeconds = 1000;
  for (const std::uint64_t bytes_per_tick : {kMiB / 8, kMiB, 3 * kMiB, 20 * kMiB, 400 * kMiB}) {
    const bool compression_keeps_up = bytes_per_tick <= 3 * kMiB;
    CompactionThrottle throttle(64 * kMiB, 0);
    std::uint64_t compressed = 0;
    std::uint64_t appended = 0;
    std::int64_t garbage = 0;
    std::int64_t uncompressed = 0;
    std::int64_t worst = 0;
    for (std::int64_t tick = 1; tick <= 5 * static_cast<std::int64_t>(kSeconds); ++tick) {
      appended += bytes_per_tick;
      garbage += static_cast<std::int64_t>(bytes_per_tick);
      uncompressed += static_cast<std::int64_t>(bytes_per_tick);
      throttle.earn(tick * kSecondNs / 5, appended, appended / 16384);
      const auto limits = throttle.limits();
      CompactionWork work;
      const auto segment = static_cast<std::int64_t>(64 * kMiB);
      while (work.collect_bytes < limits.collect_bytes && garbage >= segment / 2) {
        work.collect_bytes += 64 * kMiB;
        garbage -= segment / 2;
      }
      while (work.compress_bytes < limits.compress_bytes && uncompressed >= segment) {
        work.compress_bytes += 64 * kMiB;
        uncompressed -= segment;
        compressed += 64 * kMiB;
      }
      throttle.spend(work);
      worst = std::max({worst, garbage, compression_keeps_up ? uncompressed : 0});
    }
    EXPECT_GE(compressed + 128 * kMiB, std::min(appended, 16 * kMiB * kSeconds)) << bytes_per_tick;
    EXPECT_LE(compressed, 16 * kMiB * kSeconds + 64 * kMiB) << bytes_per_tick;
    // What one tick brings, beyond what may be saved up for it, waits for the next.
    EXPECT_LT(worst, static_cast<std::int64_t>(2 * bytes_per_tick + 320 * kMiB)) << bytes_per_tick;
  }
}

TEST(CompactionThrottle, ManySmallStepsEarnAsMuchAsOne) {
  CompactionThrottle throttle(64 * kMiB, 0);
  for (std::int64_t now = 1; now <= 1'000'000; ++now) {
    throttle.earn(now * 1000, 0, 0);  // A microsecond each.
  }
  EXPECT_NEAR(static_cast<double>(throttle.limits().collect_bytes), 4.0 * kMiB, 1000);
}

}  // namespace
}  // namespace pluresdb::core
