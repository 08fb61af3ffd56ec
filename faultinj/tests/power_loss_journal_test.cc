// The journal alone: what survives a torn end, and that it stays small.
#include "faultinj/power_loss_journal.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "faultinj/journal_clone.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_journal_format.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::base::as_bytes;

class JournalTest : public testing::Test {
 protected:
  std::unique_ptr<Journal> open() {
    auto journal = Journal::open(memfd.get());
    EXPECT_TRUE(journal.has_value());
    return journal ? *std::move(journal) : nullptr;
  }

  const JournalRecord* write(Journal& journal, std::uint64_t file, const std::string& text) {
    const auto record = journal.append(RecordType::kWrite, file, 0, as_bytes(text));
    EXPECT_TRUE(record.has_value());
    return record ? *record : nullptr;
  }

  static std::string text_of(Journal& journal, const JournalRecord& record) {
    std::string text(record.payload_bytes, '?');
    EXPECT_TRUE(journal.read(record, 0, std::as_writable_bytes(std::span(text))).has_value());
    return text;
  }

  std::vector<std::string> live_texts(Journal& journal) {
    std::vector<std::string> texts;
    for (const JournalRecord* record : journal.live()) {
      texts.push_back(text_of(journal, *record));
    }
    return texts;
  }

  std::uint64_t file_bytes() {
    struct stat status{};
    EXPECT_EQ(::fstat(memfd.get(), &status), 0);
    return static_cast<std::uint64_t>(status.st_size);
  }

