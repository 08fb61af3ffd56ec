// Encrypted base stores as a whole. Goal: nothing of what is stored reaches a file in the clear,
// and whatever somebody without a key does to the files, the answers are errors or what was stored.
// Method: a history on a disk in memory, whose files are searched at every operation, then changed,
// cut, exchanged and mixed with those of other stores.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/store/base_inspector.h"
#include "engine/store/base_store.h"
#include "engine/store/keyring_versions.h"
#include "engine/store/sealed_format.h"
#include "engine/tests/store_simulated_disk.h"
#include "engine/tests/store_test_support.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

using Bytes = std::vector<std::byte>;
using Files = std::map<std::string, Bytes>;  // By path.

BaseStoreOptions options_of(SimulatedDisk& disk, const crypto::MasterKeys* keys) {
  return {.directory = "base",
          .block_cache_bytes = 256 << 10,
          .files = &disk,
          .keys = keys,
          .background_threads = false};
}

Files files_of(SimulatedDisk& disk) {
  Files files;
  const auto names = disk.list("base");
  for (const std::string& name : names ? *names : std::vector<std::string>{}) {
    const std::string path = io::join_path("base", name);
    auto bytes = io::read_whole_file(disk, path, 1ULL << 30);
    EXPECT_TRUE(bytes);
    files[path] = bytes ? *std::move(bytes) : Bytes{};
  }
  return files;
}

std::unique_ptr<SimulatedDisk> disk_of(const Files& files) {
  auto disk = std::make_unique<SimulatedDisk>();
  EXPECT_TRUE(disk->create_directory("base"));
  for (const auto& [path, bytes] : files) {
    const auto file = disk->open(path, io::OpenMode::kCreateOrEmpty);
    EXPECT_TRUE(file && (*file)->write(0, bytes));
  }
  return disk;
}

/// All that RocksDB reads when it opens a store and scans it.
bool is_read(const std::string& path) {
  return kind_of(path) == FileKind::kTable || kind_of(path) == FileKind::kManifest ||
         path.ends_with("/CURRENT");
}

/// A closed store after `checkpoints` of them, and what it held after each.
struct History {
  Files files;
  std::vector<Model> models;
};
History history(const crypto::MasterKeys* keys, Seq checkpoints) {
  History made;
  SimulatedDisk disk;
  auto store = BaseStore::create(options_of(disk, keys));
  EXPECT_TRUE(store) << to_string(store.error());
  Model model;
  made.models.push_back(model);
  for (Seq number = 1; store && number <= checkpoints; ++number) {
    const auto [documents, meta] = make_checkpoint(number, 6);
    EXPECT_TRUE(ingest(**store, documents, meta));
    model.apply(documents, meta);
    made.models.push_back(model);
  }
  EXPECT_TRUE(store && (*store)->close());
  made.files = files_of(disk);
  return made;
}

/// Everything, by scanning and by asking for each id.
Result<Model> answers(const Files& files, const crypto::MasterKeys* keys) {
  const auto disk = disk_of(files);
  TRY_ASSIGN(const auto store, BaseStore::open(options_of(*disk, keys)));
  TRY_ASSIGN(auto model, read_all(*store));
  for (const auto& [id, value] : model.documents) {
    TRY_ASSIGN(const auto single, store->get(id));
    EXPECT_TRUE(single == value) << id;
  }
  TRY(store->close());
  return model;
}

bool is_damage(const Error& error) {
  return error.code == ErrorCode::kBaseLost || error.code == ErrorCode::kCorruption;
}

bool holds(base::ByteSpan bytes, std::string_view text) {
  return base::as_text(bytes).find(text) != std::string_view::npos;
}

