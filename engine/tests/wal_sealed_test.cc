// Encrypted logs: everything a log does, nothing of it in the clear, and which keys open what.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mutex.h"
#include "engine/base/worker_team.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_sealed_support.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

using Bytes = std::vector<std::byte>;

/// Marked so that a plain byte of it is found wherever it lies.
std::string marked(std::string_view mark, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) {
    text += mark;
  }
  text.resize(bytes);
  return text;
}
constexpr std::string_view kMark = "CANARY!";
constexpr std::array<std::string_view, 3> kMarks = {"CANARY", "ACTOR-C", "IDENT-C"};

/// Records of every kind, values of every size: within a record, in one part, in several.
void write_all_kinds(TestLog& test) {
  for (std::size_t i = 0; i < 40; ++i) {
    const std::string id = "IDENT-C/" + std::to_string(i);
    const std::size_t bytes = i % 7 == 3 ? 5000 + i : i % 11 == 5 ? 300'000 : 20 * i;
    ASSERT_TRUE(succeeded(test.put(id, marked(kMark, bytes), "ACTOR-C")));
  }
  const std::vector<wal::AppendRequest> batch = {
      {.actor = "ACTOR-C", .id = "IDENT-C/b", .value = R"({"CANARY":1})"},
      {.actor = "ACTOR-C", .type = wal::OperationType::kDelete, .id = "IDENT-C/1"},
      {.actor = "ACTOR-C", .type = wal::OperationType::kCheckpoint, .argument = 12},
      {.actor = "ACTOR-C", .type = wal::OperationType::kCompact, .argument = 9}};
  ASSERT_TRUE(succeeded(test.log->append_batch(batch)));
}

/// Collects what a parallel replay hands out.
class Collector final : public wal::ReplaySink {
 public:
  void take(std::size_t slot, std::span<const wal::RecordView> records) override {
    const base::MutexLock lock(mutex_);
    for (const wal::RecordView& record : records) {
      window_[slot].push_back(record_of(record));
    }
  }
  Status end_window(std::size_t) override {
    const base::MutexLock lock(mutex_);
    for (auto& [slot, records] : window_) {
      all_.insert(all_.end(), records.begin(), records.end());
    }
    window_.clear();
    return {};
  }
  [[nodiscard]] const std::vector<Record>& records() const { return all_; }

 private:
  base::Mutex mutex_;
  std::map<std::size_t, std::vector<Record>> window_;
  std::vector<Record> all_;
};

void expect_same_by_every_reader(TestLog& test, const std::vector<Record>& expected) {
  const auto records = test.read_all();
  ASSERT_TRUE(succeeded(records));
  ASSERT_EQ(*records, expected);
  std::vector<Record> without_large = expected;
  for (Record& record : without_large) {
    if (record.value.size() >= test.options.large_value_bytes) {
      const auto value = test.log->read_value(record.seq, record.value.size(),
                                              base::crc32c(base::as_bytes(record.value)));
      ASSERT_TRUE(succeeded(value));
      ASSERT_EQ(*value, record.value);
      record.value.clear();
    }
  }
  for (const bool has_threads : {false, true}) {
    base::WorkerTeam team(base::WorkerTeam::threads_for(has_threads));
    Collector collector;
    ASSERT_TRUE(succeeded(test.log->replay_windows(0, team, collector)));
    ASSERT_EQ(collector.records(), without_large);
  }
  const auto report = test.log->validate();
  ASSERT_TRUE(succeeded(report) && report->is_healthy());
  EXPECT_EQ(report->valid_entries, expected.size());
}

std::vector<Record> applied_of(const TestLog& test) { return test.client->applied(); }

void expect_version_3(const MemoryDisk& disk) {
  for (const auto& [path, bytes] : disk.files()) {
    if (path.ends_with(".wal")) {
      EXPECT_EQ(wal::decode_segment_header(bytes).version, 3U) << path;
    }
  }
}

