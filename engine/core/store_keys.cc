#include "engine/core/store_keys.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <utility>

#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_file.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/store/keyring_versions.h"
#include "engine/wal/segment_access.h"
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>

namespace pluresdb::core {
namespace {

using crypto::Keyring;

/// Either copy counts: an encrypted store is not taken for a plain one because one of them is gone.
Result<bool> has_keyring(const KeyPlace& place) {
  const Status none = crypto::check_no_keyring(place.files, place.directory);
  if (!none && none.error().code != ErrorCode::kInvalidArgument) {
    return std::unexpected(none.error());
  }
  return !none.has_value();
}

Result<std::unique_ptr<Keyring>> unlock(const KeyPlace& place, const StoreSecret& secret,
                                        Keyring::Access access) {
  TRY_ASSIGN(const auto seen, newest_version(place));
  const crypto::KeyringPlace keyring{.files = place.files, .directory = place.directory};
  std::size_t opened_by = 0;
  auto unlocked = Keyring::unlock_by_any(keyring, secret.readings(), access, seen, opened_by);
  if (!unlocked) {
    unlocked.error().context = place.directory + ": " + unlocked.error().context;
    return std::unexpected(std::move(unlocked).error());
  }
  return std::make_unique<Keyring>(*std::move(unlocked));
}

}  // namespace

Result<crypto::KeyringVersion> newest_version(const KeyPlace& place) {
  TRY_ASSIGN(auto versions, wal::keyring_versions(place.files, place.wal_directory));
  if (!place.base_directory.empty()) {
    auto in_base = store::keyring_versions(place.files, place.base_directory);
    if (!in_base && in_base.error().code != ErrorCode::kNotFound) {
      return std::unexpected(in_base.error());
    }
    if (in_base) {
      versions.merge(*in_base);
    }
  }
  crypto::KeyringVersion newest;
  for (const crypto::KeyringVersion& version : versions) {
    newest.generation = std::max(newest.generation, version.generation);
    newest.seq = std::max(newest.seq, version.seq);
  }
  return newest;
}

Result<std::unique_ptr<Keyring>> unlock_keys(const KeyPlace& place, const StoreSecret* secret,
                                             Keyring::Access access) {
  TRY_ASSIGN(const bool encrypted, has_keyring(place));  // INV-CORE-16
  if (encrypted && secret == nullptr) {
    return fail(ErrorCode::kKeyUnavailable,
                place.directory + " is encrypted, and no secret was given");
  }
  if (!encrypted && secret != nullptr) {
    return fail(ErrorCode::kKeyUnavailable,
                place.directory +
                    " has no keyring: it is not encrypted, or the keyring is gone (restore it from "
                    "a backup). To open a store that is not encrypted give no secret");
  }
  if (!encrypted) {
    return std::unique_ptr<Keyring>();
  }
  return unlock(place, *secret, access);
}

Result<std::unique_ptr<Keyring>> make_keys(const KeyPlace& place, const StoreSecret* secret,
                                           const crypto::StoreId& new_store_id,
                                           std::int64_t now_us) {
  TRY_ASSIGN(const bool exists, has_keyring(place));
  if (exists || secret == nullptr) {
    return unlock_keys(place, secret, Keyring::Access::kOwner);
  }
  TRY_ASSIGN(auto created, Keyring::create({.files = place.files, .directory = place.directory},
                                           new_store_id, secret->readings().front(), "", now_us));
  return std::make_unique<Keyring>(std::move(created));
}

}  // namespace pluresdb::core
