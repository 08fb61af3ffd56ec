// [[thresholds]] of a scenario against the numbers of a run.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"

namespace soak::supervisor {

/// Numbers that RunResult cannot say are missing.
struct Measured {
  const report::RunResult& result;
  std::optional<double> memory_slope_bytes_per_hour;  ///< Nothing: no life was long enough.
};

/// The value of a metric of the catalog; nothing when the run did not measure it.
std::optional<double> threshold_value(std::string_view metric, std::string_view stat,
                                      const Measured& measured);
/// One result per limit; a number that was not measured is inconclusive.
std::vector<report::ThresholdResult> judge_thresholds(
    const std::vector<scenario::ThresholdSection>& thresholds, const Measured& measured);

}  // namespace soak::supervisor