/// Which of `texts` are seen in any file at any operation of a history.
std::set<std::string> seen_on_disk(const crypto::MasterKeys* keys,
                                   const std::vector<std::string>& texts) {
  std::set<std::string> seen;
  SimulatedDisk disk;
  // The live bytes before each operation, those of temporary files included: nothing is on the disk
  // that was not there right after the operation that wrote it.
  std::size_t looks = 0;
  std::size_t files_seen = 0;
  disk.set_observer([&] {
    ++looks;
    const auto now = disk.power_loss(SimulatedDisk::Keep::kEverything, 0);
    for (const auto& [path, bytes] : files_of(*now)) {
      ++files_seen;
      EXPECT_TRUE(keys == nullptr || bytes.empty() || path.ends_with("/LOCK") ||
                  begins_sealed(bytes))
          << path;
      for (const std::string& text : texts) {
        if (holds(bytes, text)) {
          seen.insert(text);
        }
      }
    }
  });
  auto store = BaseStore::create(options_of(disk, keys));
  EXPECT_TRUE(store);
  for (Seq number = 1; store && number <= 34; ++number) {  // Over a merge.
    CheckpointMeta meta{.checkpoint_seq = number * 10};
    meta.version_vector = {{texts[2], number}};
    BaseValue value = inline_value(number * 10, texts[1] + std::to_string(number));
    value.stamp.actor = texts[2];
    EXPECT_TRUE(ingest(**store, {{texts[0] + std::to_string(number % 3), value}}, meta));
    if (number % 16 == 0) {
      EXPECT_TRUE((*store)->reopen());
    }
  }
  EXPECT_TRUE(store && (*store)->close());
  disk.set_observer({});
  EXPECT_GT(looks, 400U);
  EXPECT_GT(files_seen, 2000U);
  return seen;
}

TEST(SealedStore, NothingIsWrittenInTheClear) {
  const std::vector<std::string> texts{
      "an-id-8f3c",          "a-value-d91e", "an-actor-77ab",  // Ours.
      "BytewiseComparator",  "MANIFEST-0",   "[Version]",      // MANIFEST, CURRENT, OPTIONS.
      "rocksdb.num.entries", "Filter.bloom", "ordinary"        // Properties, filter; never there.
  };
  const auto plain = seen_on_disk(nullptr, texts);
  for (const char* text : {"an-id-8f3c", "a-value-d91e", "an-actor-77ab", "BytewiseComparator",
                           "MANIFEST-0", "[Version]"}) {
    EXPECT_TRUE(plain.contains(text)) << text << ": the search would not find it";
  }
  const crypto::MasterKeys keys = test_keys();
  EXPECT_TRUE(seen_on_disk(&keys, texts).empty());
}

TEST(SealedStore, AnyChangedByteIsFoundOrMeansNothing) {
  const crypto::MasterKeys keys = test_keys();
  const History made = history(&keys, 2);
  std::mt19937_64 numbers(11);
  std::size_t errors = 0;
  std::size_t older = 0;
  for (const auto& [path, bytes] : made.files) {
    for (std::size_t offset = 0; offset < bytes.size(); ++offset) {
      if (numbers() % 16 != 0) {  // Every bit of a file: store_sealed_contents_test.
        continue;
      }
      Files changed = made.files;
      changed[path][offset] ^= std::byte{1} << (numbers() % 8);
      const auto found = answers(changed, &keys);
      if (found && kind_of(path) == FileKind::kManifest) {  // Its last edit may have been torn.
        older += *found == made.models.back() ? 0U : 1U;
        EXPECT_NE(std::ranges::find(made.models, *found), made.models.end()) << offset;
      } else if (found) {
        EXPECT_TRUE(*found == made.models.back()) << path << " " << offset;
        EXPECT_FALSE(is_read(path)) << path << " " << offset;
      } else {
        EXPECT_TRUE(is_damage(found.error()) || found.error().code == ErrorCode::kKeyUnavailable)
            << path << " " << offset << " " << to_string(found.error());
        ++errors;
      }
    }
  }
  EXPECT_GT(errors, 60U);
  EXPECT_GT(older, 0U);
}

// At every byte: store_sealed_contents_test; here at some, as RocksDB takes it.
TEST(SealedStore, ManifestCutAnywhereIsAnOlderStateOrLost) {
  const crypto::MasterKeys keys = test_keys();
  const History made = history(&keys, 3);
  std::mt19937_64 numbers(5);
  std::size_t older = 0;
  for (const auto& [path, bytes] : made.files) {
    if (kind_of(path) != FileKind::kManifest) {
      continue;
    }
    for (std::size_t size = 0; size < bytes.size(); size += 1 + numbers() % 8) {
      Files cut = made.files;
      cut[path].resize(size);
      const auto found = answers(cut, &keys);
      if (found) {
        ++older;
        EXPECT_NE(std::ranges::find(made.models, *found), made.models.end()) << size;
      } else {
        EXPECT_EQ(found.error().code, ErrorCode::kBaseLost) << to_string(found.error());
      }
    }
  }
  EXPECT_GT(older, 20U) << "what RocksDB can read, it opens";
}

