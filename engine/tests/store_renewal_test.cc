// Goal: a table of an encrypted base store gets a new data key while RocksDB has it open, reads it
// or deletes it, and nothing but the key changes; no name that was deleted comes to life again, and
// no reader keeps the old file.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/sealed_file.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include "engine/store/base_store.h"
#include "engine/store/file_contents.h"
#include "engine/store/file_renewal.h"
#include "engine/store/sealed_format.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/forwarding_file_system.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

using pluresdb::testing::MemoryDisk;

constexpr const char* kBase = "/base";
constexpr std::size_t kMasterKeyBytes = 32;

/// Generations 1 .. `newest`, the same keys for every caller.
crypto::MasterKeys keys_up_to(crypto::Generation newest) {
  std::map<crypto::Generation, crypto::SecretBytes> keys;
  for (crypto::Generation generation = 1; generation <= newest; ++generation) {
    const std::vector<std::byte> key(kMasterKeyBytes, static_cast<std::byte>(generation));
    keys.emplace(generation, *crypto::SecretBytes::copy_of(key));
  }
  return {{}, newest, std::move(keys)};
}

/// Which open files are still the ones that another has taken the name of; and calls back before
/// names change.
class NameWatch final : public io::ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    TRY_ASSIGN(auto file, ForwardingFileSystem::open(path, mode));
    return std::make_unique<Watched>(*this, path, std::move(file));
  }
  Status rename(const std::string& from, const std::string& to) override {
    before_rename(from);
    TRY(ForwardingFileSystem::rename(from, to));
    for (Watched* const file : open_) {
      file->is_replaced = file->is_replaced || file->path == to;
    }
    return {};
  }
  [[nodiscard]] std::ptrdiff_t replaced_but_open() const {
    return std::ranges::count_if(open_, [](const Watched* file) { return file->is_replaced; });
  }
  [[nodiscard]] std::ptrdiff_t open_tables() const {
    return std::ranges::count_if(open_,
                                 [](const Watched* file) { return file->path.ends_with(".sst"); });
  }

  std::function<void(const std::string&)> before_rename = [](const std::string&) {};

 private:
  struct Watched final : public io::ForwardingFile {
    Watched(NameWatch& watch_, std::string path_, std::unique_ptr<io::File> next)
        : ForwardingFile(std::move(next)), watch(watch_), path(std::move(path_)) {
      watch.open_.insert(this);
    }
    ~Watched() override { watch.open_.erase(this); }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    Watched(Watched&&) = delete;
    Watched& operator=(Watched&&) = delete;

    NameWatch& watch;
    const std::string path;
    bool is_replaced = false;
  };

  std::set<Watched*> open_;  // One thread.
};

class Documents final : public CheckpointSource {
 public:
  explicit Documents(int version) : version_(version) {}
  bool next(std::string& id, BaseValue& value) override {
    if (next_ == kCount) {
      return false;
    }
    id = fmt::format("doc{:04}", next_++);
    std::string pad;  // Nothing that a table could compress.
    while (pad.size() < 200) {
      state_ = state_ * 1664525U + 1013904223U;
      pad += fmt::format("{:06x}", state_ >> 8U);
    }
    value = BaseValue{.json = fmt::format(R"({{"v":{},"pad":"{}"}})", version_, pad)};
    return true;
  }
  static constexpr int kCount = 400;

 private:
  const int version_;
  int next_ = 0;
  std::uint32_t state_ = 1;
};

