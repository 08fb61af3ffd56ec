// The golden log: what is written into it, and what its files must read as, in every format
// version.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>

namespace pluresdb::wal_test {

inline constexpr std::uint64_t kFileBytesMax = 1U << 20;

inline wal::LogOptions golden_options(io::FileSystem& disk, bool compress = false) {
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
inline std::vector<Record> write_golden_log(const wal::LogOptions& options) {
  TestLog test(options);
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

inline std::map<std::string, std::vector<std::byte>> golden_files(const std::string& directory) {
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

/// `options`: golden_options of any disk.
inline void expect_known_entries(const std::map<std::string, std::vector<std::byte>>& files,
                                 wal::LogOptions options) {
  MemoryDisk disk;
  ASSERT_TRUE(succeeded(disk.create_directory(kDirectory)));
  for (const auto& [path, bytes] : files) {
    disk.set_contents(path, bytes);
  }
  options.files = &disk;
  TestLog test(options);
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(test.log->recovery().clean_shutdown);
  EXPECT_TRUE(test.log->recovery().validation.is_healthy());
  const auto records = test.read_all();
  ASSERT_TRUE(succeeded(records));
  const Seq jump = options.segment_bytes / wal::kRecordHeaderBytes;
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
      record(3 + jump, 3, 3, "memory/1", R"({"note":"\u00e4"})"),
      record(5 + jump, 5, 4, "", ""),
      record(6 + jump, 6, 5, "", ""),
      record(7 + jump, 7, 6, "stdout/2", payload(3000, 2)),
      record(8 + jump, 8, 7, "stdout/3", payload(700, 3)),
  };
  expected[3].type = wal::OperationType::kCheckpoint;
  expected[3].argument = 2;
  expected[4].type = wal::OperationType::kCompact;
  expected[4].argument = 1;
  EXPECT_EQ(*records, expected);
}

}  // namespace pluresdb::wal_test
