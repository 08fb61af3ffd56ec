// Goal: no place of an encrypted segment is sealed twice under its key, whatever fails.
// Method: this program stands between the log and OpenSSL (its own EVP_EncryptInit_ex2 is found
// before libcrypto's) and notes every pair of key and nonce, over lives that end in crashes, failed
// writes, failed syncs and full disks, and over many reopenings, each on what the last one left.
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/tests/nonce_ledger.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_sealed_support.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::wal_test {
namespace {

using Ledger = pluresdb::nonce_test::NonceLedger;

/// Appends of all sizes, a rotation, a rewrite, a clean end; goes on after errors. How many
/// succeeded.
std::uint64_t live(TestLog& test, std::uint64_t seed) {
  std::uint64_t succeeded_count = 0;
  if (!test.open()) {
    return 0;
  }
  for (std::uint64_t i = 0; i < 12; ++i) {
    const std::size_t bytes = (i + seed) % 4 == 1 ? 6000 : 80 * i;
    succeeded_count += test.put("doc", payload(bytes, i)) ? 1U : 0U;
  }
  const auto segments = test.log->segments();
  if (segments.size() > 1) {
    const std::vector<std::uint64_t> first{segments.front().id};
    (void)test.log->rewrite_segments(first, [](const wal::RecordView&) { return true; });
  }
  succeeded_count += test.put("doc", "last") ? 1U : 0U;
  if (seed % 2 == 0) {
    (void)test.log->close();
  }
  return succeeded_count;
}

wal::LogOptions options_of(MemoryDisk& disk) {
  wal::LogOptions options = sealed_options(disk);
  options.segment_bytes = 24ULL << 10;
  return options;
}

TEST(WalNonces, NoPlaceIsSealedTwiceOverCrashesAndWhatFollowsThem) {
  std::uint64_t operations = 0;
  {
    MemoryDisk disk;
    TestLog test(options_of(disk));
    ASSERT_EQ(live(test, 0), 13U);
    operations = disk.change_count();
  }
  ASSERT_GT(operations, 30U);
  for (const bool power : {false, true}) {
    for (std::uint64_t ordinal = 0; ordinal < operations; ++ordinal) {
      SCOPED_TRACE(ordinal);
      Ledger::instance().clear();
      MemoryDisk disk;
      TestLog test(options_of(disk));
      disk.crash_at(ordinal);
      live(test, 0);
      test.log = nullptr;
      if (power) {
        disk.lose_power(ordinal);
      } else {
        disk.restart();
      }
      ASSERT_GT(live(test, 1), 0U);
      ASSERT_GT(Ledger::instance().uses(), 20U);
      ASSERT_EQ(Ledger::instance().repeated(), 0U);
    }
  }
}

TEST(WalNonces, NoPlaceIsSealedTwiceAfterAnyOperationThatFailsOnce) {
  for (const auto code : {ErrorCode::kIo, ErrorCode::kNoSpace}) {
    for (const auto durability : {Durability::kWal, Durability::kNone}) {
      for (std::uint64_t ordinal = 0; ordinal < 60; ++ordinal) {
        SCOPED_TRACE(ordinal);
        Ledger::instance().clear();
        MemoryDisk disk;
        wal::LogOptions options = options_of(disk);
        options.durability = durability;
        TestLog test(options);
        std::uint64_t count = 0;
        disk.set_fault([&](DiskOperation operation, const std::string&) -> std::optional<Error> {
          const bool is_change = operation != DiskOperation::kOpen &&
                                 operation != DiskOperation::kRead && count++ == ordinal;
          return is_change ? std::optional(Error{.code = code, .context = "planted"})
                           : std::nullopt;
        });
        live(test, ordinal);
        disk.set_fault(nullptr);
        test.log = nullptr;
        ASSERT_GT(live(test, 1), 0U);
        ASSERT_EQ(Ledger::instance().repeated(), 0U);
      }
    }
  }
}

TEST(WalNonces, NoPlaceIsSealedTwiceOnADiskThatIsFullAgainAndAgain) {
  Ledger::instance().clear();
  MemoryDisk disk;
  TestLog test(options_of(disk));
  for (std::uint64_t life = 0; life < 40; ++life) {
    disk.set_capacity((60ULL + life * 3) << 10);
    live(test, life);
  }
  ASSERT_GT(Ledger::instance().uses(), 100U);
  EXPECT_EQ(Ledger::instance().repeated(), 0U);
}

TEST(WalNonces, NoPlaceIsSealedTwiceOverAThousandReopenings) {
  Ledger::instance().clear();
  MemoryDisk disk;
  const wal::LogOptions options = options_of(disk);
  for (int life = 0; life < 1000; ++life) {
    TestLog test(options);
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_TRUE(succeeded(test.put("doc", "value")));
    std::vector<std::uint64_t> ids;
    for (const wal::SegmentInfo& segment : test.log->segments()) {
      ids.push_back(segment.id);
    }
    ASSERT_TRUE(succeeded(test.log->remove_segments(ids)));  // All but the newest.
    if (life % 3 == 0) {
      ASSERT_TRUE(succeeded(test.log->close()));
    }
  }
  EXPECT_GE(Ledger::instance().uses(), 3000U);
  EXPECT_EQ(Ledger::instance().repeated(), 0U);
}

}  // namespace
}  // namespace pluresdb::wal_test
