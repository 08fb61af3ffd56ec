// rebuild_from_wal(): from a whole log, from base store and log, from what damage has left;
// crashes, cancels, refusals. On the memory disk, through the public interface.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/rebuild.h>
#include <pluresdb/stats.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";
constexpr const char* kWal = "/store/wal";
constexpr const char* kOutput = "/rebuilt";

RebuildOptions rebuild_options(MemoryDisk& disk) {
  RebuildOptions options;
  options.engine = small_options(&disk);
  options.source_secret = options.engine.secret;
  return options;
}

std::vector<Document> documents_of(Engine& engine) {
  const auto documents = engine.list("", {}, 100'000);
  EXPECT_TRUE(documents.has_value()) << text_of(documents);
  return documents ? *documents : std::vector<Document>{};
}

void expect_equal(const std::vector<Document>& left, const std::vector<Document>& right) {
  ASSERT_EQ(left.size(), right.size());
  for (std::size_t i = 0; i < left.size(); ++i) {
    EXPECT_EQ(left[i].id, right[i].id);
    EXPECT_EQ(left[i].json, right[i].json) << left[i].id;
    EXPECT_EQ(left[i].stamp, right[i].stamp) << left[i].id;
    EXPECT_EQ(left[i].seq, right[i].seq) << left[i].id;
  }
}

/// Documents small and large, overwritten and erased; `checkpoints` on the way.
void fill(Engine& engine, int rounds, bool checkpoints) {
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < 12; ++i) {
      const std::string id = fmt::format("doc/{}", (i * 5 + round) % 17);
      if (i % 7 == 6) {
        ASSERT_TRUE(engine.erase("b", id).has_value());
      } else {
        const std::size_t bytes = i % 3 == 0 ? 9000 : 40;
        ASSERT_TRUE(engine
                        .put(i % 2 == 0 ? "a" : "b", id,
                             json_of(static_cast<std::uint64_t>(round * 100 + i), bytes))
                        .has_value());
      }
    }
    if (checkpoints) {
      ASSERT_TRUE(engine.checkpoint().has_value());
    }
  }
}

/// A store as `fill` leaves it; what it holds.
std::vector<Document> make_store(MemoryDisk& disk, int rounds, bool checkpoints, bool closed) {
  const auto engine = open_engine(kStore, small_options(&disk));
  fill(*engine, rounds, checkpoints);
  std::vector<Document> documents = documents_of(*engine);
  if (closed) {
    EXPECT_TRUE(engine->close().has_value());
  }
  return documents;
}

/// The rebuilt store opens without a complaint, holds `documents`, and takes writes that survive.
void expect_rebuilt(MemoryDisk& disk, const std::vector<Document>& documents,
                    const std::string& directory = kOutput) {
  auto engine = open_engine(directory, small_options(&disk));
  ASSERT_NE(engine, nullptr);
  EXPECT_TRUE(engine->recovery().wal.is_healthy());
  EXPECT_FALSE(engine->recovery().wal_lost);
  EXPECT_FALSE(engine->recovery().created);
  expect_equal(documents_of(*engine), documents);
  Seq highest = 0;
  for (const Document& document : documents) {
    highest = std::max(highest, document.seq);
  }
  const auto seq = engine->put("a", "new", json_of(1, 5000));
  ASSERT_TRUE(seq.has_value()) << text_of(seq);
  EXPECT_GT(*seq, highest);
  ASSERT_TRUE(engine->checkpoint().has_value());
  engine.reset();
  disk.lose_power(std::nullopt);
  engine = open_engine(directory, small_options(&disk));
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ(documents_of(*engine).size(), documents.size() + 1);
}

