// The life of a scenario: a folder, shared memory, metrics; then life.cc; then judge and reports.
#include "harness/supervisor/run.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>

#include "faultinj/power_loss.h"
#include "harness/common/shared_region.h"
#include "harness/common/store_key.h"
#include "harness/common/worker_config.h"
#include "harness/metrics/exporter.h"
#include "harness/oracle/oracle.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/units.h"
#include "harness/supervisor/fault_driver.h"
#include "harness/supervisor/judge.h"
#include "harness/supervisor/ledger_drain.h"
#include "harness/supervisor/life.h"
#include "harness/supervisor/loop.h"
#include "harness/supervisor/monitor.h"
#include "harness/supervisor/recorder.h"
#include "harness/supervisor/run_clock.h"
#include "harness/supervisor/run_folder.h"
#include "harness/supervisor/signals.h"
#include "harness/supervisor/thresholds.h"
#include "harness/supervisor/unique_fd.h"
#include "harness/supervisor/worker_process.h"
#include "harness/supervisor/worker_setup.h"
#include <pluresdb/error.h>

namespace soak::supervisor {
namespace {

using pluresdb::Result;
using pluresdb::Status;

constexpr int kExitEnvironment = 4;

int environment_error(const std::string& text) {
  fmt::print(stderr, "pluresdb-soak: {}\n", text);
  return kExitEnvironment;
}

/// What a run stands on: made before it, gone after it.
struct Ground {
  std::string worker_binary;
  RunFolder folder;
  UniqueFd region_file, journal;
  RegionMapping region;
  std::unique_ptr<metrics::Exporter> exporter;
  std::unique_ptr<report::EventLog> events;
  std::unique_ptr<report::Terminal> terminal;
};

Status furnish(const RunOptions& options, std::uint32_t agent_count, Ground& ground) {
  TRY_ASSIGN(const int region, create_shared_region(agent_count));
  ground.region_file = UniqueFd(region);
  TRY_ASSIGN(ground.region, RegionMapping::map(region));
  TRY_ASSIGN(const int journal, faultinj::create_power_loss_journal());
  ground.journal = UniqueFd(journal);
  TRY_ASSIGN(ground.exporter,
             metrics::Exporter::start({.listen = options.scenario.metrics_listen,
                                       .samples_file = ground.folder.file("metrics.om"),
                                       .scenario = options.scenario.title,
                                       .version = options.version,
                                       .seed = options.scenario.seed,
                                       .region = &*ground.region}));
  TRY_ASSIGN(ground.events, report::EventLog::create(ground.folder.file("events.ndjson")));
  ground.terminal =
      report::Terminal::create(options.quiet || options.json || options.check, options.color);
  return {};
}

std::string store_key_of(const scenario::Scenario& scenario) {
  return scenario.engine.encryption == "none" ? "" : store_key_text(scenario.seed);
}

/// Leaves nothing behind when it fails, so that the command can be given again.
Result<Ground> prepare(const RunOptions& options, std::uint32_t agent_count,
                       std::chrono::sys_seconds started) {
  Ground ground;
  TRY_ASSIGN(ground.worker_binary, find_worker_binary());
  TRY_ASSIGN(ground.folder, RunFolder::create({.out_directory = options.out_directory,
                                               .title = options.scenario.title,
                                               .utc = fmt::format("{:%Y%m%dT%H%M%SZ}", started),
                                               .resolved_toml = options.resolved_toml,
                                               .store_key = store_key_of(options.scenario)}));
  if (auto status = furnish(options, agent_count, ground); !status.has_value()) {
    ground.folder.discard();
    return std::unexpected(std::move(status).error());
  }
  return ground;
}

std::vector<std::string> opening_lines(const RunOptions& options, const Ground& ground,
                                       std::size_t agents) {
  const scenario::Scenario& scenario = options.scenario;
  std::vector<std::string> lines = {
      fmt::format("{}: seed {}, {}, {} agents, {} faults", scenario.title, scenario.seed,
                  scenario::format_duration(scenario.duration_seconds), agents,
                  scenario.faults.size()),
      fmt::format("run folder: {}", ground.folder.path())};
  if (!ground.exporter->address().empty()) {
    lines.push_back(fmt::format("metrics: curl http://{}/metrics", ground.exporter->address()));
  }
  return lines;
}

void fill_numbers(const oracle::OracleCounts& counts, report::RunResult& result) {
  result.attempted = counts.attempted;
  result.acknowledged = counts.acknowledged;
  result.maybe = counts.maybe;
  result.not_written = counts.not_written;
  result.operations = counts.operations;
  result.acknowledged_bytes = counts.acknowledged_bytes;
  result.evidence.reported_losses = counts.reported_losses;
  result.evidence.refused_reads = counts.refused_reads;
  result.lost_acknowledged_writes = counts.lost_acknowledged_writes;
  result.resurrected_deletes = counts.resurrected_deletes;
  result.corrupt_reads = counts.corrupt_reads;
  result.evidence.verified_reads = counts.verified_reads;
  result.evidence.verified_bytes = counts.verified_bytes;
}

void fill_counters(const SharedCounters& counters, RunFacts& facts) {
  facts.groups_rewritten = counters.wal_groups_rewritten_total.load();
  facts.no_space_refusals = counters.wal_no_space_refusals_total.load();
  facts.checkpoints = counters.checkpoints_total.load();
  facts.segments_deleted = counters.segments_deleted_total.load();
  facts.segments_rewritten = counters.segments_rewritten_total.load();
  facts.segments_compressed = counters.segments_compressed_total.load();
}

/// Plays the scenario and judges it; returns what the harness itself did wrong, or "".
std::string play(const RunOptions& options, Ground& ground, Signals& signals,
                 report::RunResult& result) {
  const scenario::Scenario& scenario = options.scenario;
  const std::vector<AgentConfig> agents = agents_of(scenario);
  const RunClock clock;
  oracle::Oracle oracle(scenario.seed, agents, scenario.engine.durability == "none");
  if (std::ranges::any_of(scenario.faults, scenario::is_damage, &scenario::FaultSection::kind)) {
    oracle.expect_damage();
  }
  FaultDriver faults(scenario);
  LedgerDrain drain(*ground.region, oracle);
  Recorder recorder(*ground.events, *ground.terminal, clock, result);
  Monitor monitor({.scenario = scenario,
                   .region = *ground.region,
                   .oracle = oracle,
                   .faults = faults,
                   .clock = clock,
                   .result = result},
                  *ground.exporter, *ground.terminal);
  Loop loop({.scenario = scenario,
             .clock = clock,
             .signals = signals,
             .drain = drain,
             .faults = faults,
             .oracle = oracle,
             .recorder = recorder,
             .monitor = monitor});
  recorder.run_started(opening_lines(options, ground, agents.size()));
  Life life({.scenario = scenario,
             .folder = ground.folder,
             .worker_binary = ground.worker_binary,
             .region = *ground.region,
             .region_descriptor = ground.region_file.get(),
             .journal_descriptor = ground.journal.get(),
             .clock = clock,
             .signals = signals,
             .oracle = oracle,
             .faults = faults,
             .drain = drain,
             .loop = loop,
             .monitor = monitor,
             .recorder = recorder,
             .result = result},
            agents);
  life.live();

  RunFacts facts = life.facts();
  if (const Status status = monitor.finish(); !status.has_value() && facts.harness_error.empty()) {
    facts.harness_error = pluresdb::to_string(status.error());
  }
  if (facts.harness_error.empty()) {
    facts.harness_error = monitor.sample_error();
  }
  facts.counts = oracle.counts();
  if (facts.counts.protocol_errors > 0 && facts.harness_error.empty()) {
    facts.harness_error = fmt::format("the ledger has {} records that no correct worker writes",
                                      facts.counts.protocol_errors);
  }
  facts.first_violations = recorder.first_violations();
  facts.memory = monitor.memory().judge();
  fill_counters(ground.region->counters, facts);
  fill_numbers(facts.counts, result);
  result.duration_seconds = life.load_seconds();
  result.faults = faults.results();
  result.memory = monitor.memory().result();
  result.thresholds = judge_thresholds(scenario.thresholds, result);
  judge(scenario, facts, result);
  recorder.verdict(result);
  return facts.harness_error;
}

Status write_everything(const RunOptions& options, Ground& ground,
                        const report::RunResult& result) {
  TRY(ground.events->close());
  TRY(report::write_reports(result, ground.folder.path()));
  TRY(ground.folder.finish(options.scenario.keep_data, result));
  return {};
}

/// "ok     FILE: fail by reads_exact (3.2 s)"; of another end also what was expected, and where to
/// look.
std::string check_line(const RunOptions& options, const Ground& ground,
                       const report::RunResult& result) {
  const scenario::ExpectSection& expect = options.scenario.expect;
  const std::string ended = fmt::format("{}: {}, {:.1f} s", options.scenario_file,
                                        outcome_text(result), result.duration_seconds);
  if (is_as_expected(expect, result)) {
    return fmt::format("ok     {}\n", ended);
  }
  return fmt::format("WRONG  {}; expected {}{}{} ({})\n", ended, expect.verdict,
                     expect.check.empty() ? "" : " by ", expect.check, ground.folder.path());
}

/// False when the text could not be written: a full disk, a reader that went away.
bool print(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

Status show(const RunOptions& options, Ground& ground, const report::RunResult& result) {
  ground.terminal->finish(report::final_screen(result, ground.folder.path(), options.color,
                                               ground.terminal->columns()));
  std::string text;
  if (options.check) {
    text = check_line(options, ground, result);
  } else if (options.json) {
    text = report::summary_json(result);
  } else if (options.quiet) {
    text = fmt::format("{}: {} ({})\n", report::verdict_name(result.verdict), result.scenario_title,
                       ground.folder.path());
  }
  if (!print(text)) {
    return pluresdb::fail(
        pluresdb::ErrorCode::kIo,
        "standard output cannot be written; the result is in " + ground.folder.path());
  }
  return {};
}

void hold(const RunOptions& options, const Ground& ground, Signals& signals) {
  if (!options.hold || ground.exporter->address().empty()) {
    return;
  }
  fmt::print(stderr, "holding: metrics at http://{}/metrics until Ctrl-C\n",
             ground.exporter->address());
  signals.wait_for(signals.count() + 1);
}

}  // namespace

int run(const RunOptions& options) {
  auto signals = Signals::catch_stop_signals();
  if (!signals.has_value()) {
    return environment_error(pluresdb::to_string(signals.error()));
  }
  const auto started = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  auto ground =
      prepare(options, static_cast<std::uint32_t>(agents_of(options.scenario).size()), started);
  if (!ground.has_value()) {
    // What the user gave is described by a whole sentence; a code in front of it says nothing.
    const bool is_argument = ground.error().code == pluresdb::ErrorCode::kInvalidArgument;
    return environment_error(is_argument ? ground.error().context
                                         : pluresdb::to_string(ground.error()));
  }
  report::RunResult result;
  result.scenario_title = options.scenario.title;
  result.scenario_why = options.scenario.why;
  result.scenario_file = options.scenario_file;
  result.version = options.version;
  result.started_utc = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", started);
  result.command_line = options.command_line;
  result.seed = options.scenario.seed;
  result.planned_seconds = options.scenario.duration_seconds;

  const std::string harness_error = play(options, *ground, *signals, result);
  Status written = write_everything(options, *ground, result);
  if (Status shown = show(options, *ground, result); written && !shown) {
    written = std::move(shown);
  }
  hold(options, *ground, *signals);
  if (!written.has_value()) {
    return environment_error(pluresdb::to_string(written.error()));
  }
  // A lost write is a lost write, whatever else went wrong.
  if (!harness_error.empty() && result.verdict != report::Verdict::kFail) {
    return environment_error(harness_error);
  }
  if (options.check) {
    return is_as_expected(options.scenario.expect, result) ? 0 : 1;
  }
  return static_cast<int>(result.verdict);
}

}  // namespace soak::supervisor
