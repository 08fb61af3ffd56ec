// A run as the supervisor would hand it over: one minute with crashes, a power loss and a full
// disk. Deterministic, so that golden files can be made of it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/report/run_result.h"

namespace soak::report {

inline void add_fixture_samples(RunResult& result, std::size_t seconds) {
  std::uint64_t operations = 0;
  for (std::size_t i = 0; i < seconds; ++i) {
    const auto time = static_cast<double>(i);
    const bool down = i % 11 == 10;  // The worker is being restarted.
    const auto swing = static_cast<std::int64_t>(1500 * std::sin(time / 7));
    operations += down ? 0 : static_cast<std::uint64_t>(11000 + swing);
    Sample sample;
    sample.time_seconds = time;
    sample.operations = operations;
    sample.acknowledged_writes = operations * 7 / 10;
    sample.resident_bytes = down ? 0 : (48ULL << 20) + (i % 11) * (3ULL << 20);
    sample.wal_segments = 3 + i % 9;
    sample.wal_bytes = sample.wal_segments * (8ULL << 20) - 12345;
    sample.crashes = i / 11;
    sample.incarnation = static_cast<std::uint32_t>(1 + i / 11);
    result.samples.push_back(sample);
  }
}

inline void add_fixture_faults(RunResult& result) {
  result.faults = {{"kill", "crash", "", 5, 5, 5},
                   {"power cut", "power_loss", "", 1, 1, 1},
                   {"full disk", "disk_full", "space/*", 1, 1, 214},
                   {"fsync", "sync_error", "wal/segment/sync", 1, 1, 1}};
  result.checks = {
      {"no_lost_acknowledged_writes", Verdict::kPass, "741,002 acknowledged writes read back"},
      {"maybes_stay", Verdict::kPass, "118 writes of unknown outcome: 71 seen, all of them stayed"},
      {"no_resurrected_deletes", Verdict::kPass, "3,120 deletes, none came back"},
      {"reads_exact", Verdict::kPass,
       "1,203,311 reads compared byte by byte with what (seed, agent, stream, op) says must be "
       "there; no difference"},
      {"memory_bounded", Verdict::kPass, "floor 48.0 MiB, slope -0.02 MiB/h"}};
  result.thresholds = {
      {"recovery_seconds", "p99", 2.0, true, 0.412, Verdict::kPass},
      {"resident_memory_bytes", "max", 268435456.0, true, 81788928.0, Verdict::kPass}};
}

inline RunResult fixture_run() {
  RunResult result;
  result.scenario_title = "agents with crashes";
  result.scenario_why = "the smallest run that crosses a torn tail twice";
  result.scenario_file = "scenarios/smoke/first-run.toml";
  result.version = "0.1.0";
  result.started_utc = "2026-11-24T21:37:19Z";
  result.command_line = "pluresdb-soak run scenarios/smoke/first-run.toml";
  result.seed = 42;
  result.duration_seconds = 60.25;
  result.planned_seconds = 60;
  result.verdict = Verdict::kPass;
  result.attempted = 745120;
  result.acknowledged = 741002;
  result.maybe = 118;
  result.not_written = 4000;
  for (std::size_t kind = 0; kind < kOperationKindCount; ++kind) {
    result.operations[kind] = {92625 + kind * 100, 500, 15, kind == 5 ? 3ULL : 0ULL};
  }
  result.acknowledged_bytes = 3'812'345'678;
  result.crashes = 5;
  result.power_losses = 1;
  add_fixture_faults(result);
  result.recoveries = {
      {0.0, 0.011, 0, 0, 0, "start"},      {11.2, 0.203, 51234, 1, 4096, "crash"},
      {21.9, 0.187, 40110, 0, 0, "crash"}, {33.4, 0.412, 99321, 1, 12288, "power_loss"},
      {43.0, 0.150, 30400, 0, 0, "crash"}, {54.7, 0.0901, 8200, 1, 512, "crash"}};
  result.marks = {{11.0, 11.2, "crash", "kill: worker 1 killed"},
                  {21.7, 21.7, "crash", "kill: worker 2 killed"},
                  {33.0, 33.4, "power_loss", "power cut: 1.2 MiB discarded"},
                  {40.0, 45.0, "disk_full", "full disk: 214 writes refused"},
                  {50.0, 50.0, "sync_error", "fsync: wal/segment/sync returned EIO"}};
  add_fixture_samples(result, 61);
  result.memory = {50331648, 75497472, 81788928, -20971.52};
  result.segments_max = 11;
  result.segments_end = 4;
  result.wal_bytes_max = 92262343;
  result.evidence = {.kills_with_maybes = 4,
                     .unsynced_bytes_discarded = 1258291,
                     .unsynced_writes_discarded = 311,
                     .directory_entries_discarded = 1,
                     .torn_tails_met = 3,
                     .torn_bytes_dropped = 16896,
                     .verified_reads = 1203311,
                     .verified_bytes = 5'368'709'120,
                     .full_scans = 7,
                     .unsynced_writes_kept = 86,
                     .unsynced_writes_torn = 29,
                     .sizes_without_bytes = 2,
                     .sectors_of_garbage = 1043,
                     .writes_out_of_order = 12,
                     .directory_entries_kept = 31,
                     .names_out_of_order = 5};
  return result;
}

/// The same run with a store that lies about fsync; hostile text where text comes from outside.
inline RunResult fixture_failed_run() {
  RunResult result = fixture_run();
  result.scenario_title = "lying <fsync> & \"friends\"";
  result.verdict = Verdict::kFail;
  result.interrupted = true;
  result.lost_acknowledged_writes = 27;
  result.resurrected_deletes = 1;
  result.lost_documents = {"shell-0/stdout/000000000042", "shell-1/memory/000000000007",
                           "evil\x1b[31m\xff</script>]]>"};
  result.checks[0] = {"no_lost_acknowledged_writes", Verdict::kFail,
                      "27 lost, first shell-0/stdout/000000000042 (op 1311)\nsecond line"};
  result.faults[3].fired = 0;
  result.thresholds[0].value = 3.5;
  result.thresholds[0].verdict = Verdict::kFail;
  return result;
}

}  // namespace soak::report
