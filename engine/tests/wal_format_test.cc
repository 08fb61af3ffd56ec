// Encoding and decoding of the structures of a segment, one by one.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

using base::ByteSpan;

constexpr std::uint64_t kSalt = 0x1122334455667788;

wal::SegmentHeader some_header() {
  wal::SegmentHeader header{.id = 42,
                            .salt = kSalt,
                            .first_seq = 1001,
                            .predecessor = {.id = 41, .valid_bytes = 4096, .last_seq = 900},
                            .hlc_floor = 77,
                            .covers = {.first = 1, .last = 2},
                            .rewritten = true,
                            .capacity_bytes = 65536};
  header.store_uuid[3] = std::byte{9};
  return header;
}

TEST(WalFormat, TheSegmentHeaderIsReadFromEitherCopy) {
  std::vector<std::byte> bytes(wal::kSegmentHeaderBytes);
  wal::encode_segment_header(some_header(), bytes);
  EXPECT_EQ(wal::decode_segment_header(bytes).header, some_header());
  EXPECT_FALSE(wal::decode_segment_header(bytes).copy_damaged);
  for (const std::uint64_t copy : {std::uint64_t{0}, wal::kSegmentHeaderCopyBytes}) {
    auto damaged = bytes;
    damaged[copy + 50] ^= std::byte{1};
    const auto read = wal::decode_segment_header(damaged);
    EXPECT_EQ(read.header, some_header());
    EXPECT_TRUE(read.copy_damaged);
  }
  bytes[50] ^= std::byte{1};
  bytes[wal::kSegmentHeaderCopyBytes + 50] ^= std::byte{1};
  EXPECT_FALSE(wal::decode_segment_header(bytes).header.has_value());
  EXPECT_TRUE(wal::decode_segment_header(ByteSpan(bytes).first(10)).copy_damaged);
}

TEST(WalFormat, AGroupHeaderBelongsToOnePlaceOfOneFile) {
  const wal::GroupHeader header{.first_seq = 5,
                                .last_seq = 9,
                                .durable_offset = 4096,
                                .record_count = 5,
                                .body_bytes = 800,
                                .chunk_count = 2,
                                .flags = wal::kGroupUnsynced};
  std::vector<std::byte> bytes(wal::kGroupHeaderBytes);
  wal::encode_group_header(header, kSalt, 8192, bytes);
  EXPECT_EQ(wal::decode_group_header(bytes, kSalt, 8192), header);
  EXPECT_FALSE(wal::decode_group_header(bytes, kSalt, 8200).has_value()) << "copied elsewhere";
  EXPECT_FALSE(wal::decode_group_header(bytes, kSalt + 1, 8192).has_value()) << "another file's";
  EXPECT_FALSE(wal::decode_group_header(ByteSpan(bytes).first(63), kSalt, 8192).has_value());
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    bytes[at] ^= std::byte{2};
    EXPECT_FALSE(wal::decode_group_header(bytes, kSalt, 8192).has_value()) << at;
    bytes[at] ^= std::byte{2};
  }
}

TEST(WalFormat, AGroupHeaderWithImpossibleNumbersIsNone) {
  std::vector<std::byte> bytes(wal::kGroupHeaderBytes);
  const auto decoded = [&bytes](const wal::GroupHeader& header) {
    wal::encode_group_header(header, kSalt, 8192, bytes);
    return wal::decode_group_header(bytes, kSalt, 8192).has_value();
  };
  const wal::GroupHeader good{
      .first_seq = 5, .last_seq = 9, .record_count = 5, .body_bytes = 80, .chunk_count = 1};
  EXPECT_TRUE(decoded(good));
  auto bad = good;
  bad.last_seq = 8;  // Five records do not fit.
  EXPECT_FALSE(decoded(bad));
  bad = good;
  bad.first_seq = 0;
  EXPECT_FALSE(decoded(bad));
  bad = good;
  bad.body_bytes = 81;
  EXPECT_FALSE(decoded(bad));
  bad = good;
  bad.durable_offset = 8193;  // Durable beyond itself.
  EXPECT_FALSE(decoded(bad));
  bad = good;
  bad.record_count = 0;
  EXPECT_FALSE(decoded(bad));
}

