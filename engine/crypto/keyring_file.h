// The two copies of a keyring in a store's directory: which one counts, and how they are replaced.
// docs/formats/keyring.md, "Reading", "Writing".
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

inline constexpr const char* kKeyringName = "keyring";
inline constexpr const char* kSecondKeyringName = "keyring.bak";

enum class CopyState {
  kWhole,
  kMissing,
  kDamaged,  ///< Or, of the second copy, unreadable.
};

struct KeyringCopies {
  std::vector<std::byte> bytes;  ///< Of the copy that counts; whole.
  CopyState first = CopyState::kWhole;
  CopyState second = CopyState::kWhole;
  bool same = false;  ///< Both whole, and byte for byte the same.
};
/// kNotFound: there is no copy. kCorruption: no whole one. kIo: the first cannot be read.
Result<KeyringCopies> read_keyring_copies(io::FileSystem& files, const std::string& directory);

/// kInvalidArgument: there is a copy already.
Status check_no_keyring(io::FileSystem& files, const std::string& directory);

/// First one copy, then the other. kIndeterminate: the change may be in force, or is, and the
/// second copy has not followed. Any other error: nothing has changed.
Status write_keyring(io::FileSystem& files, const std::string& directory, base::ByteSpan bytes);

/// Removes temporary files, makes what was read durable, then brings each copy that is not `bytes`
/// up to it. A full disk can leave a copy as it was: false. Other errors: as they came.
Result<bool> repair_keyring(io::FileSystem& files, const std::string& directory,
                            base::ByteSpan bytes);

}  // namespace pluresdb::crypto
