// Encoding and decoding of every structure of a segment. Decoders take untrusted bytes.
#include "engine/wal/segment_format.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/crypto/file_key.h"
#include "engine/wal/log.h"
#include "pluresdb/document.h"

namespace pluresdb::wal {
namespace {

using base::ByteSpan;
using base::MutableByteSpan;

constexpr std::uint64_t kSegmentMagic = 0x314C4157'52554C50;  // "PLURWAL1"
constexpr std::uint32_t kFlagRewritten = 1;
constexpr std::uint32_t kFlagCompressed = 2;
constexpr std::uint32_t kFlagEncrypted = 4;
constexpr std::uint16_t kRecordValueInLog = 1;
/// A compressed chunk has its plain kind and this much more.
constexpr std::uint16_t kCompressedKinds = 2;

// Field offsets, in the order of docs/formats/wal.md.
namespace segment_field {
constexpr std::size_t kMagic = 0;
constexpr std::size_t kCrc = 8;
constexpr std::size_t kVersion = 12;
constexpr std::size_t kId = 16;
constexpr std::size_t kSalt = 24;
constexpr std::size_t kFirstSeq = 32;
constexpr std::size_t kPredecessorId = 40;
constexpr std::size_t kPredecessorValidBytes = 48;
constexpr std::size_t kPredecessorLastSeq = 56;
constexpr std::size_t kHlcFloor = 64;
constexpr std::size_t kStoreUuid = 72;
constexpr std::size_t kCoversFirst = 88;
constexpr std::size_t kCoversLast = 96;
constexpr std::size_t kCapacity = 104;
constexpr std::size_t kFlags = 112;
constexpr std::size_t kPredecessorSalt = 120;
constexpr std::size_t kEnvelope = kEnvelopeOffset;
}  // namespace segment_field

std::uint32_t crc_from(ByteSpan bytes, std::size_t begin) {
  return base::crc32c(bytes.subspan(begin));
}

/// Ties a chunk header to its place, so that a copy of a chunk elsewhere is not taken for one.
std::uint32_t place_seed(std::uint64_t salt, std::uint64_t offset) {
  std::array<std::byte, 16> place{};
  base::store(MutableByteSpan(place), 0, salt);
  base::store(MutableByteSpan(place), 8, offset);
  return base::crc32c(place);
}

bool is_known_type(std::uint16_t type) {
  return type >= static_cast<std::uint16_t>(OperationType::kPut) &&
         type <= static_cast<std::uint16_t>(OperationType::kCheckpoint);
}

std::uint32_t version_of(const SegmentHeader& header) {
  if (header.envelope) {
    return kEncryptedFormatVersion;
  }
  return header.compressed ? kCompressedFormatVersion : kPlainFormatVersion;
}

std::uint32_t flags_of(const SegmentHeader& header) {
  return (header.rewritten ? kFlagRewritten : 0U) | (header.compressed ? kFlagCompressed : 0U) |
         (header.envelope ? kFlagEncrypted : 0U);
}

}  // namespace

HeaderCopyRead decode_header_copy(ByteSpan copy) {
  namespace field = segment_field;
  if (copy.size() != kSegmentHeaderCopyBytes ||
      base::load<std::uint64_t>(copy, field::kMagic) != kSegmentMagic ||
      base::load<std::uint32_t>(copy, field::kCrc) != crc_from(copy, field::kVersion)) {
    return {};
  }
  const auto version = base::load<std::uint32_t>(copy, field::kVersion);
  const auto flags = base::load<std::uint32_t>(copy, field::kFlags);
  const bool is_encrypted = (flags & kFlagEncrypted) != 0;
  if (version == 0 || (version == kEncryptedFormatVersion) != is_encrypted) {
    return version > kFormatVersion ? HeaderCopyRead{.header = {}, .version = version}
                                    : HeaderCopyRead{};
  }
  if (version > kFormatVersion) {
    return {.header = {}, .version = version};
  }
  SegmentHeader header;
  header.id = base::load<std::uint64_t>(copy, field::kId);
  header.salt = base::load<std::uint64_t>(copy, field::kSalt);
  header.first_seq = base::load<std::uint64_t>(copy, field::kFirstSeq);
  header.predecessor.id = base::load<std::uint64_t>(copy, field::kPredecessorId);
  header.predecessor.valid_bytes = base::load<std::uint64_t>(copy, field::kPredecessorValidBytes);
  header.predecessor.last_seq = base::load<std::uint64_t>(copy, field::kPredecessorLastSeq);
  header.hlc_floor = base::load<std::uint64_t>(copy, field::kHlcFloor);
  header.store_uuid = base::load<std::array<std::byte, 16>>(copy, field::kStoreUuid);
  header.covers.first = base::load<std::uint64_t>(copy, field::kCoversFirst);
  header.covers.last = base::load<std::uint64_t>(copy, field::kCoversLast);
  header.capacity_bytes = base::load<std::uint64_t>(copy, field::kCapacity);
  header.rewritten = (flags & kFlagRewritten) != 0;
  header.compressed = version >= kCompressedFormatVersion && (flags & kFlagCompressed) != 0;
  if (is_encrypted) {
    header.predecessor.salt = base::load<std::uint64_t>(copy, field::kPredecessorSalt);
    header.envelope = base::load<crypto::Envelope>(copy, field::kEnvelope);
  }
  return {.header = header, .version = version};
}

void encode_segment_header(const SegmentHeader& header, MutableByteSpan out) {
  namespace field = segment_field;
  DB_CHECK(out.size() == kSegmentHeaderBytes);
  DB_CHECK(header.rewritten || !header.compressed);
  std::ranges::fill(out, std::byte{0});
  const MutableByteSpan copy = out.first(kSegmentHeaderCopyBytes);
  base::store(copy, field::kMagic, kSegmentMagic);
  base::store(copy, field::kVersion, version_of(header));
  base::store(copy, field::kId, header.id);
  base::store(copy, field::kSalt, header.salt);
  base::store(copy, field::kFirstSeq, header.first_seq);
  base::store(copy, field::kPredecessorId, header.predecessor.id);
  base::store(copy, field::kPredecessorValidBytes, header.predecessor.valid_bytes);
  base::store(copy, field::kPredecessorLastSeq, header.predecessor.last_seq);
  base::store(copy, field::kHlcFloor, header.hlc_floor);
  base::store(copy, field::kStoreUuid, header.store_uuid);
  base::store(copy, field::kCoversFirst, header.covers.first);
  base::store(copy, field::kCoversLast, header.covers.last);
  base::store(copy, field::kCapacity, header.capacity_bytes);
  base::store(copy, field::kFlags, flags_of(header));
  if (header.envelope) {
    base::store(copy, field::kPredecessorSalt, header.predecessor.salt);
    base::store(copy, field::kEnvelope, *header.envelope);
  }
  base::store(copy, field::kCrc, crc_from(copy, field::kVersion));
  std::ranges::copy(copy, out.begin() + kSegmentHeaderCopyBytes);
}

SegmentHeaderRead decode_segment_header(ByteSpan bytes) {
  SegmentHeaderRead read;
  for (std::size_t copy = 0; copy < 2; ++copy) {
    const std::size_t begin = copy * kSegmentHeaderCopyBytes;
    HeaderCopyRead found;
    if (bytes.size() >= begin + kSegmentHeaderCopyBytes) {
      found = decode_header_copy(bytes.subspan(begin, kSegmentHeaderCopyBytes));
    }
    if (!found.header && found.version == 0) {
      read.copy_damaged = true;
    }
    read.newer_version = std::max(read.newer_version, found.header ? 0 : found.version);
    if (found.header && !read.header) {
      read.header = found.header;
      read.version = found.version;
    }
  }
  return read;
}

std::array<std::byte, kEnvelopeOffset> part_bound_to_envelope(ByteSpan copy) {
  auto part = base::load<std::array<std::byte, kEnvelopeOffset>>(copy, 0);
  base::store(MutableByteSpan(part), segment_field::kCrc, std::uint32_t{0});
  return part;
}

void finish_header(MutableByteSpan header) { base::store(header, 4, crc_from(header, 8)); }

void encode_group_header(const GroupHeader& header, std::uint64_t salt, std::uint64_t offset,
                         MutableByteSpan out) {
  DB_CHECK(out.size() == FrameLayout().group_header_bytes() ||
           out.size() == FrameLayout(true).group_header_bytes());
  base::store(out, 0, kGroupMagic);
  base::store(out, 8, salt);
  base::store(out, 16, offset);
  base::store(out, 24, header.first_seq);
  base::store(out, 32, header.last_seq);
  base::store(out, 40, header.durable_offset);
  base::store(out, 48, header.record_count);
  base::store(out, 52, header.body_bytes);
  base::store(out, 56, header.chunk_count);
  base::store(out, 60, header.flags);
  finish_header(out);
}

std::optional<GroupHeader> decode_group_header(ByteSpan bytes, std::uint64_t salt,
                                               std::uint64_t offset, FrameLayout layout) {
  if (bytes.size() < layout.group_header_bytes()) {
    return std::nullopt;
  }
  bytes = bytes.first(layout.group_header_bytes());
  if (base::load<std::uint32_t>(bytes, 0) != kGroupMagic ||
      base::load<std::uint64_t>(bytes, 8) != salt ||
      base::load<std::uint64_t>(bytes, 16) != offset ||
      base::load<std::uint32_t>(bytes, 4) != crc_from(bytes, 8)) {
    return std::nullopt;
  }
  GroupHeader header;
  header.first_seq = base::load<std::uint64_t>(bytes, 24);
  header.last_seq = base::load<std::uint64_t>(bytes, 32);
  header.durable_offset = base::load<std::uint64_t>(bytes, 40);
  header.record_count = base::load<std::uint32_t>(bytes, 48);
  header.body_bytes = base::load<std::uint32_t>(bytes, 52);
  header.chunk_count = base::load<std::uint32_t>(bytes, 56);
  header.flags = base::load<std::uint32_t>(bytes, 60);
  const bool watermark = (header.flags & kGroupWatermark) != 0;
  const bool shape_ok = watermark
                            ? header.record_count == 0 && header.body_bytes == 0
                            : header.record_count > 0 && header.first_seq > 0 &&
                                  header.last_seq >= header.first_seq &&
                                  header.last_seq - header.first_seq >= header.record_count - 1;
  if (!shape_ok || header.body_bytes % kAlignment != 0 || header.body_bytes > kGroupBodyBytesMax ||
      header.durable_offset > offset) {
    return std::nullopt;
  }
  return header;
}

void encode_chunk_header(const ChunkHeader& header, std::uint64_t salt, std::uint64_t offset,
                         MutableByteSpan out) {
  DB_CHECK(out.size() == kChunkHeaderBytes);
  const bool is_compressed = header.plain_bytes != 0;
  DB_CHECK(!is_compressed || header.payload_bytes < header.plain_bytes);
  const auto kind = static_cast<std::uint16_t>(header.kind);
  base::store(out, 0, kChunkMagic);
  if (!is_compressed) {
    base::store(out, 8, kind);
    base::store(out, 10, header.record_count);
    base::store(out, 20, header.value_part);
  } else {
    const bool is_records = header.kind == ChunkKind::kRecords;
    DB_CHECK(header.value_part <= kValueBytesMax / kValueChunkBytesMax);
    base::store(out, 8, static_cast<std::uint16_t>(kind + kCompressedKinds));
    base::store(out, 10,
                is_records ? header.record_count : static_cast<std::uint16_t>(header.value_part));
    base::store(out, 20, header.plain_bytes);
  }
  base::store(out, 12, header.payload_bytes);
  base::store(out, 24, header.first_seq);
  finish_chunk_header(header.payload_crc, salt, offset, out);
}

void finish_chunk_header(std::uint32_t payload_crc, std::uint64_t salt, std::uint64_t offset,
                         MutableByteSpan header) {
  base::store(header, 16, payload_crc);
  base::store(header, 4, base::crc32c(header.subspan(8), place_seed(salt, offset)));
}
static_assert(kValueBytesMax / kValueChunkBytesMax <= std::numeric_limits<std::uint16_t>::max());

std::optional<ChunkHeader> decode_chunk_header(ByteSpan bytes, std::uint64_t salt,
                                               std::uint64_t offset, FrameLayout layout) {
  if (bytes.size() < kChunkHeaderBytes) {
    return std::nullopt;
  }
  bytes = bytes.first(kChunkHeaderBytes);
  if (base::load<std::uint32_t>(bytes, 0) != kChunkMagic ||
      base::load<std::uint32_t>(bytes, 4) !=
          base::crc32c(bytes.subspan(8), place_seed(salt, offset))) {
    return std::nullopt;
  }
  ChunkHeader header;
  const auto kind = base::load<std::uint16_t>(bytes, 8);
  const auto records_or_part = base::load<std::uint16_t>(bytes, 10);
  const auto part_or_plain_bytes = base::load<std::uint32_t>(bytes, 20);
  const bool is_compressed = kind > kCompressedKinds;
  header.kind = static_cast<ChunkKind>(is_compressed ? kind - kCompressedKinds : kind);
  header.payload_bytes = base::load<std::uint32_t>(bytes, 12);
  header.payload_crc = base::load<std::uint32_t>(bytes, 16);
  header.first_seq = base::load<std::uint64_t>(bytes, 24);
  const bool is_records = header.kind == ChunkKind::kRecords;
  header.plain_bytes = is_compressed ? part_or_plain_bytes : 0;
  header.record_count = is_records || !is_compressed ? records_or_part : std::uint16_t{0};
  header.value_part = is_compressed ? (is_records ? 0U : records_or_part) : part_or_plain_bytes;
  const std::uint64_t bytes_max = is_records ? kRecordChunkBytesMax : kValueChunkBytesMax;
  if ((!is_records && header.kind != ChunkKind::kValue) ||
      header.payload_bytes <= layout.tag_bytes() ||
      header.payload_bytes > bytes_max + layout.tag_bytes()) {
    return std::nullopt;
  }
  // What a reader allocates for the plain bytes is bounded here.
  if (is_compressed &&
      (header.plain_bytes > bytes_max || header.payload_bytes >= header.plain_bytes)) {
    return std::nullopt;
  }
  return header;
}

std::uint64_t encoded_record_bytes(const RecordView& record) {
  const std::uint64_t inline_bytes = record.value_in_log ? 0 : record.value.size();
  return base::align_up(kRecordHeaderBytes + record.actor.size() + record.id.size() + inline_bytes,
                        kAlignment);
}

std::uint64_t encoded_value_bytes(std::uint64_t value_bytes, FrameLayout layout) {
  const std::uint64_t parts = (value_bytes + kValueChunkBytesMax - 1) / kValueChunkBytesMax;
  return parts * (kChunkHeaderBytes + layout.tag_bytes()) + base::align_up(value_bytes, kAlignment);
}
static_assert(kValueChunkBytesMax % kAlignment == 0);

void encode_record(const RecordView& record, std::vector<std::byte>& out) {
  DB_CHECK(record.actor.size() <= kActorBytesMax);
  DB_CHECK(record.id.size() <= kDocumentIdBytesMax);
  DB_CHECK(record.value_bytes <= std::numeric_limits<std::uint32_t>::max());
  const std::size_t begin = out.size();
  base::append(out, record.seq);
  base::append(out, record.timestamp_us);
  base::append(out, record.hlc);
  base::append(out, record.actor_seq);
  base::append(out, record.argument);
  base::append(out, static_cast<std::uint16_t>(record.type));
  base::append(out, record.value_in_log ? kRecordValueInLog : std::uint16_t{0});
  base::append(out, static_cast<std::uint16_t>(record.actor.size()));
  base::append(out, static_cast<std::uint16_t>(record.id.size()));
  base::append(out, static_cast<std::uint32_t>(record.value_bytes));
  base::append(out, record.value_crc);
  DB_CHECK(out.size() - begin == kRecordHeaderBytes);
  base::append_bytes(out, base::as_bytes(record.actor));
  base::append_bytes(out, base::as_bytes(record.id));
  if (!record.value_in_log) {
    DB_CHECK(record.value.size() == record.value_bytes);
    base::append_bytes(out, base::as_bytes(record.value));
  }
  out.resize(base::align_up(out.size() - begin, kAlignment) + begin);
}

bool decode_record(ByteSpan payload, std::size_t& offset, RecordView& record) {
  if (offset > payload.size()) {
    return false;
  }
  base::Reader reader(payload.subspan(offset));
  record = {};
  record.seq = reader.read<std::uint64_t>();
  record.timestamp_us = reader.read<std::int64_t>();
  record.hlc = reader.read<std::uint64_t>();
  record.actor_seq = reader.read<std::uint64_t>();
  record.argument = reader.read<std::uint64_t>();
  const auto type = reader.read<std::uint16_t>();
  const auto flags = reader.read<std::uint16_t>();
  const auto actor_bytes = reader.read<std::uint16_t>();
  const auto id_bytes = reader.read<std::uint16_t>();
  record.value_bytes = reader.read<std::uint32_t>();
  record.value_crc = reader.read<std::uint32_t>();
  record.value_in_log = (flags & kRecordValueInLog) != 0;
  record.actor = base::as_text(reader.read_bytes(actor_bytes));
  record.id = base::as_text(reader.read_bytes(id_bytes));
  if (!record.value_in_log) {
    record.value = base::as_text(reader.read_bytes(record.value_bytes));
  }
  // Whoever counts on takes the next one: there must be one.
  const bool is_seq = record.seq != 0 && record.seq != std::numeric_limits<Seq>::max();
  if (!reader.ok() || !is_known_type(type) || !is_seq || record.value_bytes > kValueBytesMax) {
    return false;
  }
  record.type = static_cast<OperationType>(type);
  const std::size_t end = offset + base::align_up(reader.offset(), kAlignment);
  const bool is_whole = end <= payload.size();
  offset = is_whole ? end : offset;
  return is_whole;
}

}  // namespace pluresdb::wal