TEST(WalFormat, AChunkHeaderBelongsToOnePlaceOfOneFile) {
  const wal::ChunkHeader header{.kind = wal::ChunkKind::kValue,
                                .record_count = 0,
                                .payload_bytes = 100,
                                .payload_crc = 7,
                                .value_part = 3,
                                .first_seq = 9};
  std::vector<std::byte> bytes(wal::kChunkHeaderBytes);
  wal::encode_chunk_header(header, kSalt, 4160, bytes);
  EXPECT_EQ(wal::decode_chunk_header(bytes, kSalt, 4160), header);
  EXPECT_FALSE(wal::decode_chunk_header(bytes, kSalt, 4168).has_value());
  EXPECT_FALSE(wal::decode_chunk_header(bytes, kSalt ^ 1U, 4160).has_value());
}

TEST(WalFormat, TheFooterCarriesTheIndex) {
  wal::SegmentIndex index;
  for (const Seq seq : {1U, 2U, 3U, 7U, 8U, 100U}) {
    index.add_seq(seq);
  }
  EXPECT_EQ(index.runs,
            (std::vector<SeqRange>{
                {.first = 1, .last = 3}, {.first = 7, .last = 8}, {.first = 100, .last = 100}}));
  index.values.push_back({.seq = 7, .offset = 5000, .value_bytes = 70000, .value_crc = 1});
  index.groups.push_back({.first_seq = 1, .offset = 4096});
  const auto bytes = wal::encode_footer({.first_seq = 1,
                                         .last_seq = 100,
                                         .next_segment_id = 9,
                                         .body_bytes = 0,
                                         .body_crc = 0,
                                         .clean = true},
                                        index, kSalt, 8192);
  EXPECT_EQ(bytes.size(), index.encoded_bytes());
  const auto header = wal::decode_footer_header(bytes, kSalt, 8192);
  ASSERT_TRUE(header.has_value());
  EXPECT_TRUE(header->clean);
  EXPECT_EQ(header->next_segment_id, 9U);
  const auto body = ByteSpan(bytes).subspan(wal::kFooterHeaderBytes, header->body_bytes);
  EXPECT_EQ(wal::decode_footer_body(*header, body), index);
  const std::uint64_t trailer_at = 8192 + bytes.size() - wal::kTrailerBytes;
  const auto trailer =
      wal::decode_trailer(ByteSpan(bytes).last(wal::kTrailerBytes), kSalt, trailer_at);
  ASSERT_TRUE(trailer.has_value());
  EXPECT_EQ(trailer->footer_offset, 8192U);
  EXPECT_EQ(trailer->last_seq, 100U);
  EXPECT_TRUE(trailer->clean);
}

TEST(WalFormat, NamesTellTheClassAndTheId) {
  EXPECT_EQ(wal::segment_name(0x2a), "000000000000002a.wal");
  for (const std::uint64_t id : {1ULL, 0x2aULL, ~0ULL}) {
    EXPECT_EQ(wal::parse_name(wal::segment_name(id)).id, id);
    EXPECT_EQ(wal::parse_name(wal::segment_name(id)).file_class, wal::FileClass::kSegment);
    for (const std::string& name : {wal::spare_name(id), wal::rewrite_name(id)}) {
      EXPECT_EQ(wal::parse_name(name).id, id);
      EXPECT_EQ(wal::parse_name(name).file_class, wal::FileClass::kTemporary);
    }
  }
  for (const char* name : {"", ".wal", "2a.wal", "000000000000002A.wal", "0000000000000000.wal",
                           "000000000000002a.wal.tmp", "000000000000002g.wal", "spare-2a.tmp",
                           "other-000000000000002a.tmp", "-00000000000002a.wal"}) {
    EXPECT_EQ(wal::parse_name(name).file_class, wal::FileClass::kForeign) << name;
  }
}

TEST(WalFormat, TheLongestRecordFitsAChunk) {
  const std::string actor(kActorBytesMax, 'a');
  const std::string id(kDocumentIdBytesMax, 'i');
  const std::string value(wal::kInlineValueBytesMax, 'v');
  wal::RecordView record;
  record.seq = 1;
  record.actor = actor;
  record.id = id;
  record.value = value;
  record.value_bytes = value.size();
  wal::GroupBuilder group;
  group.clear();
  group.add(record);
  const auto bytes = group.place(kSalt, 4096, 4096, 0).front();
  EXPECT_EQ(bytes.size(), wal::kGroupHeaderBytes + wal::group_bytes_bound(record));
}

}  // namespace
}  // namespace pluresdb::wal_test
