// Checks, thresholds and verdict on made-up runs: each way to fail, and each way to prove nothing.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "harness/common/operation.h"
#include "harness/oracle/oracle.h"
#include "harness/report/run_result.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/judge.h"
#include "harness/supervisor/plaintext_search.h"
#include "harness/supervisor/thresholds.h"

namespace soak::supervisor {
namespace {

using oracle::Violation;
using oracle::ViolationKind;
using report::RunResult;
using report::Verdict;
using scenario::Scenario;

constexpr std::uint64_t kMebibyte = 1024ULL * 1024;

/// A run with kills and a power loss in which everything is as it should be.
class JudgeTest : public ::testing::Test {
 protected:
  JudgeTest() {
    facts_.counts.acknowledged = 1000;
    facts_.counts.maybe = 4;
    facts_.counts.verified_reads = 500;
    facts_.memory.name = "memory_bounded";
    facts_.final_check_done = true;
    facts_.replayed_entries = 10;
    result_.crashes = 5;
    result_.power_losses = 2;
    result_.evidence.kills_with_maybes = 3;
    result_.evidence.unsynced_bytes_discarded = 4096;
    result_.evidence.full_scans = 2;
    result_.faults = {
        {.name = "kill", .kind = "crash", .point = "", .planned = 3, .attempted = 3, .fired = 3},
        {.name = "cut",
         .kind = "power_loss",
         .point = "",
         .planned = 1,
         .attempted = 2,
         .fired = 2}};
  }

  report::CheckResult check(std::string_view name) {
    judge(scenario_, facts_, result_);
    const auto found = std::find_if(result_.checks.begin(), result_.checks.end(),
                                    [&](const auto& each) { return each.name == name; });
    EXPECT_NE(found, result_.checks.end()) << name;
    return found == result_.checks.end() ? report::CheckResult{} : *found;
  }
  /// The verdict of one check, and that the run's verdict follows it.
  void expect(std::string_view name, Verdict verdict) {
    const report::CheckResult found = check(name);
    EXPECT_EQ(found.verdict, verdict) << name << ": " << found.detail;
    EXPECT_EQ(result_.verdict, verdict) << name;
  }

