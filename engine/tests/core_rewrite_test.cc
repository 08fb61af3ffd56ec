// Goal: rewriting (garbage collection and compression) loses nothing, leaves nothing behind, and
// keeps the log below the bound of docs/DURABILITY.md.
// Method: a store with one segment worth collecting and some worth compressing; the compaction is
// stopped at each of its file operations, also with a value overwritten or deleted while it runs,
// or refused space at each of them; then every value is compared, over two recoveries.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include "engine/tests/core_watched_disk.h"
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";
constexpr const char* kWal = "/store/wal";
constexpr std::uint64_t kKiB = 1ULL << 10;

/// A JSON text of `bytes` bytes that compresses to about two thirds.
std::string text_of_bytes(std::uint64_t seed, std::size_t bytes) {
  std::string json = "\"";
  std::uint64_t state = seed * 2654435761U + 1;
  while (json.size() + 1 < bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    json.push_back(static_cast<char>('a' + (state >> 33U) % 26));
  }
  return json + "\"";
}

/// Every put is checkpointed when it returns: what is written during a compaction counts at once.
EngineOptions covering_options(io::FileSystem& files) {
  EngineOptions options = small_options(&files);
  options.durability = Durability::kFull;
  return options;
}

/// Ids with the values that each may have.
using Allowed = std::map<std::string, std::set<std::optional<std::string>>>;

