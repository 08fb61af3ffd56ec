// Goal: a segment of another history of an encrypted log is never read: what was cut off and put
// back later neither counts nor hides what was written since; and no honest log has such a one.
// Method: a log is cut back and goes on; then every subset of what was cut off is put back, over
// what has the same names. The table of honest cases: docs/formats/wal.md "Chain".
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

#include "engine/io/file_system.h"
#include "engine/tests/wal_layout.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_sealed_support.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_writer.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal_test {
namespace {

using Bytes = std::vector<std::byte>;
using Records = std::map<Seq, std::string>;

wal::LogOptions options_of(io::FileSystem& disk) {
  wal::LogOptions options = sealed_options(disk);
  options.segment_bytes = 12ULL << 10;
  options.large_value_bytes = 600;
  return options;
}

/// Opens; the clock of its writer has gone on to `hlc`.
Status open_at(TestLog& test, Hlc hlc, Seq seq_floor = 0) {
  test.log = nullptr;
  TRY_ASSIGN(test.log, wal::Log::open(test.options, seq_floor));
  test.client = std::make_unique<TestClient>(std::max(hlc, test.log->recovery().hlc_floor));
  test.log->start(*test.client);
  return {};
}

/// Appends until the log has files up to `last_id`, the last one with two groups.
void write_up_to(TestLog& test, std::uint64_t last_id, std::uint64_t mark) {
  for (std::uint64_t i = 0, behind = 0; behind < 2; ++i) {
    ASSERT_TRUE(succeeded(test.put("doc", payload(i % 3 == 1 ? 900 : 2000, mark + i))));
    behind += test.log->segments().back().id >= last_id ? 1U : 0U;
  }
}

/// Values are long: which seqs differ is what one wants to read.
testing::AssertionResult same(const Records& found, const Records& wanted) {
  auto result = testing::AssertionResult(found == wanted);
  for (const auto& [seq, value] : wanted) {
    const auto at = found.find(seq);
    if (at == found.end() || at->second != value) {
      result << (at == found.end() ? " missing " : " other ") << seq;
    }
  }
  return result << ", " << found.size() << " records for " << wanted.size();
}

Records records_of(TestLog& test) {
  Records records;
  for (const Record& record : test.read_all().value_or(std::vector<Record>())) {
    EXPECT_TRUE(records.emplace(record.seq, record.value).second) << "twice: " << record.seq;
  }
  return records;
}

struct End {
  std::map<std::string, Bytes> files;
  Records records;  // What all files of the log hold then, the common beginning included.
  std::map<std::string, SeqRange> seqs;

  static End of(MemoryDisk& disk, TestLog& test) {
    End end{.files = disk.files(), .records = records_of(test), .seqs = {}};
    for (const wal::SegmentInfo& info : test.log->segments()) {
      end.seqs[segment_path(info.id)] = {.first = info.first_seq, .last = info.last_seq};
    }
    return end;
  }
};

struct Shape {
  bool is_sealed = true;   // The segment before the cut.
  bool is_closed = false;  // The end that was cut off.
  Seq floor = 0;           // Of the seqs that are given out later.
};

/// Segments 1 and 2; then an end that is cut off (`old`), and one that is written afterwards.
struct Fork {
  MemoryDisk disk;
  End old;
  End later;
  std::set<std::string> begun;  // Paths of the common beginning.

