// See chunk_compression.h. The input of decompress() is not trusted.
#include "engine/wal/chunk_compression.h"

#include <cstddef>
#include <cstdint>

#include <zstd.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"

namespace pluresdb::wal {
namespace {

/// docs/BENCHMARKS.md "Compression" has what other levels cost.
constexpr int kLevel = 3;
/// A chunk stays plain unless at least this part of it is saved: reading it would cost more than
/// the space is worth.
constexpr std::size_t kSavedPart = 8;
/// A frame's own header would eat what little there is to save.
constexpr std::size_t kPlainBytesMin = 256;
/// First bytes of a frame. The library also knows older formats and skippable frames: not wanted.
constexpr std::uint32_t kFrameMagic = ZSTD_MAGICNUMBER;

}  // namespace

void ChunkCompressor::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }
void ChunkDecompressor::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

base::ByteSpan ChunkCompressor::compress(base::ByteSpan plain) {
  if (plain.size() < kPlainBytesMin) {
    return {};
  }
  if (context_ == nullptr) {
    context_.reset(ZSTD_createCCtx());
  }
  if (context_ == nullptr) {
    return {};  // No memory for it: the chunk stays as it is.
  }
  buffer_.resize(plain.size() - plain.size() / kSavedPart);
  const std::size_t bytes = ZSTD_compressCCtx(context_.get(), buffer_.data(), buffer_.size(),
                                              plain.data(), plain.size(), kLevel);
  if (ZSTD_isError(bytes) != 0) {
    return {};  // It does not fit: the only error there is with these arguments.
  }
  return base::ByteSpan(buffer_).first(bytes);
}

bool ChunkDecompressor::decompress(base::ByteSpan stored, base::MutableByteSpan plain) {
  if (stored.size() < sizeof(kFrameMagic) || base::load<std::uint32_t>(stored, 0) != kFrameMagic ||
      ZSTD_findFrameCompressedSize(stored.data(), stored.size()) != stored.size()) {
    return false;
  }
  if (context_ == nullptr) {
    context_.reset(ZSTD_createDCtx());
  }
  if (context_ == nullptr) {
    base::out_of_memory("zstd");  // Not damage, which is what false says.
  }
  // The destination has the size that our own checked header states; what the frame claims about
  // its contents or its window decides nothing: a frame that gives more bytes, or fewer, fails.
  const std::size_t bytes =
      ZSTD_decompressDCtx(context_.get(), plain.data(), plain.size(), stored.data(), stored.size());
  return bytes == plain.size();
}

}  // namespace pluresdb::wal