  Scenario scenario_;
  RunFacts facts_;
  RunResult result_;
};

TEST_F(JudgeTest, AGoodRunPasses) {
  judge(scenario_, facts_, result_);
  EXPECT_EQ(result_.verdict, Verdict::kPass);
}

TEST_F(JudgeTest, EveryCheckOfTheCatalogIsJudgedOnce) {
  judge(scenario_, facts_, result_);
  std::vector<std::string> judged;
  for (const report::CheckResult& each : result_.checks) {
    judged.push_back(each.name);
  }
  std::vector<std::string> known;
  for (const std::string_view name : scenario::names_of(scenario::verdict_checks())) {
    known.emplace_back(name);
  }
  std::sort(judged.begin(), judged.end());
  std::sort(known.begin(), known.end());
  EXPECT_EQ(judged, known);
}

TEST_F(JudgeTest, ALostWriteFailsAndIsNamed) {
  facts_.counts.lost_acknowledged_writes = 1;
  facts_.first_violations = {{.kind = ViolationKind::kLostAcknowledgedWrite,
                              .key = {},
                              .document_id = "shell-0/stdout/000000000042",
                              .detail = "expected op 7, found nothing"}};
  expect("no_lost_acknowledged_writes", Verdict::kFail);
  EXPECT_NE(check("no_lost_acknowledged_writes").detail.find("shell-0/stdout/000000000042"),
            std::string::npos);
}

TEST_F(JudgeTest, AScanThatWasRefusedProvesNothing) {
  facts_.refused_scans = {"corruption: a table of the base store"};
  expect("evidence", Verdict::kInconclusive);
  EXPECT_NE(check("evidence").detail.find("corruption: a table"), std::string::npos);
}

TEST_F(JudgeTest, AMaybeThatVanishedFails) {
  facts_.counts.maybes_vanished = 1;
  expect("maybes_stay", Verdict::kFail);
}

TEST_F(JudgeTest, AMaybeThatAppearedLaterFails) {
  facts_.counts.maybes_reappeared = 1;
  expect("maybes_stay", Verdict::kFail);
}

TEST_F(JudgeTest, AReusedSeqFails) {
  facts_.counts.reused_seqs = 1;
  expect("seqs_increase", Verdict::kFail);
}

TEST_F(JudgeTest, AResurrectedDeleteFails) {
  facts_.counts.resurrected_deletes = 1;
  expect("no_resurrected_deletes", Verdict::kFail);
}

TEST_F(JudgeTest, WrongBytesFail) {
  facts_.counts.corrupt_reads = 1;
  expect("reads_exact", Verdict::kFail);
}

TEST_F(JudgeTest, PlaintextFailsAndASearchOfNothingIsInconclusive) {
  constexpr std::string_view kName = "no_plaintext_on_disk";
  expect(kName, Verdict::kPass);  // Of a store that is not encrypted.
  scenario_.engine.encryption = "aes-256-gcm";
  facts_.nonce_pairs = 1;
  expect(kName, Verdict::kInconclusive);
  facts_.plaintext = {.canaries = 12, .files = 3, .bytes = 4096};
  expect(kName, Verdict::kPass);
  EXPECT_NE(check(kName).detail.find("4096 bytes of 3 files"), std::string::npos);
  for (std::uint64_t PlaintextSearch::* const number :
       {&PlaintextSearch::canaries, &PlaintextSearch::files, &PlaintextSearch::bytes}) {
    const std::uint64_t before = std::exchange(facts_.plaintext.*number, 0);
    expect(kName, Verdict::kInconclusive);
    facts_.plaintext.*number = before;
  }
  facts_.plaintext.unfinished = {"read wal/7.wal"};
  expect(kName, Verdict::kInconclusive);
  facts_.plaintext.findings = 7;
  facts_.plaintext.found = {"debug.log at 4 holds the actor shell-0"};
  expect(kName, Verdict::kFail);
  EXPECT_NE(check(kName).detail.find("7 findings; first: debug.log at 4"), std::string::npos);
}

TEST_F(JudgeTest, APairOfKeyAndNonceThatComesTwiceFails) {
  constexpr std::string_view kName = "no_nonce_reuse";
  expect(kName, Verdict::kPass);  // Of a store that is not encrypted.
  scenario_.engine.encryption = "aes-256-gcm";
  facts_.plaintext = {.canaries = 12, .files = 3, .bytes = 4096};
  facts_.encryptions = 9;
  expect(kName, Verdict::kInconclusive);
  facts_.nonce_pairs = 8;
  expect(kName, Verdict::kPass);
  EXPECT_NE(check(kName).detail.find("9 encryptions, 8 different pairs"), std::string::npos);
  facts_.nonces_repeated = 1;
  expect(kName, Verdict::kFail);
}

TEST_F(JudgeTest, AWrongCrashImageFailsAndAnUnexaminedOneIsInconclusive) {
  facts_.unexamined_images = {"image 2 of clone 1: fork"};
  expect("crash_images_recover", Verdict::kInconclusive);
  facts_.wrong_images = {"image 3 of clone 1: lost"};
  expect("crash_images_recover", Verdict::kFail);
  EXPECT_EQ(check("crash_images_recover").detail, "image 3 of clone 1: lost");
}

TEST_F(JudgeTest, AnUnfinishedLastLookIsInconclusive) {
  facts_.final_check_done = false;
  expect("evidence", Verdict::kInconclusive);
}

TEST_F(JudgeTest, AReadThatFailsFails) {
  facts_.counts.reads_failed = 1;
  expect("reads_exact", Verdict::kFail);
}

TEST_F(JudgeTest, AnAlienDocumentFails) {
  facts_.counts.alien_documents = 1;
  expect("no_alien_documents", Verdict::kFail);
}

TEST_F(JudgeTest, AWorkerThatDiedByItselfFails) {
  facts_.unexpected_ends = {"worker 3 killed by signal 6"};
  expect("worker_stays_alive", Verdict::kFail);
}

TEST_F(JudgeTest, AStoreThatDoesNotOpenFails) {
  facts_.failed_opens = {"worker 4 (after crash): corruption"};
  expect("recovery_succeeds", Verdict::kFail);
}

TEST_F(JudgeTest, CorruptionThatNothingCausedFails) {
  facts_.damaged_opens = {"after crash recovery found 1 corrupt entries"};
  expect("recovery_succeeds", Verdict::kFail);
}

TEST_F(JudgeTest, GrowingMemoryFails) {
  facts_.memory.verdict = Verdict::kFail;
  expect("memory_bounded", Verdict::kFail);
}

TEST_F(JudgeTest, ALifeWithoutProgressFails) {
  facts_.idle_lives = {"in 9 s worker 2 had no operation acknowledged"};
  expect("progress_made", Verdict::kFail);
}

TEST_F(JudgeTest, AFaultThatFiredTooSeldomProvesNothing) {
  result_.faults[0].planned = 4;
  expect("faults_fired", Verdict::kInconclusive);
  EXPECT_NE(check("faults_fired").detail.find("\"kill\" fired 3 of 4 times"), std::string::npos);
}

TEST_F(JudgeTest, ABranchThatWasNotReachedProvesNothing) {
  scenario_.must_reach = {"wal_replayed", "torn_tail_dropped"};
  expect("branches_reached", Verdict::kInconclusive);
  EXPECT_EQ(check("branches_reached").detail, "not reached: torn_tail_dropped");
}

TEST_F(JudgeTest, EveryBranchOfTheCatalogCanBeReached) {
  facts_.groups_rewritten = facts_.no_space_refusals = facts_.checkpoints = 1;
  facts_.segments_deleted = facts_.segments_rewritten = facts_.segments_compressed = 1;
  facts_.resumed_after_disk_full = facts_.reopened_read_only = facts_.tampering_reports = 1;
  result_.evidence.damages = result_.evidence.damage_reports = 1;
  result_.evidence.base_damages = result_.evidence.base_lost = 1;
  result_.evidence.torn_tails_met = result_.evidence.directory_entries_discarded = 1;
  const std::map<std::string_view, std::uint64_t report::EvidenceResult::*> own_numbers = {
      {"write_torn", &report::EvidenceResult::unsynced_writes_torn},
      {"size_without_bytes", &report::EvidenceResult::sizes_without_bytes},
      {"garbage_left", &report::EvidenceResult::sectors_of_garbage},
      {"writes_out_of_order", &report::EvidenceResult::writes_out_of_order},
      {"names_out_of_order", &report::EvidenceResult::names_out_of_order}};
  for (const auto& [name, number] : own_numbers) {
    scenario_.must_reach = {std::string(name)};
    EXPECT_EQ(check("branches_reached").verdict, Verdict::kInconclusive) << name;
    result_.evidence.*number = 1;
    EXPECT_EQ(check("branches_reached").verdict, Verdict::kPass) << name;
  }
  for (const std::string_view name : scenario::names_of(scenario::recovery_branches())) {
    scenario_.must_reach = {std::string(name)};
    EXPECT_EQ(check("branches_reached").verdict, Verdict::kPass) << name;
  }
}

TEST_F(JudgeTest, DamageThatNothingExplainsFails) {
  facts_.damaged_opens = {"after crash recovery found 2 corrupt entries"};
  result_.evidence.damages = 1;
  expect("recovery_succeeds", Verdict::kFail);
}

TEST_F(JudgeTest, ReportedLossesAreTold) {
  facts_.counts.reported_losses = 3;
  const report::CheckResult told = check("no_lost_acknowledged_writes");
  EXPECT_EQ(told.verdict, Verdict::kPass);
  EXPECT_NE(told.detail.find("3 lost by damage at rest"), std::string::npos) << told.detail;
}

TEST_F(JudgeTest, DamageOfTheBaseStoreThatNobodyReadProvesNothing) {
  result_.evidence.damages = result_.evidence.base_damages = 2;
  scenario_.must_reach = {"base_damage_met"};
  expect("evidence", Verdict::kInconclusive);
  expect("branches_reached", Verdict::kInconclusive);
  for (std::uint64_t report::EvidenceResult::* const met :
       {&report::EvidenceResult::refused_reads, &report::EvidenceResult::refused_scans,
        &report::EvidenceResult::base_lost}) {
    result_.evidence.*met = 1;
    expect("evidence", Verdict::kPass);
    expect("branches_reached", Verdict::kPass);
    result_.evidence.*met = 0;
  }
}

TEST_F(JudgeTest, ABaseStoreThatIsLostAndSaysSoIsTold) {
  result_.evidence.damages = result_.evidence.base_damages = result_.evidence.base_lost = 1;
  facts_.base_damage = "base/MANIFEST-000012 at 77";
  facts_.base_lost = "base_lost: writes up to seq 130 may be lost";
  facts_.live_when_base_lost = 42;
  const report::CheckResult told = check("recovery_succeeds");
  EXPECT_EQ(result_.verdict, Verdict::kPass);
  for (const char* part : {"MANIFEST-000012 at 77", "up to seq 130", "42 documents"}) {
    EXPECT_NE(told.detail.find(part), std::string::npos) << told.detail;
  }
}

TEST_F(JudgeTest, ABaseStoreThatIsLostAndThenThereFails) {
  result_.evidence.damages = result_.evidence.base_damages = 1;
  facts_.base_lost = "base_lost: writes up to seq 130 may be lost";
  facts_.damaged_opens = {"the base store was lost, and at the next opening it was not"};
  facts_.final_check_done = false;
  EXPECT_EQ(check("recovery_succeeds").verdict, Verdict::kFail);
  EXPECT_EQ(result_.verdict, Verdict::kFail);
}

TEST_F(JudgeTest, KillsThatInterruptedNothingProveNothing) {
  result_.evidence.kills_with_maybes = 0;
  expect("evidence", Verdict::kInconclusive);
  // Those that only damage what is at rest need not.
  result_.faults = {
      {.name = "flip", .kind = "bit_flip", .point = "", .planned = 3, .attempted = 3, .fired = 3}};
  expect("evidence", Verdict::kPass);
}

TEST_F(JudgeTest, PowerLossesThatTookNothingProveNothing) {
  result_.evidence.unsynced_bytes_discarded = 0;
  expect("evidence", Verdict::kInconclusive);
}

TEST_F(JudgeTest, ARunWithoutWritesProvesNothing) {
  facts_.counts.acknowledged = 0;
  expect("evidence", Verdict::kInconclusive);
  expect("progress_made", Verdict::kInconclusive);
}

TEST_F(JudgeTest, AnInterruptedRunProvesNothing) {
  result_.interrupted = true;
  expect("evidence", Verdict::kInconclusive);
}

TEST_F(JudgeTest, AHarnessErrorIsNeverAPass) {
  facts_.harness_error = "write metrics.om";
  judge(scenario_, facts_, result_);
  EXPECT_EQ(result_.verdict, Verdict::kInconclusive);
}

TEST(Verdict, FailBeatsInconclusiveBeatsPass) {
  const auto of = [](std::vector<Verdict> verdicts) {
    std::vector<report::CheckResult> checks;
    for (const Verdict verdict : verdicts) {
      checks.push_back({.name = "x", .verdict = verdict, .detail = ""});
    }
    return overall(checks);
  };
  EXPECT_EQ(of({Verdict::kPass, Verdict::kPass}), Verdict::kPass);
  EXPECT_EQ(of({Verdict::kPass, Verdict::kInconclusive}), Verdict::kInconclusive);
  EXPECT_EQ(of({Verdict::kInconclusive, Verdict::kFail, Verdict::kPass}), Verdict::kFail);
  EXPECT_EQ(of({}), Verdict::kInconclusive);
}

/// Numbers that differ from each other, so that a mix-up shows.
RunResult numbers() {
  RunResult result;
  result.duration_seconds = 10;
  result.operations[static_cast<std::size_t>(OperationKind::kCommand)]
                   [static_cast<std::size_t>(Outcome::kAcknowledged)] = 1200;
  result.operations[static_cast<std::size_t>(OperationKind::kRead)]
                   [static_cast<std::size_t>(Outcome::kAcknowledged)] = 800;
  result.operations[static_cast<std::size_t>(OperationKind::kCommand)]
                   [static_cast<std::size_t>(Outcome::kMaybe)] = 77;
  result.maybe = 7;
  result.not_written = 8;
  result.crashes = 9;
  result.lost_acknowledged_writes = 3;
  result.memory = {.start_bytes = 10 * kMebibyte,
                   .end_bytes = 20 * kMebibyte,
                   .max_bytes = 30 * kMebibyte,
                   .slope_bytes_per_hour = 5};
  result.segments_max = 12;
  result.segments_end = 4;
  result.wal_bytes_max = 99;
  for (int i = 1; i <= 4; ++i) {
    result.recoveries.push_back({.time_seconds = 1.0 * i,
                                 .duration_seconds = 0.1 * i,
                                 .replayed_entries = i == 2 ? 55U : 0U,
                                 .cause = "crash"});
  }
  return result;
}

TEST(Thresholds, EveryMetricAndStatOfTheCatalogIsMeasured) {
  const RunResult result = numbers();
  for (const scenario::MetricInfo& metric : scenario::threshold_metrics()) {
    for (const std::string_view stat : metric.stats) {
      EXPECT_TRUE(threshold_value(metric.name, stat, result).has_value())
          << metric.name << ' ' << stat;
    }
  }
}

TEST(Thresholds, ValuesAreTheOnesOfTheRun) {
  const RunResult result = numbers();
  const auto value = [&](std::string_view metric, std::string_view stat) {
    return threshold_value(metric, stat, result).value_or(-1);
  };
  EXPECT_DOUBLE_EQ(value("recovery_seconds", "count"), 4);
  EXPECT_DOUBLE_EQ(value("recovery_seconds", "p50"), 0.2);
  EXPECT_DOUBLE_EQ(value("recovery_seconds", "max"), 0.4);
  EXPECT_DOUBLE_EQ(value("replayed_entries", "max"), 55);
  EXPECT_DOUBLE_EQ(value("resident_memory_bytes", "start"), 10.0 * kMebibyte);
  EXPECT_DOUBLE_EQ(value("resident_memory_bytes", "end"), 20.0 * kMebibyte);
  EXPECT_DOUBLE_EQ(value("resident_memory_bytes", "max"), 30.0 * kMebibyte);
  EXPECT_DOUBLE_EQ(value("resident_memory_bytes", "slope_per_hour"), 5);
  EXPECT_DOUBLE_EQ(value("segments", "max"), 12);
  EXPECT_DOUBLE_EQ(value("segments", "end"), 4);
  EXPECT_DOUBLE_EQ(value("wal_bytes", "max"), 99);
  EXPECT_DOUBLE_EQ(value("acknowledged_operations", "count"), 2000);
  EXPECT_DOUBLE_EQ(value("operations_per_second", "mean"), 200);
  EXPECT_DOUBLE_EQ(value("maybe_operations", "count"), 7);
  EXPECT_DOUBLE_EQ(value("refused_operations", "count"), 8);
  EXPECT_DOUBLE_EQ(value("crashes", "count"), 9);
  EXPECT_DOUBLE_EQ(value("lost_acknowledged_writes", "count"), 3);
}

scenario::ThresholdSection limit(const char* metric, const char* stat) {
  scenario::ThresholdSection section;
  section.metric = metric;
  section.stat = stat;
  return section;
}

TEST(Thresholds, BothLimitsAreJudgedAndTheLimitItselfHolds) {
  const RunResult result = numbers();
  scenario::ThresholdSection section = limit("crashes", "count");
  section.max = 9;
  section.min = 10;
  const auto judged = judge_thresholds({section}, result);
  ASSERT_EQ(judged.size(), 2U);
  EXPECT_TRUE(judged[0].is_max);
  EXPECT_EQ(judged[0].verdict, Verdict::kPass);
  EXPECT_FALSE(judged[1].is_max);
  EXPECT_EQ(judged[1].verdict, Verdict::kFail);
  EXPECT_DOUBLE_EQ(judged[1].value, 9);
}

TEST(Thresholds, WhatWasNotMeasuredIsInconclusive) {
  RunResult result = numbers();
  result.recoveries.clear();
  result.memory.slope_bytes_per_hour.reset();
  scenario::ThresholdSection slope = limit("resident_memory_bytes", "slope_per_hour");
  slope.max = 1e9;
  scenario::ThresholdSection recovery = limit("recovery_seconds", "p99");
  recovery.max = 5;
  scenario::ThresholdSection replayed = limit("replayed_entries", "max");
  replayed.max = 5;
  const auto judged = judge_thresholds({slope, recovery, replayed}, result);
  ASSERT_EQ(judged.size(), 3U);
  EXPECT_EQ(judged[0].verdict, Verdict::kInconclusive);
  EXPECT_EQ(judged[1].verdict, Verdict::kInconclusive);
  EXPECT_EQ(judged[2].verdict, Verdict::kInconclusive);
}

TEST_F(JudgeTest, ABrokenThresholdFailsTheRun) {
  result_.thresholds = {{.metric = "crashes",
                         .stat = "count",
                         .limit = 3,
                         .is_max = true,
                         .value = 5,
                         .verdict = Verdict::kFail}};
  expect("thresholds", Verdict::kFail);
  EXPECT_EQ(check("thresholds").detail, "crashes count: 5, max is 3");
}

TEST_F(JudgeTest, AThresholdThatWasNotMeasuredProvesNothing) {
  result_.thresholds = {{.metric = "recovery_seconds",
                         .stat = "p99",
                         .limit = 3,
                         .is_max = true,
                         .value = 0,
                         .verdict = Verdict::kInconclusive}};
  expect("thresholds", Verdict::kInconclusive);
}

TEST_F(JudgeTest, AnEndIsAsExpectedOnlyWithTheVerdictOfTheNamedCheck) {
  facts_.counts.corrupt_reads = 1;
  facts_.failed_opens = {"it did not open"};
  judge(scenario_, facts_, result_);
  EXPECT_EQ(outcome_text(result_), "fail by reads_exact, recovery_succeeds");
  EXPECT_TRUE(is_as_expected({.verdict = "fail", .check = "reads_exact"}, result_));
  EXPECT_TRUE(is_as_expected({.verdict = "fail", .check = "recovery_succeeds"}, result_));
  EXPECT_FALSE(is_as_expected({.verdict = "fail", .check = "maybes_stay"}, result_));
  EXPECT_FALSE(is_as_expected({.verdict = "pass", .check = ""}, result_));
  EXPECT_FALSE(is_as_expected({.verdict = "inconclusive", .check = ""}, result_));
}

TEST_F(JudgeTest, OutcomesNameTheChecksThatGaveThem) {
  judge(scenario_, facts_, result_);
  EXPECT_EQ(outcome_text(result_), "pass");
  EXPECT_TRUE(is_as_expected({.verdict = "pass", .check = ""}, result_));
  facts_.final_check_done = false;
  judge(scenario_, facts_, result_);
  EXPECT_EQ(outcome_text(result_), "inconclusive by evidence");
  EXPECT_FALSE(is_as_expected({.verdict = "pass", .check = ""}, result_));
}

}  // namespace
}  // namespace soak::supervisor
