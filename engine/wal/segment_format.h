// Every byte of a segment file: sizes, headers, names. docs/formats/wal.md has the same as tables.
//
// A segment is header | frames | footer | trailer. A frame is a group (header and chunks); a chunk
// packs small records or holds one part of a large value. All numbers are little-endian, all frames
// 8-byte aligned, and every byte before the trailer's end is covered by some CRC-32C. Encrypted
// files: frame_seal.h.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/file_key.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

/// The newest version. A file has the oldest one that can say what is in it.
inline constexpr std::uint32_t kFormatVersion = 3;
inline constexpr std::uint32_t kPlainFormatVersion = 1;       ///< Without compressed chunks.
inline constexpr std::uint32_t kCompressedFormatVersion = 2;  ///< Rewritten with compression.
inline constexpr std::uint32_t kEncryptedFormatVersion = 3;
inline constexpr std::uint64_t kAlignment = 8;
inline constexpr std::uint64_t kSegmentHeaderCopyBytes = 2048;
inline constexpr std::uint64_t kSegmentHeaderBytes = 2 * kSegmentHeaderCopyBytes;
inline constexpr std::uint64_t kGroupHeaderBytes = 64;
inline constexpr std::uint64_t kChunkHeaderBytes = 32;
inline constexpr std::uint64_t kRecordHeaderBytes = 56;
inline constexpr std::uint64_t kFooterHeaderBytes = 64;
inline constexpr std::uint64_t kTrailerBytes = 64;
inline constexpr std::uint64_t kRecordChunkBytesMax = 64ULL << 10;
inline constexpr std::uint64_t kValueChunkBytesMax = 256ULL << 10;
/// A larger value never goes into a record chunk, whatever LogOptions::large_value_bytes says: one
/// record with the longest actor and id must fit a chunk.
inline constexpr std::uint64_t kInlineValueBytesMax = 32ULL << 10;
inline constexpr std::uint64_t kGroupBodyBytesMax = 1ULL << 30;
/// No record has a larger value, compressed or not.
inline constexpr std::uint64_t kValueBytesMax = kGroupBodyBytesMax / 2;
inline constexpr std::uint64_t kFooterBodyBytesMax = 1ULL << 30;
static_assert(kRecordHeaderBytes + kActorBytesMax + kDocumentIdBytesMax + kInlineValueBytesMax +
                  kAlignment <=
              kRecordChunkBytesMax);

/// Sizes that are greater in encrypted files, where tags follow headers and payloads.
class FrameLayout {
 public:
  constexpr explicit FrameLayout(bool is_encrypted = false) : is_encrypted_(is_encrypted) {}
  [[nodiscard]] constexpr bool is_encrypted() const { return is_encrypted_; }
  [[nodiscard]] constexpr std::uint64_t tag_bytes() const {
    return is_encrypted_ ? crypto::kSealBytes : 0;
  }
  [[nodiscard]] constexpr std::uint64_t group_header_bytes() const {
    return kGroupHeaderBytes + tag_bytes();
  }
  [[nodiscard]] constexpr std::uint64_t footer_header_bytes() const {
    return kFooterHeaderBytes + tag_bytes();
  }
  [[nodiscard]] constexpr std::uint64_t trailer_bytes() const {
    return kTrailerBytes + tag_bytes();
  }
  /// Of the segment header, between footer body and trailer: without it nobody has the key.
  [[nodiscard]] constexpr std::uint64_t third_copy_bytes() const {
    return is_encrypted_ ? kSegmentHeaderCopyBytes : 0;
  }

 private:
  bool is_encrypted_;
};
static_assert(crypto::kSealBytes % kAlignment == 0);

/// Where the log continued from: what lies beyond valid_bytes in the predecessor is void for ever.
/// Of a rewritten segment: the newest appended one whose records it has, its end not stated.
struct Predecessor {
  std::uint64_t id = 0;  ///< 0: none.
  std::uint64_t valid_bytes = 0;
  Seq last_seq = 0;
  std::uint64_t salt = 0;  ///< Format version 3 only. 0: not stated, its header was damaged.
  friend bool operator==(const Predecessor&, const Predecessor&) = default;
};

struct SegmentHeader {
  std::uint64_t id = 0;
  std::uint64_t salt = 0;  ///< Random; every frame repeats it.
  Seq first_seq = 0;       ///< No record below; predecessor.last_seq+1 .. first_seq-1 was not used.
  Predecessor predecessor{};
  Hlc hlc_floor = 0;
  std::array<std::byte, 16> store_uuid{};
  SeqRange covers{};       ///< Rewritten segments: replaces all older files of this range.
  bool rewritten = false;  ///< Seqs inside need not be dense.
  /// Rewritten with compression, whether or not any chunk became smaller: format version 2.
  bool compressed = false;
  std::uint64_t capacity_bytes = 0;  ///< Groups and footer never reach beyond this offset.
  std::optional<crypto::Envelope> envelope{};  ///< Encrypted: format version 3.
  friend bool operator==(const SegmentHeader&, const SegmentHeader&) = default;
};

