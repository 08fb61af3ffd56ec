// The durability promises of docs/DURABILITY.md, one test each, under the names of the original
// plan.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/tests/core_child_protocol.h"
#include "engine/tests/core_killed_store.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kLog = "/log";
constexpr const char* kStore = "/store";

std::unique_ptr<WriteAheadLog> open_log(const EngineOptions& options) {
  auto log = WriteAheadLog::open(kLog, options);
  EXPECT_TRUE(log.has_value()) << text_of(log);
  return log ? *std::move(log) : nullptr;
}

Put put_of(std::uint64_t i, std::size_t bytes = 0) {
  return {.id = fmt::format("id{}", i), .json = json_of(i, bytes)};
}

TEST(DurabilityAcrossRestart, AcknowledgedWritesSurviveSigkill) {
  // Goal: a killed process loses nothing it was promised. Method: a real child process with three
  // writing threads, killed five times on one directory at instants that no one chose.
  const TemporaryDirectory directory;
  KilledStore store(directory.path());
  for (int round = 0; round < 5; ++round) {
    SCOPED_TRACE(fmt::format("round {}", round));
    ASSERT_NO_FATAL_FAILURE(store.run_and_kill(3, 150 + static_cast<std::uint64_t>(round) * 120));
    const auto engine = open_engine(store.directory(), child_options());
    ASSERT_NE(engine, nullptr);
    EXPECT_TRUE(engine->recovery().wal.is_healthy());
    EXPECT_FALSE(engine->recovery().clean_shutdown);
    ASSERT_NO_FATAL_FAILURE(store.verify(*engine));
  }
}

TEST(DeterministicReplay, SameLogGivesSameEntriesAndSameState) {
  MemoryDisk disk;
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    for (std::uint64_t i = 0; i < 200; ++i) {
      ASSERT_TRUE(engine->put("a", fmt::format("{}", i % 37), json_of(i, i % 9 * 300)).has_value());
      if (i % 10 == 9) {
        ASSERT_TRUE(engine->erase("b", fmt::format("{}", i % 31)).has_value());
      }
    }
  }
  std::vector<std::vector<Document>> states;
  for (int i = 0; i < 3; ++i) {
    const auto copy = disk.clone();
    const auto engine = open_engine(kStore, small_options(copy.get()));
    EXPECT_EQ(engine->recovery().replayed_entries, 220U);
    states.push_back(*engine->list(""));
  }
  for (const auto& state : states) {
    ASSERT_EQ(state.size(), states[0].size());
    for (std::size_t i = 0; i < state.size(); ++i) {
      EXPECT_EQ(state[i].id, states[0][i].id);
      EXPECT_EQ(state[i].json, states[0][i].json);
      EXPECT_EQ(state[i].stamp, states[0][i].stamp);
      EXPECT_EQ(state[i].seq, states[0][i].seq);
    }
  }
}

/// Name of the `index`-th segment file, oldest first.
std::string segment_path(MemoryDisk& disk, const std::string& directory, std::size_t index) {
  std::vector<std::string> segments;
  const auto names = *disk.list(directory);
  for (const auto& name : names) {
    if (name.ends_with(".wal")) {
      segments.push_back(name);
    }
  }
  return directory + "/" + segments.at(index);
}

std::set<Seq> seqs_of(const std::vector<Entry>& entries) {
  std::set<Seq> seqs;
  for (const auto& entry : entries) {
    seqs.insert(entry.seq);
  }
  return seqs;
}

