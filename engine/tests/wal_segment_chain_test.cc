// Goal: of the headers alone: which files are of one history. Method: each row of the table in
// docs/formats/wal.md "Chain" as a handful of headers; then every subset of two histories that
// parted.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "engine/wal/segment_chain.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>

namespace pluresdb::wal {
namespace {

constexpr std::uint64_t kSeqsPerSegment = 10;

std::uint64_t salt_of(std::uint64_t id, std::uint64_t branch) { return 1000 * branch + id; }

/// A segment of ten seqs per id, begun at the time `hlc`, after `before` of `branch_before`.
ChainFile appended(std::uint64_t id, std::uint64_t before, Hlc hlc, std::uint64_t branch = 1,
                   std::uint64_t branch_before = 1) {
  return {.name_id = id,
          .header = {.id = id,
                     .salt = salt_of(id, branch),
                     .first_seq = before * kSeqsPerSegment + 1,
                     .predecessor = {.id = before,
                                     .valid_bytes = 5000,
                                     .last_seq = before * kSeqsPerSegment,
                                     .salt = before == 0 ? 0 : salt_of(before, branch_before)},
                     .hlc_floor = hlc}};
}

ChainFile rewritten(std::uint64_t id, std::uint64_t newest_part, Hlc hlc,
                    std::uint64_t branch = 1) {
  return {.name_id = id,
          .header = {.id = id,
                     .salt = salt_of(id, branch),
                     .first_seq = 1,
                     .predecessor = {.id = newest_part, .salt = salt_of(newest_part, branch)},
                     .hlc_floor = hlc,
                     .rewritten = true}};
}

/// Three segments, in a row.
std::vector<ChainFile> history() {
  return {appended(1, 0, 10), appended(2, 1, 20), appended(3, 2, 30)};
}

void expect_only(const std::vector<ChainFile>& files, std::size_t file, std::size_t witness,
                 bool is_settled) {
  std::vector<ChainFile> reversed = files;
  std::ranges::reverse(reversed);
  const auto found = find_strangers(files);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].file, file);
  EXPECT_EQ(found[0].witness, witness);
  EXPECT_EQ(found[0].is_settled, is_settled);
  const auto again = find_strangers(reversed);
  ASSERT_EQ(again.size(), 1U) << "the order of files says nothing";
  EXPECT_EQ(again[0].file, files.size() - 1 - file);
}

TEST(SegmentChain, OneHistoryHasNoStrangers) {
  EXPECT_TRUE(find_strangers({}).empty());
  EXPECT_TRUE(find_strangers(history()).empty());
}

TEST(SegmentChain, AnySegmentsOfOneHistoryMayBeGone) {
  std::vector<ChainFile> all = history();
  all.push_back(appended(5, 3, 40));  // 4 was rewritten, or never used.
  all.push_back(rewritten(6, 3, 35));
  all.push_back(rewritten(7, 2, 25));
  for (unsigned there = 0; there < 1U << all.size(); ++there) {
    std::vector<ChainFile> files;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if ((there >> i & 1U) != 0) {
        files.push_back(all[i]);
      }
    }
    EXPECT_TRUE(find_strangers(files).empty()) << there;
  }
}

TEST(SegmentChain, APredecessorWhoseSaltIsNotStatedIsAnyFileOfThatName) {
  auto files = history();
  files[2].header.predecessor.salt = 0;
  files[1].header.salt = 77;
  EXPECT_TRUE(find_strangers(files).empty());
}

TEST(SegmentChain, NothingLiesBetweenASegmentAndItsPredecessor) {
  auto files = history();
  files.push_back(appended(5, 3, 50));
  files.push_back(appended(4, 3, 45, 2));
  expect_only(files, 4, 3, true);
}

TEST(SegmentChain, APredecessorWithAnotherSaltIsAStranger) {
  auto files = history();
  files[1] = appended(2, 1, 15, 2);
  files.push_back(appended(4, 3, 40));
  expect_only(files, 1, 2, true);
  files[0] = appended(1, 0, 10, 2);  // Of the same other history: no predecessor of anything.
  EXPECT_EQ(find_strangers(files).size(), 1U);
}

TEST(SegmentChain, TheNewestSegmentOnTopOfAnotherPredecessorDecidesNothing) {
  auto files = history();
  files[1] = appended(2, 1, 15, 2);
  expect_only(files, 1, 2, false);
  files.push_back(history()[1]);  // It is there, under another name.
  files[3].name_id = 9;
  expect_only(files, 1, 2, true);
}

TEST(SegmentChain, WhatWasBegunLaterIsNeverGivenUp) {
  for (const Hlc hlc : {31U, 30U}) {
    SCOPED_TRACE(hlc);
    auto files = history();
    files[1] = appended(2, 1, hlc, 2);
    expect_only(files, 1, 2, false);
    files = history();
    files.push_back(appended(5, 3, 30));
    files.push_back(appended(4, 3, hlc, 2));
    expect_only(files, 4, 3, false);
  }
}

