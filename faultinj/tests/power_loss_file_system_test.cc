// Rules of POSIX durability, one by one, where a reader can check them.
#include "faultinj/power_loss_file_system.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/power_loss.h"
#include "faultinj/tests/observed_file_system.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Status;
using pluresdb::base::as_bytes;
using pluresdb::base::as_text;
using pluresdb::io::File;
using pluresdb::io::FileSystem;
using pluresdb::io::OpenMode;
using Names = PowerLossPolicy::Names;
using Writes = PowerLossPolicy::Writes;

class PowerLossTest : public testing::Test {
 protected:
  PowerLossTest() { boot(); }

  void boot() {
    open_files.clear();
    machine.reset();
    auto made = make_power_loss_file_system(disk, root(), loss_journal.get());
    ASSERT_TRUE(made.has_value()) << pluresdb::to_string(made.error());
    machine = *std::move(made);
  }

  PowerLossOutcome lose_power(const PowerLossPolicy& policy = {}) {
    open_files.clear();
    machine.reset();
    const auto outcome = apply_power_loss(root(), loss_journal.get(), policy);
    EXPECT_TRUE(outcome.has_value());
    boot();
    return outcome.value_or(PowerLossOutcome{});
  }

  [[nodiscard]] std::string root() const { return store.path(); }
  [[nodiscard]] std::string path(const std::string& name) const { return root() + "/" + name; }

  /// Closed at the end of the worker's life.
  File* open(const std::string& name, OpenMode mode = OpenMode::kCreateOrEmpty) {
    auto file = machine->open(path(name), mode);
    EXPECT_TRUE(file.has_value()) << pluresdb::to_string(file.error());
    return file ? open_files.emplace_back(*std::move(file)).get() : nullptr;
  }

  /// A file whose name and contents are durable.
  void make_durable(const std::string& name, const std::string& text) {
    File* const file = open(name);
    expect_ok(file->write(0, as_bytes(text)));
    expect_ok(file->sync_all());
    expect_ok(file->close());
    sync_root();
  }

  void sync_root() { expect_ok(machine->sync_directory(root())); }

  static void expect_ok(const Status& status) {
    EXPECT_TRUE(status.has_value()) << pluresdb::to_string(status.error());
  }

