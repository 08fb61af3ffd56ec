// Goal: errors that the loops of core_failure_test do not meet reach the caller as what they are.
// Method: a log used alone with its N-th operation failing, for N = 1, 2, 3, ...; stores that were
// closed, whose table is full, whose disk is full, whose base store does not come back; base stores
// that are merged, read and created over leftovers with each operation failing.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "engine/store/base_store.h"
#include "engine/tests/core_failing_disk.h"
#include "engine/tests/core_failure_loop.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include "engine/tests/store_test_support.h"
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
constexpr std::uint64_t kOperationsMax = 500;

template <typename T>
void expect_code(const Result<T>& result, ErrorCode code, std::string_view call) {
  ASSERT_FALSE(result.has_value()) << call;
  EXPECT_EQ(result.error().code, code) << call << ": " << to_string(result.error());
}

// --- A log used alone
// -----------------------------------------------------------------------------

/// What a life of a log was told.
struct Life {
  std::set<Seq> acknowledged;
  std::set<Seq> seen;  ///< By the cursor.
  bool cursor_ended = false;
  Seq compacted_through = 0;  ///< What had been asked for, successfully or not.

  void note(const Result<Seq>& first, std::uint64_t count) {
    for (std::uint64_t i = 0; first && i < count; ++i) {
      acknowledged.insert(*first + i);
    }
  }
};

/// Reads everything; goes on after an error, which must neither repeat nor leave out an entry.
void read_with_cursor(WriteAheadLog& log, Life& life) {
  Result<std::unique_ptr<WalCursor>> cursor = log.cursor();
  if (!cursor) {
    return;
  }
  Entry entry;
  Seq last = 0;
  for (int errors = 0; errors < 3;) {
    const auto found = (*cursor)->next(entry);
    if (!found) {
      EXPECT_TRUE(found.error().injected) << to_string(found.error());
      ++errors;
    } else if (!*found) {
      life.cursor_ended = true;
      return;
    } else {
      EXPECT_GT(entry.seq, last) << "seen twice";
      last = entry.seq;
      life.seen.insert(entry.seq);
    }
  }
}

