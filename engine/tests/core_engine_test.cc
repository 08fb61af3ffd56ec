// The document store through its public API: what a caller sees, and what opening refuses.
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/io/file_system.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";

TEST(Engine, ReturnsWhatWasPutByteForByte) {
  MemoryDisk disk;
  const auto engine = open_engine(kStore, small_options(&disk));
  const std::string json = "  {\"b\" : [1,2.50, \"\\u00e4\"] }\n";
  const auto seq = engine->put("shell", "a/1", json);
  ASSERT_TRUE(seq.has_value()) << text_of(seq);
  const auto document = engine->get("a/1");
  ASSERT_TRUE(document.has_value() && document->has_value());
  EXPECT_EQ((*document)->json, json);
  EXPECT_EQ((*document)->seq, *seq);
  EXPECT_EQ((*document)->stamp.actor, "shell");
  EXPECT_EQ((*document)->stamp.actor_seq, 1U);
}

TEST(Engine, RefusesBadArgumentsAndWritesNothing) {
  MemoryDisk disk;
  auto options = small_options(&disk);
  options.value_bytes_max = 100;
  const auto engine = open_engine(kStore, options);
  const std::string long_name(kActorBytesMax + 1, 'a');
  const std::string long_id(kDocumentIdBytesMax + 1, 'a');
  for (const auto& refused :
       {engine->put("", "id", "1"), engine->put(long_name, "id", "1"), engine->put("a", "", "1"),
        engine->put("a", long_id, "1"), engine->put("a", std::string("a\0b", 3), "1"),
        engine->put("a", "id", "{"), engine->put("a", "id", "1 2"),
        engine->put("a", "id", "\"\xff\""), engine->put("a", "id", json_of(1, 101)),
        engine->erase("a", ""), engine->erase("", "id")}) {
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument) << text_of(refused);
  }
  EXPECT_EQ(engine->stats().wal.appended_entries, 0U);
  EXPECT_FALSE(engine->get(long_id)->has_value());
}

TEST(Engine, RefusesUnusableOptions) {
  MemoryDisk disk;
  auto options = small_options(&disk);
  options.segment_bytes = 1000;
  const auto engine = Engine::open_with_recovery(kStore, options);
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(disk.info(kStore).has_value());
}

TEST(Engine, EraseHidesTheDocumentAcrossCheckpoints) {
  MemoryDisk disk;
  const auto engine = open_engine(kStore, small_options(&disk));
  ASSERT_TRUE(engine->put("a", "x", "1").has_value());
  ASSERT_TRUE(engine->checkpoint().has_value());
  ASSERT_TRUE(engine->erase("a", "x").has_value());
  EXPECT_FALSE(engine->get("x")->has_value());
  EXPECT_TRUE(engine->list("")->empty());
  ASSERT_TRUE(engine->checkpoint().has_value());
  EXPECT_FALSE(engine->get("x")->has_value());
  EXPECT_EQ(engine->stats().tombstones, 1U);
  ASSERT_TRUE(engine->erase("a", "never there").has_value());
  EXPECT_EQ(engine->stats().tombstones, 2U);
}

TEST(Engine, ListMergesTableAndBaseStoreInByteOrder) {
  MemoryDisk disk;
  const auto engine = open_engine(kStore, small_options(&disk));
  Model model;
  for (int i = 0; i < 600; ++i) {
    const std::string id = fmt::format("p{}/{:03}", i % 3, i);
    model[id] = json_of(static_cast<std::uint64_t>(i), i % 50 == 0 ? 2000U : 0U);
    ASSERT_TRUE(engine->put("a", id, *model[id]).has_value());
    if (i == 250) {
      ASSERT_TRUE(engine->checkpoint().has_value());
    }
  }
  for (int i = 0; i < 600; i += 5) {
    const std::string id = fmt::format("p{}/{:03}", i % 3, i);
    model[id] = std::nullopt;
    ASSERT_TRUE(engine->erase("a", id).has_value());
  }
  expect_model(*engine, model);
  const auto part = engine->list("p1/", "p1/1", 2);
  ASSERT_EQ(part->size(), 2U);
  EXPECT_EQ((*part)[0].id, "p1/103");
  EXPECT_EQ((*part)[1].id, "p1/106");
  EXPECT_EQ(engine->list("p1/")->size(), 160U);
  EXPECT_TRUE(engine->list("p1/", "p2")->empty());
  EXPECT_EQ(engine->list("p2/", "p1/400", 1)->at(0).id, "p2/002");
  EXPECT_TRUE(engine->list("", "", 0)->empty());
}

