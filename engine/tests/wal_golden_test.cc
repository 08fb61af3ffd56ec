// The bytes of format versions 1 and 2, for ever: files under golden/wal and golden/wal-version-2
// read as the entries below, and the same input gives the same bytes. Only what a compressed chunk
// holds may differ: that is up to the release of the library. PLURESDB_WRITE_GOLDEN=1 writes them
// anew (a new format version).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_golden_log.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/segment_format.h"

namespace pluresdb::wal_test {
namespace {

TEST(WalGolden, TheSameInputGivesTheSameBytes) {
  MemoryDisk disk;
  write_golden_log(golden_options(disk));
  const auto written = disk.files();
  if (std::getenv("PLURESDB_WRITE_GOLDEN") != nullptr) {
    for (const auto& [path, bytes] : written) {
      const std::string target = io::join_path(PLURESDB_GOLDEN_DIRECTORY, io::base_name(path));
      ASSERT_TRUE(succeeded(io::write_file_atomically(io::posix_file_system(), target, bytes)));
    }
  }
  const auto golden = golden_files(PLURESDB_GOLDEN_DIRECTORY);
  ASSERT_EQ(written.size(), golden.size());
  for (const auto& [path, bytes] : golden) {
    ASSERT_TRUE(written.contains(path)) << path;
    EXPECT_TRUE(written.at(path) == bytes) << path << ": the format has changed";
  }
}

TEST(WalGolden, TheFilesReadAsTheKnownEntries) {
  MemoryDisk disk;
  expect_known_entries(golden_files(PLURESDB_GOLDEN_DIRECTORY), golden_options(disk));
}

TEST(WalGolden, FilesOfVersion2ReadAsTheSameEntries) {
  MemoryDisk disk;
  write_golden_log(golden_options(disk, true));
  const auto written = disk.files();
  if (std::getenv("PLURESDB_WRITE_GOLDEN") != nullptr) {
    for (const auto& [path, bytes] : written) {
      const std::string target = io::join_path(PLURESDB_GOLDEN_2_DIRECTORY, io::base_name(path));
      ASSERT_TRUE(succeeded(io::write_file_atomically(io::posix_file_system(), target, bytes)));
    }
  }
  const auto golden = golden_files(PLURESDB_GOLDEN_2_DIRECTORY);
  expect_known_entries(golden, golden_options(disk));
  expect_known_entries(written, golden_options(disk));
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