TEST(RebuildTest, WholeLogGivesTheStoreAgain) {
  MemoryDisk disk;
  const auto documents = make_store(disk, 3, false, true);
  const auto stats = rebuild_from_wal(kWal, kOutput, rebuild_options(disk));
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_EQ(stats->source, HistorySource::kLog);
  EXPECT_TRUE(stats->is_complete);
  EXPECT_EQ(stats->entries_replayed, 36U);
  EXPECT_EQ(stats->last_seq, 36U);
  EXPECT_EQ(stats->documents, documents.size());
  EXPECT_GT(stats->large_values, 3U);
  EXPECT_GT(stats->tombstones, 0U);
  EXPECT_GT(stats->output_bytes, 9000U * stats->large_values);
  disk.destroy(kStore);  // The result owns everything it shows.
  disk.lose_power(std::nullopt);
  expect_rebuilt(disk, documents);
}

TEST(RebuildTest, CompactedLogNeedsTheBaseStore) {
  MemoryDisk disk;
  const auto documents = make_store(disk, 6, true, true);
  const auto stats = rebuild_from_wal(std::string(kWal) + "/", kOutput, rebuild_options(disk));
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_EQ(stats->source, HistorySource::kBaseAndLog);
  EXPECT_TRUE(stats->is_complete);
  EXPECT_EQ(stats->base_seq, 72U);
  EXPECT_EQ(stats->entries_replayed, 0U);
  expect_rebuilt(disk, documents);
}