struct SegmentHeaderRead {
  std::optional<SegmentHeader> header;  ///< From the first undamaged copy.
  bool copy_damaged = false;            ///< At least one copy is.
  std::uint32_t version = 0;            ///< Of that copy.
  std::uint32_t newer_version = 0;      ///< Not 0: a valid header of a version we do not know.
};

/// `out`: kSegmentHeaderBytes.
void encode_segment_header(const SegmentHeader& header, base::MutableByteSpan out);
/// `bytes`: the first kSegmentHeaderBytes of the file; fewer means damaged copies.
SegmentHeaderRead decode_segment_header(base::ByteSpan bytes);

struct HeaderCopyRead {
  std::optional<SegmentHeader> header;
  std::uint32_t version = 0;  ///< Without a header not 0: a valid copy of a version we do not know.
};
/// `copy`: kSegmentHeaderCopyBytes, or it is damaged.
HeaderCopyRead decode_header_copy(base::ByteSpan copy);
inline constexpr std::size_t kEnvelopeOffset = 128;
/// What the envelope in `copy` is bound to: everything before it, the CRC as zero.
std::array<std::byte, kEnvelopeOffset> part_bound_to_envelope(base::ByteSpan copy);

enum GroupFlags : std::uint32_t {
  kGroupSynced = 0,
  kGroupUnsynced = 1,   ///< Its writers did not wait for a sync.
  kGroupWatermark = 2,  ///< No records: written only to carry durable_offset.
};

struct GroupHeader {
  Seq first_seq = 0;
  Seq last_seq = 0;
  std::uint64_t durable_offset = 0;  ///< Everything before it was synced when this was written.
  std::uint32_t record_count = 0;
  std::uint32_t body_bytes = 0;
  std::uint32_t chunk_count = 0;
  std::uint32_t flags = 0;
  friend bool operator==(const GroupHeader&, const GroupHeader&) = default;
};

/// `salt`, `offset`: of the segment and of this header in it; both are stored and checked. `out`:
/// as the layout says; a tag is left for seal_header.
void encode_group_header(const GroupHeader& header, std::uint64_t salt, std::uint64_t offset,
                         base::MutableByteSpan out);
std::optional<GroupHeader> decode_group_header(base::ByteSpan bytes, std::uint64_t salt,
                                               std::uint64_t offset,
                                               FrameLayout layout = FrameLayout());
/// Of a group header, footer header or trailer, its tag included: sets the CRC.
void finish_header(base::MutableByteSpan header);

enum class ChunkKind : std::uint16_t { kRecords = 1, kValue = 2 };

struct ChunkHeader {
  ChunkKind kind = ChunkKind::kRecords;
  std::uint16_t record_count = 0;
  std::uint32_t payload_bytes = 0;  ///< As stored, tag included, without padding.
  std::uint32_t payload_crc = 0;    ///< Over payload and padding, as stored.
  std::uint32_t value_part = 0;     ///< Which part of the value, from 0.
  std::uint32_t plain_bytes = 0;    ///< Not 0: compressed, and more than payload_bytes.
  Seq first_seq = 0;                ///< Of the first record, or of the value's record.
  friend bool operator==(const ChunkHeader&, const ChunkHeader&) = default;
};

void encode_chunk_header(const ChunkHeader& header, std::uint64_t salt, std::uint64_t offset,
                         base::MutableByteSpan out);
std::optional<ChunkHeader> decode_chunk_header(base::ByteSpan bytes, std::uint64_t salt,
                                               std::uint64_t offset,
                                               FrameLayout layout = FrameLayout());
/// `header` was made before its payload was sealed: sets the CRCs of payload and header.
void finish_chunk_header(std::uint32_t payload_crc, std::uint64_t salt, std::uint64_t offset,
                         base::MutableByteSpan header);

/// Bytes of `record` in a record chunk, padding included.
std::uint64_t encoded_record_bytes(const RecordView& record);
/// Bytes of all chunks of a large value, headers and padding included, when none is compressed.
std::uint64_t encoded_value_bytes(std::uint64_t value_bytes, FrameLayout layout = FrameLayout());
/// Appends `record`; its value only when it is not value_in_log.
void encode_record(const RecordView& record, std::vector<std::byte>& out);
/// Reads the record at `offset` of a chunk's payload and moves `offset` behind it; the views point
/// into `payload`. False when the bytes are no record.
bool decode_record(base::ByteSpan payload, std::size_t& offset, RecordView& record);