class RenewedStore : public ::testing::Test {
 protected:
  /// Written under generation 1, open under generation 2.
  RenewedStore() {
    const crypto::MasterKeys first = keys_up_to(1);
    const auto store = BaseStore::create(options(first));
    EXPECT_TRUE(store.has_value());
    for (const int version : {1, 2, 3}) {
      Documents documents(version);
      const auto seq = static_cast<Seq>(version);
      EXPECT_TRUE((*store)->ingest(documents, {.checkpoint_seq = seq}).has_value());
    }
    EXPECT_TRUE((*store)->close().has_value());
    auto opened = BaseStore::open(options(second_));
    EXPECT_TRUE(opened.has_value());
    store_ = *std::move(opened);
  }
  BaseStoreOptions options(const crypto::MasterKeys& keys) {
    return {.directory = kBase, .files = &files_, .keys = &keys, .background_threads = false};
  }
  /// The largest first.
  std::vector<std::string> old_files(FileKind kind, bool same) {
    std::vector<std::string> paths;
    const auto found = store_->sealed_files();
    EXPECT_TRUE(found.has_value());
    for (const crypto::SealedFile& file : *found) {
      if (file.generation == 1 && (kind_of(file.path) == kind) == same) {
        paths.push_back(file.path);
      }
    }
    std::ranges::sort(paths, std::greater{},
                      [this](const std::string& path) { return disk_.info(path)->size_bytes; });
    return paths;
  }
  void expect_documents(int version) {
    const auto cursor = store_->cursor("");
    ASSERT_TRUE(cursor.has_value());
    std::string id;
    BaseValue value;
    int count = 0;
    while (*(*cursor)->next(id, value)) {
      EXPECT_TRUE(value.json.starts_with(fmt::format(R"({{"v":{},)", version))) << id;
      ++count;
    }
    EXPECT_EQ(count, Documents::kCount);
  }
  static Status ignore(std::uint64_t /*bytes*/) { return {}; }

  MemoryDisk disk_;
  NameWatch files_{disk_};
  const crypto::MasterKeys second_ = keys_up_to(2);
  std::unique_ptr<BaseStore> store_;
};

TEST_F(RenewedStore, HasTheSameContentsUnderTheNewKeyOnly) {
  const auto tables = old_files(FileKind::kTable, true);
  ASSERT_GE(tables.size(), 2U);
  const auto contents = make_sealed_contents(files_, second_);
  for (const std::string& table : tables) {
    const auto before = contents->size_of(table);
    const auto file_before = io::read_whole_file(files_, table, 1 << 20);
    std::uint64_t told = 0;
    const Status renewed = store_->renew_table(table, [&](std::uint64_t bytes) -> Status {
      told += bytes;
      return {};
    });
    ASSERT_TRUE(renewed.has_value()) << to_string(renewed.error());
    EXPECT_EQ(told, *before);
    const auto file_after = io::read_whole_file(files_, table, 1 << 20);
    EXPECT_EQ(file_after->size(), file_before->size());
    EXPECT_NE(*file_after, *file_before);
    expect_documents(3);
  }
  ASSERT_TRUE(store_->reopen_renewed().has_value());
  EXPECT_EQ(old_files(FileKind::kTable, true), std::vector<std::string>{});
  EXPECT_EQ(old_files(FileKind::kTable, false), std::vector<std::string>{});
  expect_documents(3);
  Documents documents(4);
  ASSERT_TRUE(store_->ingest(documents, {.checkpoint_seq = 4}).has_value());
  expect_documents(4);
}

// Red without OpenTables::exchange: RocksDB's readers then hold every table that was renewed.
TEST_F(RenewedStore, KeepsNoReaderOfTheOldFile) {
  expect_documents(3);
  ASSERT_GT(files_.open_tables(), 1);
  for (const std::string& table : old_files(FileKind::kTable, true)) {
    ASSERT_TRUE(store_->renew_table(table, ignore).has_value());
    EXPECT_EQ(files_.replaced_but_open(), 0);
  }
  expect_documents(3);
}

// Red when exchange() does not ask whether the file is still there.
TEST_F(RenewedStore, ATableThatIsDeletedMeanwhileStaysAway) {
  const std::string table = old_files(FileKind::kTable, true).front();
  const Status renewed =
      store_->renew_table(table, [&](std::uint64_t) { return disk_.remove(table); });
  EXPECT_TRUE(renewed.has_value()) << to_string(renewed.error());
  EXPECT_FALSE(disk_.info(table).has_value());
  EXPECT_FALSE(disk_.info(renewal_path(table)).has_value());
}

