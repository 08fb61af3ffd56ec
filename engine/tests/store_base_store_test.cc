// The base store on the real file system: what it keeps, what it refuses, what it reports.
#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "engine/store/base_inspector.h"
#include "engine/store/base_store.h"
#include "engine/tests/io_test_directory.h"
#include "engine/tests/store_simulated_disk.h"
#include "engine/tests/store_test_support.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

std::string name_of(const testing::TestParamInfo<bool>& info) {
  return info.param ? "Sealed" : "Plain";
}

/// Plain and encrypted.
class BaseStoreTest : public testing::TestWithParam<bool> {
 protected:
  [[nodiscard]] BaseStoreOptions options(bool background_threads = false) const {
    return {.directory = directory_ / "base",
            .block_cache_bytes = 1 << 20,
            .files = &io::posix_file_system(),
            .keys = keys_if(GetParam()),
            .background_threads = background_threads};
  }
  std::unique_ptr<BaseStore> created(bool background_threads = false) {
    auto store = BaseStore::create(options(background_threads));
    EXPECT_TRUE(store) << to_string(store.error());
    return store ? *std::move(store) : nullptr;
  }
  io::TestDirectory directory_;
};
INSTANTIATE_TEST_SUITE_P(Stores, BaseStoreTest, testing::Bool(), name_of);

void expect_holds(BaseStore& store, const Model& model) {
  const auto found = read_all(store);
  ASSERT_TRUE(found) << to_string(found.error());
  EXPECT_EQ(found->meta, model.meta);
  EXPECT_TRUE(found->documents == model.documents);
}

TEST_P(BaseStoreTest, NewOneIsEmptyWithZeroMeta) {
  const auto store = created();
  expect_holds(*store, {});
  const auto missing = store->get("x");
  ASSERT_TRUE(missing);
  EXPECT_FALSE(missing->has_value());
  EXPECT_TRUE(store->close());
}

TEST_P(BaseStoreTest, KeepsEveryKindOfValueAcrossOpens) {
  Model model;
  BaseValue in_log = inline_value(3, "");
  in_log.kind = ValueKind::kInLog;
  in_log.value_bytes = 1 << 20;
  in_log.value_crc = 0xdeadbeef;
  const Documents documents = {{"a", inline_value(1, "{\"k\":1}")},
                               {std::string("b\xff\x01", 3), tombstone(2)},
                               {"c", in_log},
                               {"d", inline_value(4, "")}};
  CheckpointMeta meta{.checkpoint_seq = 4, .hlc_floor = 9, .tombstones = 1};
  meta.version_vector = {{"agent", 4}};
  model.apply(documents, meta);
  {
    const auto store = created();
    ASSERT_TRUE(ingest(*store, documents, meta));
    expect_holds(*store, model);
    ASSERT_TRUE(store->close());
  }
  const auto again = BaseStore::open(options());
  ASSERT_TRUE(again) << to_string(again.error());
  expect_holds(**again, model);
  const auto value = (*again)->get("c");
  ASSERT_TRUE(value && *value);
  EXPECT_EQ(**value, in_log);
  EXPECT_GT((*again)->file_bytes(), 0U);
}

TEST_P(BaseStoreTest, CheckpointWithoutDocumentsMovesTheMeta) {
  const auto store = created();
  const CheckpointMeta meta{.checkpoint_seq = 77, .previous_checkpoint_seq = 70};
  ASSERT_TRUE(ingest(*store, {}, meta));
  expect_holds(*store, {.documents = {}, .meta = meta});
}

TEST_P(BaseStoreTest, CursorStartsAtAnIdAndKeepsItsSnapshot) {
  const auto store = created();
  ASSERT_TRUE(ingest(*store, {{"a", inline_value(1, "1")}, {"c", inline_value(2, "2")}},
                     {.checkpoint_seq = 2}));
  const auto cursor = store->cursor("b");
  ASSERT_TRUE(cursor);
  ASSERT_TRUE(ingest(*store, {{"c", inline_value(3, "3")}, {"d", inline_value(4, "4")}},
                     {.checkpoint_seq = 4}));
  std::string id;
  BaseValue value;
  ASSERT_TRUE(*(*cursor)->next(id, value));
  EXPECT_EQ(id, "c");
  EXPECT_EQ(value.json, "2");
  EXPECT_FALSE(*(*cursor)->next(id, value));
  EXPECT_FALSE(*(*cursor)->next(id, value)) << "the end stays the end";
}