Life live(io::FileSystem& files) {
  Life life;
  auto opened = WriteAheadLog::open(kLog, small_options(&files));
  if (!opened) {
    return life;
  }
  WriteAheadLog& log = **opened;
  const std::set<Seq> before = [&log] {
    std::set<Seq> seqs;
    if (const auto entries = log.read_all()) {
      for (const Entry& entry : *entries) {
        seqs.insert(entry.seq);
      }
    }
    return seqs;
  }();
  life.note(log.append("a", Put{.id = "small", .json = json_of(1, 100)}), 1);
  life.note(log.append("a", Put{.id = "large", .json = json_of(2, 30'000)}), 1);
  life.note(log.append_batch("a", {Delete{.id = "small"}, Checkpoint{.base_seq = 1}}), 2);
  life.note(log.append("a", Put{.id = "large", .json = json_of(3, 40'000)}), 1);
  (void)log.append_async("a", Compact{.before = 1},
                         [&life](const Result<Seq>& seq) { life.note(seq, 1); });
  read_with_cursor(log, life);
  if (life.cursor_ended) {
    for (const Seq seq : life.acknowledged) {
      EXPECT_TRUE(life.seen.contains(seq)) << seq << " is left out";
    }
  }
  if (!before.empty()) {
    life.compacted_through = *before.rbegin();
    (void)log.compact(life.compacted_through);
  }
  (void)log.sync();
  if (const auto report = log.validate()) {
    EXPECT_TRUE(report->is_healthy()) << report->problems.front();
  }
  (void)log.close();
  return life;
}

TEST(LogFailure, OfAnyOperationIsReportedOrMadeGood) {
  MemoryDisk image;
  const Life first = live(image);
  ASSERT_EQ(first.acknowledged.size(), 6U);
  for (const FailureMode& mode : {kFailsOnce, kFailsFromThereOn}) {
    bool reached = true;
    for (std::uint64_t n = 1; reached; ++n) {
      SCOPED_TRACE(fmt::format("operation {} {}", n, mode.name));
      ASSERT_LT(n, kOperationsMax);
      const auto disk = image.clone();
      FailingDisk failing(*disk);
      failing.fail_from(n, mode);
      Life second = live(failing);
      reached = failing.reached();
      failing.heal();
      EXPECT_EQ(failing.open_handles(), 0U);
      disk->lose_power(std::nullopt);
      auto log = WriteAheadLog::open(kLog, small_options(disk.get()));
      ASSERT_TRUE(log.has_value()) << text_of(log);
      const auto entries = (*log)->read_all();
      ASSERT_TRUE(entries.has_value()) << text_of(entries);
      std::set<Seq> left;
      for (const Entry& entry : *entries) {
        left.insert(entry.seq);
      }
      second.acknowledged.insert(first.acknowledged.begin(), first.acknowledged.end());
      for (const Seq seq : second.acknowledged) {
        EXPECT_TRUE(left.contains(seq) || seq <= second.compacted_through) << seq << " is lost";
      }
    }
  }
}

TEST(LogFailure, ALogThatIsNotThereIsNotMade) {
  MemoryDisk disk;
  EngineOptions options = small_options(&disk);
  options.create_if_missing = false;
  expect_code(WriteAheadLog::open(kLog, options), ErrorCode::kNotFound, "open");
  EXPECT_EQ(disk.info(kLog).error().code, ErrorCode::kNotFound);
}

TEST(LogFailure, WhatCannotBeStoredIsRefusedByEachWayIn) {
  MemoryDisk disk;
  auto log = *WriteAheadLog::open(kLog, small_options(&disk));
  const Put good{.id = "x", .json = "1"};
  const auto ignored = [](const Result<Seq>&) { ADD_FAILURE() << "refused, and yet answered"; };
  for (const auto& [actor, bad] :
       {std::pair<std::string, Put>{"", good}, {"a", Put{.id = "", .json = "1"}}}) {
    expect_code(log->append(actor, bad), ErrorCode::kInvalidArgument, "append");
    expect_code(log->append_batch(actor, {good, bad}), ErrorCode::kInvalidArgument, "batch");
    expect_code(log->append_async(actor, bad, ignored), ErrorCode::kInvalidArgument, "async");
  }
  expect_code(log->append_batch("a", {}), ErrorCode::kInvalidArgument, "an empty batch");
  EXPECT_EQ(log->append("a", good).value_or(0), 1U);
}

TEST(LogFailure, AClosedLogRefusesEverything) {
  MemoryDisk disk;
  auto log = *WriteAheadLog::open(kLog, small_options(&disk));
  ASSERT_TRUE(log->append("a", Put{.id = "x", .json = "1"}).has_value());
  ASSERT_TRUE(log->close().has_value());
  const auto ignored = [](const Result<Seq>&) {};
  expect_code(log->append("a", Put{.id = "x", .json = "2"}), ErrorCode::kReadOnly, "append");
  expect_code(log->append_batch("a", {Delete{.id = "x"}}), ErrorCode::kReadOnly, "append_batch");
  expect_code(log->append_async("a", Delete{.id = "x"}, ignored), ErrorCode::kReadOnly, "async");
  expect_code(log->read_all(), ErrorCode::kReadOnly, "read_all");
  expect_code(log->cursor(), ErrorCode::kReadOnly, "cursor");
  expect_code(log->validate(), ErrorCode::kReadOnly, "validate");
  expect_code(log->compact(1), ErrorCode::kReadOnly, "compact");
  expect_code(log->sync(), ErrorCode::kReadOnly, "sync");
  EXPECT_TRUE(log->close().has_value()) << "is closed";
}

// --- A store
// --------------------------------------------------------------------------------------

TEST(StoreFailure, AClosedStoreRefusesEverything) {
  MemoryDisk disk;
  const auto engine = open_engine(kStore, small_options(&disk));
  ASSERT_TRUE(engine->put("a", "x", "1").has_value());
  ASSERT_TRUE(engine->close().has_value());
  expect_code(engine->put("a", "x", "2"), ErrorCode::kReadOnly, "put");
  expect_code(engine->erase("a", "x"), ErrorCode::kReadOnly, "erase");
  expect_code(engine->get("x"), ErrorCode::kReadOnly, "get");
  expect_code(engine->list(""), ErrorCode::kReadOnly, "list");
  expect_code(engine->checkpoint(), ErrorCode::kReadOnly, "checkpoint");
  expect_code(engine->validate(), ErrorCode::kReadOnly, "validate");
  EXPECT_TRUE(engine->close().has_value()) << "is closed";
}

TEST(StoreFailure, OptionsOutOfRangeAreRefusedByName) {
  MemoryDisk disk;
  for (const std::string name : {"value_bytes_max", "large_value_bytes", "dirty_bytes_max"}) {
    EngineOptions options = small_options(&disk);
    (name == "value_bytes_max"     ? options.value_bytes_max
     : name == "large_value_bytes" ? options.large_value_bytes
                                   : options.dirty_bytes_max) = 0;
    const auto store = Engine::open_with_recovery(kStore, options);
    expect_code(store, ErrorCode::kInvalidArgument, name);
    EXPECT_NE(store.error().context.find(name), std::string::npos);
    expect_code(WriteAheadLog::open(kLog, options), ErrorCode::kInvalidArgument, name);
  }
}

// The table is full and cannot be emptied: nothing is written that nobody could read back.
TEST(StoreFailure, AWriteThatFindsNoRoomInTheTableIsRefused) {
  MemoryDisk disk;
  EngineOptions options = small_options(&disk);
  options.dirty_bytes_max = 4000;
  const auto engine = open_engine(kStore, options);
  disk.set_fault([](std::string_view operation, const std::string& path) {
    const bool fails = operation == "sync" && path.find("/base/") != std::string::npos;
    return fails ? std::optional(Error{.code = ErrorCode::kIo, .sys_errno = EIO, .context = path})
                 : std::nullopt;
  });
  Result<Seq> last = Seq{0};
  std::uint64_t written = 0;
  while (last && written < 1000) {
    last = engine->put("a", fmt::format("doc{}", written), json_of(written, 100));
    written += last ? 1U : 0U;
  }
  expect_code(last, ErrorCode::kReadOnly, "put");
  EXPECT_EQ(last.error().sys_errno, EIO);
  EXPECT_EQ(engine->list("", "", 2000)->size(), written);
  disk.set_fault(nullptr);
  EXPECT_TRUE(engine->put("a", "later", "1").has_value()) << "by itself, when the disk works again";
}

TEST(StoreFailure, AWriteToADiskThatIsAlmostFullIsRefusedAndADeleteIsNot) {
  MemoryDisk disk;
  const auto engine = open_engine(kStore, small_options(&disk));
  ASSERT_TRUE(engine->put("a", "x", "1").has_value());
  disk.set_capacity(disk.used());
  // The space is asked for every so many writes.
  Result<Seq> last = Seq{0};
  for (int i = 0; i < 100 && last; ++i) {
    last = engine->put("a", "y", "1");
  }
  expect_code(last, ErrorCode::kNoSpace, "put");
  EXPECT_NE(last.error().context.find("available"), std::string::npos) << last.error().context;
  EXPECT_TRUE(engine->erase("a", "x").has_value());
  disk.set_capacity(MemoryDisk::kNever);
  EXPECT_TRUE(engine->put("a", "x", "2").has_value());
}

// --- A base store
// ---------------------------------------------------------------------------------

store::BaseStoreOptions base_options(io::FileSystem& files) {
  return {.directory = "/base",
          .block_cache_bytes = 64 << 10,
          .files = &files,
          .background_threads = false};
}

struct FailingBase {
  std::unique_ptr<MemoryDisk> disk;
  FailingDisk failing{*disk};
  std::unique_ptr<store::BaseStore> base{};  ///< Null: not opened.
};

/// Runs `once` with the n-th operation failing, for n = 1, 2, 3, ... until none is left to fail.
void for_each_failure(const MemoryDisk& image, bool opened,
                      const std::function<void(FailingBase&)>& once) {
  for (const FailureMode& mode : {kFailsOnce, kFailsFromThereOn}) {
    bool reached = true;
    for (std::uint64_t n = 1; reached; ++n) {
      SCOPED_TRACE(fmt::format("operation {} {}", n, mode.name));
      ASSERT_LT(n, kOperationsMax);
      FailingBase run{.disk = image.clone()};
      if (opened) {
        auto base = store::BaseStore::open(base_options(run.failing));
        ASSERT_TRUE(base.has_value()) << text_of(base);
        run.base = *std::move(base);
      }
      run.failing.fail_from(n, mode);
      once(run);
      reached = run.failing.reached();
    }
  }
}

store::Model model_of(MemoryDisk& disk) {
  const auto base = store::BaseStore::open(base_options(disk));
  EXPECT_TRUE(base.has_value()) << text_of(base);
  const auto found = base ? store::read_all(**base) : Result<store::Model>(store::Model{});
  EXPECT_TRUE(found.has_value()) << text_of(found);
  return found ? *found : store::Model{};
}

TEST(BaseFailure, AMergeThatFailsIsReportedAndLosesNothing) {
  constexpr Seq kCheckpointsBeforeMerge = 31;  // See store_crash_test.cc.
  constexpr std::size_t kDocuments = 12;
  MemoryDisk image;
  store::Model before;
  {
    const auto base = store::BaseStore::create(base_options(image));
    ASSERT_TRUE(base.has_value()) << text_of(base);
    for (Seq number = 1; number <= kCheckpointsBeforeMerge; ++number) {
      const auto [documents, meta] = store::make_checkpoint(number, kDocuments);
      ASSERT_TRUE(store::ingest(**base, documents, meta).has_value());
      before.apply(documents, meta);
    }
  }
  const auto [documents, meta] = store::make_checkpoint(kCheckpointsBeforeMerge + 1, kDocuments);
  store::Model after = before;
  after.apply(documents, meta);
  std::uint64_t merges_failed = 0;
  for_each_failure(image, true, [&, &changes = documents, &checkpoint = meta](FailingBase& run) {
    auto& [disk, failing, base] = run;
    const Status merged = store::ingest(*base, changes, checkpoint);
    failing.heal();
    if (!merged) {
      EXPECT_TRUE(merged.error().injected) << to_string(merged.error());
      const bool merging = merged.error().context.starts_with("merge the base store");
      merges_failed += merging ? 1U : 0U;
      const Status reopened = base->reopen();
      ASSERT_TRUE(reopened.has_value()) << to_string(reopened.error());
      const auto found = store::read_all(*base);
      ASSERT_TRUE(found.has_value()) << text_of(found);
      EXPECT_TRUE(*found == before || (!merging && *found == after));
      const Status again = store::ingest(*base, changes, checkpoint);
      EXPECT_TRUE(again.has_value()) << to_string(again.error());
    }
    base = nullptr;
    disk->lose_power(std::nullopt);
    EXPECT_TRUE(model_of(*disk) == after);
  });
  EXPECT_GT(merges_failed, 10U);
}

// A document that could not be read is not absent.
TEST(BaseFailure, ADocumentThatCannotBeReadIsAnError) {
  constexpr std::size_t kDocuments = 50;
  constexpr std::size_t kBytes = 700;
  MemoryDisk image;
  const auto [documents, meta] = store::make_checkpoint(1, kDocuments, kBytes);
  {
    const auto base = store::BaseStore::create(base_options(image));
    ASSERT_TRUE(base.has_value()) << text_of(base);
    ASSERT_TRUE(store::ingest(**base, documents, meta).has_value());
  }
  std::uint64_t errors = 0;
  for_each_failure(image, true, [&, &all = documents](FailingBase& run) {
    for (const auto& [id, value] : all) {
      const auto found = run.base->get(id);
      if (!found) {
        ++errors;
        EXPECT_TRUE(found.error().injected) << to_string(found.error());
        EXPECT_NE(found.error().context.find("/base/"), std::string::npos) << found.error().context;
      } else {
        EXPECT_EQ(*found, value) << id;
      }
    }
    run.failing.heal();
    for (const auto& [id, value] : all) {
      const auto found = run.base->get(id);
      ASSERT_TRUE(found.has_value()) << text_of(found);
      EXPECT_EQ(*found, value) << id;
    }
  });
  EXPECT_GT(errors, kDocuments);
}

TEST(BaseFailure, ACreationOverLeftoversIsWholeOrCanBeRepeated) {
  MemoryDisk image;
  ASSERT_TRUE(store::BaseStore::create(base_options(image)).has_value());
  image.restart();
  std::uint64_t errors = 0;
  for_each_failure(image, false, [&](FailingBase& run) {
    MemoryDisk* const disk = run.disk.get();
    FailingDisk& failing = run.failing;
    Status created;
    if (auto made = store::BaseStore::create(base_options(failing)); !made) {
      created = std::unexpected(made.error());
    }
    const auto failed = failing.heal();
    EXPECT_EQ(failing.open_handles(), 0U);
    if (!created) {
      ++errors;
      EXPECT_TRUE(created.error().injected)
          << failed.front().operation << " " << failed.front().path << ": "
          << to_string(created.error());
      const auto again = store::BaseStore::create(base_options(failing));
      ASSERT_TRUE(again.has_value()) << text_of(again);
    }
    disk->lose_power(std::nullopt);
    EXPECT_TRUE(model_of(*disk) == store::Model{});
  });
  EXPECT_GT(errors, 30U);
}

TEST(BaseFailure, ACreationOverDocumentsIsRefusedWhateverFails) {
  MemoryDisk image;
  const auto [documents, meta] = store::make_checkpoint(1, 12);
  {
    const auto base = store::BaseStore::create(base_options(image));
    ASSERT_TRUE(base.has_value()) << text_of(base);
    ASSERT_TRUE(store::ingest(**base, documents, meta).has_value());
  }
  store::Model model;
  model.apply(documents, meta);
  for_each_failure(image, false, [&](FailingBase& run) {
    MemoryDisk* const disk = run.disk.get();
    FailingDisk& failing = run.failing;
    const auto created = store::BaseStore::create(base_options(failing));
    const auto failed = failing.heal();
    EXPECT_FALSE(created.has_value()) << failed.front().operation << " " << failed.front().path;
    disk->lose_power(std::nullopt);
    EXPECT_TRUE(model_of(*disk) == model);
  });
}

// Not even for reading: what was asked of it is an error, and no absence.
TEST(StoreFailure, ABaseStoreThatDoesNotOpenAgainSaysSo) {
  MemoryDisk disk;
  FailingDisk failing(disk);
  const auto base = store::BaseStore::create(base_options(failing));
  ASSERT_TRUE(base.has_value()) << text_of(base);
  failing.fail_from(1, kFailsFromThereOn);
  ASSERT_FALSE((*base)->reopen().has_value());
  class Nothing final : public store::CheckpointSource {
   public:
    bool next(std::string& /*id*/, store::BaseValue& /*value*/) override { return false; }
  } nothing;
  for (const Error& error : {(*base)->meta().error(), (*base)->get("x").error(),
                             (*base)->cursor("").error(), (*base)->ingest(nothing, {}).error()}) {
    EXPECT_EQ(error.code, ErrorCode::kIo);
    EXPECT_NE(error.context.find("not open"), std::string::npos) << error.context;
  }
  failing.heal();
  ASSERT_TRUE((*base)->reopen().has_value());
  EXPECT_EQ(*(*base)->get("x"), std::nullopt);
}

}  // namespace
}  // namespace pluresdb::testing
