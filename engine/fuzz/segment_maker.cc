#include "engine/fuzz/segment_maker.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/file_key.h"
#include "engine/fuzz/driver/input.h"
#include "engine/fuzz/memory_files.h"
#include "engine/fuzz/support.h"
#include "engine/wal/chunk_compression.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::fuzz {
namespace {

constexpr std::uint64_t kSegmentId = 6;
constexpr Seq kFirstSeq = 10;
constexpr std::uint64_t kCapacity = 64ULL << 20;

/// A segment that is being written.
struct Draft {
  MadeSegment segment;
  std::optional<crypto::ChunkSealer> sealer;
  Seq next_seq = kFirstSeq;

  [[nodiscard]] std::uint64_t end() const { return segment.bytes.size(); }
  void append(base::ByteSpan bytes) { base::append_bytes(segment.bytes, bytes); }
  /// Frames begin at multiples of 8.
  void align() { segment.bytes.resize(base::align_up(end(), wal::kAlignment)); }
};

Draft begin_segment(bool rewritten, Version version) {
  Draft draft;
  wal::SegmentHeader& header = draft.segment.header;
  header = {.id = kSegmentId,
            .salt = 0x5A17,
            .first_seq = kFirstSeq,
            .predecessor = {.id = kSegmentId - 1, .valid_bytes = 8192, .last_seq = kFirstSeq - 1},
            .hlc_floor = 5,
            .rewritten = rewritten,
            .compressed = version == Version::kCompressed,
            .capacity_bytes = kCapacity};
  header.store_uuid.fill(std::byte{7});
  if (rewritten) {
    header.covers = {.first = kFirstSeq, .last = kFirstSeq + 100};
  }
  draft.segment.bytes.resize(wal::kSegmentHeaderBytes);
  draft.segment.access.salt = header.salt;
  if (version == Version::kEncrypted) {
    header.envelope = crypto::Envelope{};  // Says that it is encrypted: the key is bound to that.
    wal::encode_segment_header(header, draft.segment.bytes);
    const auto bound = wal::part_bound_to_envelope(
        base::ByteSpan(draft.segment.bytes).first(wal::kSegmentHeaderCopyBytes));
    const auto made = must_give(crypto::seal_file_key(fixed_keys(), bound), "a key of the file");
    header.envelope = made.envelope;
    draft.sealer = must_give(crypto::ChunkSealer::create(made.key), "a sealer");
    draft.segment.access.opener = std::make_shared<const crypto::ChunkOpener>(
        must_give(crypto::ChunkOpener::create(made.key), "an opener"));
  }
  wal::encode_segment_header(header, draft.segment.bytes);
  return draft;
}

/// Some compress well, some are longer than a chunk.
std::string value_of_input(Input& input) {
  const std::size_t kind = input.pick(128);
  const std::size_t bytes = kind == 1   ? wal::kValueChunkBytesMax + input.read<std::uint16_t>()
                            : kind == 2 ? 20000U + input.read<std::uint16_t>()
                                        : input.read<std::uint8_t>();
  const bool is_even = input.flag();
  std::string value(bytes, 'v');
  for (std::size_t i = 0; i < bytes && !is_even; ++i) {
    value[i] = static_cast<char>('a' + i * i % 23);
  }
  return value;
}

struct OwnedRecord {
  std::string actor;
  std::string id;
  std::string value;
  wal::RecordView view;
};

void point_at_own_texts(OwnedRecord& record) {
  record.view.actor = record.actor;
  record.view.id = record.id;
  record.view.value = record.value;
  record.view.value_bytes = record.value.size();
  record.view.value_crc = base::crc32c(base::as_bytes(record.value));
}

OwnedRecord record_of_input(Input& input, Seq seq) {
  OwnedRecord record;
  record.actor = fmt::format("agent{}", input.pick(3));
  record.id = fmt::format("id{}", input.pick(10));
  record.view.seq = seq;
  record.view.timestamp_us = 1000;
  record.view.hlc = 6 + seq;
  record.view.actor_seq = seq;
  record.view.type = static_cast<wal::OperationType>(1 + input.pick(4));
  if (record.view.type == wal::OperationType::kPut) {
    record.value = value_of_input(input);
    record.view.value_in_log = record.value.size() > wal::kInlineValueBytesMax || input.flag();
    record.view.value_in_log = record.view.value_in_log && !record.value.empty();
  }
  point_at_own_texts(record);
  return record;
}

void append_group(Input& input, Draft& draft, wal::GroupBuilder& builder,
                  wal::SegmentIndex& index) {
  MadeSegment& segment = draft.segment;
  MadeGroup group{.begin = draft.end()};
  std::vector<OwnedRecord> records;
  for (std::size_t left = 1 + input.pick(4); left > 0; --left) {
    draft.next_seq += segment.header.rewritten ? input.pick(3) : 0;
    records.push_back(record_of_input(input, draft.next_seq++));
  }
  builder.clear();
  for (OwnedRecord& record : records) {
    point_at_own_texts(record);  // They have moved.
    builder.add(record.view);
    group.seqs.push_back(record.view.seq);
    index.add_seq(record.view.seq);
    segment.records.insert(text_of_record(record.view));
  }
  const bool lags = input.flag() && !segment.groups.empty();
  group.durable_offset = lags ? segment.groups.back().begin : group.begin;
  if (draft.sealer) {
    draft.append(must_give(builder.place_sealed(*draft.sealer, segment.header.salt, group.begin,
                                                group.durable_offset, wal::kGroupSynced),
                           "a group is sealed"));
  } else {
    for (const base::ByteSpan piece :
         builder.place(segment.header.salt, group.begin, group.durable_offset, wal::kGroupSynced)) {
      draft.append(piece);
    }
  }
  for (wal::ValueLocation value : builder.values()) {
    value.offset += group.begin;
    index.values.push_back(value);
  }
  wal::add_group_location(index.groups, {.first_seq = group.seqs.front(), .offset = group.begin});
  group.end = draft.end();
  segment.last_seq = group.seqs.back();
  segment.groups.push_back(std::move(group));
}

void append_footer(Draft& draft, wal::FooterHeader header, const wal::SegmentIndex& index) {
  const std::uint64_t offset = draft.end();
  const std::uint64_t salt = draft.segment.header.salt;
  if (!draft.sealer) {
    draft.append(wal::encode_footer(header, index, salt, offset));
    return;
  }
  const Bytes copy(draft.segment.bytes.begin(),
                   draft.segment.bytes.begin() + wal::kSegmentHeaderCopyBytes);
  draft.append(must_give(wal::encode_sealed_footer(header, index, salt, offset,
                                                   {.sealer = *draft.sealer, .third_copy = copy}),
                         "a footer is sealed"));
}

/// `right` most often, else any number.
template <typename T>
T odd(Input& input, T right) {
  return input.pick(4) == 1 ? static_cast<T>(input.number()) : right;
}

struct OddChunk {
  wal::ChunkHeader header;
  Bytes plain;  ///< As compressed, when it is.
};

Bytes odd_records(Input& input, Seq& next_seq, std::uint16_t& count) {
  Bytes payload;
  count = 0;
  for (std::size_t left = 1 + input.pick(3); left > 0; --left) {
    OwnedRecord record = record_of_input(input, odd(input, next_seq));
    record.value.resize(std::min<std::size_t>(record.value.size(), 300));
    point_at_own_texts(record);
    record.view.value_in_log = record.view.value_in_log && left == 1;
    record.view.value_crc = odd(input, record.view.value_crc);
    if (record.view.value_in_log) {
      record.view.value_bytes = odd(input, static_cast<std::uint32_t>(record.view.value_bytes));
    }
    ++next_seq;
    ++count;
    wal::encode_record(record.view, payload);
  }
  return payload;
}

OddChunk odd_chunk(Input& input, Draft& draft, wal::ChunkCompressor& compressor) {
  OddChunk chunk;
  chunk.header.kind = input.pick(3) == 1 ? wal::ChunkKind::kValue : wal::ChunkKind::kRecords;
  chunk.header.first_seq = odd(input, draft.next_seq);
  if (chunk.header.kind == wal::ChunkKind::kRecords) {
    std::uint16_t count = 0;
    chunk.plain = odd_records(input, draft.next_seq, count);
    chunk.header.record_count = odd(input, count);
  } else {
    chunk.plain.assign(1U + input.pick(256), std::byte{'v'});
    chunk.header.first_seq = odd(input, draft.next_seq - 1);
    chunk.header.value_part = static_cast<std::uint16_t>(odd(input, 0U) % 2048U);
  }
  if (input.pick(8) == 1) {
    const auto raw = input.take(1U + input.pick(64));
    chunk.plain.assign(raw.begin(), raw.end());
  }
  if (input.pick(4) == 1) {
    const auto packed = compressor.compress(chunk.plain);
    const std::uint64_t plain_max = chunk.header.kind == wal::ChunkKind::kRecords
                                        ? wal::kRecordChunkBytesMax
                                        : wal::kValueChunkBytesMax;
    const auto claimed = odd(input, static_cast<std::uint32_t>(chunk.plain.size()));
    if (!packed.empty()) {
      chunk.plain.assign(packed.begin(), packed.end());
    }
    const std::uint64_t stored = chunk.plain.size() + draft.segment.layout().tag_bytes();
    chunk.header.plain_bytes =
        static_cast<std::uint32_t>(std::clamp<std::uint64_t>(claimed, stored + 1, plain_max));
  }
  return chunk;
}

/// Header, payload and padding, as they stand at `offset`.
Bytes encode_odd_chunk(const OddChunk& chunk, Draft& draft, std::uint64_t offset) {
  const std::uint64_t tag_bytes = draft.segment.layout().tag_bytes();
  wal::ChunkHeader header = chunk.header;
  header.payload_bytes = static_cast<std::uint32_t>(chunk.plain.size() + tag_bytes);
  Bytes bytes(wal::kChunkHeaderBytes + base::align_up(header.payload_bytes, wal::kAlignment));
  const base::MutableByteSpan all(bytes);
  const auto head = all.first(wal::kChunkHeaderBytes);
  const auto payload = all.subspan(wal::kChunkHeaderBytes);
  const std::uint64_t salt = draft.segment.header.salt;
  wal::encode_chunk_header(header, salt, offset, head);
  if (draft.sealer) {
    must_hold(wal::seal_payload(*draft.sealer, offset, head, chunk.plain,
                                payload.first(header.payload_bytes))
                  .has_value(),
              "a chunk is sealed");
  } else {
    std::ranges::copy(chunk.plain, payload.begin());
  }
  wal::finish_chunk_header(base::crc32c(payload), salt, offset, head);
  return bytes;
}

void append_odd_group(Input& input, Draft& draft, wal::ChunkCompressor& compressor) {
  draft.align();
  const std::uint64_t begin = draft.end();
  const Seq first_seq = draft.next_seq;
  std::vector<OddChunk> chunks;
  std::uint64_t body_bytes = 0;
  std::uint32_t record_count = 0;
  for (std::size_t left = input.pick(5); left > 0; --left) {
    chunks.push_back(odd_chunk(input, draft, compressor));
    const OddChunk& chunk = chunks.back();
    record_count += chunk.header.record_count;
    body_bytes +=
        wal::kChunkHeaderBytes +
        base::align_up(chunk.plain.size() + draft.segment.layout().tag_bytes(), wal::kAlignment);
  }
  const bool is_watermark = chunks.empty();
  const wal::GroupHeader header{
      .first_seq = odd(input, first_seq),
      .last_seq = odd(input, draft.next_seq - 1),
      .durable_offset = odd(input, begin),
      .record_count = odd(input, record_count),
      .body_bytes = odd(input, static_cast<std::uint32_t>(body_bytes)),
      .chunk_count = odd(input, static_cast<std::uint32_t>(chunks.size())),
      .flags = odd(input, is_watermark ? 2U : 0U)};
  Bytes head(draft.segment.layout().group_header_bytes());
  wal::encode_group_header(header, draft.segment.header.salt, begin, head);
  if (draft.sealer) {
    must_hold(wal::seal_header(*draft.sealer, begin, head).has_value(), "a header is sealed");
  }
  draft.append(head);
  for (const OddChunk& chunk : chunks) {
    draft.append(encode_odd_chunk(chunk, draft, draft.end()));
  }
}

void append_odd_footer(Input& input, Draft& draft) {
  draft.align();
  wal::SegmentIndex index;
  for (std::size_t left = input.pick(3); left > 0; --left) {
    index.runs.push_back({.first = odd(input, kFirstSeq), .last = odd(input, draft.next_seq - 1)});
  }
  for (std::size_t left = input.pick(3); left > 0; --left) {
    index.values.push_back({.seq = odd(input, kFirstSeq),
                            .offset = odd(input, wal::kSegmentHeaderBytes),
                            .value_bytes = odd(input, 100U)});
  }
  append_footer(draft,
                {.first_seq = odd(input, kFirstSeq),
                 .last_seq = odd(input, draft.next_seq - 1),
                 .next_segment_id = odd(input, kSegmentId + 1),
                 .clean = input.flag()},
                index);
}

/// A trailer alone, naming any footer; where the input says so at any offset.
void append_odd_trailer(Input& input, Draft& draft) {
  constexpr std::uint32_t kMagic = 0x4C545257;  // "WRTL"
  // Elsewhere nobody who has the key puts one: there it has any tag.
  const bool is_aligned = input.flag();
  if (is_aligned) {
    draft.align();
  }
  const std::uint64_t offset = draft.end();
  Bytes trailer(draft.segment.layout().trailer_bytes());
  base::store(trailer, 0, kMagic);
  base::store(trailer, 8, draft.segment.header.salt);
  base::store(trailer, 16, offset);
  base::store(trailer, 24, odd(input, offset));
  base::store(trailer, 32, odd(input, draft.next_seq - 1));
  base::store(trailer, 40, odd(input, kSegmentId + 1));
  base::store(trailer, 48, static_cast<std::uint32_t>(input.pick(2)));
  wal::finish_header(trailer);
  if (draft.sealer && offset % wal::kAlignment == 0) {
    must_hold(wal::seal_header(*draft.sealer, offset, trailer).has_value(), "a trailer is sealed");
  }
  draft.append(trailer);
}

void fit_copy_crc(base::MutableByteSpan copy) {
  base::store(copy, 8, base::crc32c(copy.subspan(12)));
}

}  // namespace

