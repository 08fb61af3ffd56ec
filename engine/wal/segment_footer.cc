// Footer and trailer of a sealed segment, and the index in the footer. Decoders take untrusted
// bytes.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {
namespace {

using base::ByteSpan;
using base::MutableByteSpan;

constexpr std::uint32_t kTrailerMagic = 0x4C545257;  // "WRTL"
constexpr std::uint32_t kFlagClean = 1;
constexpr std::uint64_t kRunBytes = 16;
constexpr std::uint64_t kValueEntryBytes = 24;
constexpr std::uint64_t kGroupEntryBytes = 16;
constexpr std::uint64_t kIndexCountsBytes = 16;

std::uint64_t body_bytes_of(const SegmentIndex& index) {
  return kIndexCountsBytes + index.runs.size() * kRunBytes +
         index.values.size() * kValueEntryBytes + index.groups.size() * kGroupEntryBytes;
}

std::uint64_t pieces_of(std::uint64_t body_bytes) {
  return (body_bytes + kFooterPieceBytes - 1) / kFooterPieceBytes;
}

void append_body(const SegmentIndex& index, std::vector<std::byte>& out) {
  out.reserve(out.size() + body_bytes_of(index));
  base::append(out, static_cast<std::uint32_t>(index.runs.size()));
  base::append(out, static_cast<std::uint32_t>(index.values.size()));
  base::append(out, static_cast<std::uint32_t>(index.groups.size()));
  base::append(out, std::uint32_t{0});
  for (const SeqRange& run : index.runs) {
    base::append(out, run.first);
    base::append(out, run.last);
  }
  for (const ValueLocation& value : index.values) {
    base::append(out, value.seq);
    base::append(out, value.offset);
    base::append(out, value.value_bytes);
    base::append(out, value.value_crc);
  }
  for (const GroupLocation& group : index.groups) {
    base::append(out, group.first_seq);
    base::append(out, group.offset);
  }
}

/// Without the CRC.
void put_footer_header(const FooterHeader& header, std::uint64_t salt, std::uint64_t offset,
                       MutableByteSpan head) {
  base::store(head, 0, kFooterMagic);
  base::store(head, 8, salt);
  base::store(head, 16, offset);
  base::store(head, 24, header.first_seq);
  base::store(head, 32, header.last_seq);
  base::store(head, 40, header.next_segment_id);
  base::store(head, 48, header.body_bytes);
  base::store(head, kFooterBodyCrcOffset, header.body_crc);
  base::store(head, 56, header.clean ? kFlagClean : 0U);
}

struct TrailerPlace {
  std::uint64_t own = 0;
  std::uint64_t footer = 0;
};
void put_trailer(const FooterHeader& header, std::uint64_t salt, const TrailerPlace& place,
                 MutableByteSpan trailer) {
  base::store(trailer, 0, kTrailerMagic);
  base::store(trailer, 8, salt);
  base::store(trailer, 16, place.own);
  base::store(trailer, 24, place.footer);
  base::store(trailer, 32, header.last_seq);
  base::store(trailer, 40, header.next_segment_id);
  base::store(trailer, 48, header.clean ? kFlagClean : 0U);
  finish_header(trailer);
}

}  // namespace

void add_group_location(std::vector<GroupLocation>& groups, GroupLocation location) {
  constexpr std::uint64_t kStepBytes = 64ULL << 10;
  if (groups.empty() || location.offset - groups.back().offset >= kStepBytes) {
    groups.push_back(location);
  }
}

void SegmentIndex::add_run(SeqRange run) {
  if (!runs.empty() && runs.back().last + 1 == run.first) {
    runs.back().last = run.last;
    return;
  }
  runs.push_back(run);
}

std::uint64_t SegmentIndex::encoded_bytes(FrameLayout layout) const {
  const std::uint64_t body = body_bytes_of(*this);
  return layout.footer_header_bytes() + body + pieces_of(body) * layout.tag_bytes() +
         layout.third_copy_bytes() + layout.trailer_bytes();
}

std::vector<std::byte> encode_footer(FooterHeader header, const SegmentIndex& index,
                                     std::uint64_t salt, std::uint64_t offset) {
  std::vector<std::byte> out(kFooterHeaderBytes);
  append_body(index, out);
  const MutableByteSpan body = MutableByteSpan(out).subspan(kFooterHeaderBytes);
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  header.body_crc = base::crc32c(body);
  const auto head = MutableByteSpan(out).first(kFooterHeaderBytes);
  put_footer_header(header, salt, offset, head);
  finish_header(head);
  std::array<std::byte, kTrailerBytes> trailer{};
  put_trailer(header, salt, {.own = offset + out.size(), .footer = offset}, trailer);
  base::append_bytes(out, trailer);
  DB_CHECK(out.size() == index.encoded_bytes());
  return out;
}

