// Goal: what a power loss or a crash image may leave is what the device of the scenario allows, and
// the images of a few clones go through all of it.
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "faultinj/power_loss.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/power_policy.h"

namespace soak::supervisor {
namespace {

using faultinj::PowerLossPolicy;
using scenario::DeviceInfo;
using scenario::FaultKind;
using scenario::FaultSection;
using State = std::tuple<std::string, std::string, bool>;  ///< keep, names, garbage or not.
using States = std::set<State>;

constexpr std::uint64_t kSeed = 11;

FaultSection images_of(std::string_view device, std::uint32_t images) {
  FaultSection fault;
  fault.kind = FaultKind::kCrashImage;
  fault.device = device;
  fault.images = images;
  return fault;
}

State state_of(const PowerLossPolicy& policy) {
  return {writes_name(policy.writes), names_name(policy.names), policy.garbage > 0};
}

std::vector<State> states(const FaultSection& fault, std::uint32_t clone) {
  std::vector<State> all;
  for (std::uint32_t image = 1; image <= fault.images; ++image) {
    all.push_back(state_of(image_policy(fault, clone, image, kSeed)));
  }
  return all;
}

bool allows(const std::vector<std::string_view>& values, std::string_view value) {
  return std::ranges::find(values, value) != values.end();
}

TEST(PowerPolicy, IsWhatTheScenarioSays) {
  FaultSection fault;
  fault.kind = FaultKind::kPowerLoss;
  fault.sector_bytes = 4096;
  fault.garbage = 0.25;
  for (const char* keep : {"none", "prefix", "subset"}) {
    for (const char* names : {"none", "prefix", "any"}) {
      fault.keep = keep;
      fault.names = names;
      const PowerLossPolicy policy = power_policy(fault, kSeed);
      EXPECT_EQ(state_of(policy), State(keep, names, true));
      EXPECT_EQ(policy.seed, kSeed);
      EXPECT_EQ(policy.sector_bytes, 4096U);
      EXPECT_EQ(policy.garbage, 0.25);
      EXPECT_EQ(may_keep_writes(fault), fault.keep != "none");
      EXPECT_EQ(may_scramble_names(fault), fault.names == "any");
    }
  }
}

TEST(PowerPolicy, TheFirstImageOfEachCloneHasLostEverything) {
  for (const DeviceInfo& device : scenario::power_loss_devices()) {
    for (const std::uint32_t clone : {1U, 2U, 9U}) {
      EXPECT_EQ(states(images_of(device.name, 4), clone).front(), State("none", "none", false));
    }
  }
}

TEST(PowerPolicy, ImagesGoThroughAllThatTheDeviceCanLeaveAndNothingElse) {
  for (const DeviceInfo& device : scenario::power_loss_devices()) {
    const FaultSection fault = images_of(device.name, 6);
    States found;
    for (std::uint32_t clone = 1; clone <= 3; ++clone) {
      for (const State& state : states(fault, clone)) {
        const auto& [keep, names, garbage] = state;
        EXPECT_TRUE(allows(device.keeps, keep)) << device.name << keep;
        EXPECT_TRUE(allows(device.names, names)) << device.name << names;
        EXPECT_TRUE(!garbage || (device.garbage_max > 0 && keep == "subset")) << device.name;
        found.insert(state);
      }
    }
    const std::size_t with_garbage = device.garbage_max > 0 ? device.names.size() : 0;
    EXPECT_EQ(found.size(), device.keeps.size() * device.names.size() + with_garbage)
        << device.name;
  }
}

TEST(PowerPolicy, ImagesOfOneCloneAreAllDifferentCombinations) {
  const FaultSection fault = images_of("any", 12);
  for (std::uint32_t clone = 1; clone <= 3; ++clone) {
    const std::vector<State> all = states(fault, clone);
    EXPECT_EQ(States(all.begin(), all.end()).size(), all.size());
  }
}

TEST(PowerPolicy, ImagesKeepTheirSeedAndTheSectorsOfTheDevice) {
  FaultSection fault = images_of("reorders", 3);
  fault.sector_bytes = 4096;
  for (std::uint32_t image = 1; image <= 3; ++image) {
    const PowerLossPolicy policy = image_policy(fault, 1, image, kSeed + image);
    EXPECT_EQ(policy.seed, kSeed + image);
    EXPECT_EQ(policy.sector_bytes, 4096U);
  }
}

TEST(PowerPolicy, WhatAKillWaitsForIsWhatAnImageMayLeave) {
  EXPECT_FALSE(may_keep_writes(images_of("drops_all", 1)));
  EXPECT_TRUE(may_keep_writes(images_of("in_order", 3)));
  EXPECT_FALSE(may_scramble_names(images_of("reorders", 3)));
  EXPECT_TRUE(may_scramble_names(images_of("scrambles", 3)));
}

}  // namespace
}  // namespace soak::supervisor
