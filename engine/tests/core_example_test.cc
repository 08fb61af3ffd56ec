// The example of the public API: built, run twice, its output checked.
#include <array>
#include <cstdio>
#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "engine/tests/core_test_util.h"

namespace pluresdb::testing {
namespace {

std::string output_of(const std::string& command, int& status) {
  std::FILE* pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c): our own program.
  std::string output;
  std::array<char, 4096> block{};
  while (const std::size_t count = std::fread(block.data(), 1, block.size(), pipe)) {
    output.append(block.data(), count);
  }
  status = pclose(pipe);
  return output;
}

TEST(Example, RemembersAcrossRuns) {
  const TemporaryDirectory directory;
  const std::string command = std::string(PLURESDB_EXAMPLE) + " " + directory.path("agent");
  int status = -1;
  EXPECT_EQ(output_of(command, status),
            "log: 0 entries from before\n"
            "log: \"git status\" is safe, seq 1\n"
            "log: \"make test\" is safe, seq 2\n"
            "log: \"git commit\" is safe, seq 3\n"
            "log: the last of 3 entries is \"git commit\" by shell\n"
            "log: 3 of 3 entries valid, healthy\n"
            "log: 0 segments removed\n"
            "store: created, 0 entries replayed\n"
            "store: fact/editor = {\"likes\": \"ed\"}\n"
            "store: fact/language = {\"likes\": \"C++\"}\n"
            "store: task/1 is gone\n"
            "store: checkpoint at seq 4\n");
  EXPECT_EQ(status, 0);
  const std::string again = output_of(command, status);
  EXPECT_EQ(status, 0);
  EXPECT_NE(again.find("log: 3 entries from before\n"), std::string::npos) << again;
  EXPECT_NE(again.find("the last of 6 entries"), std::string::npos) << again;
  EXPECT_NE(again.find("store: opened, 0 entries replayed\n"), std::string::npos) << again;
}

TEST(Example, SaysWhatIsWrong) {
  int status = -1;
  const std::string output =
      output_of(std::string(PLURESDB_EXAMPLE) + " /nowhere/at/all 2>&1", status);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_NE(output.find("pluresdb-example: not_found"), std::string::npos) << output;
}

}  // namespace
}  // namespace pluresdb::testing
