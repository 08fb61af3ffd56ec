// The bytes of an encrypted base-store file: docs/formats/store.md, "Encryption".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/bytes.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/file_key.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

inline constexpr std::size_t kMagicBytes = 8;
/// Magic, version, kind: what the envelope of the file's key vouches for.
inline constexpr std::size_t kFixedHeaderBytes = 16;
inline constexpr std::size_t kFileHeaderBytes = kFixedHeaderBytes + crypto::kEnvelopeBytes + 4;
inline constexpr std::size_t kChunkHeaderBytes = 8;
/// Of plain bytes.
inline constexpr std::size_t kChunkPlainBytesMax = 16 << 10;
/// What a chunk is longer than its plain bytes.
inline constexpr std::size_t kChunkExtraBytes = kChunkHeaderBytes + crypto::kSealBytes;
inline constexpr std::size_t kFullChunkBytes = kChunkPlainBytesMax + kChunkExtraBytes;

enum class FileKind : std::uint32_t { kTable = 1, kManifest = 2, kLog = 3, kOther = 4 };
/// By name; of a path its last part counts.
FileKind kind_of(std::string_view path);

using FixedHeader = std::array<std::byte, kFixedHeaderBytes>;
using FileHeader = std::array<std::byte, kFileHeaderBytes>;
using ChunkHeader = std::array<std::byte, kChunkHeaderBytes>;

FixedHeader encode_fixed_header(FileKind kind);
FileHeader encode_file_header(const FixedHeader& fixed, const crypto::Envelope& envelope);
/// Whether this is the beginning of an encrypted file, of any version. At least kMagicBytes.
bool begins_sealed(base::ByteSpan start);
/// `start`: the first kFileHeaderBytes of the file, or all there are. `path`: says what kind it has
/// to be, and stands in the errors. nullopt: nothing, or a beginning of a header.
/// kCorruption, kUnsupportedVersion.
Result<std::optional<FileHeader>> decode_file_header(base::ByteSpan start, const std::string& path);
/// The parts of a decoded header.
base::ByteSpan fixed_part(const FileHeader& header);
base::ByteSpan envelope_part(const FileHeader& header);

ChunkHeader encode_chunk_header(std::size_t plain_bytes);
/// The number of plain bytes; 0 for a header of zeros, where a file ends that has more room.
/// kCorruption.
Result<std::size_t> decode_chunk_header(base::ByteSpan header);

/// The plain bytes of a table of `file_bytes`, header included: all chunks but the last are full.
/// kCorruption: no table has this size.
Result<std::uint64_t> table_plain_bytes(std::uint64_t file_bytes, const std::string& path);

}  // namespace pluresdb::store
