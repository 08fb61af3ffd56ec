// Goal: torn or corrupt is decided by the table of tail_rule.h and by nothing else.
// Method: one test per row of it, on the smallest segment that has the row's place; then every
// byte of a log of three segments is flipped, and each segment is cut at every byte, with the
// outcome predicted from the layout and the table. All at the level of the scan, in memory.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_layout.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_sealed_support.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/tail_rule.h"
#include <pluresdb/document.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

std::ostream& operator<<(std::ostream& out, const TailRule& rule) {
  return out << "{found " << static_cast<int>(rule.found) << ", evidence "
             << static_cast<int>(rule.evidence) << ", ruling " << static_cast<int>(rule.ruling)
             << "}";
}

}  // namespace pluresdb::wal

namespace pluresdb::wal_test {
namespace {

using wal::Evidence;
using wal::Found;
using wal::Ruling;

constexpr std::array kFound = {Found::kWholeGroup,    Found::kZeros,         Found::kDamagedGroup,
                               Found::kNoFrame,       Found::kDamagedFooter, Found::kTamperedFrame,
                               Found::kTamperedGroup, Found::kTamperedFooter};
constexpr std::array kEvidence = {Evidence::kNone, Evidence::kDurable, Evidence::kVoid};

TEST(TailRules, EachCaseHasExactlyOneRow) {
  for (const Found found : kFound) {
    for (const Evidence evidence : kEvidence) {
      const auto is_row = [&](const wal::TailRule& rule) {
        return rule.found == found && rule.evidence == evidence;
      };
      EXPECT_EQ(std::ranges::count_if(wal::kTailRules, is_row), 1)
          << static_cast<int>(found) << ", " << static_cast<int>(evidence);
    }
  }
  EXPECT_EQ(wal::kTailRules.size(), kFound.size() * kEvidence.size());
}

/// The table of docs/formats/wal.md once more: the tests below follow the one of the code.
TEST(TailRules, AreThoseOfTheDocument) {
  using R = Ruling;
  const std::array<std::array<R, 3>, 8> document = {{
      // unproven, durable, void
      {R::kCounts, R::kCounts, R::kIgnored},    // whole group
      {R::kEnd, R::kCorrupt, R::kIgnored},      // zeros
      {R::kTorn, R::kCorrupt, R::kIgnored},     // damaged group
      {R::kTorn, R::kCorrupt, R::kIgnored},     // no frame
      {R::kTorn, R::kCorrupt, R::kIgnored},     // damaged footer
      {R::kCorrupt, R::kCorrupt, R::kIgnored},  // frame header tampered with
      {R::kCorrupt, R::kCorrupt, R::kIgnored},  // chunk tampered with
      {R::kCorrupt, R::kCorrupt, R::kCorrupt},  // footer or trailer tampered with
  }};
  for (std::size_t found = 0; found < kFound.size(); ++found) {
    for (std::size_t evidence = 0; evidence < kEvidence.size(); ++evidence) {
      EXPECT_EQ(wal::ruling_on(kFound.at(found), kEvidence.at(evidence)),
                document.at(found).at(evidence));
    }
  }
}

/// A log of `segments` files. Groups of two records, every fourth one with a large value.
std::vector<Layout> small_log(std::size_t segments, bool is_closed,
                              const crypto::MasterKeys* keys = nullptr) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.keys = keys;
  test.options.segment_bytes = (keys == nullptr ? 7ULL : 10ULL) << 10;
  test.options.large_value_bytes = 500;
  EXPECT_TRUE(succeeded(test.open()));
  std::uint64_t written = 0;
  while (test.log->segments().size() < segments || written % 6 != 0) {
    const std::string first = payload(written % 8 == 2 ? 600 : 60, written);
    const std::string second = payload(40, written + 1);
    const std::array<wal::AppendRequest, 2> batch = {
        {{.actor = "a", .id = "doc", .value = first},
         {.actor = "a", .id = "doc", .value = second}}};
    EXPECT_TRUE(succeeded(test.log->append_batch(batch)));
    written += batch.size();
  }
  EXPECT_EQ(test.log->segments().size(), segments);
  if (is_closed) {
    EXPECT_TRUE(succeeded(test.log->close()));
  }
  std::vector<Layout> layouts;
  for (std::uint64_t id = 1; id <= segments; ++id) {
    layouts.push_back(layout_of(disk.contents(segment_path(id)), keys));
    EXPECT_FALSE(layouts.back().groups.empty());
  }
  return layouts;
}

struct Seen {
  wal::SegmentScan scan;
  std::set<Seq> lost;
};

Seen scan_of(std::uint64_t id, const std::vector<std::byte>& bytes,
             std::optional<wal::Predecessor> known_end, const crypto::MasterKeys* keys = nullptr) {
  MemoryDisk disk;
  disk.set_contents("segment", bytes);
  const auto file = disk.open("segment", io::OpenMode::kRead);
  EXPECT_TRUE(succeeded(file));
  auto scan = wal::scan_segment(
      **file, {.name = "segment", .id = id, .known_end = known_end, .keys = keys});
  EXPECT_TRUE(succeeded(scan));
  Seen seen;
  seen.scan = *std::move(scan);
  for (const SeqRange& range : seen.scan.lost) {
    for (Seq seq = range.first; seq <= range.last; ++seq) {
      EXPECT_TRUE(seen.lost.insert(seq).second) << "named twice: " << seq;
    }
  }
  return seen;
}

std::set<Seq> seqs_of(const Group& group) {
  std::set<Seq> seqs;
  for (Seq seq = group.first_seq; seq <= group.last_seq; ++seq) {
    seqs.insert(seq);
  }
  return seqs;
}

// --- One test per row ---------------------------------------------------------------------------

class TailRuleRow : public testing::TestWithParam<wal::TailRule> {};

bool is_tampering(Found found) {
  return found == Found::kTamperedFrame || found == Found::kTamperedGroup ||
         found == Found::kTamperedFooter;
}

/// Checksums are right again afterwards.
void tamper(Layout& layout, Found found, bool keep_trailer) {
  const SealedLayout intact = sealed_layout_of(layout.bytes);
  const std::uint64_t begin = layout.groups.back().begin;
  std::uint64_t at = keep_trailer ? intact.footer_body.begin : intact.trailer.end - 1;
  if (found == Found::kTamperedFrame) {
    at = begin + wal::kGroupHeaderBytes;  // The tag.
  } else if (found == Found::kTamperedGroup) {
    at = begin + wal::FrameLayout(true).group_header_bytes() + wal::kChunkHeaderBytes;
  }
  layout.bytes[at] ^= std::byte{1};
  repair_checksums(intact, layout.bytes);
}

/// The place under test is the last group of a segment that a crash left, or the footer of a
/// closed one.
void damage(Layout& layout, Found found, bool keep_trailer) {
  const Group& last = layout.groups.back();
  switch (found) {
    case Found::kWholeGroup:
      break;
    case Found::kZeros:
      std::fill(layout.bytes.begin() + static_cast<std::ptrdiff_t>(last.begin), layout.bytes.end(),
                std::byte{0});
      break;
    case Found::kDamagedGroup:
      layout.bytes[last.end - 1 - 8] ^= std::byte{1};
      break;
    case Found::kNoFrame:
      layout.bytes[last.begin] ^= std::byte{1};
      break;
    case Found::kDamagedFooter:
      layout.bytes[layout.groups_end + 64] ^= std::byte{1};  // In the footer's body.
      if (!keep_trailer) {
        layout.bytes.resize(layout.bytes.size() - wal::kTrailerBytes);
      }
      break;
    case Found::kTamperedFrame:
    case Found::kTamperedGroup:
    case Found::kTamperedFooter:
      tamper(layout, found, keep_trailer);
      break;
  }
}

TEST_P(TailRuleRow, HoldsForTheScan) {
  const wal::TailRule row = GetParam();
  const bool is_footer = row.found == Found::kDamagedFooter || row.found == Found::kTamperedFooter;
  const crypto::MasterKeys* const keys = is_tampering(row.found) ? &test_keys() : nullptr;
  Layout layout = small_log(1, is_footer, keys).front();
  const Group last = layout.groups.back();
  damage(layout, row.found, row.evidence == Evidence::kDurable);
  std::optional<wal::Predecessor> known_end;
  if (row.evidence == Evidence::kVoid) {  // Behind the known end lies the place.
    known_end = is_footer ? wal::Predecessor{1, last.end, last.last_seq}
                          : wal::Predecessor{1, last.begin, last.first_seq - 1};
  } else if (row.evidence == Evidence::kDurable && !is_footer) {
    known_end = wal::Predecessor{1, last.end, last.last_seq};
  }
  const auto [scan, lost] = scan_of(1, layout.bytes, known_end, keys);

  const bool is_looked_at = row.ruling != Ruling::kIgnored;
  EXPECT_EQ(scan.tampered_places, is_tampering(row.found) && is_looked_at ? 1U : 0U);
  const std::uint64_t before = is_footer ? last.last_seq : last.first_seq - 1;
  switch (row.ruling) {
    case Ruling::kCounts:
      EXPECT_EQ(scan.records, last.last_seq);
      EXPECT_EQ(scan.valid_end, last.end);
      EXPECT_FALSE(scan.torn || scan.is_damaged());
      break;
    case Ruling::kEnd:
    case Ruling::kIgnored:
      EXPECT_EQ(scan.records, before);
      EXPECT_EQ(scan.valid_end, is_footer ? last.end : last.begin);
      EXPECT_FALSE(scan.torn || scan.is_damaged());
      break;
    case Ruling::kTorn:
      EXPECT_EQ(scan.records, before);
      EXPECT_EQ(scan.valid_end, is_footer ? last.end : last.begin);
      EXPECT_TRUE(scan.torn);
      EXPECT_GT(scan.torn_bytes, 0U);
      EXPECT_FALSE(scan.is_damaged());
      break;
    case Ruling::kCorrupt:
      EXPECT_TRUE(scan.is_damaged());
      EXPECT_FALSE(scan.torn);
      EXPECT_EQ(scan.records + lost.size(), last.last_seq);
      EXPECT_EQ(lost.empty(), is_footer);
      break;
  }
  if (row.ruling != Ruling::kCorrupt) {
    EXPECT_TRUE(lost.empty());
  }
}

std::string name_of(const testing::TestParamInfo<wal::TailRule>& info) {
  constexpr std::array kFoundNames = {"WholeGroup",    "Zeros",         "DamagedGroup",
                                      "NoFrame",       "DamagedFooter", "TamperedFrame",
                                      "TamperedGroup", "TamperedFooter"};
  constexpr std::array kEvidenceNames = {"Unproven", "Durable", "Void"};
  return std::string(kFoundNames.at(static_cast<std::size_t>(info.param.found))) +
         kEvidenceNames.at(static_cast<std::size_t>(info.param.evidence));
}

INSTANTIATE_TEST_SUITE_P(Rows, TailRuleRow, testing::ValuesIn(wal::kTailRules), name_of);

// --- What proves durability ---------------------------------------------------------------------

TEST(TailEvidence, ALaterGroupProvesTheEarlierOnes) {
  Layout layout = small_log(1, false).front();
  ASSERT_GE(layout.groups.size(), 3U);
  const Group& hit = layout.groups[layout.groups.size() - 2];
  layout.bytes[hit.begin] ^= std::byte{1};
  const auto [scan, lost] = scan_of(1, layout.bytes, std::nullopt);
  EXPECT_TRUE(scan.is_damaged() && !scan.torn);
  EXPECT_EQ(lost, seqs_of(hit));
}

TEST(TailEvidence, ASealProvesTheLastGroup) {
  Layout layout = small_log(1, true).front();
  const Group& hit = layout.groups.back();
  layout.bytes[hit.begin] ^= std::byte{1};
  const auto [scan, lost] = scan_of(1, layout.bytes, std::nullopt);
  EXPECT_TRUE(scan.is_damaged() && !scan.torn && scan.sealed);
  EXPECT_EQ(lost, seqs_of(hit));
}

TEST(TailEvidence, AFooterWithoutItsTrailerProvesTheLastGroupToo) {
  Layout layout = small_log(1, true).front();
  const Group& hit = layout.groups.back();
  layout.bytes[hit.begin] ^= std::byte{1};
  layout.bytes.resize(layout.bytes.size() - wal::kTrailerBytes);
  const auto [scan, lost] = scan_of(1, layout.bytes, std::nullopt);
  EXPECT_TRUE(scan.is_damaged());
  EXPECT_EQ(lost, seqs_of(hit));
}

TEST(TailEvidence, ASuccessorProvesTheLastGroupAlsoWhenItsHeaderIsUnreadable) {
  Layout layout = small_log(1, false).front();
  const Group& hit = layout.groups.back();
  layout.bytes[hit.end - 9] ^= std::byte{1};
  MemoryDisk disk;
  disk.set_contents("segment", layout.bytes);
  const auto file = disk.open("segment", io::OpenMode::kRead);
  ASSERT_TRUE(succeeded(file));
  const auto scan = wal::scan_segment(**file, {.name = "segment", .id = 1, .has_successor = true});
  ASSERT_TRUE(succeeded(scan));
  EXPECT_TRUE(scan->is_damaged() && !scan->torn);
  EXPECT_FALSE(scan->lost.empty());
}

TEST(TailEvidence, PreallocatedBytesProveNothing) {
  const Layout layout = small_log(1, false).front();
  ASSERT_GT(layout.bytes.size(), layout.groups_end) << "the rest of the file is allocated";
  const auto [scan, lost] = scan_of(1, layout.bytes, std::nullopt);
  EXPECT_FALSE(scan.torn || scan.is_damaged());
  EXPECT_EQ(scan.valid_end, layout.groups_end);
}

// --- Every byte ---------------------------------------------------------------------------------

constexpr std::size_t kSegments = 3;

/// What a successor's header says of segment `index`; none for the newest one.
std::optional<wal::Predecessor> known_end_of(const std::vector<Layout>& log, std::size_t index) {
  if (index + 1 == log.size()) {
    return std::nullopt;
  }
  return wal::Predecessor{.id = index + 1,
                          .valid_bytes = log[index].groups_end,
                          .last_seq = log[index].groups.back().last_seq};
}

std::uint64_t record_count(const Layout& layout) {
  return layout.groups.back().last_seq - layout.groups.front().first_seq + 1;
}

void expect_flip(const Layout& layout, const Seen& seen, std::uint64_t at, bool has_successor,
                 bool is_sealed) {
  const auto& [scan, lost] = seen;
  const std::uint64_t records = record_count(layout);
  if (at < wal::kSegmentHeaderBytes) {
    ASSERT_TRUE(scan.is_damaged() && !scan.torn);
    ASSERT_TRUE(lost.empty());
    ASSERT_EQ(scan.records, records);
    return;
  }
  if (at >= layout.groups_end) {
    ASSERT_TRUE(lost.empty());
    ASSERT_EQ(scan.records, records);
    const bool has_trailer = is_sealed && at < layout.bytes.size() - wal::kTrailerBytes;
    const Ruling ruling = has_successor && !has_trailer ? Ruling::kIgnored
                          : is_sealed
                              ? wal::ruling_on(Found::kDamagedFooter,
                                               has_trailer ? Evidence::kDurable : Evidence::kNone)
                              : wal::ruling_on(Found::kNoFrame, Evidence::kNone);
    ASSERT_EQ(scan.is_damaged(), ruling == Ruling::kCorrupt);
    ASSERT_EQ(scan.torn, ruling == Ruling::kTorn);
    return;
  }
  const auto hit = std::ranges::find_if(
      layout.groups, [at](const Group& group) { return at >= group.begin && at < group.end; });
  ASSERT_NE(hit, layout.groups.end());
  const bool is_last = &*hit == &layout.groups.back();
  const Evidence evidence = is_sealed || !is_last ? Evidence::kDurable : Evidence::kNone;
  const bool in_header = at < hit->begin + wal::kGroupHeaderBytes;
  const Ruling ruling =
      wal::ruling_on(in_header ? Found::kNoFrame : Found::kDamagedGroup, evidence);
  if (ruling == Ruling::kTorn) {
    ASSERT_TRUE(scan.torn && !scan.is_damaged() && lost.empty());
    ASSERT_EQ(scan.records, hit->first_seq - layout.groups.front().first_seq);
    ASSERT_EQ(scan.valid_end, hit->begin);
    return;
  }
  ASSERT_EQ(ruling, Ruling::kCorrupt);
  ASSERT_TRUE(scan.is_damaged() && !scan.torn);
  const std::set<Seq> mine = seqs_of(*hit);
  ASSERT_FALSE(lost.empty());
  ASSERT_TRUE(std::ranges::includes(mine, lost)) << "a neighbour was lost";
  ASSERT_TRUE(!in_header || lost == mine);
  ASSERT_EQ(scan.records + lost.size(), records);
}

TEST(TailExhaustive, EveryFlippedByteIsJudgedAsTheTableSays) {
  for (const bool is_closed : {true, false}) {
    std::vector<Layout> log = small_log(kSegments, is_closed);
    for (std::size_t index = 0; index < log.size(); ++index) {
      Layout& layout = log[index];
      const auto known_end = known_end_of(log, index);
      for (std::uint64_t at = 0; at < layout.bytes.size(); ++at) {
        const auto flipped = std::byte{1} << static_cast<int>(at % 8);
        layout.bytes[at] ^= flipped;
        const Seen seen = scan_of(index + 1, layout.bytes, known_end);
        layout.bytes[at] ^= flipped;
        ASSERT_NO_FATAL_FAILURE(expect_flip(layout, seen, at, known_end.has_value(),
                                            known_end.has_value() || is_closed))
            << "segment " << index + 1 << ", byte " << at;
      }
    }
  }
}

void expect_cut(const Layout& layout, const Seen& seen, std::uint64_t length, bool has_successor) {
  const auto& [scan, lost] = seen;
  std::uint64_t whole = 0;
  std::uint64_t whole_end = wal::kSegmentHeaderBytes;
  std::set<Seq> touched;  // Of the group that is cut, records before the cut may count.
  std::set<Seq> beyond;
  for (const Group& group : layout.groups) {
    if (group.end <= length) {
      whole += group.last_seq - group.first_seq + 1;
      whole_end = group.end;
      continue;
    }
    touched.merge(seqs_of(group));
    if (group.begin >= length) {
      beyond.merge(seqs_of(group));
    }
  }
  if (has_successor) {  // All of it was durable.
    ASSERT_EQ(scan.is_damaged(), length < layout.groups_end);
    ASSERT_FALSE(scan.torn);
    if (length >= wal::kSegmentHeaderBytes) {
      ASSERT_TRUE(std::ranges::includes(touched, lost) && std::ranges::includes(lost, beyond));
      ASSERT_EQ(scan.records + lost.size(), record_count(layout));
    }
    return;
  }
  ASSERT_TRUE(lost.empty());
  ASSERT_EQ(scan.records, whole);
  ASSERT_EQ(scan.is_damaged(), length < wal::kSegmentHeaderBytes);
  // What stands behind the last whole group is torn when it is not zero.
  ASSERT_TRUE(length < wal::kSegmentHeaderBytes || scan.valid_end == whole_end);
}

TEST(TailExhaustive, ASegmentCutAtAnyByteIsJudgedAsTheTableSays) {
  for (const bool is_closed : {true, false}) {
    const std::vector<Layout> log = small_log(kSegments, is_closed);
    for (std::size_t index = 0; index < log.size(); ++index) {
      const auto known_end = known_end_of(log, index);
      for (std::uint64_t length = 0; length < log[index].bytes.size(); ++length) {
        auto bytes = log[index].bytes;
        bytes.resize(length);
        ASSERT_NO_FATAL_FAILURE(expect_cut(log[index], scan_of(index + 1, bytes, known_end), length,
                                           known_end.has_value()))
            << "segment " << index + 1 << " cut at " << length;
      }
    }
  }
}

}  // namespace
}  // namespace pluresdb::wal_test
