// pluresdb-bench as its user sees it: what a run without a filter leaves out, and that what it
// counts is what is there. No rate is looked at.
#include <array>
#include <cstdio>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <simdjson.h>
#include <sys/wait.h>

#include "engine/tests/io_test_directory.h"

namespace {

using pluresdb::io::TestDirectory;
using simdjson::dom::element;

struct Ended {
  int exit_status = -1;
  std::string output;
};

Ended run(const TestDirectory& directory, const std::string& arguments) {
  const std::string command = "PLURESDB_BENCH_DIR=" + directory.path() + " " +
                              std::string(PLURESDB_BENCH) + " " + arguments + " 2>/dev/null";
  std::FILE* pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c): our own program.
  Ended ended;
  if (pipe == nullptr) {
    return ended;
  }
  std::array<char, 4096> block{};
  while (const std::size_t count = std::fread(block.data(), 1, block.size(), pipe)) {
    ended.output.append(block.data(), count);
  }
  const int status = pclose(pipe);
  ended.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ended;
}

/// The benchmarks of one run by name.
class Results {
 public:
  Results(const TestDirectory& directory, const std::string& filter) {
    const Ended ended =
        run(directory, "--benchmark_format=json --benchmark_filter='" + filter + "'");
    EXPECT_EQ(ended.exit_status, 0);
    element report;
    EXPECT_EQ(parser_.parse(ended.output).get(report), simdjson::SUCCESS) << ended.output;
    EXPECT_EQ(report["benchmarks"].get(all_), simdjson::SUCCESS) << ended.output;
  }
  [[nodiscard]] const simdjson::dom::array& all() const { return all_; }

  /// -1, and a failure, when the benchmark did not run, failed or has no such counter.
  [[nodiscard]] double counter(std::string_view beginning, std::string_view name) const {
    for (const element benchmark : all_) {
      std::string_view called;
      double value = -1;
      if (benchmark["name"].get(called) == simdjson::SUCCESS && called.starts_with(beginning)) {
        EXPECT_EQ(benchmark[name].get(value), simdjson::SUCCESS)
            << called << ": " << name << " in " << simdjson::minify(benchmark);
        return value;
      }
    }
    ADD_FAILURE() << beginning << " did not run";
    return -1;
  }

 private:
  simdjson::dom::parser parser_;
  simdjson::dom::array all_;
};

TEST(PluresdbBench, LeavesTheExtendedOutUnlessItIsAskedForThem) {
  const TestDirectory directory;
  const std::string by_default = run(directory, "--benchmark_list_tests").output;
  EXPECT_EQ(by_default.find("extended/"), std::string::npos);
  EXPECT_NE(by_default.find("LogFixture/wal_append/bytes:200/durability:1/"), std::string::npos);
  const std::string asked =
      run(directory, "--benchmark_list_tests --benchmark_filter=^extended/").output;
  for (const char* name :
       {"extended/wal_append/bytes:1048576/durability:1/", "extended/replay_1_GiB/",
        "extended/engine_put/bytes:65536/durability:2/", "/threads:64\n", "/threads:2\n",
        "extended/encode_group_without_log/4096/"}) {
    EXPECT_NE(asked.find(name), std::string::npos) << name << "\n" << asked;
  }
  EXPECT_EQ(asked.find("LogFixture/"), std::string::npos);
}

TEST(PluresdbBench, CountsWhatTheLogTakes) {
  const TestDirectory directory;
  const Results results(directory,
                        "disk_overhead/bytes:200|open_log_memory/segments:16|"
                        "large_value_index_memory/values:1000/|read_memory/bytes:65536|"
                        "read_value_memory/bytes:65536");
  const double alone =
      results.counter("disk_overhead/bytes:200/entries_per_group:1/", "overhead_B/entry");
  const double shared =
      results.counter("disk_overhead/bytes:200/entries_per_group:64/", "overhead_B/entry");
  // A record has a header of 56 bytes; a group and its chunk have 96 more (docs/formats/wal.md).
  EXPECT_GE(shared, 56);
  EXPECT_LE(shared, 56 + 7 + 5);  // And at most 7 of padding, and what the headers come to.
  EXPECT_GE(alone, shared + 90);
  EXPECT_LE(alone, shared + 100);
  EXPECT_NEAR(results.counter("disk_overhead/bytes:200/entries_per_group:1/", "content_B/entry"),
              200 + 9 + 9 + 4, 1);
  // An index entry has 24 bytes, and the index at most twice as much room as it needs.
  EXPECT_GE(results.counter("large_value_index_memory/", "heap_B/value"), 24);
  EXPECT_LE(results.counter("large_value_index_memory/", "heap_B/value"), 2 * 24 + 1);
  EXPECT_GE(results.counter("open_log_memory/", "heap_B/segment"), 100);
  EXPECT_LE(results.counter("open_log_memory/", "heap_B/segment"), 4096);
  EXPECT_GE(results.counter("read_memory/", "cursor_peak_KiB"), 64);
  EXPECT_LE(results.counter("read_memory/", "cursor_peak_KiB"), 4096);
  EXPECT_GE(results.counter("read_memory/", "validate_peak_KiB"), 64);
  EXPECT_LE(results.counter("read_memory/", "kept_KiB"), 64);
  EXPECT_GE(results.counter("read_value_memory/", "get_peak_KiB"), 64);
}

// Each way must have put its last bytes into the file, or the benchmark says so; io_uring may be
// forbidden, and is then skipped with the reason.
TEST(PluresdbBench, EachWayToSyncWritesOrSaysWhyNot) {
  const TestDirectory directory;
  const Results results(directory, "durable_write/.*/200/");
  int measured = 0;
  for (const element benchmark : results.all()) {
    std::string_view name;
    EXPECT_EQ(benchmark["name"].get(name), simdjson::SUCCESS);
    std::string_view message;
    if (benchmark["error_message"].get(message) == simdjson::SUCCESS) {
      EXPECT_TRUE(name.find("io_uring") != std::string_view::npos &&
                  message.starts_with("skipped: io: io_uring_setup"))
          << name << ": " << message;
      continue;
    }
    ++measured;
  }
  EXPECT_GE(measured, 4);
  EXPECT_EQ(results.all().size(), 6U);
}

TEST(PluresdbBench, SaysHowManyEntriesShareASync) {
  const TestDirectory directory;
  const Results results(
      directory,
      "append_in_groups/entries:(1|64)/|append_with_window/entries:8/|"
      "append_as_they_come/writers:8/|collect_then_append/writers:8/wait_us:200/");
  EXPECT_EQ(results.counter("append_in_groups/entries:1/", "entries/sync"), 1);
  EXPECT_EQ(results.counter("append_in_groups/entries:64/", "entries/sync"), 64);
  for (const char* name : {"append_with_window/", "append_as_they_come/", "collect_then_append/"}) {
    EXPECT_GE(results.counter(name, "entries/sync"), 1) << name;
    EXPECT_LE(results.counter(name, "entries/sync"), 8) << name;
    EXPECT_GT(results.counter(name, "ack_p50_us"), 0) << name;
    EXPECT_GE(results.counter(name, "ack_p99_us"), results.counter(name, "ack_p50_us")) << name;
  }
  EXPECT_GE(results.counter("collect_then_append/", "waited_us"), 200);
}

}  // namespace
