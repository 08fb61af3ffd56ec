// Goal: what people see for a bad scenario is exactly this, all findings at once, each with its
// place. Method: every golden/scenario/*.toml is rendered and compared with its .expected file.
// PLURESDB_UPDATE_GOLDEN=1 rewrites the expectations; read the difference before committing it.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ios>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "harness/scenario/scenario.h"

namespace soak::scenario {
namespace {

namespace fs = std::filesystem;

std::string read_file(const fs::path& path) {
  const std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string findings_of(const fs::path& path) {
  const std::string text = read_file(path);
  const ParseResult result = parse(path.filename().string(), text, {});
  std::string out;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    out += render(diagnostic, text, false);
  }
  return out;
}

std::vector<fs::path> bad_scenarios() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(SCENARIO_GOLDEN_FOLDER)) {
    if (entry.path().extension() == ".toml") {
      files.push_back(entry.path());
    }
  }
  return files;
}

TEST(ScenarioGolden, EachBadScenarioPrintsExactlyItsFindings) {
  const bool update = std::getenv("PLURESDB_UPDATE_GOLDEN") != nullptr;
  const std::vector<fs::path> files = bad_scenarios();
  EXPECT_GE(files.size(), 25U);
  for (const fs::path& file : files) {
    const std::string findings = findings_of(file);
    fs::path expected = file;
    expected.replace_extension(".expected");
    if (update) {
      std::ofstream(expected, std::ios::binary) << findings;
    }
    EXPECT_FALSE(findings.empty()) << file << " should be bad";
    EXPECT_EQ(findings, read_file(expected)) << file;
  }
}

TEST(ScenarioGolden, NoExpectationIsLeftWithoutItsScenario) {
  for (const auto& entry : fs::directory_iterator(SCENARIO_GOLDEN_FOLDER)) {
    fs::path scenario = entry.path();
    scenario.replace_extension(".toml");
    EXPECT_TRUE(fs::exists(scenario)) << entry.path();
  }
}

}  // namespace
}  // namespace soak::scenario