TEST(RebuildTest, LogBehindTheCheckpointCounts) {
  MemoryDisk disk;
  (void)make_store(disk, 4, true, false);
  std::vector<Document> documents;
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_TRUE(engine->put("c", "doc/1", json_of(7, 20'000)).has_value());
    ASSERT_TRUE(engine->erase("c", "doc/2").has_value());
    documents = documents_of(*engine);
  }
  const auto stats = rebuild_from_wal(kWal, kOutput, rebuild_options(disk));
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_EQ(stats->source, HistorySource::kBaseAndLog);
  EXPECT_EQ(stats->entries_replayed, 2U);
  expect_rebuilt(disk, documents);
}

TEST(RebuildTest, SmallTableLimitGivesTheSame) {
  MemoryDisk disk;
  const auto documents = make_store(disk, 5, false, false);
  auto options = rebuild_options(disk);
  options.engine.dirty_bytes_max = 500;
  ASSERT_TRUE(rebuild_from_wal(kWal, kOutput, options).has_value());
  expect_rebuilt(disk, documents);
}

TEST(RebuildTest, RebuiltStoreCanBeRebuilt) {
  MemoryDisk disk;
  const auto documents = make_store(disk, 6, true, false);
  ASSERT_TRUE(rebuild_from_wal(kWal, kOutput, rebuild_options(disk)).has_value());
  const auto stats = rebuild_from_wal("/rebuilt/wal", "/again", rebuild_options(disk));
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_TRUE(stats->is_complete);
  expect_rebuilt(disk, documents, "/again");
}

TEST(RebuildTest, NoSeqOfTheSourceIsGivenOutAgain) {
  // Not closed: what the torn end of the log may have held is skipped, as an open would skip it.
  MemoryDisk disk;
  (void)make_store(disk, 2, false, false);
  ASSERT_TRUE(rebuild_from_wal(kWal, kOutput, rebuild_options(disk)).has_value());
  const auto original = open_engine(kStore, small_options(&disk));
  const auto rebuilt = open_engine(kOutput, small_options(&disk));
  const auto expected = original->put("a", "x", "1");
  const auto seq = rebuilt->put("a", "x", "1");
  ASSERT_TRUE(expected.has_value() && seq.has_value());
  EXPECT_GE(*seq, *expected);
  EXPECT_GT(*expected, 1000U) << "the source must skip";
}

TEST(RebuildTest, BareLogGivesAStore) {
  MemoryDisk disk;
  {
    auto log = WriteAheadLog::open("/log", small_options(&disk));
    ASSERT_TRUE(log.has_value()) << text_of(log);
    ASSERT_TRUE((*log)->append("a", Put{.id = "x", .json = json_of(1, 3000)}).has_value());
    ASSERT_TRUE((*log)->append("a", Put{.id = "y", .json = "2"}).has_value());
    ASSERT_TRUE((*log)->append("a", Delete{.id = "y"}).has_value());
    ASSERT_TRUE((*log)->append("a", Checkpoint{.base_seq = 1}).has_value());
    const auto busy = rebuild_from_wal("/log", kOutput, rebuild_options(disk));
    ASSERT_FALSE(busy.has_value());
    EXPECT_EQ(busy.error().code, ErrorCode::kLocked);
    ASSERT_TRUE((*log)->close().has_value());
  }
  const auto stats = rebuild_from_wal("/log", kOutput, rebuild_options(disk));
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_EQ(stats->entries_replayed, 4U);
  EXPECT_EQ(stats->documents, 1U);
  EXPECT_EQ(stats->last_seq, 4U);
  const auto engine = open_engine(kOutput, small_options(&disk));
  EXPECT_FALSE(engine->recovery().wal_lost);
  expect_model(*engine, {{"x", json_of(1, 3000)}, {"y", std::nullopt}});
}

TEST(RebuildTest, EmptyStoreGivesAnEmptyStore) {
  MemoryDisk disk;
  (void)make_store(disk, 0, false, true);
  ASSERT_TRUE(disk.create_directory(kOutput).has_value());  // Empty: allowed.
  const auto stats = rebuild_from_wal(kWal, kOutput, rebuild_options(disk));
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_EQ(stats->documents, 0U);
  expect_rebuilt(disk, {});
}

TEST(RebuildTest, GoneHistoryIsSaid) {
  MemoryDisk disk;
  (void)make_store(disk, 6, true, true);
  disk.destroy("/store/base");
  const auto stats = rebuild_from_wal(kWal, kOutput, rebuild_options(disk));
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_EQ(stats->source, HistorySource::kLog);
  EXPECT_FALSE(stats->is_complete);
  ASSERT_EQ(stats->gone.size(), 1U);
  EXPECT_EQ(stats->gone.front().first, 1U);
  EXPECT_GT(stats->gone.front().last, 30U);
  EXPECT_FALSE(stats->problems.empty());
  const auto engine = open_engine(kOutput, small_options(&disk));
  const auto seq = engine->put("a", "x", "1");
  ASSERT_TRUE(seq.has_value());
  const auto written = engine->get("x");
  ASSERT_TRUE(written.has_value() && written->has_value());
  EXPECT_GT((*written)->stamp.actor_seq, stats->gone.front().last)
      << "dots that are gone stay used";
}

TEST(RebuildTest, LostLogLeavesTheBaseStore) {
  MemoryDisk disk;
  const auto documents = make_store(disk, 4, true, true);
  disk.destroy(kWal);
  ASSERT_TRUE(disk.create_directory(kWal).has_value());
  const auto stats = rebuild_from_wal(kWal, kOutput, rebuild_options(disk));
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_EQ(stats->source, HistorySource::kBaseAndLog);
  EXPECT_FALSE(stats->is_complete);
  EXPECT_EQ(stats->documents, documents.size());
  const auto engine = open_engine(kOutput, small_options(&disk));
  ASSERT_NE(engine, nullptr);
  std::uint64_t unreadable = 0;
  for (const Document& document : documents) {
    const auto found = engine->get(document.id);
    if (document.json.size() < small_options().large_value_bytes) {
      ASSERT_TRUE(found.has_value() && found->has_value()) << document.id;
      EXPECT_EQ((*found)->json, document.json);
      continue;
    }
    ASSERT_FALSE(found.has_value()) << document.id;
    EXPECT_EQ(found.error().code, ErrorCode::kCorruption);
    ++unreadable;
  }
  EXPECT_GT(unreadable, 0U);
  EXPECT_EQ(stats->unreadable_documents, unreadable);
  EXPECT_EQ(stats->lost.size(), unreadable);
}

/// Offset of the first place of `needle` in the file.
std::optional<std::uint64_t> find_bytes(MemoryDisk& disk, const std::string& path,
                                        const std::string& needle) {
  const auto bytes = io::read_whole_file(disk, path, 1ULL << 30);
  EXPECT_TRUE(bytes.has_value());
  const auto at = base::as_text(*bytes).find(needle);
  return at == std::string_view::npos ? std::nullopt : std::optional<std::uint64_t>(at);
}

TEST(RebuildTest, DamagedValueStaysNamedAndUnreadable) {
  MemoryDisk disk;
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_TRUE(engine->put("a", "good", json_of(1, 4000)).has_value());
    ASSERT_TRUE(engine->put("a", "bad", R"(["MARK-OF-THE-BAD-ONE)" + std::string(4000, 'x') + "\"]")
                    .has_value());
    ASSERT_TRUE(engine->put("a", "last", "3").has_value());
    ASSERT_TRUE(engine->close().has_value());
  }
  const std::string segment = "/store/wal/0000000000000001.wal";
  const auto at = find_bytes(disk, segment, "MARK-OF-THE-BAD-ONE");
  ASSERT_TRUE(at.has_value());
  disk.flip_byte(segment, *at);
  const auto stats = rebuild_from_wal(kWal, kOutput, rebuild_options(disk));
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_FALSE(stats->is_complete);
  EXPECT_EQ(stats->unreadable_documents, 1U);
  EXPECT_EQ(stats->lost, (std::vector<SeqRange>{{.first = 2, .last = 2}}));
  const auto engine = open_engine(kOutput, small_options(&disk));
  const auto bad = engine->get("bad");
  ASSERT_FALSE(bad.has_value());
  EXPECT_EQ(bad.error().code, ErrorCode::kCorruption);
  const auto good = engine->get("good");
  ASSERT_TRUE(good.has_value() && good->has_value());
  EXPECT_EQ((*good)->json, json_of(1, 4000));
}

