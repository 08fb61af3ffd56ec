// Goal: the nightly scenario, all its phases, in two minutes.
// Method: scenarios/soak/nightly-24h.toml with --duration 2m; its seed is random, so print it.
#include <string>

#include <gtest/gtest.h>

#include "harness/tests/supervisor_runs.h"

namespace soak::supervisor {
namespace {

class SoakNightly : public SoakRuns {};

TEST_F(SoakNightly, PassesInTwoMinutes) {
  start(scenario("soak/nightly-24h.toml"), {"--duration", "2m"});
  EXPECT_EQ(finish(), 0) << screen();
  const Summary result = summary();
  EXPECT_EQ(result.text("/verdict"), "pass") << "seed " << result.number("/seed");
  EXPECT_EQ(result.number("/lost_acknowledged_writes"), 0U);
}

}  // namespace
}  // namespace soak::supervisor
