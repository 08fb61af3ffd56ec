// Goal: torn or corrupt, never a third thing (D4). Method: a small log of three segments is cut and
// flipped byte by byte. Whatever is hit: every record is read unchanged or not at all; behind
// damage to bytes that were durable the exact lost seqs are named; all later records are kept.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/tests/wal_layout.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

constexpr std::uint64_t kSegments = 3;

/// A log of kSegments files, the last one sealed or left by a crash.
struct SmallLog {
  MemoryDisk disk;
  std::map<std::uint64_t, Layout> files;  // By segment id.
  std::map<Seq, std::string> values;

  explicit SmallLog(bool is_closed) {
    TestLog test(disk);
    test.options.segment_bytes = 8ULL << 10;
    test.options.large_value_bytes = 600;
    EXPECT_TRUE(succeeded(test.open()));
    std::uint64_t i = 0;
    while (files_open(test) < kSegments || values.size() < 16) {
      std::vector<std::string> texts;
      for (const std::size_t bytes : {i % 4 == 1 ? 700U : 90U, 40U}) {
        texts.push_back(payload(bytes, ++i));
      }
      std::vector<wal::AppendRequest> batch;
      for (const std::string& text : texts) {
        batch.push_back({.actor = "a", .id = "doc", .value = text});
      }
      const auto first = test.log->append_batch(batch);
      EXPECT_TRUE(succeeded(first));
      values[*first] = texts[0];
      values[*first + 1] = texts[1];
    }
    EXPECT_EQ(files_open(test), kSegments);
    if (is_closed) {
      EXPECT_TRUE(succeeded(test.log->close()));
    }
    for (std::uint64_t id = 1; id <= kSegments; ++id) {
      files[id] = layout_of(disk.contents(segment_path(id)));
    }
  }

  static std::uint64_t files_open(const TestLog& test) { return test.log->segments().size(); }
};

struct Outcome {
  std::set<Seq> readable;
  std::set<Seq> lost;
  ValidationReport report;
};

/// Opens the log with file `id` replaced by `bytes`, twice: recovery must not change its mind.
Outcome open_with(const SmallLog& log, std::uint64_t id, std::vector<std::byte> bytes) {
  const auto disk = log.disk.clone();
  disk->set_contents(segment_path(id), std::move(bytes));
  Outcome outcome;
  for (int round = 0; round < 2; ++round) {
    TestLog test(*disk);
    const Status opened = test.open();
    EXPECT_TRUE(succeeded(opened));
    if (!opened) {
      return outcome;
    }
    const auto records = test.read_all();
    EXPECT_TRUE(succeeded(records));
    std::set<Seq> readable;
    for (const Record& record : *records) {
      readable.insert(record.seq);
      EXPECT_TRUE(log.values.contains(record.seq) && log.values.at(record.seq) == record.value)
          << "wrong bytes at seq " << record.seq;
    }
    EXPECT_TRUE(round == 0 || readable == outcome.readable);
    outcome.readable = std::move(readable);
    outcome.report = test.log->recovery().validation;
    const auto again = test.log->validate();
    EXPECT_TRUE(succeeded(again));
    EXPECT_EQ(again->valid_entries, outcome.report.valid_entries);
    EXPECT_EQ(again->corrupted_entries, outcome.report.corrupted_entries);
  }
  EXPECT_EQ(outcome.report.valid_entries, outcome.readable.size());
  for (const SeqRange& range : outcome.report.lost) {
    for (Seq seq = range.first; seq <= range.last; ++seq) {
      EXPECT_TRUE(outcome.lost.insert(seq).second) << "named twice: " << seq;
    }
  }
  EXPECT_EQ(outcome.report.corrupted_entries, outcome.lost.size());
  return outcome;
}

/// All seqs but those of groups of `file` that touch [begin, end).
std::set<Seq> seqs_outside(const SmallLog& log, const Layout& file, std::uint64_t begin,
                           std::uint64_t end) {
  std::set<Seq> seqs;
  for (const auto& [seq, value] : log.values) {
    const bool is_hit = std::ranges::any_of(file.groups, [&, s = seq](const Group& group) {
      return s >= group.first_seq && s <= group.last_seq && group.begin < end && group.end > begin;
    });
    if (!is_hit) {
      seqs.insert(seq);
    }
  }
  return seqs;
}

