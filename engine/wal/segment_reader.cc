// See segment_reader.h. Layout: docs/formats/wal.md.
#include "engine/wal/segment_reader.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {
namespace {

bool has_magic(base::ByteSpan bytes, std::uint64_t at, std::uint32_t magic) {
  return base::load<std::uint32_t>(bytes, at) == magic;
}

bool is_all_zero(base::ByteSpan bytes) {
  // Each byte equals the one behind it: compared many at a time.
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

Result<base::ByteSpan> SegmentReader::view(std::uint64_t offset, std::uint64_t count) {
  if (offset >= end_) {
    return base::ByteSpan{};
  }
  count = std::min(count, end_ - offset);
  DB_CHECK(count <= kReadWindowBytes);
  const bool inside = offset >= window_offset_ && offset + count <= window_offset_ + window_bytes_;
  if (!inside) {
    const std::uint64_t ahead = std::max(offset + count, std::min(read_ahead_end_, end_));
    const std::uint64_t wanted = std::min(kReadWindowBytes, ahead - offset);
    window_.resize(std::max<std::size_t>(window_.size(), wanted));
    window_bytes_ = 0;
    ++window_fills_;
    TRY_ASSIGN(window_bytes_, file_.read(offset, base::MutableByteSpan(window_).first(wanted)));
    window_offset_ = offset;
    count = std::min<std::uint64_t>(count, window_bytes_);
  }
  return base::ByteSpan(window_).subspan(offset - window_offset_, count);
}

Result<Frame> SegmentReader::frame_at(std::uint64_t offset) {
  Frame frame;
  frame.offset = offset;
  TRY_ASSIGN(const base::ByteSpan bytes, view(offset, kGroupHeaderBytes));
  if (const auto group = decode_group_header(bytes, salt_, offset)) {
    frame.kind = FrameKind::kGroup;
    frame.group = *group;
    frame.end = offset + kGroupHeaderBytes + group->body_bytes;
  } else if (const auto footer = decode_footer_header(bytes, salt_, offset)) {
    frame.kind = FrameKind::kFooter;
    frame.footer = *footer;
    frame.end = offset + kFooterHeaderBytes + footer->body_bytes + kTrailerBytes;
  }
  frame.complete = frame.end <= end_;
  return frame;
}

Result<Frame> SegmentReader::find_frame(std::uint64_t offset) {
  offset = base::align_up(offset, kAlignment);
  while (offset < end_) {
    TRY_ASSIGN(const base::ByteSpan bytes, view(offset, kReadWindowBytes));
    if (bytes.size() < kGroupHeaderBytes) {
      break;
    }
    std::uint64_t at = 0;
    while (at + kGroupHeaderBytes <= bytes.size() && !has_magic(bytes, at, kGroupMagic) &&
           !has_magic(bytes, at, kFooterMagic)) {
      at += kAlignment;
    }
    offset += at;
    if (at + kGroupHeaderBytes <= bytes.size()) {
      TRY_ASSIGN(const Frame frame, frame_at(offset));
      if (frame.kind != FrameKind::kNone) {
        return frame;
      }
      offset += kAlignment;
    }
  }
  return Frame{};
}

Result<std::uint64_t> SegmentReader::find_chunk(std::uint64_t offset, std::uint64_t end) {
  for (; offset + kChunkHeaderBytes <= end; offset += kAlignment) {
    TRY_ASSIGN(const base::ByteSpan bytes, view(offset, kChunkHeaderBytes));
    const auto chunk = decode_chunk_header(bytes, salt_, offset);
    if (chunk &&
        offset + kChunkHeaderBytes + base::align_up(chunk->payload_bytes, kAlignment) <= end) {
      return offset;
    }
  }
  return end;
}

Result<bool> SegmentReader::read_value(std::uint64_t offset, const RecordView& record,
                                       std::string* value) {
  if (value != nullptr) {
    value->clear();
  }
  std::uint32_t crc = 0;
  std::uint64_t rest = record.value_bytes;
  for (std::uint32_t part = 0; rest > 0; ++part) {
    TRY_ASSIGN(const base::ByteSpan head, view(offset, kChunkHeaderBytes));
    const auto chunk = decode_chunk_header(head, salt_, offset);
    const std::uint64_t expected = std::min(rest, kValueChunkBytesMax);
    if (!chunk || chunk->kind != ChunkKind::kValue || chunk->first_seq != record.seq ||
        chunk->value_part != part || chunk->payload_bytes != expected) {
      return false;
    }
    const std::uint64_t padded = base::align_up(expected, kAlignment);
    TRY_ASSIGN(const base::ByteSpan payload, view(offset + kChunkHeaderBytes, padded));
    if (payload.size() != padded || base::crc32c(payload) != chunk->payload_crc) {
      return false;
    }
    crc = base::crc32c(payload.first(expected), crc);
    if (value != nullptr) {
      value->append(base::as_text(payload.first(expected)));
    }
    offset += kChunkHeaderBytes + padded;
    rest -= expected;
  }
  return crc == record.value_crc;
}

Result<bool> SegmentReader::read_record_chunk(const ChunkHeader& chunk, std::uint64_t& position,
                                              std::uint64_t group_end, ValueMode mode,
                                              const RecordVisitor& visit, std::uint64_t& visited) {
  TRY_ASSIGN(const base::ByteSpan payload, view(position + kChunkHeaderBytes, chunk.payload_bytes));
  position += kChunkHeaderBytes + base::align_up(chunk.payload_bytes, kAlignment);
  if (payload.size() != chunk.payload_bytes || base::crc32c(payload) != chunk.payload_crc) {
    return false;
  }
  base::ByteSpan records = payload;
  std::size_t at = 0;
  bool intact = true;
  for (std::uint32_t i = 0; i < chunk.record_count; ++i) {
    ReadRecord record;
    const std::size_t begin = at;
    if (!decode_record(records, at, record.view)) {
      return false;
    }
    if (record.view.value_in_log) {
      const std::uint64_t value_bytes = encoded_value_bytes(record.view.value_bytes);
      if (i + 1 != chunk.record_count || value_bytes > group_end - position) {
        return false;
      }
      record.value_offset = position;
      position += value_bytes;
      if (mode != ValueMode::kSkip) {
        // Reading the value moves the window, and with it the record.
        chunk_.assign(payload.begin(), payload.end());
        records = chunk_;
        at = begin;
        DB_CHECK(decode_record(records, at, record.view));
        std::string* const kept = mode == ValueMode::kRead ? &value_ : nullptr;
        TRY_ASSIGN(record.value_readable, read_value(record.value_offset, record.view, kept));
        intact = intact && record.value_readable;
        if (kept != nullptr && record.value_readable) {
          record.view.value = value_;
        }
      }
    }
    ++visited;
    TRY(visit(record));
  }
  return intact && at == records.size();
}

Result<bool> SegmentReader::read_group(const Frame& frame, ValueMode mode,
                                       const RecordVisitor& visit) {
  DB_CHECK(frame.kind == FrameKind::kGroup);
  const std::uint64_t group_end = std::min(frame.end, end_);
  std::uint64_t position = frame.offset + kGroupHeaderBytes;
  std::uint64_t visited = 0;
  bool intact = frame.complete;
  while (position < group_end) {
    TRY_ASSIGN(const base::ByteSpan head, view(position, kChunkHeaderBytes));
    const auto chunk = decode_chunk_header(head, salt_, position);
    if (!chunk || base::align_up(chunk->payload_bytes, kAlignment) + kChunkHeaderBytes >
                      group_end - position) {
      intact = false;
      TRY_ASSIGN(position, find_chunk(position + kAlignment, group_end));
      continue;
    }
    if (chunk->kind == ChunkKind::kValue) {
      // Its record chunk was damaged, or it would have been stepped over.
      intact = false;
      position += kChunkHeaderBytes + base::align_up(chunk->payload_bytes, kAlignment);
      continue;
    }
    TRY_ASSIGN(const bool chunk_intact,
               read_record_chunk(*chunk, position, group_end, mode, visit, visited));
    intact = intact && chunk_intact;
  }
  return intact && visited == frame.group.record_count;
}

Result<std::optional<SegmentIndex>> SegmentReader::read_footer(const Frame& frame) {
  DB_CHECK(frame.kind == FrameKind::kFooter);
  if (!frame.complete) {
    return std::optional<SegmentIndex>{};
  }
  std::vector<std::byte> body(frame.footer.body_bytes);
  TRY_ASSIGN(const std::size_t count, file_.read(frame.offset + kFooterHeaderBytes, body));
  if (count != body.size()) {
    return std::optional<SegmentIndex>{};
  }
  return decode_footer_body(frame.footer, body);
}

Result<std::uint64_t> SegmentReader::non_zero_end(std::uint64_t from) {
  std::uint64_t last = from;
  std::uint64_t offset = from;
  while (offset < end_) {
    TRY_ASSIGN(const base::ByteSpan bytes, view(offset, kReadWindowBytes));
    if (bytes.empty()) {
      break;
    }
    if (!is_all_zero(bytes)) {
      std::size_t size = bytes.size();
      while (bytes[size - 1] == std::byte{0}) {
        --size;
      }
      last = offset + size;
    }
    offset += bytes.size();
  }
  return last;
}

}  // namespace pluresdb::wal
