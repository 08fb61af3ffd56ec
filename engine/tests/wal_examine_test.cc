// Goal: examining a log decides exactly as opening it would, and changes nothing. Method: small
// logs (closed, crashed, with a torn end, with a segment missing, rewritten beside their inputs)
// are flipped at many places; the examination runs on a file system that refuses every change and
// is then compared with what a real open of a copy reports.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/io/file_system.h"
#include "engine/io/read_only_file_system.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/log_builder.h"
#include "engine/wal/log_check.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

void make_log(MemoryDisk& disk, bool closed) {
  TestLog test(disk);
  test.options.segment_bytes = 8ULL << 10;
  test.options.large_value_bytes = 600;
  ASSERT_TRUE(succeeded(test.open()));
  for (std::uint64_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(succeeded(test.put("d", payload(i % 4 == 1 ? 1500 : 200, i))));
  }
  if (closed) {
    ASSERT_TRUE(succeeded(test.log->close()));
  }
}

/// Examines `disk`, then opens a copy of it: both must say the same.
void expect_same_decisions(MemoryDisk& disk, Seq seq_floor) {
  const std::uint64_t changes = disk.change_count();
  io::ReadOnlyFileSystem view(disk);
  const auto options = test_options(view);
  const auto examined = wal::examine_log(options, seq_floor);
  EXPECT_EQ(disk.change_count(), changes);
  const auto copy = disk.clone();
  const auto recovered = wal::recover_log(test_options(*copy), seq_floor);
  ASSERT_EQ(examined.has_value(), recovered.has_value());
  if (!recovered) {
    EXPECT_EQ(to_string(examined.error()), to_string(recovered.error()));
    return;
  }
  const wal::RecoveredLog& log = examined->log;
  EXPECT_EQ(log.next_seq, recovered->next_seq);
  EXPECT_EQ(log.next_segment_id, recovered->next_segment_id);
  EXPECT_EQ(log.previous, recovered->previous);
  EXPECT_EQ(log.report.clean_shutdown, recovered->report.clean_shutdown);
  EXPECT_EQ(log.report.last_seq, recovered->report.last_seq);
  EXPECT_EQ(log.report.gone_through_seq, recovered->report.gone_through_seq);
  EXPECT_EQ(log.report.torn_bytes_dropped, recovered->report.torn_bytes_dropped);
  EXPECT_EQ(log.report.validation.lost, recovered->report.validation.lost);
  EXPECT_EQ(log.report.validation.problems, recovered->report.validation.problems);
  EXPECT_EQ(log.report.validation.torn_tails, recovered->report.validation.torn_tails);
  ASSERT_EQ(log.segments.size(), recovered->segments.size());
  for (std::size_t i = 0; i < log.segments.size(); ++i) {
    EXPECT_EQ(log.segments[i]->id, recovered->segments[i]->id);
    EXPECT_EQ(log.segments[i]->valid_end, recovered->segments[i]->valid_end);
    EXPECT_EQ(log.segments[i]->values, recovered->segments[i]->values);
  }
}

std::uint64_t size_of(MemoryDisk& disk, const std::string& path) {
  const auto info = disk.info(path);
  EXPECT_TRUE(succeeded(info));
  return info ? info->size_bytes : 0;
}

void flip(MemoryDisk& disk, const std::string& path, std::uint64_t offset) {
  const auto file = disk.open(path, io::OpenMode::kReadWrite);
  ASSERT_TRUE(succeeded(file));
  std::byte byte{};
  ASSERT_TRUE(succeeded((*file)->read(offset, base::MutableByteSpan(&byte, 1))));
  byte ^= std::byte{0x41};
  ASSERT_TRUE(succeeded((*file)->write(offset, base::ByteSpan(&byte, 1))));
}

TEST(WalExamine, DecidesAsAnOpenWhateverByteIsFlipped) {
  constexpr std::uint64_t kStride = 211;
  for (const bool closed : {true, false}) {
    MemoryDisk disk;
    ASSERT_NO_FATAL_FAILURE(make_log(disk, closed));
    ASSERT_NO_FATAL_FAILURE(expect_same_decisions(disk, 0));
    std::uint64_t tried = 0;
    for (const std::uint64_t id : {1U, 2U, 3U}) {
      const std::string path = segment_path(id);
      for (std::uint64_t offset = id; offset < size_of(disk, path); offset += kStride) {
        SCOPED_TRACE(path + " at " + std::to_string(offset));
        const auto damaged = disk.clone();
        ASSERT_NO_FATAL_FAILURE(flip(*damaged, path, offset));
        ASSERT_NO_FATAL_FAILURE(expect_same_decisions(*damaged, 0));
        ++tried;
      }
    }
    EXPECT_GT(tried, 80U);
  }
}

TEST(WalExamine, DecidesAsAnOpenWhenFilesAreMissing) {
  MemoryDisk disk;
  ASSERT_NO_FATAL_FAILURE(make_log(disk, false));
  for (const std::uint64_t id : {1U, 2U, 3U}) {
    const auto broken = disk.clone();
    ASSERT_TRUE(succeeded(broken->remove(segment_path(id))));
    for (const Seq floor : {Seq{0}, Seq{12}}) {
      ASSERT_NO_FATAL_FAILURE(expect_same_decisions(*broken, floor));
    }
  }
}

