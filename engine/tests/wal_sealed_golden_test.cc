// The bytes of format version 3, for ever, as wal_golden_test has those of the others. So that the
// same input gives the same bytes, this program stands between the engine and OpenSSL's random
// generators: keys and salts count up. PLURESDB_WRITE_GOLDEN=1 writes the files anew.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "engine/tests/wal_golden_log.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_sealed_support.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"

namespace {

/// What is behind OpenSSL's generators here.
class Generator {
 public:
  static Generator& instance() {
    static Generator generator;
    return generator;
  }
  void restart() { state_ = 1; }
  int fill(unsigned char* out, int count) {
    for (int i = 0; i < count; ++i) {
      state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
      out[i] = static_cast<unsigned char>(state_ >> 33U);
    }
    return 1;
  }

 private:
  std::uint64_t state_ = 1;
};

}  // namespace

// OpenSSL's, in its own terms; a test includes no OpenSSL.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" int RAND_bytes(unsigned char* out, int count) {
  return Generator::instance().fill(out, count);
}
extern "C" int RAND_priv_bytes(unsigned char* out, int count) {
  return Generator::instance().fill(out, count);
}
// NOLINTEND(readability-identifier-naming)

namespace pluresdb::wal_test {
namespace {

wal::LogOptions sealed_golden_options(io::FileSystem& disk) {
  wal::LogOptions options = golden_options(disk);
  options.segment_bytes = 10'752;  // As many files as in the other versions.
  options.keys = &test_keys();
  return options;
}

TEST(WalSealedGolden, TheSameInputGivesTheSameBytes) {
  MemoryDisk disk;
  Generator::instance().restart();
  write_golden_log(sealed_golden_options(disk));
  const auto written = disk.files();
  if (std::getenv("PLURESDB_WRITE_GOLDEN") != nullptr) {
    for (const auto& [path, bytes] : written) {
      const std::string target = io::join_path(PLURESDB_GOLDEN_3_DIRECTORY, io::base_name(path));
      ASSERT_TRUE(succeeded(io::write_file_atomically(io::posix_file_system(), target, bytes)));
    }
  }
  const auto golden = golden_files(PLURESDB_GOLDEN_3_DIRECTORY);
  ASSERT_EQ(written.size(), golden.size());
  for (const auto& [path, bytes] : golden) {
    ASSERT_TRUE(written.contains(path)) << path;
    EXPECT_TRUE(written.at(path) == bytes) << path << ": the format has changed";
  }
}

TEST(WalSealedGolden, TheFilesReadAsTheKnownEntries) {
  MemoryDisk disk;
  const auto golden = golden_files(PLURESDB_GOLDEN_3_DIRECTORY);
  EXPECT_EQ(golden.size(), 3U);
  for (const auto& [path, bytes] : golden) {
    EXPECT_EQ(wal::decode_segment_header(bytes).version, 3U) << path;
  }
  expect_known_entries(golden, sealed_golden_options(disk));
}

}  // namespace
}  // namespace pluresdb::wal_test
