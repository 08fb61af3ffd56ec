// Goal: a store whose parts do not belong together, or that is used from where it should not be, is
// noticed; and what is served is never a mixture that nobody wrote. Covered: parts of two backups,
// an I/O error at each operation of the base store, a wall clock that jumps, a forked child, file
// systems that are refused.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/crdt/hybrid_clock.h"
#include "engine/io/file_system.h"
#include "engine/io/file_system_types.h"
#include "engine/tests/core_knowledge.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include "engine/tests/forwarding_file_system.h"
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

// --- parts of two backups

using Documents = std::map<std::string, std::string>;

Documents documents_of(Engine& engine) {
  Documents documents;
  std::string from;
  while (true) {
    const auto page = engine.list("", from, 100);
    EXPECT_TRUE(page.has_value()) << text_of(page);
    if (!page) {
      return documents;
    }
    for (const Document& document : *page) {
      documents.emplace(document.id, document.json);
    }
    if (page->size() < 100) {
      return documents;
    }
    from = page->back().id + '\0';
  }
}

/// Every file of the store, by its path below it.
using Backup = std::map<std::string, std::vector<std::byte>>;

void copy_tree(MemoryDisk& disk, const std::string& below, Backup& backup) {
  const auto names = disk.list(io::join_path(kStore, below));
  ASSERT_TRUE(names.has_value()) << text_of(names);
  for (const std::string& name : *names) {
    const std::string path = below.empty() ? name : below + "/" + name;
    const auto info = disk.info(io::join_path(kStore, path));
    ASSERT_TRUE(info.has_value());
    if (info->kind == io::FileKind::kDirectory) {
      copy_tree(disk, path, backup);
    } else {
      backup[path] = *io::read_whole_file(disk, io::join_path(kStore, path), 1ULL << 30);
    }
  }
}

/// One store, backed up twice: small documents, each time checkpointed and compacted, and some more
/// behind the checkpoint.
struct TwoBackups {
  std::array<Backup, 2> backup;
  std::array<Documents, 2> documents;
  Seq last_seq = 0;

  TwoBackups() {
    MemoryDisk disk;
    std::uint64_t version = 0;
    for (std::size_t which = 0; which < 2; ++which) {
      const auto engine = open_engine(kStore, small_options(&disk));
      for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 150; ++i) {
          EXPECT_TRUE(engine->put("a", fmt::format("d{:03}", i), json_of(++version, 900)));
        }
        EXPECT_TRUE(engine->checkpoint().has_value());
      }
      EXPECT_GT(engine->stats().segments_deleted, 0U);
      for (int i = 0; i < 30; ++i) {
        EXPECT_TRUE(engine->put("a", fmt::format("late{:03}", i), json_of(++version, 900)));
      }
      last_seq = *engine->put("a", fmt::format("only{}", which), "1");
      documents.at(which) = documents_of(*engine);
      copy_tree(disk, "", backup.at(which));
    }
  }
};

/// `source`: 0 or 1; 2: the part is missing.
void restore(MemoryDisk& disk, const TwoBackups& store, std::string_view part, std::size_t source) {
  if (source == 2) {
    return;
  }
  for (const auto& [path, contents] : store.backup.at(source)) {
    if (path != part && !path.starts_with(std::string(part) + "/")) {
      continue;
    }
    const std::string target = io::join_path(kStore, path);
    ASSERT_TRUE(disk.create_directory(io::parent_path(target)).has_value());
    ASSERT_TRUE(io::write_file_atomically(disk, target, contents).has_value());
  }
}

/// Both backups have the same one, if any.
void restore_keyring(MemoryDisk& disk, const TwoBackups& store) {
  for (const char* const copy : {"keyring", "keyring.bak"}) {
    if (store.backup[0].contains(copy)) {
      ASSERT_NO_FATAL_FAILURE(restore(disk, store, copy, 0));
    }
  }
}

enum class Expected {
  kOld,       ///< Opens, healthy, as the first backup.
  kNew,       ///< The same, as the second.
  kWalLost,   ///< Opens with what the base store has, and says that the log is lost.
  kBaseLost,  ///< Does not open.
  kRefused,   ///< Does not open: corruption, no STORE file.
};

struct Case {
  std::size_t identity;
  std::size_t base;
  std::size_t wal;
  Expected expected;
};

