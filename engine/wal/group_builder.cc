// See group_builder.h. Layout: docs/formats/wal.md "Group".
#include "engine/wal/group_builder.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/wal/chunk_compression.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal {
namespace {

/// The next chunk's part of a value; takes it off `rest`.
base::ByteSpan take_part(base::ByteSpan& rest) {
  const auto part = rest.first(std::min<std::size_t>(rest.size(), kValueChunkBytesMax));
  rest = rest.subspan(part.size());
  return part;
}

std::size_t padding_of(std::size_t payload_bytes) {
  return base::align_up(payload_bytes, kAlignment) - payload_bytes;
}

/// Over the payload and the padding behind it.
std::uint32_t crc_of_chunk(base::ByteSpan payload) {
  constexpr std::array<std::byte, kAlignment> kZeros{};
  return base::crc32c(base::ByteSpan(kZeros).first(padding_of(payload.size())),
                      base::crc32c(payload));
}

}  // namespace

std::uint64_t group_bytes_bound(const RecordView& record, FrameLayout layout) {
  const std::uint64_t own = kChunkHeaderBytes + encoded_record_bytes(record) + layout.tag_bytes();
  return record.value_in_log ? own + encoded_value_bytes(record.value_bytes, layout) : own;
}

Status check_request(const AppendRequest& request) {
  const bool names_document =
      request.type == OperationType::kPut || request.type == OperationType::kDelete;
  if (request.actor.empty() || request.actor.size() > kActorBytesMax) {
    return fail(ErrorCode::kInvalidArgument, "the actor must have 1 .. 255 bytes");
  }
  if (request.id.size() > kDocumentIdBytesMax || (names_document && request.id.empty())) {
    return fail(ErrorCode::kInvalidArgument, "the id must have 1 .. 4096 bytes");
  }
  if (request.value.size() > kValueBytesMax) {
    return fail(ErrorCode::kInvalidArgument, "the value is larger than 512 MiB");
  }
  return {};
}

ValueChecksums checksums_of(const RecordView& record, FrameLayout layout) {
  ValueChecksums checksums;
  base::ByteSpan rest = base::as_bytes(record.value);
  if (!record.value_in_log || layout.is_encrypted()) {
    checksums.value = base::crc32c(rest);
    return checksums;
  }
  while (!rest.empty()) {
    const base::ByteSpan part = take_part(rest);
    checksums.chunks.push_back(crc_of_chunk(part));
    checksums.value = base::crc32c(part, checksums.value);  // From the cache this time.
  }
  return checksums;
}

void GroupBuilder::clear(std::uint64_t bytes_expected) {
  constexpr std::size_t kKeptCapacityBytes = 8U << 20;
  if (std::max(bytes_.capacity(), sealed_.capacity()) > kKeptCapacityBytes) {
    bytes_ = {};
    sealed_ = {};
  }
  bytes_.reserve(layout_.group_header_bytes() + bytes_expected);
  bytes_.assign(layout_.group_header_bytes(), std::byte{0});
  left_bytes_ = 0;
  pieces_.clear();
  chunks_.clear();
  values_.clear();
  runs_.runs.clear();
  header_ = {};
  record_chunk_open_ = false;
}

void GroupBuilder::open_chunk(const ChunkHeader& header) {
  chunks_.push_back({.offset = bytes(), .position = bytes_.size(), .header = header});
  bytes_.resize(bytes_.size() + kChunkHeaderBytes);
}

/// The payload of the last chunk stands at the end, or is left where it is: tag and padding follow.
void GroupBuilder::end_chunk(std::size_t stored_bytes) {
  const std::uint64_t payload_bytes = stored_bytes + layout_.tag_bytes();
  chunks_.back().header.payload_bytes = static_cast<std::uint32_t>(payload_bytes);
  bytes_.resize(bytes_.size() + layout_.tag_bytes() + padding_of(payload_bytes));
}

