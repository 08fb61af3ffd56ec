// Everything a run found, as plain data: filled by the supervisor, rendered by harness/report.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/common/operation.h"

namespace soak::report {

enum class Verdict { kPass = 0, kFail = 1, kInconclusive = 2 };  ///< Values are exit codes.
const char* verdict_name(Verdict verdict);

struct CheckResult {
  std::string name;  ///< "no_lost_acknowledged_writes", "maybes_stay", ...
  Verdict verdict = Verdict::kPass;
  std::string detail;  ///< Evidence: numbers, the first ids affected.
};

struct FaultResult {
  std::string name, kind, point;
  std::uint64_t planned = 0;    ///< must_fire.
  std::uint64_t attempted = 0;  ///< Kills done, windows opened, armings.
  std::uint64_t fired = 0;      ///< Proven effects: process killed, errors returned to the engine.
};

struct ThresholdResult {
  std::string metric, stat;
  double limit = 0;
  bool is_max = true;
  double value = 0;
  Verdict verdict = Verdict::kPass;
};

/// One sample per second of the run.
struct Sample {
  double time_seconds = 0;       ///< Since the start.
  std::uint64_t operations = 0;  ///< Acknowledged so far (writes and reads).
  std::uint64_t acknowledged_writes = 0;
  std::uint64_t resident_bytes = 0;
  std::uint64_t wal_segments = 0, wal_bytes = 0;
  std::uint64_t crashes = 0;
  std::uint32_t incarnation = 0;
};

/// A moment or a span on the time axis: kills, power losses, disk-full windows, injected errors.
struct TimelineMark {
  double begin_seconds = 0, end_seconds = 0;
  std::string kind, label;
};

struct RecoverySample {
  double time_seconds = 0, duration_seconds = 0;
  std::uint64_t replayed_entries = 0, torn_tails = 0, torn_bytes = 0;
  std::string cause;  ///< "start", "crash", "power_loss", ...
};

struct MemoryResult {
  std::uint64_t start_bytes = 0, end_bytes = 0, max_bytes = 0;
  std::optional<double> slope_bytes_per_hour;  ///< Nothing: no life was long enough to have one.
};

struct EvidenceResult {
  std::uint64_t kills_with_maybes = 0, unsynced_bytes_discarded = 0, unsynced_writes_discarded = 0;
  std::uint64_t directory_entries_discarded = 0, torn_tails_met = 0, torn_bytes_dropped = 0;
  std::uint64_t verified_reads = 0, verified_bytes = 0, full_scans = 0;
  std::uint64_t damages = 0;          ///< Of data at rest, done on purpose.
  std::uint64_t damage_reports = 0;   ///< Recoveries that said something durable is damaged.
  std::uint64_t base_damages = 0;     ///< Of `damages`: of the base store.
  std::uint64_t refused_reads = 0;    ///< As corrupt, after damage of tables of the base store.
  std::uint64_t refused_scans = 0;    ///< The same of scans.
  std::uint64_t base_lost = 0;        ///< 1: after damage of it the store said that it is lost.
  std::uint64_t reported_losses = 0;  ///< Documents of which the store itself said so.
  std::uint64_t crash_images = 0, distinct_crash_images = 0;  ///< Recovered and read.
  // What power losses and crash images left of what was never synced: docs/TESTING.md.
  std::uint64_t unsynced_writes_kept = 0, unsynced_writes_torn = 0, sizes_without_bytes = 0;
  std::uint64_t sectors_of_garbage = 0, writes_out_of_order = 0;
  std::uint64_t directory_entries_kept = 0, names_out_of_order = 0;
};

struct RunResult {
  std::string scenario_title, scenario_why, scenario_file, version, started_utc, command_line;
  std::uint64_t seed = 0;
  double duration_seconds = 0, planned_seconds = 0;
  bool interrupted = false;
  Verdict verdict = Verdict::kInconclusive;
  std::uint64_t attempted = 0, acknowledged = 0, maybe = 0, not_written = 0;
  std::array<std::array<std::uint64_t, kOutcomeCount>, kOperationKindCount> operations{};
  std::uint64_t acknowledged_bytes = 0;
  std::uint64_t lost_acknowledged_writes = 0, resurrected_deletes = 0, corrupt_reads = 0;
  std::uint64_t crashes = 0, power_losses = 0;
  std::vector<FaultResult> faults;
  std::vector<CheckResult> checks;
  std::vector<ThresholdResult> thresholds;
  std::vector<RecoverySample> recoveries;
  std::vector<Sample> samples;
  std::vector<TimelineMark> marks;
  MemoryResult memory;
  std::uint64_t segments_max = 0, segments_end = 0, wal_bytes_max = 0;
  EvidenceResult evidence;
  std::vector<std::string> lost_documents;  ///< First 20 ids, for people.
};

}  // namespace soak::report
