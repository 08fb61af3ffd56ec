// Goal: a planted defect is convicted, by the check that its scenario names.
// Method: scenarios/negative with the real binaries. A pass here means that the oracle is blind.
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "harness/tests/supervisor_runs.h"

namespace soak::supervisor {
namespace {

class SoakNegative : public SoakRuns {};

TEST_F(SoakNegative, LyingFsyncLosesAcknowledgedWritesAndTheyAreNamed) {
  start(scenario("negative/lying-fsync.toml"), {"--duration", "10s"});
  EXPECT_EQ(finish(), 1) << screen();
  const Summary result = summary();
  EXPECT_EQ(result.text("/verdict"), "fail");
  EXPECT_EQ(result.check("no_lost_acknowledged_writes"), "fail");
  EXPECT_GT(result.number("/lost_acknowledged_writes"), 0U);
  EXPECT_TRUE(has(result.text("/lost_documents/0"), "shell-")) << screen();
  EXPECT_TRUE(has(events(), "\"lost_acknowledged_write\""));
  EXPECT_TRUE(std::filesystem::exists(run() / "repro.sh"));
  EXPECT_TRUE(std::filesystem::exists(run() / "data"));
}

/// The same load with an honest fsync passes: it is the defect that is convicted.
TEST_F(SoakNegative, TheSameScenarioWithoutTheDefectPasses) {
  std::string text = read_file(scenario("negative/lying-fsync.toml"));
  const auto cut = [&](const std::string& part, const std::string& instead) {
    const std::size_t at = text.find(part);
    ASSERT_NE(at, std::string::npos) << part;
    text.replace(at, part.size(), instead);
  };
  cut("[defect]\nkind = \"lying_fsync\"\n", "");
  cut("verdict = \"fail\"\ncheck = \"no_lost_acknowledged_writes\"", "verdict = \"pass\"");
  start(write_scenario(text), {"--duration", "10s"});
  EXPECT_EQ(finish(), 0) << screen();
}

}  // namespace
}  // namespace soak::supervisor