TEST(PartialRestore, EveryMixtureOfTwoBackupsIsWholeOrNoticed) {
  constexpr std::size_t kOld = 0;
  constexpr std::size_t kNew = 1;
  constexpr std::size_t kNone = 2;
  const std::vector<Case> cases = {
      {kOld, kOld, kOld, Expected::kOld},
      {kNew, kNew, kNew, Expected::kNew},
      // The newer base store and log tell all; STORE only has floors, and those of the log count.
      {kOld, kNew, kNew, Expected::kNew},
      // The newer STORE knows that the log was compacted beyond what the old base store has.
      {kNew, kOld, kOld, Expected::kBaseLost},
      {kNew, kOld, kNew, Expected::kBaseLost},
      {kNew, kOld, kNone, Expected::kBaseLost},
      // The oldest segment's header says what was before it.
      {kOld, kOld, kNew, Expected::kBaseLost},
      // The base store knows seqs that the log does not.
      {kOld, kNew, kOld, Expected::kWalLost},
      {kNew, kNew, kOld, Expected::kWalLost},
      {kOld, kOld, kNone, Expected::kWalLost},
      {kNew, kNew, kNone, Expected::kWalLost},
      {kOld, kNew, kNone, Expected::kWalLost},
      // A compacted log cannot replace its base store.
      {kOld, kNone, kOld, Expected::kBaseLost},
      {kOld, kNone, kNew, Expected::kBaseLost},
      {kNew, kNone, kOld, Expected::kBaseLost},
      {kNew, kNone, kNew, Expected::kBaseLost},
      {kOld, kNone, kNone, Expected::kBaseLost},
      {kNew, kNone, kNone, Expected::kBaseLost},
      {kNone, kOld, kOld, Expected::kRefused},
      {kNone, kNew, kNew, Expected::kRefused},
      {kNone, kNone, kOld, Expected::kRefused},
      {kNone, kNone, kNew, Expected::kRefused},
      {kNone, kOld, kNone, Expected::kRefused},
      {kNone, kNew, kNone, Expected::kRefused},
  };
  const TwoBackups store;
  for (const Case& each : cases) {
    SCOPED_TRACE(fmt::format("STORE {}, base {}, wal {} (0: old, 1: new, 2: none)", each.identity,
                             each.base, each.wal));
    MemoryDisk disk;
    ASSERT_TRUE(disk.create_directory(kStore).has_value());
    ASSERT_NO_FATAL_FAILURE(restore_keyring(disk, store));
    ASSERT_NO_FATAL_FAILURE(restore(disk, store, "STORE", each.identity));
    ASSERT_NO_FATAL_FAILURE(restore(disk, store, "base", each.base));
    ASSERT_NO_FATAL_FAILURE(restore(disk, store, "wal", each.wal));
    const auto opened = Engine::open_with_recovery(kStore, small_options(&disk));
    if (each.expected == Expected::kBaseLost || each.expected == Expected::kRefused) {
      ASSERT_FALSE(opened.has_value());
      EXPECT_EQ(opened.error().code, each.expected == Expected::kBaseLost ? ErrorCode::kBaseLost
                                                                          : ErrorCode::kCorruption)
          << text_of(opened);
      continue;
    }
    ASSERT_TRUE(opened.has_value()) << text_of(opened);
    Engine& engine = **opened;
    EXPECT_EQ(engine.recovery().wal_lost, each.expected == Expected::kWalLost);
    const Documents found = documents_of(engine);
    if (each.expected == Expected::kWalLost) {
      EXPECT_GE(found.size(), 150U) << "what was checkpointed is there";
      for (const auto& [id, json] : found) {
        // Of the second backup's base store those of the first one that were changed behind it.
        const bool is_one = std::ranges::any_of(store.documents, [&](const Documents& documents) {
          return documents.contains(id) && documents.at(id) == json;
        });
        EXPECT_TRUE(is_one) << id << " is what nobody wrote";
      }
      EXPECT_GT(engine.put("a", "next", "1").value_or(0), store.last_seq)
          << "no seq of the lost part is given out again";
    } else {
      EXPECT_TRUE(engine.recovery().wal.is_healthy());
      EXPECT_EQ(found, store.documents.at(each.expected == Expected::kOld ? 0 : 1));
    }
  }
}

