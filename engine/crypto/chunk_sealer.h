// The chunks of one file: sealed in order by the one writer that the file ever has, opened in any
// order by everybody. docs/formats/keyring.md, "Sealed chunk".
//
// The nonce is the chunk's position. It is never stored, so a chunk opens only where it was sealed;
// and no pair of key and nonce comes twice, because a key belongs to one file, a file to one
// ChunkSealer, and a ChunkSealer takes each position once. Bytes that went to disk and were torn,
// cut off or refused are no exception: what follows them takes a later position, or a new file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "engine/base/bytes.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/process_owner.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

/// What sealing adds to a chunk.
inline constexpr std::size_t kSealBytes = kTagBytes;
/// Of plain bytes, in one chunk.
inline constexpr std::size_t kChunkBytesMax = 1ULL << 20;
/// Of plain bytes, with one key: 2^32 AES blocks.
inline constexpr std::uint64_t kFileBytesMax = 1ULL << 36;

/// Thread: one at a time. A child of fork() is refused: it would go on with its parent's nonces.
class ChunkSealer {
 public:
  /// `file_key`: fresh, from make_file_key or seal_file_key; the caller can let go of it.
  static Result<ChunkSealer> create(const SecretBytes& file_key);

  /// Seals `plain` for `position`, which is greater than any given before, whether that call
  /// succeeded or not (checked). `associated`: bytes that the opener will know, the chunk's header.
  /// `sealed`: kSealBytes longer; it may begin where `plain` does, and else shares nothing with it.
  /// kLocked: in a child of fork(). kKeyUnavailable: OpenSSL failed; `sealed` holds nothing of use.
  Status seal(std::uint64_t position, base::ByteSpan associated, base::ByteSpan plain,
              base::MutableByteSpan sealed);

 private:
  explicit ChunkSealer(GcmContext context);

  GcmContext context_;
  std::unique_ptr<const io::ProcessOwner> owner_;
  std::uint64_t next_position_ = 0;
  std::uint64_t sealed_bytes_ = 0;
};

/// Thread: any. Allocates only when more threads than ever before open chunks at once.
class ChunkOpener {
 public:
  /// `file_key`: from open_file_key; the caller can let go of it.
  static Result<ChunkOpener> create(const SecretBytes& file_key);
  ~ChunkOpener();
  ChunkOpener(ChunkOpener&&) noexcept;
  ChunkOpener& operator=(ChunkOpener&&) noexcept;
  ChunkOpener(const ChunkOpener&) = delete;
  ChunkOpener& operator=(const ChunkOpener&) = delete;

  /// `plain`: kSealBytes shorter than `sealed`; it may begin where `sealed` does. kCorruption: not
  /// what was sealed with this key for this position and these associated bytes; `plain` is zeros.
  Status open(std::uint64_t position, base::ByteSpan associated, base::ByteSpan sealed,
              base::MutableByteSpan plain) const;

 private:
  class Contexts;
  explicit ChunkOpener(std::unique_ptr<Contexts> contexts);

  std::unique_ptr<Contexts> contexts_;
};

}  // namespace pluresdb::crypto
