// Goal: a value that somebody made look like a part of the log is never taken for one, whatever is
// damaged around it. Method: a value in the log holds a whole forged segment: a group with a record
// at its own place in the file, a footer, a trailer; checksums and places are right, only the salt
// is the forger's. Then the segment loses its header and its genuine groups.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/tests/wal_layout.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

constexpr Seq kForgedSeq = 1ULL << 40;
constexpr std::size_t kValueBytes = 8000;
constexpr std::uint64_t kForgersSalt = 0x666;

/// A small record, the value, and nothing behind it: seqs 1 and 2.
void write_log(MemoryDisk& disk, const std::string& value) {
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("small", "1")));
  ASSERT_TRUE(succeeded(test.put("large", value)));
}

std::uint64_t place_of(const MemoryDisk& disk, std::string_view value) {
  const auto bytes = disk.contents(segment_path(1));
  const auto at = std::ranges::search(bytes, base::as_bytes(value));
  EXPECT_FALSE(at.empty());
  return static_cast<std::uint64_t>(at.begin() - bytes.begin());
}

/// kValueBytes that hold, once they stand at `place`, a group at their beginning and footer and
/// trailer at their end.
std::string forged_value(std::uint64_t place, std::uint64_t salt) {
  EXPECT_EQ(place % wal::kAlignment, 0U);
  wal::RecordView record;
  record.seq = kForgedSeq;
  record.hlc = 1ULL << 60;
  record.actor_seq = 1;
  record.actor = "a";
  record.id = "forged";
  record.value = "evil";
  record.value_bytes = record.value.size();
  record.value_crc = base::crc32c(base::as_bytes(record.value));
  wal::GroupBuilder group;
  group.clear();
  group.add(record);
  std::string value(base::as_text(group.place(salt, place, place, wal::kGroupSynced).front()));
  wal::SegmentIndex index;
  index.add_seq(kForgedSeq);
  index.groups.push_back({.first_seq = kForgedSeq, .offset = place});
  const wal::FooterHeader footer{
      .first_seq = kForgedSeq, .last_seq = kForgedSeq, .next_segment_id = 1ULL << 40};
  const std::size_t bytes = wal::encode_footer(footer, index, salt, 0).size();
  value.resize(kValueBytes - bytes, 'x');
  value += base::as_text(wal::encode_footer(footer, index, salt, place + value.size()));
  return value;
}

/// Its header and the headers of its groups are gone.
void behead(MemoryDisk& disk) {
  const Layout layout = layout_of(disk.contents(segment_path(1)));
  ASSERT_EQ(layout.groups.size(), 2U);
  auto bytes = layout.bytes;
  std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
  for (const Group& group : layout.groups) {
    std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(group.begin), wal::kGroupHeaderBytes,
                std::byte{0x5a});
  }
  disk.set_contents(segment_path(1), std::move(bytes));
}

void write_forged_log(MemoryDisk& disk, std::uint64_t salt) {
  MemoryDisk probe;
  const std::string marker = payload(kValueBytes, 5);
  ASSERT_NO_FATAL_FAILURE(write_log(probe, marker));
  const std::uint64_t place = place_of(probe, marker);
  const std::string value = forged_value(place, salt);
  ASSERT_NO_FATAL_FAILURE(write_log(disk, value));
  ASSERT_EQ(place_of(disk, value), place);
}

/// Nothing of the forgery counts, now or later: no record, no seq, no id.
void expect_not_believed(TestLog& test) {
  ASSERT_TRUE(succeeded(test.open()));
  const auto& report = test.log->recovery().validation;
  EXPECT_EQ(report.corrupted_segments, 1U);
  EXPECT_LT(test.log->recovery().hlc_floor, 1ULL << 50);
  const auto records = test.read_all();
  ASSERT_TRUE(succeeded(records));
  for (const Record& record : *records) {
    EXPECT_NE(record.id, "forged");
  }
  const auto next = test.put("next", "1");
  ASSERT_TRUE(succeeded(next));
  EXPECT_LT(*next, kForgedSeq);
  EXPECT_LT(test.log->segments().back().id, 1000U);
  const auto again = test.log->validate();
  ASSERT_TRUE(succeeded(again));
  EXPECT_EQ(again->valid_entries, records->size() + 1);
}

