// Bytes of the base store's records, and what is refused; errors through RocksDB and back.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <rocksdb/status.h>

#include "engine/store/base_store.h"
#include "engine/store/rocks_status.h"
#include "engine/store/value_codec.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

std::string hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    text += kDigits[value >> 4U];
    text += kDigits[value & 15U];
  }
  return text;
}

std::string encoded(const BaseValue& value) {
  std::string bytes;
  encode_value(value, bytes);
  return bytes;
}

ErrorCode refusal(std::string_view bytes) {
  BaseValue value;
  const Status outcome = decode_value(bytes, value);
  EXPECT_FALSE(outcome) << hex(bytes);
  return outcome ? ErrorCode::kIo : outcome.error().code;
}

ErrorCode meta_refusal(std::string_view bytes) {
  const auto outcome = decode_meta(bytes);
  EXPECT_FALSE(outcome) << hex(bytes);
  return outcome ? ErrorCode::kIo : outcome.error().code;
}

BaseValue sample(ValueKind kind) {
  BaseValue value{.kind = kind,
                  .stamp = {.hlc = 0x0102030405060708, .actor = "ab", .actor_seq = 5},
                  .seq = 0x1122};
  if (kind == ValueKind::kInline) {
    value.json = "{}";
  } else if (kind == ValueKind::kInLog) {
    value.value_bytes = 0x334455;
    value.value_crc = 0xaabbccdd;
  }
  return value;
}

CheckpointMeta sample_meta() {
  return {.checkpoint_seq = 9,
          .previous_checkpoint_seq = 7,
          .hlc_floor = 3,
          .tombstones = 2,
          .version_vector = {{"a", 1}, {"bc", 0x0203}}};
}

TEST(ValueCodec, BytesOfVersionOneStayAsTheyAre) {
  EXPECT_EQ(hex(encoded(sample(ValueKind::kInline))),
            "01010200"          // version, kind, actor length, zero
            "00000000"          // crc
            "2211000000000000"  // seq
            "0807060504030201"  // hlc
            "0500000000000000"  // actor_seq
            "61627b7d");        // actor, JSON
  EXPECT_EQ(hex(encoded(sample(ValueKind::kInLog))),
            "01020200ddccbbaa"
            "221100000000000008070605040302010500000000000000"
            "61625544330000000000");
  EXPECT_EQ(hex(encoded(sample(ValueKind::kTombstone))),
            "0103020000000000"
            "221100000000000008070605040302010500000000000000"
            "6162");
}

TEST(MetaCodec, BytesOfVersionOneStayAsTheyAre) {
  EXPECT_EQ(hex(encode_meta(sample_meta())),
            "0100000002000000"  // version, actors
            "0900000000000000"  // checkpoint_seq
            "0700000000000000"  // previous_checkpoint_seq
            "0300000000000000"  // hlc_floor
            "0200000000000000"  // tombstones
            "01000000000000000161"
            "0302000000000000026263");
}

TEST(MetaCodec, BytesOfVersionTwoStayAsTheyAre) {
  CheckpointMeta meta = sample_meta();
  for (std::size_t index = 0; index < meta.store_uuid.size(); ++index) {
    meta.store_uuid[index] = static_cast<std::byte>(0xf0 + index);
  }
  const std::string bytes = encode_meta(meta);
  EXPECT_EQ(hex(bytes),
            "0200000002000000"
            "0900000000000000"
            "0700000000000000"
            "0300000000000000"
            "0200000000000000"
            "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"  // store uuid
            "01000000000000000161"
            "0302000000000000026263");
  const auto back = decode_meta(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, meta);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(meta_refusal(std::string_view(bytes).substr(0, size)), ErrorCode::kCorruption);
  }
  std::string anonymous = bytes;
  std::fill_n(anonymous.begin() + 40, meta.store_uuid.size(), '\0');
  EXPECT_EQ(meta_refusal(anonymous), ErrorCode::kCorruption);
}

TEST(ValueCodec, EveryPrefixThatCutsAFieldIsRefused) {
  for (const auto kind : {ValueKind::kInLog, ValueKind::kTombstone}) {
    const std::string bytes = encoded(sample(kind));
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      EXPECT_EQ(refusal(std::string_view(bytes).substr(0, size)), ErrorCode::kCorruption);
    }
    EXPECT_EQ(refusal(bytes + "x"), ErrorCode::kCorruption);
  }
}

