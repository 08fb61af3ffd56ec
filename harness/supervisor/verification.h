// Reads the store through the worker and lets the oracle judge what was read.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/common/operation.h"
#include "harness/oracle/oracle.h"
#include "harness/supervisor/loop.h"

namespace soak::supervisor {

/// Reads `keys`, while no agent runs; returns how many.
Attempt<std::uint64_t> verify_keys(Loop& loop, oracle::Oracle& oracle,
                                   const std::vector<DocumentKey>& keys);
/// Lists and reads the whole store, while no agent runs; returns how many documents it met.
Attempt<std::uint64_t> full_scan(Loop& loop, oracle::Oracle& oracle);

}  // namespace soak::supervisor
