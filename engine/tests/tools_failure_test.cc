// Goal: whatever a tool cannot read, it says so and names it: never half a report, never a report
// that passes over what was not read, and nothing is called lost because a read failed.
// Method: the tools without their processes, over a disk whose N-th operation fails, for N = 1, 2,
// 3, ... until none is left to fail; stores that are whole and one that is damaged.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "engine/tests/core_failing_disk.h"
#include "engine/tests/core_failure_loop.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include "engine/tools/command_line.h"
#include "engine/tools/store_report.h"
#include <pluresdb/engine.h>
#include <pluresdb/options.h>
#include <pluresdb/rebuild.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";
/// No tool has so many operations: a loop that comes here does not end.
constexpr std::uint64_t kOperationsMax = 600;

// --- Stores
// ---------------------------------------------------------------------------------------

void must_put(Engine& engine, const std::string& id, std::uint64_t version, std::size_t bytes) {
  const auto seq = engine.put("agent", id, json_of(version, bytes));
  ASSERT_TRUE(seq.has_value()) << text_of(seq);
}

/// Several segments, a base store of several blocks, large values on both sides of the checkpoint,
/// documents that were written again and deleted behind it.
void whole(MemoryDisk& disk) {
  const auto engine = open_engine(kStore, small_options(&disk));
  for (std::uint64_t i = 0; i < 40; ++i) {
    must_put(*engine, fmt::format("page{}", i), i, 900);
  }
  for (std::uint64_t i = 0; i < 4; ++i) {
    must_put(*engine, fmt::format("large{}", i), i, 20'000);
  }
  ASSERT_TRUE(engine->checkpoint().has_value());
  must_put(*engine, "page1", 100, 70);
  must_put(*engine, "large1", 101, 30'000);
  ASSERT_TRUE(engine->erase("agent", "page2").has_value());
}

void closed(MemoryDisk& disk) {
  whole(disk);
  disk.restart();
  ASSERT_TRUE(open_engine(kStore, small_options(&disk))->close().has_value());
}

tools::ToolArguments arguments_for(const std::string& directory, bool flag = false) {
  tools::ToolArguments arguments;
  arguments.data_dir = directory;
  arguments.flag = flag;
  return arguments;
}

/// A group in the middle of the oldest segment is not what was written.
void damaged(MemoryDisk& disk) {
  whole(disk);
  disk.flip_byte("/store/wal/0000000000000001.wal", 30'000);
}

// --- The tools
// ------------------------------------------------------------------------------------

struct Case {
  std::string_view name;
  void (*store)(MemoryDisk& disk);
  tools::ToolOutput (*tool)(io::FileSystem& files, const tools::ToolArguments& arguments);
  bool flag = false;
  int status = tools::kExitOk;
  friend std::ostream& operator<<(std::ostream& out, const Case& each) { return out << each.name; }
};

constexpr Case kCases[] = {
    {.name = "Inspect", .store = whole, .tool = tools::inspect},
    {.name = "InspectWithBreakdown", .store = closed, .tool = tools::inspect, .flag = true},
    {.name = "Validate", .store = closed, .tool = tools::validate},
    {.name = "ValidateIntegrity", .store = whole, .tool = tools::validate, .flag = true},
    {.name = "ValidateDamaged",
     .store = damaged,
     .tool = tools::validate,
     .flag = true,
     .status = tools::kExitProblem},
};

class ToolFailure : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    GetParam().store(disk_);
    disk_.restart();
    disk_.stop_after(0);  // Nothing may be changed.
    unharmed_ = run(disk_);
    ASSERT_EQ(unharmed_.status, GetParam().status) << unharmed_.text << unharmed_.error;
    ASSERT_EQ(unharmed_.error, "");
  }

  static tools::ToolOutput run(io::FileSystem& files) {
    return GetParam().tool(files, arguments_for(kStore, GetParam().flag));
  }

  /// One of the operations that have failed.
  static bool names_one(const std::string& text, const std::vector<FailingDisk::Call>& failed) {
    return std::ranges::any_of(
        failed, [&](const auto& call) { return text.find(call.path) != std::string::npos; });
  }

  void judge(const tools::ToolOutput& output, const std::vector<FailingDisk::Call>& failed) const {
    if (output.status == tools::kExitCannotOpen) {
      EXPECT_EQ(output.text, "") << "half a report";
      EXPECT_TRUE(names_one(output.error, failed)) << output.error;
      return;
    }
    EXPECT_EQ(output.error, "");
    if (output.text == unharmed_.text) {
      EXPECT_EQ(output.status, unharmed_.status);
      return;
    }
    // A table that cannot be read is a problem of the store: the rest is reported.
    EXPECT_EQ(output.status, tools::kExitProblem) << output.text;
    EXPECT_TRUE(std::ranges::all_of(failed, [](const auto& call) {
      return call.path.ends_with(".sst");
    })) << output.text;
    EXPECT_TRUE(names_one(output.text, failed)) << output.text;
    EXPECT_EQ(output.text.find("acknowledged once"), unharmed_.text.find("acknowledged once"))
        << "called lost: " << output.text;
  }

  MemoryDisk disk_;
  tools::ToolOutput unharmed_;
};

TEST_P(ToolFailure, OfAnyOperationIsSaidAndNamed) {
  std::uint64_t refused = 0;
  for (const FailureMode& mode : {kFailsOnce, kFailsFromThereOn}) {
    bool reached = true;
    for (std::uint64_t n = 1; reached; ++n) {
      SCOPED_TRACE(fmt::format("operation {} {}", n, mode.name));
      ASSERT_LT(n, kOperationsMax);
      FailingDisk failing(disk_);
      failing.fail_from(n, mode);
      const tools::ToolOutput output = run(failing);
      reached = failing.reached();
      judge(output, failing.heal());
      refused += output.status == tools::kExitCannotOpen ? 1U : 0U;
      EXPECT_EQ(failing.open_handles(), 0U);
    }
  }
  EXPECT_GT(refused, 20U);
  EXPECT_EQ(disk_.operations(), 0U) << "a tool has tried to change something";
}

INSTANTIATE_TEST_SUITE_P(Cases, ToolFailure, ::testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

// A store that is not there yet is none, and the tool says what is.
TEST(ToolRefusal, ARebuildThatWasNotFinishedIsNoStore) {
  MemoryDisk disk;
  whole(disk);
  disk.restart();
  disk.stop_after(12);
  RebuildOptions options;
  options.engine = small_options(&disk);
  ASSERT_FALSE(rebuild_from_wal("/store/wal", "/new", options).has_value());
  disk.restart();
  const auto output = tools::inspect(disk, arguments_for("/new.rebuilding"));
  EXPECT_EQ(output.status, tools::kExitCannotOpen);
  EXPECT_EQ(output.text, "");
  EXPECT_NE(output.error.find("a rebuild that was not finished"), std::string::npos)
      << output.error;
}

}  // namespace
}  // namespace pluresdb::testing