std::set<Seq> all_seqs(const SmallLog& log) {
  std::set<Seq> seqs;
  for (const auto& [seq, value] : log.values) {
    seqs.insert(seq);
  }
  return seqs;
}

std::set<Seq> join(std::set<Seq> left, const std::set<Seq>& right) {
  left.insert(right.begin(), right.end());
  return left;
}

/// Places all over the file: opening a log for every byte would take minutes.
std::vector<std::uint64_t> positions(const Layout& file) {
  std::vector<std::uint64_t> result;
  for (std::uint64_t at = 0; at < file.bytes.size(); at += 19) {
    result.push_back(at);
  }
  for (const Group& group : file.groups) {  // And every edge.
    result.insert(result.end(), {group.begin, group.begin + 1, group.end - 1});
  }
  result.insert(result.end(), {file.groups_end, file.bytes.size() - 1});
  return result;
}

void flip_everywhere(const SmallLog& log, bool is_closed) {
  for (const auto& [id, file] : log.files) {
    const bool was_durable = id < kSegments || is_closed;
    for (const std::uint64_t at : positions(file)) {
      SCOPED_TRACE("file " + std::to_string(id) + ", byte " + std::to_string(at));
      auto bytes = file.bytes;
      bytes[at] ^= std::byte{0x10};
      const Outcome outcome = open_with(log, id, std::move(bytes));
      const auto untouched = seqs_outside(log, file, at, at + 1);
      ASSERT_TRUE(std::ranges::includes(outcome.readable, untouched)) << "a neighbour was lost";
      const bool in_last_group = at >= file.groups.back().begin;
      if (was_durable || !in_last_group) {
        ASSERT_EQ(join(outcome.readable, outcome.lost), all_seqs(log));
        ASSERT_EQ(outcome.readable.size() + outcome.lost.size(), log.values.size());
        // Only bytes of a header's padding or behind the last group may be hit without loss.
        ASSERT_TRUE(at < wal::kSegmentHeaderBytes || at >= file.groups_end ||
                    !outcome.report.is_healthy());
      } else {
        ASSERT_TRUE(outcome.lost.empty()) << "a torn tail is not a loss";
        ASSERT_TRUE(outcome.report.is_healthy());
        ASSERT_TRUE(outcome.readable == untouched || at >= file.groups_end);
        ASSERT_EQ(outcome.report.torn_tails, 1U);
      }
    }
  }
}

void cut_everywhere(const SmallLog& log) {
  for (const auto& [id, file] : log.files) {
    for (const std::uint64_t at : positions(file)) {
      SCOPED_TRACE("file " + std::to_string(id) + " cut at " + std::to_string(at));
      auto bytes = file.bytes;
      bytes.resize(at);
      const Outcome outcome = open_with(log, id, std::move(bytes));
      const auto untouched = seqs_outside(log, file, at, file.bytes.size());
      ASSERT_EQ(outcome.readable, untouched);
      if (id < kSegments) {
        ASSERT_EQ(join(outcome.readable, outcome.lost), all_seqs(log));
        ASSERT_EQ(outcome.report.is_healthy(), at >= file.groups_end);
      } else {
        ASSERT_TRUE(outcome.lost.empty());
        ASSERT_EQ(outcome.report.is_healthy(), at >= wal::kSegmentHeaderBytes);
      }
    }
  }
}

TEST(WalDamage, AnyFlippedByteOfAClosedLogIsCorruptionOfItsGroupOnly) {
  flip_everywhere(SmallLog(true), true);
}

TEST(WalDamage, AnyFlippedByteOfACrashedLogIsTornOnlyInTheLastGroup) {
  flip_everywhere(SmallLog(false), false);
}

TEST(WalDamage, AFileCutAnywhereLosesExactlyWhatIsCutOff) { cut_everywhere(SmallLog(true)); }

