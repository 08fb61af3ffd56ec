// Secrets as people keep them: passwords, and keys as hexadecimal digits.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

/// Of a source in io/secret_input.h: 1 .. kPasswordBytesMax bytes; one newline at the end is not
/// part of them. kInvalidArgument and the source's errors.
Result<SecretBytes> read_secret_text(
    const std::function<Result<std::size_t>(base::MutableByteSpan)>& source);

/// The key of 64 hexadecimal digits; nullopt: it is none.
Result<std::optional<SecretBytes>> key_of_text(const SecretBytes& text);
/// Its digits, and a newline.
Result<SecretBytes> text_of_key(const SecretBytes& key);

/// `text` as a secret of the given type: a password as it is, a key from its digits.
/// kInvalidArgument: no such key.
Result<Secret> secret_of_type(const SecretBytes& text, SlotType type);

/// All that `text` may be, the cheap ones first: a device key, a recovery key, a password.
Result<std::vector<Secret>> readings_of(const SecretBytes& text);

}  // namespace pluresdb::crypto
