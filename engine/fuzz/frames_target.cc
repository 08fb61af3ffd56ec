// Goal: each structure of a segment, alone, is decoded within its bytes and as it was encoded.
// Method: any bytes, with and without the CRC that fits them. docs/formats/wal.md.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/fuzz/driver/target.h"
#include "engine/fuzz/support.h"
#include "engine/fuzz/targets.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>

namespace pluresdb::fuzz {
namespace {

constexpr std::uint64_t kSalt = 0x1122334455667788;
constexpr std::uint64_t kOffset = 4096;

bool lies_in(std::string_view part, base::ByteSpan whole) {
  const std::string_view text = base::as_text(whole);
  return part.empty() ||
         (part.data() >= text.data() && part.data() + part.size() <= text.data() + text.size());
}

bool same_record(const wal::RecordView& left, const wal::RecordView& right) {
  return left.seq == right.seq && left.timestamp_us == right.timestamp_us &&
         left.hlc == right.hlc && left.actor_seq == right.actor_seq && left.type == right.type &&
         left.actor == right.actor && left.id == right.id && left.value == right.value &&
         left.argument == right.argument && left.value_in_log == right.value_in_log &&
         left.value_bytes == right.value_bytes && left.value_crc == right.value_crc;
}

/// All records of a payload, from its beginning; each is encoded again.
void check_records(const Bytes& payload) {
  std::size_t at = 0;
  wal::RecordView record;
  while (true) {
    const std::size_t begin = at;
    if (!wal::decode_record(payload, at, record)) {
      must_hold(at == begin, "what is no record is not stepped over");
      return;
    }
    must_hold(at >= begin + wal::kRecordHeaderBytes && at <= payload.size(),
              "a record lies in its payload");
    must_hold(at % wal::kAlignment == begin % wal::kAlignment, "records are aligned");
    must_hold(lies_in(record.actor, payload) && lies_in(record.id, payload) &&
                  lies_in(record.value, payload),
              "what a record names lies in the payload");
    must_hold(record.seq != 0 && record.value_bytes <= wal::kValueBytesMax, "fields are in bounds");
    if (record.actor.size() > kActorBytesMax || record.id.size() > kDocumentIdBytesMax) {
      continue;  // No writer makes that.
    }
    Bytes again;
    wal::encode_record(record, again);
    must_hold(again.size() == at - begin && wal::encoded_record_bytes(record) == again.size(),
              "a record has one length");
    std::size_t end = 0;
    wal::RecordView same;
    must_hold(
        wal::decode_record(again, end, same) && end == again.size() && same_record(record, same),
        "a record survives its encoding");
  }
}

void check_chunk_header(Bytes bytes, bool fits, wal::FrameLayout layout) {
  bytes.resize(wal::kChunkHeaderBytes);
  if (fits) {
    base::store(bytes, 0, wal::kChunkMagic);
    wal::finish_chunk_header(base::load<std::uint32_t>(bytes, 16), kSalt, kOffset, bytes);
  }
  const auto chunk = wal::decode_chunk_header(bytes, kSalt, kOffset, layout);
  if (!chunk) {
    return;
  }
  const std::uint64_t bytes_max = chunk->kind == wal::ChunkKind::kRecords
                                      ? wal::kRecordChunkBytesMax
                                      : wal::kValueChunkBytesMax;
  must_hold(chunk->payload_bytes > layout.tag_bytes() &&
                chunk->payload_bytes <= bytes_max + layout.tag_bytes() &&
                chunk->plain_bytes <= bytes_max,
            "what a chunk makes a reader allocate is bounded");
  must_hold(!wal::decode_chunk_header(bytes, kSalt, kOffset + 8, layout) &&
                !wal::decode_chunk_header(bytes, kSalt + 1, kOffset, layout),
            "a chunk is one at its place only");
  if (chunk->value_part > wal::kValueBytesMax / wal::kValueChunkBytesMax) {
    return;
  }
  Bytes again(wal::kChunkHeaderBytes);
  wal::encode_chunk_header(*chunk, kSalt, kOffset, again);
  must_hold(wal::decode_chunk_header(again, kSalt, kOffset, layout) == chunk,
            "a chunk header survives its encoding");
}

void check_group_header(Bytes bytes, bool fits, wal::FrameLayout layout) {
  bytes.resize(layout.group_header_bytes());
  if (fits) {
    base::store(bytes, 0, wal::kGroupMagic);
    base::store(bytes, 8, kSalt);
    base::store(bytes, 16, kOffset);
    wal::finish_header(bytes);
  }
  const auto group = wal::decode_group_header(bytes, kSalt, kOffset, layout);
  if (!group) {
    return;
  }
  must_hold(group->body_bytes <= wal::kGroupBodyBytesMax && group->durable_offset <= kOffset,
            "fields of a group are in bounds");
  Bytes again(layout.group_header_bytes());
  wal::encode_group_header(*group, kSalt, kOffset, again);
  must_hold(wal::decode_group_header(again, kSalt, kOffset, layout) == group,
            "a group header survives its encoding");
}

void check_trailer(Bytes bytes, bool fits, wal::FrameLayout layout) {
  constexpr std::uint32_t kMagic = 0x4C545257;  // "WRTL"
  bytes.resize(layout.trailer_bytes());
  if (fits) {
    base::store(bytes, 0, kMagic);
    base::store(bytes, 8, kSalt);
    base::store(bytes, 16, kOffset);
    wal::finish_header(bytes);
  }
  const auto trailer = wal::decode_trailer(bytes, kSalt, kOffset, layout);
  must_hold(!trailer || (trailer->footer_offset >= wal::kSegmentHeaderBytes &&
                         trailer->footer_offset <= kOffset),
            "a footer lies between header and trailer");
}

void check_footer(const Bytes& body) {
  const auto index = wal::decode_footer_index(body);
  if (!index) {
    return;
  }
  must_hold(index->encoded_bytes() == wal::kFooterHeaderBytes + body.size() + wal::kTrailerBytes,
            "an index is as long as its entries");
  const Bytes file = wal::encode_footer({.first_seq = 1, .last_seq = 9}, *index, kSalt, kOffset);
  const base::ByteSpan all(file);
  const auto header = wal::decode_footer_header(all, kSalt, kOffset);
  must_hold(header && header->body_bytes == body.size(), "a footer is found where it was written");
  must_hold(header && wal::decode_footer_body(
                          *header, all.subspan(wal::kFooterHeaderBytes, body.size())) == index,
            "an index survives its encoding");
  const auto trailer = wal::decode_trailer(all.last(wal::kTrailerBytes), kSalt,
                                           kOffset + file.size() - wal::kTrailerBytes);
  must_hold(trailer && trailer->footer_offset == kOffset && trailer->last_seq == 9,
            "a trailer names its footer");
}

void run_frames(fuzzing::ByteSpan data) {
  Input input(data);
  const std::size_t structure = input.pick(5);
  const bool fits = input.flag();
  const wal::FrameLayout layout(input.flag());
  const auto rest = input.rest();
  const Bytes bytes(rest.begin(), rest.end());
  switch (structure) {
    case 0:
      check_records(bytes);
      break;
    case 1:
      check_chunk_header(bytes, fits, layout);
      break;
    case 2:
      check_group_header(bytes, fits, layout);
      break;
    case 3:
      check_trailer(bytes, fits, layout);
      break;
    default:
      check_footer(bytes);
      break;
  }
}

Bytes frame_seed(int structure, int layout, const Bytes& bytes) {
  Bytes seed = SeedBytes().add_each({structure, 1, layout}).bytes();
  base::append_bytes(seed, bytes);
  return seed;
}

std::vector<Seed> frames_seeds() {
  Bytes records;
  wal::RecordView record;
  record.seq = 5;
  record.hlc = 6;
  record.actor_seq = 7;
  record.actor = "agent";
  record.id = "id";
  record.value = R"({"a":1})";
  record.value_bytes = record.value.size();
  wal::encode_record(record, records);
  record.seq = 6;
  record.id = "large";
  record.value = {};
  record.value_in_log = true;
  record.value_bytes = 1U << 20;
  wal::encode_record(record, records);
  Bytes chunk(wal::kChunkHeaderBytes);
  wal::encode_chunk_header({.record_count = 2, .payload_bytes = 160, .first_seq = 5}, kSalt,
                           kOffset, chunk);
  Bytes packed(wal::kChunkHeaderBytes);
  wal::encode_chunk_header({.kind = wal::ChunkKind::kValue,
                            .payload_bytes = 100,
                            .value_part = 1,
                            .plain_bytes = 1000,
                            .first_seq = 5},
                           kSalt, kOffset, packed);
  Bytes group(wal::FrameLayout(true).group_header_bytes());
  wal::encode_group_header({.first_seq = 5,
                            .last_seq = 6,
                            .durable_offset = kOffset,
                            .record_count = 2,
                            .body_bytes = 192,
                            .chunk_count = 1},
                           kSalt, kOffset, group);
  const wal::SegmentIndex index{.runs = {{.first = 1, .last = 9}},
                                .values = {{.seq = 6, .offset = 5000, .value_bytes = 70000}},
                                .groups = {{.first_seq = 1, .offset = 4096}}};
  const Bytes footer = wal::encode_footer({.first_seq = 1, .last_seq = 9}, index, kSalt, kOffset);
  const auto body_end = footer.end() - static_cast<std::ptrdiff_t>(wal::kTrailerBytes);
  const Bytes body(footer.begin() + static_cast<std::ptrdiff_t>(wal::kFooterHeaderBytes), body_end);
  const Bytes trailer(body_end, footer.end());
  return {
      {.name = "seed-records", .bytes = frame_seed(0, 0, records)},
      {.name = "seed-chunk", .bytes = frame_seed(1, 0, chunk)},
      {.name = "seed-packed-chunk", .bytes = frame_seed(1, 1, packed)},
      {.name = "seed-group", .bytes = frame_seed(2, 1, group)},
      {.name = "seed-trailer", .bytes = frame_seed(3, 0, trailer)},
      {.name = "seed-index", .bytes = frame_seed(4, 0, body)},
  };
}

}  // namespace

fuzzing::Target frames_target() {
  return {.name = "frames", .run = run_frames, .seeds = frames_seeds, .mutations = 20000};
}

}  // namespace pluresdb::fuzz