TEST(RebuildTest, ADamagedNewestValueLeavesItsSeqInUse) {
  MemoryDisk disk;
  Seq newest = 0;
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_TRUE(engine->put("a", "good", json_of(1, 4000)).has_value());
    const auto seq =
        engine->put("a", "bad", R"(["MARK-OF-THE-BAD-ONE)" + std::string(4000, 'x') + "\"]");
    ASSERT_TRUE(seq.has_value());
    newest = *seq;
    ASSERT_TRUE(engine->close().has_value());
  }
  const std::string segment = "/store/wal/0000000000000001.wal";
  disk.flip_byte(segment, *find_bytes(disk, segment, "MARK-OF-THE-BAD-ONE"));
  ASSERT_TRUE(rebuild_from_wal(kWal, kOutput, rebuild_options(disk)).has_value());
  const auto engine = open_engine(kOutput, small_options(&disk));
  EXPECT_FALSE(engine->recovery().wal_lost);
  EXPECT_EQ(engine->recovery().last_seq, newest);
  EXPECT_FALSE(engine->get("bad").has_value()) << "it is damaged, not absent";
  EXPECT_TRUE(engine->get("good")->has_value());
  const auto next = engine->put("a", "next", "1");
  ASSERT_TRUE(next.has_value());
  EXPECT_GT(*next, newest);
}

TEST(RebuildTest, DamageBehindTheCheckpointIsLostAndNothingOlder) {
  MemoryDisk disk;
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_TRUE(engine->put("a", "small", R"("MARK-ONE")").has_value());
    ASSERT_TRUE(engine->checkpoint().has_value());
    ASSERT_TRUE(engine->put("a", "later", R"("MARK-TWO")").has_value());
    ASSERT_TRUE(engine->put("a", "last", R"("MARK-THREE")").has_value());
    ASSERT_TRUE(engine->put("a", "end", "4").has_value());
  }
  const std::string segment = "/store/wal/0000000000000001.wal";
  for (const char* mark : {"MARK-ONE", "MARK-TWO"}) {
    disk.flip_byte(segment, *find_bytes(disk, segment, mark));
  }
  const auto stats = rebuild_from_wal(kWal, kOutput, rebuild_options(disk));
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_EQ(stats->source, HistorySource::kBaseAndLog) << "the log is damaged";
  EXPECT_EQ(stats->lost, (std::vector<SeqRange>{{.first = 2, .last = 2}}));
  const auto engine = open_engine(kOutput, small_options(&disk));
  expect_model(*engine, {{"small", R"("MARK-ONE")"},
                         {"later", std::nullopt},
                         {"last", R"("MARK-THREE")"},
                         {"end", "4"}});
}

