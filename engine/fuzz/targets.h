// The targets of this folder, one file each.
#pragma once

#include <vector>

#include "engine/fuzz/driver/target.h"

namespace pluresdb::fuzz {

/// Keyrings: forged ones, changed ones, and the unlocking of both.
fuzzing::Target keyring_target();
/// Headers of segments, in memory and at the beginning of a file.
fuzzing::Target segment_header_target();
/// Whole segments of every format version, changed and forged.
fuzzing::Target segment_target();
/// Records, chunk headers, group headers, footers and trailers, each by itself.
fuzzing::Target frames_target();
/// zstd frames of compressed chunks.
fuzzing::Target compressed_chunk_target();
/// Files of an encrypted base store.
fuzzing::Target sealed_file_target();
/// Documents and checkpoints in the base store.
fuzzing::Target base_value_target();
/// The STORE file.
fuzzing::Target store_file_target();
/// What callers pass: JSON, ids, actors.
fuzzing::Target arguments_target();

}  // namespace pluresdb::fuzz