TEST(CorruptionDetection, FlippedByteIsReportedWithItsSeqsAndNothingElseIsLost) {
  MemoryDisk disk;
  {
    const auto log = open_log(small_options(&disk));
    for (std::uint64_t i = 1; i <= 400; ++i) {
      ASSERT_EQ(*log->append("a", put_of(i, 500)), i);
    }
  }
  disk.flip_byte(segment_path(disk, kLog, 0), 20'000);
  const auto log = open_log(small_options(&disk));
  const ValidationReport& report = log->recovery().wal;
  EXPECT_FALSE(report.is_healthy());
  EXPECT_EQ(report.corrupted_segments, 1U);
  ASSERT_FALSE(report.lost.empty());
  EXPECT_EQ(report.total_entries, 400U);
  const auto entries = *log->read_all();
  const auto seqs = seqs_of(entries);
  std::uint64_t lost = 0;
  for (const auto& range : report.lost) {
    for (Seq seq = range.first; seq <= range.last; ++seq) {
      ++lost;
      EXPECT_FALSE(seqs.contains(seq)) << "what is named as lost is lost";
    }
  }
  EXPECT_EQ(report.corrupted_entries, lost);
  EXPECT_EQ(seqs.size() + lost, 400U) << "everything else is there";
  for (const auto& entry : entries) {
    EXPECT_EQ(std::get<Put>(entry.operation), put_of(entry.seq, 500));
  }
  EXPECT_EQ(log->validate()->corrupted_entries, lost) << "validate() says the same";
  const auto next = log->append("a", put_of(1));
  ASSERT_TRUE(next.has_value());
  EXPECT_GT(*next, 400U);
}

TEST(SegmentIsolation, DamageInOneSegmentLeavesTheOthersReadable) {
  MemoryDisk disk;
  {
    const auto log = open_log(small_options(&disk));
    for (std::uint64_t i = 1; i <= 500; ++i) {
      ASSERT_TRUE(log->append("a", put_of(i, 500)).has_value());
    }
    ASSERT_GE(log->stats().segments, 4U);
  }
  const std::string path = segment_path(disk, kLog, 1);
  for (std::uint64_t offset = 0; offset < disk.info(path)->size_bytes; offset += 64) {
    disk.flip_byte(path, offset);
  }
  const auto log = open_log(small_options(&disk));
  EXPECT_EQ(log->recovery().wal.corrupted_segments, 1U);
  ASSERT_EQ(log->recovery().wal.lost.size(), 1U) << "one segment, one range";
  const SeqRange lost = log->recovery().wal.lost[0];
  const auto seqs = seqs_of(*log->read_all());
  for (Seq seq = 1; seq <= 500; ++seq) {
    EXPECT_EQ(seqs.contains(seq), seq < lost.first || seq > lost.last) << seq;
  }
}

TEST(CompactionPreservesRecentData, LogKeepsEverythingAboveTheCheckpoint) {
  MemoryDisk disk;
  const auto log = open_log(small_options(&disk));
  for (std::uint64_t i = 1; i <= 500; ++i) {
    ASSERT_TRUE(log->append("a", put_of(i, 500)).has_value());
  }
  const auto removed = log->compact(300);
  ASSERT_TRUE(removed.has_value()) << text_of(removed);
  EXPECT_GE(*removed, 1U);
  const auto seqs = seqs_of(*log->read_all());
  for (Seq seq = 301; seq <= 500; ++seq) {
    EXPECT_TRUE(seqs.contains(seq)) << seq;
  }
  EXPECT_FALSE(seqs.contains(1));
}

TEST(CompactionPreservesRecentData, SeqsAndDotsGoOnWhenEverythingOldIsGone) {
  MemoryDisk disk;
  {
    const auto log = open_log(small_options(&disk));
    for (std::uint64_t i = 1; i <= 300; ++i) {
      ASSERT_TRUE(log->append(i < 100 ? "early" : "late", put_of(i, 500)).has_value());
    }
  }
  {
    const auto log = open_log(small_options(&disk));
    ASSERT_TRUE(log->compact(~0ULL).has_value());
  }
  const auto log = open_log(small_options(&disk));
  const auto seq = log->append("early", put_of(1));
  ASSERT_TRUE(seq.has_value());
  EXPECT_GT(*seq, 300U);
  const auto entries = *log->read_all();
  EXPECT_GT(entries.back().stamp.actor_seq, 99U) << "no dot twice, though its entries are gone";
  EXPECT_EQ(entries.back().seq, *seq);
}

TEST(CompactionPreservesRecentData, CursorPagesThroughLargeAndSmallEntries) {
  MemoryDisk disk;
  const auto log = open_log(small_options(&disk));
  for (std::uint64_t i = 1; i <= 300; ++i) {
    ASSERT_TRUE(log->append("a", put_of(i, i % 10 == 0 ? 60'000U : 50U)).has_value());
  }
  const auto cursor = *log->cursor(17);
  ASSERT_TRUE(log->append("a", put_of(301)).has_value()) << "not seen: the cursor is older";
  Entry entry;
  for (Seq seq = 17; seq <= 300; ++seq) {
    ASSERT_TRUE(*cursor->next(entry));
    EXPECT_EQ(entry.seq, seq);
    EXPECT_EQ(std::get<Put>(entry.operation), put_of(seq, seq % 10 == 0 ? 60'000U : 50U));
  }
  EXPECT_FALSE(*cursor->next(entry));
  EXPECT_FALSE(*cursor->next(entry));
}

TEST(ConcurrentAppendOrdering, SeqsAreUniqueDenseAndKeepEachThreadsOrder) {
  MemoryDisk disk;
  constexpr std::uint64_t kThreads = 8;
  constexpr std::uint64_t kPerThread = 150;
  const auto log = open_log(small_options(&disk));
  std::vector<std::vector<Seq>> seqs(kThreads);
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t i = 0; i < kPerThread; ++i) {
        const auto seq = log->append(fmt::format("agent{}", t), put_of(i));
        seqs[t].push_back(seq.value_or(0));
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  std::set<Seq> all;
  for (const auto& of_thread : seqs) {
    EXPECT_TRUE(std::ranges::is_sorted(of_thread));
    all.insert(of_thread.begin(), of_thread.end());
  }
  EXPECT_EQ(all.size(), kThreads * kPerThread);
  EXPECT_EQ(*all.begin(), 1U);
  EXPECT_EQ(*all.rbegin(), kThreads * kPerThread);
  Hlc last_hlc = 0;
  const auto entries = *log->read_all();
  ASSERT_EQ(entries.size(), all.size());
  for (const auto& entry : entries) {
    EXPECT_GT(entry.stamp.hlc, last_hlc) << "stamps are in seq order";
    last_hlc = entry.stamp.hlc;
  }
}

TEST(DurabilityLevels, NoneMayLoseASuffixOnly) {
  std::uint64_t lost_somewhere = 0;
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    MemoryDisk disk;
    auto options = small_options(&disk);
    options.durability = Durability::kNone;
    std::uint64_t synced = 0;
    {
      const auto log = open_log(options);
      for (std::uint64_t i = 1; i <= 150 + seed * 5; ++i) {
        ASSERT_EQ(*log->append("a", put_of(i, 300)), i);
        if (i == 60) {
          ASSERT_TRUE(log->sync().has_value());
          synced = 60;
        }
      }
    }
    disk.lose_power(seed % 2 == 0 ? std::nullopt : std::optional(seed));
    const auto log = open_log(options);
    ASSERT_NE(log, nullptr);
    const auto entries = *log->read_all();
    lost_somewhere += entries.size() < 150 + seed * 5 ? 1U : 0U;
    ASSERT_GE(entries.size(), synced) << "sync() makes durable whatever the level";
    for (std::size_t i = 0; i < entries.size(); ++i) {
      ASSERT_EQ(entries[i].seq, i + 1) << "a suffix may be lost, never a part in between";
      ASSERT_EQ(std::get<Put>(entries[i].operation), put_of(i + 1, 300));
    }
  }
  EXPECT_GT(lost_somewhere, 0U) << "else this test has not seen a power loss";
}

TEST(DurabilityLevels, NoneWithCheckpointsNeverShowsAValueThatTheLogLost) {
  // The base store must not run ahead of the log: after a power loss it would refer to values that
  // are gone, and the next open would take the log for lost.
  for (std::uint64_t seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    MemoryDisk disk;
    auto options = small_options(&disk);
    options.durability = Durability::kNone;
    {
      const auto engine = open_engine(kStore, options);
      for (std::uint64_t i = 0; i < 100 + seed * 3; ++i) {
        ASSERT_TRUE(
            engine->put("a", fmt::format("{}", i % 23), json_of(i, i % 4 * 900)).has_value());
        if (i % 30 == 29) {
          ASSERT_TRUE(engine->checkpoint().has_value());
        }
      }
    }
    disk.lose_power(seed % 2 == 0 ? std::nullopt : std::optional(seed));
    const auto engine = open_engine(kStore, options);
    ASSERT_NE(engine, nullptr);
    EXPECT_FALSE(engine->recovery().wal_lost);
    EXPECT_GE(engine->recovery().last_seq, 90U) << "checkpoints are durable at every level";
    const auto documents = engine->list("");
    EXPECT_TRUE(documents.has_value()) << text_of(documents);
  }
}

TEST(DurabilityLevels, WalLosesNothing) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    MemoryDisk disk;
    {
      const auto log = open_log(small_options(&disk));
      for (std::uint64_t i = 1; i <= 40 + seed * 7; ++i) {
        ASSERT_TRUE(log->append("a", put_of(i, i % 6 * 400)).has_value());
      }
    }
    disk.lose_power(seed % 2 == 0 ? std::nullopt : std::optional(seed));
    const auto log = open_log(small_options(&disk));
    ASSERT_EQ(log->read_all()->size(), 40 + seed * 7);
    EXPECT_TRUE(log->recovery().wal.is_healthy());
  }
}

TEST(DurabilityLevels, FullKeepsSmallDocumentsWithoutAnyLog) {
  MemoryDisk disk;
  auto options = small_options(&disk);
  options.durability = Durability::kFull;
  Seq last = 0;
  Stamp stamp;
  {
    const auto engine = open_engine(kStore, options);
    for (std::uint64_t i = 0; i < 30; ++i) {
      const auto seq = engine->put("a", fmt::format("small{}", i), json_of(i));
      ASSERT_TRUE(seq.has_value()) << text_of(seq);
      last = *seq;
    }
    ASSERT_TRUE(engine->erase("a", "small3").has_value());
    ASSERT_TRUE(engine->put("a", "large", json_of(7, 9000)).has_value());
    stamp = (*engine->get("large"))->stamp;
  }
  disk.destroy("/store/wal");
  disk.lose_power(std::nullopt);
  const auto engine = open_engine(kStore, options);
  ASSERT_NE(engine, nullptr);
  EXPECT_TRUE(engine->recovery().wal_lost) << "and it is said";
  EXPECT_GE(engine->recovery().last_seq, last + 2);
  for (std::uint64_t i = 0; i < 30; ++i) {
    const auto document = engine->get(fmt::format("small{}", i));
    ASSERT_TRUE(document.has_value());
    EXPECT_EQ(document->has_value(), i != 3);
  }
  const auto large = engine->get("large");
  ASSERT_FALSE(large.has_value()) << "its value was in the log";
  EXPECT_EQ(large.error().code, ErrorCode::kCorruption);
  // It is named all the same, and so is what stands behind it.
  EXPECT_EQ(engine->list("").error().code, ErrorCode::kCorruption);
  EXPECT_EQ(engine->list_ids("l"), std::vector<std::string>{"large"});
  EXPECT_EQ(engine->list_ids("", "large", 3),
            (std::vector<std::string>{"large", "small0", "small1"}));
  EXPECT_EQ(engine->list_ids("small")->size(), 29U) << "small3 is deleted";
  // Nothing that the lost log may have used is used again.
  const auto seq = engine->put("a", "large", json_of(8, 9000));
  ASSERT_TRUE(seq.has_value()) << text_of(seq);
  EXPECT_GT(*seq, last + 2);
  EXPECT_GT((*engine->get("large"))->stamp.actor_seq, stamp.actor_seq);
  EXPECT_GT((*engine->get("large"))->stamp.hlc, stamp.hlc);
}

TEST(DurabilityLevels, FullReportsAFailedCheckpointAsIndeterminate) {
  MemoryDisk disk;
  auto options = small_options(&disk);
  options.durability = Durability::kFull;
  const auto engine = open_engine(kStore, options);
  ASSERT_TRUE(engine->put("a", "x", "1").has_value());
  disk.set_fault([](std::string_view operation, const std::string& path) -> std::optional<Error> {
    if (operation == "create" && path.ends_with(".sst")) {
      return Error{.code = ErrorCode::kIo, .sys_errno = 5, .context = path};
    }
    return std::nullopt;
  });
  const auto put = engine->put("a", "x", "2");
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().code, ErrorCode::kIndeterminate) << text_of(put);
  disk.set_fault(nullptr);
  ASSERT_TRUE(engine->put("a", "y", "3").has_value());
  EXPECT_EQ((*engine->get("x"))->json, "2") << "once seen it stays";
}

TEST(LargeBatchDurability, BatchIsAllOrNothingUnderPowerLoss) {
  std::uint64_t absent = 0;
  std::uint64_t present = 0;
  for (std::uint64_t n = 0; n < 40; ++n) {
    SCOPED_TRACE(fmt::format("stopped at {}", n));
    MemoryDisk disk;
    bool acknowledged = false;
    {
      const auto log = open_log(small_options(&disk));
      ASSERT_TRUE(log->append("a", put_of(0)).has_value());
      std::vector<Operation> batch;
      for (std::uint64_t i = 1; i <= 300; ++i) {
        batch.emplace_back(put_of(i, i % 20 == 0 ? 5000U : 100U));
      }
      disk.stop_after(n);
      const auto first = log->append_batch("a", std::move(batch));
      acknowledged = first.has_value();
      EXPECT_TRUE(!first || *first == 2U);
    }
    disk.lose_power(n % 2 == 0 ? std::nullopt : std::optional(n));
    const auto log = open_log(small_options(&disk));
    const auto entries = *log->read_all();
    if (entries.size() == 1) {
      EXPECT_FALSE(acknowledged);
      ++absent;
      continue;
    }
    ASSERT_EQ(entries.size(), 301U) << "never a part of a batch";
    ++present;
    for (std::uint64_t i = 1; i <= 300; ++i) {
      ASSERT_EQ(std::get<Put>(entries[i].operation), put_of(i, i % 20 == 0 ? 5000U : 100U));
    }
  }
  EXPECT_GT(absent, 0U);
  EXPECT_GT(present, 0U);
}

TEST(RapidCheckpointCompaction, CheckpointAfterEveryFewWritesKeepsEverything) {
  MemoryDisk disk;
  Model model;
  for (int life = 0; life < 4; ++life) {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_NE(engine, nullptr);
    ASSERT_NO_FATAL_FAILURE(expect_model(*engine, model));
    for (std::uint64_t i = 0; i < 120; ++i) {
      const std::string id = fmt::format("{}", (i * 7 + static_cast<std::uint64_t>(life)) % 50);
      const std::string json = json_of(i, i % 5 == 0 ? 6000U : 50U);
      ASSERT_TRUE(engine->put("a", id, json).has_value());
      model[id] = json;
      if (i % 3 == 0) {
        ASSERT_TRUE(engine->checkpoint().has_value());
      }
    }
    ASSERT_NO_FATAL_FAILURE(expect_model(*engine, model));
    EXPECT_LE(engine->stats().wal.segments, 12U) << "compaction keeps up";
  }
  disk.lose_power(std::nullopt);
  const auto engine = open_engine(kStore, small_options(&disk));
  ASSERT_NO_FATAL_FAILURE(expect_model(*engine, model));
}

}  // namespace
}  // namespace pluresdb::testing
