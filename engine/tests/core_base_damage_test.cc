// Goal: whatever bit of the base store's files changes, nothing is read wrong, nothing that was
// acknowledged is silently older or absent, and what the store says about the loss is true. Method:
// bits of every file of a store whose log does not hold everything any more, one at a time; then
// each document by name, and a scan. CTest runs it on encrypted stores too.
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/rebuild.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";
constexpr const char* kBase = "/store/base";
constexpr std::uint64_t kRounds = 5;
constexpr std::uint64_t kDocuments = 90;
constexpr std::uint64_t kOldDocuments = 60;
constexpr std::size_t kWords = 60;

struct Made {
  Model model;
  std::map<std::string, Seq> seqs;  ///< Of the last write of each.
};

/// Does not become much smaller by compression: a table has many blocks.
std::string noise(std::mt19937_64& random, std::size_t words) {
  std::string json = "\"";
  for (std::size_t i = 0; i < words; ++i) {
    json += fmt::format("{:016x}", random());
  }
  return json + "\"";
}

/// All but the last round are in checkpoints, the last one is in the log only. The old ones are in
/// the first table and nowhere else.
Made make_store(MemoryDisk& disk) {
  Made made;
  std::mt19937_64 random(7);
  const auto engine = open_engine(kStore, small_options(&disk));
  for (std::uint64_t i = 0; i < kOldDocuments; ++i) {
    const std::string id = fmt::format("old/{:03}", i);
    made.model[id] = noise(random, kWords);
    const auto seq = engine->put("a", id, *made.model[id]);
    EXPECT_TRUE(seq.has_value()) << text_of(seq);
    made.seqs[id] = seq.value_or(0);
  }
  for (std::uint64_t round = 1; round <= kRounds; ++round) {
    for (std::uint64_t i = 0; i < kDocuments; ++i) {
      if ((i * 7 + round) % 3 == 0) {
        continue;
      }
      const std::string id = fmt::format("doc/{:03}", i);
      auto& json = made.model[id];
      json = (i + round) % 5 == 0 ? std::nullopt : std::optional(noise(random, kWords));
      const auto seq = json ? engine->put("a", id, *json) : engine->erase("a", id);
      EXPECT_TRUE(seq.has_value()) << text_of(seq);
      made.seqs[id] = seq.value_or(0);
    }
    if (round < kRounds) {
      EXPECT_TRUE(engine->checkpoint().has_value());
    }
  }
  return made;
}

void flip_bit(MemoryDisk& disk, const std::string& path, std::uint64_t offset, unsigned bit) {
  const auto file = disk.open(path, io::OpenMode::kReadWrite);
  ASSERT_TRUE(file.has_value()) << text_of(file);
  std::byte byte{};
  ASSERT_TRUE((*file)->read(offset, {&byte, 1}).has_value());
  byte ^= std::byte{1} << bit;
  ASSERT_TRUE((*file)->write(offset, {&byte, 1}).has_value());
}

/// The seq that the message of a lost (or too old) base store names: later writes are in the log.
Seq lost_through(const Error& error) {
  for (const std::string_view before : {"writes up to seq ", "but the log begins behind seq "}) {
    if (const auto begin = error.context.find(before); begin != std::string::npos) {
      return std::stoull(error.context.substr(begin + before.size()));
    }
  }
  return 0;
}

void expect_later_ones_in_log(MemoryDisk& disk, const Made& made, const Error& lost) {
  const Seq through = lost_through(lost);
  ASSERT_GT(through, 0U) << lost.context;
  RebuildOptions options;
  options.engine = small_options(&disk);
  options.source_secret = secret_of_run();
  const auto rebuilt = rebuild_from_wal("/store/wal", "/made", options);
  ASSERT_TRUE(rebuilt.has_value()) << text_of(rebuilt);
  const auto engine = open_engine("/made", small_options(&disk));
  ASSERT_NE(engine, nullptr);
  std::size_t later = 0;
  for (const auto& [id, json] : made.model) {
    if (made.seqs.at(id) > through) {
      const auto document = engine->get(id);
      ASSERT_TRUE(document.has_value()) << id << " " << text_of(document);
      ASSERT_EQ(document->has_value(), json.has_value()) << id;
      ASSERT_TRUE(!json || (*document)->json == *json) << id;
      ++later;
    }
  }
  EXPECT_GT(later, 0U);
  EXPECT_LT(later, made.model.size()) << "else nothing is lost";
}