TEST(ValueCodec, ImpossibleHeadersAreRefused) {
  const std::string good = encoded(sample(ValueKind::kInline));
  const auto with = [&good](std::size_t offset, char byte) {
    std::string bytes = good;
    bytes[offset] = byte;
    return bytes;
  };
  EXPECT_EQ(refusal(with(0, 0)), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(with(0, 2)), ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(refusal(with(1, 0)), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(with(1, 4)), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(with(2, '\xff')), ErrorCode::kCorruption) << "actor longer than the record";
  EXPECT_EQ(refusal(with(3, 1)), ErrorCode::kCorruption);
  EXPECT_EQ(refusal(with(4, 1)), ErrorCode::kCorruption) << "crc of a value that is here";
}

TEST(MetaCodec, EveryPrefixAndEveryHostileCountIsRefused) {
  const std::string good = encode_meta(sample_meta());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(meta_refusal(std::string_view(good).substr(0, size)), ErrorCode::kCorruption);
  }
  EXPECT_EQ(meta_refusal(good + "x"), ErrorCode::kCorruption);
  for (const std::uint32_t count : {1U, 3U, 1U << 20U, std::numeric_limits<std::uint32_t>::max()}) {
    std::string bytes = good;
    for (std::size_t byte = 0; byte < sizeof(count); ++byte) {
      bytes[4 + byte] = static_cast<char>(count >> (8 * byte));
    }
    EXPECT_EQ(meta_refusal(bytes), ErrorCode::kCorruption) << count;
  }
}

TEST(MetaCodec, ImpossibleContentsAreRefused) {
  const std::string good = encode_meta(sample_meta());
  const auto with = [&good](std::size_t offset, char byte) {
    std::string bytes = good;
    bytes[offset] = byte;
    return bytes;
  };
  constexpr std::size_t kFirstActor = 40;
  EXPECT_EQ(meta_refusal(with(0, 3)), ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(meta_refusal(with(0, 0)), ErrorCode::kCorruption);
  EXPECT_EQ(meta_refusal(with(16, 10)), ErrorCode::kCorruption) << "previous behind this one";
  EXPECT_EQ(meta_refusal(with(kFirstActor + 8, 0)), ErrorCode::kCorruption) << "nameless actor";
  EXPECT_EQ(meta_refusal(with(kFirstActor + 9, 'z')), ErrorCode::kCorruption) << "order";
}

TEST(DocumentKey, SortsBehindTheMetaAndGivesTheIdBack) {
  for (const std::string_view id : {"", "a", "\xff\xff", "\x01meta"}) {
    const std::string key = document_key(id);
    EXPECT_GT(std::string_view(key), meta_key());
    EXPECT_EQ(document_id(key), id);
  }
  EXPECT_FALSE(document_id(meta_key()));
  EXPECT_FALSE(document_id(""));
}

TEST(RocksStatus, ErrorsSurviveTheWayThroughRocksDb) {
  const Error errors[] = {
      {.code = ErrorCode::kNoSpace, .sys_errno = ENOSPC, .injected = true, .context = "write a/b"},
      {.code = ErrorCode::kIo, .sys_errno = EIO, .injected = false, .context = "fsync [x] 1 2"},
      {.code = ErrorCode::kNotFound, .sys_errno = ENOENT, .injected = false, .context = "open"},
      {.code = ErrorCode::kLocked, .sys_errno = 0, .injected = false, .context = ""}};
  for (const Error& error : errors) {
    const auto status = to_io_status(error);
    EXPECT_EQ(status.IsNoSpace(), error.code == ErrorCode::kNoSpace);
    EXPECT_EQ(status.IsPathNotFound(), error.code == ErrorCode::kNotFound);
    // RocksDB puts its own words around it.
    const auto wrapped =
        rocksdb::Status::IOError("While reading: " + std::string(status.getState()), " in x");
    const Error back = to_error(wrapped, "ingest");
    EXPECT_EQ(back.code, error.code);
    EXPECT_EQ(back.sys_errno, error.sys_errno);
    EXPECT_EQ(back.injected, error.injected);
    EXPECT_EQ(back.context, "ingest: " + error.context + ":  in x");
  }
}

TEST(RocksStatus, RocksDbsOwnErrorsGetTheNearestCode) {
  using rocksdb::Status;
  EXPECT_EQ(to_error(Status::Corruption("x"), "read").code, ErrorCode::kCorruption);
  EXPECT_EQ(to_error(Status::NotFound("x"), "read").code, ErrorCode::kNotFound);
  EXPECT_EQ(to_error(Status::NoSpace("x"), "read").code, ErrorCode::kNoSpace);
  EXPECT_EQ(to_error(Status::IOError("x"), "read").code, ErrorCode::kIo);
  EXPECT_EQ(to_error(Status::Busy(), "read").code, ErrorCode::kIo);
  const Error forged = to_error(Status::IOError("[pluresdb 99 1 1] x"), "read");
  EXPECT_EQ(forged.code, ErrorCode::kIo);
  EXPECT_FALSE(forged.injected);
}

}  // namespace
}  // namespace pluresdb::store