  explicit Fork(const Shape& shape = {}, std::uint64_t later_through = 6) {
    TestLog test(options_of(disk));
    EXPECT_TRUE(succeeded(open_at(test, 0)));
    write_up_to(test, shape.is_sealed ? 3 : 2, 0);
    if (!shape.is_sealed) {
      EXPECT_TRUE(succeeded(open_at(test, 0)));
    }
    write_up_to(test, 5, 1000);
    old = End::of(disk, test);
    if (shape.is_closed) {
      EXPECT_TRUE(succeeded(test.log->close()));
      old.files = disk.files();
    }
    test.log = nullptr;
    for (const auto& [path, bytes] : disk.files()) {
      if (path <= segment_path(2)) {
        begun.insert(path);
      } else {
        EXPECT_TRUE(succeeded(disk.remove(path)));
      }
    }
    EXPECT_TRUE(succeeded(open_at(test, 10'000, shape.floor)));
    write_up_to(test, later_through, 5000);
    later = End::of(disk, test);
    EXPECT_EQ(test.log->recovery().validation.tampered_places, 0U) << "a cut is like a crash";
  }
  [[nodiscard]] std::unique_ptr<MemoryDisk> with(const std::set<std::string>& put_back) const {
    auto copy = disk.clone();
    for (const std::string& path : put_back) {
      copy->set_contents(path, old.files.at(path));
    }
    return copy;
  }
};

bool names_all(const ValidationReport& report, const std::string& text) {
  return std::ranges::any_of(report.problems, [&text](const std::string& problem) {
    return problem.starts_with(text) && problem.contains("put back") &&
           problem.contains("move it out of the directory");
  });
}

/// Opened twice: the same both times. Empty: refused, and nothing was changed.
struct Opened {
  Records records;
  ValidationReport report;
};
std::optional<Opened> open_twice(MemoryDisk& disk) {
  std::optional<Opened> first;
  for (int round = 0; round < 2; ++round) {
    const auto before = disk.files();
    TestLog test(options_of(disk));
    const Status opened = open_at(test, 20'000);
    if (!opened) {
      EXPECT_TRUE(failed_with(opened, ErrorCode::kCorruption));
      EXPECT_EQ(disk.files(), before);
      EXPECT_TRUE(failed_with(wal::examine_log(test.options, 0), ErrorCode::kCorruption));
      return std::nullopt;
    }
    Opened found{.records = records_of(test), .report = test.log->recovery().validation};
    const auto validated = test.log->validate();
    EXPECT_TRUE(succeeded(validated));
    EXPECT_EQ(validated->tampered_places, found.report.tampered_places);
    const auto examined = wal::examine_log(test.options, 0);
    EXPECT_TRUE(succeeded(examined));
    EXPECT_EQ(examined->log.report.validation.problems, found.report.problems);
    EXPECT_TRUE(!first || first->records == found.records);
    EXPECT_TRUE(!first || first->report.problems == found.report.problems);
    first = std::move(found);
  }
  return first;
}

/// What names the place of the file that was put back was overwritten.
bool is_below_a_hole(const Fork& fork, const std::set<std::string>& put_back,
                     const std::string& path) {
  const auto above = fork.later.files.upper_bound(path);
  return above != fork.later.files.end() && put_back.contains(above->first);
}

/// Whether `seq` is in such a file.
bool is_below_a_hole(const Fork& fork, const std::set<std::string>& put_back, Seq seq) {
  return std::ranges::any_of(put_back, [&](const std::string& path) {
    const SeqRange range = fork.old.seqs.at(path);
    return seq >= range.first && seq <= range.last && is_below_a_hole(fork, put_back, path);
  });
}

/// Whether the newest file is of the old end, or stands on a predecessor that is not there; or one
/// of the old end has found a place below a hole, above one of the later end.
bool is_undecidable(const Fork& fork, const std::set<std::string>& put_back,
                    const std::set<std::string>& remaining) {
  const std::string& newest = *remaining.rbegin();
  const auto header = wal::decode_segment_header(fork.later.files.at(newest)).header;
  EXPECT_TRUE(header.has_value());
  return *put_back.rbegin() > newest ||
         (header && put_back.contains(segment_path(header->predecessor.id))) ||
         std::ranges::any_of(put_back, [&](const std::string& path) {
           return is_below_a_hole(fork, put_back, path) && *remaining.begin() < path;
         });
}

/// What the log that goes on holds, as far as its files are there.
void judge(const Fork& fork, const std::set<std::string>& put_back, MemoryDisk& disk) {
  std::set<std::string> remaining;
  for (const auto& [path, bytes] : fork.later.files) {
    if (!fork.begun.contains(path) && !put_back.contains(path)) {
      remaining.insert(path);
    }
  }
  const auto opened = open_twice(disk);
  if (remaining.empty()) {
    return;  // All of it is the log as it was before.
  }
  if (!opened) {
    EXPECT_TRUE(is_undecidable(fork, put_back, remaining));
    return;
  }
  EXPECT_GE(opened->report.tampered_places, 1U);
  EXPECT_FALSE(opened->report.is_healthy());
  for (const auto& [seq, value] : opened->records) {
    const auto at = fork.later.records.find(seq);
    const bool is_later = at != fork.later.records.end() && at->second == value;
    ASSERT_TRUE(is_later || is_below_a_hole(fork, put_back, seq))
        << "seq " << seq << " is of the other history";
  }
  std::set<Seq> lost;
  for (const SeqRange& range : opened->report.lost) {
    for (Seq seq = range.first; seq <= range.last; ++seq) {
      lost.insert(seq);
    }
  }
  const bool has_newest = remaining.contains(fork.later.files.rbegin()->first);
  for (const auto& [seq, value] : fork.later.records) {
    const bool is_there = opened->records.contains(seq);
    EXPECT_TRUE(is_there || lost.contains(seq) || !has_newest) << seq << " vanished";
    EXPECT_TRUE(is_there || !put_back.empty()) << seq;
  }
  for (const std::string& path : put_back) {
    if (names_all(opened->report, path)) {
      EXPECT_EQ(disk.contents(path), fork.old.files.at(path)) << "it stays where it is";
      EXPECT_EQ(disk.contents(io::join_path(kQuarantine, io::base_name(path) + "-0")),
                fork.old.files.at(path));
    }
  }
}

/// Every subset of the old end, over every shape.
TEST(WalChain, WhatWasCutOffAndIsPutBackNeverCounts) {
  for (const Shape& shape :
       {Shape{}, Shape{.is_sealed = false}, Shape{.is_closed = true}, Shape{.floor = 100'000},
        Shape{.is_sealed = false, .is_closed = true, .floor = 100'000}}) {
    for (const std::uint64_t later_through : {4U, 5U, 6U, 7U}) {
      const Fork fork(shape, later_through);
      std::vector<std::string> old;
      for (const auto& [path, bytes] : fork.old.files) {
        if (!fork.begun.contains(path)) {
          old.push_back(path);
        }
      }
      ASSERT_EQ(old.size(), 3U);
      for (unsigned subset = 1; subset < 1U << old.size(); ++subset) {
        SCOPED_TRACE(testing::Message() << subset << " put back, later end through "
                                        << later_through << (shape.is_sealed ? ", sealed" : ""));
        std::set<std::string> put_back;
        for (std::size_t i = 0; i < old.size(); ++i) {
          if ((subset >> i & 1U) != 0) {
            put_back.insert(old[i]);
          }
        }
        const auto disk = fork.with(put_back);
        ASSERT_NO_FATAL_FAILURE(judge(fork, put_back, *disk));
      }
    }
  }
}

TEST(WalChain, AnOldSegmentBesideNewerOnesIsNamedAndTheLogGoesOn) {
  const Fork fork;
  const std::string path = segment_path(3);
  ASSERT_FALSE(fork.later.files.contains(path)) << "its name is free";
  const auto disk = fork.with({path});
  const auto opened = open_twice(*disk);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(same(opened->records, fork.later.records));
  EXPECT_EQ(opened->report.tampered_places, 1U);
  EXPECT_TRUE(opened->report.lost.empty());
  EXPECT_TRUE(names_all(opened->report, path));

  TestLog test(options_of(*disk));
  ASSERT_TRUE(succeeded(open_at(test, 30'000)));
  EXPECT_GT(test.put("doc", "behind it").value_or(0), fork.later.records.rbegin()->first);
  EXPECT_EQ(test.log->remove_segments(std::vector<std::uint64_t>{3}).value_or(9), 0U);
  ASSERT_TRUE(succeeded(open_at(test, 40'000)));
  EXPECT_EQ(records_of(test).size(), fork.later.records.size() + 1);
  EXPECT_EQ(test.log->recovery().validation.tampered_places, 1U) << "it is still there";
  // As the text says.
  ASSERT_TRUE(succeeded(disk->remove(path)));
  ASSERT_TRUE(succeeded(open_at(test, 50'000)));
  EXPECT_TRUE(test.log->recovery().validation.is_healthy());
  EXPECT_EQ(records_of(test).size(), fork.later.records.size() + 1);
}

TEST(WalChain, AnOldSegmentUnderTheNameOfANewerOneTakesOnlyItsPlace) {
  const Fork fork;
  const std::string path = segment_path(4);
  ASSERT_TRUE(fork.later.files.contains(path));
  const auto disk = fork.with({path});
  const auto opened = open_twice(*disk);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(names_all(opened->report, path));
  EXPECT_EQ(opened->report.tampered_places, 1U);
  ASSERT_FALSE(opened->report.lost.empty()) << "what the newer one held is named";
  for (const auto& [seq, value] : fork.later.records) {
    const SeqRange lost = opened->report.lost.front();
    EXPECT_NE(opened->records.contains(seq), seq >= lost.first && seq <= lost.last) << seq;
  }
}

/// Refused, both files named, nothing changed; and opened once `put_back` is moved out.
std::unique_ptr<TestLog> refused_until_moved_out(MemoryDisk& disk, std::uint64_t put_back,
                                                 std::uint64_t other) {
  auto test = std::make_unique<TestLog>(options_of(disk));
  const auto before = disk.files();
  const Status opened = open_at(*test, 20'000);
  EXPECT_TRUE(failed_with(opened, ErrorCode::kCorruption));
  if (!opened) {
    EXPECT_TRUE(opened.error().context.contains(segment_path(put_back)));
    EXPECT_TRUE(opened.error().context.contains(segment_path(other)));
  }
  EXPECT_EQ(disk.files(), before);
  EXPECT_TRUE(succeeded(disk.remove(segment_path(put_back))));
  EXPECT_TRUE(succeeded(open_at(*test, 20'000)));
  return test;
}

/// A file of another history behind the newest one: it cannot be told that it is not the newest.
TEST(WalChain, AnOldSegmentAtTheEndIsRefusedByName) {
  const Fork fork({}, 4);
  const auto disk = fork.with({segment_path(5)});
  const auto test = refused_until_moved_out(*disk, 5, 4);
  ASSERT_NE(test->log, nullptr);
  EXPECT_TRUE(same(records_of(*test), fork.later.records));
}

/// The newest one may be what was put there, by somebody whose clock was ahead.
TEST(WalChain, AnOldSegmentInThePlaceOfTheNewestOnesPredecessorIsRefusedByName) {
  const Fork fork({}, 5);
  const auto disk = fork.with({segment_path(4)});
  const auto test = refused_until_moved_out(*disk, 4, 5);
  ASSERT_NE(test->log, nullptr);
  EXPECT_FALSE(test->log->recovery().validation.lost.empty()) << "what the newer 4 held is named";
}

/// It opens with its header, which says another name.
TEST(WalChain, AnOldSegmentUnderAnotherNameDoesNotCountEither) {
  const Fork fork;
  for (const std::uint64_t name : {3U, 6U, 9U}) {
    for (const std::uint64_t old : {3U, 4U, 5U}) {
      if (name == old) {
        continue;
      }
      SCOPED_TRACE(testing::Message() << old << " as " << name);
      const auto disk = fork.disk.clone();
      disk->set_contents(segment_path(name), fork.old.files.at(segment_path(old)));
      const auto opened = open_twice(*disk);
      if (!opened) {
        continue;
      }
      EXPECT_GE(opened->report.tampered_places, 1U);
      for (const auto& [seq, value] : opened->records) {
        EXPECT_TRUE(fork.later.records.contains(seq) && fork.later.records.at(seq) == value);
      }
      EXPECT_TRUE(name == 6 || opened->records == fork.later.records);
    }
  }
  const auto copied = fork.disk.clone();
  copied->set_contents(segment_path(9), fork.later.files.at(segment_path(4)));
  const auto opened = open_twice(*copied);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->report.tampered_places, 1U);
  EXPECT_TRUE(same(opened->records, fork.later.records));
}

/// It would be taken for the replacement of what was written since, which would be removed.
TEST(WalChain, AnOldRewrittenSegmentReplacesNothing) {
  Fork fork({}, 5);
  std::uint64_t made = 0;
  {
    MemoryDisk before;
    ASSERT_TRUE(succeeded(before.create_directory(kDirectory)));
    for (const auto& [path, bytes] : fork.old.files) {
      before.set_contents(path, bytes);
    }
    TestLog test(options_of(before));
    ASSERT_TRUE(succeeded(open_at(test, 0)));
    const auto id = test.log->rewrite_segments(std::vector<std::uint64_t>{3, 4},
                                               [](const wal::RecordView&) { return true; });
    ASSERT_TRUE(succeeded(id));
    made = *id;
    ASSERT_GT(made, 5U);
    fork.old.files[segment_path(made)] = before.contents(segment_path(made));
  }
  const auto header = wal::decode_segment_header(fork.old.files.at(segment_path(made))).header;
  ASSERT_TRUE(header);
  EXPECT_EQ(header->predecessor.id, 4U) << "the newest part";
  ASSERT_GE(header->covers.last, fork.later.records.rbegin()->first - 4);
  const auto disk = fork.with({segment_path(made)});
  const auto opened = open_twice(*disk);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(same(opened->records, fork.later.records));
  EXPECT_EQ(opened->report.tampered_places, 1U);
  EXPECT_TRUE(names_all(opened->report, segment_path(made)));
  for (const auto& [path, bytes] : fork.later.files) {
    EXPECT_EQ(disk->contents(path), bytes) << path;
  }
}

/// A log of segments 1, 2, 4 and 5, of which compaction has left 5 alone: nothing names 3, which
/// was cut off before 4 was written.
struct Gap {
  MemoryDisk disk;
  std::map<std::string, Bytes> old;  // 1 to 3, as they were.
  Records records;
  Seq floor = 0;

  Gap() {
    TestLog test(options_of(disk));
    EXPECT_TRUE(succeeded(open_at(test, 0)));
    write_up_to(test, 4, 0);
    test.log = nullptr;
    for (const std::uint64_t id : {1U, 2U, 3U}) {
      old[segment_path(id)] = disk.contents(segment_path(id));
    }
    EXPECT_TRUE(succeeded(disk.remove(segment_path(3))));
    EXPECT_TRUE(succeeded(disk.remove(segment_path(4))));
    EXPECT_TRUE(succeeded(open_at(test, 10'000)));
    floor = test.put("doc", "later").value_or(0);
    const std::uint64_t later = test.log->segments().back().id;
    EXPECT_TRUE(succeeded(test.log->close()));
    EXPECT_TRUE(succeeded(open_at(test, 20'000)));
    EXPECT_TRUE(succeeded(test.put("doc", "newest")));
    EXPECT_EQ(test.log->remove_segments(std::vector<std::uint64_t>{1, 2, later}).value_or(0), 3U);
    records = records_of(test);
    EXPECT_EQ(records.size(), 1U);
  }
};

/// Below a gap only its seqs give away whom no header names.
TEST(WalChain, BelowAGapWhatHasSeqsOfNewerSegmentsDoesNotCount) {
  const Gap gap;
  const auto disk = gap.disk.clone();
  disk->set_contents(segment_path(3), gap.old.at(segment_path(3)));
  const auto opened = open_twice(*disk);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(same(opened->records, gap.records));
  EXPECT_EQ(opened->report.tampered_places, 1U);
  EXPECT_TRUE(names_all(opened->report, segment_path(3)));
}

/// What such a one says about the end of another does not count either.
TEST(WalChain, AStrangerNamesNoEnd) {
  const Gap gap;
  const auto disk = gap.disk.clone();
  disk->set_contents(segment_path(2), gap.old.at(segment_path(2)));
  const auto without = open_twice(*disk);
  ASSERT_TRUE(without);
  ASSERT_GT(without->records.size(), gap.records.size());
  disk->set_contents(segment_path(3), gap.old.at(segment_path(3)));
  const auto with = open_twice(*disk);
  ASSERT_TRUE(with);
  EXPECT_TRUE(same(with->records, without->records));
  TestLog test(options_of(*disk));
  ASSERT_TRUE(succeeded(open_at(test, 30'000)));
  const auto snapshot = wal::examine_log(test.options, 0);
  ASSERT_TRUE(succeeded(snapshot));
  ASSERT_FALSE(snapshot->segments.empty());
  EXPECT_EQ(snapshot->segments.front().scan.id, 2U);
  EXPECT_FALSE(snapshot->segments.front().known_end.has_value());
}

/// What an activation that failed leaves is no history. Cut to that, a file of another one says
/// nothing: not where the segments end that this one goes on from.
TEST(WalChain, AHeaderAloneOfAnotherHistorySaysNothing) {
  MemoryDisk disk;
  TestLog test(options_of(disk));
  ASSERT_TRUE(succeeded(open_at(test, 0)));
  write_up_to(test, 2, 0);
  test.log = nullptr;
  const Bytes whole = disk.contents(segment_path(2));
  const Layout layout = layout_of(whole, &test_keys());
  ASSERT_GE(layout.groups.size(), 2U);
  const auto other = disk.clone();
  Bytes cut = whole;
  std::fill(cut.begin() + static_cast<std::ptrdiff_t>(layout.groups[0].end), cut.end(),
            std::byte{0});
  other->set_contents(segment_path(2), cut);
  {
    TestLog shorter(options_of(*other));
    ASSERT_TRUE(succeeded(open_at(shorter, 5000)));
    ASSERT_TRUE(succeeded(shorter.put("doc", "went on from less")));
  }
  const std::string path = other->files().rbegin()->first;
  ASSERT_GT(path, segment_path(2));
  Bytes header = other->contents(path);
  header.resize(wal::kSegmentHeaderBytes);

  // A spare that a crash has left: its id is not given out again.
  disk.set_contents(io::join_path(kDirectory, wal::spare_name(3)), {});
  ASSERT_TRUE(succeeded(open_at(test, 10'000)));
  write_up_to(test, 5, 3000);
  const Records records = records_of(test);
  test.log = nullptr;
  ASSERT_FALSE(disk.files().contains(path)) << "its name is free";
  ASSERT_LT(path, disk.files().rbegin()->first);
  disk.set_contents(path, header);
  const auto opened = open_twice(disk);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->records == records) << "what segment 2 holds was made void";
}

/// The end of a segment is said twice: by its trailer and by its successor.
TEST(WalChain, AVersionOfASegmentThatTheLogDidNotGoOnFromIsNamed) {
  MemoryDisk disk;
  TestLog test(options_of(disk));
  ASSERT_TRUE(succeeded(open_at(test, 0)));
  write_up_to(test, 3, 0);
  test.log = nullptr;
  const Bytes whole = disk.contents(segment_path(2));
  const Layout layout = layout_of(whole, &test_keys());
  ASSERT_GE(layout.groups.size(), 2U);
  // The copy is cut behind its first group, and what came after it is gone: like a crash.
  Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(layout.groups[0].end));
  disk.set_contents(segment_path(2), cut);
  ASSERT_TRUE(succeeded(disk.remove(segment_path(3))));
  ASSERT_TRUE(succeeded(open_at(test, 10'000)));
  write_up_to(test, 5, 4000);
  EXPECT_EQ(test.log->recovery().validation.tampered_places, 0U);
  const Records records = records_of(test);
  test.log = nullptr;
  disk.set_contents(segment_path(2), whole);
  const auto opened = open_twice(disk);
  ASSERT_TRUE(opened);
  EXPECT_TRUE(same(opened->records, records)) << "what both have counts, and no more";
  EXPECT_EQ(opened->report.tampered_places, 1U);
  EXPECT_TRUE(opened->report.lost.empty());
  EXPECT_TRUE(std::ranges::any_of(opened->report.problems, [](const std::string& problem) {
    return problem.starts_with(segment_path(2)) && problem.contains("put back");
  }));
  EXPECT_EQ(disk.contents(segment_path(2)), whole) << "it stays";
}

}  // namespace
}  // namespace pluresdb::wal_test
