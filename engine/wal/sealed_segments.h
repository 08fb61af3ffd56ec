// Which master keys the files of an encrypted log need.
#pragma once

#include <string>
#include <vector>

#include "engine/crypto/master_keys.h"
#include "engine/crypto/sealed_file.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// Every segment in `directory`, and every temporary file that has a header. In no order; none when
/// the directory is missing. kIo.
Result<std::vector<crypto::SealedFile>> sealed_segments(io::FileSystem& files,
                                                        const std::string& directory,
                                                        const crypto::MasterKeys& keys);
/// The files in the quarantine directory that hold the header of a segment: what else lies there
/// opens with no master key. Otherwise as above.
Result<std::vector<crypto::SealedFile>> sealed_quarantine(io::FileSystem& files,
                                                          const std::string& directory,
                                                          const crypto::MasterKeys& keys);

}  // namespace pluresdb::wal
