// summary.json: what scripts read. Fields are only ever added.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "harness/common/operation.h"
#include "harness/report/json.h"
#include "harness/report/recoveries.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"

namespace soak::report {
namespace {

constexpr std::uint64_t kSummaryVersion = 1;
// A run of 24 hours has more recoveries than anyone lists; metrics.om has them all.
constexpr std::size_t kRecoveriesMax = 1000;

double nearest_rank(const std::vector<double>& sorted, double quantile) {
  const auto rank =
      static_cast<std::size_t>(std::ceil(quantile * static_cast<double>(sorted.size())));
  return sorted[std::clamp<std::size_t>(rank, 1, sorted.size()) - 1];
}

void write_operations(JsonWriter& json, const RunResult& result) {
  json.begin_object("operations");
  json.number("attempted", result.attempted);
  json.number("acknowledged", result.acknowledged);
  json.number("maybe", result.maybe);
  json.number("not_written", result.not_written);
  json.number("acknowledged_bytes", result.acknowledged_bytes);
  json.begin_object("by_kind");
  for (std::size_t kind = 0; kind < kOperationKindCount; ++kind) {
    json.begin_object(kOperationKindNames[kind]);
    for (std::size_t outcome = 0; outcome < kOutcomeCount; ++outcome) {
      json.number(kOutcomeNames[outcome], result.operations[kind][outcome]);
    }
    json.end_object();
  }
  json.end_object();
  json.end_object();
}

void write_faults(JsonWriter& json, const RunResult& result) {
  json.begin_array("faults");
  for (const FaultResult& fault : result.faults) {
    json.begin_object();
    json.text("name", fault.name);
    json.text("kind", fault.kind);
    json.text("point", fault.point);
    json.number("planned", fault.planned);
    json.number("attempted", fault.attempted);
    json.number("fired", fault.fired);
    json.end_object();
  }
  json.end_array();
}

void write_evidence(JsonWriter& json, const EvidenceResult& evidence) {
  json.begin_object("evidence");
  json.number("kills_with_maybes", evidence.kills_with_maybes);
  json.number("unsynced_bytes_discarded", evidence.unsynced_bytes_discarded);
  json.number("unsynced_writes_discarded", evidence.unsynced_writes_discarded);
  json.number("directory_entries_discarded", evidence.directory_entries_discarded);
  json.number("unsynced_writes_kept", evidence.unsynced_writes_kept);
  json.number("unsynced_writes_torn", evidence.unsynced_writes_torn);
  json.number("sizes_without_bytes", evidence.sizes_without_bytes);
  json.number("sectors_of_garbage", evidence.sectors_of_garbage);
  json.number("writes_out_of_order", evidence.writes_out_of_order);
  json.number("directory_entries_kept", evidence.directory_entries_kept);
  json.number("names_out_of_order", evidence.names_out_of_order);
  json.number("torn_tails_met", evidence.torn_tails_met);
  json.number("torn_bytes_dropped", evidence.torn_bytes_dropped);
  json.number("verified_reads", evidence.verified_reads);
  json.number("verified_bytes", evidence.verified_bytes);
  json.number("full_scans", evidence.full_scans);
  json.number("damages", evidence.damages);
  json.number("damage_reports", evidence.damage_reports);
  json.number("base_damages", evidence.base_damages);
  json.number("refused_reads", evidence.refused_reads);
  json.number("refused_scans", evidence.refused_scans);
  json.number("base_lost", evidence.base_lost);
  json.number("reported_losses", evidence.reported_losses);
  json.number("crash_images", evidence.crash_images);
  json.number("distinct_crash_images", evidence.distinct_crash_images);
  json.end_object();
}

void write_resources(JsonWriter& json, const RunResult& result) {
  const RecoveryStatistics recovery = recovery_statistics(result.recoveries);
  json.begin_object("recovery_seconds");
  json.number("count", recovery.count);
  json.number("p50", recovery.p50);
  json.number("p99", recovery.p99);
  json.number("max", recovery.max);
  json.end_object();
  json.begin_object("resident_memory_bytes");
  json.number("start", result.memory.start_bytes);
  json.number("end", result.memory.end_bytes);
  json.number("max", result.memory.max_bytes);
  json.number("slope_per_hour", result.memory.slope_bytes_per_hour.value_or(
                                    std::numeric_limits<double>::quiet_NaN()));
  json.end_object();
  json.begin_object("segments");
  json.number("max", result.segments_max);
  json.number("end", result.segments_end);
  json.end_object();
  json.begin_object("wal_bytes");
  json.number("max", result.wal_bytes_max);
  json.end_object();
}

void write_checks(JsonWriter& json, const RunResult& result) {
  json.begin_array("checks");
  for (const CheckResult& check : result.checks) {
    json.begin_object();
    json.text("name", check.name);
    json.text("verdict", verdict_name(check.verdict));
    json.text("detail", check.detail);
    json.end_object();
  }
  json.end_array();
  json.begin_array("thresholds");
  for (const ThresholdResult& threshold : result.thresholds) {
    json.begin_object();
    json.text("metric", threshold.metric);
    json.text("stat", threshold.stat);
    json.text("bound", threshold.is_max ? "max" : "min");
    json.number("limit", threshold.limit);
    json.number("value", threshold.value);
    json.text("verdict", verdict_name(threshold.verdict));
    json.end_object();
  }
  json.end_array();
}

void write_recoveries(JsonWriter& json, const std::vector<RecoverySample>& all) {
  const std::vector<RecoverySample> recoveries = slowest_recoveries(all, kRecoveriesMax);
  json.begin_array("recoveries");
  for (const RecoverySample& recovery : recoveries) {
    json.begin_object();
    json.number("time_seconds", recovery.time_seconds);
    json.text("cause", recovery.cause);
    json.number("duration_seconds", recovery.duration_seconds);
    json.number("replayed_entries", recovery.replayed_entries);
    json.number("torn_tails", recovery.torn_tails);
    json.number("torn_bytes", recovery.torn_bytes);
    json.end_object();
  }
  json.end_array();
  json.number("recoveries_not_listed", static_cast<std::uint64_t>(all.size() - recoveries.size()));
}

void write_identity(JsonWriter& json, const RunResult& result) {
  json.number("schema", kSummaryVersion);
  json.text("verdict", verdict_name(result.verdict));
  json.text("scenario", result.scenario_title);
  json.text("why", result.scenario_why);
  json.text("scenario_file", result.scenario_file);
  json.number("seed", result.seed);
  json.text("version", result.version);
  json.text("command_line", result.command_line);
  json.text("started_utc", result.started_utc);
  json.number("duration_seconds", result.duration_seconds);
  json.number("planned_seconds", result.planned_seconds);
  json.boolean("interrupted", result.interrupted);
}

}  // namespace

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return "pass";
    case Verdict::kFail:
      return "fail";
    case Verdict::kInconclusive:
      break;
  }
  return "inconclusive";
}

