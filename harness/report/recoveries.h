// Which recoveries are listed when a run has more than anyone reads.
#pragma once

#include <cstddef>
#include <vector>

#include "harness/report/run_result.h"

namespace soak::report {

/// The slowest `limit`, in the order of time.
std::vector<RecoverySample> slowest_recoveries(std::vector<RecoverySample> recoveries,
                                               std::size_t limit);

}  // namespace soak::report
