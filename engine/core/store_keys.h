// Whether a store, or a log used alone, is encrypted, and its keys. The caller's secret decides
// what it expects, the keyring what there is: where they differ nothing is opened, nothing is
// written.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "engine/crypto/keyring.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>

namespace pluresdb::core {

struct KeyPlace {
  io::FileSystem& files;
  std::string directory;       ///< Of the keyring.
  std::string wal_directory;   ///< Files whose headers say which keyring is the newest.
  std::string base_directory;  ///< Likewise; empty: there is no base store.
};

/// Of a store that exists. Null: it is not encrypted, and no secret was given. kOwner only under
/// the store's lock. kKeyUnavailable: there is a keyring and no secret, or a secret and no keyring,
/// or the secret opens no slot, or the keyring is older than a file. kCorruption,
/// kUnsupportedVersion, kIo.
Result<std::unique_ptr<crypto::Keyring>> unlock_keys(const KeyPlace& place,
                                                     const StoreSecret* secret,
                                                     crypto::Keyring::Access access);

/// Of a store that is being created: the keyring that pluresdb-keys or an interrupted creation has
/// left there is unlocked, else `secret` gets a new one, with the store's id. Errors as above.
Result<std::unique_ptr<crypto::Keyring>> make_keys(const KeyPlace& place, const StoreSecret* secret,
                                                   const crypto::StoreId& new_store_id,
                                                   std::int64_t now_us);

/// The newest generation and the newest seq of the keyring that any file names, unproven. kIo.
Result<crypto::KeyringVersion> newest_version(const KeyPlace& place);

/// For LogOptions::keys and BaseStoreOptions::keys.
inline const crypto::MasterKeys* keys_of(const std::unique_ptr<crypto::Keyring>& keyring) {
  return keyring == nullptr ? nullptr : &keyring->master_keys();
}

}  // namespace pluresdb::core
