// The log through its interface, on a disk in memory.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

std::uint32_t crc_of(const std::string& text) { return base::crc32c(base::as_bytes(text)); }

TEST(WalLog, GivesDenseSeqsAndReadsBackWhatWasAppended) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(test.log->recovery().created);
  EXPECT_EQ(test.put("doc", R"({"a":1})").value_or(0), 1U);
  EXPECT_EQ(test.put("doc2", R"({"a":2})", "b").value_or(0), 2U);
  ASSERT_TRUE(succeeded(
      test.log->append({.actor = "a", .type = wal::OperationType::kDelete, .id = "doc"})));
  ASSERT_TRUE(succeeded(
      test.log->append({.actor = "a", .type = wal::OperationType::kCompact, .argument = 7})));
  const auto records = test.read_all();
  ASSERT_TRUE(succeeded(records));
  EXPECT_EQ(*records, test.client->applied());
  EXPECT_EQ((*records)[1].value, R"({"a":2})");
  EXPECT_EQ((*records)[2].type, wal::OperationType::kDelete);
  EXPECT_EQ((*records)[3].argument, 7U);
  EXPECT_EQ(test.seqs(), seqs_between(1, 4));
  EXPECT_EQ(test.log->stats().durable_seq, 4U);
}

TEST(WalLog, ReplayBeginsAtTheSeqAskedFor) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  for (int i = 0; i < 300; ++i) {
    ASSERT_TRUE(succeeded(test.put("doc", payload(1000, 1))));
  }
  EXPECT_GT(test.log->segments().size(), 3U);
  for (const Seq from : {1U, 2U, 77U, 150U, 299U, 300U, 301U}) {
    const auto records = test.read_all(from);
    ASSERT_TRUE(succeeded(records));
    EXPECT_EQ(records->size(), 301U - from) << from;
  }
}

TEST(WalLog, ReopensAfterCloseAndGoesOnWithTheNextSeq) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("a", "1")));
  ASSERT_TRUE(succeeded(test.log->close()));
  EXPECT_TRUE(failed_with(test.put("b", "2"), ErrorCode::kReadOnly));
  EXPECT_TRUE(succeeded(test.log->close())) << "closing twice";
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(test.log->recovery().clean_shutdown);
  EXPECT_FALSE(test.log->recovery().created);
  EXPECT_EQ(test.log->recovery().last_seq, 1U);
  EXPECT_EQ(test.put("b", "2").value_or(0), 2U);
  EXPECT_EQ(test.log->segments().size(), 2U) << "an old segment must not be appended to";
  EXPECT_EQ(test.seqs(), seqs_between(1, 2));
}

TEST(WalLog, AfterACrashTheNextSeqJumpsFurtherThanASegmentCanHold) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("a", "1")));
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_FALSE(test.log->recovery().clean_shutdown);
  const Seq next = test.put("b", "2").value_or(0);
  EXPECT_GE(next, 2 + test.options.segment_bytes / wal::kRecordHeaderBytes);
  EXPECT_EQ(test.seqs(), (std::vector<Seq>{1, next}));
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(test.log->recovery().validation.is_healthy()) << "a declared gap is no loss";
  EXPECT_EQ(test.log->recovery().validation.total_entries, 2U);
}

TEST(WalLog, KeepsLargeValuesInTheLogAndReadsThemAlone) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  std::vector<std::string> values;
  for (const std::size_t bytes : {4096U, 4097U, 40000U, 262143U, 262144U, 262145U, 1000000U}) {
    values.push_back(payload(bytes, bytes));
    ASSERT_TRUE(succeeded(test.put("doc", values.back())));
  }
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      const auto value = test.log->read_value(i + 1, values[i].size(), crc_of(values[i]));
      ASSERT_TRUE(succeeded(value));
      EXPECT_EQ(*value, values[i]);
    }
    EXPECT_TRUE(failed_with(test.log->read_value(1, 4096, 0), ErrorCode::kCorruption));
    EXPECT_TRUE(failed_with(test.log->read_value(99, 4096, 0), ErrorCode::kNotFound));
    std::vector<std::string> unread;
    ASSERT_TRUE(succeeded(test.log->replay(0, false, [&](const wal::RecordView& view) -> Status {
      EXPECT_TRUE(view.value_in_log);
      EXPECT_EQ(view.value_bytes, values[view.seq - 1].size());
      EXPECT_EQ(view.value_crc, crc_of(values[view.seq - 1]));
      unread.emplace_back(view.value);
      return {};
    })));
    EXPECT_EQ(unread, std::vector<std::string>(values.size()));
    ASSERT_TRUE(succeeded(test.open()));
  }
}