Result<std::vector<std::byte>> encode_sealed_footer(FooterHeader header, const SegmentIndex& index,
                                                    std::uint64_t salt, std::uint64_t offset,
                                                    const FooterSeal& seal) {
  constexpr FrameLayout kLayout(true);
  std::vector<std::byte> plain;
  append_body(index, plain);
  std::vector<std::byte> out(index.encoded_bytes(kLayout));
  const MutableByteSpan all(out);
  const auto head = all.first(kLayout.footer_header_bytes());
  const auto body =
      all.subspan(head.size(), plain.size() + pieces_of(plain.size()) * kLayout.tag_bytes());
  header.body_bytes = static_cast<std::uint32_t>(body.size());
  put_footer_header(header, salt, offset, head);
  TRY(seal_header(seal.sealer, offset, head));
  TRY(seal_footer_body(seal.sealer, offset, head, plain, body));
  base::store(head, kFooterBodyCrcOffset, base::crc32c(body));
  finish_header(head);
  DB_CHECK(seal.third_copy.size() == kLayout.third_copy_bytes());
  std::ranges::copy(seal.third_copy, all.subspan(head.size() + body.size()).begin());
  const auto trailer = all.last(kLayout.trailer_bytes());
  const std::uint64_t trailer_offset = offset + out.size() - trailer.size();
  put_trailer(header, salt, {.own = trailer_offset, .footer = offset}, trailer);
  TRY(seal_header(seal.sealer, trailer_offset, trailer));
  return out;
}

std::optional<FooterHeader> decode_footer_header(ByteSpan bytes, std::uint64_t salt,
                                                 std::uint64_t offset, FrameLayout layout) {
  if (bytes.size() < layout.footer_header_bytes()) {
    return std::nullopt;
  }
  bytes = bytes.first(layout.footer_header_bytes());
  if (base::load<std::uint32_t>(bytes, 0) != kFooterMagic ||
      base::load<std::uint64_t>(bytes, 8) != salt ||
      base::load<std::uint64_t>(bytes, 16) != offset ||
      base::load<std::uint32_t>(bytes, 4) != base::crc32c(bytes.subspan(8))) {
    return std::nullopt;
  }
  FooterHeader header;
  header.first_seq = base::load<std::uint64_t>(bytes, 24);
  header.last_seq = base::load<std::uint64_t>(bytes, 32);
  header.next_segment_id = base::load<std::uint64_t>(bytes, 40);
  header.body_bytes = base::load<std::uint32_t>(bytes, 48);
  header.body_crc = base::load<std::uint32_t>(bytes, 52);
  header.clean = (base::load<std::uint32_t>(bytes, 56) & kFlagClean) != 0;
  if (header.body_bytes > kFooterBodyBytesMax) {
    return std::nullopt;
  }
  return header;
}

bool is_footer_body(const FooterHeader& header, ByteSpan body) {
  return body.size() == header.body_bytes && base::crc32c(body) == header.body_crc;
}

std::optional<SegmentIndex> decode_footer_body(const FooterHeader& header, ByteSpan body) {
  return is_footer_body(header, body) ? decode_footer_index(body) : std::nullopt;
}

std::optional<SegmentIndex> decode_footer_index(ByteSpan body) {
  base::Reader reader(body);
  const std::uint64_t runs = reader.read<std::uint32_t>();
  const std::uint64_t values = reader.read<std::uint32_t>();
  const std::uint64_t groups = reader.read<std::uint32_t>();
  static_cast<void>(reader.read<std::uint32_t>());
  if (!reader.ok() || runs * kRunBytes + values * kValueEntryBytes + groups * kGroupEntryBytes !=
                          reader.remaining()) {
    return std::nullopt;
  }
  SegmentIndex index;
  for (std::uint64_t i = 0; i < runs; ++i) {
    const auto first = reader.read<std::uint64_t>();
    index.runs.push_back({.first = first, .last = reader.read<std::uint64_t>()});
  }
  for (std::uint64_t i = 0; i < values; ++i) {
    ValueLocation value;
    value.seq = reader.read<std::uint64_t>();
    value.offset = reader.read<std::uint64_t>();
    value.value_bytes = reader.read<std::uint32_t>();
    value.value_crc = reader.read<std::uint32_t>();
    index.values.push_back(value);
  }
  for (std::uint64_t i = 0; i < groups; ++i) {
    const auto first = reader.read<std::uint64_t>();
    index.groups.push_back({.first_seq = first, .offset = reader.read<std::uint64_t>()});
  }
  return index;
}

std::optional<Trailer> decode_trailer(ByteSpan bytes, std::uint64_t salt, std::uint64_t offset,
                                      FrameLayout layout) {
  if (bytes.size() != layout.trailer_bytes() ||
      base::load<std::uint32_t>(bytes, 0) != kTrailerMagic ||
      base::load<std::uint64_t>(bytes, 8) != salt ||
      base::load<std::uint64_t>(bytes, 16) != offset ||
      base::load<std::uint32_t>(bytes, 4) != base::crc32c(bytes.subspan(8))) {
    return std::nullopt;
  }
  Trailer trailer;
  trailer.footer_offset = base::load<std::uint64_t>(bytes, 24);
  trailer.last_seq = base::load<std::uint64_t>(bytes, 32);
  trailer.next_segment_id = base::load<std::uint64_t>(bytes, 40);
  trailer.clean = (base::load<std::uint32_t>(bytes, 48) & kFlagClean) != 0;
  if (trailer.footer_offset < kSegmentHeaderBytes || trailer.footer_offset > offset) {
    return std::nullopt;
  }
  return trailer;
}

}  // namespace pluresdb::wal