TEST(WalSealed, EveryKindOfRecordReadsBackByEveryReader) {
  for (const bool compress : {false, true}) {
    SCOPED_TRACE(compress);
    MemoryDisk disk;
    TestLog test(sealed_options(disk));
    test.options.compress_rewritten = compress;
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_NO_FATAL_FAILURE(write_all_kinds(test));
    std::vector<Record> expected = applied_of(test);
    ASSERT_NO_FATAL_FAILURE(expect_same_by_every_reader(test, expected));

    ASSERT_TRUE(succeeded(test.open()));  // As after a crash.
    EXPECT_EQ(test.log->recovery().validation.valid_entries, expected.size());
    ASSERT_NO_FATAL_FAILURE(expect_same_by_every_reader(test, expected));
    ASSERT_TRUE(succeeded(test.put("IDENT-C/n", "CANARY", "ACTOR-C")));
    expected.push_back(applied_of(test).back());

    std::vector<std::uint64_t> inputs;
    for (const wal::SegmentInfo& segment : test.log->segments()) {
      if (segment.sealed) {
        inputs.push_back(segment.id);
      }
    }
    const auto keep = [](const wal::RecordView& record) { return record.seq % 3 != 0; };
    ASSERT_TRUE(succeeded(test.log->rewrite_segments(inputs, keep)));
    const Seq newest = expected.back().seq;
    std::erase_if(expected, [newest](const Record& record) {
      return record.seq % 3 == 0 && record.seq != newest;
    });
    ASSERT_NO_FATAL_FAILURE(expect_same_by_every_reader(test, expected));
    ASSERT_TRUE(succeeded(test.log->close()));
    ASSERT_TRUE(succeeded(test.open()));
    EXPECT_TRUE(test.log->recovery().clean_shutdown);
    EXPECT_EQ(test.log->segments().front().compressed || test.log->segments().back().compressed,
              compress);
    ASSERT_NO_FATAL_FAILURE(expect_same_by_every_reader(test, expected));
    expect_version_3(disk);
  }
}