TEST(WalLog, ABatchIsOneGroupWithConsecutiveSeqs) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("a", "1")));
  std::vector<wal::AppendRequest> batch(5000, {.actor = "a", .id = "doc", .value = "12345678"});
  const auto syncs_before = test.log->stats().syncs;
  EXPECT_EQ(test.log->append_batch(batch).value_or(0), 2U);
  EXPECT_EQ(test.log->stats().groups, 2U);
  EXPECT_EQ(test.log->stats().syncs, syncs_before + 1);
  EXPECT_EQ(test.seqs(), seqs_between(1, 5001));
  EXPECT_TRUE(failed_with(test.log->append_batch({}), ErrorCode::kInvalidArgument));
}

TEST(WalLog, RefusesWhatItCannotStore) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(failed_with(test.put("a", "1", ""), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(failed_with(test.put("a", "1", std::string(256, 'x')), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(failed_with(test.put("", "1"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(failed_with(test.put(std::string(4097, 'x'), "1"), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(test.seqs().empty());
  EXPECT_EQ(test.put(std::string(4096, 'x'), "1", std::string(255, 'y')).value_or(0), 1U);
}

/// Zeros of which nobody has to keep any: a size is refused before a byte is looked at, or summed.
class ManyZeros {
 public:
  explicit ManyZeros(std::size_t size_bytes)
      : size_bytes_(size_bytes),
        bytes_(::mmap(nullptr, size_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                      -1, 0)) {}
  ~ManyZeros() { ::munmap(bytes_, size_bytes_); }
  ManyZeros(const ManyZeros&) = delete;
  ManyZeros& operator=(const ManyZeros&) = delete;
  ManyZeros(ManyZeros&&) = delete;
  ManyZeros& operator=(ManyZeros&&) = delete;

  [[nodiscard]] bool is_mapped() const { return bytes_ != MAP_FAILED; }
  [[nodiscard]] std::string_view text(std::size_t size_bytes) const {
    return {static_cast<const char*>(bytes_), size_bytes};
  }

 private:
  const std::size_t size_bytes_;
  void* const bytes_;
};

TEST(WalLog, RefusesWhatIsTooLarge) {
  constexpr std::size_t kValueMax = 512ULL << 20;
  const ManyZeros zeros(kValueMax + 1);
  ASSERT_TRUE(zeros.is_mapped());
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  const wal::AppendRequest too_large{.actor = "a", .id = "x", .value = zeros.text(kValueMax + 1)};
  const wal::AppendRequest small{.actor = "a", .id = "x", .value = "1"};
  EXPECT_TRUE(failed_with(test.log->append(too_large), ErrorCode::kInvalidArgument));
  const std::vector<wal::AppendRequest> one_too_large{small, too_large};
  EXPECT_TRUE(failed_with(test.log->append_batch(one_too_large), ErrorCode::kInvalidArgument));
  bool called = false;
  EXPECT_TRUE(failed_with(test.log->append_async(too_large, [&](auto) { called = true; }),
                          ErrorCode::kInvalidArgument));
  EXPECT_FALSE(called) << "a refused write has no outcome";
  const std::vector<wal::AppendRequest> more_than_a_group(
      3, {.actor = "a", .id = "x", .value = zeros.text(kValueMax / 4 * 3)});
  EXPECT_TRUE(failed_with(test.log->append_batch(more_than_a_group), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(test.seqs().empty());
  EXPECT_EQ(test.log->append(small).value_or(0), 1U);
}

TEST(WalLog, NoneWritesWithoutSyncAndSyncMakesDurable) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.durability = Durability::kNone;
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("a", "1")));
  const auto syncs = test.log->stats().syncs;
  ASSERT_TRUE(succeeded(test.put("b", "2")));
  EXPECT_EQ(test.log->stats().syncs, syncs);
  EXPECT_EQ(test.log->stats().durable_seq, 0U);
  EXPECT_EQ(test.seqs(), seqs_between(1, 2)) << "written means visible";
  ASSERT_TRUE(succeeded(test.log->sync()));
  EXPECT_EQ(test.log->stats().durable_seq, 2U);
  ASSERT_TRUE(succeeded(test.put("c", "3")));
  test.log = nullptr;
  disk.lose_power();
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_EQ(test.seqs(), seqs_between(1, 2));
  EXPECT_TRUE(test.log->recovery().validation.is_healthy());
}

TEST(WalLog, WalSurvivesPowerLossWithoutClose) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(succeeded(test.put("a", payload(3000, 1))));
  }
  test.log = nullptr;
  disk.lose_power();
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_EQ(test.seqs(), seqs_between(1, 100));
}

TEST(WalLog, ValidateCountsWhileItIsWrittenTo) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  for (Seq i = 1; i <= 200; ++i) {
    ASSERT_TRUE(succeeded(test.put("a", payload(2000, i))));
    if (i % 20 == 0) {
      const auto report = test.log->validate();
      ASSERT_TRUE(succeeded(report));
      EXPECT_TRUE(report->is_healthy()) << report->problems.front();
      EXPECT_EQ(report->valid_entries, i);
      EXPECT_EQ(report->total_segments, test.log->segments().size());
    }
  }
}

TEST(WalLog, RemovesSegmentsButNeverTheNewest) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(succeeded(test.put("a", payload(3000, 1))));
  }
  const auto segments = test.log->segments();
  ASSERT_GE(segments.size(), 4U);
  const std::vector<std::uint64_t> oldest{segments[0].id, segments[1].id};
  EXPECT_EQ(test.log->remove_segments(oldest).value_or(0), 2U);
  EXPECT_EQ(test.seqs(), seqs_between(segments[2].first_seq, 100));
  std::vector<std::uint64_t> all{12345};
  for (const auto& segment : segments) {
    all.push_back(segment.id);
  }
  EXPECT_EQ(test.log->remove_segments(all).value_or(0), segments.size() - 3);
  EXPECT_EQ(test.seqs(), seqs_between(segments.back().first_seq, 100));
  ASSERT_TRUE(succeeded(test.log->close()));
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_EQ(test.log->remove_segments(all).value_or(99), 0U);
  EXPECT_TRUE(test.log->recovery().validation.is_healthy());
  EXPECT_EQ(test.log->recovery().gone_through_seq, segments.back().first_seq - 1);
  EXPECT_EQ(test.put("a", "1").value_or(0), 101U);
}

TEST(WalLog, RewritingKeepsExactlyTheWantedRecords) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  std::vector<std::string> values;
  for (std::uint64_t i = 0; i < 60; ++i) {
    values.push_back(payload(i % 3 == 0 ? 20000 : 100, i));
    ASSERT_TRUE(succeeded(test.put("doc" + std::to_string(i), values.back())));
  }
  const auto before = test.log->segments();
  ASSERT_GE(before.size(), 4U);
  const std::vector<std::uint64_t> inputs{before[0].id, before[1].id};
  const auto output = test.log->rewrite_segments(inputs, [](const wal::RecordView& record) {
    return record.value_in_log && record.seq % 2 == 1;
  });
  ASSERT_TRUE(succeeded(output));
  std::vector<Seq> expected;
  for (Seq seq = 1; seq <= 60; ++seq) {
    if (seq > before[1].last_seq || (values[seq - 1].size() > 100 && seq % 2 == 1)) {
      expected.push_back(seq);
    }
  }
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(test.seqs(), expected);
    for (const Seq seq : expected) {
      const std::string& value = values[seq - 1];
      if (value.size() > 100) {
        EXPECT_EQ(test.log->read_value(seq, value.size(), crc_of(value)).value_or(""), value);
      }
    }
    std::vector<Seq> visited;
    ASSERT_TRUE(succeeded(test.log->visit_large_values(
        *output, [&](Seq seq, std::string_view id, std::uint64_t bytes) -> Status {
          EXPECT_EQ(id, "doc" + std::to_string(seq - 1));
          const std::uint64_t value_bytes = wal::encoded_value_bytes(20000);
          EXPECT_GT(bytes, value_bytes + wal::kRecordHeaderBytes + wal::kChunkHeaderBytes);
          EXPECT_LT(bytes, value_bytes + 200);
          visited.push_back(seq);
          return {};
        })));
    EXPECT_FALSE(visited.empty());
    const auto report = test.log->validate();
    ASSERT_TRUE(succeeded(report));
    EXPECT_TRUE(report->is_healthy()) << report->problems.front();
    EXPECT_EQ(report->valid_entries, expected.size());
    ASSERT_TRUE(succeeded(test.open()));
    EXPECT_TRUE(test.log->recovery().validation.is_healthy());
  }
}