  /// "(none)" when there is no such file.
  std::string text(const std::string& name) { return text_in(*machine, name); }
  std::string text_in(FileSystem& files, const std::string& name) {
    const auto bytes = pluresdb::io::read_whole_file(files, path(name), 1 << 24);
    return bytes ? std::string(as_text(*bytes)) : "(none)";
  }
  std::uint64_t pending() {
    return power_loss_pending(loss_journal.get())
        .value_or(PowerLossPending{.bytes = 999'999, .directory_changes = 0})
        .bytes;
  }

  TestDirectory store{TestDirectory::Where::kMemory};
  Descriptor loss_journal{*create_power_loss_journal()};
  ObservedFileSystem disk;
  std::unique_ptr<FileSystem> machine;
  std::vector<std::unique_ptr<File>> open_files;
};

TEST_F(PowerLossTest, AWriteIsSeenAtOnceAndLostWithoutSync) {
  make_durable("f", "durable");
  File* const file = open("f", OpenMode::kReadWrite);
  expect_ok(file->write(2, as_bytes("XY")));
  EXPECT_EQ(text("f"), "duXYble");
  EXPECT_EQ(text_in(disk, "f"), "durable");
  EXPECT_EQ(pending(), 2U);
  const auto outcome = lose_power();
  EXPECT_EQ(text("f"), "durable");
  EXPECT_EQ(outcome.writes_discarded, 1U);
  EXPECT_EQ(outcome.bytes_discarded, 2U);
  EXPECT_EQ(pending(), 0U);
}

// A kill during the time of the disk must leave everything to be taken away.
TEST_F(PowerLossTest, WhileTheDiskSyncsNothingOfItIsBelow) {
  make_durable("f", "old");
  File* const file = open("f", OpenMode::kReadWrite);
  expect_ok(file->write(0, as_bytes("new")));
  std::vector<std::string> below;
  disk.before_change = [&] { below.push_back(text_in(disk, "f")); };
  expect_ok(file->sync_data());
  disk.before_change = [] {};
  ASSERT_FALSE(below.empty());
  EXPECT_EQ(below.front(), "old");
  EXPECT_EQ(text_in(disk, "f"), "new");
  EXPECT_EQ(pending(), 0U);
}

TEST_F(PowerLossTest, AWriteDuringASyncStaysUnsynced) {
  File* const file = open("f");
  sync_root();
  expect_ok(file->write(0, as_bytes("before")));
  bool written = false;
  disk.before_change = [&] {
    if (!std::exchange(written, true)) {
      expect_ok(file->write(6, as_bytes("during")));
    }
  };
  expect_ok(file->sync_data());
  disk.before_change = [] {};
  EXPECT_TRUE(written);
  EXPECT_EQ(text("f"), "beforeduring");
  EXPECT_EQ(pending(), 6U);
  lose_power();
  EXPECT_EQ(text("f"), "before");
}

TEST_F(PowerLossTest, ACrashLosesNothing) {
  {
    File* const file = open("f");
    expect_ok(file->write(0, as_bytes("unsynced")));
  }
  boot();
  EXPECT_EQ(text("f"), "unsynced");
  EXPECT_EQ(pending(), 8U);
}

TEST_F(PowerLossTest, ASyncPassesThroughAndMovesTheBytesBelow) {
  File* const file = open("f");
  sync_root();
  expect_ok(file->write(0, as_bytes("bytes")));
  const std::uint64_t before = disk.file_syncs;
  expect_ok(file->sync_data());
  EXPECT_EQ(disk.file_syncs, before + 1);
  EXPECT_EQ(text_in(disk, "f"), "bytes");
  expect_ok(file->sync_all());
  EXPECT_EQ(disk.file_syncs, before + 2);
  EXPECT_EQ(pending(), 0U);
  lose_power();
  EXPECT_EQ(text("f"), "bytes");
}

TEST_F(PowerLossTest, AFailedSyncLeavesTheBytesUnsynced) {
  File* const file = open("f");
  sync_root();
  expect_ok(file->write(0, as_bytes("bytes")));
  disk.fail_syncs = true;
  EXPECT_FALSE(file->sync_data().has_value());
  disk.fail_syncs = false;
  EXPECT_EQ(pending(), 5U);
  EXPECT_EQ(text("f"), "bytes");
}

TEST_F(PowerLossTest, ANewNameNeedsTheSyncOfItsDirectory) {
  File* const file = open("f");
  expect_ok(file->write(0, as_bytes("synced")));
  expect_ok(file->sync_all());
  EXPECT_EQ(lose_power().directory_changes_undone, 1U);
  EXPECT_EQ(text("f"), "(none)");
}

TEST_F(PowerLossTest, ADurableNameDoesNotMakeBytesDurable) {
  File* const file = open("f");
  expect_ok(file->write(0, as_bytes("unsynced")));
  sync_root();
  lose_power();
  EXPECT_EQ(text("f"), "");
}

TEST_F(PowerLossTest, ARenameIsUndoneWithTheFileItReplaced) {
  make_durable("old", "old bytes");
  make_durable("new", "new bytes");
  expect_ok(machine->rename(path("new"), path("old")));
  EXPECT_EQ(text("old"), "new bytes");
  EXPECT_EQ(text("new"), "(none)");
  lose_power();
  EXPECT_EQ(text("old"), "old bytes");
  EXPECT_EQ(text("new"), "new bytes");
}

TEST_F(PowerLossTest, ARenameIsDurableAfterTheSyncOfItsDirectory) {
  make_durable("old", "old bytes");
  make_durable("new", "new bytes");
  expect_ok(machine->rename(path("new"), path("old")));
  sync_root();
  EXPECT_EQ(lose_power().directory_changes_undone, 0U);
  EXPECT_EQ(text("old"), "new bytes");
  EXPECT_EQ(text("new"), "(none)");
}

TEST_F(PowerLossTest, ARemovedFileComesBackWithItsDurableBytes) {
  make_durable("f", "durable");
  File* const file = open("f", OpenMode::kReadWrite);
  expect_ok(file->write(0, as_bytes("DUR")));
  expect_ok(machine->remove(path("f")));
  EXPECT_EQ(text("f"), "(none)");
  lose_power();
  EXPECT_EQ(text("f"), "durable");
}

TEST_F(PowerLossTest, ARemovalIsDurableAfterTheSyncOfItsDirectory) {
  make_durable("f", "durable");
  {
    File* const file = open("f", OpenMode::kReadWrite);
    expect_ok(file->write(0, as_bytes("unsynced")));
    expect_ok(machine->remove(path("f")));
    sync_root();
    expect_ok(file->close());
  }
  EXPECT_EQ(pending(), 0U);
  EXPECT_FALSE(std::filesystem::exists(path(".power-loss")));
  lose_power();
  EXPECT_EQ(text("f"), "(none)");
}

TEST_F(PowerLossTest, HandlesOutliveRenameAndRemove) {
  File* const file = open("f");
  expect_ok(file->write(0, as_bytes("one")));
  expect_ok(machine->rename(path("f"), path("g")));
  expect_ok(file->write(3, as_bytes("two")));
  EXPECT_EQ(text("g"), "onetwo");
  expect_ok(machine->remove(path("g")));
  sync_root();
  expect_ok(file->write(6, as_bytes("three")));
  std::string bytes(11, '?');
  const auto count = file->read(0, std::as_writable_bytes(std::span(bytes)));
  ASSERT_TRUE(count.has_value());
  EXPECT_EQ(bytes.substr(0, *count), "onetwothree");
  expect_ok(file->sync_data());
  expect_ok(file->close());
  EXPECT_EQ(pending(), 0U);
}

TEST_F(PowerLossTest, ATruncationWaitsForTheSync) {
  make_durable("f", "durable bytes");
  File* const file = open("f", OpenMode::kReadWrite);
  expect_ok(file->truncate(3));
  expect_ok(file->truncate(5));
  EXPECT_EQ(text("f"), std::string("dur\0\0", 5));
  EXPECT_EQ(file->size().value_or(0), 5U);
  lose_power();
  EXPECT_EQ(text("f"), "durable bytes");
  open("f", OpenMode::kCreateOrEmpty);
  EXPECT_EQ(text("f"), "");
  lose_power();
  EXPECT_EQ(text("f"), "durable bytes");
}

TEST_F(PowerLossTest, AnAllocationWaitsForTheSync) {
  File* const file = open("f");
  sync_root();
  expect_ok(file->allocate(1 << 20));
  EXPECT_EQ(file->size().value_or(0), 1U << 20);
  EXPECT_EQ(machine->info(path("f"))->size_bytes, 1U << 20);
  EXPECT_EQ(machine->info(path("f"))->allocated_bytes, 1U << 20);
  lose_power();
  EXPECT_EQ(machine->info(path("f"))->size_bytes, 0U);
  File* const again = open("f", OpenMode::kReadWrite);
  expect_ok(again->allocate(1 << 20));
  expect_ok(again->sync_all());
  lose_power();
  EXPECT_EQ(machine->info(path("f"))->allocated_bytes, 1U << 20);
}

TEST_F(PowerLossTest, ADirectoryNeedsTheSyncOfItsParent) {
  expect_ok(machine->create_directory(path("d")));
  {
    File* const file = open("d/f");
    expect_ok(file->write(0, as_bytes("x")));
    expect_ok(file->sync_all());
    expect_ok(machine->sync_directory(path("d")));
  }
  lose_power();
  EXPECT_EQ(machine->info(path("d")).error().code, ErrorCode::kNotFound);
  expect_ok(machine->create_directory(path("d")));
  sync_root();
  expect_ok(machine->remove(path("d")));
  EXPECT_EQ(machine->info(path("d")).error().code, ErrorCode::kNotFound);
  lose_power();
  EXPECT_TRUE(machine->info(path("d")).has_value());
}

TEST_F(PowerLossTest, ARenameBetweenDirectoriesIsOneStep) {
  expect_ok(machine->create_directory(path("a")));
  expect_ok(machine->create_directory(path("b")));
  make_durable("a/f", "from a");
  make_durable("b/f", "from b");
  expect_ok(machine->sync_directory(path("a")));
  expect_ok(machine->sync_directory(path("b")));
  expect_ok(machine->remove(path("b/f")));
  expect_ok(machine->rename(path("a/f"), path("b/f")));
  expect_ok(machine->sync_directory(path("a")));
  lose_power();
  EXPECT_EQ(text("a/f"), "(none)");
  EXPECT_EQ(text("b/f"), "from a");
  expect_ok(machine->rename(path("b/f"), path("a/f")));
  lose_power();
  EXPECT_EQ(text("a/f"), "(none)");
  EXPECT_EQ(text("b/f"), "from a");
}

TEST_F(PowerLossTest, ErrorsFromBelowLeaveNothingBehind) {
  make_durable("f", "durable");
  EXPECT_EQ(machine->open(path("f"), OpenMode::kCreateNew).error().sys_errno, EEXIST);
  EXPECT_EQ(machine->open(path("no/f"), OpenMode::kCreateNew).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(machine->rename(path("no"), path("f")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(machine->rename(path("f"), path("no/f")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(machine->remove(path("no")).error().code, ErrorCode::kNotFound);
  expect_ok(machine->create_directory(path("d")));
  make_durable("d/f", "x");
  EXPECT_FALSE(machine->remove(path("d")).has_value());
  EXPECT_EQ(machine->rename(path("d"), path("e")).error().code, ErrorCode::kInvalidArgument);
  EXPECT_FALSE(machine->rename(path("f"), path("d")).has_value());
  expect_ok(machine->sync_directory(path("d")));
  sync_root();
  EXPECT_EQ(lose_power().directory_changes_undone, 0U);
  EXPECT_EQ(text("f"), "durable");
  EXPECT_EQ(text("d/f"), "x");
}

TEST_F(PowerLossTest, AReaderCannotWriteAndAClosedHandleDoesNothing) {
  make_durable("f", "durable");
  File* const reader = open("f", OpenMode::kRead);
  EXPECT_EQ(reader->write(0, as_bytes("x")).error().sys_errno, EBADF);
  EXPECT_EQ(reader->truncate(0).error().sys_errno, EBADF);
  EXPECT_EQ(reader->allocate(9).error().sys_errno, EBADF);
  expect_ok(reader->sync_data());
  expect_ok(reader->close());
  expect_ok(reader->close());
  EXPECT_EQ(reader->size().error().sys_errno, EBADF);
}

TEST_F(PowerLossTest, AReaderOfInheritedBytesCanSyncThem) {
  {
    File* const file = open("f");
    expect_ok(file->write(0, as_bytes("inherited")));
    sync_root();
  }
  boot();
  File* const reader = open("f", OpenMode::kRead);
  expect_ok(reader->sync_data());
  lose_power();
  EXPECT_EQ(text("f"), "inherited");
}

TEST_F(PowerLossTest, WhatIsSetAsideIsNotListed) {
  make_durable("f", "durable");
  make_durable("g", "durable");
  expect_ok(machine->remove(path("f")));
  EXPECT_TRUE(std::filesystem::exists(path(".power-loss")));
  EXPECT_EQ(machine->list(root()).value_or(std::vector<std::string>{}),
            std::vector<std::string>{"g"});
}

TEST_F(PowerLossTest, PathsOutsideTheRootPassThrough) {
  const TestDirectory outside(TestDirectory::Where::kMemory);
  const auto file = machine->open(outside.path() + "/f", OpenMode::kCreateNew);
  ASSERT_TRUE(file.has_value());
  expect_ok((*file)->write(0, as_bytes("below at once")));
  EXPECT_EQ(pending(), 0U);
  EXPECT_EQ(std::filesystem::file_size(outside.path() + "/f"), 13U);
  EXPECT_EQ(machine->rename(outside.path() + "/f", path("f")).error().code,
            ErrorCode::kInvalidArgument);
}

// One write over many sectors; whatever the seed, each sector is old or new, never both.
TEST_F(PowerLossTest, SectorsOfASubsetAreWhole) {
  constexpr std::size_t kBytes = 10'000;
  constexpr std::size_t kOffset = 300;
  for (const std::uint32_t sector_bytes : {512U, 4096U}) {
    std::uint64_t torn = 0;
    std::uint64_t kept = 0;
    std::uint64_t discarded = 0;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      make_durable("f", std::string(kBytes + kOffset, 'o'));
      {
        File* const file = open("f", OpenMode::kReadWrite);
        expect_ok(file->write(kOffset, as_bytes(std::string(kBytes, 'n'))));
      }
      const auto outcome =
          lose_power({.writes = Writes::kSubset, .seed = seed, .sector_bytes = sector_bytes});
      EXPECT_EQ(outcome.bytes_kept + outcome.bytes_discarded, kBytes);
      EXPECT_EQ(outcome.writes_kept + outcome.writes_discarded + outcome.writes_torn, 1U);
      torn += outcome.writes_torn;
      kept += outcome.writes_kept;
      discarded += outcome.writes_discarded;
      const std::string found = text("f");
      ASSERT_EQ(found.size(), kBytes + kOffset);
      EXPECT_EQ(found.substr(0, kOffset), std::string(kOffset, 'o'));
      EXPECT_EQ(static_cast<std::uint64_t>(std::ranges::count(found, 'n')), outcome.bytes_kept);
      for (std::size_t begin = 0; begin < found.size(); begin += sector_bytes) {
        const std::size_t first = std::max(begin, kOffset);
        const std::string sector = found.substr(first, begin + sector_bytes - first);
        EXPECT_EQ(sector, std::string(sector.size(), sector.front()));
      }
    }
    EXPECT_GT(torn, 30U);
    EXPECT_GT(kept, 3U);
    EXPECT_GT(discarded, 3U);
  }
}

TEST_F(PowerLossTest, ASubsetDependsOnlyOnTheSeed) {
  std::vector<std::string> found;
  for (int run = 0; run < 2; ++run) {
    const TestDirectory directory(TestDirectory::Where::kMemory);
    const Descriptor journal(*create_power_loss_journal());
    {
      const auto files = make_power_loss_file_system(disk, directory.path(), journal.get());
      ASSERT_TRUE(files.has_value());
      const auto file = (*files)->open(directory.path() + "/f", OpenMode::kCreateNew);
      ASSERT_TRUE(file.has_value());
      expect_ok((*files)->sync_directory(directory.path()));
      for (std::uint64_t index = 0; index < 50; ++index) {
        const std::string bytes(1500, static_cast<char>('A' + index % 26));
        expect_ok((*file)->write(index * 1000, as_bytes(bytes)));
      }
    }
    ASSERT_TRUE(
        apply_power_loss(directory.path(), journal.get(), {.writes = Writes::kSubset, .seed = 42})
            .has_value());
    const auto bytes = pluresdb::io::read_whole_file(disk, directory.path() + "/f", 1 << 20);
    ASSERT_TRUE(bytes.has_value());
    found.emplace_back(as_text(*bytes));
  }
  EXPECT_EQ(found.at(0), found.at(1));
}

TEST_F(PowerLossTest, SectorsHave512Or4096Bytes) {
  const auto outcome = apply_power_loss(root(), loss_journal.get(), {.sector_bytes = 1000});
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace faultinj
