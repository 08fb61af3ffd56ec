#include "harness/supervisor/thresholds.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "harness/common/operation.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"

namespace soak::supervisor {
namespace {

using report::Verdict;

double acknowledged_operations(const report::RunResult& result) {
  std::uint64_t sum = 0;
  for (const auto& by_outcome : result.operations) {
    sum += by_outcome[static_cast<std::size_t>(Outcome::kAcknowledged)];
  }
  return static_cast<double>(sum);
}

std::optional<double> recovery_seconds(std::string_view stat, const report::RunResult& result) {
  const report::RecoveryStatistics recoveries = report::recovery_statistics(result.recoveries);
  if (stat == "count") {
    return static_cast<double>(recoveries.count);
  }
  if (recoveries.count == 0) {
    return std::nullopt;
  }
  if (stat == "max") {
    return recoveries.max;
  }
  return stat == "p50" ? recoveries.p50 : recoveries.p99;
}

std::optional<double> replayed_entries_max(const report::RunResult& result) {
  if (result.recoveries.empty()) {
    return std::nullopt;
  }
  std::uint64_t most = 0;
  for (const report::RecoverySample& recovery : result.recoveries) {
    most = std::max(most, recovery.replayed_entries);
  }
  return static_cast<double>(most);
}

std::optional<double> resident_memory(std::string_view stat, const report::RunResult& result) {
  const report::MemoryResult& memory = result.memory;
  if (stat == "slope_per_hour") {
    return memory.slope_bytes_per_hour;
  }
  if (memory.max_bytes == 0) {
    return std::nullopt;
  }
  if (stat == "max") {
    return static_cast<double>(memory.max_bytes);
  }
  return static_cast<double>(stat == "start" ? memory.start_bytes : memory.end_bytes);
}

std::optional<double> operations_per_second(const report::RunResult& result) {
  return result.duration_seconds > 0
             ? std::optional(acknowledged_operations(result) / result.duration_seconds)
             : std::nullopt;
}

}  // namespace

std::optional<double> threshold_value(std::string_view metric, std::string_view stat,
                                      const report::RunResult& result) {
  if (metric == "recovery_seconds") {
    return recovery_seconds(stat, result);
  }
  if (metric == "replayed_entries") {
    return replayed_entries_max(result);
  }
  if (metric == "resident_memory_bytes") {
    return resident_memory(stat, result);
  }
  if (metric == "segments") {
    return static_cast<double>(stat == "max" ? result.segments_max : result.segments_end);
  }
  if (metric == "wal_bytes") {
    return static_cast<double>(result.wal_bytes_max);
  }
  if (metric == "operations_per_second") {
    return operations_per_second(result);
  }
  if (metric == "acknowledged_operations") {
    return acknowledged_operations(result);
  }
  if (metric == "reported_losses") {
    return static_cast<double>(result.evidence.reported_losses);
  }
  if (metric == "maybe_operations") {
    return static_cast<double>(result.maybe);
  }
  if (metric == "refused_operations") {
    return static_cast<double>(result.not_written);
  }
  if (metric == "crashes") {
    return static_cast<double>(result.crashes);
  }
  if (metric == "lost_acknowledged_writes") {
    return static_cast<double>(result.lost_acknowledged_writes);
  }
  return std::nullopt;
}

std::vector<report::ThresholdResult> judge_thresholds(
    const std::vector<scenario::ThresholdSection>& thresholds, const report::RunResult& run) {
  std::vector<report::ThresholdResult> results;
  const auto judge = [&](const scenario::ThresholdSection& section, double limit, bool is_max) {
    report::ThresholdResult result{.metric = section.metric,
                                   .stat = section.stat,
                                   .limit = limit,
                                   .is_max = is_max,
                                   .verdict = Verdict::kInconclusive};
    if (const auto value = threshold_value(section.metric, section.stat, run); value.has_value()) {
      result.value = *value;
      result.verdict =
          (is_max ? *value <= limit : *value >= limit) ? Verdict::kPass : Verdict::kFail;
    }
    results.push_back(result);
  };
  for (const scenario::ThresholdSection& section : thresholds) {
    if (section.max.has_value()) {
      judge(section, *section.max, true);
    }
    if (section.min.has_value()) {
      judge(section, *section.min, false);
    }
  }
  return results;
}

}  // namespace soak::supervisor
