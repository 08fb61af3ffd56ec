// From what was seen to a verdict: pure functions, one per check of the catalog.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/common/shared_region.h"
#include "harness/oracle/oracle.h"
#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/plaintext_search.h"

namespace soak::supervisor {

/// What the checks need beyond RunResult; plain numbers, so that tests can make them up.
struct RunFacts {
  std::vector<std::string> unexpected_ends;  ///< A worker died or hung, not on our command.
  std::vector<std::string> failed_opens;
  std::vector<std::string> damaged_opens;      ///< Recovery saw what no fault of the run explains.
  std::vector<std::string> wrong_images;       ///< Crash images that did not recover rightly.
  std::vector<std::string> unexamined_images;  ///< The harness could not look at them.
  std::vector<std::string> refused_scans;      ///< The store could not list itself.
  std::string base_damage;  ///< Where the base store was damaged last; empty: it was not.
  std::string base_lost;    ///< What the store said when it did not open after that.
  std::uint64_t live_when_base_lost = 0;
  std::vector<std::string> idle_lives;  ///< Nothing acknowledged although agents ran.
  std::string harness_error;            ///< Not the engine's fault; exit status 4.
  bool final_check_done = false;        ///< The whole store was read at the end, twice.
  std::uint64_t starts = 0, reopened_read_only = 0;
  std::uint64_t replayed_entries = 0;
  std::uint64_t groups_rewritten = 0, no_space_refusals = 0, checkpoints = 0;
  std::uint64_t segments_deleted = 0, segments_rewritten = 0, segments_compressed = 0;
  std::uint64_t resumed_after_disk_full = 0;
  std::uint64_t tampering_reports = 0;  ///< Recoveries that told of tampering.
  PlaintextSearch plaintext;            ///< Of an encrypted store: at the end, and of crash images.
  std::uint64_t encryptions = 0;        ///< Of an encrypted store, by all workers together.
  std::uint64_t nonce_pairs = 0;        ///< Of key and nonce, that were watched.
  std::uint64_t nonces_repeated = 0;
  oracle::OracleCounts counts;
  std::vector<oracle::Violation> first_violations;  ///< A few of each run, for the details.
  report::CheckResult memory;                       ///< MemoryTrend::judge().
};

/// Fills checks and verdict of `result`, whose faults and thresholds are filled already.
void judge(const scenario::Scenario& scenario, const RunFacts& facts, report::RunResult& result);
/// Any failed check: fail; else any inconclusive one: inconclusive; else pass.
report::Verdict overall(const std::vector<report::CheckResult>& checks);
/// Whether the run ended as `expect` says: with that verdict, and given by that check.
bool is_as_expected(const scenario::ExpectSection& expect, const report::RunResult& result);
/// "pass", or the verdict and the checks that gave it: "fail by reads_exact, evidence".
std::string outcome_text(const report::RunResult& result);

}  // namespace soak::supervisor
