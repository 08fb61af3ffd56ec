// Many threads on one power_loss_file_system, for TSan and for the locks: writers with a sync per
// block, readers beside them, directory changes, and a journal that compacts underneath.
#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_file_system.h"
#include "faultinj/tests/observed_file_system.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::base::as_bytes;
using pluresdb::io::FileSystem;
using pluresdb::io::OpenMode;

constexpr std::size_t kBlockBytes = 64 << 10;
constexpr std::size_t kBlocks = 200;
constexpr int kWriters = 3;

char fill_of(int writer, std::size_t block) {
  return static_cast<char>('a' + (static_cast<std::size_t>(writer) * 7 + block) % 26);
}

class PowerLossThreads : public testing::Test {
 protected:
  [[nodiscard]] std::string path(int writer) const {
    return store.path() + "/w" + std::to_string(writer);
  }

  std::unique_ptr<FileSystem> boot() {
    auto made = make_power_loss_file_system(disk, store.path(), loss_journal.get());
    EXPECT_TRUE(made.has_value());
    return made ? *std::move(made) : nullptr;
  }

  void write(FileSystem& files, int writer) {
    const auto file = files.open(path(writer), OpenMode::kCreateNew);
    ASSERT_TRUE(file.has_value());
    for (std::size_t block = 0; block < kBlocks; ++block) {
      const std::string bytes(kBlockBytes, fill_of(writer, block));
      ASSERT_TRUE((*file)->write(block * kBlockBytes, as_bytes(bytes)).has_value());
      if (block % 2 == 0) {
        ASSERT_TRUE((*file)->sync_data().has_value());
      }
      written_blocks[static_cast<std::size_t>(writer)] = block + 1;
    }
  }

  void check_block(pluresdb::io::File& file, int writer, std::size_t block) {
    std::string bytes(kBlockBytes, '?');
    const auto count = file.read(block * kBlockBytes, std::as_writable_bytes(std::span(bytes)));
    ASSERT_TRUE(count.has_value());
    ASSERT_EQ(*count, kBlockBytes);
    ASSERT_EQ(bytes, std::string(kBlockBytes, fill_of(writer, block)));
  }

  /// Reads what is there, synced or not, until the writer is done.
  void read(FileSystem& files, int writer) {
    std::size_t done = 0;
    while (done < kBlocks) {
      done = written_blocks[static_cast<std::size_t>(writer)];
      if (done == 0) {
        std::this_thread::yield();
        continue;
      }
      const auto file = files.open(path(writer), OpenMode::kRead);
      ASSERT_TRUE(file.has_value());
      check_block(**file, writer, done - 1);
      check_block(**file, writer, done / 2);
    }
  }

  void change_names(FileSystem& files, const std::string& prefix) {
    const std::string from = store.path() + "/" + prefix + "-from";
    const std::string to = store.path() + "/" + prefix + "-to";
    for (int round = 0; round < 100; ++round) {
      const auto file = files.open(from, OpenMode::kCreateOrEmpty);
      ASSERT_TRUE(file.has_value());
      ASSERT_TRUE((*file)->write(0, as_bytes("name")).has_value());
      ASSERT_TRUE(files.rename(from, to).has_value());
      ASSERT_TRUE((*file)->sync_all().has_value());
      ASSERT_TRUE(files.list(store.path()).has_value());
      if (round % 10 == 0) {
        ASSERT_TRUE(files.sync_directory(store.path()).has_value());
        ASSERT_TRUE(files.remove(to).has_value());
      }
    }
  }

  TestDirectory store{TestDirectory::Where::kMemory};
  Descriptor loss_journal{*create_power_loss_journal()};
  ObservedFileSystem disk;
  std::array<std::atomic<std::size_t>, kWriters> written_blocks{};
};

TEST_F(PowerLossThreads, WritersReadersAndRenamersDoNotDisturbEachOther) {
  {
    const auto files = boot();
    {
      std::vector<std::jthread> threads;
      for (int writer = 0; writer < kWriters; ++writer) {
        threads.emplace_back([&, writer] { write(*files, writer); });
        threads.emplace_back([&, writer] { read(*files, writer); });
      }
      threads.emplace_back([&] { change_names(*files, "a"); });
      threads.emplace_back([&] { change_names(*files, "b"); });
    }
    ASSERT_TRUE(files->sync_directory(store.path()).has_value());
  }
  const auto pending = power_loss_pending(loss_journal.get());
  ASSERT_TRUE(pending.has_value());
  EXPECT_EQ(pending->bytes, kWriters * kBlockBytes);  // The last block of each was not synced.
  {
    const auto files = boot();
    for (int writer = 0; writer < kWriters; ++writer) {
      const auto file = files->open(path(writer), OpenMode::kRead);
      ASSERT_TRUE(file.has_value());
      for (std::size_t block = 0; block < kBlocks; ++block) {
        check_block(**file, writer, block);
      }
    }
  }
  const auto outcome = apply_power_loss(store.path(), loss_journal.get(), {});
  ASSERT_TRUE(outcome.has_value());
  EXPECT_EQ(outcome->bytes_discarded, kWriters * kBlockBytes);
  for (int writer = 0; writer < kWriters; ++writer) {
    EXPECT_EQ(disk.info(path(writer))->size_bytes, (kBlocks - 1) * kBlockBytes);
  }
}

// Two threads sync one file while a third writes: each sync covers what was written before it.
TEST_F(PowerLossThreads, SyncsOfOneFileRunBesideItsWriter) {
  const auto files = boot();
  const auto file = files->open(path(0), OpenMode::kCreateNew);
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE(files->sync_directory(store.path()).has_value());
  std::atomic<bool> done = false;
  {
    std::vector<std::jthread> threads;
    threads.reserve(2);
    for (int syncer = 0; syncer < 2; ++syncer) {
      threads.emplace_back([&] {
        while (!done) {
          ASSERT_TRUE((*file)->sync_data().has_value());
        }
      });
    }
    for (std::size_t block = 0; block < kBlocks; ++block) {
      const std::string bytes(1000, fill_of(0, block));
      ASSERT_TRUE((*file)->write(block * bytes.size(), as_bytes(bytes)).has_value());
    }
    done = true;
  }
  ASSERT_TRUE((*file)->sync_data().has_value());
  EXPECT_EQ(power_loss_pending(loss_journal.get())
                .value_or(PowerLossPending{.bytes = 1, .directory_changes = 0})
                .bytes,
            0U);
  const auto bytes = pluresdb::io::read_whole_file(disk, path(0), 1 << 20);
  ASSERT_TRUE(bytes.has_value());
  std::string expected;
  for (std::size_t block = 0; block < kBlocks; ++block) {
    expected += std::string(1000, fill_of(0, block));
  }
  EXPECT_EQ(std::string(pluresdb::base::as_text(*bytes)), expected);
}

}  // namespace
}  // namespace faultinj
