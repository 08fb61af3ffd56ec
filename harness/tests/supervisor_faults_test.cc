// FaultDriver with made-up time: what is due, what is open, whose firing it was.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "faultinj/firing.h"
#include "harness/common/worker_protocol.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/fault_driver.h"

namespace soak::supervisor {
namespace {

using scenario::FaultKind;
using scenario::FaultSection;
using scenario::Scenario;

constexpr std::size_t kKill = 0, kFull = 1, kSync = 2;

/// Kills every 10 s; a full disk at 15 s for 5 s; one failed sync at 30 s within 4 s.
Scenario scenario_of_three() {
  Scenario scenario;
  scenario.duration_seconds = 60;
  FaultSection kill;
  kill.name = "kill";
  kill.kind = FaultKind::kCrash;
  kill.every_seconds = 10;
  kill.must_fire = 3;
  FaultSection full;
  full.name = "full disk";
  full.kind = FaultKind::kDiskFull;
  full.at_seconds = 15;
  full.for_seconds = 5;
  FaultSection sync;
  sync.name = "failed sync";
  sync.kind = FaultKind::kSyncError;
  sync.point = "wal/segment/sync";
  sync.at_seconds = 30;
  sync.for_seconds = 4;
  sync.times = 2;
  sync.probability = 0.5;
  scenario.faults = {kill, full, sync};
  return scenario;
}

class FaultDriverTest : public ::testing::Test {
 protected:
  Scenario scenario_ = scenario_of_three();
  FaultDriver driver_{scenario_};

  /// Everything that is due at that time, as "kill 0, open 1, close 1".
  std::string due(double seconds) {
    std::string text;
    while (const auto action = driver_.next_due(seconds)) {
      const std::map<FaultStep, const char*> steps = {
          {FaultStep::kKill, "kill"},      {FaultStep::kPause, "pause"},
          {FaultStep::kJumpClock, "jump"}, {FaultStep::kOpenWindow, "open"},
          {FaultStep::kClone, "clone"},    {FaultStep::kCloseWindow, "close"}};
      const char* step = steps.at(action->step);
      text += (text.empty() ? "" : ", ") + std::string(step) + ' ' + std::to_string(action->fault);
    }
    return text;
  }
};

TEST_F(FaultDriverTest, NothingIsDueBeforeItsTime) {
  EXPECT_EQ(due(9.99), "");
  EXPECT_EQ(due(10), "kill 0");
  EXPECT_EQ(due(10), "");
}

TEST_F(FaultDriverTest, AWindowOpensAndCloses) {
  due(14);
  EXPECT_EQ(due(15), "open 1");
  EXPECT_TRUE(driver_.is_open(FaultKind::kDiskFull));
  EXPECT_EQ(driver_.open_windows(), std::vector<std::size_t>{kFull});
  EXPECT_EQ(due(19.9), "");
  EXPECT_EQ(due(20), "close 1, kill 0");
  EXPECT_FALSE(driver_.is_open(FaultKind::kDiskFull));
  EXPECT_TRUE(driver_.open_windows().empty());
}

TEST_F(FaultDriverTest, AWindowThatOpensLateKeepsItsLength) {
  due(14);
  EXPECT_EQ(due(27), "open 1, kill 0");
  EXPECT_EQ(due(31.9), "kill 0, open 2");
  EXPECT_TRUE(driver_.is_open(FaultKind::kDiskFull));
  EXPECT_EQ(due(32), "close 1");
}

TEST_F(FaultDriverTest, OfOverdueKillsOnlyTheLastIsLeft) {
  EXPECT_EQ(due(45), "open 1, open 2, kill 0");
  EXPECT_EQ(driver_.results()[kKill].attempted, 1U);
}

TEST_F(FaultDriverTest, ClosingAllNamesTheOpenOnesAndEndsThePlan) {
  due(16);
  EXPECT_EQ(driver_.close_all(16), std::vector<std::size_t>{kFull});
  EXPECT_EQ(due(60), "");
  EXPECT_TRUE(driver_.close_all(60).empty());
}

TEST_F(FaultDriverTest, PointsAreArmedAsTheScenarioSays) {
  const ArmedPoint full{.point = "space/*", .how = {.error_number = ENOSPC}};
  EXPECT_EQ(driver_.armed_point(kFull), full);
  const ArmedPoint sync{.point = "wal/segment/sync",
                        .how = {.error_number = EIO, .times = 2, .probability = 0.5}};
  EXPECT_EQ(driver_.armed_point(kSync), sync);
}

TEST(FaultDriverKinds, AFailedSyncIsArmedAsItsPageCacheDoes) {
  using faultinj::Effect;
  const std::map<std::string, Effect> effects = {{"still_dirty", Effect::kError},
                                                 {"ext4_ordered", Effect::kSyncMarkedClean},
                                                 {"xfs", Effect::kSyncMarkedClean},
                                                 {"btrfs", Effect::kSyncReverted},
                                                 {"ext4_data", Effect::kSyncReportedLater}};
  Scenario scenario;
  scenario.faults.resize(1);
  scenario.faults[0].kind = FaultKind::kSyncError;
  for (const auto& [model, effect] : effects) {
    scenario.faults[0].after_error = model;
    const FaultDriver driver(scenario);
    EXPECT_EQ(driver.armed_point(0).how.effect, static_cast<std::uint32_t>(effect)) << model;
  }
}

TEST(FaultDriverKinds, EachIsArmedAsItsSectionSays) {
  Scenario scenario;
  scenario.faults.resize(3);
  scenario.faults[0].kind = FaultKind::kShortWrite;
  scenario.faults[0].error = "EDQUOT";
  scenario.faults[0].nth = 5;
  scenario.faults[0].min_bytes = 4096;
  scenario.faults[1].kind = FaultKind::kSlowIo;
  scenario.faults[1].delay_seconds = 0.05;
  scenario.faults[1].every_calls = 3;
  scenario.faults[1].max_bytes = 100;
  scenario.faults[2].kind = FaultKind::kIoError;
  scenario.faults[2].error = "EROFS";
  const FaultDriver driver(scenario);
  const auto effect = [](faultinj::Effect kind) { return static_cast<std::uint32_t>(kind); };
  const ArmRequest short_write{.effect = effect(faultinj::Effect::kShortWrite),
                               .error_number = EDQUOT,
                               .times = 1,
                               .nth = 5,
                               .bytes_min = 4096};
  EXPECT_EQ(driver.armed_point(0).how, short_write);
  const ArmRequest slow{.effect = effect(faultinj::Effect::kDelay),
                        .error_number = EIO,
                        .delay_us = 50'000,
                        .every = 3,
                        .bytes_max = 100};
  EXPECT_EQ(driver.armed_point(1).how, slow);
  EXPECT_EQ(driver.armed_point(2).how, ArmRequest{.error_number = EROFS});
}

TEST(FaultDriverKinds, InstantsHaveStepsOfTheirOwn) {
  Scenario scenario;
  scenario.duration_seconds = 60;
  scenario.faults.resize(3);
  scenario.faults[0].kind = FaultKind::kPause;
  scenario.faults[0].every_seconds = 10;
  scenario.faults[0].for_seconds = 2;
  scenario.faults[1].kind = FaultKind::kClockJump;
  scenario.faults[1].at_seconds = 15;
  scenario.faults[2].kind = FaultKind::kCrashImage;
  scenario.faults[2].at_seconds = 16;
  FaultDriver driver(scenario);
  const auto first = driver.next_due(10);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->step, FaultStep::kPause);
  EXPECT_FALSE(driver.next_due(12).has_value()) << "nothing is left to be closed";
  const auto second = driver.next_due(15);
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->step, FaultStep::kJumpClock);
  const auto third = driver.next_due(16);
  ASSERT_TRUE(third.has_value());
  EXPECT_EQ(third->step, FaultStep::kClone);
}

