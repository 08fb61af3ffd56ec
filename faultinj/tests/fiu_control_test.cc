// The decider: which calls fire depends on seed, point, lane and ordinal only; budgets are exact.
#include "faultinj/fiu_control.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "faultinj/firing.h"
#include "faultinj/fiu_gate.h"
#include "faultinj/points.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;

/// The error number with which an operation at `point` fails, or 0.
int fiu_error_at(const std::string& point, int default_error) {
  const auto firing = fiu_firing_at(point, 0, default_error);
  return firing ? firing->error_number : 0;
}

constexpr std::uint32_t kLanes = 4;
constexpr std::uint64_t kCalls = 2000;

/// Per lane and point: the ordinals that fired.
using Firings = std::map<std::pair<std::uint32_t, std::string>, std::vector<std::uint64_t>>;

/// `kLanes` threads call two points `kCalls` times each.
Firings run_lanes() {
  std::vector<Firings> of_lane(kLanes);
  {
    std::vector<std::jthread> threads;
    threads.reserve(kLanes);
    for (std::uint32_t lane = 0; lane < kLanes; ++lane) {
      threads.emplace_back([&of_lane, lane] {
        set_fault_lane(lane);
        for (std::uint64_t call = 0; call < kCalls; ++call) {
          for (const std::string point : {"wal/segment/write", "wal/segment/sync"}) {
            if (fiu_error_at(point, EIO) != 0) {
              of_lane[lane][{lane, point}].push_back(call);
            }
          }
        }
      });
    }
  }
  Firings all;
  for (Firings& firings : of_lane) {
    all.merge(firings);
  }
  return all;
}

std::uint64_t count_of(const Firings& firings) {
  std::uint64_t count = 0;
  for (const auto& [where, ordinals] : firings) {
    count += ordinals.size();
  }
  return count;
}

class FiuControl : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // Refused before the start.
    ASSERT_EQ(arm({.point = "wal/segment/sync"}).error().code, ErrorCode::kInvalidArgument);
    ASSERT_TRUE(fiu_start("").has_value());
    ASSERT_EQ(fiu_start("").error().code, ErrorCode::kInvalidArgument);
  }
};

TEST_F(FiuControl, NothingArmedFiresNothingAndAsksNobody) {
  EXPECT_EQ(fiu_sources().load(), 0);
  EXPECT_EQ(fiu_error_at("wal/segment/sync", EIO), 0);
}

TEST_F(FiuControl, TheErrorNumberIsTheArmedOne) {
  ASSERT_TRUE(arm({.point = "wal/segment/sync", .error_number = ENOSPC}).has_value());
  EXPECT_EQ(fiu_error_at("wal/segment/sync", EIO), ENOSPC);
  EXPECT_EQ(fiu_error_at("wal/segment/write", EIO), 0);
  ASSERT_TRUE(arm({.point = "wal/segment/sync", .error_number = ENXIO}).has_value());
  EXPECT_EQ(fiu_error_at("wal/segment/sync", EIO), ENXIO);
  EXPECT_EQ(fiu_sources().load(), 1);
  ASSERT_TRUE(disarm("wal/segment/sync").has_value());
  EXPECT_EQ(fiu_error_at("wal/segment/sync", EIO), 0);
  EXPECT_EQ(fiu_sources().load(), 0);
  EXPECT_EQ(disarm("wal/segment/sync").error().code, ErrorCode::kNotFound);
}

TEST_F(FiuControl, UnusableArmingsAreRefused) {
  for (const Arming& arming :
       {Arming{.point = ""}, Arming{.point = "p", .error_number = 0},
        Arming{.point = "p", .error_number = -1}, Arming{.point = "p", .probability = 0},
        Arming{.point = "p", .probability = -1}, Arming{.point = "p", .probability = 1.1},
        Arming{.point = "p", .effect = Effect::kDelay}}) {
    EXPECT_EQ(arm(arming).error().code, ErrorCode::kInvalidArgument);
  }
  EXPECT_EQ(fiu_sources().load(), 0);
}

TEST_F(FiuControl, TwoRunsFireIdenticallyPerLane) {
  std::vector<Firings> runs;
  for (const std::uint64_t seed : {7U, 7U, 8U}) {
    ASSERT_TRUE(arm({.point = "wal/*", .probability = 0.1, .seed = seed}).has_value());
    runs.push_back(run_lanes());
    ASSERT_TRUE(disarm("wal/*").has_value());
  }
  EXPECT_EQ(runs.at(0), runs.at(1));
  EXPECT_NE(runs.at(0), runs.at(2));
  constexpr auto kExpected = static_cast<double>(kLanes * kCalls * 2) / 10;
  EXPECT_NEAR(static_cast<double>(count_of(runs.at(0))), kExpected, kExpected / 10);
  // Lanes and points are independent of each other.
  std::set<std::vector<std::uint64_t>> different;
  for (const auto& [where, ordinals] : runs.at(0)) {
    different.insert(ordinals);
  }
  EXPECT_EQ(different.size(), kLanes * 2);
}