TEST(WalDamage, ACrashedLogCutAnywhereLosesExactlyWhatIsCutOff) { cut_everywhere(SmallLog(false)); }

TEST(WalDamage, AMissingFileInTheMiddleIsNamedWithItsSeqs) {
  const SmallLog log(true);
  const auto disk = log.disk.clone();
  ASSERT_TRUE(succeeded(disk->remove(segment_path(2))));
  TestLog test(*disk);
  ASSERT_TRUE(succeeded(test.open()));
  const ValidationReport& report = test.log->recovery().validation;
  const auto& groups = log.files.at(2).groups;
  ASSERT_EQ(report.lost.size(), 1U);
  EXPECT_EQ(report.lost[0],
            (SeqRange{.first = groups.front().first_seq, .last = groups.back().last_seq}));
  EXPECT_EQ(report.corrupted_segments, 1U);
  const auto again = test.log->validate();
  ASSERT_TRUE(succeeded(again));
  EXPECT_EQ(again->lost, report.lost);
}

TEST(WalDamage, AZeroedFileIsLostExactly) {
  const SmallLog log(true);
  const Layout& file = log.files.at(2);
  const Outcome outcome = open_with(log, 2, std::vector<std::byte>(file.bytes.size()));
  EXPECT_EQ(outcome.readable, seqs_outside(log, file, 0, file.bytes.size()));
  EXPECT_EQ(join(outcome.readable, outcome.lost), all_seqs(log));
}

/// The disk of `log` with a flipped bit in the second group of segment `id`.
std::unique_ptr<MemoryDisk> with_damaged_group(const SmallLog& log, std::uint64_t id) {
  auto disk = log.disk.clone();
  auto bytes = log.files.at(id).bytes;
  bytes[log.files.at(id).groups[1].begin + 100] ^= std::byte{1};
  disk->set_contents(segment_path(id), bytes);
  return disk;
}

TEST(WalDamage, DamagedBytesAreKeptAside) {
  const SmallLog log(true);
  const auto disk = with_damaged_group(log, 2);
  const auto bytes = disk->contents(segment_path(2));
  const Group& group = log.files.at(2).groups[1];
  TestLog test(*disk);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_EQ(test.log->recovery().quarantined_bytes, group.end - group.begin);
  const auto names = disk->list(kQuarantine);
  ASSERT_TRUE(succeeded(names));
  ASSERT_EQ(names->size(), 1U);
  const auto kept = disk->contents(io::join_path(kQuarantine, names->front()));
  EXPECT_TRUE(std::ranges::equal(
      kept, base::ByteSpan(bytes).subspan(group.begin, group.end - group.begin)));
}

/// Who copied them may have died before the name of the copy was durable: an open that finds the
/// copy must sync the directory again, and can only believe it when that succeeds.
TEST(WalDamage, ACopyThatIsThereCountsWhenItsNameIsDurable) {
  const SmallLog log(true);
  const auto disk = with_damaged_group(log, 1);
  TestLog test(*disk);
  const auto directory_syncs_fail = [](DiskOperation operation, const std::string& path) {
    return operation == DiskOperation::kSyncDirectory && path == kQuarantine
               ? std::optional(Error{.code = ErrorCode::kIo, .context = "planted"})
               : std::nullopt;
  };
  for (const char* time : {"when it is made", "when it is found"}) {
    disk->set_fault(directory_syncs_fail);
    const Status opened = test.open();
    ASSERT_TRUE(failed_with(opened, ErrorCode::kIo)) << time;
    EXPECT_EQ(opened.error().context, "planted") << time;
    disk->set_fault(nullptr);
    EXPECT_EQ(disk->list(kQuarantine)->size(), 1U) << time;
  }
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_GT(test.log->recovery().quarantined_bytes, 0U);
}