TEST_P(BaseStoreTest, CursorSaysThatItsStoreWasReopened) {
  const auto store = created();
  ASSERT_TRUE(ingest(*store, {{"a", inline_value(1, "1")}}, {.checkpoint_seq = 1}));
  const auto cursor = store->cursor("");
  ASSERT_TRUE(cursor);
  ASSERT_TRUE(store->reopen());
  std::string id;
  BaseValue value;
  const auto next = (*cursor)->next(id, value);
  ASSERT_FALSE(next);
  EXPECT_EQ(next.error().code, ErrorCode::kIo);
  EXPECT_EQ(store->meta()->checkpoint_seq, 1U);
}

TEST_P(BaseStoreTest, OpenNeverCreates) {
  const auto missing = BaseStore::open(options());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kBaseLost);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "base"));
  std::filesystem::create_directory(directory_ / "base");
  const auto empty = BaseStore::open(options());
  ASSERT_FALSE(empty);
  EXPECT_EQ(empty.error().code, ErrorCode::kBaseLost);
  EXPECT_TRUE(std::filesystem::is_empty(directory_ / "base"));
}

TEST_P(BaseStoreTest, MissingOrDamagedFilesAreBaseLost) {
  {
    const auto store = created();
    const auto [documents, meta] = make_checkpoint(1, 50);
    ASSERT_TRUE(ingest(*store, documents, meta));
    ASSERT_TRUE(store->close());
  }
  const std::filesystem::path base = directory_ / "base";
  const std::filesystem::path pristine = directory_ / "pristine";
  std::filesystem::rename(base, pristine);
  std::vector<std::string> tables;
  std::vector<std::string> victims;
  for (const auto& entry : std::filesystem::directory_iterator(pristine)) {
    const auto name = entry.path().filename().string();
    if (name.ends_with(".sst")) {
      tables.push_back(name);
    }
    if (name.ends_with(".sst") || name.starts_with("MANIFEST") || name == "CURRENT") {
      victims.push_back(name);
    }
  }
  ASSERT_EQ(tables.size(), 2U);
  ASSERT_EQ(victims.size(), 4U);
  for (const std::string& victim : victims) {
    for (const bool half : {false, true}) {
      std::filesystem::remove_all(base);
      std::filesystem::copy(pristine, base);
      if (half) {
        std::filesystem::resize_file(base / victim, std::filesystem::file_size(base / victim) / 2);
      } else {
        std::filesystem::remove(base / victim);
      }
      const auto opened = BaseStore::open(options());
      ASSERT_FALSE(opened) << victim;
      EXPECT_EQ(opened.error().code, ErrorCode::kBaseLost) << to_string(opened.error());
      // Half a MANIFEST is an older state to RocksDB: what it does not name must stay all the same.
      for (const std::string& table : tables) {
        EXPECT_TRUE(table == victim || std::filesystem::exists(base / table)) << victim;
      }
    }
  }
}

TEST_P(BaseStoreTest, SecondOpenIsLocked) {
  const auto store = created();
  const auto second = BaseStore::open(options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kLocked);
  EXPECT_NE(second.error().context.find("locked by pid"), std::string::npos);
}