TEST_F(FiuControl, ABudgetIsExactUnderThreads) {
  for (const std::uint64_t times : {1U, 37U}) {
    ASSERT_TRUE(arm({.point = "wal/*", .times = times, .probability = 0.5}).has_value());
    EXPECT_EQ(count_of(run_lanes()), times);
    ASSERT_TRUE(disarm("wal/*").has_value());
  }
}

/// Which of the calls 1 .. `calls` of `sizes`, in turns, fire.
std::vector<int> firing_calls(const Arming& arming, int calls,
                              const std::vector<std::uint64_t>& sizes = {0}) {
  EXPECT_TRUE(arm(arming).has_value());
  std::vector<int> fired;
  for (int call = 1; call <= calls; ++call) {
    const auto index = static_cast<std::size_t>(call - 1) % sizes.size();
    if (fiu_firing_at(arming.point, sizes[index], EIO)) {
      fired.push_back(call);
    }
  }
  EXPECT_TRUE(disarm(arming.point).has_value());
  return fired;
}

TEST_F(FiuControl, CountsAndSizesNarrowDownWhichCallsFire) {
  using Calls = std::vector<int>;
  EXPECT_EQ(firing_calls({.point = "p", .nth = 3}, 9), Calls({3}));
  EXPECT_EQ(firing_calls({.point = "p", .every = 4}, 9), Calls({4, 8}));
  EXPECT_EQ(firing_calls({.point = "p", .times = 1, .every = 4}, 9), Calls({4}));
  // Calls of other sizes are not counted.
  const std::vector<std::uint64_t> sizes = {10, 20, 30};
  EXPECT_EQ(firing_calls({.point = "p", .bytes_min = 20}, 6, sizes), Calls({2, 3, 5, 6}));
  EXPECT_EQ(firing_calls({.point = "p", .bytes_max = 19}, 6, sizes), Calls({1, 4}));
  EXPECT_EQ(firing_calls({.point = "p", .nth = 2, .bytes_min = 20, .bytes_max = 20}, 6, sizes),
            Calls({5}));
}

TEST_F(FiuControl, AFiringSaysWhichCallItWas) {
  ASSERT_TRUE(arm({.point = "p", .effect = Effect::kShortWrite, .error_number = ENOSPC, .nth = 3})
                  .has_value());
  std::optional<Firing> firing;
  std::thread([&firing] {
    set_fault_lane(7);
    while (!firing) {
      firing = fiu_firing_at("p", 1, EIO);
    }
  }).join();
  ASSERT_TRUE(firing.has_value());
  EXPECT_EQ(firing->effect, Effect::kShortWrite);
  EXPECT_EQ(firing->error_number, ENOSPC);
  EXPECT_EQ(firing->lane, 7U);
  EXPECT_EQ(firing->ordinal, 2U);
  ASSERT_TRUE(disarm("p").has_value());
}

TEST_F(FiuControl, EveryPointCanBeArmedOneAfterTheOther) {
  for (int round = 0; round < 5; ++round) {
    for (const std::string& point : all_points()) {
      ASSERT_TRUE(arm({.point = point}).has_value());
      ASSERT_EQ(fiu_error_at(point, ENXIO), EIO) << point;
      ASSERT_TRUE(disarm(point).has_value());
      ASSERT_EQ(fiu_error_at(point, ENXIO), 0) << point;
    }
  }
}

TEST_F(FiuControl, APatternFiresAlsoAtPointsThatWereAskedBefore) {
  ASSERT_TRUE(arm({.point = "no/such/point"}).has_value());  // So that libfiu is asked at all.
  for (const std::string& point : all_points()) {
    ASSERT_EQ(fiu_error_at(point, ENXIO), 0);
  }
  for (const std::string pattern : {"space/*", "wal/*", "space/*"}) {
    ASSERT_TRUE(arm({.point = pattern}).has_value());
    for (const std::string& point : all_points()) {
      const bool hit = point.starts_with(pattern.substr(0, pattern.size() - 1));
      ASSERT_EQ(fiu_error_at(point, ENXIO), hit ? EIO : 0) << pattern << " " << point;
    }
    ASSERT_TRUE(disarm(pattern).has_value());
  }
  ASSERT_TRUE(disarm("no/such/point").has_value());
}

TEST_F(FiuControl, ArmingAndDisarmingBesideCallsIsSafe) {
  std::atomic<bool> done = false;
  bool only_armed = true;
  {
    const std::jthread caller([&] {
      while (!done) {
        const int error_number = fiu_error_at("wal/segment/sync", ENXIO);
        only_armed = only_armed && (error_number == 0 || error_number == EIO);
      }
    });
    for (int round = 0; round < 500; ++round) {
      ASSERT_TRUE(arm({.point = "wal/segment/sync"}).has_value());
      ASSERT_TRUE(disarm("wal/segment/sync").has_value());
    }
    ASSERT_TRUE(arm({.point = "wal/segment/sync"}).has_value());
    EXPECT_EQ(fiu_error_at("wal/segment/sync", EIO), EIO);
    done = true;
  }
  EXPECT_TRUE(only_armed);
  ASSERT_TRUE(disarm("wal/segment/sync").has_value());
  EXPECT_EQ(fiu_error_at("wal/segment/sync", EIO), 0);
}

}  // namespace
}  // namespace faultinj
