// A check that cannot say anything is inconclusive, never a pass (D15).
#include "harness/supervisor/judge.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/common/operation.h"
#include "harness/oracle/oracle.h"
#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"

namespace soak::supervisor {
namespace {

using oracle::ViolationKind;
using report::CheckResult;
using report::RunResult;
using report::Verdict;
using scenario::FaultKind;
using scenario::Scenario;

constexpr std::size_t kExamplesMax = 3;

CheckResult passed(std::string name, std::string detail) {
  return {.name = std::move(name), .verdict = Verdict::kPass, .detail = std::move(detail)};
}
CheckResult failed(std::string name, std::string detail) {
  return {.name = std::move(name), .verdict = Verdict::kFail, .detail = std::move(detail)};
}
CheckResult inconclusive(std::string name, std::string detail) {
  return {.name = std::move(name), .verdict = Verdict::kInconclusive, .detail = std::move(detail)};
}

/// "shell-0/stdout/000000000042: expected op 7, found nothing; ..."
std::string examples(const RunFacts& facts, std::initializer_list<ViolationKind> kinds) {
  std::string text;
  std::size_t shown = 0;
  for (const oracle::Violation& violation : facts.first_violations) {
    const bool wanted = std::find(kinds.begin(), kinds.end(), violation.kind) != kinds.end();
    if (wanted && shown < kExamplesMax) {
      text += fmt::format("; {}: {}", violation.document_id, violation.detail);
      ++shown;
    }
  }
  return text;
}

std::string first_of(const std::vector<std::string>& texts) {
  return texts.size() == 1 ? texts.front()
                           : fmt::format("{} times; first: {}", texts.size(), texts.front());
}

CheckResult lost_writes(const RunFacts& facts) {
  constexpr const char* kName = "no_lost_acknowledged_writes";
  if (facts.counts.lost_acknowledged_writes > 0) {
    return failed(kName,
                  fmt::format("{} of {} acknowledged writes were lost{}",
                              facts.counts.lost_acknowledged_writes, facts.counts.acknowledged,
                              examples(facts, {ViolationKind::kLostAcknowledgedWrite})));
  }
  const std::string reported =
      facts.counts.reported_losses == 0
          ? ""
          : fmt::format(", {} lost by damage at rest, all reported", facts.counts.reported_losses);
  return passed(
      kName, fmt::format("{} acknowledged writes, {} reads verified{}", facts.counts.acknowledged,
                         facts.counts.verified_reads, reported));
}

CheckResult maybes(const RunFacts& facts) {
  constexpr const char* kName = "maybes_stay";
  const std::uint64_t broken = facts.counts.maybes_vanished + facts.counts.maybes_reappeared;
  if (broken > 0) {
    return failed(kName, fmt::format("{} vanished after they were seen, {} appeared later{}",
                                     facts.counts.maybes_vanished, facts.counts.maybes_reappeared,
                                     examples(facts, {ViolationKind::kMaybeVanished,
                                                      ViolationKind::kMaybeReappeared})));
  }
  return passed(kName, fmt::format("{} writes of unknown outcome", facts.counts.maybe));
}

CheckResult resurrected(const RunFacts& facts) {
  constexpr const char* kName = "no_resurrected_deletes";
  if (facts.counts.resurrected_deletes > 0) {
    return failed(kName,
                  fmt::format("{} deleted documents came back{}", facts.counts.resurrected_deletes,
                              examples(facts, {ViolationKind::kResurrectedDelete})));
  }
  const auto& deletes = facts.counts.operations[static_cast<std::size_t>(OperationKind::kDelete)];
  return passed(kName, fmt::format("{} acknowledged deletes",
                                   deletes[static_cast<std::size_t>(Outcome::kAcknowledged)]));
}

CheckResult exact_reads(const RunFacts& facts) {
  constexpr const char* kName = "reads_exact";
  if (facts.counts.corrupt_reads > 0 || facts.counts.reads_failed > 0) {
    return failed(
        kName,
        fmt::format("{} reads had wrong bytes, {} failed{}", facts.counts.corrupt_reads,
                    facts.counts.reads_failed,
                    examples(facts, {ViolationKind::kCorruptRead, ViolationKind::kReadFailed})));
  }
  return passed(kName, fmt::format("{} bytes in {} reads", facts.counts.verified_bytes,
                                   facts.counts.verified_reads));
}

CheckResult aliens(const RunFacts& facts, const RunResult& result) {
  constexpr const char* kName = "no_alien_documents";
  if (facts.counts.alien_documents > 0) {
    return failed(kName,
                  fmt::format("{} documents that no agent wrote{}", facts.counts.alien_documents,
                              examples(facts, {ViolationKind::kAlienDocument})));
  }
  return passed(
      kName, fmt::format("{} full scans found only what agents wrote", result.evidence.full_scans));
}

CheckResult seqs(const RunFacts& facts) {
  constexpr const char* kName = "seqs_increase";
  if (facts.counts.reused_seqs > 0) {
    return failed(kName, fmt::format("{} seqs were given out twice{}", facts.counts.reused_seqs,
                                     examples(facts, {ViolationKind::kReusedSeq})));
  }
  return passed(kName, fmt::format("{} acknowledged writes", facts.counts.acknowledged));
}

CheckResult alive(const RunFacts& facts, const RunResult& result) {
  constexpr const char* kName = "worker_stays_alive";
  if (!facts.unexpected_ends.empty()) {
    return failed(kName, first_of(facts.unexpected_ends));
  }
  return passed(kName, fmt::format("{} starts, {} ended by kills, {} reopened after the engine "
                                   "became read-only",
                                   facts.starts, result.crashes, facts.reopened_read_only));
}

CheckResult recovery(const RunFacts& facts, const RunResult& result) {
  constexpr const char* kName = "recovery_succeeds";
  if (!facts.failed_opens.empty()) {
    return failed(kName, "the store did not open: " + first_of(facts.failed_opens));
  }
  if (!facts.damaged_opens.empty()) {
    return failed(kName, first_of(facts.damaged_opens));
  }
  if (!facts.base_lost.empty()) {
    return passed(kName, fmt::format("{} recoveries, then {} was damaged and the store, with {} "
                                     "documents, said: {}",
                                     result.recoveries.size(), facts.base_damage,
                                     facts.live_when_base_lost, facts.base_lost));
  }
  return passed(kName, fmt::format("{} recoveries", result.recoveries.size()));
}

CheckResult images(const RunFacts& facts, const RunResult& result) {
  constexpr const char* kName = "crash_images_recover";
  if (!facts.wrong_images.empty()) {
    return failed(kName, first_of(facts.wrong_images));
  }
  if (!facts.unexamined_images.empty()) {
    return inconclusive(kName, first_of(facts.unexamined_images));
  }
  return passed(
      kName, fmt::format("{} images recovered and read, {} different", result.evidence.crash_images,
                         result.evidence.distinct_crash_images));
}

CheckResult plaintext(const Scenario& scenario, const RunFacts& facts) {
  constexpr const char* kName = "no_plaintext_on_disk";
  const PlaintextSearch& search = facts.plaintext;
  if (scenario.engine.encryption == "none") {
    return passed(kName, "the store is not encrypted");
  }
  const std::string searched =
      fmt::format("{} bytes of {} files searched for {} strings that agents wrote", search.bytes,
                  search.files, search.canaries);
  if (search.findings > 0) {
    return failed(kName, fmt::format("{} findings; first: {}; {}", search.findings,
                                     search.found.empty() ? "" : search.found.front(), searched));
  }
  if (!search.unfinished.empty()) {
    return inconclusive(kName, first_of(search.unfinished));
  }
  return search.canaries == 0 || search.files == 0 || search.bytes == 0
             ? inconclusive(kName, "nothing was searched: " + searched)
             : passed(kName, searched);
}

CheckResult nonces(const Scenario& scenario, const RunFacts& facts) {
  constexpr const char* kName = "no_nonce_reuse";
  if (scenario.engine.encryption == "none") {
    return passed(kName, "the store is not encrypted");
  }
  const std::string seen = fmt::format("{} encryptions, {} different pairs of key and nonce kept",
                                       facts.encryptions, facts.nonce_pairs);
  if (facts.nonces_repeated > 0) {
    return failed(kName, fmt::format("{} encryptions under a pair that had been used; {}",
                                     facts.nonces_repeated, seen));
  }
  return facts.nonce_pairs == 0 ? inconclusive(kName, seen) : passed(kName, seen);
}

CheckResult progress(const RunFacts& facts) {
  constexpr const char* kName = "progress_made";
  if (!facts.idle_lives.empty()) {
    return failed(kName, first_of(facts.idle_lives));
  }
  return facts.counts.acknowledged == 0
             ? inconclusive(kName, "no write was acknowledged")
             : passed(kName, fmt::format("{} writes acknowledged", facts.counts.acknowledged));
}

CheckResult faults_fired(const RunResult& result) {
  constexpr const char* kName = "faults_fired";
  std::string missing;
  std::uint64_t fired = 0;
  for (const report::FaultResult& fault : result.faults) {
    fired += fault.fired;
    if (fault.fired < fault.planned) {
      missing +=
          fmt::format("{}\"{}\" fired {} of {} times (began {} times)", missing.empty() ? "" : "; ",
                      fault.name, fault.fired, fault.planned, fault.attempted);
    }
  }
  return missing.empty() ? passed(kName, fmt::format("{} firings", fired))
                         : inconclusive(kName, missing);
}

/// How often the store said that it has met damage of its base store.
std::uint64_t base_damage_met(const report::EvidenceResult& evidence) {
  return evidence.refused_reads + evidence.refused_scans + evidence.base_lost;
}

bool reached(std::string_view branch, const RunFacts& facts, const RunResult& result) {
  const report::EvidenceResult& evidence = result.evidence;
  const std::array<std::pair<std::string_view, std::uint64_t>, 22> numbers = {{
      {"torn_tail_dropped", evidence.torn_tails_met},
      {"corruption_quarantined", evidence.damage_reports},
      {"tampering_reported", facts.tampering_reports},
      {"base_damage_met", base_damage_met(evidence)},
      {"base_lost_reported", evidence.base_lost},
      {"wal_replayed", facts.replayed_entries},
      {"unsynced_bytes_discarded", evidence.unsynced_bytes_discarded},
      {"directory_entries_discarded", evidence.directory_entries_discarded},
      {"write_torn", evidence.unsynced_writes_torn},
      {"size_without_bytes", evidence.sizes_without_bytes},
      {"garbage_left", evidence.sectors_of_garbage},
      {"writes_out_of_order", evidence.writes_out_of_order},
      {"names_out_of_order", evidence.names_out_of_order},
      {"kill_left_maybes", evidence.kills_with_maybes},
      {"group_rewritten", facts.groups_rewritten},
      {"no_space_refused", facts.no_space_refusals},
      {"checkpoint_completed", facts.checkpoints},
      {"segment_deleted", facts.segments_deleted},
      {"segment_rewritten", facts.segments_rewritten},
      {"segment_compressed", facts.segments_compressed},
      {"resumed_after_disk_full", facts.resumed_after_disk_full},
      {"reopened_read_only", facts.reopened_read_only},
  }};
  return std::any_of(numbers.begin(), numbers.end(), [&](const auto& number) {
    return number.first == branch && number.second > 0;
  });
}

CheckResult branches(const Scenario& scenario, const RunFacts& facts, const RunResult& result) {
  constexpr const char* kName = "branches_reached";
  std::string missing;
  for (const std::string& branch : scenario.must_reach) {
    if (!reached(branch, facts, result)) {
      missing += (missing.empty() ? "not reached: " : ", ") + branch;
    }
  }
  return missing.empty()
             ? passed(kName, fmt::format("{} of must_reach", scenario.must_reach.size()))
             : inconclusive(kName, missing);
}

std::uint64_t fired_of(const RunResult& result, FaultKind kind) {
  std::uint64_t fired = 0;
  for (const report::FaultResult& fault : result.faults) {
    fired += fault.kind == scenario::fault_kind_name(kind) ? fault.fired : 0;
  }
  return fired;
}

/// A kill that interrupted nothing and a power loss that took nothing away are no evidence.
CheckResult evidence(const RunFacts& facts, const RunResult& result) {
  constexpr const char* kName = "evidence";
  const report::EvidenceResult& seen = result.evidence;
  std::string missing;
  const auto demand = [&](bool there, std::string_view text) {
    if (!there) {
      missing += fmt::format("{}{}", missing.empty() ? "" : "; ", text);
    }
  };
  demand(!result.interrupted, "the run was stopped before its end");
  demand(facts.counts.acknowledged > 0, "no write was acknowledged");
  demand(facts.counts.verified_reads > 0, "nothing was read back");
  demand(seen.full_scans > 0, "the store was never scanned");
  demand(facts.final_check_done, "the last look at the whole store was not completed");
  demand(facts.refused_scans.empty(),
         facts.refused_scans.empty()
             ? ""
             : "the store could not be scanned to its end: " + first_of(facts.refused_scans));
  const bool lost_power =
      fired_of(result, FaultKind::kPowerLoss) + fired_of(result, FaultKind::kTornWrite) > 0;
  // Who damages what is at rest kills for that, and it does not matter what goes on just then.
  const bool killed = lost_power || fired_of(result, FaultKind::kCrash) > 0;
  demand(!killed || seen.kills_with_maybes > 0, "no kill interrupted a write");
  demand(!lost_power || seen.unsynced_bytes_discarded > 0 || seen.directory_entries_discarded > 0,
         "no power loss took anything away");
  demand(seen.base_damages == 0 || base_damage_met(seen) > 0,
         "no damaged place of the base store was ever read");
  return missing.empty()
             ? passed(kName, fmt::format("{} kills left maybes, {} unsynced bytes discarded, {} "
                                         "torn tails met, {} full scans",
                                         seen.kills_with_maybes, seen.unsynced_bytes_discarded,
                                         seen.torn_tails_met, seen.full_scans))
             : inconclusive(kName, missing);
}

CheckResult thresholds(const RunResult& result) {
  constexpr const char* kName = "thresholds";
  CheckResult check = passed(kName, fmt::format("{} held", result.thresholds.size()));
  std::string broken;
  for (const report::ThresholdResult& threshold : result.thresholds) {
    if (threshold.verdict == Verdict::kPass) {
      continue;
    }
    const bool measured = threshold.verdict == Verdict::kFail;
    broken +=
        fmt::format("{}{} {}: {}", broken.empty() ? "" : "; ", threshold.metric, threshold.stat,
                    measured ? fmt::format("{:.6g}, {} is {:.6g}", threshold.value,
                                           threshold.is_max ? "max" : "min", threshold.limit)
                             : std::string("not measured in this run"));
    check.verdict =
        measured || check.verdict == Verdict::kFail ? Verdict::kFail : Verdict::kInconclusive;
  }
  check.detail = broken.empty() ? check.detail : broken;
  return check;
}

}  // namespace

Verdict overall(const std::vector<CheckResult>& checks) {
  const auto any = [&](Verdict verdict) {
    return std::any_of(checks.begin(), checks.end(),
                       [&](const CheckResult& check) { return check.verdict == verdict; });
  };
  if (any(Verdict::kFail)) {
    return Verdict::kFail;
  }
  return checks.empty() || any(Verdict::kInconclusive) ? Verdict::kInconclusive : Verdict::kPass;
}

bool is_as_expected(const scenario::ExpectSection& expect, const RunResult& result) {
  if (expect.verdict != report::verdict_name(result.verdict)) {
    return false;
  }
  return expect.check.empty() ||
         std::any_of(result.checks.begin(), result.checks.end(), [&](const CheckResult& check) {
           return check.name == expect.check && check.verdict == result.verdict;
         });
}

std::string outcome_text(const RunResult& result) {
  std::string text = report::verdict_name(result.verdict);
  if (result.verdict == Verdict::kPass) {
    return text;
  }
  std::string_view separator = " by ";
  for (const CheckResult& check : result.checks) {
    if (check.verdict == result.verdict) {
      text += fmt::format("{}{}", separator, check.name);
      separator = ", ";
    }
  }
  return text;
}

void judge(const Scenario& scenario, const RunFacts& facts, RunResult& result) {
  result.checks = {lost_writes(facts),
                   maybes(facts),
                   resurrected(facts),
                   exact_reads(facts),
                   aliens(facts, result),
                   seqs(facts),
                   alive(facts, result),
                   recovery(facts, result),
                   images(facts, result),
                   plaintext(scenario, facts),
                   nonces(scenario, facts),
                   facts.memory,
                   progress(facts),
                   faults_fired(result),
                   branches(scenario, facts, result),
                   evidence(facts, result),
                   thresholds(result)};
  result.verdict = overall(result.checks);
  if (result.verdict == Verdict::kPass && !facts.harness_error.empty()) {
    result.verdict = Verdict::kInconclusive;
  }
}

}  // namespace soak::supervisor