std::string text_of_record(const wal::RecordView& record) {
  Bytes bytes;
  wal::encode_record(record, bytes);
  return std::string(base::as_text(bytes));
}

MadeSegment make_segment(Input& input, Version version) {
  const bool rewritten = version == Version::kCompressed || input.flag();
  Draft draft = begin_segment(rewritten, version);
  wal::ChunkCompressor compressor;
  const bool compresses =
      version == Version::kCompressed || (version == Version::kEncrypted && rewritten);
  wal::GroupBuilder builder(compresses ? &compressor : nullptr, draft.segment.layout());
  wal::SegmentIndex index;
  for (std::size_t left = 1 + input.pick(5); left > 0; --left) {
    append_group(input, draft, builder, index);
  }
  MadeSegment& segment = draft.segment;
  segment.groups_end = draft.end();
  segment.sealed = rewritten || input.flag();
  if (segment.sealed) {
    append_footer(draft,
                  {.first_seq = segment.groups.front().seqs.front(),
                   .last_seq = segment.last_seq,
                   .next_segment_id = kSegmentId + 1,
                   .clean = input.flag()},
                  index);
  } else {
    segment.bytes.resize(segment.bytes.size() + input.pick(16) * 64);  // Preallocated.
  }
  return std::move(segment);
}