TEST(WalLog, RewritingRefusesTheNewestAndSegmentsThatAreNotAdjacent) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(succeeded(test.put("a", payload(3000, 1))));
  }
  const auto segments = test.log->segments();
  const auto everything = [](const wal::RecordView&) { return true; };
  const auto rewrite = [&](std::vector<std::uint64_t> ids) {
    return test.log->rewrite_segments(ids, everything);
  };
  EXPECT_TRUE(failed_with(rewrite({}), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(failed_with(rewrite({9999}), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(failed_with(rewrite({segments.back().id}), ErrorCode::kInvalidArgument));
  EXPECT_TRUE(failed_with(rewrite({segments[0].id, segments[2].id}), ErrorCode::kInvalidArgument));
  const auto first = rewrite({segments[1].id});
  ASSERT_TRUE(succeeded(first));
  // Adjacent by seq: the output of the first rewrite lies between by seq, not by id.
  EXPECT_TRUE(succeeded(rewrite({segments[0].id, *first, segments[2].id})));
  EXPECT_EQ(test.seqs(), seqs_between(1, 100));
}

TEST(WalLog, AReaderGoesOnWhenItsSegmentIsRemoved) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(succeeded(test.put("a", payload(3000, 1))));
  }
  const auto segments = test.log->segments();
  std::vector<std::uint64_t> all;
  for (const auto& segment : segments) {
    all.push_back(segment.id);
  }
  std::uint64_t seen = 0;
  ASSERT_TRUE(succeeded(test.log->replay(0, true, [&](const wal::RecordView& record) -> Status {
    if (seen++ == 0) {
      EXPECT_GT(test.log->remove_segments(all).value_or(0), 0U);
    }
    EXPECT_EQ(record.value, payload(3000, 1));
    return {};
  })));
  // The first segment was being read; those between are gone; the newest stayed.
  EXPECT_EQ(seen, segments.front().last_seq + 60 - (segments.back().first_seq - 1));
}

TEST(WalLog, ANewerFormatVersionIsRefusedWithAClearMessage) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("a", "1")));
  ASSERT_TRUE(succeeded(test.log->close()));
  auto bytes = disk.contents(segment_path(1));
  for (const std::size_t copy : {std::size_t{0}, std::size_t{wal::kSegmentHeaderCopyBytes}}) {
    const auto header = base::MutableByteSpan(bytes).subspan(copy, wal::kSegmentHeaderCopyBytes);
    base::store(header, 12, wal::kFormatVersion + 1);
    base::store(header, 8, base::crc32c(header.subspan(12)));
  }
  disk.set_contents(segment_path(1), bytes);
  const auto opened = test.open();
  EXPECT_TRUE(failed_with(opened, ErrorCode::kUnsupportedVersion));
  EXPECT_NE(to_string(opened.error()).find("version 4"), std::string::npos);
}

TEST(WalLog, ASegmentOfAnotherStoreIsRefused) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.store_uuid[0] = std::byte{1};
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("a", "1")));
  test.options.store_uuid[0] = std::byte{2};
  EXPECT_TRUE(failed_with(test.open(), ErrorCode::kCorruption));
}

TEST(WalLog, TheSeqFloorIsBelowEveryNewSeq) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open(1000)));
  EXPECT_EQ(test.put("a", "1").value_or(0), 1001U);
}

}  // namespace
}  // namespace pluresdb::wal_test
