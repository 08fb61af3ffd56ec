// Goal: whatever file operation fails, the call that needed it fails, or everything it promises is
// there; the store is as before or as after, never between; nothing acknowledged is lost, nothing
// stays open, and the store works on or opens again.
// Method: each activity of a store is run with its N-th operation failing, for N = 1, 2, 3, ...
// until a run in which none failed: once or from there on, with an I/O error, without space, after
// half of a write, or after it took effect. The same with the power failing at each operation. What
// a call may swallow stands in one table with the reason.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "engine/tests/core_failing_disk.h"
#include "engine/tests/core_failure_loop.h"
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
constexpr const char* kWal = "/store/wal";
constexpr std::string_view kBaseFiles = "/store/base/";
/// No activity has so many operations: a loop that comes here does not end.
constexpr std::uint64_t kOperationsMax = 400;

// --- What is done
// ---------------------------------------------------------------------------------

/// Live documents by id.
using State = std::map<std::string, std::string>;

struct Activity {
  std::string_view name;
  /// Makes the store that the activity finds; null: there is none.
  void (*history)(MemoryDisk& disk, const EngineOptions& options) = nullptr;
  /// Done in the same open before it; null: nothing.
  void (*before)(Engine& engine) = nullptr;
  /// Null: the activity is the opening.
  Status (*act)(Engine& engine) = nullptr;
  /// Whether it did what it is named after.
  bool (*did)(const EngineStats& before, const EngineStats& after) = nullptr;
  bool compress = false;
  bool closes = false;
  /// Operations on such paths are another activity's.
  std::string_view spared{};

  [[nodiscard]] bool opens() const { return act == nullptr; }
  friend std::ostream& operator<<(std::ostream& out, const Activity& activity) {
    return out << activity.name;
  }
};

template <typename T>
Status status_of(const Result<T>& result) {
  return result ? Status{} : Status(std::unexpected(result.error()));
}

Error io_error(const std::string& path) {
  return {.code = ErrorCode::kIo, .sys_errno = EIO, .injected = true, .context = path};
}

void must_put(Engine& engine, const std::string& id, std::uint64_t version, std::size_t bytes) {
  const auto seq = engine.put("agent", id, json_of(version, bytes));
  ASSERT_TRUE(seq.has_value()) << text_of(seq);
}

/// Small and large documents, overwritten and deleted ones; half of them checkpointed.
void write_some(Engine& engine) {
  for (std::uint64_t round = 0; round < 2; ++round) {
    for (std::uint64_t i = 0; i < 6; ++i) {
      must_put(engine, fmt::format("doc{}", i + round * 2), round * 10 + i, i % 3 == 0 ? 5000 : 60);
    }
    ASSERT_TRUE(engine.erase("agent", fmt::format("doc{}", round * 4 + 1)).has_value());
    if (round == 0) {
      ASSERT_TRUE(engine.checkpoint().has_value());
    }
  }
}

void killed(MemoryDisk&, const EngineOptions& options) {
  const auto engine = open_engine(kStore, options);
  write_some(*engine);
}

void closed(MemoryDisk&, const EngineOptions& options) {
  const auto engine = open_engine(kStore, options);
  write_some(*engine);
  ASSERT_TRUE(engine->close().has_value());
}

/// A checkpoint could not be registered, the write behind it is torn.
void cut_off(MemoryDisk& disk, const EngineOptions& options) {
  {
    const auto engine = open_engine(kStore, options);
    write_some(*engine);
    disk.set_fault([](std::string_view operation, const std::string& path) {
      const bool hit = operation == "sync" && path.find("MANIFEST") != std::string::npos;
      return hit ? std::optional(io_error(path)) : std::nullopt;
    });
    ASSERT_FALSE(engine->checkpoint().has_value());
    disk.set_fault(nullptr);
    disk.stop_after(1);
    ASSERT_FALSE(engine->put("agent", "torn", json_of(1, 9000)).has_value());
  }
  constexpr std::uint64_t kSeedThatKeepsAPart = 3;
  disk.lose_power(kSeedThatKeepsAPart);
}