TEST(SegmentChain, AboveAGapNothingIsOlderThanBelow) {
  // 5 went on from 4, which is not there; below it one that was begun later, or had later seqs.
  expect_only({appended(3, 2, 60), appended(5, 4, 50)}, 0, 1, false);
  auto files = std::vector{appended(3, 2, 40), appended(5, 4, 50)};
  EXPECT_TRUE(find_strangers(files).empty());
  // A declared gap behind which nothing was written, nor in 4.
  files[0].header.first_seq = files[1].header.predecessor.last_seq + 1;
  EXPECT_TRUE(find_strangers(files).empty());
  files[0].header.predecessor.last_seq = files[1].header.predecessor.last_seq + 1;
  expect_only(files, 0, 1, true);
}

TEST(SegmentChain, TheRightNameCountsOfTwoThatClaimToBeTheSame) {
  auto files = history();
  files.push_back(files[1]);
  files[3].name_id = 9;
  expect_only(files, 3, 1, true);  // A copy.
  files[3].header.salt = 5;
  files[3].header.hlc_floor = 25;
  expect_only(files, 3, 1, false);
  // Of a predecessor the right salt counts.
  files[1].header.salt = 6;
  files[3] = history()[1];
  files[3].name_id = 9;
  files[1].header.hlc_floor = 15;
  expect_only(files, 1, 2, true);
}

TEST(SegmentChain, ARenamedSegmentKeepsItsPlace) {
  auto files = history();
  files[0].name_id = 2;
  files[1].name_id = 1;
  files[2].name_id = 9;
  EXPECT_TRUE(find_strangers(files).empty());
}

TEST(SegmentChain, ARewrittenSegmentIsOfTheHistoryOfItsNewestPart) {
  auto files = history();
  files.push_back(rewritten(4, 3, 29));
  files.push_back(appended(6, 3, 60));
  EXPECT_TRUE(find_strangers(files).empty());
  files[3] = rewritten(4, 3, 29, 2);  // Another 3.
  expect_only(files, 3, 2, true);
  files[3] = rewritten(4, 5, 59, 2);  // There was no 5.
  expect_only(files, 3, 4, true);
  files[3] = rewritten(4, 5, 61, 2);
  expect_only(files, 3, 4, false);
  files[2] = files[4];  // And 3 is gone: its successor knows it.
  files.pop_back();
  files[3] = rewritten(4, 3, 29, 2);
  expect_only(files, 3, 2, false);
  files.push_back(appended(7, 6, 70));
  expect_only(files, 3, 2, true);
  files[3] = rewritten(4, 3, 29);
  EXPECT_TRUE(find_strangers(files).empty());
  files[3].header.predecessor = {};  // Not stated.
  EXPECT_TRUE(find_strangers(files).empty());
}

TEST(SegmentChain, ARewrittenSegmentTwiceIsOneAndACopy) {
  auto files = history();
  files.push_back(rewritten(4, 2, 29));
  files.push_back(rewritten(4, 2, 29));
  files[4].name_id = 8;
  expect_only(files, 4, 3, true);
}

TEST(SegmentChain, WhatIsNewerThanTheNewestSegmentIsNoStranger) {
  // The newest ones are gone: what was made of them is all that is left of them.
  EXPECT_TRUE(find_strangers(std::vector{appended(1, 0, 10), rewritten(4, 3, 29)}).empty());
  EXPECT_TRUE(find_strangers(std::vector{rewritten(4, 3, 29)}).empty());
}

/// Two histories that parted behind segment 2: the old one (3 .. 5) was begun first. Whatever is
/// put together of both, no later segment is ever a stranger that is settled, and no two that
/// contradict each other go unnoticed.
TEST(SegmentChain, OfTwoHistoriesTheLaterOneIsNeverGivenUp) {
  const std::vector<ChainFile> old{appended(3, 2, 30, 1), appended(4, 3, 40, 1, 1),
                                   appended(5, 4, 50, 1, 1)};
  const std::vector<ChainFile> later{appended(4, 2, 100, 2, 1), appended(6, 4, 110, 2, 2),
                                     appended(7, 6, 120, 2, 2)};
  std::uint64_t noticed = 0;
  for (unsigned there = 1; there < 1U << 6U; ++there) {
    std::vector<ChainFile> files{appended(1, 0, 10), appended(2, 1, 20)};
    std::set<std::uint64_t> names;
    for (unsigned i = 0; i < 6; ++i) {
      const ChainFile& file = i < 3 ? old[i] : later[i - 3];
      if ((there >> i & 1U) == 0 || !names.insert(file.name_id).second) {
        continue;
      }
      files.push_back(file);
    }
    // Without 6 an older one may lie between 7 and 4, and contradicts 4.
    const bool has_later_newest = names.contains(7) && names.contains(6);
    for (const Stranger& stranger : find_strangers(files)) {
      ++noticed;
      const bool is_later = files[stranger.file].header.salt / 1000 == 2;
      EXPECT_FALSE(is_later && stranger.is_settled) << there;
      EXPECT_TRUE(!has_later_newest || stranger.is_settled) << there;
    }
  }
  EXPECT_GT(noticed, 30U);
}

}  // namespace
}  // namespace pluresdb::wal
