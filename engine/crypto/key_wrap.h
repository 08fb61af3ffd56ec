// A key that is stored encrypted under another one. docs/formats/keyring.md, "Wrapped key".
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "engine/base/bytes.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

inline constexpr std::size_t kSaltBytes = 32;
/// Salt, commitment, encrypted key, tag.
inline constexpr std::size_t kWrappedKeyBytes = 112;
using WrappedKey = std::array<std::byte, kWrappedKeyBytes>;

/// Where a wrapped key belongs: it opens nowhere else.
struct WrapPlace {
  KeyPurpose purpose;
  base::ByteSpan context;          ///< Short; goes into the derivation.
  base::ByteSpan associated = {};  ///< Of any length; authenticated.
};

/// Each call encrypts with a key of its own, from a fresh salt: there is no nonce to be counted.
Result<WrappedKey> wrap_key(base::ByteSpan wrapping_key, const WrapPlace& place,
                            const SecretBytes& key);
/// nullopt: another wrapping key or context, or a damaged salt or commitment; nothing was
/// decrypted. kCorruption: the right key, but not what was wrapped with these associated bytes.
Result<std::optional<SecretBytes>> unwrap_key(base::ByteSpan wrapping_key, const WrapPlace& place,
                                              base::ByteSpan wrapped);

}  // namespace pluresdb::crypto
