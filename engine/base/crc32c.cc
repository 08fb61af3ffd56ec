#include "engine/base/crc32c.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <isa-l/crc.h>

#include "engine/base/bytes.h"

namespace pluresdb::base {

std::uint32_t crc32c(ByteSpan bytes, std::uint32_t seed) {
  constexpr std::size_t kPartBytesMax = 1U << 30;  // ISA-L takes an int length.
  std::uint32_t crc = ~seed;
  while (!bytes.empty()) {
    const auto part = bytes.first(std::min(bytes.size(), kPartBytesMax));
    // ISA-L's prototype lacks const; it only reads.
    auto* data = const_cast<unsigned char*>(reinterpret_cast<const unsigned char*>(part.data()));
    crc = crc32_iscsi(data, static_cast<int>(part.size()), crc);
    bytes = bytes.subspan(part.size());
  }
  return ~crc;
}

}  // namespace pluresdb::base