MadeSegment make_odd_segment(Input& input, Version version) {
  const bool rewritten = version == Version::kCompressed || input.flag();
  Draft draft = begin_segment(rewritten, version);
  wal::ChunkCompressor compressor;
  constexpr std::size_t kFramesMax = 12;
  for (std::size_t frames = 1 + input.pick(kFramesMax); frames > 0; --frames) {
    switch (input.pick(8)) {
      case 0:
        append_odd_footer(input, draft);
        break;
      case 1:
        append_odd_trailer(input, draft);
        break;
      case 2:
        draft.append(input.take(1 + input.pick(40)));
        break;
      case 3:
        draft.append(Bytes(8 * (1 + input.pick(32))));
        break;
      default:
        append_odd_group(input, draft, compressor);
        break;
    }
  }
  draft.segment.groups_end = draft.end();
  draft.segment.last_seq = draft.next_seq - 1;
  return std::move(draft.segment);
}

std::vector<std::uint64_t> SegmentPlaces::all() const {
  std::vector<std::uint64_t> offsets = {0, wal::kSegmentHeaderCopyBytes};
  offsets.insert(offsets.end(), groups.begin(), groups.end());
  for (const auto& [begin, end] : chunks) {
    offsets.push_back(begin);
    offsets.push_back(begin + wal::kChunkHeaderBytes);
  }
  if (footer) {
    offsets.push_back(*footer);
    offsets.push_back(*footer + wal::kFooterHeaderBytes);
  }
  if (trailer) {
    offsets.push_back(*trailer);
  }
  return offsets;
}