RecoveryStatistics recovery_statistics(const std::vector<RecoverySample>& recoveries) {
  std::vector<double> durations;
  for (const RecoverySample& recovery : recoveries) {
    if (recovery.cause != "start") {
      durations.push_back(recovery.duration_seconds);
    }
  }
  if (durations.empty()) {
    return {};
  }
  std::ranges::sort(durations);
  return {.count = durations.size(),
          .p50 = nearest_rank(durations, 0.50),
          .p99 = nearest_rank(durations, 0.99),
          .max = durations.back()};
}

std::vector<RecoverySample> slowest_recoveries(std::vector<RecoverySample> recoveries,
                                               std::size_t limit) {
  if (recoveries.size() > limit) {
    std::ranges::sort(recoveries, [](const RecoverySample& a, const RecoverySample& b) {
      return std::tie(b.duration_seconds, a.time_seconds) <
             std::tie(a.duration_seconds, b.time_seconds);
    });
    recoveries.resize(limit);
  }
  std::ranges::sort(recoveries, {}, &RecoverySample::time_seconds);
  return recoveries;
}

std::string summary_json(const RunResult& result) {
  JsonWriter json;
  json.begin_object();
  write_identity(json, result);
  write_operations(json, result);
  json.number("lost_acknowledged_writes", result.lost_acknowledged_writes);
  json.number("resurrected_deletes", result.resurrected_deletes);
  json.number("corrupt_reads", result.corrupt_reads);
  json.number("crashes", result.crashes);
  json.number("power_losses", result.power_losses);
  write_faults(json, result);
  write_evidence(json, result.evidence);
  write_resources(json, result);
  write_checks(json, result);
  write_recoveries(json, result.recoveries);
  json.begin_array("lost_documents");
  for (const std::string& id : result.lost_documents) {
    json.text({}, id);
  }
  json.end_array();
  json.number("samples", static_cast<std::uint64_t>(result.samples.size()));
  json.end_object();
  return json.result() + "\n";
}

}  // namespace soak::report
