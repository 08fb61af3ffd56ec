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
#include "engine/wal/frame_seal.h"
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
  SegmentReader reader(file, SegmentAccess{}, size_bytes);
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
  SegmentReader sealed(file, SegmentAccess{.salt = found->salt}, size_bytes);
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

/// Of a header whose checksum is right.
Result<bool> SegmentReader::is_authentic_header(std::uint64_t offset, base::ByteSpan header) {
  if (access_.opener == nullptr) {
    return true;
  }
  TRY_ASSIGN(const bool authentic, is_authentic(*access_.opener, offset, header));
  tampered_ += authentic ? 0U : 1U;
  return authentic;
}

Result<Frame> SegmentReader::frame_at(std::uint64_t offset) {
  const FrameLayout layout = access_.layout();
  Frame frame;
  frame.offset = offset;
  TRY_ASSIGN(const base::ByteSpan bytes, view(offset, layout.group_header_bytes()));
  const auto group = decode_group_header(bytes, access_.salt, offset, layout);
  const auto footer =
      group ? std::nullopt : decode_footer_header(bytes, access_.salt, offset, layout);
  if (!group && !footer) {
    return frame;
  }
  TRY_ASSIGN(const bool authentic, is_authentic_header(offset, bytes));  // INV-WAL-15
  if (!authentic) {
    return frame;
  }
  if (group) {
    frame.kind = FrameKind::kGroup;
    frame.group = *group;
    frame.end = offset + layout.group_header_bytes() + group->body_bytes;
  } else {
    frame.kind = FrameKind::kFooter;
    frame.footer = *footer;
    frame.end = offset + layout.footer_header_bytes() + footer->body_bytes +
                layout.third_copy_bytes() + layout.trailer_bytes();
  }
  frame.complete = frame.end <= end_;
  return frame;
}

