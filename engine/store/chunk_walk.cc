#include "engine/store/chunk_walk.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/store/sealed_format.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

constexpr std::size_t kWindowBytes = 64 << 10;
static_assert(kWindowBytes >= kFullChunkBytes);

}  // namespace

ChunkWalk::ChunkWalk(io::File& file)
    : file_(file), read_offset_(kFileHeaderBytes), window_(kWindowBytes) {}

Result<std::optional<ChunkWalk::Chunk>> ChunkWalk::next() {
  TRY_ASSIGN(const auto start, look_ahead(kChunkHeaderBytes));
  if (start.size() < kChunkHeaderBytes) {
    return std::nullopt;
  }
  TRY_ASSIGN(const std::size_t plain_bytes, decode_chunk_header(start.first(kChunkHeaderBytes)));
  if (plain_bytes == 0) {
    return std::nullopt;
  }
  const std::size_t chunk_bytes = plain_bytes + kChunkExtraBytes;
  TRY_ASSIGN(const auto ahead, look_ahead(chunk_bytes));
  if (ahead.size() < chunk_bytes) {
    return std::nullopt;
  }
  const Chunk chunk{.position = position_,
                    .plain_bytes = plain_bytes,
                    .header = ahead.first(kChunkHeaderBytes),
                    .sealed = ahead.subspan(kChunkHeaderBytes, chunk_bytes - kChunkHeaderBytes)};
  position_ += plain_bytes;
  window_begin_ += chunk_bytes;
  return chunk;
}

Result<base::MutableByteSpan> ChunkWalk::look_ahead(std::size_t count) {
  if (window_end_ - window_begin_ < count) {
    const auto rest =
        base::MutableByteSpan(window_).subspan(window_begin_, window_end_ - window_begin_);
    std::ranges::copy(rest, window_.begin());
    window_begin_ = 0;
    window_end_ = rest.size();
    TRY_ASSIGN(const std::size_t more,
               file_.read(read_offset_, base::MutableByteSpan(window_).subspan(window_end_)));
    read_offset_ += more;
    window_end_ += more;
  }
  return base::MutableByteSpan(window_).subspan(window_begin_, window_end_ - window_begin_);
}

}  // namespace pluresdb::store