void GroupBuilder::close_record_chunk() {
  if (!record_chunk_open_) {
    return;
  }
  Chunk& chunk = chunks_.back();
  const auto payload = base::ByteSpan(bytes_).subspan(chunk.position + kChunkHeaderBytes);
  DB_CHECK(payload.size() <= kRecordChunkBytesMax);
  const base::ByteSpan stored =
      compressor_ != nullptr ? compressor_->compress(payload) : base::ByteSpan{};
  if (!stored.empty()) {
    chunk.header.plain_bytes = static_cast<std::uint32_t>(payload.size());
    bytes_.resize(chunk.position + kChunkHeaderBytes);
    base::append_bytes(bytes_, stored);
  }
  end_chunk(bytes_.size() - chunk.position - kChunkHeaderBytes);
  if (!layout_.is_encrypted()) {
    chunk.header.payload_crc =
        base::crc32c(base::ByteSpan(bytes_).subspan(chunk.position + kChunkHeaderBytes));
  }
  record_chunk_open_ = false;
}

void GroupBuilder::add(const RecordView& record, std::span<const std::uint32_t> chunk_crcs) {
  DB_CHECK(header_.record_count == 0 || record.seq > header_.last_seq);
  const std::uint64_t record_bytes = encoded_record_bytes(record);
  if (record_chunk_open_ &&
      bytes_.size() - chunks_.back().position - kChunkHeaderBytes + record_bytes >
          kRecordChunkBytesMax) {
    close_record_chunk();
  }
  if (!record_chunk_open_) {
    open_chunk({.kind = ChunkKind::kRecords, .first_seq = record.seq});
    record_chunk_open_ = true;
  }
  encode_record(record, bytes_);
  ++chunks_.back().header.record_count;
  if (header_.record_count == 0) {
    header_.first_seq = record.seq;
  }
  header_.last_seq = record.seq;
  ++header_.record_count;
  runs_.add_seq(record.seq);
  if (record.value_in_log) {
    close_record_chunk();
    add_value(record, chunk_crcs);
  }
}

void GroupBuilder::add_value(const RecordView& record, std::span<const std::uint32_t> chunk_crcs) {
  DB_CHECK(record.value.size() == record.value_bytes);
  DB_CHECK(record.value_bytes > 0);
  values_.push_back({.seq = record.seq,
                     .offset = bytes(),
                     .value_bytes = static_cast<std::uint32_t>(record.value_bytes),
                     .value_crc = record.value_crc});
  const bool is_left = record.value_bytes >= uncopied_value_bytes_;
  bool compress = compressor_ != nullptr;
  DB_CHECK(!compress || (!is_left && chunk_crcs.empty()));
  base::ByteSpan rest = base::as_bytes(record.value);
  for (std::uint32_t part = 0; !rest.empty(); ++part) {
    const base::ByteSpan payload = take_part(rest);
    const base::ByteSpan compressed = compress ? compressor_->compress(payload) : base::ByteSpan{};
    // When the first part is plain all are: a reader that steps over the value need not look at
    // each, and what does not shrink at its beginning is not tried again.
    compress = compress && (part > 0 || !compressed.empty());
    const base::ByteSpan stored = compressed.empty() ? payload : compressed;
    open_chunk({.kind = ChunkKind::kValue,
                .value_part = part,
                .plain_bytes = compressed.empty() ? 0 : static_cast<std::uint32_t>(payload.size()),
                .first_seq = record.seq});
    if (is_left) {
      chunks_.back().left = stored;
      left_bytes_ += stored.size();
    } else {
      base::append_bytes(bytes_, stored);
    }
    end_chunk(stored.size());
    if (!layout_.is_encrypted()) {  // Else over what the sealer makes of it.
      DB_CHECK(chunk_crcs.empty() || part < chunk_crcs.size());
      chunks_.back().header.payload_crc =
          chunk_crcs.empty() ? crc_of_chunk(stored) : chunk_crcs[part];
    }
  }
}