TEST_P(BaseStoreTest, CreateRemovesLeftoversButNoDocuments) {
  const std::filesystem::path base = directory_ / "base";
  std::filesystem::create_directory(base);
  std::ofstream(base / "MANIFEST-000001") << "half";
  std::ofstream(base / "000007.sst") << "half";
  std::ofstream(base / "ingest.sst") << "half";
  {
    const auto store = created();
    const auto [documents, meta] = make_checkpoint(1, 5);
    ASSERT_TRUE(ingest(*store, documents, meta));
    ASSERT_TRUE(store->close());
  }
  const auto over = BaseStore::create(options());
  ASSERT_FALSE(over);
  EXPECT_EQ(over.error().code, ErrorCode::kInvalidArgument);
  // Even when it cannot be opened, what may be documents is left alone.
  std::filesystem::remove(base / "CURRENT");
  std::ofstream(base / "000099.sst") << std::string(100'000, 'x');
  const auto unreadable = BaseStore::create(options());
  ASSERT_FALSE(unreadable);
  EXPECT_EQ(unreadable.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::exists(base / "000099.sst"));
}

TEST_P(BaseStoreTest, WritesEveryCheckpointOnceAndLeavesNoSecondName) {
  const auto store = created();
  const auto [documents, meta] = make_checkpoint(1, 2000, 400);
  ASSERT_TRUE(ingest(*store, documents, meta));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "base/ingest.sst"));
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "base")) {
    if (entry.path().extension() == ".sst") {
      EXPECT_EQ(std::filesystem::hard_link_count(entry.path()), 1U) << entry.path();
    }
    EXPECT_EQ(entry.status().permissions() & std::filesystem::perms::others_all,
              std::filesystem::perms::none);
  }
}

class BaseStoreInMemory : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Stores, BaseStoreInMemory, testing::Bool(), name_of);

TEST_P(BaseStoreInMemory, ReadsGoOnWhenAFullDiskForbidsReopening) {
  SimulatedDisk disk;
  const BaseStoreOptions options{.directory = "base",
                                 .block_cache_bytes = 1 << 20,
                                 .files = &disk,
                                 .keys = keys_if(GetParam()),
                                 .background_threads = false};
  const auto store = BaseStore::create(options);
  ASSERT_TRUE(store) << to_string(store.error());
  const auto [first, first_meta] = make_checkpoint(1, 20);
  Model model;
  ASSERT_TRUE(ingest(**store, first, first_meta));
  model.apply(first, first_meta);
  disk.plan_fault(disk.operations() + 1, SimulatedDisk::Fault::kNoSpaceFromHere);
  const auto [second, second_meta] = make_checkpoint(2, 20);
  ASSERT_FALSE(ingest(**store, second, second_meta));
  const Status refused = (*store)->reopen();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace) << to_string(refused.error());
  expect_holds(**store, model);
  EXPECT_FALSE(ingest(**store, second, second_meta)) << "not before it is reopened";
  disk.heal();
  ASSERT_TRUE((*store)->reopen());
  expect_holds(**store, model);
  ASSERT_TRUE(ingest(**store, second, second_meta));
  model.apply(second, second_meta);
  expect_holds(**store, model);
}

// Many small checkpoints, on a disk in memory because each costs several syncs: the number of files
// stays bounded with and without background threads, and merging loses nothing of the model.
void expect_bounded(bool sealed, bool background_threads, std::size_t files_max) {
  SimulatedDisk disk;
  const BaseStoreOptions options{.directory = "base",
                                 .block_cache_bytes = 1 << 20,
                                 .files = &disk,
                                 .keys = keys_if(sealed),
                                 .background_threads = background_threads};
  const auto store = BaseStore::create(options);
  ASSERT_TRUE(store) << to_string(store.error());
  Model model;
  std::size_t most_files = 0;
  constexpr Seq kCheckpoints = 300;
  for (Seq number = 1; number <= kCheckpoints; ++number) {
    const auto [documents, meta] = make_checkpoint(number, 20);
    ASSERT_TRUE(ingest(**store, documents, meta));
    model.apply(documents, meta);
    const auto names = disk.list("base");
    ASSERT_TRUE(names);
    most_files = std::max(most_files, names->size());
  }
  EXPECT_LE(most_files, files_max);
  expect_holds(**store, model);
  ASSERT_TRUE((*store)->reopen());
  expect_holds(**store, model);
}

TEST_P(BaseStoreTest, ABaseStoreOfAnotherStoreIsRefusedAndLeftAlone) {
  auto mine = options();
  mine.store_uuid.fill(std::byte{1});
  auto others = mine;
  others.store_uuid.fill(std::byte{2});
  const auto [documents, meta] = make_checkpoint(1, 20);
  {
    auto store = BaseStore::create(mine);
    ASSERT_TRUE(store) << to_string(store.error());
    ASSERT_TRUE(ingest(**store, documents, meta));
    ASSERT_TRUE((*store)->close());
  }
  const auto opened = BaseStore::open(others);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kBaseLost);
  EXPECT_NE(opened.error().context.find("another store"), std::string::npos);
  const auto inspected = BaseInspector::open(others);
  ASSERT_FALSE(inspected);
  EXPECT_EQ(inspected.error().code, ErrorCode::kBaseLost);
  const auto created = BaseStore::create(others);
  ASSERT_FALSE(created) << "it holds documents, whoever they belong to";
  EXPECT_EQ(created.error().code, ErrorCode::kInvalidArgument);
  auto store = BaseStore::open(mine);
  ASSERT_TRUE(store) << to_string(store.error());
  CheckpointMeta expected = meta;
  expected.store_uuid = mine.store_uuid;
  expect_holds(**store, {.documents = documents, .meta = expected});
}