/// Where a large value is.
struct ValueLocation {
  Seq seq = 0;
  std::uint64_t offset = 0;  ///< Of its first chunk's header.
  std::uint32_t value_bytes = 0;
  std::uint32_t value_crc = 0;
  friend bool operator==(const ValueLocation&, const ValueLocation&) = default;
};

/// Start of a group, about one per 64 KiB.
struct GroupLocation {
  Seq first_seq = 0;
  std::uint64_t offset = 0;
  friend bool operator==(const GroupLocation&, const GroupLocation&) = default;
};

/// Appends `location` when it lies a step behind the last one in `groups`.
void add_group_location(std::vector<GroupLocation>& groups, GroupLocation location);

/// What the footer says about the segment.
struct SegmentIndex {
  std::vector<SeqRange> runs;  ///< Every seq in the segment, as closed ranges, ascending.
  std::vector<ValueLocation> values;
  std::vector<GroupLocation> groups;
  friend bool operator==(const SegmentIndex&, const SegmentIndex&) = default;

  void add_seq(Seq seq) { add_run({.first = seq, .last = seq}); }
  void add_run(SeqRange run);
  /// With footer header and trailer.
  [[nodiscard]] std::uint64_t encoded_bytes(FrameLayout layout = FrameLayout()) const;
};

struct FooterHeader {
  Seq first_seq = 0;
  Seq last_seq = 0;
  std::uint64_t next_segment_id = 0;  ///< Greater than every id ever given out.
  std::uint32_t body_bytes = 0;
  std::uint32_t body_crc = 0;
  bool clean = false;  ///< Written by close().
  friend bool operator==(const FooterHeader&, const FooterHeader&) = default;
};

/// Of an encrypted file's footer.
struct FooterSeal {
  crypto::ChunkSealer& sealer;
  base::ByteSpan third_copy;  ///< Of the segment header.
};
/// Footer and trailer, as written at `offset` = the end of the last group.
std::vector<std::byte> encode_footer(FooterHeader header, const SegmentIndex& index,
                                     std::uint64_t salt, std::uint64_t offset);
Result<std::vector<std::byte>> encode_sealed_footer(FooterHeader header, const SegmentIndex& index,
                                                    std::uint64_t salt, std::uint64_t offset,
                                                    const FooterSeal& seal);
std::optional<FooterHeader> decode_footer_header(base::ByteSpan bytes, std::uint64_t salt,
                                                 std::uint64_t offset,
                                                 FrameLayout layout = FrameLayout());
/// `body`: header.body_bytes behind the footer header.
bool is_footer_body(const FooterHeader& header, base::ByteSpan body);
/// Of the plain body.
std::optional<SegmentIndex> decode_footer_index(base::ByteSpan body);
/// Both, of a file that is not encrypted.
std::optional<SegmentIndex> decode_footer_body(const FooterHeader& header, base::ByteSpan body);
/// An encrypted body is sealed in pieces of this size, and one that may be smaller.
inline constexpr std::uint64_t kFooterPieceBytes = 256ULL << 10;

struct Trailer {
  std::uint64_t footer_offset = 0;
  Seq last_seq = 0;
  bool clean = false;
  std::uint64_t next_segment_id = 0;
  friend bool operator==(const Trailer&, const Trailer&) = default;
};
/// `bytes`: the last of a sealed file, as many as the layout says.
std::optional<Trailer> decode_trailer(base::ByteSpan bytes, std::uint64_t salt,
                                      std::uint64_t offset, FrameLayout layout = FrameLayout());

/// First four bytes of the frames, for resynchronising behind damage.
inline constexpr std::uint32_t kGroupMagic = 0x50524757;   // "WGRP"
inline constexpr std::uint32_t kFooterMagic = 0x544F4657;  // "WFOT"
inline constexpr std::uint32_t kChunkMagic = 0x4B484357;   // "WCHK"

std::string segment_name(std::uint64_t id);  ///< "000000000000002a.wal"
std::string spare_name(std::uint64_t id);    ///< "spare-000000000000002a.tmp"
std::string rewrite_name(std::uint64_t id);  ///< "rewrite-000000000000002a.tmp"
enum class FileClass { kSegment, kTemporary, kForeign };
struct ParsedName {
  FileClass file_class = FileClass::kForeign;
  std::uint64_t id = 0;
};
ParsedName parse_name(std::string_view name);

}  // namespace pluresdb::wal
