// What pluresdb-keys says about a keyring, as text and as JSON.
#pragma once

#include <string>

#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_format.h"

namespace pluresdb::tools {

/// 32 hexadecimal digits.
std::string slot_id_text(const crypto::SlotId& id);
/// "password", "device-key", "recovery-key": also what --type takes.
const char* slot_type_name(crypto::SlotType type);

/// `verified`: a secret has proven it.
std::string keyring_report(const std::string& data_dir, const crypto::KeyringStatus& status,
                           bool verified, bool json);

}  // namespace pluresdb::tools