TEST_F(FaultDriverTest, ARestartedWorkerGetsOnlyWhatTheWindowHasLeft) {
  due(30);
  ASSERT_EQ(driver_.point_fired("wal/segment/sync", 30.5), kSync);
  EXPECT_EQ(driver_.armed_point(kSync).how.times, 1U);
  EXPECT_EQ(driver_.point_fired("wal/segment/sync", 30.6), kSync);
  const std::vector<std::size_t> open = driver_.open_windows();
  EXPECT_EQ(std::count(open.begin(), open.end(), kSync), 0);
}

TEST_F(FaultDriverTest, FiringsFindTheirWindow) {
  due(16);
  EXPECT_EQ(driver_.point_fired("space/wal/segment/write", 16.1), kFull);
  EXPECT_EQ(driver_.point_fired("space/statvfs", 16.2), kFull);
  EXPECT_EQ(driver_.point_fired("wal/segment/sync", 16.3), kForeignFault);
  const auto results = driver_.results();
  ASSERT_EQ(results.size(), 4U);
  EXPECT_EQ(results[kFull].fired, 1U) << "the answer to statvfs fails nothing";
  EXPECT_EQ(results[kFull].attempted, 1U);
  EXPECT_EQ(driver_.fired_in_window(kFull), 1U);
  EXPECT_EQ(driver_.fired_in_window(kSync), 0U);
  EXPECT_EQ(results[kSync].fired, 0U);
  EXPECT_EQ(results[3].point, "wal/segment/sync");
  EXPECT_EQ(results[3].fired, 1U);
  EXPECT_EQ(results[3].planned, 0U);
}

TEST_F(FaultDriverTest, AFiringBeforeTheWindowIsForeign) {
  due(16);
  EXPECT_EQ(driver_.point_fired("space/wal/segment/write", 14.9), kForeignFault);
}

TEST_F(FaultDriverTest, AFiringSeenAfterTheWindowClosedStillBelongsToIt) {
  due(15);
  due(20);
  EXPECT_EQ(driver_.point_fired("space/wal/segment/write", 19.9), kFull);
  EXPECT_EQ(driver_.point_fired("space/wal/segment/write", 25), kForeignFault);
}

TEST_F(FaultDriverTest, AKillCountsWhenItWasSeen) {
  due(10);
  EXPECT_EQ(driver_.results()[kKill].attempted, 1U);
  EXPECT_EQ(driver_.results()[kKill].fired, 0U);
  driver_.instant_fired(kKill);
  EXPECT_EQ(driver_.results()[kKill].fired, 1U);
  EXPECT_EQ(driver_.results()[kKill].planned, 3U);
  EXPECT_EQ(driver_.total_fired(), 1U);
  EXPECT_EQ(driver_.fired_by_point().at({"crash", ""}), 1U);
}

}  // namespace
}  // namespace soak::supervisor
