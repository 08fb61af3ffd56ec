// Goal: the command line of pluresdb-soak keeps its contract: statuses, streams, machine-readable
// output. Method: the real binary, as a user calls it. Runs are in the scenario tests.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "harness/tests/temporary_folder.h"

namespace {

namespace fs = std::filesystem;
using soak::TemporaryFolder;

struct Output {
  int status = -1;
  std::string out, err;
};

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class SoakCli : public testing::Test {
 protected:
  /// Runs the binary in the project's folder; `arguments` are shell words.
  Output soak(std::string_view arguments, std::string_view environment = "") const {
    const std::string command = fmt::format(
        "cd '{}' && {} '{}' {} > '{}' 2> '{}'", PROJECT_FOLDER, environment, SOAK_BINARY, arguments,
        (folder() / "out").string(), (folder() / "err").string());
    // A shell is what users call it from; the words are this file's own.
    const int status = std::system(command.c_str());  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
    return {.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            .out = read_file(folder() / "out"),
            .err = read_file(folder() / "err")};
  }

  /// Writes a scenario into the folder; returns its path.
  std::string scenario(std::string_view text) const {
    const fs::path file = folder() / "bad.toml";
    std::ofstream(file, std::ios::binary) << text;
    return file.string();
  }

  const fs::path& folder() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_F(SoakCli, HelpAndVersionGoToStdout) {
  const Output help = soak("--help");
  EXPECT_EQ(help.status, 0);
  EXPECT_TRUE(has(help.out, "run") && has(help.out, "validate") && has(help.out, "Exit status"));
  EXPECT_EQ(help.err, "");
  const Output version = soak("--version");
  EXPECT_EQ(version.status, 0);
  EXPECT_FALSE(version.out.empty());
  EXPECT_EQ(soak("run --help").status, 0);
}

TEST_F(SoakCli, WrongArgumentsAreStatusThreeAndSayWhy) {
  for (const std::string_view arguments :
       {"", "rum x.toml", "run", "run --nonsense quick", "run quick --seed -1",
        "run quick --seed x", "run quick --duration 5", "run quick --shard 1/2",
        "run quick --json --quiet", "validate quick --json --resolved", "list nonsense",
        "run no-such-scenario", "run /nowhere/x.toml", "run quick --set engine.durabilty=wal",
        "resume x", "doctor", "check", "check no-such-scenario", "check quick --duration 5"}) {
    const Output output = soak(arguments);
    EXPECT_EQ(output.status, 3) << arguments << output.out << output.err;
    EXPECT_FALSE(output.err.empty()) << arguments;
    EXPECT_EQ(output.out, "") << arguments;
  }
}

TEST_F(SoakCli, AnUnknownFlagIsNamedThoughAnArgumentIsMissingToo) {
  for (const std::string_view command : {"run", "validate"}) {
    EXPECT_TRUE(has(soak(fmt::format("{} --nonsense", command)).err, "--nonsense")) << command;
    EXPECT_TRUE(has(soak(command).err, "SCENARIO is required")) << command;
  }
}

TEST_F(SoakCli, AFolderThatIsNotEmptyIsRefusedInASentence) {
  std::ofstream(folder() / "something") << "x";
  const Output output = soak(fmt::format("run quick --out '{}'", folder().string()));
  EXPECT_EQ(output.status, 4);
  EXPECT_TRUE(has(output.err, "holds something already; give --out a folder")) << output.err;
  EXPECT_FALSE(has(output.err, "invalid_argument")) << output.err;
}

TEST_F(SoakCli, ScenariosAreFoundByNameAndByPathBelowTheirFolder) {
  for (const std::string_view name : {"first-run", "first-run.toml", "smoke/first-run",
                                      "smoke/first-run.toml", "scenarios/smoke/first-run.toml"}) {
    const Output output = soak(fmt::format("validate {}", name));
    EXPECT_EQ(output.status, 0) << name << output.err;
    EXPECT_TRUE(has(output.out, "smoke/first-run.toml: ok")) << name;
  }
}

TEST_F(SoakCli, ValidateSaysOkPerScenarioAndFindsThemByName) {
  const Output output = soak("validate scenarios/smoke/quick.toml first-run");
  EXPECT_EQ(output.status, 0) << output.err;
  EXPECT_TRUE(has(output.out, "scenarios/smoke/quick.toml: ok"));
  EXPECT_TRUE(has(output.out, "scenarios/smoke/first-run.toml: ok"));
  EXPECT_EQ(output.err, "");
}

TEST_F(SoakCli, ValidateShowsPlaceLineAndCaretWithoutColourOutsideATerminal) {
  const std::string file =
      scenario("schema = 1\ntitle = \"x\"\nduraton = \"5s\"\n[[agents]]\nname = \"a\"\n");
  const Output output = soak("validate " + file);
  EXPECT_EQ(output.status, 3);
  EXPECT_TRUE(has(output.err, file + ":3:1: error: ")) << output.err;
  EXPECT_TRUE(has(output.err, "duraton = \"5s\"\n")) << output.err;
  EXPECT_TRUE(has(output.err, "| ^~~~~~~\n")) << output.err;
  EXPECT_TRUE(has(output.err, "duration")) << output.err;
  EXPECT_FALSE(has(output.err, "\x1b")) << output.err;
  EXPECT_TRUE(has(output.err, "1 error")) << output.err;
}

TEST_F(SoakCli, ValidateJsonListsEveryFileAndItsFindings) {
  const std::string file = scenario("schema = 1\n");
  const Output output = soak("validate --json quick " + file);
  EXPECT_EQ(output.status, 3);
  EXPECT_TRUE(has(output.out, "\"valid\": true")) << output.out;
  EXPECT_TRUE(has(output.out, "\"valid\": false")) << output.out;
  EXPECT_TRUE(has(output.out, "\"line\": 1")) << output.out;
  EXPECT_EQ(output.err, "");
}

TEST_F(SoakCli, ResolvedScenarioCanBeRunAgain) {
  const Output first = soak("validate --resolved --seed 3 --duration 20s first-run");
  ASSERT_EQ(first.status, 0) << first.err;
  const std::string file = scenario(first.out);
  const Output second = soak("validate --resolved " + file);
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_EQ(second.out, first.out);
  EXPECT_TRUE(has(first.out, "seed = 3\n")) << first.out;
}

TEST_F(SoakCli, ListKnowsEveryTopic) {
  for (const std::string_view topic : {"scenarios", "faults", "points", "metrics", "agents",
                                       "checks", "branches", "defects", "keys", "schema"}) {
    const Output output = soak(fmt::format("list {}", topic));
    EXPECT_EQ(output.status, 0) << topic;
    EXPECT_GT(output.out.size(), 40U) << topic;
  }
  EXPECT_TRUE(has(soak("list").out, "scenarios/smoke/first-run.toml"));
  EXPECT_TRUE(has(soak("list points").out, "wal/segment/sync\n"));
  EXPECT_TRUE(has(soak("list defects").out, "lying_fsync"));
}

TEST_F(SoakCli, InvalidScenarioLeavesNoRunFolder) {
  const std::string file = scenario("schema = 1\n");
  const fs::path out = folder() / "run";
  const Output output = soak(fmt::format("run {} --out {}", file, out.string()));
  EXPECT_EQ(output.status, 3);
  EXPECT_FALSE(fs::exists(out));
}

}  // namespace
