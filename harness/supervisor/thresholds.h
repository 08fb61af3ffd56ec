// [[thresholds]] of a scenario against the numbers of a run.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"

namespace soak::supervisor {

/// The value of a metric of the catalog; nothing when the run did not measure it.
std::optional<double> threshold_value(std::string_view metric, std::string_view stat,
                                      const report::RunResult& result);
/// One result per limit; a number that was not measured is inconclusive.
std::vector<report::ThresholdResult> judge_thresholds(
    const std::vector<scenario::ThresholdSection>& thresholds, const report::RunResult& run);

}  // namespace soak::supervisor