// Base store and log agree with each other, as a backup from before or somebody with a copy of it
// leaves them. STORE says how far the store had come.
TEST(PartialRestore, BaseAndLogFromBeforeTheLastCloseAreNoticed) {
  MemoryDisk disk;
  Backup before;
  Seq last_seq = 0;
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_TRUE(engine->put("a", "first", "1").has_value());
    ASSERT_TRUE(engine->close().has_value());
  }
  copy_tree(disk, "", before);
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    ASSERT_TRUE(engine->put("a", "second", "2").has_value());
    last_seq = *engine->put("a", "third", "3");
    ASSERT_TRUE(engine->close().has_value());
  }
  for (const std::string part : {"base", "wal"}) {
    disk.destroy(io::join_path(kStore, part));
    ASSERT_TRUE(disk.create_directory(io::join_path(kStore, part)).has_value());
    for (const auto& [path, contents] : before) {
      if (path.starts_with(part + "/")) {
        ASSERT_TRUE(
            io::write_file_atomically(disk, io::join_path(kStore, path), contents).has_value());
      }
    }
  }
  RebuildOptions rebuild;
  rebuild.engine = small_options(&disk);
  rebuild.source_secret = rebuild.engine.secret;
  const auto stats = rebuild_from_wal("/store/wal", "/rebuilt", rebuild);
  ASSERT_TRUE(stats.has_value()) << text_of(stats);
  EXPECT_FALSE(stats->is_complete);
  ASSERT_EQ(stats->gone.size(), 1U);
  EXPECT_EQ(stats->gone.front().last, last_seq);
  for (const char* const directory : {kStore, "/rebuilt"}) {
    const auto engine = open_engine(directory, small_options(&disk));
    ASSERT_NE(engine, nullptr);
    const bool is_old = directory == kStore;
    EXPECT_EQ(engine->recovery().wal_lost, is_old);
    EXPECT_EQ(engine->recovery().wal.is_healthy(), !is_old);
    if (is_old) {
      EXPECT_EQ(engine->recovery().wal.lost, (std::vector<SeqRange>{{2, last_seq}}));
    }
    EXPECT_TRUE((*engine->get("first")).has_value());
    const auto next = engine->put("a", "next", "4");
    EXPECT_GT(next.value_or(0), last_seq) << "no seq is given out again";
    EXPECT_GT((*engine->get("next"))->stamp.actor_seq, last_seq) << "nor any dot";
  }
}

// Two stores with the same history of seqs: nothing but the uuid tells their parts apart.
TEST(PartialRestore, TheBaseStoreOfAnotherStoreIsRefused) {
  const TwoBackups store;
  const TwoBackups other;
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directory(kStore).has_value());
  ASSERT_NO_FATAL_FAILURE(restore_keyring(disk, store));
  ASSERT_NO_FATAL_FAILURE(restore(disk, store, "STORE", 1));
  ASSERT_NO_FATAL_FAILURE(restore(disk, other, "base", 1));
  ASSERT_NO_FATAL_FAILURE(restore(disk, store, "wal", 1));
  const auto opened = Engine::open_with_recovery(kStore, small_options(&disk));
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().code, ErrorCode::kBaseLost);
  if (secret_of_run() == nullptr) {  // Else no key fits, which comes to the same.
    EXPECT_NE(text_of(opened).find("belongs to another store"), std::string::npos)
        << text_of(opened);
  }
  for (const char* const part : {"base", "wal"}) {
    EXPECT_FALSE(disk.list(io::join_path(kStore, part))->empty()) << "left as it is";
  }
}

// --- an I/O error in the middle of a checkpoint