TEST(WalDamage, DamagedBytesThatFoundNoPlaceInQuarantineStayWhereTheyAre) {
  const SmallLog log(true);
  const auto disk = with_damaged_group(log, 1);
  const auto bytes = disk->contents(segment_path(1));
  TestLog test(*disk);
  disk->set_fault([](DiskOperation operation, const std::string& path) -> std::optional<Error> {
    const bool is_refused = operation == DiskOperation::kWrite && path.starts_with(kQuarantine);
    return is_refused ? std::optional(Error{.code = ErrorCode::kNoSpace, .context = "full"})
                      : std::nullopt;
  });
  ASSERT_TRUE(succeeded(test.open()));
  const std::vector<std::uint64_t> damaged{1};
  EXPECT_EQ(test.log->remove_segments(damaged).value_or(9), 0U);
  EXPECT_TRUE(
      failed_with(test.log->rewrite_segments(damaged, [](const wal::RecordView&) { return true; }),
                  ErrorCode::kInvalidArgument));
  EXPECT_EQ(disk->contents(segment_path(1)), bytes);
  const auto left = disk->list(kQuarantine);
  EXPECT_TRUE(succeeded(left) && left->empty()) << "half a copy takes the space that is missing";

  disk->set_fault(nullptr);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_GT(test.log->recovery().quarantined_bytes, 0U);
  EXPECT_EQ(test.log->remove_segments(damaged).value_or(0), 1U);
}

/// A rewritten segment has an id behind those that were appended later, and lower seqs than they.
struct RewrittenLog {
  MemoryDisk disk;
  std::uint64_t rewritten_id = 0;
  std::set<Seq> kept;  // Every seq that is readable before the damage.
  Seq torn_seq = 0;    // Written behind it, and not synced when the power went.
  explicit RewrittenLog(bool is_compressed) {
    TestLog test(disk);
    test.options.segment_bytes = 24ULL << 10;
    test.options.compress_rewritten = is_compressed;
    EXPECT_TRUE(succeeded(test.open()));
    for (std::uint64_t i = 0; i < 24; ++i) {
      EXPECT_TRUE(succeeded(test.put("doc", payload(i % 2 == 0 ? 5000 : 50, i))));
    }
    const auto segments = test.log->segments();
    EXPECT_GE(segments.size(), 4U);
    const std::vector<std::uint64_t> inputs{segments[0].id, segments[1].id};
    const auto id = test.log->rewrite_segments(
        inputs, [](const wal::RecordView& record) { return record.seq % 3 != 0; });
    EXPECT_TRUE(succeeded(id));
    rewritten_id = *id;
    EXPECT_GT(rewritten_id, segments.back().id);
    for (const Seq seq : test.seqs()) {
      kept.insert(seq);
    }
    torn_seq = *test.put("doc", payload(3000, 99));
  }
  void tear_newest() {
    const std::string path = segment_path(rewritten_id - 1);
    auto bytes = disk.contents(path);
    const std::string torn = payload(3000, 99);
    const auto at = std::ranges::search(bytes, base::as_bytes(torn));
    ASSERT_FALSE(at.empty());
    *at.begin() ^= std::byte{1};
    disk.set_contents(path, bytes);
  }
};

TEST(WalDamage, ARewrittenSegmentWithoutItsHeaderKeepsItsRecordsAndItsPlace) {
  for (const bool is_compressed : {false, true}) {
    RewrittenLog log(is_compressed);
    ASSERT_NO_FATAL_FAILURE(log.tear_newest());
    auto bytes = log.disk.contents(segment_path(log.rewritten_id));
    std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
    for (const bool has_threads : {false, true}) {
      const auto disk = log.disk.clone();
      disk->set_contents(segment_path(log.rewritten_id), bytes);
      bytes.resize(bytes.size() - wal::kTrailerBytes);  // The second time without its trailer.
      TestLog test(*disk);
      test.options.background_threads = has_threads;
      ASSERT_TRUE(succeeded(test.open()));
      const auto& report = test.log->recovery().validation;
      EXPECT_EQ(report.corrupted_segments, 1U);
      EXPECT_EQ(report.corrupted_entries, 0U) << "every record is there";
      EXPECT_EQ(report.torn_tails, 1U) << "it is no successor of the newest segment";
      std::set<Seq> readable;
      for (const Record& record : test.read_all().value_or(std::vector<Record>())) {
        readable.insert(record.seq);
        if (record.value.size() >= test.options.large_value_bytes) {
          EXPECT_TRUE(succeeded(test.log->read_value(record.seq, record.value.size(),
                                                     base::crc32c(base::as_bytes(record.value)))));
        }
      }
      EXPECT_EQ(readable, log.kept);
      const auto again = test.log->validate();
      ASSERT_TRUE(succeeded(again));
      EXPECT_EQ(again->corrupted_segments, 1U);
      EXPECT_EQ(again->corrupted_entries, 0U);
      const auto next = test.put("doc", "x");
      ASSERT_TRUE(succeeded(next));
      EXPECT_GT(*next, log.torn_seq);
      ASSERT_TRUE(succeeded(test.open()));
      EXPECT_EQ(test.log->recovery().validation.corrupted_entries, 0U);
      EXPECT_EQ(test.seqs().size(), log.kept.size() + 1);
    }
  }
}