TEST(Engine, ReopensAfterCloseWithoutReplay) {
  MemoryDisk disk;
  Model model;
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    EXPECT_TRUE(engine->recovery().created);
    for (std::uint64_t i = 0; i < 50; ++i) {
      model[fmt::format("{}", i)] = json_of(i, i * 100);
      ASSERT_TRUE(engine->put("a", fmt::format("{}", i), json_of(i, i * 100)).has_value());
    }
    ASSERT_TRUE(engine->close().has_value());
    EXPECT_EQ(engine->put("a", "late", "1").error().code, ErrorCode::kReadOnly);
  }
  disk.lose_power(std::nullopt);
  const auto engine = open_engine(kStore, small_options(&disk));
  const RecoveryReport& report = engine->recovery();
  EXPECT_FALSE(report.created);
  EXPECT_TRUE(report.clean_shutdown);
  EXPECT_FALSE(report.wal_lost);
  EXPECT_TRUE(report.wal.is_healthy());
  EXPECT_EQ(report.replayed_entries, 0U);
  EXPECT_EQ(report.checkpoint_seq, 50U);
  EXPECT_EQ(report.last_seq, 50U);
  expect_model(*engine, model);
}

TEST(Engine, DestructorReleasesLikeACrash) {
  MemoryDisk disk;
  {
    ASSERT_TRUE(open_engine(kStore, small_options(&disk))->put("a", "x", "1").has_value());
  }
  const auto engine = open_engine(kStore, small_options(&disk));
  EXPECT_FALSE(engine->recovery().clean_shutdown);
  EXPECT_EQ(engine->recovery().replayed_entries, 1U);
  EXPECT_EQ((*engine->get("x"))->json, "1");
}

TEST(Engine, StampsGrowAcrossReopens) {
  MemoryDisk disk;
  Stamp last;
  Seq last_seq = 0;
  for (int round = 0; round < 4; ++round) {
    const auto engine = open_engine(kStore, small_options(&disk));
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(engine->put("a", "x", json_of(1)).has_value());
      const auto document = *engine->get("x");
      EXPECT_GT(document->stamp.hlc, last.hlc);
      EXPECT_GT(document->stamp.actor_seq, last.actor_seq);
      EXPECT_GT(document->seq, last_seq);
      last = document->stamp;
      last_seq = document->seq;
    }
    if (round == 1) {
      ASSERT_TRUE(engine->close().has_value());
    }
  }
}

TEST(Engine, NotFoundWhenItMayNotCreate) {
  MemoryDisk disk;
  auto options = small_options(&disk);
  options.create_if_missing = false;
  const auto engine = Engine::open_with_recovery(kStore, options);
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, ErrorCode::kNotFound);
  EXPECT_FALSE(disk.info(kStore).has_value()) << "nothing may be left behind";
}

/// A small store with two checkpoints and a rest in the log.
void make_store(MemoryDisk& disk, bool with_checkpoints) {
  const auto engine = open_engine(kStore, small_options(&disk));
  for (std::uint64_t i = 0; i < 300; ++i) {
    ASSERT_TRUE(engine->put("a", fmt::format("{:03}", i), json_of(i, 900)).has_value());
    if (with_checkpoints && (i == 120 || i == 240)) {
      ASSERT_TRUE(engine->checkpoint().has_value());
    }
  }
}

