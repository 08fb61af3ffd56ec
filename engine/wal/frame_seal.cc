// See frame_seal.h.
#include "engine/wal/frame_seal.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {
namespace {

using base::ByteSpan;
using base::MutableByteSpan;

constexpr std::size_t kHeaderCrcOffset = 4;
constexpr std::size_t kPayloadCrcOffset = 16;
static_assert(kGroupHeaderBytes == kFooterHeaderBytes && kGroupHeaderBytes == kTrailerBytes);
using Header = std::array<std::byte, kGroupHeaderBytes>;
using ChunkHeaderBytes = std::array<std::byte, kChunkHeaderBytes>;

std::uint64_t position_of(std::uint64_t offset) {
  DB_CHECK(offset % kAlignment == 0);
  return offset / kAlignment;
}

/// A CRC is computed when everything is sealed: it cannot be bound.
Header bound_part(ByteSpan header) {
  auto part = base::load<Header>(header, 0);
  const MutableByteSpan bytes(part);
  base::store(bytes, kHeaderCrcOffset, std::uint32_t{0});
  if (base::load<std::uint32_t>(bytes, 0) == kFooterMagic) {
    base::store(bytes, kFooterBodyCrcOffset, std::uint32_t{0});
  }
  return part;
}

ChunkHeaderBytes bound_part_of_chunk(ByteSpan header) {
  auto part = base::load<ChunkHeaderBytes>(header, 0);
  const MutableByteSpan bytes(part);
  base::store(bytes, kHeaderCrcOffset, std::uint32_t{0});
  base::store(bytes, kPayloadCrcOffset, std::uint32_t{0});
  return part;
}

/// A tag that does not fit is an answer; anything else is an error.
Result<bool> fits(const Status& opened) {
  if (opened || opened.error().code == ErrorCode::kCorruption) {
    return opened.has_value();
  }
  return std::unexpected(opened.error());
}

}  // namespace

Status seal_header(crypto::ChunkSealer& sealer, std::uint64_t offset, MutableByteSpan header) {
  DB_CHECK(header.size() == kGroupHeaderBytes + crypto::kSealBytes);
  TRY(sealer.seal(position_of(offset), bound_part(header), {}, header.subspan(kGroupHeaderBytes)));
  finish_header(header);
  return {};
}

Result<bool> is_authentic(const crypto::ChunkOpener& opener, std::uint64_t offset,
                          ByteSpan header) {
  DB_CHECK(header.size() >= kGroupHeaderBytes + crypto::kSealBytes);
  if (offset % kAlignment != 0) {
    return false;  // Nothing is sealed there: a file cut to any length ends with somebody's bytes.
  }
  const ByteSpan tag = header.subspan(kGroupHeaderBytes, crypto::kSealBytes);
  return fits(opener.open(position_of(offset), bound_part(header), tag, {}));
}

Status seal_payload(crypto::ChunkSealer& sealer, std::uint64_t offset, ByteSpan header,
                    ByteSpan plain, MutableByteSpan payload) {
  return sealer.seal(position_of(offset), bound_part_of_chunk(header), plain, payload);
}

Result<bool> open_payload(const crypto::ChunkOpener& opener, std::uint64_t offset, ByteSpan header,
                          ByteSpan payload, MutableByteSpan plain) {
  return fits(opener.open(position_of(offset), bound_part_of_chunk(header), payload, plain));
}

Status seal_footer_body(crypto::ChunkSealer& sealer, std::uint64_t offset, ByteSpan header,
                        ByteSpan plain, MutableByteSpan body) {
  const Header bound = bound_part(header);
  offset += header.size();
  while (!plain.empty()) {
    const ByteSpan piece = plain.first(std::min<std::size_t>(plain.size(), kFooterPieceBytes));
    const std::size_t sealed_bytes = piece.size() + crypto::kSealBytes;
    TRY(sealer.seal(position_of(offset), bound, piece, body.first(sealed_bytes)));
    plain = plain.subspan(piece.size());
    body = body.subspan(sealed_bytes);
    offset += sealed_bytes;
  }
  DB_CHECK(body.empty());
  return {};
}

Result<ByteSpan> open_footer_body(const crypto::ChunkOpener& opener, std::uint64_t offset,
                                  ByteSpan header, MutableByteSpan body) {
  const Header bound = bound_part(header);
  offset += header.size();
  std::size_t plain_bytes = 0;
  for (MutableByteSpan rest = body; !rest.empty();) {
    const auto piece =
        rest.first(std::min<std::size_t>(rest.size(), kFooterPieceBytes + crypto::kSealBytes));
    if (piece.size() < crypto::kSealBytes || offset % kAlignment != 0) {
      return ByteSpan{};
    }
    const auto plain = piece.first(piece.size() - crypto::kSealBytes);
    TRY_ASSIGN(const bool is_whole, fits(opener.open(position_of(offset), bound, piece, plain)));
    if (!is_whole) {
      return ByteSpan{};
    }
    std::memmove(body.data() + plain_bytes, plain.data(), plain.size());
    plain_bytes += plain.size();
    rest = rest.subspan(piece.size());
    offset += piece.size();
  }
  return ByteSpan(body).first(plain_bytes);
}

}  // namespace pluresdb::wal
