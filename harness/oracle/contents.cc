#include "harness/oracle/contents.h"

#include <cstdint>
#include <optional>

#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/worker_config.h"

namespace soak::oracle {

bool Contents::matches(const DocumentKey& key, std::uint64_t op,
                       const ContentDigest& digest) const {
  const AgentConfig& agent = agents_[key.agent];
  // The size is cheap and almost always decides a mismatch.
  return payload_size(seed_, agent, key.stream, op) == digest.length &&
         payload_digest(seed_, agent, key.stream, op) == digest;
}

std::optional<std::uint64_t> Contents::find(const DocumentKey& key, std::uint64_t newest_op,
                                            const ContentDigest& digest) const {
  const std::uint64_t oldest = newest_op > kSearchOps ? newest_op - kSearchOps : 0;
  for (std::uint64_t op = newest_op; op > oldest; --op) {
    if (matches(key, op, digest)) {
      return op;
    }
  }
  return std::nullopt;
}

}  // namespace soak::oracle
