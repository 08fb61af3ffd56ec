#include "engine/store/sealed_format.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/crypto/file_key.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

constexpr std::string_view kMagic = "PDBSEALF";
constexpr std::uint32_t kFormatVersion = 1;
constexpr std::size_t kVersionOffset = 8;
constexpr std::size_t kKindOffset = 12;
constexpr std::size_t kEnvelopeOffset = kFixedHeaderBytes;
constexpr std::size_t kCrcOffset = kEnvelopeOffset + crypto::kEnvelopeBytes;
constexpr std::size_t kChunkCrcOffset = 4;
static_assert(kMagic.size() == kMagicBytes);
static_assert(kCrcOffset + sizeof(std::uint32_t) == kFileHeaderBytes);
static_assert(kChunkCrcOffset + sizeof(std::uint32_t) == kChunkHeaderBytes);

std::uint32_t crc_of_header(base::ByteSpan header) {
  return base::crc32c(header.first(kCrcOffset));
}

}  // namespace

FileKind kind_of(std::string_view path) {
  const std::string name = io::base_name(path);
  if (name.ends_with(".sst")) {
    return FileKind::kTable;
  }
  if (name.starts_with("MANIFEST-")) {
    return FileKind::kManifest;
  }
  return name.ends_with(".log") ? FileKind::kLog : FileKind::kOther;
}

FixedHeader encode_fixed_header(FileKind kind) {
  FixedHeader fixed{};
  std::ranges::copy(base::as_bytes(kMagic), fixed.begin());
  base::store(fixed, kVersionOffset, kFormatVersion);
  base::store(fixed, kKindOffset, std::to_underlying(kind));
  return fixed;
}

FileHeader encode_file_header(const FixedHeader& fixed, const crypto::Envelope& envelope) {
  FileHeader header{};
  base::store(header, 0, fixed);
  base::store(header, kEnvelopeOffset, envelope);
  base::store(header, kCrcOffset, crc_of_header(header));
  return header;
}

bool begins_sealed(base::ByteSpan start) {
  return base::as_text(start.first(kMagicBytes)) == kMagic;
}

Result<std::optional<FileHeader>> decode_file_header(base::ByteSpan start,
                                                     const std::string& path) {
  if (!kMagic.starts_with(base::as_text(start.first(std::min(start.size(), kMagicBytes))))) {
    return fail(ErrorCode::kCorruption, path + " is not encrypted, as its base store is");
  }
  if (start.size() < kFileHeaderBytes) {
    return std::nullopt;
  }
  FileHeader header{};
  std::ranges::copy(start.first(kFileHeaderBytes), header.begin());
  if (base::load<std::uint32_t>(header, kCrcOffset) != crc_of_header(header)) {
    return fail(ErrorCode::kCorruption, "the header of " + path + " is damaged");
  }
  const auto version = base::load<std::uint32_t>(header, kVersionOffset);
  if (version != kFormatVersion) {
    return fail(
        ErrorCode::kUnsupportedVersion,
        fmt::format("{} has version {} of encrypted base-store files; this program knows {}", path,
                    version, kFormatVersion));
  }
  if (base::load<std::uint32_t>(header, kKindOffset) != std::to_underlying(kind_of(path))) {
    return fail(ErrorCode::kCorruption, path + " was written as another kind of file");
  }
  return header;
}

base::ByteSpan fixed_part(const FileHeader& header) {
  return base::ByteSpan(header).first(kFixedHeaderBytes);
}

base::ByteSpan envelope_part(const FileHeader& header) {
  return base::ByteSpan(header).subspan(kEnvelopeOffset, crypto::kEnvelopeBytes);
}

ChunkHeader encode_chunk_header(std::size_t plain_bytes) {
  DB_CHECK(plain_bytes > 0 && plain_bytes <= kChunkPlainBytesMax);
  ChunkHeader header{};
  base::store(header, 0, static_cast<std::uint32_t>(plain_bytes));
  base::store(header, kChunkCrcOffset, base::crc32c(base::ByteSpan(header).first(kChunkCrcOffset)));
  return header;
}

Result<std::size_t> decode_chunk_header(base::ByteSpan header) {
  const auto plain_bytes = base::load<std::uint32_t>(header, 0);
  const auto crc = base::load<std::uint32_t>(header, kChunkCrcOffset);
  if (plain_bytes == 0 && crc == 0) {
    return 0;
  }
  if (crc != base::crc32c(header.first(kChunkCrcOffset)) || plain_bytes == 0 ||
      plain_bytes > kChunkPlainBytesMax) {
    return fail(ErrorCode::kCorruption,
                fmt::format("the header of a chunk is damaged (length {})", plain_bytes));
  }
  return plain_bytes;
}

Result<std::uint64_t> table_plain_bytes(std::uint64_t file_bytes, const std::string& path) {
  if (file_bytes < kFileHeaderBytes) {
    return 0;  // Nothing, or a beginning of a header.
  }
  const std::uint64_t chunks_bytes = file_bytes - kFileHeaderBytes;
  const std::uint64_t full_chunks = chunks_bytes / kFullChunkBytes;
  const std::uint64_t rest_bytes = chunks_bytes % kFullChunkBytes;
  if (rest_bytes != 0 && rest_bytes <= kChunkExtraBytes) {
    return fail(ErrorCode::kCorruption, path + " is cut off in a chunk");
  }
  return full_chunks * kChunkPlainBytesMax + (rest_bytes == 0 ? 0 : rest_bytes - kChunkExtraBytes);
}

}  // namespace pluresdb::store
