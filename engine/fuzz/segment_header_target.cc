// Goal: a segment header is read as it was written or not at all, from memory and from a file, with
// keys and without. Method: headers of any fields, then changes with and without a fitting CRC.
// docs/formats/wal.md "Segment header".
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/crypto/file_key.h"
#include "engine/fuzz/driver/target.h"
#include "engine/fuzz/fixed_random.h"
#include "engine/fuzz/memory_files.h"
#include "engine/fuzz/support.h"
#include "engine/fuzz/targets.h"
#include "engine/wal/segment_access.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::fuzz {
namespace {

constexpr std::size_t kCrcAt = 8;
constexpr std::size_t kCrcFrom = 12;

wal::SegmentHeader header_of_input(Input& input) {
  wal::SegmentHeader header;
  header.id = 1 + input.number();
  header.salt = input.number();
  header.first_seq = input.number();
  header.predecessor = {
      .id = input.number(), .valid_bytes = input.number(), .last_seq = input.number()};
  header.hlc_floor = input.number();
  header.store_uuid.fill(input.read<std::byte>());
  header.covers = {.first = input.number(), .last = input.number()};
  header.capacity_bytes = input.number();
  header.rewritten = input.flag();
  header.compressed = header.rewritten && input.flag();
  return header;
}

/// Seals a key for it, as a writer does.
void encrypt_header(wal::SegmentHeader& header, Bytes& bytes) {
  header.envelope = crypto::Envelope{};  // Says that it is encrypted.
  wal::encode_segment_header(header, bytes);
  const auto key = must_give(
      crypto::seal_file_key(fixed_keys(), wal::part_bound_to_envelope(base::ByteSpan(bytes).first(
                                              wal::kSegmentHeaderCopyBytes))),
      "a key of the file");
  header.envelope = key.envelope;
}

void fit_crc(Bytes& bytes, std::size_t copy) {
  const auto part = base::MutableByteSpan(bytes).subspan(copy * wal::kSegmentHeaderCopyBytes,
                                                         wal::kSegmentHeaderCopyBytes);
  base::store(part, kCrcAt, base::crc32c(part.subspan(kCrcFrom)));
}

/// A decoded header, encoded and decoded again, is the same.
void check_decoding(const Bytes& bytes) {
  const auto read = wal::decode_segment_header(bytes);
  if (!read.header) {
    return;
  }
  must_hold(read.version >= 1 && read.version <= wal::kFormatVersion, "a known version");
  must_hold(read.header->envelope.has_value() == (read.version == wal::kEncryptedFormatVersion),
            "encrypted headers have a version of their own");
  if (read.header->compressed && !read.header->rewritten) {
    return;  // No writer makes that.
  }
  Bytes again(wal::kSegmentHeaderBytes);
  wal::encode_segment_header(*read.header, again);
  const auto same = wal::decode_segment_header(again);
  must_hold(same.header == read.header && !same.copy_damaged, "a header survives its encoding");
}

bool is_of_encrypted_file(const std::optional<wal::SegmentHeader>& header) {
  return header.has_value() && header->envelope.has_value();
}

/// `genuine`: what was sealed, when the file is an encrypted one.
void check_opening(const Bytes& bytes, std::uint64_t id,
                   const std::optional<wal::SegmentHeader>& genuine) {
  const auto file = MemoryFiles::open_bytes(bytes);
  const auto plain = wal::open_header(*file, id, "segment", nullptr);
  must_hold(plain || plain.error().code == ErrorCode::kUnsupportedVersion ||
                plain.error().code == ErrorCode::kKeyUnavailable,
            "without keys a header opens, is too new, or needs them");
  must_hold(!plain || !is_of_encrypted_file(plain->header), "without keys no encrypted file opens");
  const auto sealed = wal::open_header(*file, id, "segment", &fixed_keys());
  must_hold(sealed || sealed.error().code == ErrorCode::kUnsupportedVersion ||
                sealed.error().code == ErrorCode::kKeyUnavailable ||
                sealed.error().code == ErrorCode::kCorruption,
            "with keys a header opens, is too new, or is not proven");
  must_hold(!sealed || !sealed->header || (genuine && sealed->header == genuine),
            "with keys a header opens only as it was sealed");
  must_hold(!sealed || !sealed->header || sealed->access.opener != nullptr,
            "with keys a header has a key");
}

void run_segment_header(fuzzing::ByteSpan data) {
  restart_random(3);
  Input input(data);
  const bool is_encrypted = input.flag();
  const std::size_t repaired = input.pick(4);  // Bits: which copies get a fitting CRC.
  const std::uint64_t renamed = input.flag() ? 1 : 0;
  wal::SegmentHeader header = header_of_input(input);
  Bytes bytes(wal::kSegmentHeaderBytes);
  if (is_encrypted) {
    encrypt_header(header, bytes);
  }
  wal::encode_segment_header(header, bytes);
  const auto clean = wal::decode_segment_header(bytes);
  must_hold(clean.header == header && !clean.copy_damaged, "a header is decoded as it was encoded");
  // Fields of both copies, and the envelopes.
  constexpr std::array<std::uint64_t, 6> kPlaces = {0, 64, 112, 2048, 2112, 2160};
  while (!input.empty()) {
    change(input, kPlaces, bytes);
  }
  for (std::size_t copy = 0; copy < 2; ++copy) {
    if ((repaired >> copy & 1U) != 0 && bytes.size() >= wal::kSegmentHeaderBytes) {
      fit_crc(bytes, copy);
    }
  }
  check_decoding(bytes);
  check_opening(bytes, header.id + renamed, is_encrypted ? std::optional(header) : std::nullopt);
}

std::vector<Seed> segment_header_seeds() {
  const auto fields = [](int encrypted, int repaired) {
    return SeedBytes()
        .add_each({encrypted, repaired, 0})
        .add_each({6, 77, 10, 5, 200, 9, 3, 7, 1, 9, 100, 1, 1});
  };
  return {
      {.name = "seed-plain", .bytes = fields(0, 0).bytes()},
      {.name = "seed-encrypted", .bytes = fields(1, 0).bytes()},
      {.name = "seed-newer-version",
       .bytes = fields(0, 3).add_each({5, 0, 12, 0, 9, 5, 3, 12, 0, 9}).bytes()},
      {.name = "seed-forged-seq", .bytes = fields(1, 1).add_each({5, 0, 32, 0, 99}).bytes()},
      {.name = "seed-one-copy", .bytes = fields(1, 0).add_each({2, 0, 0, 31}).bytes()},
      {.name = "seed-short", .bytes = fields(0, 0).add_each({0, 3, 10, 0}).bytes()},
  };
}

}  // namespace

fuzzing::Target segment_header_target() {
  return {.name = "segment_header",
          .run = run_segment_header,
          .seeds = segment_header_seeds,
          .mutations = 8000};
}

}  // namespace pluresdb::fuzz