struct Seen {
  std::size_t lost = 0, refused = 0, scan_refused = 0, intact = 0;
};

/// Fails the test when something is wrong and not said.
void look(MemoryDisk& disk, const Made& made, Seen& seen) {
  const auto opened = Engine::open_with_recovery(kStore, small_options(&disk));
  if (!opened) {
    ASSERT_EQ(opened.error().code, ErrorCode::kBaseLost) << text_of(opened);
    ASSERT_GT(lost_through(opened.error()), 0U) << text_of(opened);
    ++seen.lost;
    return;
  }
  Engine& engine = **opened;
  ASSERT_TRUE(engine.recovery().wal.is_healthy() && !engine.recovery().wal_lost);
  std::size_t refused = 0;
  for (const auto& [id, json] : made.model) {
    const auto document = engine.get(id);
    if (!document) {
      ASSERT_EQ(document.error().code, ErrorCode::kCorruption) << id << " " << text_of(document);
      ++refused;
      continue;
    }
    ASSERT_EQ(document->has_value(), json.has_value()) << id;
    ASSERT_TRUE(!json || (*document)->json == *json) << id;
  }
  const auto listed = engine.list("");
  if (!listed) {
    ASSERT_EQ(listed.error().code, ErrorCode::kCorruption) << text_of(listed);
    ++(refused > 0 ? seen.refused : seen.scan_refused);
    return;
  }
  ASSERT_EQ(refused, 0U) << "a scan that left out what cannot be read";
  ++seen.intact;
  Model live;
  for (const Document& document : *listed) {
    live[document.id] = document.json;
  }
  for (const auto& [id, json] : made.model) {
    ASSERT_EQ(live.contains(id) ? live.at(id) : std::nullopt, json) << id;
  }
}

std::vector<std::string> base_files(MemoryDisk& disk, std::string_view part) {
  const auto names = disk.list(kBase);
  EXPECT_TRUE(names.has_value()) << text_of(names);
  std::vector<std::string> paths;
  for (const std::string& name : *names) {
    if (name.contains(part)) {
      paths.push_back(std::string(kBase) + "/" + name);
    }
  }
  return paths;
}

/// Bits of the files whose name contains `part`, at most `stride` bytes apart.
Seen damage_everywhere(std::string_view part, std::uint64_t stride) {
  MemoryDisk disk;
  const Made made = make_store(disk);
  std::mt19937_64 random(3);
  Seen seen;
  for (const std::string& path : base_files(disk, part)) {
    const std::uint64_t bytes = disk.info(path)->size_bytes;
    for (std::uint64_t offset = 0; offset < bytes; offset += 1 + random() % stride) {
      const auto bit = static_cast<unsigned>(random() % 8);
      SCOPED_TRACE(fmt::format("{} byte {} bit {}", path, offset, bit));
      const auto copy = disk.clone();
      flip_bit(*copy, path, offset, bit);
      look(*copy, made, seen);
      if (::testing::Test::HasFatalFailure()) {
        return seen;
      }
    }
  }
  return seen;
}

TEST(BaseDamage, OfATableIsRefusedOrLostAndNeverSilent) {
  const Seen seen = damage_everywhere(".sst", 600);
  EXPECT_GT(seen.lost, 0U);
  EXPECT_GT(seen.refused, 100U) << "most of a table are documents";
  EXPECT_GT(seen.intact + seen.scan_refused, 0U) << "nobody needs every byte";
}

/// A checkpoint merges the tables when there are 32.
constexpr std::uint64_t kUntilMerged = 40;

void add_checkpoints(Engine& engine, std::uint64_t count) {
  for (std::uint64_t i = 1; i <= count; ++i) {
    ASSERT_TRUE(engine.put("b", "later", std::to_string(i)).has_value());
    const auto checkpoint = engine.checkpoint();
    ASSERT_TRUE(checkpoint.has_value()) << i << ": " << text_of(checkpoint);
  }
}