TEST(WalSealed, AFooterLargerThanOnePieceReadsBack) {
  MemoryDisk disk;
  TestLog test(sealed_options(disk));
  test.options.segment_bytes = 16ULL << 20;
  test.options.large_value_bytes = 1;
  ASSERT_TRUE(succeeded(test.open()));
  std::vector<wal::AppendRequest> batch(12'000, {.actor = "a", .id = "doc", .value = "v"});
  ASSERT_TRUE(succeeded(test.log->append_batch(batch)));
  ASSERT_TRUE(succeeded(test.log->close()));
  const auto layout = sealed_layout_of(disk.contents(segment_path(1)));
  ASSERT_GT(layout.footer_body.end - layout.footer_body.begin, wal::kFooterPieceBytes);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(test.log->recovery().clean_shutdown);
  EXPECT_TRUE(test.log->recovery().validation.is_healthy());
  EXPECT_EQ(test.seqs().size(), batch.size());
}

bool holds(const Bytes& bytes, std::string_view text) {
  return base::as_text(bytes).find(text) != std::string_view::npos;
}

void expect_no_mark(const MemoryDisk& disk) {
  for (const auto& [path, bytes] : disk.files()) {
    for (const std::string_view mark : kMarks) {
      EXPECT_FALSE(holds(bytes, mark)) << mark << " in " << path;
    }
  }
}

TEST(WalSealed, NoPlainByteReachesAFile) {
  MemoryDisk disk;
  TestLog test(sealed_options(disk));
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_NO_FATAL_FAILURE(write_all_kinds(test));
  expect_no_mark(disk);
  const std::vector<std::uint64_t> first{test.log->segments().front().id};
  ASSERT_TRUE(
      succeeded(test.log->rewrite_segments(first, [](const wal::RecordView&) { return true; })));
  ASSERT_TRUE(succeeded(test.log->close()));
  expect_no_mark(disk);
  // Damaged, so that something is kept aside.
  const std::uint64_t damaged = test.log->segments()[1].id;
  Bytes bytes = disk.contents(segment_path(damaged));
  bytes[wal::kSegmentHeaderBytes + 200] ^= std::byte{1};
  disk.set_contents(segment_path(damaged), bytes);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_GT(test.log->recovery().quarantined_bytes, 0U);
  expect_no_mark(disk);
  // What does this test see when nothing is encrypted?
  MemoryDisk plain_disk;
  TestLog plain(plain_disk);
  ASSERT_TRUE(succeeded(plain.open()));
  ASSERT_TRUE(succeeded(plain.put("IDENT-C", "CANARY", "ACTOR-C")));
  const Bytes plain_bytes = plain_disk.contents(segment_path(1));
  for (const std::string_view mark : kMarks) {
    EXPECT_TRUE(holds(plain_bytes, mark));
  }
}

TEST(WalSealed, TheSameRecordsGiveDifferentFiles) {
  std::vector<Bytes> files;
  for (int i = 0; i < 2; ++i) {
    MemoryDisk disk;
    TestLog test(sealed_options(disk));
    test.options.new_salt = [] { return 5; };
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_TRUE(succeeded(test.put("doc", payload(1000, 1))));
    files.push_back(disk.contents(segment_path(1)));
  }
  const auto group = base::ByteSpan(files[0]).subspan(wal::kSegmentHeaderBytes + 112, 900);
  const auto same = base::ByteSpan(files[1]).subspan(wal::kSegmentHeaderBytes + 112, 900);
  EXPECT_FALSE(std::ranges::equal(group, same));
}

/// Two segments, both headers of the first one damaged: sealed it has a third copy.
TEST(WalSealed, WithoutBothHeadersASealedSegmentLosesNothing) {
  MemoryDisk disk;
  TestLog test(sealed_options(disk));
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_NO_FATAL_FAILURE(write_all_kinds(test));
  ASSERT_TRUE(succeeded(test.log->close()));
  const std::vector<Record> expected = applied_of(test);
  const auto intact = disk.files();
  for (const wal::SegmentInfo& segment : test.log->segments()) {
    Bytes bytes = intact.at(segment_path(segment.id));
    std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
    disk.set_contents(segment_path(segment.id), bytes);
  }
  test.log = nullptr;
  ASSERT_TRUE(succeeded(test.open()));
  const ValidationReport& report = test.log->recovery().validation;
  EXPECT_EQ(report.corrupted_entries, 0U);
  EXPECT_EQ(report.tampered_places, 0U);
  EXPECT_GT(report.corrupted_segments, 1U);
  EXPECT_EQ(*test.read_all(), expected);
}

/// Nobody can read it any more; its successor says what it held.
TEST(WalSealed, WithoutBothHeadersAnUnsealedSegmentIsNamedAsAWhole) {
  MemoryDisk disk;
  TestLog test(sealed_options(disk));
  ASSERT_TRUE(succeeded(test.open()));
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(succeeded(test.put("doc", payload(100, 1))));
  }
  ASSERT_TRUE(succeeded(test.open()));
  const auto next = test.put("doc", "next");
  ASSERT_TRUE(succeeded(next));
  test.log = nullptr;
  Bytes bytes = disk.contents(segment_path(1));
  std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
  disk.set_contents(segment_path(1), bytes);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_EQ(test.log->recovery().validation.lost, (std::vector<SeqRange>{{.first = 1, .last = 5}}));
  EXPECT_EQ(test.seqs(), std::vector<Seq>{*next});
  const auto again = test.put("doc", "again");
  ASSERT_TRUE(succeeded(again));
  EXPECT_GT(*again, *next);
}

/// A log of two segments, the first under generation 1, the second under generation 2.
struct RotatedLog {
  MemoryDisk disk;
  RotatedLog() {
    for (const crypto::Generation generation : {1U, 2U}) {
      const crypto::MasterKeys keys = keys_of(7, generation);
      TestLog test(sealed_options(disk, keys));
      EXPECT_TRUE(succeeded(test.open()));
      EXPECT_TRUE(succeeded(test.put("doc", payload(100, generation))));
    }
  }
};