TEST(Engine, MissingBaseStoreIsNeverSilentlyRecreated) {
  MemoryDisk disk;
  make_store(disk, true);
  disk.destroy("/store/base");
  const auto engine = Engine::open_with_recovery(kStore, small_options(&disk));
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, ErrorCode::kBaseLost) << text_of(engine);
  const auto again = Engine::open_with_recovery(kStore, small_options(&disk));
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().code, ErrorCode::kBaseLost);
}

TEST(Engine, MissingBaseStoreIsRebuiltWhileTheLogHasEverything) {
  MemoryDisk disk;
  make_store(disk, false);
  disk.destroy("/store/base");
  const auto engine = open_engine(kStore, small_options(&disk));
  EXPECT_EQ(engine->recovery().replayed_entries, 300U);
  ASSERT_EQ(engine->recovery().wal.problems.size(), 1U) << "it is said in the report";
  EXPECT_EQ((*engine->get("007"))->json, json_of(7, 900));
}

TEST(Engine, MissingBaseStoreAndLogIsNotAnEmptyStore) {
  MemoryDisk disk;
  make_store(disk, false);
  disk.destroy("/store/base");
  disk.destroy("/store/wal");
  const auto engine = Engine::open_with_recovery(kStore, small_options(&disk));
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, ErrorCode::kBaseLost);
}

TEST(Engine, BaseStoreOlderThanTheLogIsRefused) {
  // An old copy of base store and STORE file under a newer log: what lies between is in neither.
  MemoryDisk disk;
  make_store(disk, false);
  const auto old = disk.clone();
  old->restart();
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_TRUE(engine->checkpoint().has_value());
    ASSERT_TRUE(engine->put("a", "late", "1").has_value());
    ASSERT_TRUE(engine->checkpoint().has_value());
    ASSERT_GT(engine->stats().segments_deleted, 0U);
  }
  const auto newer_log = *disk.list("/store/wal");
  const auto older_log = *old->list("/store/wal");
  for (const auto& name : older_log) {
    old->destroy("/store/wal/" + name);
  }
  for (const auto& name : newer_log) {
    const auto contents = io::read_whole_file(disk, "/store/wal/" + name, 1ULL << 20);
    ASSERT_TRUE(io::write_file_atomically(*old, "/store/wal/" + name, *contents).has_value());
  }
  const auto engine = Engine::open_with_recovery(kStore, small_options(old.get()));
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, ErrorCode::kBaseLost) << text_of(engine);
}

TEST(Engine, StoreWithoutIdentityFileIsRefusedNotOverwritten) {
  MemoryDisk disk;
  make_store(disk, true);
  disk.destroy("/store/STORE");
  for (const bool create : {true, false}) {
    auto options = small_options(&disk);
    options.create_if_missing = create;
    const auto engine = Engine::open_with_recovery(kStore, options);
    ASSERT_FALSE(engine.has_value());
    EXPECT_EQ(engine.error().code, ErrorCode::kCorruption) << text_of(engine);
  }
  EXPECT_FALSE(disk.list("/store/wal")->empty());
}

TEST(Engine, SecondOpenInAnotherProcessSaysLockedByPid) {
  const TemporaryDirectory directory;
  auto options = small_options();
  options.secret = nullptr;  // The other process has none.
  const std::string path = directory.path();
  int ready[2];
  int done[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    (void)dup2(ready[1], STDOUT_FILENO);
    (void)dup2(done[0], STDIN_FILENO);
    execl(PLURESDB_CRASH_CHILD, "core_crash_child", path.c_str(), "0", "0", nullptr);
    _exit(127);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'o');
  const auto engine = Engine::open_with_recovery(path, options);
  ASSERT_EQ(write(done[1], "x", 1), 1);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_FALSE(engine.has_value());
  EXPECT_EQ(engine.error().code, ErrorCode::kLocked);
  EXPECT_NE(engine.error().context.find(fmt::format("locked by pid {}", child)), std::string::npos)
      << text_of(engine);
  EXPECT_TRUE(open_engine(path, options) != nullptr) << "the lock dies with its owner";
}

