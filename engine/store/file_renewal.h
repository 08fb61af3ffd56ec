// Files of an encrypted base store under new data keys: what is in them stays as it is, byte for
// byte. docs/formats/store.md, "New keys".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/crypto/master_keys.h"
#include "engine/crypto/sealed_file.h"
#include "engine/io/file_system.h"
#include "engine/store/file_contents.h"
#include "engine/store/sealed_format.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

/// Every file in the base store's directory that has contents, RocksDB's LOCK excepted, which is
/// plain. In no order. kNotFound, kIo.
Result<std::vector<crypto::SealedFile>> sealed_files(io::FileSystem& files,
                                                     const std::string& directory,
                                                     const crypto::MasterKeys& keys);

/// Told of plain bytes that were copied; an error ends the copy.
using CopyProgress = std::function<Status(std::uint64_t bytes)>;

/// Where the copy of `path` is written: RocksDB sees none of these names, and nothing counts there.
std::string renewal_path(const std::string& path);
/// What a copy that was cut off may have left. kIo.
Status remove_renewal_leftovers(io::FileSystem& files, const std::string& directory);

/// Copies `path` to renewal_path(path) under a fresh key, syncs the copy, and reads it back. The
/// file's header, as it was when it was copied: whether `path` is still that file can be asked.
/// After an error no copy is left. kNotFound; kCorruption: damaged, or the copy is not the same.
Result<FileHeader> copy_under_new_key(io::FileSystem& files, FileContents& contents,
                                      const std::string& path, const CopyProgress& progress);
/// False also when the file is gone.
Result<bool> has_header(io::FileSystem& files, const std::string& path, const FileHeader& header);

/// Puts everything in `directory` that is no table and not under the newest master key under a new
/// data key. Nothing of the base store is open. What cannot be copied stays as it is. kIo,
/// kNoSpace.
Status renew_registry(io::FileSystem& files, const std::string& directory,
                      const crypto::MasterKeys& keys);

}  // namespace pluresdb::store
