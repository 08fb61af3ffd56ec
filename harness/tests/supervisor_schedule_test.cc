// The plan of a run's faults is a function of scenario and seed alone.
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "harness/scenario/scenario.h"
#include "harness/supervisor/schedule.h"

namespace soak::supervisor {
namespace {

using scenario::FaultKind;
using scenario::FaultSection;
using scenario::Scenario;

FaultSection fault(const std::string& name, FaultKind kind) {
  FaultSection section;
  section.name = name;
  section.kind = kind;
  return section;
}

FaultSection every(const std::string& name, FaultKind kind, double seconds, double jitter) {
  FaultSection section = fault(name, kind);
  section.every_seconds = seconds;
  section.jitter = jitter;
  return section;
}

FaultSection at(const std::string& name, FaultKind kind, double seconds) {
  FaultSection section = fault(name, kind);
  section.at_seconds = seconds;
  return section;
}

Scenario of(double duration_seconds, std::vector<FaultSection> faults) {
  Scenario scenario;
  scenario.seed = 42;
  scenario.duration_seconds = duration_seconds;
  scenario.faults = std::move(faults);
  return scenario;
}

TEST(Schedule, SameSeedSamePlan) {
  const Scenario scenario = of(600, {every("kill", FaultKind::kCrash, 6, 0.3),
                                     every("cut", FaultKind::kPowerLoss, 10, 0.5)});
  EXPECT_EQ(plan_faults(scenario), plan_faults(scenario));
}

TEST(Schedule, AnotherSeedAnotherPlan) {
  Scenario scenario = of(600, {every("kill", FaultKind::kCrash, 6, 0.3)});
  const std::vector<PlannedFault> plan = plan_faults(scenario);
  scenario.seed = 43;
  EXPECT_NE(plan, plan_faults(scenario));
}

TEST(Schedule, AnotherFaultDoesNotMoveTheInstantsOfTheFirst) {
  const FaultSection kill = every("kill", FaultKind::kCrash, 6, 0.3);
  const Scenario both = of(60, {kill, every("cut", FaultKind::kPowerLoss, 7, 0.3)});
  std::vector<PlannedFault> kills;
  for (const PlannedFault& planned : plan_faults(both)) {
    if (planned.fault == 0) {
      kills.push_back(planned);
    }
  }
  EXPECT_EQ(kills, plan_faults(of(60, {kill})));
}

TEST(Schedule, EveryWithoutJitterComesAtMultiples) {
  const std::vector<PlannedFault> plan =
      plan_faults(of(10, {every("kill", FaultKind::kCrash, 3, 0)}));
  ASSERT_EQ(plan.size(), 3U);
  for (std::size_t i = 0; i < plan.size(); ++i) {
    EXPECT_DOUBLE_EQ(plan[i].begin_seconds, 3.0 * static_cast<double>(i + 1));
    EXPECT_DOUBLE_EQ(plan[i].end_seconds, plan[i].begin_seconds);
  }
}

TEST(Schedule, JitterVariesEachIntervalWithinItsBounds) {
  const double interval = 6;
  const double jitter = 0.3;
  const std::vector<PlannedFault> plan =
      plan_faults(of(6000, {every("kill", FaultKind::kCrash, interval, jitter)}));
  double before = 0;
  double shortest = interval;
  double longest = interval;
  for (const PlannedFault& planned : plan) {
    const double length = planned.begin_seconds - before;
    EXPECT_GE(length, interval * (1 - jitter) - 1e-9);
    EXPECT_LE(length, interval * (1 + jitter) + 1e-9);
    shortest = std::min(shortest, length);
    longest = std::max(longest, length);
    before = planned.begin_seconds;
  }
  EXPECT_LT(shortest, interval * (1 - jitter / 2));
  EXPECT_GT(longest, interval * (1 + jitter / 2));
  EXPECT_NEAR(static_cast<double>(plan.size()), 6000 / interval, 50);
}

TEST(Schedule, FullJitterStillMakesAFinitePlan) {
  const std::vector<PlannedFault> plan =
      plan_faults(of(60, {every("kill", FaultKind::kCrash, 0.1, 1)}));
  EXPECT_GT(plan.size(), 300U);
  EXPECT_LT(plan.size(), 6001U);
}

TEST(Schedule, AtWithForIsOneWindow) {
  FaultSection full = at("full disk", FaultKind::kDiskFull, 28);
  full.for_seconds = 4;
  const std::vector<PlannedFault> expected = {{.fault = 0, .begin_seconds = 28, .end_seconds = 32}};
  EXPECT_EQ(plan_faults(of(60, {full})), expected);
}

TEST(Schedule, AtWithoutForLastsToTheEnd) {
  const std::vector<PlannedFault> expected = {{.fault = 0, .begin_seconds = 20, .end_seconds = 60}};
  EXPECT_EQ(plan_faults(of(60, {at("fsync", FaultKind::kSyncError, 20)})), expected);
}

TEST(Schedule, WithoutInstantTheFaultIsThereAllTheTime) {
  const std::vector<PlannedFault> expected = {{.fault = 0, .begin_seconds = 0, .end_seconds = 60}};
  EXPECT_EQ(plan_faults(of(60, {fault("fsync", FaultKind::kSyncError)})), expected);
}

TEST(Schedule, WindowsOfEveryDoNotOverlap) {
  const std::vector<PlannedFault> plan =
      plan_faults(of(600, {every("fsync", FaultKind::kSyncError, 5, 0.4)}));
  ASSERT_GT(plan.size(), 50U);
  for (std::size_t i = 1; i < plan.size(); ++i) {
    EXPECT_LE(plan[i - 1].end_seconds, plan[i].begin_seconds + 1e-9);
  }
}

TEST(Schedule, FaultsOfAllKindsAreInOrderOfTime) {
  const std::vector<PlannedFault> plan = plan_faults(
      of(60, {every("kill", FaultKind::kCrash, 7, 0.3), at("cut", FaultKind::kPowerLoss, 22),
              every("fsync", FaultKind::kSyncError, 5, 0.1)}));
  for (std::size_t i = 1; i < plan.size(); ++i) {
    EXPECT_LE(plan[i - 1].begin_seconds, plan[i].begin_seconds);
  }
}

Scenario with_phases() {
  Scenario scenario =
      of(60, {every("kill", FaultKind::kCrash, 2, 0), fault("fsync", FaultKind::kSyncError)});
  scenario.phases = {
      {.name = "calm", .duration_seconds = 10, .faults = {}},
      {.name = "kills", .duration_seconds = 10, .faults = {"kill"}},
      {.name = "both", .duration_seconds = 10, .faults = {"kill", "fsync"}},
      {.name = "rest", .duration_seconds = 10, .faults = {}},
      {.name = "again", .duration_seconds = 20, .faults = {"kill"}},
  };
  return scenario;
}

TEST(Schedule, AdjacentPhasesAreOneSpan) {
  const Scenario scenario = with_phases();
  const std::vector<Span> kills = {{.begin_seconds = 10, .end_seconds = 30},
                                   {.begin_seconds = 40, .end_seconds = 60}};
  EXPECT_EQ(active_spans(scenario, scenario.faults[0]), kills);
  const std::vector<Span> fsync = {{.begin_seconds = 20, .end_seconds = 30}};
  EXPECT_EQ(active_spans(scenario, scenario.faults[1]), fsync);
}

TEST(Schedule, FaultsStayInTheirPhases) {
  const Scenario scenario = with_phases();
  std::size_t kills = 0;
  for (const PlannedFault& planned : plan_faults(scenario)) {
    const double begin = planned.begin_seconds;
    if (planned.fault == 0) {
      ++kills;
      EXPECT_TRUE((begin >= 10 && begin < 30) || (begin >= 40 && begin < 60)) << begin;
    } else {
      EXPECT_DOUBLE_EQ(begin, 20);
      EXPECT_DOUBLE_EQ(planned.end_seconds, 30);
    }
  }
  EXPECT_EQ(kills, 18U);
}

TEST(Schedule, AFaultNamedByNoPhaseNeverComes) {
  Scenario scenario = with_phases();
  scenario.faults.push_back(every("unused", FaultKind::kCrash, 1, 0));
  for (const PlannedFault& planned : plan_faults(scenario)) {
    EXPECT_NE(planned.fault, 2U);
  }
}

TEST(Schedule, PhasesAreFoundByTime) {
  const Scenario scenario = with_phases();
  EXPECT_EQ(phase_at(scenario, 0), "calm");
  EXPECT_EQ(phase_at(scenario, 9.999), "calm");
  EXPECT_EQ(phase_at(scenario, 10), "kills");
  EXPECT_EQ(phase_at(scenario, 59), "again");
  EXPECT_EQ(phase_at(scenario, 61), "again");
  EXPECT_EQ(phase_at(of(60, {}), 5), "");
}

}  // namespace
}  // namespace soak::supervisor