/// The second of two checkpoints, with EIO at the base store's operation `n`, or from there on
/// until it gives up. Returns whether that operation was reached.
bool checkpoint_with_error_at(std::uint64_t n, bool goes_on) {
  MemoryDisk disk;
  Knowledge knowledge;
  bool was_hit = false;
  {
    const auto engine = open_engine(kStore, small_options(&disk));
    for (std::uint64_t i = 0; i < 40; ++i) {
      EXPECT_TRUE(put(*engine, knowledge, fmt::format("d{}", i % 20), json_of(i, 900)));
    }
    EXPECT_TRUE(engine->checkpoint().has_value());
    for (std::uint64_t i = 0; i < 40; ++i) {
      EXPECT_TRUE(put(*engine, knowledge, fmt::format("d{}", 10 + i % 20), json_of(100 + i, 900)));
    }
    EXPECT_TRUE(erase(*engine, knowledge, "d3"));
    const auto segments = engine->stats().wal.segments;
    std::uint64_t count = 0;
    disk.set_fault([&](std::string_view, const std::string& path) -> std::optional<Error> {
      if (!path.starts_with("/store/base")) {
        return std::nullopt;
      }
      const std::uint64_t at = count++;
      if (at != n && !(goes_on && at > n)) {
        return std::nullopt;
      }
      was_hit = true;
      return Error{.code = ErrorCode::kIo, .sys_errno = EIO, .injected = true, .context = path};
    });
    const auto outcome = engine->checkpoint();
    EXPECT_TRUE(outcome || engine->stats().wal.segments >= segments)
        << "nothing goes before the base store has it";
    EXPECT_TRUE(!was_hit || outcome || engine->stats().checkpoint_failures > 0);
    disk.set_fault(nullptr);
    EXPECT_TRUE(put(*engine, knowledge, "after", json_of(n))) << "the log is not concerned";
    for (const auto& [id, value] : knowledge.acknowledged) {
      const auto found = engine->get(id);
      EXPECT_TRUE(found.has_value()) << text_of(found);
      EXPECT_TRUE(found && found->has_value() == value.has_value() &&
                  (!value || (*found)->json == *value))
          << id;
    }
    const auto later = engine->checkpoint();
    EXPECT_TRUE(later.has_value()) << "it works again: " << text_of(later);
  }
  disk.lose_power(std::nullopt);
  EXPECT_EQ(problem_of(disk, kStore, knowledge), "");
  return was_hit;
}

TEST(CheckpointErrors, EachOperationOfTheBaseStoreMayFailUnderTheEngine) {
  for (const bool goes_on : {false, true}) {
    std::uint64_t n = 0;
    for (; checkpoint_with_error_at(n, goes_on); ++n) {
      ASSERT_FALSE(::testing::Test::HasFailure()) << "operation " << n << ", goes on " << goes_on;
    }
    EXPECT_GT(n, 10U) << "a checkpoint has more operations than that";
  }
}

// --- clocks

class ManualClock final : public Clock {
 public:
  std::int64_t wall_us() override { return wall_us_; }
  std::int64_t monotonic_ns() override { return monotonic_ns_ += 1000; }
  void jump_wall(std::int64_t seconds) { wall_us_ += seconds * 1'000'000; }

 private:
  std::int64_t wall_us_ = 1'800'000'000'000'000;
  std::int64_t monotonic_ns_ = 1'000'000'000;
};

constexpr std::int64_t kDay = 86'400;

TEST(WallClock, StampsGrowWhenItIsSetBackAndForwardAcrossRestarts) {
  MemoryDisk disk;
  ManualClock clock;
  auto options = small_options(&disk);
  options.clock = &clock;
  Hlc last = 0;
  for (const std::int64_t jump : {std::int64_t{0}, -30 * kDay, 60 * kDay, -365 * kDay}) {
    clock.jump_wall(jump);
    const auto engine = open_engine(kStore, options);
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(engine->put("a", "x", json_of(1)).has_value());
      const Hlc hlc = (*engine->get("x"))->stamp.hlc;
      EXPECT_GT(hlc, last) << "after a jump of " << jump << " s";
      last = hlc;
    }
    EXPECT_EQ(engine->stats().clock_jumps_held, 0U) << "between two opens nothing can be compared";
  }
  EXPECT_EQ(crdt::hlc_milliseconds(last),
            static_cast<std::uint64_t>(1'800'000'000'000 + 30 * kDay * 1000))
      << "the greatest one that was believed goes on";
}

