// The three agent simulations of the original plan, in the size of a unit test; the harness runs
// them for hours.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/tests/core_child_protocol.h"
#include "engine/tests/core_killed_store.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/engine.h>
#include <pluresdb/options.h>

namespace pluresdb::testing {
namespace {

/// 0 where memory is not comparable (sanitizers keep freed blocks).
std::uint64_t resident_bytes() {
#if defined(PLURESDB_ADDRESS_SANITIZER) || defined(PLURESDB_THREAD_SANITIZER)
  return 0;
#else
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
#endif
}

TEST(AgentSimulation, LongRunningAgentsSurviveCrashAfterCrash) {
  // Goal: nothing lost over many lives of one directory, and files do not pile up over them.
  const TemporaryDirectory directory;
  KilledStore store(directory.path());
  std::uint64_t segments_max = 0;
  for (int life = 0; life < 10; ++life) {
    SCOPED_TRACE(fmt::format("life {}", life));
    ASSERT_NO_FATAL_FAILURE(store.run_and_kill(4, 700));
    if (life % 3 == 2) {  // Else the next child recovers by itself.
      auto options = child_options();
      options.background_threads = false;
      const auto engine = open_engine(store.directory(), options);
      ASSERT_NE(engine, nullptr);
      EXPECT_TRUE(engine->recovery().wal.is_healthy());
      ASSERT_NO_FATAL_FAILURE(store.verify(*engine));
      // Two: the log since the checkpoint before the last one is kept.
      ASSERT_TRUE(engine->checkpoint().has_value());
      ASSERT_TRUE(engine->put("test", "mark", "1").has_value());
      ASSERT_TRUE(engine->checkpoint().has_value());
      ASSERT_TRUE(engine->erase("test", "mark").has_value());
      segments_max = std::max(segments_max, engine->stats().wal.segments);
    }
  }
  EXPECT_GE(store.acknowledged_total(), 7000U);
  EXPECT_LE(segments_max, 24U);
}

TEST(AgentSimulation, GrowthIsBoundedWhileDocumentsAreOverwritten) {
  // Goal: 30 rounds over the same documents leave about the size of one. 200 documents, every
  // fourth large: 2.3 MB live.
  MemoryDisk disk;  // Its contents are part of the memory measured.
  auto options = child_options();
  options.background_threads = false;
  options.file_system = &disk;
  const auto engine = open_engine("/store", options);
  std::uint64_t written = 0;
  std::uint64_t wal_bytes_max = 0;
  std::uint64_t dirty_bytes_max = 0;
  std::uint64_t resident_early = 0;
  constexpr std::uint64_t kDocuments = 200;
  constexpr std::uint64_t kRounds = 30;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    for (std::uint64_t i = 0; i < kDocuments; ++i) {
      const std::string json = json_of(round * kDocuments + i, i % 4 == 0 ? 40'000U : 1500U);
      written += json.size();
      ASSERT_TRUE(engine->put("agent", fmt::format("{}", i), json).has_value());
      if (i % 50 == 49) {
        ASSERT_TRUE(engine->checkpoint().has_value());
        wal_bytes_max = std::max(wal_bytes_max, engine->stats().wal.bytes);
      }
      dirty_bytes_max = std::max(dirty_bytes_max, engine->stats().dirty_bytes);
    }
    resident_early = round == kRounds / 2 ? resident_bytes() : resident_early;
  }
  const std::uint64_t live = written / kRounds;
  EXPECT_GT(written, 20 * live);
  EXPECT_LT(wal_bytes_max, 4 * live) << "of " << written << " bytes written";
  EXPECT_LT(engine->stats().base_store_bytes, 2 * live);
  EXPECT_LT(dirty_bytes_max, 1ULL << 20);
  EXPECT_LT(resident_bytes(), resident_early + (8ULL << 20));
  EXPECT_EQ(engine->list("", {}, 1000)->size(), kDocuments);
  EXPECT_GT(engine->stats().segments_rewritten + engine->stats().segments_deleted, 100U);
}

TEST(AgentSimulation, ConcurrentWorkersReadTheirOwnWritesWhileEverythingMoves) {
  // Goal: while threads write, the background checkpoints, compacts and rewrites, every worker
  // reads exactly what it wrote last, by get() and by list().
  const TemporaryDirectory directory;
  const auto engine = open_engine(directory.path(), child_options());
  constexpr int kWorkers = 6;
  std::atomic<int> failures = 0;
  std::vector<std::map<std::string, std::string>> written(kWorkers);
  std::vector<std::thread> workers;
  for (int w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&, w] {
      const std::string actor = fmt::format("worker{}", w);
      auto& mine = written[static_cast<std::size_t>(w)];
      for (std::uint64_t version = 1; version <= 350; ++version) {
        const std::string id = fmt::format("{}/{}", actor, version * 7 % 30);
        const std::string json = child_json(id, version);
        const bool erases = version % 13 == 0;
        const auto seq = erases ? engine->erase(actor, id) : engine->put(actor, id, json);
        if (erases) {
          mine.erase(id);
        } else {
          mine[id] = json;
        }
        const auto found = engine->get(id);
        failures +=
            seq && found && found->has_value() != erases && (erases || (*found)->json == json) ? 0
                                                                                               : 1;
        if (version % 50 == 0) {
          const auto listed = engine->list(actor + "/");
          std::map<std::string, std::string> seen;
          for (const auto& document : listed.value_or(std::vector<Document>{})) {
            seen[document.id] = document.json;
          }
          failures += seen == mine ? 0 : 1;
        }
      }
    });
  }
  for (int i = 0; i < 12; ++i) {
    failures += engine->checkpoint() ? 0 : 1;
  }
  for (auto& worker : workers) {
    worker.join();
  }
  EXPECT_EQ(failures.load(), 0);
  EXPECT_GT(engine->stats().segments_deleted + engine->stats().segments_rewritten, 0U);
}

}  // namespace
}  // namespace pluresdb::testing