  std::uint64_t memory_bytes() {
    struct stat status{};
    EXPECT_EQ(::fstat(memfd.get(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  Descriptor memfd{*create_power_loss_journal()};
};

/// Retiring compacts: what lived long has a hole in front, which a clone need not read.
TEST_F(JournalTest, ACloneHoldsTheSameAndLivesByItself) {
  const auto journal = open();
  const std::string large(1 << 20, 'x');
  for (int round = 0; round < 40; ++round) {
    const JournalRecord* const record = write(*journal, 1, large);
    const std::vector<const JournalRecord*> records{record};
    ASSERT_TRUE(journal->retire_file(1, records).has_value());
  }
  write(*journal, 2, "kept");
  const auto descriptor = clone_power_loss_journal(memfd.get());
  ASSERT_TRUE(descriptor.has_value());
  const Descriptor clone{*descriptor};
  auto cloned = Journal::open(clone.get());
  ASSERT_TRUE(cloned.has_value());
  EXPECT_EQ(live_texts(**cloned), std::vector<std::string>{"kept"});
  write(**cloned, 2, "only there");
  EXPECT_EQ(live_texts(*journal), std::vector<std::string>{"kept"});
  struct stat status{};
  ASSERT_EQ(::fstat(clone.get(), &status), 0);
  EXPECT_LT(static_cast<std::uint64_t>(status.st_blocks) * 512, file_bytes());
}

TEST_F(JournalTest, KeepsWhatIsNotRetiredOverReopening) {
  {
    const auto journal = open();
    const JournalRecord* first = write(*journal, 1, "first");
    write(*journal, 2, "second");
    const JournalRecord* third = write(*journal, 1, "third");
    write(*journal, 1, "fourth");
    const std::vector<const JournalRecord*> records{first, third};
    ASSERT_TRUE(journal->retire_file(1, records).has_value());
  }
  const auto journal = open();
  EXPECT_EQ(live_texts(*journal), (std::vector<std::string>{"second", "fourth"}));
  // Four records and the retirement: seqs are never used again.
  EXPECT_EQ(journal->last_seq(), 5U);
}

TEST_F(JournalTest, ARecordCutOffAnywhereIsNotThereAndLeavesNoTrace) {
  std::uint64_t whole_bytes = 0;
  {
    const auto journal = open();
    write(*journal, 1, "whole");
    whole_bytes = file_bytes();
    write(*journal, 1, std::string(100, 'x'));
  }
  // A kill inside append has written the payload, or a part of it, but not the header.
  const std::vector<std::byte> zeros(56);
  const auto start = static_cast<off_t>(whole_bytes + (8 - whole_bytes % 8) % 8);
  ASSERT_EQ(::pwrite(memfd.get(), zeros.data(), zeros.size(), start), 56);
  {
    const auto journal = open();
    EXPECT_EQ(live_texts(*journal), (std::vector<std::string>{"whole"}));
    EXPECT_EQ(file_bytes(), static_cast<std::uint64_t>(start));
    write(*journal, 1, "next");
  }
  EXPECT_EQ(live_texts(*open()), (std::vector<std::string>{"whole", "next"}));
}

TEST_F(JournalTest, ADamagedHeaderEndsTheLog) {
  off_t second = 0;
  {
    const auto journal = open();
    write(*journal, 1, "whole");
    second = static_cast<off_t>(write(*journal, 1, "damaged")->position);
  }
  for (off_t byte = 0; byte < 56; ++byte) {
    std::uint8_t value = 0;
    ASSERT_EQ(::pread(memfd.get(), &value, 1, second + byte), 1);
    const auto damaged = static_cast<std::uint8_t>(value ^ 0x10U);
    ASSERT_EQ(::pwrite(memfd.get(), &damaged, 1, second + byte), 1);
    const auto image = read_journal(memfd.get());
    ASSERT_TRUE(image.has_value());
    EXPECT_EQ(image->live.size(), 1U) << "byte " << byte;
    ASSERT_EQ(::pwrite(memfd.get(), &value, 1, second + byte), 1);
  }
}

TEST_F(JournalTest, StaysSmallWhileEverythingIsRetiredBehindASurvivor) {
  const auto journal = open();
  write(*journal, 7, "survivor");
  const std::string block(1 << 20, 'b');
  constexpr int kRounds = 200;
  std::uint64_t most_bytes = 0;
  for (int round = 0; round < kRounds; ++round) {
    const JournalRecord* record = write(*journal, 1, block);
    ASSERT_TRUE(journal->retire_file(1, {&record, 1}).has_value());
    most_bytes = std::max(most_bytes, memory_bytes());
  }
  EXPECT_LE(most_bytes, 36ULL << 20);
  EXPECT_EQ(live_texts(*journal), (std::vector<std::string>{"survivor"}));
  EXPECT_EQ(live_texts(*open()), (std::vector<std::string>{"survivor"}));
}

TEST_F(JournalTest, AnUnfinishedCompactionIsIgnored) {
  std::uint64_t before = 0;
  {
    const auto journal = open();
    write(*journal, 7, "survivor");
    const JournalRecord* retired = write(*journal, 1, "retired");
    ASSERT_TRUE(journal->retire_file(1, {&retired, 1}).has_value());
    before = journal->log_bytes();
    // What a compaction writes before it swings the superblock: the live record behind the end.
    JournalRecord copy = *journal->live().front();
    copy.position = kJournalPageBytes + before;
    ASSERT_TRUE(write_header(memfd.get(), copy).has_value());
  }
  const auto journal = open();
  EXPECT_EQ(live_texts(*journal), (std::vector<std::string>{"survivor"}));
  EXPECT_EQ(journal->log_bytes(), before);
  EXPECT_EQ(file_bytes(), kJournalPageBytes + before);
  ASSERT_TRUE(journal->clear().has_value());
  EXPECT_TRUE(journal->live().empty());
  EXPECT_TRUE(open()->live().empty());
}

TEST_F(JournalTest, ACompactionKeepsManyLiveRecordsInOrder) {
  const auto journal = open();
  std::vector<std::string> expected;
  const std::string block(1 << 20, 'b');
  for (int round = 0; round < 70; ++round) {
    for (int record = 0; record < 30; ++record) {
      expected.push_back(std::to_string(round) +
                         std::string(static_cast<std::size_t>(record), 'x'));
      write(*journal, 7, expected.back());
    }
    const JournalRecord* dead = write(*journal, 1, block);
    ASSERT_TRUE(journal->retire_file(1, {&dead, 1}).has_value());
  }
  EXPECT_GE(read_journal(memfd.get())->generation, 3U);
  EXPECT_EQ(live_texts(*journal), expected);
  EXPECT_EQ(live_texts(*open()), expected);
}

TEST_F(JournalTest, AnotherFileIsRefused) {
  ASSERT_EQ(::ftruncate(memfd.get(), 0), 0);
  const auto journal = Journal::open(memfd.get());
  ASSERT_FALSE(journal.has_value());
  EXPECT_EQ(journal.error().code, pluresdb::ErrorCode::kCorruption);
}

}  // namespace
}  // namespace faultinj
