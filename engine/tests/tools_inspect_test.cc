// pluresdb-inspect, the real program, on stores that the engine made. Every run also compares a
// digest of the whole directory before and after it.
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/tests/core_test_util.h"
#include "engine/tests/tools_test_support.h"
#include "engine/wal/segment_format.h"

namespace pluresdb::testing {
namespace {

TEST(Inspect, CountsLiveAndDeadValues) {
  ToolStore store;
  store.open();
  store.put("doc/large", json_of(1, 5000));
  store.put("doc/large", json_of(2, 6000));  // The value before is dead from here on.
  store.put("doc/small", "1");
  store.put("other", "true", "b");
  ASSERT_TRUE(store.engine().checkpoint().has_value());
  store.put("doc/small", json_of(3, 7000));  // Live by the log alone.
  store.close();
  const auto json = store.json("inspect", 0, "--show-breakdown");
  EXPECT_EQ(number(json, "/last_seq"), 5U);
  EXPECT_EQ(number(json, "/log/entries"), 5U);
  EXPECT_EQ(number(json, "/log/live_values/count"), 2U);
  EXPECT_EQ(number(json, "/log/live_values/bytes"), 13'000U);
  EXPECT_EQ(number(json, "/log/dead_values/count"), 1U);
  EXPECT_EQ(number(json, "/log/dead_values/bytes"), 5000U);
  EXPECT_EQ(number(json, "/documents/live"), 3U);
  EXPECT_EQ(number(json, "/documents/tombstones"), 0U);
  EXPECT_EQ(length(json, "/problems"), 0U);
  EXPECT_EQ(word(json, "/uuid").size(), 36U);
  ASSERT_EQ(length(json, "/format_versions/log"), 1U);
  EXPECT_EQ(number(json, "/format_versions/log/0"), wal::kPlainFormatVersion)
      << "what the files are, not what this program could read";
}

TEST(Inspect, NewerWritesInTheLogDecideAboutLiveness) {
  ToolStore store;
  store.open();
  store.put("x", json_of(1, 5000));
  ASSERT_TRUE(store.engine().checkpoint().has_value());
  store.put("x", json_of(2, 6000));
  store.put("y", json_of(3, 4000));
  ASSERT_TRUE(store.engine().erase("a", "y").has_value());
  store.drop();
  const auto json = store.json("inspect", 0);
  EXPECT_EQ(number(json, "/checkpoint_seq"), 1U);
  EXPECT_EQ(number(json, "/log/live_values/bytes"), 6000U);
  EXPECT_EQ(number(json, "/log/dead_values/bytes"), 9000U);
  EXPECT_EQ(number(json, "/documents/live"), 1U);
  EXPECT_EQ(number(json, "/documents/bytes"), 6000U);
  EXPECT_EQ(number(json, "/documents/tombstones"), 1U);
}

TEST(Inspect, BreaksDownByActorPrefixAndOperation) {
  ToolStore store;
  store.open();
  store.put("task/1", "1");
  store.put("task/2", "22", "b");
  store.put("plain", "333", "b");
  ASSERT_TRUE(store.engine().erase("b", "task/1").has_value());
  store.close();
  const auto json = store.json("inspect", 0, "--show-breakdown");
  ASSERT_EQ(length(json, "/by_actor"), 2U);
  EXPECT_EQ(word(json, "/by_actor/0/key"), "a");
  EXPECT_EQ(number(json, "/by_actor/0/documents"), 0U) << "its only document was erased";
  EXPECT_EQ(number(json, "/by_actor/1/documents"), 2U);
  EXPECT_EQ(number(json, "/by_actor/1/entries"), 3U);
  ASSERT_EQ(length(json, "/by_prefix"), 2U);
  EXPECT_EQ(word(json, "/by_prefix/0/key"), "");
  EXPECT_EQ(number(json, "/by_prefix/0/document_bytes"), 3U);
  EXPECT_EQ(word(json, "/by_prefix/1/key"), "task/");
  EXPECT_EQ(number(json, "/by_prefix/1/entries"), 3U);
  ASSERT_EQ(length(json, "/by_operation"), 2U);
  EXPECT_EQ(word(json, "/by_operation/0/key"), "delete");
  EXPECT_EQ(number(json, "/by_operation/1/entries"), 3U);
  EXPECT_GE(length(json, "/tables"), 1U);
  const ToolRun text = store.run("inspect", "--show-breakdown");
  EXPECT_EQ(text.status, 0);
  for (const char* part : {"by actor", "by id prefix", "task/", "(no prefix)", "delete", ".sst"}) {
    EXPECT_CONTAINS(text.out, part);
  }
}

TEST(Inspect, NamesTheStateOfEachSegment) {
  ToolStore store;
  store.open();
  for (int i = 0; i < 30; ++i) {
    store.put(fmt::format("d{}", i % 9), json_of(static_cast<std::uint64_t>(i), 9000));
  }
  store.drop();
  auto json = store.json("inspect", 0);
  const std::size_t segments = length(json, "/segments");
  ASSERT_GT(segments, 3U);
  EXPECT_EQ(word(json, "/segments/0/state"), "sealed");
  EXPECT_EQ(number(json, "/segments/0/seqs/0"), 1U);
  EXPECT_EQ(word(json, fmt::format("/segments/{}/state", segments - 1)), "active at the end");
  ASSERT_TRUE(store.open().checkpoint().has_value());
  store.put("d0", "1");
  ASSERT_TRUE(store.engine().checkpoint().has_value());  // Thins out what is mostly dead.
  store.put("d0", "2");
  ASSERT_TRUE(store.engine().checkpoint().has_value());
  store.close();
  const ToolRun text = store.run("inspect");
  EXPECT_EQ(text.status, 0) << text.error;
  EXPECT_CONTAINS(text.out, "rewritten");
  EXPECT_CONTAINS(text.out, "sealed, clean end");
  EXPECT_CONTAINS(text.out, "closed cleanly");
}

TEST(Inspect, TornTailIsNoProblem) {
  ToolStore store;
  store.open();
  store.put("x", "1");
  store.drop();
  {
    std::fstream file(store.segment(1), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(4096 + 64 + 300));
    file << "half a group that was never acknowledged";
  }
  const auto json = store.json("inspect", 0);
  EXPECT_EQ(word(json, "/segments/0/state"), "torn");
  EXPECT_GT(number(json, "/log/torn_bytes"), 30U);
  const ToolRun text = store.run("validate");
  EXPECT_EQ(text.status, 0) << text.out;
  EXPECT_CONTAINS(text.out, "torn tail");
  EXPECT_CONTAINS(text.out, "never acknowledged");
  EXPECT_CONTAINS(text.out, "VERDICT     healthy");
}

TEST(Inspect, DamageIsAProblemWithItsPlace) {
  ToolStore store;
  store.open();
  store.put("x", R"("MARKED")");
  store.put("y", "2");
  store.close();
  flip_byte(store.segment(1), place_of(store.segment(1), "MARKED"));
  const auto json = store.json("inspect", 1);
  EXPECT_EQ(word(json, "/segments/0/state"), "damaged");
  EXPECT_EQ(length(json, "/segments/0/damaged_bytes"), 1U);
  EXPECT_EQ(number(json, "/segments/0/damaged_bytes/0/0"), 4096U);
  EXPECT_EQ(number(json, "/segments/0/lost/0/0"), 1U);
  const ToolRun text = store.run("inspect");
  EXPECT_EQ(text.status, 1);
  EXPECT_CONTAINS(text.out, "PROBLEMS");
  EXPECT_CONTAINS(text.out, "4096 .. ");
}

TEST(Inspect, IdsAreMadeHarmless) {
  ToolStore store;
  store.open();
  store.put("evil\x1b[2J\n\xff\xe2\x80\xae/x", "1", "act\x07or");
  store.close();
  const ToolRun text = store.run("inspect", "--show-breakdown");
  EXPECT_EQ(text.status, 0);
  EXPECT_CONTAINS(text.out, R"(evil\x1b[2J\n\xff\u{202e}/)");
  EXPECT_CONTAINS(text.out, R"(act\x07or)");
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos);
  const auto json = store.json("inspect", 0, "--show-breakdown");
  EXPECT_EQ(word(json, "/by_prefix/0/key"), R"(evil\x1b[2J\n\xff\u{202e}/)");
}

TEST(Inspect, FormatVersionsAreThoseOfTheFiles) {
  ToolStore store;
  store.open();
  for (std::uint64_t i = 0; i < 30; ++i) {  // Segments of 64 KiB: some are rewritten, compressed.
    store.put(fmt::format("d{}", i), json_of(i, 9000));
  }
  ASSERT_TRUE(store.engine().checkpoint().has_value());
  store.put("late", "1");
  ASSERT_TRUE(store.engine().checkpoint().has_value());
  ASSERT_GT(store.engine().stats().segments_compressed, 0U);
  store.drop();
  const auto json = store.json("inspect", 0);
  ASSERT_EQ(length(json, "/format_versions/log"), 2U);
  EXPECT_EQ(number(json, "/format_versions/log/0"), wal::kPlainFormatVersion);
  EXPECT_EQ(number(json, "/format_versions/log/1"), wal::kCompressedFormatVersion);
  EXPECT_EQ(number(json, "/format_versions/store"), 1U);
  EXPECT_EQ(number(json, "/format_versions/base_store"), 2U);
  EXPECT_CONTAINS(store.run("inspect").out, "formats     store 1, base store 2, log 1 and 2\n");
  std::filesystem::remove_all(store.file("wal"));
  flip_byte(store.file("STORE"), 30);
  flip_byte(store.file("STORE"), 4096 + 30);
  EXPECT_CONTAINS(store.run("inspect").out, "formats     store unknown, base store 2, log -\n");
}

TEST(Inspect, UsageIsTwo) {
  const TemporaryDirectory scratch;
  for (const char* tool : {"inspect", "validate"}) {
    EXPECT_EQ(run_tool(tool, "", scratch).status, 2);
    EXPECT_EQ(run_tool(tool, "--data-dir", scratch).status, 2);
    EXPECT_EQ(run_tool(tool, "--data-dir ''", scratch).status, 2);
    EXPECT_EQ(run_tool(tool, "--data-dir x --nonsense", scratch).status, 2);
    EXPECT_CONTAINS(run_tool(tool, "", scratch).error, "--data-dir is required");
    EXPECT_CONTAINS(run_tool(tool, "--data-dir ''", scratch).error, "--data-dir is empty");
    EXPECT_CONTAINS(run_tool(tool, "--nonsense", scratch).error, "--nonsense")
        << "also when something that is required is missing";
    const ToolRun help = run_tool(tool, "--help", scratch);
    EXPECT_EQ(help.status, 0);
    EXPECT_CONTAINS(help.out, "3 cannot open");
  }
}

TEST(Inspect, WhatCannotBeOpenedIsThree) {
  const TemporaryDirectory scratch;
  std::filesystem::create_directory(scratch.path("empty"));
  std::ofstream(scratch.path("file")) << "no store";
  for (const char* tool : {"inspect", "validate"}) {
    const auto run = [&](const std::string& name) {
      return run_tool(tool, "--data-dir '" + scratch.path(name) + "'", scratch);
    };
    ToolRun result = run("nowhere");
    EXPECT_EQ(result.status, 3);
    EXPECT_CONTAINS(result.error, "cannot open: not_found");
    EXPECT_TRUE(result.out.empty());
    result = run("empty");
    EXPECT_EQ(result.status, 3);
    EXPECT_CONTAINS(result.error, "holds no store");
    EXPECT_TRUE(std::filesystem::is_empty(scratch.path("empty"))) << "nothing may be created";
    EXPECT_EQ(run("file").status, 3);
  }
}

TEST(Inspect, StoreInUseIsThreeAndNamesTheProcess) {
  ToolStore store;
  store.open();
  store.put("x", "1");
  for (const char* tool : {"inspect", "validate"}) {
    const ToolRun run = store.run(tool);
    EXPECT_EQ(run.status, 3);
    EXPECT_CONTAINS(run.error, fmt::format("locked by pid {}", getpid()));
  }
  store.close();
  EXPECT_EQ(store.run("inspect").status, 0);
  // A copy without a LOCK file is looked at, and gets none.
  std::filesystem::remove(store.file("LOCK"));
  EXPECT_EQ(store.run("inspect").status, 0);
}

TEST(Inspect, LinksAreNotFollowed) {
  for (const char* name : {"STORE", "LOCK", "wal", "base", "wal/0000000000000001.wal"}) {
    SCOPED_TRACE(name);
    ToolStore store;
    store.open();
    store.put("x", "1");
    store.close();
    const std::string elsewhere = store.scratch().path("elsewhere");
    std::filesystem::rename(store.file(name), elsewhere);
    std::filesystem::create_symlink(elsewhere, store.file(name));
    for (const char* tool : {"inspect", "validate"}) {
      const ToolRun run = store.run(tool);
      EXPECT_EQ(run.status, 3) << run.out;
      EXPECT_CONTAINS(run.error, name);
    }
  }
}

TEST(Inspect, UnreadableFileIsThree) {
  if (geteuid() == 0) {
    // Root reads everything: a directory in the place of a file fails for root too.
    ToolStore store;
    store.open();
    store.put("x", "1");
    store.close();
    std::filesystem::remove(store.segment(1));
    std::filesystem::create_directory(store.segment(1));
    const ToolRun run = store.run("validate");
    EXPECT_EQ(run.status, 3);
    EXPECT_CONTAINS(run.error, "not a regular file");
    return;
  }
  ToolStore store;
  store.open();
  store.put("x", "1");
  store.close();
  ASSERT_EQ(chmod(store.file("STORE").c_str(), 0), 0);
  const ToolRun run = run_tool("validate", "--data-dir '" + store.path() + "'", store.scratch());
  EXPECT_EQ(run.status, 3);
  EXPECT_CONTAINS(run.error, "Permission denied");
}

}  // namespace
}  // namespace pluresdb::testing
