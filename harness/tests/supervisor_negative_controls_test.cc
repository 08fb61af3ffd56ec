// Goal: it is the planted defect that is convicted, not the load or the faults around it.
// Method: each of scenarios/negative without its [defect] must pass.
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "harness/tests/supervisor_runs.h"

namespace soak::supervisor {
namespace {

// Its control would take eleven minutes: a long life without a leak is what the nightly soak is.
constexpr std::string_view kByNight = "slow-leak.toml";

class SoakControls : public SoakRuns {};

TEST_F(SoakControls, EachNegativeScenarioPassesWithoutItsDefect) {
  const std::filesystem::path controls = folder_ / "controls";
  std::filesystem::create_directory(controls);
  std::vector<std::string> words = {SOAK_BINARY, "check", "--out", run().string()};
  for (const auto& entry : std::filesystem::directory_iterator(scenario("negative"))) {
    const std::string name = entry.path().filename().string();
    if (name == kByNight) {
      continue;
    }
    const std::string text = read_file(entry.path());
    const std::regex planted("\\[defect\\]\nkind = \"[a-z_]+\"\n\n\\[expect\\]\n(.*\n){2}$");
    const std::string honest = std::regex_replace(text, planted, "[expect]\nverdict = \"pass\"\n");
    ASSERT_NE(honest, text) << name;
    std::ofstream(controls / name) << honest;
    words.push_back((controls / name).string());
  }
  ASSERT_GT(words.size(), 10U);
  start_words(words);
  EXPECT_EQ(finish(), 0) << screen();
}

}  // namespace
}  // namespace soak::supervisor