TEST(WalForgery, AForgedGroupIsNoGroupWhenTheGenuineOnesAreGone) {
  for (const std::uint64_t salt : {kForgersSalt, std::uint64_t{0}}) {
    SCOPED_TRACE(salt);
    MemoryDisk disk;
    ASSERT_NO_FATAL_FAILURE(write_forged_log(disk, salt));
    ASSERT_NO_FATAL_FAILURE(behead(disk));
    TestLog test(disk);
    expect_not_believed(test);
  }
}

TEST(WalForgery, AForgedTrailerAtTheEndOfACutSegmentIsNone) {
  for (const std::uint64_t salt : {kForgersSalt, std::uint64_t{0}}) {
    SCOPED_TRACE(salt);
    MemoryDisk disk;
    ASSERT_NO_FATAL_FAILURE(write_forged_log(disk, salt));
    TestLog test(disk);
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_TRUE(succeeded(test.put("later", "2")));  // Makes a successor, which cuts the first one.
    test.log = nullptr;
    ASSERT_NO_FATAL_FAILURE(behead(disk));
    const auto bytes = disk.contents(segment_path(1));
    ASSERT_EQ(base::load<std::uint32_t>(base::ByteSpan(bytes), bytes.size() - wal::kTrailerBytes),
              0x4C545257U)
        << "the forged trailer stands where a genuine one would";
    expect_not_believed(test);
    EXPECT_EQ(test.log->recovery().validation.lost,
              (std::vector<SeqRange>{{.first = 1, .last = 2}}))
        << "what was there is named by the successor's header";
  }
}

TEST(WalForgery, AForgedTrailerAtTheEndOfATornFileIsNone) {
  // The newest segment, and a file system that has kept its bytes up to the end of a sector only.
  MemoryDisk probe;
  const std::string marker = payload(kValueBytes, 5);
  ASSERT_NO_FATAL_FAILURE(write_log(probe, marker));
  const std::uint64_t place = place_of(probe, marker);
  const std::uint64_t end = (place + kValueBytes) / 512 * 512;
  std::string value = forged_value(place, kForgersSalt);
  const std::string tail = value.substr(kValueBytes - (place + kValueBytes - end));
  // The same forgery, ending at the sector's end.
  wal::SegmentIndex index;
  index.add_seq(kForgedSeq);
  const wal::FooterHeader footer{
      .first_seq = kForgedSeq, .last_seq = kForgedSeq, .next_segment_id = 1ULL << 40};
  const std::size_t bytes = wal::encode_footer(footer, index, kForgersSalt, 0).size();
  value.resize(end - place - bytes);
  value += base::as_text(wal::encode_footer(footer, index, kForgersSalt, end - bytes));
  value += tail;
  ASSERT_EQ(value.size(), kValueBytes);
  MemoryDisk disk;
  ASSERT_NO_FATAL_FAILURE(write_log(disk, value));
  ASSERT_NO_FATAL_FAILURE(behead(disk));
  auto cut = disk.contents(segment_path(1));
  cut.resize(end);
  disk.set_contents(segment_path(1), std::move(cut));
  TestLog test(disk);
  expect_not_believed(test);
}

/// What the rule must not cost: a frame that stands where no value can is believed.
TEST(WalForgery, AFrameAtAPlaceOfItsOwnIsBelieved) {
  for (const bool keeps_first_group : {true, false}) {
    SCOPED_TRACE(keeps_first_group);
    MemoryDisk disk;
    TestLog test(disk);
    ASSERT_TRUE(succeeded(test.open()));
    for (std::uint64_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(succeeded(test.put("doc", payload(300, i))));
    }
    ASSERT_TRUE(succeeded(test.log->close()));
    auto bytes = disk.contents(segment_path(1));
    ASSERT_NE(bytes.size() % 512, 0U) << "else its trailer is not believed";
    std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0x5a});
    if (!keeps_first_group) {  // Then it is the seal that speaks.
      bytes[wal::kSegmentHeaderBytes] ^= std::byte{1};
    }
    disk.set_contents(segment_path(1), std::move(bytes));
    ASSERT_TRUE(succeeded(test.open()));
    EXPECT_EQ(test.seqs(), keeps_first_group ? seqs_between(1, 3) : seqs_between(2, 3));
    EXPECT_EQ(test.log->recovery().validation.lost.size(), keeps_first_group ? 0U : 1U);
  }
}

}  // namespace
}  // namespace pluresdb::wal_test