TEST_F(RenewedStore, ANameThatIsAnotherFileByNowKeepsThatFile) {
  const auto tables = old_files(FileKind::kTable, true);
  const auto other = *io::read_whole_file(disk_, tables[1], 1 << 20);
  const Status renewed = store_->renew_table(
      tables[0], [&](std::uint64_t) { return io::write_file_atomically(disk_, tables[0], other); });
  EXPECT_TRUE(renewed.has_value()) << to_string(renewed.error());
  EXPECT_EQ(*io::read_whole_file(disk_, tables[0], 1 << 20), other);
  EXPECT_FALSE(disk_.info(renewal_path(tables[0])).has_value());
}

/// Loses the last chunk of a copy: what is left of it is a whole file, and another one.
class LosingFiles final : public io::ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    TRY_ASSIGN(auto file, ForwardingFileSystem::open(path, mode));
    if (mode == io::OpenMode::kRead || !path.ends_with("renewed.sst")) {
      return file;
    }
    return std::make_unique<Losing>(std::move(file));
  }

 private:
  struct Losing final : public io::ForwardingFile {
    using ForwardingFile::ForwardingFile;
    Status write(std::uint64_t offset, base::ByteSpan data) override {
      return offset > 0 ? Status{} : ForwardingFile::write(offset, data);
    }
  };
};

TEST_F(RenewedStore, ACopyThatIsNotTheSameReplacesNothing) {
  const std::string table = old_files(FileKind::kTable, true).front();
  ASSERT_GT(disk_.info(table)->size_bytes, 2 * kFullChunkBytes);
  LosingFiles losing(disk_);
  const auto contents = make_sealed_contents(losing, second_);
  const auto copied = copy_under_new_key(losing, *contents, table, ignore);
  ASSERT_FALSE(copied.has_value());
  EXPECT_EQ(copied.error().code, ErrorCode::kCorruption);
  EXPECT_NE(copied.error().context.find("read back"), std::string::npos) << copied.error().context;
  EXPECT_FALSE(disk_.info(renewal_path(table)).has_value()) << "left behind";
}

// A stream alone would take a torn chunk for the end.
TEST_F(RenewedStore, ATableWithoutItsEndIsNotRenewed) {
  const std::string table = old_files(FileKind::kTable, true).front();
  const auto before = *io::read_whole_file(disk_, table, 1 << 20);
  const auto cut = base::ByteSpan(before).first(before.size() - 10);
  ASSERT_TRUE(io::write_file_atomically(disk_, table, cut).has_value());
  const Status renewed = store_->renew_table(table, ignore);
  ASSERT_FALSE(renewed.has_value());
  EXPECT_EQ(renewed.error().code, ErrorCode::kCorruption);
  EXPECT_EQ(disk_.info(table)->size_bytes, before.size() - 10);
  EXPECT_FALSE(disk_.info(renewal_path(table)).has_value()) << "left behind";
}

TEST_F(RenewedStore, LeftoversOfACopyAreRemovedByTheNextOpening) {
  ASSERT_TRUE(store_->close().has_value());
  const std::vector<std::string> left = {
      renewal_path("/base/000012.sst"), renewal_path("/base/MANIFEST-000001"),
      renewal_path("/base/000012.log"), renewal_path("/base/CURRENT")};
  EXPECT_EQ(std::set<std::string>(left.begin(), left.end()).size(), 4U);
  for (const std::string& path : left) {
    ASSERT_TRUE(io::write_file_atomically(disk_, path, std::vector<std::byte>(300)).has_value());
  }
  const auto opened = BaseStore::open(options(second_));
  ASSERT_TRUE(opened.has_value()) << to_string(opened.error());
  for (const std::string& path : left) {
    EXPECT_FALSE(disk_.info(path).has_value()) << path;
  }
}

// A scan under way hears that it is over; a new one finds everything.
TEST_F(RenewedStore, ReopeningCutsOffCursorsAndSaysSo) {
  const auto cursor = store_->cursor("");
  ASSERT_TRUE(cursor.has_value());
  std::string id;
  BaseValue value;
  ASSERT_TRUE(*(*cursor)->next(id, value));
  EXPECT_FALSE((*cursor)->is_cut_off());
  ASSERT_TRUE(store_->reopen_renewed().has_value());
  EXPECT_FALSE((*cursor)->next(id, value).has_value());
  EXPECT_TRUE((*cursor)->is_cut_off());
  expect_documents(3);
}

}  // namespace
}  // namespace pluresdb::store