TEST(WallClock, AForwardJumpWhileItIsOpenIsHeldCountedAndOverAtTheRestart) {
  MemoryDisk disk;
  ManualClock clock;
  auto options = small_options(&disk);
  options.clock = &clock;
  Hlc held = 0;
  {
    const auto engine = open_engine(kStore, options);
    ASSERT_TRUE(engine->put("a", "x", "1").has_value());
    const Hlc before = (*engine->get("x"))->stamp.hlc;
    clock.jump_wall(kDay);
    ::testing::internal::CaptureStderr();
    ASSERT_TRUE(engine->put("a", "x", "2").has_value());
    const std::string told = ::testing::internal::GetCapturedStderr();
    held = (*engine->get("x"))->stamp.hlc;
    EXPECT_GT(held, before);
    EXPECT_LT(crdt::hlc_milliseconds(held), crdt::hlc_milliseconds(before) + 1000);
    EXPECT_EQ(engine->stats().clock_jumps_held, 1U);
    EXPECT_NE(told.find("the wall clock jumped ahead"), std::string::npos) << told;
  }
  const auto engine = open_engine(kStore, options);
  ASSERT_TRUE(engine->put("a", "x", "3").has_value());
  EXPECT_GE(crdt::hlc_milliseconds((*engine->get("x"))->stamp.hlc),
            crdt::hlc_milliseconds(held) + kDay * 1000 - 1000)
      << "whoever sets the clock right and opens again is believed";
}

// --- a child of fork()

/// Runs `work` in a forked child; what is wrong there, empty when nothing is.
std::string in_a_fork(const std::function<std::string()>& work) {
  int channel[2];
  EXPECT_EQ(pipe(channel), 0);
  const pid_t child = fork();
  if (child == 0) {
    const std::string text = work();
    const ssize_t written = write(channel[1], text.data(), text.size());
    // Not _exit(): a new program takes gcov's counts of this one along (ci/coverage.sh).
    const bool complete = written == static_cast<ssize_t>(text.size());
    execl("/bin/sh", "sh", "-c", complete ? "exit 0" : "exit 1", nullptr);
    _exit(1);
  }
  close(channel[1]);
  std::string text;
  std::array<char, 1024> block{};
  for (ssize_t count = 0; (count = read(channel[0], block.data(), block.size())) > 0;) {
    text.append(block.data(), static_cast<std::size_t>(count));
  }
  close(channel[0]);
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child died";
  return text;
}

template <typename T>
std::string unless_locked(const char* call, const Result<T>& result) {
  const bool is_locked =
      !result && result.error().code == ErrorCode::kLocked &&
      result.error().context.find(fmt::format("pid {}", getppid())) != std::string::npos;
  return is_locked ? "" : std::string(call) + ": " + text_of(result) + "\n";
}

TEST(ForkedChild, CannotUseTheStoreOfItsParentNorDisturbIt) {
  const TemporaryDirectory directory;
  EngineOptions options = small_options();
  options.background_threads = true;  // That the child does not have.
  auto engine = open_engine(directory.path(), options);
  ASSERT_TRUE(engine->put("a", "x", "1").has_value());
  const std::string problems = in_a_fork([&engine] {
    std::string text = unless_locked("put", engine->put("a", "x", "2")) +
                       unless_locked("erase", engine->erase("a", "x")) +
                       unless_locked("get", engine->get("x")) +
                       unless_locked("list", engine->list("")) +
                       unless_locked("checkpoint", engine->checkpoint()) +
                       unless_locked("validate", engine->validate());
    text += engine->stats().wal.groups == 0 ? "" : "stats\n";
    text += unless_locked("close", engine->close());
    engine.reset();  // Joins no thread that it does not have, and gives up no lock.
    return text;
  });
  EXPECT_EQ(problems, "");
  const auto second = Engine::open_with_recovery(directory.path(), options);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kLocked) << "the parent has not lost it";
  ASSERT_TRUE(engine->put("a", "y", "3").has_value());
  ASSERT_TRUE(engine->close().has_value());
  engine = open_engine(directory.path(), options);
  EXPECT_TRUE(engine->recovery().clean_shutdown);
  EXPECT_EQ((*engine->get("x"))->json, "1");
  EXPECT_EQ((*engine->get("y"))->json, "3");
}

