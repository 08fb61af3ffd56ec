// What a segment's header says, and the key of an encrypted one: the way into every file of a log.
// docs/formats/wal.md "Encryption".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

struct OpenedHeader {
  std::optional<SegmentHeader> header;  ///< Absent: no copy is whole.
  SegmentAccess access;                 ///< With a header.
  std::uint32_t version = 0;
  bool copy_damaged = false;   ///< One of the two copies at the beginning, or both.
  bool copy_tampered = false;  ///< One of them is whole, but not what was written.
};

/// Reads the header of `file`. With `keys` it is proven, and only encrypted files are opened; null:
/// only files that are not. `id`: of the segment, by the file's name; a proven header that says
/// another one counts only when the other copy does not prove that one. `name`: for texts.
///
/// kUnsupportedVersion; kKeyUnavailable: encrypted, and `keys` are null or have not got the
/// generation; kCorruption: not encrypted, or the envelope is another store's or not what was
/// written. kIo.
Result<OpenedHeader> open_header(io::File& file, std::uint64_t id, const std::string& name,
                                 const crypto::MasterKeys* keys);

/// The versions of the keyring that the headers of the segments in `directory` name; unproven, and
/// read without a key. Damaged headers and plain files name none, nor does a missing directory.
/// kIo.
Result<crypto::KeyringVersions> keyring_versions(io::FileSystem& files,
                                                 const std::string& directory);

}  // namespace pluresdb::wal
