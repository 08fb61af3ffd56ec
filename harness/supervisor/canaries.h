// What agents have certainly written in a run whose store is encrypted, for a search of its files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <vector>

#include "harness/common/worker_config.h"
#include "harness/oracle/oracle.h"
#include "harness/supervisor/plaintext_search.h"

namespace soak::supervisor {

/// Of documents that are acknowledged and live: actor names and beginnings of ids of all,
/// beginnings and stretches of contents of a seeded sample; and the store's key. Empty when there
/// is no such document.
std::vector<Canary> canaries_of(std::uint64_t seed, const std::vector<AgentConfig>& agents,
                                const oracle::Oracle& oracle);

/// canaries_of() in everything below `folder`; without canaries nothing is searched.
PlaintextSearch search_for_plaintext(const std::filesystem::path& folder, std::uint64_t seed,
                                     const std::vector<AgentConfig>& agents,
                                     const oracle::Oracle& oracle);

}  // namespace soak::supervisor