/// Refused with `code`, the text names the first segment, nothing on disk is another.
void expect_refused(MemoryDisk& disk, const crypto::MasterKeys* keys, ErrorCode code,
                    std::uint64_t segment) {
  const auto before = disk.files();
  const std::uint64_t changes = disk.change_count();
  wal::LogOptions options = test_options(disk);
  options.keys = keys;
  TestLog test(options);
  const Status opened = test.open();
  ASSERT_TRUE(failed_with(opened, code));
  EXPECT_NE(opened.error().context.find(wal::segment_name(segment)), std::string::npos)
      << opened.error().context;
  EXPECT_EQ(disk.files(), before);
  EXPECT_EQ(disk.change_count(), changes);
  ASSERT_TRUE(failed_with(wal::examine_log(options, 0), code));
}

TEST(WalKeys, GenerationsThatAreThereOpenTheirFilesAndOthersAreMissed) {
  RotatedLog log;
  const crypto::MasterKeys both = keys_of(7, 2);
  {
    TestLog test(sealed_options(log.disk, both));
    ASSERT_TRUE(succeeded(test.open()));
    EXPECT_TRUE(test.log->recovery().validation.is_healthy());
    EXPECT_EQ(test.seqs().size(), 2U);
  }
  const crypto::MasterKeys old_one = keys_of(7, 1);
  const crypto::MasterKeys new_one = keys_of(7, 2, 2);
  ASSERT_NO_FATAL_FAILURE(expect_refused(log.disk, &old_one, ErrorCode::kKeyUnavailable, 2));
  ASSERT_NO_FATAL_FAILURE(expect_refused(log.disk, &new_one, ErrorCode::kKeyUnavailable, 1));
}

TEST(WalKeys, AnEncryptedLogIsRefusedWithoutKeysAndWithTheWrongOnes) {
  RotatedLog log;
  ASSERT_NO_FATAL_FAILURE(expect_refused(log.disk, nullptr, ErrorCode::kKeyUnavailable, 1));
  const crypto::MasterKeys other = keys_of(8, 2);
  ASSERT_NO_FATAL_FAILURE(expect_refused(log.disk, &other, ErrorCode::kCorruption, 1));
}

/// Also when it has lost its headers: nothing of it may be taken for torn, and cut off.
TEST(WalKeys, AnEncryptedLogWithoutHeadersIsRefusedWithoutKeys) {
  MemoryDisk disk;
  {
    TestLog test(sealed_options(disk));
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_TRUE(succeeded(test.put("doc", "value")));
    ASSERT_TRUE(succeeded(test.log->close()));
  }
  Bytes bytes = disk.contents(segment_path(1));
  std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
  disk.set_contents(segment_path(1), bytes);
  ASSERT_NO_FATAL_FAILURE(expect_refused(disk, nullptr, ErrorCode::kKeyUnavailable, 1));
}

TEST(WalKeys, APlainSegmentInAnEncryptedLogIsRefused) {
  MemoryDisk plain;
  {
    TestLog test(plain);
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_TRUE(succeeded(test.put("doc", "forged")));
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_TRUE(succeeded(test.put("doc", "forged, too")));
  }
  ASSERT_NO_FATAL_FAILURE(expect_refused(plain, &test_keys(), ErrorCode::kCorruption, 1));
  RotatedLog log;
  log.disk.set_contents(segment_path(3), plain.contents(segment_path(2)));
  const crypto::MasterKeys both = keys_of(7, 2);
  ASSERT_NO_FATAL_FAILURE(expect_refused(log.disk, &both, ErrorCode::kCorruption, 3));
}

/// One whose headers are damaged on purpose, so that its groups would have to name it.
TEST(WalKeys, APlainSegmentWithoutHeadersIsNeverRead) {
  MemoryDisk plain;
  {
    TestLog test(plain);
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_TRUE(succeeded(test.put("doc", "forged")));
  }
  Bytes bytes = plain.contents(segment_path(1));
  std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
  RotatedLog log;
  log.disk.set_contents(segment_path(3), bytes);
  const crypto::MasterKeys both = keys_of(7, 2);
  TestLog test(sealed_options(log.disk, both));
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_FALSE(test.log->recovery().validation.is_healthy());
  EXPECT_EQ(test.seqs().size(), 2U);
}

}  // namespace
}  // namespace pluresdb::wal_test