TEST(SealedStore, TableThatWasCutIsLost) {
  const crypto::MasterKeys keys = test_keys();
  const History made = history(&keys, 2);
  for (const auto& [path, bytes] : made.files) {
    if (kind_of(path) != FileKind::kTable) {
      continue;
    }
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kFileHeaderBytes - 1,
                                   kFileHeaderBytes, kFileHeaderBytes + kChunkExtraBytes,
                                   kFileHeaderBytes + kChunkExtraBytes + 1, bytes.size() - 1}) {
      Files cut = made.files;
      cut[path].resize(size);
      const auto found = answers(cut, &keys);
      ASSERT_FALSE(found) << path << " " << size;
      EXPECT_EQ(found.error().code, ErrorCode::kBaseLost) << to_string(found.error());
    }
  }
}

TEST(SealedStore, PlainAndSealedFilesAreNotMixed) {
  const crypto::MasterKeys keys = test_keys();
  const Files sealed = history(&keys, 2).files;
  const Files plain = history(nullptr, 2).files;
  std::size_t tried = 0;
  for (const auto& [path, bytes] : sealed) {
    if (!is_read(path)) {
      continue;
    }
    ASSERT_TRUE(plain.contains(path)) << path;  // The same history gives the same names.
    ++tried;
    Files mixed = sealed;
    mixed[path] = plain.at(path);
    const auto in_sealed = answers(mixed, &keys);
    ASSERT_FALSE(in_sealed) << path;
    EXPECT_EQ(in_sealed.error().code, ErrorCode::kBaseLost) << to_string(in_sealed.error());
    EXPECT_NE(in_sealed.error().context.find(path + " is not encrypted"), std::string::npos)
        << to_string(in_sealed.error());
    mixed = plain;
    mixed[path] = bytes;
    const auto in_plain = answers(mixed, nullptr);
    ASSERT_FALSE(in_plain) << path;
    if (kind_of(path) != FileKind::kTable) {  // RocksDB sees a table's size first.
      EXPECT_EQ(in_plain.error().code, ErrorCode::kKeyUnavailable) << to_string(in_plain.error());
    }
  }
  EXPECT_GE(tried, 5U);
  const auto without_keys = answers(sealed, nullptr);
  ASSERT_FALSE(without_keys);
  EXPECT_EQ(without_keys.error().code, ErrorCode::kKeyUnavailable);
  const auto with_keys = answers(plain, &keys);
  ASSERT_FALSE(with_keys);
  EXPECT_EQ(with_keys.error().code, ErrorCode::kBaseLost);
}

TEST(SealedStore, ExchangedFilesAreFound) {
  const crypto::MasterKeys keys = test_keys();
  const History made = history(&keys, 3);
  std::size_t tried = 0;
  for (const auto& [left, left_bytes] : made.files) {
    for (const auto& [right, right_bytes] : made.files) {
      if (left == right || !is_read(left)) {
        continue;
      }
      // In each other's place, and both the same.
      for (const bool both : {false, true}) {
        Files exchanged = made.files;
        exchanged[left] = right_bytes;
        if (both) {
          exchanged[right] = left_bytes;
        }
        ++tried;
        const auto found = answers(exchanged, &keys);
        ASSERT_FALSE(found) << left << " " << right;
        EXPECT_TRUE(is_damage(found.error())) << to_string(found.error());
      }
    }
  }
  EXPECT_GT(tried, 40U);
}

