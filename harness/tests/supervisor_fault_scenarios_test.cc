// Goal: the scenarios of scenarios/faults end as they say.
// Method: shortened runs with the real binaries; scenarios/faults/recovery-1m.toml needs its whole
// length and is run by hand or by night.
#include <string>

#include <gtest/gtest.h>

#include "harness/tests/supervisor_runs.h"

namespace soak::supervisor {
namespace {

struct ShortVersion {
  std::string file;
  std::string duration;  ///< Long enough for every fault and branch that it must reach.
};

class SoakFaultScenarios : public SoakRuns, public testing::WithParamInterface<ShortVersion> {};

TEST_P(SoakFaultScenarios, PassesInAShortVersion) {
  start(scenario("faults/" + GetParam().file + ".toml"), {"--duration", GetParam().duration});
  EXPECT_EQ(finish(), 0) << screen();
  const Summary result = summary();
  EXPECT_EQ(result.text("/verdict"), "pass");
  EXPECT_EQ(result.number("/lost_acknowledged_writes"), 0U);
}

std::string name_of(const testing::TestParamInfo<ShortVersion>& info) {
  std::string name = info.param.file;
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Shipped, SoakFaultScenarios,
    testing::Values(ShortVersion{"clock-jump", "12s"}, ShortVersion{"crash-images", "12s"},
                    ShortVersion{"damage-at-rest", "20s"}, ShortVersion{"disk-full", "20s"},
                    ShortVersion{"fsync-error", "20s"}, ShortVersion{"io-error", "20s"},
                    ShortVersion{"large-payloads", "12s"}, ShortVersion{"memory-limit", "12s"},
                    ShortVersion{"pause", "12s"}, ShortVersion{"short-write", "20s"},
                    ShortVersion{"slow-io", "12s"}, ShortVersion{"power-loss", "20s"},
                    ShortVersion{"power-devices", "30s"}, ShortVersion{"failing-sync", "20s"},
                    ShortVersion{"encrypted-under-fire", "20s"}),
    name_of);

}  // namespace
}  // namespace soak::supervisor