TEST(Engine, DirtyTableStaysBelowItsLimit) {
  MemoryDisk disk;
  auto options = small_options(&disk);
  options.dirty_bytes_max = 64ULL << 10;
  const auto engine = open_engine(kStore, options);
  for (std::uint64_t i = 0; i < 500; ++i) {
    ASSERT_TRUE(engine->put("a", fmt::format("{}", i), json_of(i, 800)).has_value());
    ASSERT_LE(engine->stats().dirty_bytes, options.dirty_bytes_max + 2048);
  }
  EXPECT_GT(engine->stats().checkpoints, 3U);
}

TEST(Engine, ReplayRespectsTheTableLimit) {
  MemoryDisk disk;
  make_store(disk, false);
  auto options = small_options(&disk);
  options.dirty_bytes_max = 32ULL << 10;
  const auto engine = open_engine(kStore, options);
  EXPECT_EQ(engine->recovery().replayed_entries, 300U);
  EXPECT_LE(engine->stats().dirty_bytes, options.dirty_bytes_max + 2048);
  EXPECT_GT(engine->stats().checkpoints, 3U);
  EXPECT_EQ((*engine->get("007"))->json, json_of(7, 900));
}

TEST(Engine, BackgroundThreadChecksPointsByPolicy) {
  MemoryDisk disk;
  auto options = small_options(&disk);
  options.background_threads = true;
  options.checkpoint.operations = 100;
  const auto engine = open_engine(kStore, options);
  // Bounded by the test's time limit: the thread must get there by itself.
  std::uint64_t i = 0;
  while (engine->stats().checkpoints < 2) {
    ASSERT_TRUE(engine->put("a", fmt::format("{}", i % 50), json_of(i)).has_value());
    ++i;
  }
  EXPECT_GE(engine->stats().checkpoint_seq, 100U);
}

TEST(Engine, ValidateCountsDamageAndChangesNothing) {
  MemoryDisk disk;
  const auto engine = open_engine(kStore, small_options(&disk));
  for (std::uint64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(engine->put("a", fmt::format("{}", i), json_of(i)).has_value());
  }
  const auto report = engine->validate();
  ASSERT_TRUE(report.has_value()) << text_of(report);
  EXPECT_TRUE(report->is_healthy());
  EXPECT_EQ(report->valid_entries, 20U);
}

TEST(Engine, FullDiskRefusesPutsKeepsReadsAndDeletesAndResumes) {
  MemoryDisk disk;
  auto options = small_options(&disk);
  const auto engine = open_engine(kStore, options);
  ASSERT_TRUE(engine->put("a", "x", json_of(1)).has_value());
  ASSERT_TRUE(engine->put("a", "large", json_of(2, 5000)).has_value());
  disk.set_capacity(disk.used() + (32ULL << 10));
  Result<Seq> put = Seq{0};
  Model model{{"x", json_of(1)}, {"large", json_of(2, 5000)}};
  for (std::uint64_t i = 0; i < 4000 && put; ++i) {
    const std::string id = fmt::format("{}", i);
    put = engine->put("a", id, json_of(i, 900));
    if (put) {
      model[id] = json_of(i, 900);
    }
  }
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().code, ErrorCode::kNoSpace) << text_of(put);
  EXPECT_EQ(engine->stats().space, SpaceState::kFull);
  EXPECT_GT(engine->stats().wal.no_space_refusals, 0U);
  expect_model(*engine, model);
  const auto erased = engine->erase("a", "x");
  ASSERT_TRUE(erased.has_value()) << text_of(erased);
  model["x"] = std::nullopt;
  expect_model(*engine, model);
  disk.set_capacity(MemoryDisk::kNever);
  ASSERT_TRUE(engine->put("a", "x", json_of(3)).has_value()) << "resumes by itself";
  EXPECT_EQ(engine->stats().space, SpaceState::kNormal);
}