TEST(WalExamine, InputsBesideTheirReplacementAreSuperseded) {
  MemoryDisk disk;
  ASSERT_NO_FATAL_FAILURE(make_log(disk, true));
  const auto before = disk.clone();
  {
    TestLog test(disk);
    ASSERT_TRUE(succeeded(test.open()));
    const std::vector<std::uint64_t> ids = {1, 2};
    ASSERT_TRUE(succeeded(test.log->rewrite_segments(
        ids, [](const wal::RecordView& record) { return record.value_in_log; })));
  }
  // A crash before the inputs were removed: they are there again.
  for (const std::uint64_t id : {1U, 2U}) {
    const auto from = before->open(segment_path(id), io::OpenMode::kRead);
    std::vector<std::byte> bytes(size_of(*before, segment_path(id)));
    ASSERT_TRUE(succeeded((*from)->read(0, bytes)));
    const auto to = disk.open(segment_path(id), io::OpenMode::kCreateNew);
    ASSERT_TRUE(succeeded((*to)->write(0, bytes)));
  }
  io::ReadOnlyFileSystem view(disk);
  const auto examined = wal::examine_log(test_options(view), 0);
  ASSERT_TRUE(succeeded(examined));
  EXPECT_TRUE(examined->segments[0].superseded);
  EXPECT_TRUE(examined->segments[1].superseded);
  EXPECT_FALSE(examined->segments[2].superseded);
  EXPECT_EQ(examined->log.segments.size() + 2, examined->segments.size());
  ASSERT_NO_FATAL_FAILURE(expect_same_decisions(disk, 0));
}

TEST(WalExamine, ChainAndFootersOfAHealthyLogAreInOrder) {
  MemoryDisk disk;
  ASSERT_NO_FATAL_FAILURE(make_log(disk, false));
  {
    TestLog test(disk);
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_TRUE(succeeded(test.put("later", "1")));
  }
  io::ReadOnlyFileSystem view(disk);
  const auto examined = wal::examine_log(test_options(view), 0);
  ASSERT_TRUE(succeeded(examined));
  const wal::ChainCheck chain = wal::check_chain(examined->segments);
  EXPECT_TRUE(chain.problems.empty()) << chain.problems.front();
  ASSERT_EQ(chain.declared_gaps.size(), 1U);
  EXPECT_EQ(chain.declared_gaps.front().first, 41U);
  for (const wal::ExaminedSegment& segment : examined->segments) {
    const std::string path = segment_path(segment.scan.id);
    const auto file = view.open(path, io::OpenMode::kRead);
    ASSERT_TRUE(succeeded(file));
    const auto problems = wal::check_footer_index(**file, path, segment.scan);
    ASSERT_TRUE(succeeded(problems));
    EXPECT_TRUE(problems->empty()) << problems->front();
  }
}

TEST(MissingFrom, IsTheDifferenceOfTwoSets) {
  const std::vector<SeqRange> held = {{.first = 3, .last = 4}, {.first = 8, .last = 8}};
  const auto missing = [&held](SeqRange wanted) { return wal::missing_from({wanted}, held); };
  EXPECT_EQ(missing({.first = 1, .last = 10}),
            (std::vector<SeqRange>{
                {.first = 1, .last = 2}, {.first = 5, .last = 7}, {.first = 9, .last = 10}}));
  EXPECT_TRUE(missing({.first = 3, .last = 4}).empty());
  EXPECT_EQ(missing({.first = 4, .last = 5}), (std::vector<SeqRange>{{.first = 5, .last = 5}}));
  EXPECT_EQ(missing({.first = 20, .last = 21}), (std::vector<SeqRange>{{.first = 20, .last = 21}}));
  EXPECT_TRUE(wal::missing_from({}, held).empty());
  EXPECT_TRUE(wal::is_inside(8, held));
  EXPECT_FALSE(wal::is_inside(5, held));
  EXPECT_FALSE(wal::is_inside(2, held));
}

TEST(LogBuilderTest, KeepsSeqsStampsAndValuesOverManySegments) {
  MemoryDisk disk;
  ASSERT_TRUE(succeeded(disk.create_directory(kDirectory)));
  ASSERT_TRUE(succeeded(disk.sync_directory(io::parent_path(kDirectory))));
  std::vector<Record> expected;
  {
    std::vector<std::string> values;
    for (std::uint64_t i = 0; i < 30; ++i) {
      values.push_back(payload(5000, i));
    }
    wal::LogBuilder builder(
        {.directory = kDirectory, .segment_bytes = 64 << 10, .store_uuid = {}, .files = &disk});
    wal::RecordView view;
    for (std::uint64_t i = 0; i < 30; ++i) {
      view = {.seq = 10 + i * i,
              .timestamp_us = static_cast<std::int64_t>(i),
              .hlc = 500 + i,
              .actor_seq = i + 1,
              .actor = "a",
              .id = "doc",
              .value = values[i],
              .value_in_log = true,
              .value_bytes = values[i].size(),
              .value_crc = base::crc32c(base::as_bytes(values[i]))};
      expected.push_back(record_of(view));
      if (i < 29) {
        ASSERT_TRUE(succeeded(builder.add(view)));
      }
    }
    ASSERT_TRUE(succeeded(builder.finish(view, 5000, 9999)));
    EXPECT_EQ(builder.records(), 30U);
    EXPECT_GT(builder.bytes(), 150'000U);
  }
  disk.lose_power();
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(test.log->recovery().validation.is_healthy());
  EXPECT_EQ(test.log->recovery().last_seq, 10U + 29 * 29);
  EXPECT_EQ(test.log->recovery().hlc_floor, 9999U);
  EXPECT_EQ(test.log->recovery().gone_through_seq, 0U);
  EXPECT_GT(test.log->segments().size(), 3U);
  const auto records = test.read_all();
  ASSERT_TRUE(succeeded(records));
  EXPECT_EQ(*records, expected);
  const auto next = test.put("next", "1");
  ASSERT_TRUE(succeeded(next));
  EXPECT_GE(*next, 5000U);
  EXPECT_EQ(test.read_all()->size(), 31U);
}

}  // namespace
}  // namespace pluresdb::wal_test
