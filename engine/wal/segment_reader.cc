// See segment_reader.h. Layout: docs/formats/wal.md.
#include "engine/wal/segment_reader.h"

#include <algorithm>
#include <array>
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

/// Of group header, footer header and trailer.
constexpr std::size_t kFrameSaltAt = 8;
/// Every unit that a disk writes or a file system allocates is a multiple of this.
constexpr std::uint64_t kSectorBytes = 512;

bool has_magic(base::ByteSpan bytes, std::uint64_t at, std::uint32_t magic) {
  return base::load<std::uint32_t>(bytes, at) == magic;
}

bool is_all_zero(base::ByteSpan bytes) {
  // Each byte equals the one behind it: compared many at a time.
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

}  // namespace

Result<std::optional<FileTrailer>> read_file_trailer(io::File& file, std::uint64_t size_bytes) {
  if (size_bytes < kSegmentHeaderBytes + kTrailerBytes) {
    return std::optional<FileTrailer>{};
  }
  std::array<std::byte, kTrailerBytes> bytes{};
  const std::uint64_t offset = size_bytes - kTrailerBytes;
  TRY_ASSIGN(const std::size_t count, file.read(offset, bytes));
  const auto salt = base::load<std::uint64_t>(base::ByteSpan(bytes), kFrameSaltAt);
  const auto trailer = decode_trailer(base::ByteSpan(bytes).first(count), salt, offset);
  return trailer ? std::optional(FileTrailer{.salt = salt, .trailer = *trailer}) : std::nullopt;
}

Result<std::uint64_t> find_salt(io::File& file, std::uint64_t size_bytes, std::uint64_t known_end) {
  SegmentReader reader(file, 0, size_bytes);
  for (const std::uint64_t offset : {kSegmentHeaderBytes, known_end}) {
    TRY_ASSIGN(const base::ByteSpan bytes, reader.view(offset, kGroupHeaderBytes));
    if (offset < kSegmentHeaderBytes || bytes.size() < kGroupHeaderBytes) {
      continue;
    }
    const auto salt = base::load<std::uint64_t>(bytes, kFrameSaltAt);
    if (decode_group_header(bytes, salt, offset) || decode_footer_header(bytes, salt, offset)) {
      return salt;
    }
  }
  // A crash can leave a file that ends in the middle of a value, but only where a sector ends.
  if (known_end != 0 || size_bytes % kSectorBytes == 0) {
    return 0;
  }
  TRY_ASSIGN(const auto found, read_file_trailer(file, size_bytes));
  if (!found) {
    return 0;
  }
  SegmentReader sealed(file, found->salt, size_bytes);
  TRY_ASSIGN(const Frame footer, sealed.frame_at(found->trailer.footer_offset));
  return footer.kind == FrameKind::kFooter && footer.end == size_bytes ? found->salt : 0;
}

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
  TRY_ASSIGN(const base::ByteSpan bytes, view(offset, kGroupHeaderBytes));
  return frame_in(bytes, offset);
}

