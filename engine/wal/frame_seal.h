// Encryption of frames (format version 3): tags over headers, sealed payloads. Everything is sealed
// for its place, offset / 8, so that it opens nowhere else. docs/formats/wal.md "Encryption".
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/base/bytes.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// What it takes to read the frames of a file.
struct SegmentAccess {
  std::uint64_t salt = 0;
  std::shared_ptr<const crypto::ChunkOpener> opener{};  ///< Null: not encrypted. Shared by readers.
  [[nodiscard]] FrameLayout layout() const { return FrameLayout(opener != nullptr); }
};

inline constexpr std::size_t kFooterBodyCrcOffset = 52;

/// `header`: group header, footer header or trailer, encoded, with room for its tag; gets the tag
/// and the CRC.
Status seal_header(crypto::ChunkSealer& sealer, std::uint64_t offset, base::MutableByteSpan header);
/// Whether the tag of such a header, whose CRC is right, is right too.
Result<bool> is_authentic(const crypto::ChunkOpener& opener, std::uint64_t offset,
                          base::ByteSpan header);

/// `header`: of the chunk at `offset`, encoded. `payload`: a tag longer than `plain`.
Status seal_payload(crypto::ChunkSealer& sealer, std::uint64_t offset, base::ByteSpan header,
                    base::ByteSpan plain, base::MutableByteSpan payload);
/// False: not what was sealed there, under this header. `plain`: a tag shorter than `payload`.
Result<bool> open_payload(const crypto::ChunkOpener& opener, std::uint64_t offset,
                          base::ByteSpan header, base::ByteSpan payload,
                          base::MutableByteSpan plain);

/// `header`: of the footer at `offset`, encoded, with room for its tag. `body`: longer than `plain`
/// by a tag for each piece.
Status seal_footer_body(crypto::ChunkSealer& sealer, std::uint64_t offset, base::ByteSpan header,
                        base::ByteSpan plain, base::MutableByteSpan body);
/// Decrypts `body` in place and returns the plain bytes, or none where open_payload gives false.
Result<base::ByteSpan> open_footer_body(const crypto::ChunkOpener& opener, std::uint64_t offset,
                                        base::ByteSpan header, base::MutableByteSpan body);

}  // namespace pluresdb::wal
