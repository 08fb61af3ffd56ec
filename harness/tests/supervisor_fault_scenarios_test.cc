// Goal: the scenarios of scenarios/faults end as they say.
// Method: shortened runs with the real binaries; scenarios/faults/recovery-1m.toml needs its whole
// length and is run by hand or by night.
#include <string>

#include <gtest/gtest.h>

#include "harness/tests/supervisor_runs.h"

namespace soak::supervisor {
namespace {

class SoakFaultScenarios : public SoakRuns, public testing::WithParamInterface<const char*> {};

TEST_P(SoakFaultScenarios, PassesInAShortVersion) {
  start(scenario(GetParam()), {"--duration", "20s"});
  EXPECT_EQ(finish(), 0) << screen();
  const Summary result = summary();
  EXPECT_EQ(result.text("/verdict"), "pass");
  EXPECT_EQ(result.number("/lost_acknowledged_writes"), 0U);
}

std::string name_of(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::erase_if(name, [](char c) { return c == '-' || c == '/' || c == '.'; });
  return name;
}

INSTANTIATE_TEST_SUITE_P(Shipped, SoakFaultScenarios,
                         testing::Values("faults/disk-full.toml", "faults/fsync-error.toml",
                                         "faults/large-payloads.toml", "faults/power-loss.toml",
                                         "faults/failing-sync.toml"),
                         name_of);

}  // namespace
}  // namespace soak::supervisor