SegmentPlaces places_in(const MadeSegment& segment) {
  SegmentPlaces places;
  const wal::FrameLayout layout = segment.layout();
  const base::ByteSpan all(segment.bytes);
  const std::uint64_t salt = segment.header.salt;
  for (const MadeGroup& group : segment.groups) {
    places.groups.push_back(group.begin);
    for (std::uint64_t at = group.begin + layout.group_header_bytes(); at < group.end;) {
      const auto chunk = wal::decode_chunk_header(all.subspan(at), salt, at, layout);
      must_hold(chunk.has_value(), "a chunk stands where it was written");
      const std::uint64_t payload_bytes = chunk.value_or(wal::ChunkHeader{}).payload_bytes;
      const std::uint64_t end =
          at + wal::kChunkHeaderBytes + base::align_up(payload_bytes, wal::kAlignment);
      places.chunks[at] = end;
      at = end;
    }
  }
  if (segment.sealed) {
    places.footer = segment.groups_end;
    const auto footer =
        wal::decode_footer_header(all.subspan(*places.footer), salt, *places.footer, layout);
    must_hold(footer.has_value(), "a footer stands where it was written");
    places.footer_body_bytes = footer.value_or(wal::FooterHeader{}).body_bytes;
    places.trailer = all.size() - layout.trailer_bytes();
  }
  return places;
}

