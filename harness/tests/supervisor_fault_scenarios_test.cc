// Goal: the scenarios of scenarios/faults end as they say.
// Method: shortened runs with the real binaries; scenarios/faults/recovery-1m.toml needs its whole
// length and is run by hand or by night.
#include <filesystem>
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

class SoakBaseDamage : public SoakRuns {};

/// In an encrypted table a bit spoils a chunk of 16 KiB, and is found by its tag.
TEST_F(SoakBaseDamage, OfAnEncryptedStoreIsReportedToo) {
  start(scenario("faults/base-damage.toml"),
        {"--duration", "12s", "--set", "engine.encryption=aes-256-gcm"});
  EXPECT_EQ(finish(), 0) << screen();
  const Summary result = summary();
  EXPECT_EQ(result.text("/verdict"), "pass");
  EXPECT_GT(result.number("/evidence/base_damages"), 0U);
  EXPECT_EQ(result.check("no_plaintext_on_disk"), "pass");
}

/// The end of such a run: the store is kept, and the verdict says what it has said.
TEST_F(SoakBaseDamage, ThatCostsTheBaseStoreKeepsItAndTellsWhatItSaid) {
  start(scenario("faults/base-lost.toml"));
  EXPECT_EQ(finish(), 0) << screen();
  const Summary result = summary();
  EXPECT_EQ(result.number("/evidence/base_lost"), 1U);
  EXPECT_TRUE(std::filesystem::exists(run() / "data" / "STORE"));
  const std::string told = result.check_detail("recovery_succeeds");
  EXPECT_NE(told.find("base_lost: writes up to seq "), std::string::npos) << told;
  EXPECT_NE(screen().find("the base store is lost by damage at rest, reported"), std::string::npos)
      << screen();
}

std::string name_of(const testing::TestParamInfo<ShortVersion>& info) {
  std::string name = info.param.file;
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Shipped, SoakFaultScenarios,
    testing::Values(ShortVersion{"base-damage", "12s"}, ShortVersion{"base-lost", "12s"},
                    ShortVersion{"clock-jump", "12s"}, ShortVersion{"crash-images", "12s"},
                    ShortVersion{"damage-at-rest", "20s"}, ShortVersion{"disk-full", "20s"},
                    ShortVersion{"fsync-error", "20s"}, ShortVersion{"io-error", "20s"},
                    ShortVersion{"large-payloads", "12s"}, ShortVersion{"memory-limit", "12s"},
                    ShortVersion{"pause", "12s"}, ShortVersion{"short-write", "20s"},
                    ShortVersion{"slow-io", "12s"}, ShortVersion{"power-loss", "20s"},
                    ShortVersion{"power-devices", "30s"}, ShortVersion{"failing-sync", "20s"},
                    ShortVersion{"encrypted-under-fire", "20s"}, ShortVersion{"tampering", "20s"}),
    name_of);

}  // namespace
}  // namespace soak::supervisor
