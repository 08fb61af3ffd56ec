// Goal: no pair of AES-GCM key and nonce is used for two encryptions by an encrypted base store,
// whatever becomes of it: power losses, failed and half-done operations, reopens, merges.
// Method: this program stands between the engine and OpenSSL (its own EVP_EncryptInit_ex2 is found
// before libcrypto's) and notes every pair, those that wrap keys included.
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/file_key.h"
#include "engine/store/base_store.h"
#include "engine/tests/nonce_ledger.h"
#include "engine/tests/store_simulated_disk.h"
#include "engine/tests/store_test_support.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

using Ledger = pluresdb::nonce_test::NonceLedger;

using Keep = SimulatedDisk::Keep;
using Fault = SimulatedDisk::Fault;

constexpr std::size_t kDocuments = 12;

BaseStoreOptions options_of(SimulatedDisk& disk) {
  return {.directory = "base",
          .block_cache_bytes = 256 << 10,
          .files = &disk,
          .keys = keys_if(true),
          .background_threads = false};
}

/// Three checkpoints with a reopen behind each; goes on after errors. False when it was no store.
bool go_on(SimulatedDisk& disk, Seq first) {
  auto store = BaseStore::open(options_of(disk));
  if (!store) {
    store = BaseStore::create(options_of(disk));
  }
  for (Seq number = first; store && number < first + 3; ++number) {
    const auto [documents, meta] = make_checkpoint(number, kDocuments);
    (void)ingest(**store, documents, meta);
    (void)(*store)->reopen();
  }
  return store.has_value();
}

TEST(SealedNonces, NoneComesTwiceOverPowerLossesAtEveryOperation) {
  Ledger& ledger = Ledger::instance();
  ledger.clear();
  SimulatedDisk disk;
  std::size_t images = 0;
  std::size_t opened = 0;
  disk.set_observer([&] {
    for (const Keep keep : {Keep::kNothing, Keep::kSubset, Keep::kEverything}) {
      const auto after = disk.power_loss(keep, images);
      // What is written behind the crash is written beside what the crash has left.
      opened += go_on(*after, 10) ? 1U : 0U;
      ++images;
    }
  });
  EXPECT_TRUE(go_on(disk, 1));
  disk.set_observer({});
  EXPECT_GT(images, 200U);
  EXPECT_EQ(opened, images);
  EXPECT_GT(ledger.uses(), images * 20);
  EXPECT_EQ(ledger.repeated(), 0U);
}

TEST(SealedNonces, NoneComesTwiceWhicheverOperationFails) {
  Ledger& ledger = Ledger::instance();
  ledger.clear();
  for (const Fault fault : {Fault::kNotDone, Fault::kDoneButReported}) {
    bool fired = true;
    std::uint64_t ordinal = 1;
    for (; fired; ++ordinal) {
      SimulatedDisk disk;
      disk.plan_fault(ordinal, fault);
      (void)go_on(disk, 1);
      fired = disk.faults_fired() > 0;
      disk.heal();
      EXPECT_TRUE(go_on(disk, 10)) << ordinal;
    }
    EXPECT_GT(ordinal, 60U);
  }
  EXPECT_GT(ledger.uses(), 1000U);
  EXPECT_EQ(ledger.repeated(), 0U);
}

TEST(SealedNonces, NoneComesTwiceInMerges) {
  Ledger& ledger = Ledger::instance();
  ledger.clear();
  SimulatedDisk disk;
  auto options = options_of(disk);
  options.background_threads = true;
  auto store = BaseStore::create(options);
  ASSERT_TRUE(store);
  for (Seq number = 1; number <= 60; ++number) {
    const auto [documents, meta] = make_checkpoint(number, 200, 400);
    ASSERT_TRUE(ingest(**store, documents, meta));
  }
  ASSERT_TRUE((*store)->close());
  EXPECT_GT(ledger.uses(), 60U * 4U);
  EXPECT_EQ(ledger.repeated(), 0U);
}

// The ledger is no use if it misses what it is there for: one key, given to two writers.
TEST(SealedNonces, TwoWritersOfOneFileAreSeen) {
  Ledger& ledger = Ledger::instance();
  const auto made = crypto::seal_file_key(*keys_if(true), {});
  ASSERT_TRUE(made);
  auto first = crypto::ChunkSealer::create(made->key);
  auto second = crypto::ChunkSealer::create(made->key);
  ASSERT_TRUE(first && second);
  ledger.clear();
  std::array<std::byte, crypto::kSealBytes> sealed{};
  EXPECT_TRUE(first->seal(0, {}, {}, sealed));
  EXPECT_TRUE(second->seal(0, {}, {}, sealed));
  EXPECT_EQ(ledger.uses(), 2U);
  EXPECT_EQ(ledger.repeated(), 1U);
}

}  // namespace
}  // namespace pluresdb::store
