// The master keys of a store, every generation that a file may still need.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>

#include "engine/crypto/secret_bytes.h"

namespace pluresdb::crypto {

inline constexpr std::size_t kStoreIdBytes = 16;
using StoreId = std::array<std::byte, kStoreIdBytes>;
/// Of master keys, from 1. A file says which one wraps its key.
using Generation = std::uint32_t;

/// Which keyring a file was written under. A keyring that is older than any file was restored from
/// somewhere, or somebody put it there.
struct KeyringVersion {
  Generation generation = 0;
  std::uint64_t seq = 0;  ///< Of the keyring file, +1 for each change.
  friend auto operator<=>(const KeyringVersion&, const KeyringVersion&) = default;
};
/// That files name; unproven, as it is read without a key.
using KeyringVersions = std::set<KeyringVersion>;

/// Thread: any, nothing changes after construction.
class MasterKeys {
 public:
  /// The greatest generation is the one for new files; there is at least one.
  MasterKeys(const StoreId& store_id, std::uint64_t keyring_seq,
             std::map<Generation, SecretBytes> keys);

  [[nodiscard]] const StoreId& store_id() const { return store_id_; }
  [[nodiscard]] KeyringVersion version() const {
    return {.generation = keys_.rbegin()->first, .seq = keyring_seq_};
  }
  [[nodiscard]] const SecretBytes& newest() const { return keys_.rbegin()->second; }
  [[nodiscard]] const std::map<Generation, SecretBytes>& all() const { return keys_; }
  /// Null: not there any more, or not yet.
  [[nodiscard]] const SecretBytes* find(Generation generation) const;

 private:
  StoreId store_id_;
  std::uint64_t keyring_seq_;
  std::map<Generation, SecretBytes> keys_;
};

}  // namespace pluresdb::crypto
