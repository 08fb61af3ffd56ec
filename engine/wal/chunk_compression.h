// Compression of the chunks of rewritten segments: zstd, each chunk on its own, so that one value
// can be read without its neighbours. The only user of the library.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "engine/base/bytes.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace pluresdb::wal {

/// One thread at a time. About 1 MiB of memory once it was used.
class ChunkCompressor {
 public:
  /// The compressed form of `plain` (at most kValueChunkBytesMax), valid until the next call. Empty
  /// when it is not worth it, as less than an eighth would be saved, or there is no memory for it.
  base::ByteSpan compress(base::ByteSpan plain);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  std::vector<std::byte> buffer_;
};

/// One thread at a time. About 160 KiB of memory once it was used, whatever the input says.
class ChunkDecompressor {
 public:
  /// Fills `plain`. False when `stored` is anything but exactly one frame of exactly that many
  /// bytes; `plain` then holds rubbish.
  bool decompress(base::ByteSpan stored, base::MutableByteSpan plain);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
};

}  // namespace pluresdb::wal