Result<std::optional<Trailer>> SegmentReader::trailer_at(std::uint64_t offset) {
  const FrameLayout layout = access_.layout();
  TRY_ASSIGN(const base::ByteSpan bytes, view(offset, layout.trailer_bytes()));
  const auto trailer = decode_trailer(bytes, access_.salt, offset, layout);
  if (!trailer) {
    return std::optional<Trailer>{};
  }
  TRY_ASSIGN(const bool authentic, is_authentic_header(offset, bytes));
  return authentic ? trailer : std::nullopt;
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

Result<std::optional<ChunkHeader>> SegmentReader::chunk_at(std::uint64_t offset,
                                                           std::uint64_t end) {
  TRY_ASSIGN(const base::ByteSpan bytes, view(offset, kChunkHeaderBytes));
  const auto chunk = decode_chunk_header(bytes, access_.salt, offset, access_.layout());
  const bool fits =
      chunk && kChunkHeaderBytes + base::align_up(chunk->payload_bytes, kAlignment) <= end - offset;
  return fits ? chunk : std::nullopt;
}

Result<std::uint64_t> SegmentReader::find_chunk(std::uint64_t offset, std::uint64_t end) {
  for (; offset + kChunkHeaderBytes <= end; offset += kAlignment) {
    TRY_ASSIGN(const auto chunk, chunk_at(offset, end));
    if (chunk) {
      return offset;
    }
  }
  return end;
}

/// Behind the chunks that were unpacked before: their records stay where they are while there is
/// room.
base::MutableByteSpan SegmentReader::room_for_plain(std::uint64_t bytes) {
  if (plain_used_ == 0 || bytes > plain_.size() - plain_used_) {
    window_fills_ += plain_used_ > 0 ? 1U : 0U;
    plain_used_ = 0;
    // Decrypted, what a window holds is no larger than the window.
    plain_.resize(std::max({plain_.size(), static_cast<std::size_t>(bytes), window_.size()}));
  }
  const auto room = base::MutableByteSpan(plain_).subspan(plain_used_, bytes);
  plain_used_ += bytes;
  return room;
}

/// The plain bytes of a chunk whose header is intact; nothing when they are damaged. Valid until
/// window_fills() changes.
Result<std::optional<base::ByteSpan>> SegmentReader::read_payload(const ChunkHeader& chunk,
                                                                  std::uint64_t offset) {
  const std::uint64_t padded = base::align_up(chunk.payload_bytes, kAlignment);
  TRY_ASSIGN(const base::ByteSpan bytes, view(offset, kChunkHeaderBytes + padded));
  if (bytes.size() != kChunkHeaderBytes + padded ||
      base::crc32c(bytes.subspan(kChunkHeaderBytes)) != chunk.payload_crc) {
    return std::optional<base::ByteSpan>{};
  }
  base::ByteSpan content = bytes.subspan(kChunkHeaderBytes, chunk.payload_bytes);
  if (access_.opener == nullptr && chunk.plain_bytes == 0) {
    return std::optional(content);
  }
  const std::uint64_t decrypted_bytes =
      access_.opener != nullptr ? content.size() - access_.layout().tag_bytes() : 0;
  const base::MutableByteSpan room = room_for_plain(decrypted_bytes + chunk.plain_bytes);
  if (access_.opener != nullptr) {
    const auto decrypted = room.first(decrypted_bytes);
    TRY_ASSIGN(const bool authentic,
               open_payload(*access_.opener, offset, bytes, content, decrypted));
    // No tag speaks for the padding.
    if (!authentic || !is_all_zero(bytes.subspan(kChunkHeaderBytes + content.size()))) {
      ++tampered_;
      return std::optional<base::ByteSpan>{};
    }
    content = decrypted;
  }
  if (chunk.plain_bytes == 0) {
    return std::optional(content);
  }
  const auto plain = room.subspan(decrypted_bytes);
  return decompressor_.decompress(content, plain) ? std::optional<base::ByteSpan>(plain)
                                                  : std::nullopt;
}

Result<Seq> SegmentReader::last_seq_in_chunks(std::uint64_t begin, std::uint64_t end) {
  Seq last = 0;
  TRY_ASSIGN(std::uint64_t offset, find_chunk(begin, end));
  while (offset < end) {
    TRY_ASSIGN(const auto chunk, chunk_at(offset, end));
    DB_CHECK(chunk.has_value());
    TRY_ASSIGN(const auto payload, read_payload(*chunk, offset));
    std::uint64_t next = offset + kAlignment;
    if (payload) {
      next = offset + kChunkHeaderBytes + base::align_up(chunk->payload_bytes, kAlignment);
      last = std::max(last, chunk->first_seq);
      RecordView record;
      std::size_t at = 0;
      while (chunk->kind == ChunkKind::kRecords && decode_record(*payload, at, record)) {
        last = std::max(last, record.seq);
      }
    }
    TRY_ASSIGN(offset, find_chunk(next, end));
  }
  return last;
}

/// Walks over the chunks of a large value; reads them unless `mode` is kSkip.
Result<SegmentReader::ValueWalk> SegmentReader::walk_value(std::uint64_t offset,
                                                           const RecordView& record, ValueMode mode,
                                                           std::string* value) {
  const FrameLayout layout = access_.layout();
  ValueWalk walk{.end = offset};
  std::uint32_t crc = 0;
  std::uint64_t rest = record.value_bytes;
  for (std::uint32_t part = 0; rest > 0; ++part) {
    TRY_ASSIGN(const base::ByteSpan head, view(walk.end, kChunkHeaderBytes));
    const auto chunk = decode_chunk_header(head, access_.salt, walk.end, layout);
    const std::uint64_t expected = std::min(rest, kValueChunkBytesMax);
    if (!chunk || chunk->kind != ChunkKind::kValue || chunk->first_seq != record.seq ||
        chunk->value_part != part ||
        (chunk->plain_bytes == 0 ? chunk->payload_bytes - layout.tag_bytes()
                                 : chunk->plain_bytes) != expected) {
      walk.intact = false;
      return walk;
    }
    if (mode == ValueMode::kSkip && part == 0 && chunk->plain_bytes == 0) {
      walk.end += encoded_value_bytes(record.value_bytes, layout);  // Then no part is compressed.
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
  std::uint64_t position = frame.offset + access_.layout().group_header_bytes();
  std::uint64_t visited = 0;
  bool intact = frame.complete;
  while (position < group_end) {
    TRY_ASSIGN(const auto chunk, chunk_at(position, group_end));
    if (!chunk) {
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
  // The header once more: the body is bound to it.
  std::vector<std::byte> bytes(access_.layout().footer_header_bytes() + frame.footer.body_bytes);
  const base::MutableByteSpan all(bytes);
  const auto header = all.first(access_.layout().footer_header_bytes());
  const auto body = all.subspan(header.size());
  TRY_ASSIGN(const std::size_t count, file_.read(frame.offset, all));
  if (count != bytes.size() || !is_footer_body(frame.footer, body)) {
    return std::optional<SegmentIndex>{};
  }
  if (access_.opener == nullptr) {
    return decode_footer_index(body);
  }
  TRY_ASSIGN(const base::ByteSpan plain,
             open_footer_body(*access_.opener, frame.offset, header, body));
  tampered_ += plain.empty() ? 1U : 0U;
  return decode_footer_index(plain);
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