TEST(Engine, OpensWhileTheDiskIsFull) {
  MemoryDisk disk;
  Model model;
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    for (std::uint64_t i = 0; i < 100; ++i) {
      model[fmt::format("{}", i)] = json_of(i, 900);
      ASSERT_TRUE(engine->put("a", fmt::format("{}", i), json_of(i, 900)).has_value());
    }
  }
  disk.lose_power(std::nullopt);
  disk.set_capacity(disk.used() + (4ULL << 20));
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_NE(engine, nullptr);
    expect_model(*engine, model);
  }
  // And when the checkpoint that the table's limit asks for during replay finds no room.
  std::atomic<int> refused = 0;
  disk.set_fault([&](std::string_view operation, const std::string& path) -> std::optional<Error> {
    if (operation == "write" && path.ends_with(".sst")) {
      ++refused;
      return Error{.code = ErrorCode::kNoSpace, .sys_errno = ENOSPC, .context = path};
    }
    return std::nullopt;
  });
  auto options = small_options(&disk);
  options.dirty_bytes_max = 16ULL << 10;
  const auto engine = open_engine(kStore, options);
  ASSERT_NE(engine, nullptr);
  EXPECT_GT(refused.load(), 0);
  expect_model(*engine, model);
  const auto put = engine->put("a", "new", "1");
  ASSERT_FALSE(put.has_value());
  EXPECT_EQ(put.error().code, ErrorCode::kNoSpace) << text_of(put);
  disk.set_fault(nullptr);
  EXPECT_TRUE(engine->put("a", "new", "1").has_value());
}

/// A store with documents, whose process is dead.
Model fill_and_crash(MemoryDisk& disk) {
  Model model;
  auto engine = open_engine(kStore, small_options(&disk));
  for (std::uint64_t i = 0; i < 50; ++i) {
    model[fmt::format("{}", i)] = json_of(i, 900);
    EXPECT_TRUE(engine->put("a", fmt::format("{}", i), json_of(i, 900)).has_value());
  }
  engine.reset();
  disk.restart();
  return model;
}

// Goal: a crash with not a byte left on the disk must not lock the owner out of the store. Method:
// the capacity shrinks to what is used; only the reserve can give the base store its room.
TEST(Engine, OpensOnTheReserveWhenNotAByteIsLeft) {
  MemoryDisk disk;
  const Model model = fill_and_crash(disk);
  ASSERT_TRUE(disk.info(std::string(kStore) + "/RESERVE").has_value());
  disk.set_capacity(disk.used());
  const auto engine = open_engine(kStore, small_options(&disk));
  ASSERT_NE(engine, nullptr);
  expect_model(*engine, model);
}

// Goal: the same when the reserve is used up, by deletes on the full disk. Only the space that is
// kept for opening is left.
TEST(Engine, OpensOnTheSpaceForOpeningWhenTheReserveIsUsedUp) {
  MemoryDisk disk;
  const Model model = fill_and_crash(disk);
  ASSERT_TRUE(disk.remove(std::string(kStore) + "/RESERVE").has_value());
  disk.set_capacity(disk.used());
  const auto engine = open_engine(kStore, small_options(&disk));
  ASSERT_NE(engine, nullptr);
  expect_model(*engine, model);
}

// Goal: a crash while full reopens while full, however often it happens and though nothing is freed
// in between (D6). Method: before each open somebody else takes every byte that is left.
TEST(Engine, OpensOnAFullDiskHoweverOftenItIsKilled) {
  MemoryDisk disk;
  Model model = fill_and_crash(disk);
  ASSERT_TRUE(disk.remove(std::string(kStore) + "/RESERVE").has_value());
  constexpr int kKills = 100;
  for (int kill = 0; kill < kKills; ++kill) {
    SCOPED_TRACE(fmt::format("kill {}", kill));
    disk.set_capacity(disk.used());
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_NE(engine, nullptr);
    expect_model(*engine, model);
    const std::string json = json_of(static_cast<std::uint64_t>(kill), 900);
    if (engine->put("a", "new", json)) {
      model["new"] = json;
    }
  }
}

