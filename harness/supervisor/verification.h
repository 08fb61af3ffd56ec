// Reads the store through the worker and lets the oracle judge what was read.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/common/operation.h"
#include "harness/oracle/oracle.h"
#include "harness/supervisor/loop.h"

namespace soak::supervisor {

/// Reads `keys`, while no agent runs; returns how many.
Attempt<std::uint64_t> verify_keys(Loop& loop, oracle::Oracle& oracle,
                                   const std::vector<DocumentKey>& keys);
struct Scan {
  std::uint64_t documents = 0;
  /// Not empty: the store could not list itself. What is known was read by name instead, which does
  /// not find what nobody knows.
  std::string refusal{};
  bool refused_as_corrupt = false;
};
/// Lists and reads the whole store, while no agent runs.
Attempt<Scan> full_scan(Loop& loop, oracle::Oracle& oracle);

}  // namespace soak::supervisor
