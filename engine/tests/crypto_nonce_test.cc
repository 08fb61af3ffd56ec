// Goal: no pair of AES-GCM key and nonce is ever used for two encryptions, whatever becomes of the
// files: torn writes, failed writes that are tried again, crashes, new files, rotated keys.
// Method: this program stands between the engine and OpenSSL (its own EVP_EncryptInit_ex2 is found
// before libcrypto's) and notes every pair, also those that wrap keys.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "engine/base/bytes.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/crypto_keyring_support.h"
#include "engine/tests/crypto_test_support.h"
#include "engine/tests/nonce_ledger.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

using Ledger = pluresdb::nonce_test::NonceLedger;

using testing::Bytes;
using testing::got;
using testing::master_keys;

/// A writer as the log and the base store are: chunks in a row; a write that failed is tried again
/// further on or in a new file; a crash tears what was not synced and ends the file.
class Writer {
 public:
  void new_file(Generation generation) {
    auto made = got(seal_file_key(master_keys(1, generation), {}));
    sealer_ = std::make_unique<ChunkSealer>(got(ChunkSealer::create(made.key)));
    position_ = 0;
    ++seals_;
  }
  void write(std::size_t bytes) {
    const Bytes plain(bytes, std::byte{1});
    Bytes sealed(bytes + kSealBytes);
    RC_ASSERT(sealer_->seal(position_, {}, plain, sealed).has_value());
    position_ += sealed.size();
    ++seals_;
  }
  [[nodiscard]] std::uint64_t seals() const { return seals_; }

 private:
  std::unique_ptr<ChunkSealer> sealer_;
  std::uint64_t position_ = 0;
  std::uint64_t seals_ = 0;
};

RC_GTEST_PROP(Nonces, NoPairOfKeyAndNonceComesTwice, ()) {
  Ledger& ledger = Ledger::instance();
  ledger.clear();
  Writer writer;
  Generation generation = 1;
  writer.new_file(generation);
  const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 6));
  for (const int step : steps) {
    if (step == 0) {
      writer.new_file(generation);
    } else if (step == 1) {
      writer.new_file(++generation);
    } else {
      writer.write(static_cast<std::size_t>(step * 10));
    }
  }
  RC_ASSERT(ledger.uses() == writer.seals());  // All were seen.
  RC_ASSERT(ledger.repeated() == 0U);
}

// Slots, labels and older master keys are encrypted, too, and again with every change.
TEST(Nonces, NoneComesTwiceInTheLifeOfAKeyring) {
  Ledger& ledger = Ledger::instance();
  ledger.clear();
  pluresdb::testing::MemoryDisk disk;
  Keyring keyring = testing::make_keyring(disk);
  ASSERT_TRUE(
      keyring.change_secret(testing::slot_of(keyring, "a"), testing::secret("p:new")).has_value());
  ASSERT_TRUE(keyring.rotate(testing::secrets({"p:new", "d:d", "r:r"})).has_value());
  ASSERT_TRUE(
      keyring.revoke(testing::slot_of(keyring, "d"), testing::secrets({"p:new"}), testing::kNow)
          .has_value());
  ASSERT_TRUE(keyring.drop_generations(2).has_value());
  EXPECT_GT(ledger.uses(), 40U);
  EXPECT_EQ(ledger.repeated(), 0U);
}

// The ledger is no use if it misses what it is there for: one key, given to two writers.
TEST(Nonces, LedgerSeesAFileThatTwoHaveWritten) {
  Ledger& ledger = Ledger::instance();
  const auto made = got(seal_file_key(master_keys(1, 1), {}));
  auto first = got(ChunkSealer::create(made.key));
  auto second = got(ChunkSealer::create(made.key));
  ledger.clear();
  Bytes sealed(kSealBytes);
  ASSERT_TRUE(first.seal(0, {}, {}, sealed).has_value());
  ASSERT_TRUE(first.seal(1, {}, {}, sealed).has_value());
  ASSERT_TRUE(second.seal(2, {}, {}, sealed).has_value());
  EXPECT_EQ(ledger.repeated(), 0U);
  ASSERT_TRUE(second.seal(3, {}, {}, sealed).has_value());
  ASSERT_TRUE(first.seal(3, {}, {}, sealed).has_value());
  EXPECT_EQ(ledger.repeated(), 1U);
  EXPECT_EQ(ledger.uses(), 5U);
}

}  // namespace
}  // namespace pluresdb::crypto
