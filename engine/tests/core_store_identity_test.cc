// The identity file: two slots, updates that may be interrupted, bytes that stay readable.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/core/store_identity.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_fakes.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::core {
namespace {

using pluresdb::testing::MemoryDisk;
using pluresdb::testing::text_of;

IdentityRecord some_record() {
  IdentityRecord record;
  for (std::size_t i = 0; i < record.store_uuid.size(); ++i) {
    record.store_uuid[i] = static_cast<std::byte>(0xa0 + i);
  }
  record.created_us = 1'800'000'000'000'000;
  record.compacted_through_seq = 0x1122334455667788;
  record.actor_seq_floor = 42;
  return record;
}

TEST(StoreIdentity, KeepsItsRecordOverUpdates) {
  MemoryDisk disk;
  auto identity = created(disk, some_record());
  IdentityRecord record = some_record();
  for (Seq seq = 1; seq < 6; ++seq) {
    record.compacted_through_seq = seq;
    ASSERT_TRUE(identity.update(record).has_value());
    disk.lose_power(std::nullopt);
    EXPECT_EQ(StoreIdentity::load(disk, "/")->record(), record);
  }
}

TEST(StoreIdentity, EitherSlotMayBeDamaged) {
  for (const std::uint64_t offset : {0ULL, 8ULL, 30ULL, 76ULL, 4096ULL, 4104ULL, 4126ULL}) {
    MemoryDisk disk;
    (void)created(disk, some_record());
    disk.flip_byte("/STORE", offset);
    const auto loaded = StoreIdentity::load(disk, "/");
    ASSERT_TRUE(loaded.has_value()) << offset << ": " << text_of(loaded);
    EXPECT_EQ(loaded->record(), some_record());
  }
}

TEST(StoreIdentity, BothSlotsDamagedIsCorruption) {
  MemoryDisk disk;
  (void)created(disk, some_record());
  disk.flip_byte("/STORE", 40);
  disk.flip_byte("/STORE", 4096 + 40);
  EXPECT_EQ(StoreIdentity::load(disk, "/").error().code, ErrorCode::kCorruption);
}

TEST(StoreIdentity, InterruptedUpdateLeavesTheOldOrTheNewRecord) {
  for (std::uint64_t n = 0; n < 3; ++n) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      MemoryDisk disk;
      auto identity = created(disk, some_record());
      IdentityRecord record = some_record();
      record.actor_seq_floor = 77;
      disk.stop_after(n);
      (void)identity.update(record);
      disk.lose_power(seed);
      const auto loaded = StoreIdentity::load(disk, "/");
      ASSERT_TRUE(loaded.has_value()) << text_of(loaded);
      EXPECT_TRUE(loaded->record() == record || loaded->record() == some_record());
    }
  }
}

TEST(StoreIdentity, FailedSyncIsNotTriedAgainOnTheSameFile) {
  MemoryDisk disk;
  auto identity = created(disk, some_record());
  IdentityRecord record = some_record();
  record.actor_seq_floor = 77;
  int syncs = 0;
  disk.set_fault([&](std::string_view operation, const std::string& path) -> std::optional<Error> {
    if (operation == "sync" && ++syncs == 1) {
      return Error{.code = ErrorCode::kIo, .sys_errno = EIO, .context = path};
    }
    return std::nullopt;
  });
  EXPECT_FALSE(identity.update(record).has_value());
  EXPECT_TRUE(identity.update(record).has_value());
  disk.lose_power(std::nullopt);
  EXPECT_EQ(StoreIdentity::load(disk, "/")->record(), record);
}

TEST(StoreIdentity, NewerVersionIsRefusedByName) {
  MemoryDisk disk;
  const auto golden = io::read_whole_file(io::posix_file_system(),
                                          PLURESDB_GOLDEN "/store/STORE-version-3", 1ULL << 20);
  ASSERT_TRUE(golden.has_value()) << text_of(golden);
  ASSERT_TRUE(io::write_file_atomically(disk, "/STORE", *golden).has_value());
  const auto loaded = StoreIdentity::load(disk, "/");
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kUnsupportedVersion) << text_of(loaded);
}

/// The same for ever.
crypto::MasterKeys golden_keys() {
  std::map<crypto::Generation, crypto::SecretBytes> keys;
  for (const crypto::Generation generation : {1U, 2U}) {
    const std::string text(32, static_cast<char>('a' + generation));
    keys.emplace(generation, *crypto::SecretBytes::copy_of(base::as_bytes(text)));
  }
  return {some_record().store_uuid, 5, std::move(keys)};
}

TEST(StoreIdentity, GoldenBytesOfAnEncryptedStoreStayReadableAndWritable) {
  MemoryDisk disk;
  const auto golden = io::read_whole_file(io::posix_file_system(),
                                          PLURESDB_GOLDEN "/store/STORE-version-2", 1ULL << 20);
  ASSERT_TRUE(golden.has_value()) << text_of(golden);
  ASSERT_TRUE(io::write_file_atomically(disk, "/STORE", *golden).has_value());
  const crypto::MasterKeys keys = golden_keys();
  const auto loaded = StoreIdentity::load(disk, "/", &keys);
  ASSERT_TRUE(loaded.has_value()) << text_of(loaded);
  EXPECT_EQ(loaded->record(), some_record());
  EXPECT_EQ(StoreIdentity::load(disk, "/").error().code, ErrorCode::kKeyUnavailable);
  MemoryDisk other;
  ASSERT_TRUE(StoreIdentity::prepare(other, "/", some_record(), &keys).has_value());
  ASSERT_TRUE(StoreIdentity::commit(other, "/").has_value());
  EXPECT_EQ(*io::read_whole_file(other, "/STORE", 1ULL << 20), *golden);
}

TEST(StoreIdentity, GoldenBytesStayReadableAndWritable) {
  // The bytes were made by another program from the table of the format.
  MemoryDisk disk;
  const auto golden = io::read_whole_file(io::posix_file_system(),
                                          PLURESDB_GOLDEN "/store/STORE-version-1", 1ULL << 20);
  ASSERT_TRUE(golden.has_value()) << text_of(golden);
  ASSERT_TRUE(io::write_file_atomically(disk, "/STORE", *golden).has_value());
  const auto loaded = StoreIdentity::load(disk, "/");
  ASSERT_TRUE(loaded.has_value()) << text_of(loaded);
  EXPECT_EQ(loaded->record(), some_record());
  MemoryDisk other;
  (void)created(other, some_record());
  EXPECT_EQ(*io::read_whole_file(other, "/STORE", 1ULL << 20), *golden);
}

}  // namespace
}  // namespace pluresdb::core
