// The bytes of format version 1, for ever: a keyring with every kind of part and a sealed file
// under golden/crypto, made once, still open with their secrets and still mean what they meant.
// Random salts make every writing different, so only reading is held to the bytes.
// PLURESDB_WRITE_GOLDEN=1 writes them anew, for a new version only.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/crypto_keyring_support.h"
#include "engine/tests/crypto_test_support.h"

namespace pluresdb::crypto {
namespace {

using pluresdb::testing::MemoryDisk;
using testing::Bytes;
using testing::bytes_of;
using testing::contents_of;
using testing::got;
using testing::kNow;
using testing::make_keyring;
using testing::opens;
using testing::put_file;
using testing::secrets;
using testing::slot_of;
using testing::store_id;
using testing::unlock;

constexpr std::size_t kHeaderBytes = 16;
constexpr std::uint64_t kPosition = 0x1234;
constexpr const char* kPlain = "what an agent must not forget";

std::string golden(const std::string& name) {
  return std::string(PLURESDB_GOLDEN_DIRECTORY) + "/" + name;
}

Bytes golden_bytes(const std::string& name) {
  std::ifstream file(golden(name), std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return bytes_of(text);
}

void write_golden(const std::string& name, base::ByteSpan bytes) {
  std::ofstream(golden(name), std::ios::binary) << base::as_text(bytes);
}

/// A header, the envelope, one chunk with the header as its associated bytes.
Bytes sealed_file(const MasterKeys& keys) {
  const Bytes header = bytes_of("golden file v. 1");
  EXPECT_EQ(header.size(), kHeaderBytes);
  const auto made = got(seal_file_key(keys, header));
  auto sealer = got(ChunkSealer::create(made.key));
  const Bytes plain = bytes_of(kPlain);
  Bytes sealed(plain.size() + kSealBytes);
  EXPECT_TRUE(sealer.seal(kPosition, header, plain, sealed).has_value());
  Bytes file = header;
  base::append_bytes(file, made.envelope);
  base::append_bytes(file, sealed);
  return file;
}

/// Of generation 4: slots a (password), d (device key, stale), r (recovery key), b revoked;
/// generations 2 and 3 kept.
void write_golden_files() {
  std::filesystem::create_directories(PLURESDB_GOLDEN_DIRECTORY);
  MemoryDisk disk;
  Keyring keyring = make_keyring(disk);
  write_golden("file", sealed_file(keyring.master_keys()));
  ASSERT_TRUE(
      keyring.revoke(slot_of(keyring, "b"), secrets({"p:a", "d:d", "r:r"}), kNow).has_value());
  ASSERT_TRUE(keyring.rotate(secrets({"p:a", "r:r"})).has_value());
  ASSERT_TRUE(keyring.drop_generations(2).has_value());
  write_golden("keyring", contents_of(disk, "/s/keyring"));
}

TEST(CryptoGolden, KeyringAndFileOfVersion1Open) {
  if (std::getenv("PLURESDB_WRITE_GOLDEN") != nullptr) {
    write_golden_files();
  }
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directory("/s").has_value());
  put_file(disk, "/s/keyring", golden_bytes("keyring"));
  for (const char* name : {"p:a", "r:r"}) {
    const auto keyring = got(unlock(disk, name));
    const KeyringStatus status = keyring.status();
    EXPECT_EQ(status.store_id, store_id(7));
    EXPECT_EQ(status.version, (KeyringVersion{.generation = 4, .seq = 8}));
    EXPECT_EQ(status.old_generations, (std::vector<Generation>{2, 3}));
    ASSERT_EQ(status.slots.size(), 3U);
    EXPECT_EQ(status.slots[0].label, "slot of a");
    EXPECT_EQ(status.slots[1].state, SlotState::kStale);
    EXPECT_EQ(status.slots[2].type, SlotType::kRecoveryKey);
    ASSERT_EQ(status.revoked.size(), 1U);
    EXPECT_EQ(status.revoked[0].generation, 3U);

    const Bytes file = golden_bytes("file");
    const base::ByteSpan span(file);
    const auto header = span.first(kHeaderBytes);
    const auto envelope = span.subspan(kHeaderBytes, kEnvelopeBytes);
    EXPECT_EQ(got(version_of(envelope)), (KeyringVersion{.generation = 2, .seq = 5}));
    const auto key = got(open_file_key(keyring.master_keys(), envelope, header));
    const auto opener = got(ChunkOpener::create(key));
    Bytes plain(std::string(kPlain).size());
    ASSERT_TRUE(opener.open(kPosition, header, span.subspan(kHeaderBytes + kEnvelopeBytes), plain)
                    .has_value());
    EXPECT_EQ(base::as_text(plain), kPlain);
  }
  EXPECT_FALSE(opens(disk, "p:b"));
  EXPECT_FALSE(opens(disk, "d:d"));
}

}  // namespace
}  // namespace pluresdb::crypto
