// Goal: what a conviction leaves behind, and how `check` says whether a run ended as it should.
// Method: the real binaries. Each of scenarios/negative is a test of its own (supervisor.cmake).
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "harness/tests/supervisor_runs.h"

namespace soak::supervisor {
namespace {

namespace fs = std::filesystem;

class SoakNegative : public SoakRuns {
 protected:
  /// Runs `check` to its end; the status.
  int check(const std::vector<std::string>& arguments) {
    start_check(arguments);
    return finish();
  }
  void start_check(const std::vector<std::string>& arguments) {
    std::vector<std::string> words = {SOAK_BINARY, "check"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    start_words(words);
  }
  /// A short load in a file of that name, with this [expect].
  [[nodiscard]] std::string short_load(const std::string& name, const std::string& expect) const {
    std::string text = kShortLoad;
    const std::string passes = "verdict = \"pass\"";
    const fs::path file = folder_ / name;
    std::ofstream(file) << text.replace(text.find(passes), passes.size(), expect);
    return file.string();
  }
  [[nodiscard]] std::string short_pass() const {
    return short_load("good.toml", "verdict = \"pass\"");
  }
};

TEST_F(SoakNegative, LostWritesAreNamedAndTheEvidenceStays) {
  start(scenario("negative/lying-fsync.toml"));
  EXPECT_EQ(finish(), 1) << screen();
  const Summary result = summary();
  EXPECT_EQ(result.text("/verdict"), "fail");
  EXPECT_EQ(result.check("no_lost_acknowledged_writes"), "fail");
  EXPECT_GT(result.number("/lost_acknowledged_writes"), 0U);
  EXPECT_TRUE(has(result.text("/lost_documents/0"), "shell-")) << screen();
  EXPECT_TRUE(has(events(), "\"lost_acknowledged_write\""));
  EXPECT_TRUE(fs::exists(run() / "repro.sh"));
  EXPECT_TRUE(fs::exists(run() / "data"));
}

TEST_F(SoakNegative, CheckSaysPerScenarioWhetherItEndedAsExpected) {
  const std::string good = short_pass();
  const std::string wrong = short_load("wrong.toml", "verdict = \"fail\"\ncheck = \"reads_exact\"");
  EXPECT_EQ(check({good, wrong, "--duration", "2s", "--out", run().string()}), 1) << screen();
  EXPECT_TRUE(out().starts_with("ok     " + good + ": pass, ")) << out();
  EXPECT_TRUE(has(out(), "\nWRONG  " + wrong + ": pass, ")) << out();
  EXPECT_TRUE(has(out(), "; expected fail by reads_exact (" + run().string() + "/02-wrong)\n"))
      << out();
  EXPECT_EQ(err(), "");
  EXPECT_TRUE(fs::exists(run() / "01-good/summary.json"));
  EXPECT_TRUE(fs::exists(run() / "02-wrong/summary.json"));
}

TEST_F(SoakNegative, CheckWantsTheFailOfTheNamedCheck) {
  std::string text = read_file(scenario("negative/lost-delete.toml"));
  const std::string named = "no_resurrected_deletes";
  text.replace(text.find(named), named.size(), "reads_exact");
  EXPECT_EQ(check({write_scenario(text), "--out", run().string()}), 1) << screen();
  EXPECT_TRUE(has(out(), ": fail by no_resurrected_deletes, ")) << out();
  EXPECT_TRUE(has(out(), "; expected fail by reads_exact (")) << out();
}

TEST_F(SoakNegative, CheckRunsNothingWhenOneScenarioIsInvalid) {
  const std::string good = short_pass();
  EXPECT_EQ(check({good, (folder_ / "missing.toml").string(), "--out", run().string()}), 3);
  EXPECT_EQ(out(), "");
  EXPECT_TRUE(has(err(), "missing.toml")) << err();
  EXPECT_FALSE(fs::exists(run()));
}

TEST_F(SoakNegative, CheckCannotRunIntoAFolderThatIsInUse) {
  fs::create_directories(run() / "01-good/something");
  EXPECT_EQ(check({short_pass(), "--duration", "2s", "--out", run().string()}), 4) << screen();
  EXPECT_EQ(out(), "");
}

TEST_F(SoakNegative, AStopSignalEndsTheRunWithItsLineAndNoOtherBegins) {
  const std::string file = short_pass();
  start_check({file, file, "--out", run().string()});
  const fs::path first_events = run() / "01-good/events.ndjson";
  ASSERT_TRUE(wait_until([&] { return has(read_file(first_events), "\"store_created\""); }));
  send_signal(SIGTERM);
  EXPECT_EQ(finish(), 1) << screen();
  EXPECT_TRUE(has(out(), ": inconclusive by evidence, ")) << out();
  EXPECT_TRUE(has(err(), "stopped; 1 of 2 scenarios were run")) << err();
  EXPECT_FALSE(fs::exists(run() / "02-good"));
}

}  // namespace
}  // namespace soak::supervisor
