// The chain of an encrypted log's segments: which files are of one history. Each header names the
// one before it by id and salt; a file that this leaves no place for was cut off, or copied, and
// put back. docs/formats/wal.md "Chain".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/wal/segment_format.h"

namespace pluresdb::wal {

/// A file with a proven header.
struct ChainFile {
  std::uint64_t name_id = 0;  ///< By its name; the header may say another one.
  SegmentHeader header;
};

/// A file that has no place in the chain.
struct Stranger {
  std::size_t file = 0;     ///< Index.
  std::size_t witness = 0;  ///< Of the file in the chain whose header leaves it none.
  /// It is a copy of `witness`, or older, and `witness` is not the newest segment on top of a
  /// predecessor that is not there. False: it may be the chain that was put back, and this file
  /// that counts.
  bool is_settled = false;
};

/// Walks from the newest appended segment backwards. `files`: of one log, in any order.
std::vector<Stranger> find_strangers(std::span<const ChainFile> files);

}  // namespace pluresdb::wal
