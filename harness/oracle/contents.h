// Which bytes a write left: recomputed from the payload functions whenever it is asked.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/worker_config.h"

namespace soak::oracle {

class Contents {
 public:
  Contents(std::uint64_t seed, const std::vector<AgentConfig>& agents)
      : seed_(seed), agents_(agents) {}

  /// Write number `op` of the document's agent in its stream left exactly `digest`.
  [[nodiscard]] bool matches(const DocumentKey& key, std::uint64_t op,
                             const ContentDigest& digest) const;
  /// The write that left `digest`, searched backwards from `newest_op` over up to kSearchOps
  /// writes; nullopt when none did. Only to explain a violation.
  [[nodiscard]] std::optional<std::uint64_t> find(const DocumentKey& key, std::uint64_t newest_op,
                                                  const ContentDigest& digest) const;
  static constexpr std::uint64_t kSearchOps = 20'000;

 private:
  std::uint64_t seed_;
  const std::vector<AgentConfig>& agents_;
};

}  // namespace soak::oracle
