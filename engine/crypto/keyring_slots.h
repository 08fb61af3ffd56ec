// What a keyring's fields mean to somebody who has a key: slots, older generations, labels, HMAC.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

/// kInvalidArgument: empty, too long, or no key.
Status check_secret(const Secret& secret);

/// Wraps `master` into the slot, which becomes active; fresh salts, the policy's parameters.
/// `image` is that of the keyring to be: its generation counts.
Status fill_slot(const KeyringImage& image, SlotRecord& slot, const Secret& secret,
                 const SecretBytes& master, const KdfPolicy& policy);
/// The slot opens nothing any more.
void empty_slot(SlotRecord& slot);
/// nullopt: the secret does not open it. kCorruption: it does, and what it opens is damaged.
Result<std::optional<SecretBytes>> open_slot(const KeyringImage& image, const SlotRecord& slot,
                                             const Secret& secret);

/// Wraps every older key of `keys` under the newest.
Status fill_generations(KeyringImage& image, const std::map<Generation, SecretBytes>& keys);
/// All keys that the image holds, from the newest one.
Result<std::map<Generation, SecretBytes>> open_generations(const KeyringImage& image,
                                                           const SecretBytes& newest);

/// Encrypts the labels anew; slots without one get an empty one.
Status fill_labels(KeyringImage& image, const SecretBytes& newest,
                   const std::map<SlotId, std::string>& labels);
Result<std::map<SlotId, std::string>> open_labels(const KeyringImage& image,
                                                  const SecretBytes& newest);

/// The file, whole.
Result<std::vector<std::byte>> seal_keyring(const KeyringImage& image, const SecretBytes& newest);
/// kCorruption: somebody without the key has made or changed the file.
Status check_mac(base::ByteSpan file, const StoreId& store_id, const SecretBytes& newest);

}  // namespace pluresdb::crypto
