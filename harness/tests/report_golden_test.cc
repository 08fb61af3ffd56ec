// Goal: what scripts, CI systems and people read is exactly this. Method: two fixed runs, one
// passed and one failed with hostile text, rendered and compared with golden/report/*.
// PLURESDB_UPDATE_GOLDEN=1 rewrites the expectations; read the difference before committing it.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include "harness/tests/report_fixture.h"

namespace soak::report {
namespace {

std::string read_file(const std::filesystem::path& path) {
  const std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void expect_golden(const std::string& name, const std::string& text) {
  const std::filesystem::path path = std::filesystem::path(REPORT_GOLDEN_FOLDER) / name;
  if (std::getenv("PLURESDB_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path, std::ios::binary) << text;
  }
  ASSERT_FALSE(text.empty());
  EXPECT_EQ(text, read_file(path)) << path;
}

constexpr const char* kFolder = "runs/agents-with-crashes-20261124T213719Z";

TEST(ReportGolden, SummaryOfAPassedRun) {
  expect_golden("pass.summary.json", summary_json(fixture_run()));
}
TEST(ReportGolden, SummaryOfAFailedRun) {
  expect_golden("fail.summary.json", summary_json(fixture_failed_run()));
}
TEST(ReportGolden, JunitOfAPassedRun) { expect_golden("pass.junit.xml", junit_xml(fixture_run())); }
TEST(ReportGolden, JunitOfAFailedRun) {
  expect_golden("fail.junit.xml", junit_xml(fixture_failed_run()));
}
TEST(ReportGolden, ScreenOfAPassedRun) {
  expect_golden("pass.screen.txt", final_screen(fixture_run(), kFolder, false, 100));
}
TEST(ReportGolden, ScreenOfAFailedRunInANarrowTerminal) {
  expect_golden("fail.screen.txt", final_screen(fixture_failed_run(), kFolder, false, 72));
}
TEST(ReportGolden, ScreenOfARunThatDidNothing) {
  expect_golden("empty.screen.txt", final_screen(RunResult{}, "", false, 80));
}

}  // namespace
}  // namespace soak::report