/// Values of 12,000 bytes, about five in a segment.
void write_values(Engine& engine) {
  for (std::uint64_t i = 0; i < 6; ++i) {
    must_put(engine, fmt::format("value{}", i), i, 12'000);
  }
}

void with_values(MemoryDisk&, const EngineOptions& options) {
  const auto engine = open_engine(kStore, options);
  write_values(*engine);
  ASSERT_TRUE(engine->checkpoint().has_value());
}

/// Their table has several blocks, each of which is read by itself.
void put_blocks(Engine& engine) {
  for (std::uint64_t i = 0; i < 30; ++i) {
    must_put(engine, fmt::format("page{}", i), i, 900);
  }
}

void with_blocks(MemoryDisk& disk, const EngineOptions& options) {
  with_values(disk, options);
  const auto engine = open_engine(kStore, options);
  put_blocks(*engine);
  ASSERT_TRUE(engine->checkpoint().has_value());
}

/// Most of the first segment is dead.
void with_garbage(MemoryDisk&, const EngineOptions& options) {
  const auto engine = open_engine(kStore, options);
  write_values(*engine);
  for (std::uint64_t i = 0; i < 3; ++i) {
    must_put(*engine, fmt::format("value{}", i), 100 + i, 60);
  }
  ASSERT_TRUE(engine->checkpoint().has_value());
}

/// The output of a rewrite and its inputs are there.
void cut_off_in_a_rewrite(MemoryDisk& disk, const EngineOptions& options) {
  with_garbage(disk, options);
  {
    const auto engine = open_engine(kStore, options);
    must_put(*engine, "late", 1, 60);
    bool stopped = false;
    disk.set_fault([&](std::string_view operation, const std::string& path) {
      stopped = stopped || (operation == "remove" && path.ends_with(".wal"));
      return stopped ? std::optional(io_error(path)) : std::nullopt;
    });
    ASSERT_FALSE(engine->checkpoint().has_value());
  }
  disk.set_fault(nullptr);
  disk.restart();
}

/// Two whole segments that the base store has.
void with_old_segments(MemoryDisk&, const EngineOptions& options) {
  const auto engine = open_engine(kStore, options);
  for (std::uint64_t i = 0; i < 150; ++i) {
    must_put(*engine, fmt::format("doc{}", i % 20), i, 900);
  }
  ASSERT_TRUE(engine->checkpoint().has_value());
}

void without_base(MemoryDisk& disk, const EngineOptions& options) {
  {
    const auto engine = open_engine(kStore, options);
    write_some(*engine);
  }
  disk.destroy("/store/base");
}

void with_empty_base(MemoryDisk& disk, const EngineOptions& options) {
  without_base(disk, options);
  ASSERT_TRUE(disk.create_directory("/store/base").has_value());
}

/// A group in the middle of what was durable is not what was written.
void damaged(MemoryDisk& disk, const EngineOptions& options) {
  {
    const auto engine = open_engine(kStore, options);
    for (std::uint64_t i = 0; i < 20; ++i) {
      must_put(*engine, fmt::format("doc{}", i), i, 300);
    }
  }
  const auto names = *disk.list(kWal);
  ASSERT_EQ(names.size(), 1U);
  disk.flip_byte(io::join_path(kWal, names.front()), 6000);
}

void put_one(Engine& engine) { must_put(engine, "first", 1, 60); }
/// The active segment has no room for another large value.
void fill_segment(Engine& engine) {
  for (std::uint64_t i = 0; i < 4; ++i) {
    must_put(engine, fmt::format("filler{}", i), i, 14'000);
  }
}

Status append_small(Engine& engine) {
  return status_of(engine.put("agent", "doc2", json_of(77, 60)));
}
Status append_large(Engine& engine) {
  return status_of(engine.put("agent", "doc2", json_of(77, 14'000)));
}
Status append_tombstone(Engine& engine) { return status_of(engine.erase("agent", "doc2")); }
Status checkpoint(Engine& engine) { return status_of(engine.checkpoint()); }
Status close(Engine& engine) { return engine.close(); }
Status validate(Engine& engine) {
  TRY_ASSIGN(const auto report, engine.validate());
  EXPECT_TRUE(report.is_healthy()) << "what cannot be read is not damaged";
  return {};
}

/// Everything, by list() and by get().
Result<State> contents(Engine& engine) {
  State state;
  TRY_ASSIGN(const auto documents, engine.list("", {}, 100'000));
  for (const Document& document : documents) {
    TRY_ASSIGN(const auto same, engine.get(document.id));
    EXPECT_TRUE(same && same->json == document.json) << document.id;
    state.emplace(document.id, document.json);
  }
  return state;
}
Status read(Engine& engine) { return status_of(contents(engine)); }

bool appended(const EngineStats& before, const EngineStats& after) {
  return after.wal.last_seq == before.wal.last_seq + 1 && after.wal.segments == before.wal.segments;
}
bool rotated(const EngineStats& before, const EngineStats& after) {
  return after.wal.last_seq == before.wal.last_seq + 1 &&
         after.wal.segments == before.wal.segments + 1;
}
bool checkpointed(const EngineStats& before, const EngineStats& after) {
  return after.checkpoint_seq > before.checkpoint_seq;
}
bool removed(const EngineStats& before, const EngineStats& after) {
  return checkpointed(before, after) && after.segments_deleted >= 2 &&
         after.segments_rewritten == 0;
}
bool collected(const EngineStats& before, const EngineStats& after) {
  return checkpointed(before, after) && after.segments_rewritten == 1 &&
         after.segments_compressed == 0;
}
bool compressed(const EngineStats& before, const EngineStats& after) {
  return checkpointed(before, after) && after.segments_compressed >= 1;
}
bool anything(const EngineStats&, const EngineStats&) { return true; }
bool created(const EngineStats&, const EngineStats& after) { return after.recovery.created; }
bool replayed(const EngineStats&, const EngineStats& after) {
  return after.recovery.replayed_entries > 0 && !after.recovery.clean_shutdown;
}
bool replayed_nothing(const EngineStats&, const EngineStats& after) {
  return after.recovery.clean_shutdown;
}
bool dropped(const EngineStats& before, const EngineStats& after) {
  return replayed(before, after) && after.recovery.torn_bytes_dropped > 0;
}
bool found_leftovers(const EngineStats&, const EngineStats& after) {
  return !after.recovery.clean_shutdown;
}
bool quarantined(const EngineStats&, const EngineStats& after) {
  return after.recovery.quarantined_bytes > 0;
}

constexpr Activity kActivities[] = {
    {.name = "append", .history = killed, .before = put_one, .act = append_small, .did = appended},
    {.name = "append of a large value",
     .history = killed,
     .before = put_one,
     .act = append_large,
     .did = appended},
    {.name = "delete",
     .history = killed,
     .before = put_one,
     .act = append_tombstone,
     .did = appended},
    {.name = "first append", .history = closed, .act = append_small, .did = rotated},
    {.name = "rotation",
     .history = killed,
     .before = fill_segment,
     .act = append_large,
     .did = rotated},
    {.name = "checkpoint",
     .history = killed,
     .before = put_one,
     .act = checkpoint,
     .did = checkpointed},
    {.name = "checkpoint of several blocks",
     .history = killed,
     .before = put_blocks,
     .act = checkpoint,
     .did = checkpointed},
    {.name = "removal",
     .history = with_old_segments,
     .before = put_one,
     .act = checkpoint,
     .did = removed},
    {.name = "collection",
     .history = with_garbage,
     .before = put_one,
     .act = checkpoint,
     .did = collected},
    {.name = "compression",
     .history = with_values,
     .before = put_one,
     .act = checkpoint,
     .did = compressed,
     .compress = true},
    {.name = "read", .history = with_blocks, .before = write_some, .act = read, .did = anything},
    {.name = "validation",
     .history = with_values,
     .before = put_one,
     .act = validate,
     .did = anything},
    {.name = "close",
     .history = killed,
     .before = put_one,
     .act = close,
     .did = checkpointed,
     .closes = true},
    {.name = "creation", .did = created, .spared = kBaseFiles},
    {.name = "opening after a close",
     .history = closed,
     .did = replayed_nothing,
     .spared = kBaseFiles},
    {.name = "opening after a crash", .history = cut_off, .did = dropped},
    {.name = "opening after a crash in a rewrite",
     .history = cut_off_in_a_rewrite,
     .did = found_leftovers,
     .spared = kBaseFiles},
    {.name = "opening without a base store",
     .history = without_base,
     .did = replayed,
     .spared = kBaseFiles},
    {.name = "opening with an empty base store",
     .history = with_empty_base,
     .did = replayed,
     .spared = kBaseFiles},
    {.name = "opening of a damaged log",
     .history = damaged,
     .did = quarantined,
     .spared = kBaseFiles},
};

EngineOptions options_of(const Activity& activity, io::FileSystem& files) {
  EngineOptions options = small_options(&files);
  options.compress_sealed = activity.compress;
  return options;
}

// --- What a call may swallow
// ----------------------------------------------------------------------

constexpr std::string_view kOtherSegment = "the group goes into another segment (D5)";
constexpr std::string_view kTwoAttempts = "tried twice, with the base store opened again (D7)";
constexpr std::string_view kSecondCopy = "needed only when the first is damaged; written anew";
constexpr std::string_view kComparedCopy =
    "it was read before; what does not compare is written anew";
constexpr std::string_view kOwnLog = "RocksDB's own log, in which no record ever is";

constexpr Swallowed kSwallowed[] = {
    {"append", "", "/store/wal/", true, kOtherSegment},
    {"delete", "", "/store/wal/", true, kOtherSegment},
    {"first append", "", "/store/wal", true, "a second new segment is tried"},
    {"rotation", "", "/store/wal", true, "a second new segment is tried; a footer is no must"},
    {"checkpoint", "", "/store/base", true, kTwoAttempts},
    {"removal", "", "/store/base", true, kTwoAttempts},
    {"collection", "", "/store/base", true, kTwoAttempts},
    {"compression", "", "/store/base", true, kTwoAttempts},
    {"close", "", "/store/base", true, kTwoAttempts},
    {"", "remove", "/ingest.sst", false, "no name of it is left, or the next opening removes it"},
    {"", "close", "/base", false, "RocksDB closes what it has synced"},
    {"", "list", "/base", false, "RocksDB looks for files that it could delete"},
    {"", "info", "/base", true, "RocksDB adds up sizes"},
    {"", "", ".log", true, kOwnLog},
    {"", "", "/OPTIONS-", false, "RocksDB writes it for people; no opening needs it"},
    {"", "sync_directory", "/base", true, "synced again; until then nothing goes (INV-STORE-3)"},
    {"opening", "", "/store/base", true, "on a full disk it gives up the reserve, tries again (D6)",
     true},
    {"opening of a damaged log", "info", "/store/quarantine/", true, "then it is copied again"},
    {"opening of a damaged log", "", "/store/quarantine", true,
     "the bytes stay in their segment, and it is said (INV-WAL-11)", true},
    {"", "open", "/store/keyring.bak", true, kSecondCopy, false, false, true},
    {"", "size", "/store/keyring.bak", true, kSecondCopy, false, false, true},
    {"", "read", "/store/keyring.bak", true, kSecondCopy, false, false, true},
    // When the owner compares the copies: the first reading of it was not swallowed.
    {"opening", "open", "/store/keyring", true, kComparedCopy, false, false, true},
    {"opening", "size", "/store/keyring", true, kComparedCopy, false, false, true},
    {"opening", "read", "/store/keyring", true, kComparedCopy, false, false, true},
    // To know the size of an encrypted file is to read it. A plain store shows that RocksDB minds
    // when it cannot read the MANIFEST itself, store_sealed_contents_test that what decrypts does.
    {"", "open", "/base/MANIFEST-", true, "RocksDB adds up sizes", false, false, true},
    {"", "read", "/base/MANIFEST-", true, "RocksDB adds up sizes", false, false, true},
    {"", "", "/store/RESERVE", false, "without a reserve the store works (D6)"},
    {"", "space", "/store", false, "the last known figure of DiskSpace counts", false, true},
};

SwallowTable& table() {
  static SwallowTable all(kSwallowed);
  return all;
}

// --- The verdict
// ----------------------------------------------------------------------------------

class Failure : public ::testing::TestWithParam<Activity> {
 protected:
  /// Each activity has two loops.
  static void TearDownTestSuite() { table().expect_all_needed(2 * std::size(kActivities)); }

  void SetUp() override {
    if (activity_.history != nullptr) {
      activity_.history(image_, options_of(activity_, image_));
    }
    image_.restart();
    // Before: what an opening shows. After: what the activity leaves when nothing fails.
    const auto disk = image_.clone();
    auto engine = open_engine(kStore, options_of(activity_, *disk));
    ASSERT_NE(engine, nullptr);
    if (activity_.before != nullptr) {
      activity_.before(*engine);
    }
    before_ = shown_by(*engine);
    healthy_ = engine->recovery().wal.is_healthy();
    const EngineStats stats_before = engine->stats();
    if (!activity_.opens()) {
      const Status done = activity_.act(*engine);
      ASSERT_TRUE(done.has_value()) << to_string(done.error());
    }
    ASSERT_TRUE(activity_.did(stats_before, engine->stats()))
        << "it must do what it is named after";
    engine = nullptr;
    engine = open_engine(kStore, options_of(activity_, *disk));
    after_ = shown_by(*engine);
  }

  static State shown_by(Engine& engine) {
    const auto state = contents(engine);
    EXPECT_TRUE(state.has_value()) << text_of(state);
    return state ? *state : State{};
  }

  /// One run; false when nothing failed.
  bool run(std::uint64_t n, const FailureMode& mode, bool dies);
  void expect_works_on(Engine& engine, const Status& outcome);
  void expect_opens(MemoryDisk& disk);
  /// Before or after, and after for ever once it was seen; `extra`: the document written since.
  void expect_state(const State& state);

  const Activity activity_ = GetParam();
  MemoryDisk image_;
  State before_;
  State after_;
  bool healthy_ = true;
  bool seen_after_ = false;
  bool never_after_ = false;          ///< The error says that nothing was written.
  std::optional<std::string> later_;  ///< The document "later", once it was acknowledged.
};

/// True when the error says that nothing was written.
bool says_not_written(const Error& error) {
  return error.code == ErrorCode::kNoSpace || error.code == ErrorCode::kReadOnly ||
         error.code == ErrorCode::kInvalidArgument;
}

void Failure::expect_state(const State& state) {
  State rest = state;
  if (later_) {
    EXPECT_EQ(rest["later"], *later_) << "acknowledged after the failure";
  }
  rest.erase("later");
  if (never_after_) {
    EXPECT_EQ(rest, before_) << "written, though the error says that it was not";
  } else if (rest != before_ || seen_after_) {
    EXPECT_EQ(rest, after_) << (seen_after_ ? "acknowledged or seen once" : "in between");
    seen_after_ = true;
  }
}

void Failure::expect_works_on(Engine& engine, const Status& outcome) {
  // What an error left closed comes back with the next checkpoint.
  const auto checkpointed_again = engine.checkpoint();
  EXPECT_TRUE(checkpointed_again.has_value()) << text_of(checkpointed_again);
  expect_state(shown_by(engine));
  const bool read_only = engine.stats().wal.read_only;
  EXPECT_FALSE(read_only && outcome) << "nobody was told";
  const auto seq = engine.put("agent", "later", json_of(5, 60));
  EXPECT_EQ(seq.has_value(), !read_only) << text_of(seq);
  if (seq) {
    later_ = json_of(5, 60);
    expect_state(shown_by(engine));
  }
}

void Failure::expect_opens(MemoryDisk& disk) {
  FailingDisk counting(disk);
  {
    const auto engine = open_engine(kStore, options_of(activity_, counting));
    ASSERT_NE(engine, nullptr);
    EXPECT_TRUE(engine->recovery().wal.is_healthy() || !healthy_)
        << engine->recovery().wal.problems.front();
    EXPECT_FALSE(engine->recovery().wal_lost);
    expect_state(shown_by(*engine));
    const auto names = *disk.list(kWal);
    for (const std::string& name : names) {
      EXPECT_FALSE(name.ends_with(".tmp")) << name;
    }
    must_put(*engine, "later", 6, 3000);
    later_ = json_of(6, 3000);
    const Status ended = engine->close();
    EXPECT_TRUE(ended.has_value()) << to_string(ended.error());
  }
  EXPECT_EQ(counting.open_handles(), 0U);
}

/// Nothing unsynced survives, a part of it, or all of it.
void die(MemoryDisk& disk, std::uint64_t n) {
  if (n % 3 == 0) {
    disk.restart();
  } else {
    disk.lose_power(n % 3 == 1 ? std::nullopt : std::optional(n));
  }
}

bool Failure::run(std::uint64_t n, const FailureMode& mode, bool dies) {
  seen_after_ = false;
  later_.reset();
  const auto disk = image_.clone();
  FailingDisk failing(*disk);
  const EngineOptions options = options_of(activity_, failing);
  std::unique_ptr<Engine> engine;
  if (!activity_.opens()) {
    engine = open_engine(kStore, options);
    if (activity_.before != nullptr) {
      activity_.before(*engine);
    }
  }
  failing.fail_from(n, mode, activity_.spared);
  Status outcome;
  if (activity_.opens()) {
    auto opened = Engine::open_with_recovery(kStore, options);
    outcome = status_of(opened);
    engine = opened ? *std::move(opened) : nullptr;
  } else {
    outcome = activity_.act(*engine);
  }
  const auto failed = failing.heal();
  table().judge(activity_.name, outcome, failed, mode);
  seen_after_ = outcome.has_value();
  never_after_ = !outcome && says_not_written(outcome.error());
  if (dies) {
    // All that an engine does while everything fails has no effect: this is a crash, or a power
    // loss, at operation `n`.
    engine = nullptr;
    die(*disk, n);
    expect_opens(*disk);
    return failing.reached();
  }
  if (engine == nullptr) {
    EXPECT_EQ(failing.open_handles(), 0U) << "after a failed opening";
    engine = open_engine(kStore, options);
    if (engine == nullptr) {
      return failing.reached();
    }
    outcome = {};
  }
  if (!activity_.closes) {
    expect_works_on(*engine, outcome);
  }
  engine = nullptr;
  EXPECT_EQ(failing.open_handles(), 0U);
  die(*disk, n);
  expect_opens(*disk);
  return failing.reached();
}

TEST_P(Failure, OfAnyOperationIsReportedOrMadeGood) {
  table().begin_loop();
  for (const FailureMode& mode : kFailureModes) {
    std::uint64_t n = 1;
    for (bool fired = true; fired; ++n) {
      SCOPED_TRACE(fmt::format("{}: operation {} {}", activity_.name, n, mode.name));
      ASSERT_LT(n, kOperationsMax);
      fired = run(n, mode, false);
      EXPECT_TRUE(fired || n > 1 || mode.code == ErrorCode::kNoSpace ||
                  mode.effect != FailureMode::Effect::kNothing)
          << "nothing to fail";
    }
  }
}

TEST_P(Failure, OfEverythingFromAnyOperationOnLosesNothing) {
  table().begin_loop();
  for (const FailureMode& mode : kFailureModes) {
    std::uint64_t n = 1;
    for (bool fired = mode.lasting; fired; ++n) {
      SCOPED_TRACE(fmt::format("{}: dies at operation {}, {}", activity_.name, n, mode.name));
      ASSERT_LT(n, kOperationsMax);
      fired = run(n, mode, true);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Activities, Failure, ::testing::ValuesIn(kActivities),
                         [](const auto& each) {
                           std::string name;
                           for (const char letter : each.param.name) {
                             name += letter == ' ' || letter == '-' ? "" : std::string(1, letter);
                           }
                           return name;
                         });

}  // namespace
}  // namespace pluresdb::testing