TEST_P(BaseStoreTest, ABaseStoreOfVersionOneBelongsToWhoeverWritesIntoItNext) {
  auto mine = options();
  mine.store_uuid.fill(std::byte{1});
  const auto [documents, meta] = make_checkpoint(1, 20);
  {
    auto store = created();  // Without a uuid: the record has version 1.
    ASSERT_NE(store, nullptr);
    ASSERT_TRUE(ingest(*store, documents, meta));
    ASSERT_TRUE(store->close());
  }
  {
    auto store = BaseStore::open(mine);
    ASSERT_TRUE(store) << to_string(store.error());
    expect_holds(**store, {.documents = documents, .meta = meta});
    const auto [more, next] = make_checkpoint(2, 20);
    ASSERT_TRUE(ingest(**store, more, next));
    ASSERT_TRUE((*store)->close());
  }
  auto others = mine;
  others.store_uuid.fill(std::byte{2});
  const auto refused = BaseStore::open(others);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kBaseLost);
}

TEST_P(BaseStoreTest, ABaseStoreThatWasExchangedIsNotReadAfterAReopen) {
  auto mine = options();
  mine.store_uuid.fill(std::byte{1});
  auto others = mine;
  others.store_uuid.fill(std::byte{2});
  others.directory = directory_ / "others";
  const auto [documents, meta] = make_checkpoint(1, 20);
  {
    auto foreign = BaseStore::create(others);
    ASSERT_TRUE(foreign) << to_string(foreign.error());
    ASSERT_TRUE(ingest(**foreign, documents, meta));
    ASSERT_TRUE((*foreign)->close());
  }
  auto store = BaseStore::create(mine);
  ASSERT_TRUE(store) << to_string(store.error());
  std::filesystem::rename(mine.directory, directory_ / "away");
  std::filesystem::rename(others.directory, mine.directory);
  const Status reopened = (*store)->reopen();
  ASSERT_FALSE(reopened);
  EXPECT_EQ(reopened.error().code, ErrorCode::kBaseLost);
  EXPECT_FALSE((*store)->meta());
  EXPECT_FALSE((*store)->get(documents.begin()->first));
}

// A checkpoint that left all its bytes to one sync at its end would hold up the log's for as long.
TEST_P(BaseStoreInMemory, ACheckpointIsSyncedWhileItIsWritten) {
  constexpr Seq kDocuments = 2000;
  SimulatedDisk disk;
  auto store = BaseStore::create({.directory = "base",
                                  .block_cache_bytes = 1 << 20,
                                  .files = &disk,
                                  .keys = keys_if(GetParam()),
                                  .background_threads = false});
  ASSERT_TRUE(store) << to_string(store.error());
  const Documents documents = incompressible_documents(7, kDocuments);
  std::size_t unsynced = 0;
  disk.set_observer([&] { unsynced = std::max(unsynced, disk.unsynced_growth()); });
  CheckpointMeta meta;
  meta.checkpoint_seq = kDocuments;
  ASSERT_TRUE(ingest(**store, documents, meta));
  disk.set_observer({});
  EXPECT_LT(unsynced, 3U << 20);
  expect_holds(**store, {.documents = documents, .meta = meta});
}

TEST_P(BaseStoreInMemory, FilesAreBoundedWithoutBackgroundThreads) {
  expect_bounded(GetParam(), false, 45);
}
TEST_P(BaseStoreInMemory, FilesAreBoundedWithBackgroundThreads) {
  expect_bounded(GetParam(), true, 240);
}

}  // namespace
}  // namespace pluresdb::store
