// SHA-256 and HMAC-SHA256 of one piece of bytes.
#pragma once

#include <array>
#include <cstddef>

#include "engine/base/bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

inline constexpr std::size_t kDigestBytes = 32;
using Digest = std::array<std::byte, kDigestBytes>;

Result<Digest> sha256(base::ByteSpan bytes);
/// Compare what comes of it with equal_in_constant_time.
Result<Digest> hmac_sha256(base::ByteSpan key, base::ByteSpan message);

}  // namespace pluresdb::crypto