/// `bytes`: what stands at `offset`.
Frame SegmentReader::frame_in(base::ByteSpan bytes, std::uint64_t offset) const {
  Frame frame;
  frame.offset = offset;
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
      const Frame frame = frame_in(bytes.subspan(at, kGroupHeaderBytes), offset);
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

/// The plain bytes of a chunk whose header is intact; nothing when they are damaged. Valid until
/// the next call of this object.
Result<std::optional<base::ByteSpan>> SegmentReader::read_payload(const ChunkHeader& chunk,
                                                                  std::uint64_t offset) {
  const std::uint64_t padded = base::align_up(chunk.payload_bytes, kAlignment);
  TRY_ASSIGN(const base::ByteSpan bytes, view(offset + kChunkHeaderBytes, padded));
  if (bytes.size() != padded || base::crc32c(bytes) != chunk.payload_crc) {
    return std::optional<base::ByteSpan>{};
  }
  const base::ByteSpan stored = bytes.first(chunk.payload_bytes);
  if (chunk.plain_bytes == 0) {
    return std::optional(stored);
  }
  ++window_fills_;  // Views into the chunk before are void, as when the window moves.
  plain_.resize(std::max<std::size_t>(plain_.size(), chunk.plain_bytes));
  const auto plain = base::MutableByteSpan(plain_).first(chunk.plain_bytes);
  return decompressor_.decompress(stored, plain) ? std::optional<base::ByteSpan>(plain)
                                                 : std::nullopt;
}

/// Walks over the chunks of a large value; reads them unless `mode` is kSkip.
Result<SegmentReader::ValueWalk> SegmentReader::walk_value(std::uint64_t offset,
                                                           const RecordView& record, ValueMode mode,
                                                           std::string* value) {
  ValueWalk walk{.end = offset};
  std::uint32_t crc = 0;
  std::uint64_t rest = record.value_bytes;
  for (std::uint32_t part = 0; rest > 0; ++part) {
    TRY_ASSIGN(const base::ByteSpan head, view(walk.end, kChunkHeaderBytes));
    const auto chunk = decode_chunk_header(head, salt_, walk.end);
    const std::uint64_t expected = std::min(rest, kValueChunkBytesMax);
    if (!chunk || chunk->kind != ChunkKind::kValue || chunk->first_seq != record.seq ||
        chunk->value_part != part ||
        (chunk->plain_bytes == 0 ? chunk->payload_bytes : chunk->plain_bytes) != expected) {
      walk.intact = false;
      return walk;
    }
    if (mode == ValueMode::kSkip && part == 0 && chunk->plain_bytes == 0) {
      walk.end += encoded_value_bytes(record.value_bytes);  // Then no part is compressed.
      return walk;
    }
    if (mode != ValueMode::kSkip && walk.intact) {
      TRY_ASSIGN(const std::optional<base::ByteSpan> plain, read_payload(*chunk, walk.end));
      walk.intact = plain.has_value();
      crc = plain ? base::crc32c(*plain, crc) : crc;
      if (plain && value != nullptr) {
        value->append(base::as_text(*plain));
      }
    }
    walk.end += kChunkHeaderBytes + base::align_up(chunk->payload_bytes, kAlignment);
    rest -= expected;
  }
  walk.intact = walk.intact && (mode == ValueMode::kSkip || crc == record.value_crc);
  return walk;
}

Result<bool> SegmentReader::read_value(std::uint64_t offset, const RecordView& record,
                                       std::string* value) {
  if (value != nullptr) {
    value->clear();
  }
  TRY_ASSIGN(const ValueWalk walk, walk_value(offset, record, ValueMode::kRead, value));
  return walk.intact;
}

Result<bool> SegmentReader::read_record_chunk(const ChunkHeader& chunk, std::uint64_t& position,
                                              std::uint64_t group_end, ValueMode mode,
                                              const RecordVisitor& visit, std::uint64_t& visited) {
  TRY_ASSIGN(const std::optional<base::ByteSpan> payload, read_payload(chunk, position));
  position += kChunkHeaderBytes + base::align_up(chunk.payload_bytes, kAlignment);
  if (!payload) {
    return false;
  }
  const base::ByteSpan records = *payload;
  std::size_t at = 0;
  bool intact = true;
  for (std::uint32_t i = 0; i < chunk.record_count; ++i) {
    ReadRecord record;
    const std::size_t begin = at;
    if (!decode_record(records, at, record.view)) {
      return false;
    }
    if (record.view.value_in_log) {
      if (i + 1 != chunk.record_count) {
        return false;
      }
      value_.clear();
      std::string* const kept = mode == ValueMode::kRead ? &value_ : nullptr;
      // Walking over the value may move the window, and with it the record.
      const std::uint64_t window_fills = window_fills_;
      const base::ByteSpan own = records.subspan(begin, at - begin);
      chunk_.assign(own.begin(), own.end());
      TRY_ASSIGN(const ValueWalk walk, walk_value(position, record.view, mode, kept));
      if (walk.end > group_end) {
        return false;
      }
      if (mode != ValueMode::kSkip || window_fills_ != window_fills) {
        std::size_t copied = 0;
        DB_CHECK(decode_record(chunk_, copied, record.view));
      }
      record.value_offset = position;
      record.value_stored_bytes = walk.end - position;
      position = walk.end;  // Or where it is lost: read_group goes on at the next chunk.
      intact = intact && walk.intact;
      record.value_readable = walk.intact || mode == ValueMode::kSkip;
      if (kept != nullptr && record.value_readable) {
        record.view.value = value_;
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
