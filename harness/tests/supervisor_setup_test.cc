// Goal: under the engine stand the layers that the scenario's faults need, and no others.
#include <string>

#include <gtest/gtest.h>

#include "harness/common/worker_config.h"
#include "harness/oracle/oracle.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/worker_setup.h"

namespace soak::supervisor {
namespace {

using scenario::FaultKind;
using scenario::Scenario;

struct Layers {
  bool faults = false, power_loss = false;
  friend bool operator==(const Layers&, const Layers&) = default;
};

Layers layers_of(const Scenario& scenario) {
  const oracle::Oracle oracle(1, {});
  const WorkerConfig config = worker_config(
      scenario, {.incarnation = 1, .data_directory = "/d", .fiu_fifo_base = "/f"}, {}, oracle);
  return {.faults = config.fault_layer, .power_loss = config.power_loss_layer};
}

TEST(WorkerSetup, WithoutFaultsThereIsNoLayer) {
  EXPECT_EQ(layers_of({}), (Layers{.faults = false, .power_loss = false}));
}

TEST(WorkerSetup, EachKindOfFaultBringsTheLayerThatItNeeds) {
  for (const scenario::FaultKindInfo& info : scenario::fault_kinds()) {
    Scenario scenario;
    scenario.faults.emplace_back().kind = info.kind;
    const bool power = scenario::is_power_loss(info.kind) || info.kind == FaultKind::kCrashImage;
    EXPECT_EQ(layers_of(scenario),
              (Layers{.faults = !scenario::is_instant(info.kind), .power_loss = power}))
        << info.name;
  }
}

TEST(WorkerSetup, AModelOfThePageCacheNeedsThePowerLossLayer) {
  Scenario scenario;
  scenario.faults.emplace_back().kind = FaultKind::kSyncError;
  scenario.faults[0].after_error = "still_dirty";
  EXPECT_EQ(layers_of(scenario), (Layers{.faults = true, .power_loss = false}));
  scenario.faults[0].after_error = "btrfs";
  EXPECT_EQ(layers_of(scenario), (Layers{.faults = true, .power_loss = true}));
}

TEST(WorkerSetup, DefectsAndRemoteControlNeedAllLayers) {
  Scenario defect;
  defect.defect = "lying_fsync";
  EXPECT_EQ(layers_of(defect), (Layers{.faults = true, .power_loss = true}));
  Scenario remote;
  remote.engine.file_system = "layered";
  EXPECT_EQ(layers_of(remote), (Layers{.faults = true, .power_loss = true}));
}

}  // namespace
}  // namespace soak::supervisor
