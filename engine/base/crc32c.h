// CRC-32C (Castagnoli), by ISA-L: hardware where the processor has it, tables elsewhere.
#pragma once

#include <cstdint>

#include "engine/base/bytes.h"

namespace pluresdb::base {

/// CRC-32C of `bytes`, continuing from `seed` (a former result, or 0).
/// crc32c("123456789") == 0xE3069283; crc32c(b, crc32c(a)) == crc32c(a + b).
std::uint32_t crc32c(ByteSpan bytes, std::uint32_t seed = 0);

}  // namespace pluresdb::base