void fit_crcs(const SegmentPlaces& places, const MadeSegment& segment, Bytes& bytes) {
  if (bytes.size() < segment.bytes.size()) {
    return;
  }
  const wal::FrameLayout layout = segment.layout();
  const base::MutableByteSpan all(bytes);
  fit_copy_crc(all.first(wal::kSegmentHeaderCopyBytes));
  fit_copy_crc(all.subspan(wal::kSegmentHeaderCopyBytes, wal::kSegmentHeaderCopyBytes));
  for (const std::uint64_t group : places.groups) {
    wal::finish_header(all.subspan(group, layout.group_header_bytes()));
  }
  for (const auto& [begin, end] : places.chunks) {
    const auto payload =
        all.subspan(begin + wal::kChunkHeaderBytes, end - begin - wal::kChunkHeaderBytes);
    wal::finish_chunk_header(base::crc32c(payload), segment.header.salt, begin,
                             all.subspan(begin, wal::kChunkHeaderBytes));
  }
  if (places.footer && places.trailer) {
    const auto header = all.subspan(*places.footer, layout.footer_header_bytes());
    const auto body = all.subspan(*places.footer + header.size(), places.footer_body_bytes);
    base::store(header, wal::kFooterBodyCrcOffset, base::crc32c(body));
    wal::finish_header(header);
    if (layout.is_encrypted()) {
      fit_copy_crc(
          all.subspan(*places.footer + header.size() + body.size(), wal::kSegmentHeaderCopyBytes));
    }
    wal::finish_header(all.subspan(*places.trailer, layout.trailer_bytes()));
  }
}

}  // namespace pluresdb::fuzz