/// v0 .. v13 of 12,000 bytes, about five in a segment; of the first segment only v3 and v4 live.
Allowed prepare(MemoryDisk& disk) {
  Allowed allowed;
  const auto engine = open_engine(kStore, covering_options(disk));
  const auto put = [&](int i, const std::string& json) {
    const std::string id = fmt::format("v{}", i);
    EXPECT_TRUE(engine->put("a", id, json).has_value());
    allowed[id] = {json};
  };
  for (int i = 0; i < 14; ++i) {
    put(i, text_of_bytes(static_cast<std::uint64_t>(i), 12'000));
  }
  for (int i = 0; i < 3; ++i) {
    put(i, json_of(100 + static_cast<std::uint64_t>(i), 40));
  }
  return allowed;
}

/// Opens, checks, and narrows `allowed` to what was seen: it must stay.
void expect_allowed(MemoryDisk& disk, Allowed& allowed) {
  const auto engine = open_engine(kStore, covering_options(disk));
  ASSERT_NE(engine, nullptr);
  EXPECT_TRUE(engine->recovery().wal.is_healthy()) << engine->recovery().wal.problems.front();
  EXPECT_FALSE(engine->recovery().wal_lost);
  for (auto& [id, values] : allowed) {
    const auto found = engine->get(id);
    ASSERT_TRUE(found.has_value()) << id << ": " << text_of(found);
    const auto value = *found ? std::optional((*found)->json) : std::nullopt;
    ASSERT_TRUE(values.contains(value)) << id << " is " << value.value_or("absent").substr(0, 40);
    values = {value};
  }
  const auto report = engine->validate();
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->is_healthy());
}

std::vector<std::string> temporary_files(MemoryDisk& disk) {
  std::vector<std::string> found;
  const auto names = disk.list(kWal);
  EXPECT_TRUE(names.has_value());
  for (const std::string& name : *names) {
    if (name.ends_with(".tmp")) {
      found.push_back(name);
    }
  }
  return found;
}

/// What an agent does while the rewrite runs.
struct Interference {
  std::string what;
  std::string when;                    ///< "create" or "rename" of the rewritten file.
  std::optional<std::string> value{};  ///< Nothing: a delete.
  std::string id = "v3";
};

struct Run {
  Allowed allowed;
  EngineStats stats{};
  std::uint64_t operations = 0;
};

/// Compacts a copy of `prepared`; stops before operation `n`.
Run compact_until(MemoryDisk& disk, const Allowed& before, std::uint64_t n,
                  const Interference* interference) {
  Run run;
  run.allowed = before;
  WatchedDisk watched(disk);
  const auto engine = open_engine(kStore, covering_options(watched));
  bool done = interference == nullptr;
  watched.set_watch([&](std::string_view operation, const std::string& path) {
    if (done || operation != interference->when || path.find("rewrite-") == std::string::npos) {
      return;
    }
    done = true;
    const auto& value = interference->value;
    const auto written =
        value ? engine->put("b", interference->id, *value) : engine->erase("b", interference->id);
    auto& allowed = run.allowed[interference->id];
    if (written) {
      allowed = {value};
    } else {
      allowed.insert(value);
    }
  });
  disk.stop_after(n);
  const auto checkpointed = engine->checkpoint();
  EXPECT_TRUE(checkpointed.has_value() || disk.stopped()) << text_of(checkpointed);
  EXPECT_TRUE(done || disk.stopped());
  run.operations = disk.operations();
  run.stats = engine->stats();
  return run;
}

void stop_everywhere(const Interference* interference) {
  MemoryDisk prepared;
  const Allowed before = prepare(prepared);
  std::uint64_t operations = 0;
  {
    const auto disk = prepared.clone();
    const Run whole = compact_until(*disk, before, MemoryDisk::kNever, interference);
    operations = whole.operations;
    ASSERT_GE(whole.stats.segments_rewritten, 2U) << "one to collect, one to compress";
    ASSERT_GE(whole.stats.segments_compressed, 2U);
    ASSERT_GT(operations, 30U);
  }
  for (std::uint64_t n = 0; n <= operations; ++n) {
    const std::vector<std::pair<bool, std::optional<std::uint64_t>>> losses{
        {true, std::nullopt}, {true, n + 1}, {false, std::nullopt}};
    for (std::size_t i = 0; i < losses.size(); ++i) {
      if (interference != nullptr && i != n % losses.size()) {
        continue;
      }
      SCOPED_TRACE(fmt::format("operation {} of {}, {}, loss {}", n, operations,
                               interference == nullptr ? "alone" : interference->what, i));
      const auto disk = prepared.clone();
      Run run = compact_until(*disk, before, n, interference);
      if (losses[i].first) {
        disk->lose_power(losses[i].second);
      } else {
        disk->restart();
      }
      ASSERT_NO_FATAL_FAILURE(expect_allowed(*disk, run.allowed));
      EXPECT_TRUE(temporary_files(*disk).empty());
      const auto names = *disk->list(kWal);
      disk->lose_power(std::nullopt);
      ASSERT_NO_FATAL_FAILURE(expect_allowed(*disk, run.allowed));
      EXPECT_EQ(*disk->list(kWal), names) << "the second recovery changes nothing";
      ASSERT_FALSE(::testing::Test::HasFailure());
    }
  }
}

TEST(RewriteCrash, EveryOperationMayBeTheLast) { stop_everywhere(nullptr); }

TEST(RewriteCrash, AlsoWhenAValueChangesBetweenTheLookAndTheCopy) {
  for (const auto& value : {std::optional(json_of(900, 50)), std::optional(json_of(901, 9000)),
                            std::optional<std::string>()}) {
    const Interference interference{
        .what = value ? "overwritten before" : "deleted before", .when = "create", .value = value};
    ASSERT_NO_FATAL_FAILURE(stop_everywhere(&interference));
  }
}

TEST(RewriteCrash, AlsoWhenAValueChangesAfterTheCopy) {
  for (const auto& value : {std::optional(json_of(902, 9000)), std::optional<std::string>()}) {
    const Interference interference{
        .what = value ? "overwritten after" : "deleted after", .when = "rename", .value = value};
    ASSERT_NO_FATAL_FAILURE(stop_everywhere(&interference));
  }
}

TEST(Rewrite, AValueOverwrittenMeanwhileIsNotCopied) {
  MemoryDisk prepared;
  const Allowed before = prepare(prepared);
  const auto quiet = prepared.clone();
  const auto written = compact_until(*quiet, before, MemoryDisk::kNever, nullptr).stats;
  const Interference interference{
      .what = "overwritten", .when = "create", .value = json_of(900, 50)};
  const auto busy = prepared.clone();
  const auto less = compact_until(*busy, before, MemoryDisk::kNever, &interference).stats;
  EXPECT_LT(less.compaction_written_bytes + 2000, written.compaction_written_bytes);
  EXPECT_EQ(less.compaction_read_bytes, written.compaction_read_bytes);
}

// --- No space
// -------------------------------------------------------------------------------------

TEST(Rewrite, NoSpaceAtAnyOperationLeavesTheInputsAndNoTemporaryFile) {
  MemoryDisk prepared;
  const Allowed before = prepare(prepared);
  for (int target = 0;; ++target) {
    SCOPED_TRACE(fmt::format("operation {} on the temporary file", target));
    const auto disk = prepared.clone();
    Allowed allowed = before;
    int seen = 0;
    {
      const auto engine = open_engine(kStore, covering_options(*disk));
      const auto names = *disk->list(kWal);
      disk->set_fault([&](std::string_view, const std::string& path) -> std::optional<Error> {
        const bool hit = path.find("rewrite-") != std::string::npos && seen++ == target;
        return hit ? std::optional(
                         Error{.code = ErrorCode::kNoSpace, .sys_errno = ENOSPC, .context = path})
                   : std::nullopt;
      });
      const auto outcome = engine->checkpoint();
      disk->set_fault(nullptr);
      if (seen <= target) {
        EXPECT_TRUE(outcome.has_value()) << text_of(outcome);
        EXPECT_GT(target, 8) << "the enumeration must reach writes, syncs and the rename";
        return;
      }
      ASSERT_FALSE(outcome.has_value());
      EXPECT_EQ(outcome.error().code, ErrorCode::kNoSpace);
      EXPECT_TRUE(temporary_files(*disk).empty());
      for (const std::string& name : names) {
        EXPECT_TRUE(engine->stats().segments_rewritten > 0 ||
                    disk->info(io::join_path(kWal, name)).has_value());
      }
      EXPECT_EQ(engine->stats().space, SpaceState::kNormal);
      const auto put = engine->put("b", "after", json_of(1, 12'000));
      ASSERT_TRUE(put.has_value()) << text_of(put);
      allowed["after"] = {json_of(1, 12'000)};
      const auto again = engine->checkpoint();
      EXPECT_TRUE(again.has_value()) << text_of(again);
      EXPECT_GE(engine->stats().segments_rewritten, 2U);
    }
    disk->lose_power(std::nullopt);
    ASSERT_NO_FATAL_FAILURE(expect_allowed(*disk, allowed));
  }
}

TEST(Rewrite, WritersAreNotRefusedForTheSakeOfACompression) {
  MemoryDisk disk;
  Allowed allowed = prepare(disk);
  auto engine = open_engine(kStore, covering_options(disk));
  // Room for the next segment and for what a checkpoint writes, not for a compressed copy as well.
  const std::uint64_t segment_bytes = small_options().segment_bytes;
  disk.set_capacity(disk.used() + segment_bytes + 8 * kKiB);
  ASSERT_TRUE(engine->checkpoint().has_value());
  EXPECT_EQ(engine->stats().wal.no_space_refusals, 0U);
  const auto compressed = engine->stats().segments_compressed;
  EXPECT_LE(compressed, 1U) << "the one that collects garbage gives back more than it takes";
  for (std::uint64_t i = 0; i < 3; ++i) {
    const std::string json = text_of_bytes(300 + i, 12'000);
    const auto put = engine->put("b", fmt::format("w{}", i), json);
    ASSERT_TRUE(put.has_value()) << text_of(put);
    allowed[fmt::format("w{}", i)] = {json};
  }
  disk.set_capacity(MemoryDisk::kNever);
  ASSERT_TRUE(engine->checkpoint().has_value());
  EXPECT_GT(engine->stats().segments_compressed, compressed);
  engine = nullptr;
  disk.lose_power(std::nullopt);
  ASSERT_NO_FATAL_FAILURE(expect_allowed(disk, allowed));
}

// --- What it is worth
// -----------------------------------------------------------------------------

TEST(Rewrite, CompressionHappensOnceAndIsCounted) {
  MemoryDisk disk;
  Allowed allowed = prepare(disk);
  std::uint64_t files = 0;
  {
    const auto engine = open_engine(kStore, covering_options(disk));
    const auto before = engine->stats();
    ASSERT_TRUE(engine->checkpoint().has_value());
    const auto after = engine->stats();
    EXPECT_EQ(after.compaction_runs, 1U);
    EXPECT_GE(after.segments_compressed, 2U);
    EXPECT_GT(after.compaction_read_bytes, 100'000U);
    EXPECT_LT(after.compaction_written_bytes, after.compaction_read_bytes * 7 / 10);
    EXPECT_EQ(before.wal.bytes - after.wal.bytes, after.compaction_reclaimed_bytes);
    ASSERT_TRUE(engine->checkpoint().has_value());
    EXPECT_EQ(engine->stats().compaction_read_bytes, after.compaction_read_bytes);
    EXPECT_EQ(engine->stats().compaction_runs, 2U);
    files = engine->stats().wal.segments;
    ASSERT_TRUE(engine->get("v5").has_value());
    EXPECT_EQ(engine->stats().payload_read_bytes, text_of_bytes(5, 12'000).size());
    ASSERT_TRUE(engine->put("a", "v5", json_of(6)).has_value());
    EXPECT_EQ(engine->stats().payload_written_bytes, json_of(6).size());
    allowed["v5"] = {json_of(6)};
  }
  disk.lose_power(std::nullopt);
  ASSERT_NO_FATAL_FAILURE(expect_allowed(disk, allowed));
  const auto engine = open_engine(kStore, covering_options(disk));
  ASSERT_TRUE(engine->checkpoint().has_value());
  EXPECT_LE(engine->stats().segments_rewritten, 1U) << "remembered in the files: all but the last";
  EXPECT_LE(engine->stats().wal.segments, files + 1);
}

TEST(Rewrite, WithoutTheOptionNothingIsCompressed) {
  MemoryDisk disk;
  Allowed allowed = prepare(disk);
  {
    auto options = covering_options(disk);
    options.compress_sealed = false;
    const auto engine = open_engine(kStore, options);
    ASSERT_TRUE(engine->checkpoint().has_value());
    EXPECT_EQ(engine->stats().segments_compressed, 0U);
    EXPECT_EQ(engine->stats().segments_rewritten, 1U) << "garbage is collected all the same";
  }
  ASSERT_NO_FATAL_FAILURE(expect_allowed(disk, allowed));
}

TEST(Rewrite, ClosingDoesNotWaitForCompression) {
  MemoryDisk disk;
  prepare(disk);
  const auto engine = open_engine(kStore, covering_options(disk));
  ASSERT_TRUE(engine->close().has_value());
  EXPECT_EQ(engine->stats().segments_rewritten, 1U) << "the one with garbage";
}

// Goal: the background does it by itself, within its budget, while a writer goes on. Method: writes
// until it has compressed something; then what it has read is compared with what it may read.
TEST(Rewrite, TheBackgroundCompressesWithinItsBudget) {
  const TemporaryDirectory directory;
  auto options = small_options();
  options.background_threads = true;
  options.segment_bytes = 256 * kKiB;
  options.checkpoint.operations = 20;
  Model model;
  const auto engine = open_engine(directory.path(), options);
  const std::int64_t start_ns = system_clock().monotonic_ns();
  const auto elapsed_s = [start_ns] {
    return (system_clock().monotonic_ns() - start_ns) / 1'000'000'000 + 1;
  };
  constexpr std::int64_t kPatienceSeconds = 60;
  for (std::uint64_t i = 0; engine->stats().segments_compressed < 3; ++i) {
    ASSERT_LT(elapsed_s(), kPatienceSeconds) << "nothing was compressed";
    const std::string id = fmt::format("doc{}", i % 200);
    const std::string json = text_of_bytes(i, 12'000);
    ASSERT_TRUE(engine->put("a", id, json).has_value());
    model[id] = json;
  }
  const EngineStats stats = engine->stats();
  const std::uint64_t floor = 2 * (4ULL << 20) * static_cast<std::uint64_t>(elapsed_s());
  EXPECT_LE(stats.compaction_read_bytes,
            4 * stats.wal.appended_bytes + floor + 2 * options.segment_bytes);
  EXPECT_GT(stats.compaction_reclaimed_bytes, 0U);
  ASSERT_NO_FATAL_FAILURE(expect_model(*engine, model));
}

}  // namespace
}  // namespace pluresdb::testing