/// The neighbours with lower ids that gave it away are gone by then.
TEST(WalDamage, ARewrittenSegmentWithoutItsHeaderIsKnownByTheChainOfTheOthers) {
  const RewrittenLog log(false);
  const auto disk = log.disk.clone();
  {
    TestLog test(*disk);
    test.options.segment_bytes = 24ULL << 10;
    ASSERT_TRUE(succeeded(test.open()));
    for (std::uint64_t i = 0; i < 8; ++i) {
      ASSERT_TRUE(succeeded(test.put("doc", payload(5000, 200 + i))));
    }
    std::vector<std::uint64_t> older;
    for (const auto& info : test.log->segments()) {
      if (info.id < log.rewritten_id) {
        older.push_back(info.id);
      }
    }
    ASSERT_EQ(test.log->remove_segments(older).value_or(0), older.size());
  }
  auto bytes = disk->contents(segment_path(log.rewritten_id));
  std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
  disk->set_contents(segment_path(log.rewritten_id), bytes);
  TestLog test(*disk);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_EQ(test.log->recovery().validation.corrupted_segments, 1U);
  EXPECT_EQ(test.log->recovery().validation.corrupted_entries, 0U)
      << "what compaction dropped is no loss";
  EXPECT_NE(test.log->recovery().gone_through_seq, 0U) << "the others do not reach back";
}

/// A crash left an input that is damaged by now beside the output that replaces it.
TEST(WalDamage, AnInputWithoutItsHeaderGivesWayToItsReplacement) {
  const RewrittenLog log(false);
  auto bytes = log.disk.contents(segment_path(log.rewritten_id));
  const auto disk = log.disk.clone();
  std::vector<Seq> kept;
  {
    TestLog test(*disk);
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_TRUE(succeeded(test.log->rewrite_segments(std::vector{log.rewritten_id},
                                                     [](const wal::RecordView&) { return true; })));
    kept = test.seqs();
  }
  std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
  bytes[wal::kSegmentHeaderBytes + wal::kGroupHeaderBytes + 200] ^= std::byte{1};
  disk->set_contents(segment_path(log.rewritten_id), bytes);
  TestLog test(*disk);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(test.log->recovery().validation.is_healthy());
  EXPECT_EQ(test.seqs(), kept);
  EXPECT_FALSE(disk->files().contains(segment_path(log.rewritten_id)));
}

TEST(WalDamage, WhatElseIsDamagedInARewrittenSegmentWithoutItsHeaderIsNamedByItsFooter) {
  const RewrittenLog log(false);
  auto bytes = log.disk.contents(segment_path(log.rewritten_id));
  std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
  bytes[wal::kSegmentHeaderBytes] ^= std::byte{1};  // Its first group, too.
  const auto disk = log.disk.clone();
  disk->set_contents(segment_path(log.rewritten_id), bytes);
  TestLog test(*disk);
  ASSERT_TRUE(succeeded(test.open()));
  std::set<Seq> found;
  for (const Seq seq : test.seqs()) {
    found.insert(seq);
  }
  ASSERT_FALSE(test.log->recovery().validation.lost.empty());
  for (const SeqRange& range : test.log->recovery().validation.lost) {
    for (Seq seq = range.first; seq <= range.last; ++seq) {
      EXPECT_TRUE(found.insert(seq).second) << seq << " is lost and readable";
    }
  }
  std::set<Seq> expected = log.kept;
  expected.insert(log.torn_seq);  // Not torn here.
  EXPECT_EQ(found, expected);
}