std::span<const base::ByteSpan> GroupBuilder::place(std::uint64_t salt, std::uint64_t offset,
                                                    std::uint64_t durable_offset,
                                                    std::uint32_t flags) {
  DB_CHECK(!layout_.is_encrypted());
  encode_headers(salt, offset, durable_offset, flags);
  const base::ByteSpan all(bytes_);
  pieces_.clear();
  std::size_t begin = 0;  // Of what is in no piece yet.
  for (const Chunk& chunk : chunks_) {
    if (!chunk.left.empty()) {
      const std::size_t end = chunk.position + kChunkHeaderBytes;
      pieces_.push_back(all.subspan(begin, end - begin));
      pieces_.push_back(chunk.left);
      begin = end;
    }
  }
  if (begin < bytes_.size()) {
    pieces_.push_back(all.subspan(begin));
  }
  return pieces_;
}

base::ByteSpan GroupBuilder::plain_payload(const Chunk& chunk) const {
  return chunk.left.empty()
             ? base::ByteSpan(bytes_).subspan(chunk.position + kChunkHeaderBytes,
                                              chunk.header.payload_bytes - layout_.tag_bytes())
             : chunk.left;
}

Result<base::ByteSpan> GroupBuilder::place_sealed(crypto::ChunkSealer& sealer, std::uint64_t salt,
                                                  std::uint64_t offset,
                                                  std::uint64_t durable_offset,
                                                  std::uint32_t flags) {
  DB_CHECK(layout_.is_encrypted());  // INV-WAL-18
  encode_headers(salt, offset, durable_offset, flags);
  const base::ByteSpan plain(bytes_);
  const std::uint64_t group_bytes = bytes();
  sealed_.resize(std::max<std::size_t>(sealed_.size(), group_bytes));
  const auto sealed = base::MutableByteSpan(sealed_).first(group_bytes);
  const auto header = sealed.first(layout_.group_header_bytes());
  std::ranges::copy(plain.first(header.size()), header.begin());
  TRY(seal_header(sealer, offset, header));
  for (const Chunk& chunk : chunks_) {
    const auto chunk_header = sealed.subspan(chunk.offset, kChunkHeaderBytes);
    std::ranges::copy(plain.subspan(chunk.position, kChunkHeaderBytes), chunk_header.begin());
    const std::size_t payload_bytes = chunk.header.payload_bytes;
    const auto stored =
        sealed.subspan(chunk.offset + kChunkHeaderBytes, payload_bytes + padding_of(payload_bytes));
    TRY(seal_payload(sealer, offset + chunk.offset, chunk_header, plain_payload(chunk),
                     stored.first(payload_bytes)));
    std::ranges::fill(stored.subspan(payload_bytes), std::byte{0});
    finish_chunk_header(base::crc32c(stored), salt, offset + chunk.offset, chunk_header);
  }
  return base::ByteSpan(sealed);
}

void GroupBuilder::encode_headers(std::uint64_t salt, std::uint64_t offset,
                                  std::uint64_t durable_offset, std::uint32_t flags) {
  DB_CHECK(offset % kAlignment == 0);
  close_record_chunk();
  const base::MutableByteSpan all(bytes_);
  for (const Chunk& chunk : chunks_) {
    encode_chunk_header(chunk.header, salt, offset + chunk.offset,
                        all.subspan(chunk.position, kChunkHeaderBytes));
  }
  const std::uint64_t body_bytes = bytes() - layout_.group_header_bytes();
  DB_CHECK(body_bytes <= kGroupBodyBytesMax);
  header_.body_bytes = static_cast<std::uint32_t>(body_bytes);
  header_.chunk_count = static_cast<std::uint32_t>(chunks_.size());
  header_.durable_offset = durable_offset;
  header_.flags = flags;
  encode_group_header(header_, salt, offset, all.first(layout_.group_header_bytes()));
}

}  // namespace pluresdb::wal