std::string largest_table(MemoryDisk& disk) {
  std::string largest;
  for (const std::string& path : base_files(disk, ".sst")) {
    if (largest.empty() || disk.info(path)->size_bytes > disk.info(largest)->size_bytes) {
      largest = path;
    }
  }
  return largest;
}

/// Chunks of an encrypted table have 16 KiB, and what no table can do without is in the first of
/// them or in the last two.
constexpr std::uint64_t kEndBytes = 48ULL << 10;

TEST(BaseDamage, OfADocumentCostsItAndNeverTheStore) {
  MemoryDisk disk;
  Made made = make_store(disk);
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_NO_FATAL_FAILURE(add_checkpoints(*engine, kUntilMerged));
    ASSERT_TRUE(engine->close().has_value());
  }
  made.model["later"] = std::to_string(kUntilMerged);
  const std::string path = largest_table(disk);
  std::size_t tried = 0;
  for (std::uint64_t offset = kEndBytes; offset + kEndBytes < disk.info(path)->size_bytes;
       offset += 4096) {
    SCOPED_TRACE(fmt::format("{} byte {}", path, offset));
    const auto copy = disk.clone();
    flip_bit(*copy, path, offset, 2);
    Seen seen;
    look(*copy, made, seen);
    ASSERT_EQ(seen.lost, 0U);
    ++tried;
  }
  EXPECT_GT(tried, 5U) << disk.info(path)->size_bytes;
}

TEST(BaseDamage, OfTheRegistryIsLostOrMeansNothing) {
  for (const char* part : {"MANIFEST", "CURRENT"}) {
    const Seen seen = damage_everywhere(part, 2);
    EXPECT_GT(seen.lost, 10U) << part;
    EXPECT_EQ(seen.refused + seen.scan_refused, 0U) << part;
  }
}

TEST(BaseDamage, WhatIsLostIsNamed) {
  MemoryDisk disk;
  const Made made = make_store(disk);
  flip_bit(disk, base_files(disk, "CURRENT").front(), 5, 3);
  const auto opened = Engine::open_with_recovery(kStore, small_options(&disk));
  ASSERT_FALSE(opened.has_value());
  ASSERT_EQ(opened.error().code, ErrorCode::kBaseLost);
  expect_later_ones_in_log(disk, made, opened.error());
}

TEST(BaseDamage, OfAStoreWhoseLogWasNeverShortenedNothingIsLost) {
  MemoryDisk disk;
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_TRUE(engine->put("a", "x", "1").has_value());
  }
  flip_bit(disk, base_files(disk, "CURRENT").front(), 5, 3);
  const auto opened = Engine::open_with_recovery(kStore, small_options(&disk));
  ASSERT_FALSE(opened.has_value());
  ASSERT_EQ(opened.error().code, ErrorCode::kBaseLost);
  EXPECT_TRUE(opened.error().context.starts_with("nothing was removed from the log yet"))
      << opened.error().context;
  disk.destroy(kBase);  // As it says.
  const auto engine = open_engine(kStore, small_options(&disk));
  ASSERT_NE(engine, nullptr);
  EXPECT_EQ((*engine->get("x"))->json, "1");
}

// Seen red without Mode::kUnmerged: from the 32nd table on every checkpoint fails, and close() too.
TEST(BaseDamage, OfATableStopsNoCheckpoint) {
  MemoryDisk disk;
  Made made = make_store(disk);
  const std::string largest = largest_table(disk);
  flip_bit(disk, largest, disk.info(largest)->size_bytes * 3 / 4, 0);
  const auto engine = open_engine(kStore, small_options(&disk));
  ASSERT_NE(engine, nullptr);
  ASSERT_NO_FATAL_FAILURE(add_checkpoints(*engine, 2 * kUntilMerged));
  EXPECT_GT(engine->stats().checkpoint_failures, 0U) << "no merge has met the damage";
  ASSERT_TRUE(engine->close().has_value());
  Seen seen;
  made.model["later"] = std::to_string(2 * kUntilMerged);
  look(disk, made, seen);
  EXPECT_EQ(seen.refused, 1U) << "the damage is still there, and still said";
}

}  // namespace
}  // namespace pluresdb::testing