TEST(SealedStore, FilesOfAnotherStoreWithTheSameKeysAreFound) {
  const crypto::MasterKeys keys = test_keys(1);
  const crypto::MasterKeys others = test_keys(2);
  const History made = history(&keys, 2);
  const History strange = history(&others, 2);
  for (const auto& [path, bytes] : made.files) {
    if (!is_read(path)) {
      continue;
    }
    ASSERT_TRUE(strange.files.contains(path)) << path;
    Files mixed = made.files;
    mixed[path] = strange.files.at(path);
    const auto found = answers(mixed, &keys);
    ASSERT_FALSE(found) << path;
    EXPECT_EQ(found.error().code, ErrorCode::kBaseLost) << to_string(found.error());
  }
  EXPECT_FALSE(answers(strange.files, &keys));
}

TEST(SealedStore, GenerationsAreToldFromLoss) {
  const crypto::MasterKeys first = test_keys(1, 1);
  const crypto::MasterKeys second = test_keys(1, 2, 2);
  History made = history(&first, 2);
  // After a rotation the old files are read, and new ones are under the new generation.
  {
    const auto disk = disk_of(made.files);
    auto store = BaseStore::open(options_of(*disk, &second));
    ASSERT_TRUE(store) << to_string(store.error());
    const auto [documents, meta] = make_checkpoint(3, 6);
    ASSERT_TRUE(ingest(**store, documents, meta));
    made.models.back().apply(documents, meta);
    ASSERT_TRUE((*store)->close());
    made.files = files_of(*disk);
    const auto versions = keyring_versions(*disk, "base");
    ASSERT_TRUE(versions) << to_string(versions.error());
    const crypto::KeyringVersions both{{1, 1}, {2, 2}};
    EXPECT_EQ(*versions, both);
  }
  EXPECT_TRUE(keyring_versions(*disk_of(history(nullptr, 1).files), "base")->empty());
  Files damaged = made.files;
  damaged.at("base/CURRENT")[kFixedHeaderBytes] ^= std::byte{1};
  damaged["base/zz"] = damaged.at("base/CURRENT");
  {  // One damaged header does not silence the others.
    const auto versions = keyring_versions(*disk_of(damaged), "base");
    ASSERT_TRUE(versions) << to_string(versions.error());
    EXPECT_TRUE(versions->contains({2, 2}));
  }
  const auto found = answers(made.files, &second);
  ASSERT_TRUE(found) << to_string(found.error());
  EXPECT_TRUE(*found == made.models.back());
  const auto refused = answers(made.files, &first);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kKeyUnavailable) << to_string(refused.error());
}

TEST(SealedStore, CreatingLeavesAStoreAloneThatItHasNoKeyFor) {
  const crypto::MasterKeys keys = test_keys(1, 2);
  const crypto::MasterKeys older = test_keys(1, 1);
  const auto disk = disk_of(history(&keys, 2).files);
  const Files before = files_of(*disk);
  for (const crypto::MasterKeys* wrong :
       {&older, static_cast<const crypto::MasterKeys*>(nullptr)}) {
    const auto created = BaseStore::create(options_of(*disk, wrong));
    ASSERT_FALSE(created);
    EXPECT_EQ(created.error().code, ErrorCode::kKeyUnavailable) << to_string(created.error());
    for (const auto& [path, bytes] : before) {
      EXPECT_TRUE(kind_of(path) != FileKind::kTable || disk->info(path)) << path;
    }
  }
}

TEST(SealedStore, InspectorReadsAndVerifiesIt) {
  const crypto::MasterKeys keys = test_keys();
  const History made = history(&keys, 2);
  const auto disk = disk_of(made.files);
  {
    const auto inspector = BaseInspector::open(options_of(*disk, &keys));
    ASSERT_TRUE(inspector) << to_string(inspector.error());
    EXPECT_EQ((*inspector)->meta()->checkpoint_seq, made.models.back().meta.checkpoint_seq);
    const auto tables = (*inspector)->tables();
    EXPECT_EQ(tables.size(), 3U);
    for (const TableInfo& table : tables) {
      EXPECT_TRUE((*inspector)->verify_table(table)) << table.name;
      EXPECT_GT(table.records, 0U);
    }
  }
  const auto refused = BaseInspector::open(options_of(*disk, nullptr));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kKeyUnavailable) << to_string(refused.error());
}

}  // namespace
}  // namespace pluresdb::store