/// Header, footer and a group are gone: nobody knows what it held, so all that it may have held is
/// named, and nothing that another segment has.
TEST(WalDamage, ARewrittenSegmentWithoutHeaderAndFooterNamesAllThatItMayHaveHeld) {
  for (const bool keeps_a_group : {true, false}) {
    SCOPED_TRACE(keeps_a_group);
    MemoryDisk disk;
    TestLog test(disk);
    test.options.segment_bytes = 1ULL << 20;
    ASSERT_TRUE(succeeded(test.open()));
    for (std::uint64_t i = 0; i < 900; ++i) {
      ASSERT_TRUE(succeeded(test.put("doc", payload(5000, i))));
    }
    const auto segments = test.log->segments();
    ASSERT_GE(segments.size(), 5U);
    const std::vector<std::uint64_t> inputs{segments[1].id, segments[2].id};
    const SeqRange covered{.first = segments[1].first_seq, .last = segments[2].last_seq};
    const auto id = test.log->rewrite_segments(inputs, [&](const wal::RecordView& record) {
      return record.seq >= covered.first + 3 && record.seq + 3 <= covered.last;
    });
    ASSERT_TRUE(succeeded(id));
    for (std::uint64_t i = 0; i < 500; ++i) {  // Its successors in the chain step over it.
      ASSERT_TRUE(succeeded(test.put("doc", payload(5000, i))));
    }
    ASSERT_GT(test.log->segments().back().id, *id);
    const std::vector<Seq> all = test.seqs();
    test.log = nullptr;

    const Layout layout = layout_of(disk.contents(segment_path(*id)));
    ASSERT_EQ(layout.groups.size(), 2U);
    auto bytes = layout.bytes;
    std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
    bytes[layout.groups[keeps_a_group ? 1 : 0].begin] ^= std::byte{1};
    bytes.resize(layout.groups_end);
    disk.set_contents(segment_path(*id), std::move(bytes));

    std::vector<SeqRange> expected{covered};
    std::set<Seq> readable(all.begin(), all.end());
    if (keeps_a_group) {
      expected = {{.first = covered.first, .last = covered.first + 2},
                  {.first = layout.groups[1].first_seq, .last = covered.last}};
    }
    for (const SeqRange& range : expected) {
      std::erase_if(readable, [&range](Seq s) { return s >= range.first && s <= range.last; });
    }
    ASSERT_TRUE(succeeded(test.open()));
    EXPECT_EQ(test.log->recovery().validation.lost, expected);
    const auto found = test.seqs();
    EXPECT_EQ(std::set<Seq>(found.begin(), found.end()), readable);
    const auto again = test.log->validate();
    ASSERT_TRUE(succeeded(again));
    EXPECT_EQ(again->lost, expected);
  }
}

TEST(WalDamage, ADamagedLargeValueDoesNotHideItsNeighbours) {
  const SmallLog log(true);
  for (const auto& [seq, value] : log.values) {
    if (value.size() != 700) {
      continue;
    }
    for (const auto& [id, file] : log.files) {
      const auto at = std::ranges::search(file.bytes, base::as_bytes(value));
      if (at.empty()) {
        continue;
      }
      auto bytes = file.bytes;
      bytes[static_cast<std::size_t>(at.begin() - file.bytes.begin()) + 350] ^= std::byte{4};
      const Outcome outcome = open_with(log, id, std::move(bytes));
      EXPECT_EQ(outcome.lost, std::set<Seq>{seq});
      EXPECT_EQ(outcome.readable.size(), log.values.size() - 1);
    }
  }
}

}  // namespace
}  // namespace pluresdb::wal_test