// Goal: the same when the kill comes inside the opening, at any of its operations.
TEST(Engine, OpensOnAFullDiskAfterAKillInsideTheOpening) {
  MemoryDisk full;
  const Model model = fill_and_crash(full);
  ASSERT_TRUE(full.remove(std::string(kStore) + "/RESERVE").has_value());
  full.set_capacity(full.used());
  bool stopped = true;
  for (std::uint64_t n = 0; stopped; ++n) {
    SCOPED_TRACE(fmt::format("killed at operation {}", n));
    const auto disk = full.clone();
    disk->set_capacity(disk->used());
    disk->stop_after(n);
    (void)Engine::open_with_recovery(kStore, small_options(disk.get()));
    stopped = disk->stopped();
    disk->restart();
    const auto engine = open_engine(kStore, small_options(disk.get()));
    ASSERT_NE(engine, nullptr);
    expect_model(*engine, model);
  }
}

// Goal: damage that appears after opening must not make compaction throw away what is still
// readable. Method: the first record chunk of a segment goes bad, so that the record which names
// the only live value cannot be read any more; the value itself, and the index of it in memory, are
// intact.
TEST(Engine, CompactionKeepsASegmentThatItCannotJudge) {
  MemoryDisk disk;
  const auto engine = open_engine(kStore, small_options(&disk));
  ASSERT_TRUE(engine->put("a", "kept", json_of(1, 5000)).has_value());
  const auto files = disk.list(std::string(kStore) + "/wal");
  ASSERT_TRUE(files.has_value());
  const std::string segment = std::string(kStore) + "/wal/" + files->front();
  for (std::uint64_t i = 0; i < 40; ++i) {
    ASSERT_TRUE(engine->put("a", "again", json_of(i, 5000)).has_value());
  }
  constexpr std::uint64_t kFirstRecord =
      4096 + 64 + 32;  // Behind the headers of segment and group.
  disk.flip_byte(segment, kFirstRecord + 30);
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(engine->put("a", "small", json_of(7)).has_value());
    ASSERT_TRUE(engine->checkpoint().has_value());
  }
  EXPECT_TRUE(disk.info(segment).has_value());
  const auto kept = engine->get("kept");
  ASSERT_TRUE(kept.has_value()) << text_of(kept);
  ASSERT_TRUE(kept->has_value());
  EXPECT_EQ((*kept)->json, json_of(1, 5000));
}

// Goal: a segment that was given up before its first group does not stay for ever. Method: the
// first write behind the renaming that activates it fails, so its group goes into the next segment.
TEST(Engine, SegmentsWithoutARecordAreRemoved) {
  MemoryDisk disk;
  const auto engine = open_engine(kStore, small_options(&disk));
  bool is_activated = false;
  bool has_failed = false;
  disk.set_fault([&](std::string_view operation, const std::string& path) -> std::optional<Error> {
    is_activated = is_activated || operation == "rename";
    if (is_activated && operation == "write" && !has_failed) {
      has_failed = true;
      return Error{.code = ErrorCode::kIo, .sys_errno = EIO, .context = path};
    }
    return std::nullopt;
  });
  ASSERT_TRUE(engine->put("a", "x", json_of(1)).has_value());
  ASSERT_EQ(engine->stats().wal.groups_rewritten, 1U);
  const auto files = disk.list(std::string(kStore) + "/wal");
  ASSERT_TRUE(files.has_value());
  const std::string empty = std::string(kStore) + "/wal/" + files->front();
  for (std::uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(engine->put("a", "y", json_of(i)).has_value());
    ASSERT_TRUE(engine->checkpoint().has_value());
  }
  EXPECT_FALSE(disk.info(empty).has_value());
  expect_model(*engine, {{"x", json_of(1)}, {"y", json_of(2)}});
}

}  // namespace
}  // namespace pluresdb::testing