TEST(RebuildTest, RefusesWhatIsInTheWay) {
  MemoryDisk disk;
  (void)make_store(disk, 1, false, true);
  const auto onto_itself = rebuild_from_wal(kWal, kStore, rebuild_options(disk));
  ASSERT_FALSE(onto_itself.has_value());
  EXPECT_EQ(onto_itself.error().code, ErrorCode::kInvalidArgument);
  const auto inside = rebuild_from_wal(kWal, "/store/new", rebuild_options(disk));
  ASSERT_FALSE(inside.has_value());
  EXPECT_EQ(inside.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(disk.info("/store/new.rebuilding").has_value());
  ASSERT_TRUE(disk.create_directory("/rebuilt.rebuilding").has_value());
  ASSERT_TRUE(disk.open("/rebuilt.rebuilding/somebody's", io::OpenMode::kCreateNew).has_value());
  const auto blocked = rebuild_from_wal(kWal, kOutput, rebuild_options(disk));
  ASSERT_FALSE(blocked.has_value());
  EXPECT_EQ(blocked.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(disk.info("/rebuilt.rebuilding/somebody's").has_value());
  const auto nowhere = rebuild_from_wal("/nothing/wal", "/other", rebuild_options(disk));
  ASSERT_FALSE(nowhere.has_value());
  EXPECT_EQ(nowhere.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(disk.info("/other.rebuilding").has_value());
  const auto engine = open_engine(kStore, small_options(&disk));
  const auto busy = rebuild_from_wal(kWal, "/other", rebuild_options(disk));
  ASSERT_FALSE(busy.has_value());
  EXPECT_EQ(busy.error().code, ErrorCode::kLocked);
}

TEST(RebuildTest, ProgressGrowsToItsTotal) {
  MemoryDisk disk;
  (void)make_store(disk, 40, false, false);
  auto options = rebuild_options(disk);
  std::vector<RebuildProgress> seen;
  options.progress = [&](const RebuildProgress& progress) {
    seen.push_back(progress);
    return true;
  };
  ASSERT_TRUE(rebuild_from_wal(kWal, kOutput, options).has_value());
  ASSERT_GT(seen.size(), 8U);
  for (std::size_t i = 1; i < seen.size(); ++i) {
    EXPECT_GE(seen[i].done_bytes, seen[i - 1].done_bytes);
    EXPECT_EQ(seen[i].total_bytes, seen.front().total_bytes);
  }
  EXPECT_LT(seen.front().done_bytes, seen.front().total_bytes);
  EXPECT_EQ(seen.back().done_bytes, seen.back().total_bytes);
}

TEST(RebuildTest, CancelAnywhereLeavesNothing) {
  // Goal: a cancel at any report ends with kCancelled and leaves neither the output nor its
  // beginnings; so does the flag. A rebuild afterwards works.
  MemoryDisk disk;
  const auto documents = make_store(disk, 20, true, false);
  std::uint64_t reports = 0;
  auto options = rebuild_options(disk);
  options.progress = [&](const RebuildProgress&) {
    ++reports;
    return true;
  };
  ASSERT_TRUE(rebuild_from_wal(kWal, "/counted", options).has_value());
  ASSERT_GT(reports, 6U);
  for (std::uint64_t stop_at = 1; stop_at <= reports; ++stop_at) {
    SCOPED_TRACE(fmt::format("report {} of {}", stop_at, reports));
    std::uint64_t count = 0;
    std::atomic<bool> cancel = false;
    const bool by_flag = stop_at % 2 == 0;
    options.cancel = &cancel;
    options.progress = [&](const RebuildProgress&) {
      const bool now = ++count == stop_at;
      cancel.store(now && by_flag);
      return !now || by_flag;
    };
    const auto stats = rebuild_from_wal(kWal, kOutput, options);
    ASSERT_FALSE(stats.has_value());
    EXPECT_EQ(stats.error().code, ErrorCode::kCancelled) << text_of(stats);
    EXPECT_FALSE(disk.info(kOutput).has_value());
    EXPECT_FALSE(disk.info("/rebuilt.rebuilding").has_value());
  }
  ASSERT_TRUE(rebuild_from_wal(kWal, kOutput, rebuild_options(disk)).has_value());
  expect_rebuilt(disk, documents);
}

TEST(RebuildTest, CrashAtEveryOperation) {
  // Goal: whatever operation the power fails at, the output is a whole store or does not open as
  // one, the source is untouched, and the next rebuild succeeds.
  MemoryDisk original;
  const auto documents = make_store(original, 4, true, true);
  const auto counted = original.clone();
  counted->stop_after(MemoryDisk::kNever);
  ASSERT_TRUE(rebuild_from_wal(kWal, kOutput, rebuild_options(*counted)).has_value());
  const std::uint64_t operations = counted->operations();
  ASSERT_GT(operations, 40U);
  std::uint64_t whole = 0;
  for (std::uint64_t n = 0; n <= operations; ++n) {
    for (const std::uint64_t seed : {std::uint64_t{0}, 1'000'003 * n + 7}) {
      SCOPED_TRACE(fmt::format("operation {} of {}, seed {}", n, operations, seed));
      const auto disk = original.clone();
      disk->stop_after(n);
      const auto stopped = rebuild_from_wal(kWal, kOutput, rebuild_options(*disk));
      EXPECT_EQ(stopped.has_value(), n == operations) << text_of(stopped);
      disk->lose_power(seed == 0 ? std::nullopt : std::optional(seed));
      bool is_whole = false;
      if (disk->info(kOutput)) {
        ++whole;
        is_whole = true;
        ASSERT_NO_FATAL_FAILURE(expect_rebuilt(*disk, documents));
      }
      // Also with create_if_missing: nobody gets an empty store where a rebuild was under way.
      if (const auto names = disk->list("/rebuilt.rebuilding"); names && names->size() > 1) {
        const auto engine =
            Engine::open_with_recovery("/rebuilt.rebuilding", small_options(disk.get()));
        if (engine) {
          expect_equal(documents_of(**engine), documents);
        } else {
          EXPECT_EQ(engine.error().code, ErrorCode::kCorruption) << text_of(engine);
        }
      }
      if (!is_whole) {
        const auto again = rebuild_from_wal(kWal, kOutput, rebuild_options(*disk));
        ASSERT_TRUE(again.has_value()) << text_of(again);
        ASSERT_NO_FATAL_FAILURE(expect_rebuilt(*disk, documents));
      }
      const auto source = open_engine(kStore, small_options(disk.get()));
      expect_equal(documents_of(*source), documents);
    }
  }
  EXPECT_GT(whole, 1U);
}

TEST(RebuildTest, FullDiskLeavesNothing) {
  MemoryDisk disk;
  const auto documents = make_store(disk, 10, false, false);
  disk.set_capacity(disk.used() + 20'000);
  const auto stats = rebuild_from_wal(kWal, kOutput, rebuild_options(disk));
  ASSERT_FALSE(stats.has_value());
  EXPECT_EQ(stats.error().code, ErrorCode::kNoSpace) << text_of(stats);
  EXPECT_FALSE(disk.info(kOutput).has_value());
  EXPECT_FALSE(disk.info("/rebuilt.rebuilding").has_value());
  disk.set_capacity(MemoryDisk::kNever);
  ASSERT_TRUE(rebuild_from_wal(kWal, kOutput, rebuild_options(disk)).has_value());
  expect_rebuilt(disk, documents);
}

}  // namespace
}  // namespace pluresdb::testing