TEST(ForkedChild, CannotUseALogOfItsParent) {
  const TemporaryDirectory directory;
  EngineOptions options = small_options();
  options.background_threads = true;
  auto log = *WriteAheadLog::open(directory.path(), options);
  ASSERT_TRUE(log->append("a", Put{.id = "x", .json = "1"}).has_value());
  const std::string problems = in_a_fork([&log] {
    std::string text =
        unless_locked("append", log->append("a", Put{.id = "x", .json = "2"})) +
        unless_locked("append_batch", log->append_batch("a", {Delete{.id = "x"}})) +
        unless_locked("append_async",
                      log->append_async("a", Delete{.id = "x"}, [](Result<Seq>) {})) +
        unless_locked("read_all", log->read_all()) + unless_locked("cursor", log->cursor()) +
        unless_locked("validate", log->validate()) + unless_locked("compact", log->compact(1)) +
        unless_locked("sync", log->sync()) + unless_locked("close", log->close());
    text += log->stats().groups == 0 ? "" : "stats\n";
    log.reset();
    return text;
  });
  EXPECT_EQ(problems, "");
  EXPECT_EQ(log->append("a", Put{.id = "x", .json = "3"}).value_or(0), 2U);
  EXPECT_TRUE(log->close().has_value());
}

// --- file systems

/// Says of one directory, and what is below it, that it is on a file system of some type.
class TypedDisk final : public io::ForwardingFileSystem {
 public:
  TypedDisk(io::FileSystem& below, std::string mount, const char* type)
      : ForwardingFileSystem(below), mount_(std::move(mount)), type_(type) {}
  Result<io::SpaceInfo> space(const std::string& path) override {
    TRY_ASSIGN(io::SpaceInfo space, io::ForwardingFileSystem::space(path));
    if (path == mount_ || path.starts_with(mount_ + "/")) {
      space.shared_type = type_;
    }
    return space;
  }

 private:
  std::string mount_;
  const char* type_;
};

TEST(FileSystemType, NetworkAndFuseAreRefusedUnlessAllowed) {
  for (const char* type : {"nfs", "fuse"}) {
    MemoryDisk below;
    ASSERT_TRUE(below.create_directory("/mnt").has_value());
    TypedDisk disk(below, "/mnt", type);
    auto options = small_options(&disk);
    const auto refused = Engine::open_with_recovery("/mnt/store", options);
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(refused.error().context.find(type), std::string::npos) << text_of(refused);
    EXPECT_NE(refused.error().context.find("allow_shared_file_system"), std::string::npos);
    const auto log = WriteAheadLog::open("/mnt/log", options);
    ASSERT_FALSE(log.has_value());
    EXPECT_EQ(log.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(below.list("/mnt")->empty()) << "nothing was made";

    options.allow_shared_file_system = true;
    {
      const auto allowed = open_engine("/mnt/store", options);
      EXPECT_TRUE(allowed->put("a", "x", "1").has_value());
      EXPECT_TRUE(WriteAheadLog::open("/mnt/log", options).has_value());
    }
    options.allow_shared_file_system = false;
    EXPECT_FALSE(Engine::open_with_recovery("/mnt/store", options).has_value())
        << "also one that exists";
    RebuildOptions rebuild;
    rebuild.engine = options;
    rebuild.source_secret = options.secret;
    const auto rebuilt = rebuild_from_wal("/mnt/store/wal", "/mnt/rebuilt", rebuild);
    ASSERT_FALSE(rebuilt.has_value());
    EXPECT_EQ(rebuilt.error().code, ErrorCode::kInvalidArgument) << text_of(rebuilt);
  }
}

TEST(FileSystemType, AlsoForAPartThatIsAMountOfItsOwn) {
  MemoryDisk below;
  {
    ASSERT_NE(open_engine(kStore, small_options(&below)), nullptr);
  }
  for (const char* part : {"/store/wal", "/store/base"}) {
    TypedDisk disk(below, part, "nfs");
    const auto refused = Engine::open_with_recovery(kStore, small_options(&disk));
    ASSERT_FALSE(refused.has_value()) << part;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
  }
}

TEST(FileSystemType, IsKnownByItsNumber) {
  EXPECT_STREQ(io::shared_file_system_name(0x6969), "nfs");
  EXPECT_STREQ(io::shared_file_system_name(0x65735546), "fuse");
  EXPECT_STREQ(io::shared_file_system_name(0xFF534D42), "cifs");
  for (const std::uint32_t local :
       {0xEF53U /* ext4 */, 0x58465342U /* xfs */, 0x9123683EU /* btrfs */, 0x01021994U /* tmpfs */,
        0x794C7630U /* overlay */, 0x2FC12FC1U /* zfs */, 0xF2F52010U /* f2fs */}) {
    EXPECT_EQ(io::shared_file_system_name(local), nullptr) << local;
  }
}

}  // namespace
}  // namespace pluresdb::testing
