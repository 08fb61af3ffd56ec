// Goal: it is the planted defect that is convicted, not the load or the faults around it.
// Method: each of scenarios/negative without its [defect]. It must not fail; on a machine that is
// too busy for its faults to fire it may end inconclusive.
#include <algorithm>
#include <filesystem>
#include <regex>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "harness/tests/supervisor_runs.h"

namespace soak::supervisor {
namespace {

// Its control would take eleven minutes: a long life without a leak is what the nightly soak is.
constexpr const char* kByNight = "slow-leak";

std::vector<std::string> controls() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(SCENARIOS_FOLDER "/negative")) {
    if (entry.path().stem() != kByNight) {
      names.push_back(entry.path().stem().string());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

class SoakControls : public SoakRuns, public testing::WithParamInterface<std::string> {};

TEST_P(SoakControls, IsNotConvictedWithoutTheDefect) {
  const std::string text = read_file(scenario("negative/" + GetParam() + ".toml"));
  const std::regex planted(
      "\\[defect\\]\nkind = \"[a-z_]+\"\n\n\\[expect\\]\nverdict = \"fail\"\ncheck = "
      "\"[a-z_]+\"\n");
  const std::string honest = std::regex_replace(text, planted, "[expect]\nverdict = \"pass\"\n");
  ASSERT_NE(honest, text);
  start(write_scenario(honest));
  const int status = finish();
  EXPECT_TRUE(status == 0 || status == 2) << status << screen();
  EXPECT_GT(summary().number("/operations/acknowledged"), 0U);
}

std::string name_of(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::erase(name, '-');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Negative, SoakControls, testing::ValuesIn(controls()), name_of);

}  // namespace
}  // namespace soak::supervisor
