// What the headers of encrypted base-store files say without a key, for whoever unlocks the keyring
// or wants to drop an old generation.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

/// Generation and seq.
using KeyringVersions = std::set<std::pair<crypto::Generation, std::uint64_t>>;

/// The versions of the keyring that the files in the base store's directory were written under;
/// unproven. What is plain names none. kCorruption: a header is damaged.
Result<KeyringVersions> keyring_versions(io::FileSystem& files, const std::string& directory);

}  // namespace pluresdb::store
