// See group_builder.h. Layout: docs/formats/wal.md "Group".
#include "engine/wal/group_builder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

void GroupBuilder::clear(std::uint64_t bytes_expected) {
  constexpr std::size_t kKeptCapacityBytes = 8U << 20;
  if (bytes_.capacity() > kKeptCapacityBytes) {
    bytes_ = {};
    sealed_ = {};
  }
  bytes_.reserve(layout_.group_header_bytes() + bytes_expected);
  bytes_.assign(layout_.group_header_bytes(), std::byte{0});
  chunks_.clear();
  values_.clear();
  runs_.runs.clear();
  header_ = {};
  record_chunk_open_ = false;
}

void GroupBuilder::open_record_chunk(Seq first_seq) {
  chunks_.push_back(
      {.position = bytes_.size(), .header = {.kind = ChunkKind::kRecords, .first_seq = first_seq}});
  bytes_.resize(bytes_.size() + kChunkHeaderBytes);
  record_chunk_open_ = true;
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
  end_chunk();
  if (!layout_.is_encrypted()) {
    chunk.header.payload_crc =
        base::crc32c(base::ByteSpan(bytes_).subspan(chunk.position + kChunkHeaderBytes));
  }
  record_chunk_open_ = false;
}

/// The payload of the last chunk stands at the end: tag and padding follow.
void GroupBuilder::end_chunk() {
  Chunk& chunk = chunks_.back();
  bytes_.resize(bytes_.size() + layout_.tag_bytes());
  chunk.header.payload_bytes =
      static_cast<std::uint32_t>(bytes_.size() - chunk.position - kChunkHeaderBytes);
  bytes_.resize(base::align_up(bytes_.size(), kAlignment));
}

void GroupBuilder::add(const RecordView& record) {
  DB_CHECK(header_.record_count == 0 || record.seq > header_.last_seq);
  const std::uint64_t record_bytes = encoded_record_bytes(record);
  if (record_chunk_open_ &&
      bytes_.size() - chunks_.back().position - kChunkHeaderBytes + record_bytes >
          kRecordChunkBytesMax) {
    close_record_chunk();
  }
  if (!record_chunk_open_) {
    open_record_chunk(record.seq);
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
    add_value(record);
  }
}

void GroupBuilder::add_value(const RecordView& record) {
  DB_CHECK(record.value.size() == record.value_bytes);
  DB_CHECK(record.value_bytes > 0);
  values_.push_back({.seq = record.seq,
                     .offset = bytes_.size(),
                     .value_bytes = static_cast<std::uint32_t>(record.value_bytes),
                     .value_crc = record.value_crc});
  base::ByteSpan rest = base::as_bytes(record.value);
  bool compress = compressor_ != nullptr;
  for (std::uint32_t part = 0; !rest.empty(); ++part) {
    const auto payload = rest.first(std::min<std::size_t>(rest.size(), kValueChunkBytesMax));
    rest = rest.subspan(payload.size());
    const base::ByteSpan compressed = compress ? compressor_->compress(payload) : base::ByteSpan{};
    // When the first part is plain all are: a reader that steps over the value need not look at
    // each, and what does not shrink at its beginning is not tried again.
    compress = compress && (part > 0 || !compressed.empty());
    const base::ByteSpan stored = compressed.empty() ? payload : compressed;
    chunks_.push_back(
        {.position = bytes_.size(),
         .header = {
             .kind = ChunkKind::kValue,
             .value_part = part,
             .plain_bytes = compressed.empty() ? 0 : static_cast<std::uint32_t>(payload.size()),
             .first_seq = record.seq}});
    bytes_.resize(bytes_.size() + kChunkHeaderBytes);
    base::append_bytes(bytes_, stored);
    end_chunk();
    if (layout_.is_encrypted()) {
      continue;
    }
    Chunk& chunk = chunks_.back();
    const auto padded = base::ByteSpan(bytes_).subspan(chunk.position + kChunkHeaderBytes);
    // A plain value of one part was summed up by its writer already: only the padding is missing.
    chunk.header.payload_crc = stored.size() == record.value_bytes
                                   ? base::crc32c(padded.subspan(stored.size()), record.value_crc)
                                   : base::crc32c(padded);
  }
}

base::ByteSpan GroupBuilder::place(std::uint64_t salt, std::uint64_t offset,
                                   std::uint64_t durable_offset, std::uint32_t flags) {
  DB_CHECK(!layout_.is_encrypted());
  return encode_headers(salt, offset, durable_offset, flags);
}

Result<base::ByteSpan> GroupBuilder::place_sealed(crypto::ChunkSealer& sealer, std::uint64_t salt,
                                                  std::uint64_t offset,
                                                  std::uint64_t durable_offset,
                                                  std::uint32_t flags) {
  DB_CHECK(layout_.is_encrypted());  // INV-WAL-18
  const base::ByteSpan plain = encode_headers(salt, offset, durable_offset, flags);
  sealed_.resize(std::max(sealed_.size(), plain.size()));
  const auto sealed = base::MutableByteSpan(sealed_).first(plain.size());
  const auto header = sealed.first(layout_.group_header_bytes());
  std::ranges::copy(plain.first(header.size()), header.begin());
  TRY(seal_header(sealer, offset, header));
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    const std::size_t begin = chunks_[i].position;
    const std::size_t end = i + 1 < chunks_.size() ? chunks_[i + 1].position : plain.size();
    const auto chunk_header = sealed.subspan(begin, kChunkHeaderBytes);
    std::ranges::copy(plain.subspan(begin, kChunkHeaderBytes), chunk_header.begin());
    const auto stored = sealed.subspan(begin + kChunkHeaderBytes, end - begin - kChunkHeaderBytes);
    const std::size_t payload_bytes = chunks_[i].header.payload_bytes;
    TRY(seal_payload(sealer, offset + begin, chunk_header,
                     plain.subspan(begin + kChunkHeaderBytes, payload_bytes - layout_.tag_bytes()),
                     stored.first(payload_bytes)));
    std::ranges::fill(stored.subspan(payload_bytes), std::byte{0});
    finish_chunk_header(base::crc32c(stored), salt, offset + begin, chunk_header);
  }
  return base::ByteSpan(sealed);
}

base::ByteSpan GroupBuilder::encode_headers(std::uint64_t salt, std::uint64_t offset,
                                            std::uint64_t durable_offset, std::uint32_t flags) {
  DB_CHECK(offset % kAlignment == 0);
  close_record_chunk();
  const base::MutableByteSpan all(bytes_);
  for (const Chunk& chunk : chunks_) {
    encode_chunk_header(chunk.header, salt, offset + chunk.position,
                        all.subspan(chunk.position, kChunkHeaderBytes));
  }
  const std::size_t body_bytes = bytes_.size() - layout_.group_header_bytes();
  DB_CHECK(body_bytes <= kGroupBodyBytesMax);
  header_.body_bytes = static_cast<std::uint32_t>(body_bytes);
  header_.chunk_count = static_cast<std::uint32_t>(chunks_.size());
  header_.durable_offset = durable_offset;
  header_.flags = flags;
  encode_group_header(header_, salt, offset, all.first(layout_.group_header_bytes()));
  return bytes_;
}

}  // namespace pluresdb::wal
