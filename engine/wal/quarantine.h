// Keeps damaged bytes aside, so that nothing of a segment is lost to whoever examines it later.
#pragma once

#include <cstdint>
#include <string>

#include "engine/io/file_system.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// Copies `damage` of `segment_path` into `directory` (made when missing), durably, as
/// "<segment name>-<offset>"; a copy that an earlier open has made is kept. Returns the bytes kept:
/// 0 when the damage lies beyond the file or `directory` is empty.
Result<std::uint64_t> quarantine_bytes(io::FileSystem& files, const std::string& directory,
                                       const std::string& segment_path, DamagedBytes damage,
                                       std::uint64_t file_bytes);

}  // namespace pluresdb::wal
