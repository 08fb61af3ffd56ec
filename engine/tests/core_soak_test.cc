// Goal: a log of more than 1 GiB is recovered completely, within bounded memory, and so again.
// Method: a process writes values of four sizes, overwrites and deletes through the engine with
// nothing checkpointed, and is killed. It has worked out from its own operations what the store
// must hold. Others open the store, tell their peak of resident memory, digest every document and
// are killed too.
#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/tests/core_soak_plan.h"
#include "engine/tests/core_test_util.h"

namespace pluresdb::testing {
namespace {

using Numbers = std::map<std::string, std::uint64_t>;

constexpr std::uint64_t kMiB = 1ULL << 20;
constexpr std::uint64_t kDirtyBytesMax = 16 * kMiB;
constexpr std::uint64_t kBlockCacheBytes = 8 * kMiB;

/// What opening may have resident at most, besides what the process had before:
///   dirty_bytes_max, the table and its index: the limit that this test is about;
/// + block_cache_bytes, the base store's;
/// + 16 pieces of the log that are decoded at once (wal/parallel_replay.cc), each with its window
///   of 512 KiB and its records sorted by shard: about 1 MiB each;
/// + 24 MiB for RocksDB's table builder and open tables, and for what the allocator keeps.
/// Without the limit the table alone would take more than all of this: the test checks that, too.
constexpr std::uint64_t kResidentBytesMax =
    kDirtyBytesMax + kBlockCacheBytes + 16 * kMiB + 24 * kMiB;

/// Of "name=number name=number"; nothing when the child had no success to tell.
Numbers numbers_of(const std::string& line) {
  Numbers numbers;
  for (std::size_t begin = 0; begin < line.size();) {
    const std::size_t equals = line.find('=', begin);
    const std::size_t end = std::min(line.find(' ', begin), line.size());
    const std::string number = line.substr(equals + 1, end - equals - 1);
    if (equals > end || number.find_first_not_of("0123456789") != std::string::npos) {
      return {};
    }
    numbers[line.substr(begin, equals - begin)] = std::strtoull(number.c_str(), nullptr, 10);
    begin = end + 1;
  }
  return numbers;
}

/// Runs core_soak_child until it has said its line, kills it, and returns the line's numbers.
Numbers run_and_kill(const std::vector<std::string>& arguments) {
  int out[2];
  int in[2];
  EXPECT_EQ(pipe(out), 0);
  EXPECT_EQ(pipe(in), 0);
  const pid_t child = fork();
  if (child == 0) {
    (void)dup2(out[1], STDOUT_FILENO);
    (void)dup2(in[0], STDIN_FILENO);
    for (const int end : {out[0], out[1], in[0], in[1]}) {
      (void)::close(end);
    }
    std::vector<char*> argv;
    std::vector<std::string> owned = arguments;
    owned.insert(owned.begin(), "core_soak_child");
    for (std::string& argument : owned) {
      argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    execv(PLURESDB_SOAK_CHILD, argv.data());
    _exit(127);
  }
  EXPECT_GT(child, 0);
  (void)::close(out[1]);
  (void)::close(in[0]);
  std::string line;
  char byte = 0;
  while (::read(out[0], &byte, 1) == 1 && byte != '\n') {
    line += byte;
  }
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
      << "the child must be alive until it is killed; status " << status;
  (void)::close(out[0]);
  (void)::close(in[1]);
  (void)std::printf("%s: %s\n", arguments[0].c_str(), line.c_str());
  return numbers_of(line);
}

/// What recovery did, wherever it began. `written`: the writer's line.
void expect_recovered(const Numbers& recovered, const Numbers& written) {
  EXPECT_EQ(recovered.at("clean_shutdown"), 0U);
  EXPECT_EQ(recovered.at("corrupted_entries"), 0U);
  EXPECT_EQ(recovered.at("documents"), written.at("documents"));
  EXPECT_EQ(recovered.at("digest"), written.at("digest")) << "every byte of every document";
  // One seq per operation, from 1 on.
  EXPECT_EQ(recovered.at("last_seq"), written.at("operations"));
  EXPECT_EQ(recovered.at("replayed"), written.at("operations") - recovered.at("found_checkpoint"))
      << "what the base store did not have";
  EXPECT_GT(recovered.at("high_water_before"), 0U);
  EXPECT_LE(recovered.at("high_water_bytes") - recovered.at("high_water_before"),
            kResidentBytesMax);
}

TEST(Soak, AGibibyteOfLogIsRecoveredWithinBoundedMemory) {
  const TemporaryDirectory directory;
  const std::string store = directory.path();
  const Numbers written = run_and_kill({"write", store});
  ASSERT_GT(written.count("digest"), 0U) << "see the line above";
  EXPECT_GT(written.at("log_bytes"), 1024 * kMiB);
  EXPECT_GT(written.at("payload_bytes"), 1024 * kMiB);
  EXPECT_GT(written.at("overwrites"), written.at("operations") / 4);
  EXPECT_EQ(written.at("checkpoints"), 0U);
  // Otherwise the ceiling would hold without the limit.
  EXPECT_GT(written.at("dirty_bytes"), 2 * kResidentBytesMax);

  const std::vector<std::string> recover = {"recover", store, std::to_string(kDirtyBytesMax),
                                            std::to_string(kBlockCacheBytes)};
  const Numbers first = run_and_kill(recover);
  ASSERT_GT(first.count("digest"), 0U) << "see the line above";
  EXPECT_EQ(first.at("found_checkpoint"), 0U);
  EXPECT_EQ(first.at("total_entries"), written.at("operations"));
  EXPECT_GT(first.at("checkpoints"), 0U) << "the limit was reached on the way";
  expect_recovered(first, written);

  const Numbers second = run_and_kill(recover);
  ASSERT_GT(second.count("digest"), 0U) << "see the line above";
  EXPECT_GT(second.at("found_checkpoint"), 0U);
  expect_recovered(second, written);

  const double mib = static_cast<double>(written.at("log_bytes")) / static_cast<double>(kMiB);
  const auto seconds = [](const Numbers& numbers) {
    return static_cast<double>(numbers.at("milliseconds")) / 1000;
  };
  (void)std::printf("written: %.0f MiB in %.1f s, %.0f MiB/s; recovered in %.1f s, %.0f MiB/s\n",
                    mib, seconds(written), mib / seconds(written), seconds(first),
                    mib / seconds(first));
}

}  // namespace
}  // namespace pluresdb::testing
