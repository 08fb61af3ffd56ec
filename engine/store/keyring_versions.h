// What the headers of encrypted base-store files say without a key, for whoever unlocks a keyring.
#pragma once

#include <string>

#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

/// The versions of the keyring that the files in the base store's directory were written under;
/// unproven. What is plain, damaged or of a newer version names none. kNotFound, kIo.
Result<crypto::KeyringVersions> keyring_versions(io::FileSystem& files,
                                                 const std::string& directory);

}  // namespace pluresdb::store
