// The bytes of both format versions, for ever: files under golden/wal and golden/wal-version-2 read
// as the entries below, and the same input gives the same bytes. Only what a compressed chunk holds
// may differ: that is up to the release of the library. PLURESDB_WRITE_GOLDEN=1 writes them anew (a
// new format version).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal_test {
namespace {

constexpr std::uint64_t kFileBytesMax = 1U << 20;

wal::LogOptions golden_options(MemoryDisk& disk, bool compress = false) {
  wal::LogOptions options = test_options(disk);
  options.compress_rewritten = compress;
  options.segment_bytes = 8ULL << 10;
  options.large_value_bytes = 512;
  for (std::size_t i = 0; i < options.store_uuid.size(); ++i) {
    options.store_uuid[i] = static_cast<std::byte>(i * 17);
  }
  std::uint64_t salts = 0;
  options.new_salt = [salts]() mutable { return 0xA5A5'0000'0000'0000U + ++salts; };
  return options;
}

/// Writes the golden log: a segment ended by a crash, a rewritten one, one ended by rotation, a
/// clean end. Returns what is in it.
std::vector<Record> write_golden_log(MemoryDisk& disk, bool compress = false) {
  TestLog test(golden_options(disk, compress));
  EXPECT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(succeeded(test.put("command/1", R"({"run":"ls"})", "shell")));
  EXPECT_TRUE(succeeded(test.put("stdout/1", payload(900, 1), "shell")));
  EXPECT_TRUE(succeeded(test.open()));  // As after a crash: the seq jumps.
  const std::vector<wal::AppendRequest> batch{
      {.actor = "shell", .id = "memory/1", .value = R"({"note":"\u00e4"})"},
      {.actor = "other", .type = wal::OperationType::kDelete, .id = "command/1"},
      {.actor = "shell", .type = wal::OperationType::kCheckpoint, .argument = 2},
      {.actor = "shell", .type = wal::OperationType::kCompact, .argument = 1}};
  EXPECT_TRUE(succeeded(test.log->append_batch(batch)));
  EXPECT_TRUE(succeeded(test.put("stdout/2", payload(3000, 2), "shell")));
  EXPECT_TRUE(succeeded(test.put("stdout/3", payload(700, 3), "shell")));
  EXPECT_EQ(test.log->segments().size(), 3U);
  const std::vector<std::uint64_t> second{2};
  EXPECT_TRUE(succeeded(test.log->rewrite_segments(
      second, [](const wal::RecordView& record) { return record.id != "command/1"; })));
  EXPECT_TRUE(succeeded(test.log->close()));
  const auto records = test.read_all();
  EXPECT_TRUE(succeeded(records));
  return *records;
}

std::map<std::string, std::vector<std::byte>> golden_files(
    const std::string& directory = PLURESDB_GOLDEN_DIRECTORY) {
  std::map<std::string, std::vector<std::byte>> files;
  io::FileSystem& disk = io::posix_file_system();
  const auto names = disk.list(directory);
  EXPECT_TRUE(succeeded(names));
  for (const std::string& name : *names) {
    const auto bytes = io::read_whole_file(disk, io::join_path(directory, name), kFileBytesMax);
    EXPECT_TRUE(succeeded(bytes));
    files[io::join_path(kDirectory, name)] = *bytes;
  }
  return files;
}

TEST(WalGolden, TheSameInputGivesTheSameBytes) {
  MemoryDisk disk;
  write_golden_log(disk);
  const auto written = disk.files();
  if (std::getenv("PLURESDB_WRITE_GOLDEN") != nullptr) {
    for (const auto& [path, bytes] : written) {
      const std::string target = io::join_path(PLURESDB_GOLDEN_DIRECTORY, io::base_name(path));
      ASSERT_TRUE(succeeded(io::write_file_atomically(io::posix_file_system(), target, bytes)));
    }
  }
  const auto golden = golden_files();
  ASSERT_EQ(written.size(), golden.size());
  for (const auto& [path, bytes] : golden) {
    ASSERT_TRUE(written.contains(path)) << path;
    EXPECT_TRUE(written.at(path) == bytes) << path << ": the format has changed";
  }
}

void expect_known_entries(const std::map<std::string, std::vector<std::byte>>& files) {
  MemoryDisk disk;
  ASSERT_TRUE(succeeded(disk.create_directory(kDirectory)));
  for (const auto& [path, bytes] : files) {
    disk.set_contents(path, bytes);
  }
  TestLog test(golden_options(disk));
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(test.log->recovery().clean_shutdown);
  EXPECT_TRUE(test.log->recovery().validation.is_healthy());
  const auto records = test.read_all();
  ASSERT_TRUE(succeeded(records));
  constexpr Seq kJump = 8192 / wal::kRecordHeaderBytes;
  const auto record = [](Seq seq, std::uint64_t hlc, std::uint64_t actor_seq, std::string id,
                         std::string value) {
    return Record{.seq = seq,
                  .timestamp_us = static_cast<std::int64_t>(hlc * 1000),
                  .hlc = hlc,
                  .actor_seq = actor_seq,
                  .type = wal::OperationType::kPut,
                  .actor = "shell",
                  .id = std::move(id),
                  .value = std::move(value),
                  .argument = 0};
  };
  std::vector<Record> expected{
      record(1, 1, 1, "command/1", R"({"run":"ls"})"),
      record(2, 2, 2, "stdout/1", payload(900, 1)),
      record(3 + kJump, 3, 3, "memory/1", R"({"note":"\u00e4"})"),
      record(5 + kJump, 5, 4, "", ""),
      record(6 + kJump, 6, 5, "", ""),
      record(7 + kJump, 7, 6, "stdout/2", payload(3000, 2)),
      record(8 + kJump, 8, 7, "stdout/3", payload(700, 3)),
  };
  expected[3].type = wal::OperationType::kCheckpoint;
  expected[3].argument = 2;
  expected[4].type = wal::OperationType::kCompact;
  expected[4].argument = 1;
  EXPECT_EQ(*records, expected);
}

TEST(WalGolden, TheFilesReadAsTheKnownEntries) { expect_known_entries(golden_files()); }

TEST(WalGolden, FilesOfVersion2ReadAsTheSameEntries) {
  MemoryDisk disk;
  write_golden_log(disk, true);
  const auto written = disk.files();
  if (std::getenv("PLURESDB_WRITE_GOLDEN") != nullptr) {
    for (const auto& [path, bytes] : written) {
      const std::string target = io::join_path(PLURESDB_GOLDEN_2_DIRECTORY, io::base_name(path));
      ASSERT_TRUE(succeeded(io::write_file_atomically(io::posix_file_system(), target, bytes)));
    }
  }
  const auto golden = golden_files(PLURESDB_GOLDEN_2_DIRECTORY);
  expect_known_entries(golden);
  expect_known_entries(written);
  std::size_t compressed_files = 0;
  for (const auto& [path, bytes] : golden) {
    ASSERT_TRUE(written.contains(path)) << path;
    const auto header = wal::decode_segment_header(bytes).header;
    ASSERT_TRUE(header.has_value());
    if (!header->compressed) {
      EXPECT_TRUE(written.at(path) == bytes) << path << ": the format has changed";
      continue;
    }
    ++compressed_files;
    EXPECT_EQ(base::load<std::uint32_t>(bytes, 12), 2U);
    const std::span before(bytes);
    const std::span now(written.at(path));
    EXPECT_TRUE(std::ranges::equal(before.first(104), now.first(104))) << "before the capacity";
  }
  EXPECT_EQ(compressed_files, 1U);
}

}  // namespace
}  // namespace pluresdb::wal_test
