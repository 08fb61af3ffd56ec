// The chunks of an encrypted file in order, for what is read from its beginning; here it is decided
// what is a torn end and what is damage.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

/// Thread: one at a time. Its memory does not depend on the file.
class ChunkWalk {
 public:
  /// `file` outlives it and has a file header.
  explicit ChunkWalk(io::File& file);

  /// Where the next chunk begins.
  struct Place {
    std::uint64_t offset = 0;    ///< In the file.
    std::uint64_t position = 0;  ///< Plain.
  };
  [[nodiscard]] Place place() const {
    return {.offset = read_offset_ - (window_end_ - window_begin_), .position = position_};
  }
  /// Not opened: nothing of it is proven. Valid until the next call.
  struct Chunk {
    std::uint64_t position = 0;  ///< Plain.
    std::size_t plain_bytes = 0;
    base::ByteSpan header;
    base::MutableByteSpan sealed;
  };
  /// nullopt: the end, also that of a file that is torn. kCorruption, kIo.
  Result<std::optional<Chunk>> next();

 private:
  /// Has at least `count` bytes at hand from where the walk stands, or all that are left.
  Result<base::MutableByteSpan> look_ahead(std::size_t count);

  io::File& file_;
  std::uint64_t read_offset_;  // Of the first byte that is not in window_ yet.
  std::vector<std::byte> window_;
  std::size_t window_begin_ = 0;
  std::size_t window_end_ = 0;
  std::uint64_t position_ = 0;
};

}  // namespace pluresdb::store
