// The keyring: who opens it, what each change does, and that nothing changed by somebody without a
// key is believed.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "engine/base/bytes.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_file.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_failing_disk.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/crypto_keyring_support.h"
#include "engine/tests/crypto_test_support.h"
#include "engine/tests/io_test_directory.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

using pluresdb::testing::FailingDisk;
using pluresdb::testing::FailureMode;
using pluresdb::testing::MemoryDisk;
using testing::Bytes;
using testing::contents_of;
using testing::fix_checksum;
using testing::forged;
using testing::got;
using testing::kNow;
using testing::make_keyring;
using testing::opens;
using testing::place_on;
using testing::put_file;
using testing::secret;
using testing::secrets;
using testing::slot_of;
using testing::store_id;
using testing::text_of;
using testing::unlock;
using testing::weak_policy;

constexpr const char* kFirst = "/s/keyring";
constexpr const char* kSecond = "/s/keyring.bak";

template <typename T>
ErrorCode code_of(const Result<T>& result) {
  EXPECT_FALSE(result.has_value());
  return result ? ErrorCode::kCancelled : result.error().code;
}

class KeyringTest : public ::testing::Test {
 protected:
  KeyringTest() : keyring_(make_keyring(disk_)) {}

  MemoryDisk disk_;
  Keyring keyring_;
};

TEST_F(KeyringTest, OpensWithEachOfItsSecretsAndNoOther) {
  for (const char* name : {"p:a", "p:b", "d:d", "r:r"}) {
    EXPECT_TRUE(opens(disk_, name)) << name;
  }
  // Other bytes, the other's bytes in another kind of slot, a longer and a shorter password.
  for (const char* name : {"p:c", "d:r", "r:d", "p:aa", "p:dddddddddddddddddddddddddddddddd"}) {
    EXPECT_FALSE(opens(disk_, name)) << name;
  }
}

TEST_F(KeyringTest, SaysWhatIsInIt) {
  const auto opened = got(unlock(disk_, "p:b"));
  EXPECT_EQ(opened.opened_by(), slot_of(keyring_, "b"));
  for (const KeyringStatus& status : {keyring_.status(), opened.status()}) {
    EXPECT_EQ(status.store_id, store_id(7));
    EXPECT_EQ(status.version, (KeyringVersion{.generation = 2, .seq = 5}));
    EXPECT_EQ(status.old_generations, (std::vector<Generation>{1}));
    ASSERT_EQ(status.slots.size(), 4U);
    EXPECT_EQ(status.slots[2].label, "slot of d");
    EXPECT_EQ(status.slots[2].type, SlotType::kDeviceKey);
    EXPECT_EQ(status.slots[2].created_us, kNow);
    EXPECT_EQ(status.slots[0].kdf, weak_policy().for_new_slots());
    EXPECT_FALSE(status.copies_differ);
  }
  const auto examined = got(examine_keyring(place_on(disk_)));
  EXPECT_EQ(examined.slots.size(), 4U);
  EXPECT_EQ(examined.slots[0].label, std::nullopt);
}

TEST_F(KeyringTest, ShowsNoNameInTheClear) {
  const Bytes file = contents_of(disk_, kFirst);
  EXPECT_EQ(base::as_text(file).find("slot of"), std::string_view::npos);
}

TEST_F(KeyringTest, IsNotMadeOverAnother) {
  EXPECT_EQ(code_of(Keyring::create(place_on(disk_), store_id(8), secret("p:a"), "", kNow)),
            ErrorCode::kInvalidArgument);
  disk_.destroy(kFirst);
  EXPECT_EQ(code_of(Keyring::create(place_on(disk_), store_id(8), secret("p:a"), "", kNow)),
            ErrorCode::kInvalidArgument);
  EXPECT_TRUE(opens(disk_, "p:a"));
}

TEST_F(KeyringTest, ImpossibleSecretsAreTheCallersMistake) {
  for (const std::size_t size : {std::size_t{0}, kPasswordBytesMax + 1}) {
    const Secret wrong{.type = SlotType::kPassword,
                       .bytes = testing::secret_of(std::string(size, 'x'))};
    EXPECT_EQ(code_of(Keyring::unlock(place_on(disk_), wrong, Keyring::Access::kReadOnly)),
              ErrorCode::kInvalidArgument);
    EXPECT_EQ(code_of(keyring_.add_slot(wrong, "", kNow)), ErrorCode::kInvalidArgument);
  }
  const Secret short_key{.type = SlotType::kDeviceKey, .bytes = testing::secret_of("short")};
  EXPECT_EQ(code_of(keyring_.add_slot(short_key, "", kNow)), ErrorCode::kInvalidArgument);
  const std::string odd("with\0zero\nand\xff", 14);
  const Secret bytes{.type = SlotType::kPassword, .bytes = testing::secret_of(odd)};
  ASSERT_TRUE(keyring_.add_slot(bytes, "", kNow).has_value());
  EXPECT_TRUE(Keyring::unlock(place_on(disk_), bytes, Keyring::Access::kReadOnly).has_value());
  EXPECT_FALSE(opens(disk_, "p:with"));
}

TEST_F(KeyringTest, ChangedSecretReplacesTheOldOne) {
  ASSERT_TRUE(keyring_.change_secret(slot_of(keyring_, "a"), secret("p:new")).has_value());
  EXPECT_FALSE(opens(disk_, "p:a"));
  EXPECT_TRUE(opens(disk_, "p:new"));
  EXPECT_TRUE(opens(disk_, "p:b"));
  EXPECT_EQ(contents_of(disk_, kFirst), contents_of(disk_, kSecond));
  EXPECT_EQ(code_of(keyring_.change_secret(SlotId{}, secret("p:x"))), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(keyring_.change_secret(slot_of(keyring_, "a"), secret("d:x"))),
            ErrorCode::kInvalidArgument);
}

TEST_F(KeyringTest, RotationKeepsOldFilesAndShutsOldKeysOutOfNewOnes) {
  const auto before = got(seal_file_key(keyring_.master_keys(), {}));
  const auto old_keys = got(unlock(disk_, "p:b"));
  ASSERT_TRUE(keyring_.rotate(secrets({"p:a", "d:d"})).has_value());
  const auto after = got(seal_file_key(keyring_.master_keys(), {}));
  const auto opened = got(unlock(disk_, "d:d"));
  for (const auto* file : {&before, &after}) {
    const auto key = got(open_file_key(opened.master_keys(), file->envelope, {}));
    EXPECT_TRUE(equal_in_constant_time(key.bytes(), file->key.bytes()));
  }
  EXPECT_EQ(got(version_of(after.envelope)), (KeyringVersion{.generation = 3, .seq = 6}));
  EXPECT_EQ(code_of(open_file_key(old_keys.master_keys(), after.envelope, {})),
            ErrorCode::kKeyUnavailable);
  // What is stale opens nothing, until its slot is given a secret again.
  EXPECT_FALSE(opens(disk_, "p:b"));
  EXPECT_FALSE(opens(disk_, "r:r"));
  EXPECT_EQ(keyring_.status().slots[1].state, SlotState::kStale);
  ASSERT_TRUE(keyring_.change_secret(slot_of(keyring_, "b"), secret("p:b")).has_value());
  EXPECT_TRUE(opens(disk_, "p:b"));
}

TEST_F(KeyringTest, RotationNeedsSecretsThatOpen) {
  EXPECT_EQ(code_of(keyring_.rotate({})), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(keyring_.rotate(secrets({"p:a", "p:mistyped"}))), ErrorCode::kKeyUnavailable);
  EXPECT_EQ(keyring_.status().version.generation, 2U);
  for (const char* name : {"p:a", "p:b", "d:d", "r:r"}) {
    EXPECT_TRUE(opens(disk_, name)) << name;
  }
}

TEST_F(KeyringTest, RevocationSurvivesRotations) {
  const SlotId revoked = slot_of(keyring_, "d");
  ASSERT_TRUE(keyring_.revoke(revoked, secrets({"p:a", "r:r"}), kNow + 1).has_value());
  for (int i = 0; i < 3; ++i) {
    auto opened = got(unlock(disk_, "r:r", Keyring::Access::kOwner));
    ASSERT_TRUE(opened.rotate(secrets({"p:a", "r:r"})).has_value());
  }
  const KeyringStatus status = got(examine_keyring(place_on(disk_)));
  ASSERT_EQ(status.revoked.size(), 1U);
  EXPECT_EQ(status.revoked[0].id, revoked);
  EXPECT_EQ(status.revoked[0].revoked_us, kNow + 1);
  EXPECT_EQ(status.revoked[0].generation, 3U);
  EXPECT_EQ(status.slots.size(), 3U);
  EXPECT_FALSE(opens(disk_, "d:d"));
}

TEST_F(KeyringTest, LastSlotIsNeverRemoved) {
  const SlotId a = slot_of(keyring_, "a");
  EXPECT_EQ(code_of(keyring_.revoke(a, {}, kNow)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(keyring_.revoke(a, secrets({"p:a"}), kNow)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(keyring_.revoke(a, secrets({"p:a", "p:b"}), kNow)),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(keyring_.revoke(a, secrets({"p:b", "p:typo"}), kNow)),
            ErrorCode::kKeyUnavailable);
  EXPECT_EQ(code_of(keyring_.revoke(SlotId{}, secrets({"p:b"}), kNow)), ErrorCode::kNotFound);
  EXPECT_TRUE(opens(disk_, "p:a"));
  ASSERT_TRUE(keyring_.revoke(a, secrets({"p:b"}), kNow).has_value());
  EXPECT_FALSE(opens(disk_, "p:a"));
}

TEST_F(KeyringTest, DroppedGenerationsAreGone) {
  ASSERT_TRUE(keyring_.rotate(secrets({"p:a"})).has_value());
  const auto file = got(seal_file_key(testing::master_keys(7, 1), {}));  // Of generation 1.
  EXPECT_EQ(code_of(keyring_.drop_generations(4)), ErrorCode::kInvalidArgument);
  ASSERT_TRUE(keyring_.drop_generations(2).has_value());
  const auto opened = got(unlock(disk_, "p:a"));
  EXPECT_EQ(opened.status().old_generations, (std::vector<Generation>{2}));
  EXPECT_EQ(code_of(open_file_key(opened.master_keys(), file.envelope, {})),
            ErrorCode::kKeyUnavailable);
  const auto seq = opened.status().version.seq;
  ASSERT_TRUE(keyring_.drop_generations(2).has_value());  // Nothing left to do.
  EXPECT_EQ(got(examine_keyring(place_on(disk_))).version.seq, seq);
}

TEST_F(KeyringTest, LimitsRefuseAndChangeNothing) {
  ASSERT_TRUE(keyring_.add_slot(secret("p:c"), std::string(kLabelBytesMax, 'l'), kNow).has_value());
  ASSERT_TRUE(keyring_.add_slot(secret("p:e"), "", kNow).has_value());
  EXPECT_EQ(code_of(keyring_.add_slot(secret("p:f"), "", kNow)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(keyring_.add_slot(secret("d:1"), std::string(kLabelBytesMax + 1, 'l'), kNow)),
            ErrorCode::kInvalidArgument);
  for (char key = 'A'; keyring_.status().slots.size() < kSlotsMax; ++key) {
    ASSERT_TRUE(keyring_.add_slot(secret(std::string("d:") + key), "", kNow).has_value());
  }
  EXPECT_EQ(code_of(keyring_.add_slot(secret("d:1"), "", kNow)), ErrorCode::kInvalidArgument);
  while (keyring_.status().old_generations.size() < kOldGenerationsMax) {
    ASSERT_TRUE(keyring_.rotate(secrets({"d:A"})).has_value());
  }
  EXPECT_EQ(code_of(keyring_.rotate(secrets({"d:A"}))), ErrorCode::kInvalidArgument);
  const auto opened = got(unlock(disk_, "d:A"));
  EXPECT_EQ(opened.status().slots[4].label, std::string(kLabelBytesMax, 'l'));
  EXPECT_EQ(opened.master_keys().all().size(), kOldGenerationsMax + 1);
}

// Red with: `seen` not looked at, or only one half of it.
TEST_F(KeyringTest, OlderThanAFileIsRefused) {
  const auto open_with = [this](const KeyringVersion& seen) {
    return Keyring::unlock(place_on(disk_), secret("p:a"), Keyring::Access::kOwner, seen);
  };
  EXPECT_TRUE(open_with({.generation = 2, .seq = 5}).has_value());
  EXPECT_EQ(code_of(open_with({.generation = 2, .seq = 6})), ErrorCode::kKeyUnavailable);
  EXPECT_EQ(code_of(open_with({.generation = 3, .seq = 5})), ErrorCode::kKeyUnavailable);
}

// Goal: the older copy that a crash can leave never lets an older secret in.
TEST_F(KeyringTest, SecondCopyIsNotAskedWhenASecretDoesNotFit) {
  const Bytes old = contents_of(disk_, kFirst);
  ASSERT_TRUE(keyring_.change_secret(slot_of(keyring_, "a"), secret("p:new")).has_value());
  put_file(disk_, kSecond, old);
  EXPECT_FALSE(opens(disk_, "p:a"));
  EXPECT_TRUE(opens(disk_, "p:new"));
  EXPECT_TRUE(got(examine_keyring(place_on(disk_))).copies_differ);
  // The owner's unlock takes it away.
  ASSERT_TRUE(unlock(disk_, "p:new", Keyring::Access::kOwner).has_value());
  disk_.destroy(kFirst);
  EXPECT_FALSE(opens(disk_, "p:a"));
  EXPECT_TRUE(opens(disk_, "p:new"));
}

TEST_F(KeyringTest, DamagedOrMissingFirstCopyIsMadeGoodByTheSecond) {
  const Bytes whole = contents_of(disk_, kFirst);
  Bytes longer(kKeyringBytesMax + 1);
  std::ranges::copy(whole, longer.begin());
  Bytes flipped = whole;
  flipped[100] ^= std::byte{1};
  for (const Bytes& damaged : {longer, flipped, Bytes{}}) {
    put_file(disk_, kFirst, damaged);
    EXPECT_EQ(got(examine_keyring(place_on(disk_))).first_copy, CopyState::kDamaged);
    ASSERT_TRUE(unlock(disk_, "p:a").has_value());
    const auto found = got(unlock(disk_, "p:a", Keyring::Access::kOwner));
    EXPECT_EQ(found.status().first_copy, CopyState::kDamaged);
    EXPECT_FALSE(found.status().copies_differ);
    EXPECT_EQ(contents_of(disk_, kFirst), whole);
  }
  disk_.destroy(kFirst);
  ASSERT_TRUE(unlock(disk_, "p:a", Keyring::Access::kOwner).has_value());
  EXPECT_EQ(contents_of(disk_, kFirst), whole);
  disk_.destroy(kSecond);
  ASSERT_TRUE(unlock(disk_, "p:a", Keyring::Access::kOwner).has_value());
  EXPECT_EQ(contents_of(disk_, kSecond), whole);
  disk_.destroy(kFirst);
  disk_.destroy(kSecond);
  EXPECT_EQ(code_of(unlock(disk_, "p:a")), ErrorCode::kNotFound);
}

TEST_F(KeyringTest, UnreadableFirstCopyIsAnErrorAndNoReasonForTheSecond) {
  FailingDisk failing(disk_);
  failing.fail_from(1, {.name = "read"}, "keyring.bak");
  EXPECT_EQ(code_of(Keyring::unlock(place_on(failing), secret("p:a"), Keyring::Access::kOwner)),
            ErrorCode::kIo);
}

TEST_F(KeyringTest, OtherVersionIsRefusedAndNoReasonForTheSecondCopy) {
  for (const auto& [offset, value] :
       std::vector<std::pair<std::size_t, int>>{{8, 0}, {8, 2}, {8, 0xffff}, {10, 0}, {10, 2}}) {
    Bytes other = contents_of(disk_, kSecond);
    base::store(other, offset, static_cast<std::uint16_t>(value));
    fix_checksum(other);
    put_file(disk_, kFirst, other);
    EXPECT_EQ(code_of(unlock(disk_, "p:a")), ErrorCode::kUnsupportedVersion);
    EXPECT_EQ(contents_of(disk_, kFirst), other);
  }
}

TEST_F(KeyringTest, ReadOnlyUnlockChangesNothing) {
  disk_.destroy(kSecond);
  disk_.stop_after(0);  // Any change would fail.
  auto opened = got(unlock(disk_, "p:a"));
  EXPECT_TRUE(opened.status().copies_differ);
  EXPECT_EQ(code_of(opened.rotate(secrets({"p:a"}))), ErrorCode::kReadOnly);
  EXPECT_EQ(code_of(opened.add_slot(secret("d:x"), "", kNow)), ErrorCode::kReadOnly);
  EXPECT_EQ(disk_.operations(), 0U);
}

TEST_F(KeyringTest, FullDiskOpensWithOneCopy) {
  disk_.destroy(kSecond);
  disk_.set_capacity(disk_.used());
  const auto opened = got(unlock(disk_, "p:a", Keyring::Access::kOwner));
  EXPECT_TRUE(opened.status().copies_differ);
  EXPECT_EQ(got(disk_.list("/s")), (std::vector<std::string>{"keyring"}));
}

// Every bit, every length: found by the checksum before any key is asked for.
TEST_F(KeyringTest, EveryFlippedBitAndEveryCutIsCorruption) {
  const Bytes whole = contents_of(disk_, kFirst);
  disk_.destroy(kSecond);
  const auto expect_corrupt = [&](const Bytes& file) {
    put_file(disk_, kFirst, file);
    const auto outcome = unlock(disk_, "d:d");
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code, ErrorCode::kCorruption) << text_of(outcome);
  };
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes damaged = whole;
    damaged[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << (bit % 8))};
    ASSERT_NO_FATAL_FAILURE(expect_corrupt(damaged)) << "bit " << bit;
  }
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ASSERT_NO_FATAL_FAILURE(expect_corrupt({whole.begin(), whole.begin() + std::ptrdiff_t(size)}))
        << size << " bytes";
  }
  Bytes longer = whole;
  longer.push_back(std::byte{0});
  ASSERT_NO_FATAL_FAILURE(expect_corrupt(longer));
}

// The same by somebody who knows the format: the checksum fits again. Opened by a device key, so
// that no flipped parameter of a password is stretched with.
TEST_F(KeyringTest, NoForgedBitIsBelieved) {
  const Bytes whole = contents_of(disk_, kFirst);
  ASSERT_TRUE(keyring_.revoke(slot_of(keyring_, "b"), secrets({"d:d", "p:a"}), kNow).has_value());
  const Bytes file = contents_of(disk_, kFirst);
  disk_.destroy(kSecond);
  for (std::size_t bit = 0; bit < (file.size() - 32) * 8; ++bit) {
    Bytes damaged = file;
    damaged[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << (bit % 8))};
    fix_checksum(damaged);
    put_file(disk_, kFirst, damaged);
    const auto outcome = unlock(disk_, "d:d");
    ASSERT_FALSE(outcome.has_value()) << "bit " << bit;
    EXPECT_TRUE(outcome.error().code == ErrorCode::kCorruption ||
                outcome.error().code == ErrorCode::kKeyUnavailable ||
                outcome.error().code == ErrorCode::kUnsupportedVersion)
        << text_of(outcome);
  }
  put_file(disk_, kFirst, file);
  EXPECT_TRUE(opens(disk_, "d:d"));
}

// Counts, lengths and parameters as an attacker would choose them, opened by a password.
TEST_F(KeyringTest, HostileNumbersAreRefused) {
  constexpr std::uint32_t kHuge = std::numeric_limits<std::uint32_t>::max();
  const Bytes whole = contents_of(disk_, kFirst);
  disk_.destroy(kSecond);
  const auto refused = [&](std::size_t offset, auto value) {
    Bytes hostile = whole;
    base::store(hostile, offset, value);
    fix_checksum(hostile);
    put_file(disk_, kFirst, hostile);
    const auto outcome = unlock(disk_, "p:a");
    EXPECT_FALSE(outcome.has_value()) << offset;
    EXPECT_EQ(code_of(outcome), ErrorCode::kCorruption) << offset << " " << text_of(outcome);
  };
  refused(12, kHuge);             // Length.
  refused(32, std::uint64_t{0});  // Seq.
  refused(40, std::uint32_t{0});  // Generation.
  refused(44, std::uint16_t{0});  // Slots.
  refused(44, std::uint16_t{3});
  refused(44, std::uint16_t{0xffff});
  refused(46, std::uint16_t{0xffff});  // Old generations.
  refused(48, std::uint16_t{0xffff});  // Tombstones.
  refused(50, std::uint8_t{1});        // Reserved.
  refused(64 + 16, std::uint8_t{0});   // Type.
  refused(64 + 16, std::uint8_t{4});
  refused(64 + 16, std::uint8_t{2});   // A device key that is stretched.
  refused(64 + 17, std::uint8_t{3});   // State.
  refused(64 + 18, std::uint16_t{1});  // Reserved.
  refused(64 + 20, kHuge);             // Memory.
  refused(64 + 20, std::uint32_t{1U << 22});
  refused(64 + 20, std::uint32_t{7});  // Less than 8 KiB a lane.
  refused(64 + 24, kHuge);             // Passes.
  refused(64 + 24, std::uint32_t{0});
  refused(64 + 28, std::uint32_t{1U << 24});  // Lanes.
  refused(64 + 28, std::uint32_t{0});
  refused(64 + 4 * 296, std::uint32_t{2});  // An old generation that is the newest.
  refused(64 + 4 * 296 + 4, std::uint32_t{1});
}

// An ordinary program does not stretch with less than 8 MiB, whoever asks for it.
TEST_F(KeyringTest, WeakStoredParametersAreRefusedByTheStandardPolicy) {
  const KeyringPlace standard{.files = disk_, .directory = "/s"};
  EXPECT_EQ(code_of(Keyring::unlock(standard, secret("p:a"), Keyring::Access::kReadOnly)),
            ErrorCode::kCorruption);
}

KeyringImage image_of(const Bytes& file) { return got(parse_keyring(file, weak_policy())); }

// Whole parts moved, taken away or put back, the rest left as it is.
TEST_F(KeyringTest, NoMovedPartIsBelieved) {
  const Bytes before = contents_of(disk_, kFirst);
  ASSERT_TRUE(
      keyring_.revoke(slot_of(keyring_, "b"), secrets({"p:a", "d:d", "r:r"}), kNow).has_value());
  const Bytes whole = contents_of(disk_, kFirst);
  MemoryDisk other_disk;
  (void)make_keyring(other_disk);
  const KeyringImage other = image_of(contents_of(other_disk, kFirst));
  disk_.destroy(kSecond);
  const auto expect_refused = [&](const char* what, auto change) {
    KeyringImage image = image_of(whole);
    change(image);
    put_file(disk_, kFirst, forged(image, whole));
    for (const char* name : {"p:a", "p:b", "d:d", "r:r"}) {
      const auto outcome = unlock(disk_, name);
      EXPECT_FALSE(outcome.has_value()) << what << " " << name;
    }
  };
  expect_refused("no tombstone", [](KeyringImage& image) { image.tombstones.clear(); });
  expect_refused("revoked slot back", [&](KeyringImage& image) {
    image.tombstones.clear();
    image.slots.push_back(image_of(before).slots[1]);
  });
  expect_refused("swapped keys", [](KeyringImage& image) {
    std::swap(image.slots[1].wrapped, image.slots[2].wrapped);
  });
  expect_refused("swapped labels", [](KeyringImage& image) {
    std::swap(image.slots[1].label, image.slots[2].label);
    std::swap(image.slots[1].label_salt, image.slots[2].label_salt);
  });
  expect_refused("one slot less", [](KeyringImage& image) { image.slots.pop_back(); });
  expect_refused("one slot of another store",
                 [&](KeyringImage& image) { image.slots[0] = other.slots[0]; });
  expect_refused("another store's id", [](KeyringImage& image) { image.store_id = store_id(8); });
  expect_refused("older generations swapped", [](KeyringImage& image) {
    std::swap(image.old_generations[0].wrapped, image.old_generations[1].wrapped);
  });
  expect_refused("no older generation", [](KeyringImage& image) { image.old_generations.clear(); });
  put_file(disk_, kFirst, whole);
  EXPECT_TRUE(opens(disk_, "p:a"));
}

TEST_F(KeyringTest, ImpossibleSlotsAreRefusedBeforeAnySecretIsTried) {
  const Bytes whole = contents_of(disk_, kFirst);
  const std::size_t slot_bytes = 296;
  const auto refused = [&](const char* what, Bytes file) {
    fix_checksum(file);
    EXPECT_TRUE(got(is_whole_keyring(file))) << what;
    EXPECT_EQ(code_of(parse_keyring(file, weak_policy())), ErrorCode::kCorruption) << what;
  };
  Bytes twice = whole;
  for (std::size_t at = 64; at < 64 + kSlotIdBytes; ++at) {
    twice.at(at + slot_bytes) = whole.at(at);
  }
  refused("one id twice", twice);
  Bytes none = whole;
  for (std::size_t slot = 0; slot < 4; ++slot) {
    none[64 + slot * slot_bytes + 17] = std::byte{2};
    std::fill_n(none.begin() + std::ptrdiff_t(64 + slot * slot_bytes + 20), 44, std::byte{0});
    std::fill_n(none.begin() + std::ptrdiff_t(64 + slot * slot_bytes + 72), 112, std::byte{0});
  }
  refused("no active slot", none);
  Bytes stale = whole;
  stale[64 + 3 * slot_bytes + 17] = std::byte{2};
  refused("a stale slot with a key", stale);
  Bytes zero = whole;
  base::store(zero, 64, SlotId{});
  refused("no id", zero);
}

/// `whole` with one part repeated until there are `count`, each with a number of its own at its
/// beginning; lengths and checksum fit.
Bytes with_many(const Bytes& whole, std::size_t part, std::size_t part_bytes,
                std::size_t count_offset, std::uint16_t count) {
  Bytes file(whole.begin(), whole.begin() + std::ptrdiff_t(part));
  for (std::uint32_t i = 1; i <= count; ++i) {
    Bytes copy(whole.begin() + std::ptrdiff_t(part),
               whole.begin() + std::ptrdiff_t(part + part_bytes));
    base::store(copy, 0, i);
    base::append_bytes(file, copy);
  }
  base::append_bytes(file, base::ByteSpan(whole).subspan(part + part_bytes));
  base::store(file, count_offset, count);
  base::store(file, 12, static_cast<std::uint32_t>(file.size()));
  fix_checksum(file);
  return file;
}

// One part more than there may be is refused for that reason alone: as many as there may be are
// not.
TEST(KeyringLimits, HoldForEveryPart) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directory("/s").has_value());
  auto keyring = got(Keyring::create(place_on(disk), store_id(7), secret("d:d"), "", kNow));
  const auto other = got(keyring.add_slot(secret("d:e"), "", kNow));
  ASSERT_TRUE(keyring.revoke(other, secrets({"d:d"}), kNow).has_value());
  Bytes whole = contents_of(disk, kFirst);      // One slot, one old generation, one tombstone.
  base::store(whole, 40, std::uint32_t{5000});  // A newest generation with room below it.
  const std::size_t generation = 64 + 296;
  const std::size_t tombstone = generation + 120;
  const auto parses = [](const Bytes& file) {
    EXPECT_TRUE(got(is_whole_keyring(file)));
    return parse_keyring(file, weak_policy()).has_value();
  };
  EXPECT_TRUE(parses(with_many(whole, 64, 296, 44, kSlotsMax)));
  EXPECT_FALSE(parses(with_many(whole, 64, 296, 44, kSlotsMax + 1)));
  EXPECT_TRUE(parses(with_many(whole, generation, 120, 46, kOldGenerationsMax)));
  EXPECT_FALSE(parses(with_many(whole, generation, 120, 46, kOldGenerationsMax + 1)));
  EXPECT_TRUE(parses(with_many(whole, tombstone, 32, 48, kTombstonesMax)));
  EXPECT_FALSE(parses(with_many(whole, tombstone, 32, 48, kTombstonesMax + 1)));
}

TEST(KeyringOnDisk, IsReadableByItsOwnerOnlyAndFollowsNoLink) {
  const io::TestDirectory directory;
  io::FileSystem& files = io::posix_file_system();
  const auto place = place_on(files, directory.path());
  ASSERT_TRUE(Keyring::create(place, store_id(1), secret("p:a"), "", kNow).has_value());
  for (const char* name : {kKeyringName, kSecondKeyringName}) {
    struct stat status{};
    ASSERT_EQ(::stat((directory / name).c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0600U);
  }
  std::filesystem::rename(directory / "keyring", directory / "elsewhere");
  std::filesystem::create_symlink("elsewhere", directory / "keyring");
  EXPECT_EQ(code_of(Keyring::unlock(place, secret("p:a"), Keyring::Access::kReadOnly)),
            ErrorCode::kIo);
}

// What the standard policy costs is paid once here, so that it is known to work.
TEST(KeyringOnDisk, StandardPolicyOpensWhatItMakes) {
  MemoryDisk disk;
  ASSERT_TRUE(disk.create_directory("/s").has_value());
  const KeyringPlace place{.files = disk, .directory = "/s"};
  ASSERT_TRUE(Keyring::create(place, store_id(1), secret("p:a"), "", kNow).has_value());
  const auto opened = Keyring::unlock(place, secret("p:a"), Keyring::Access::kReadOnly);
  ASSERT_TRUE(opened.has_value()) << text_of(opened);
  EXPECT_EQ(opened->status().slots[0].kdf,
            (Argon2Parameters{.memory_kib = 65536, .passes = 3, .lanes = 4}));
}

}  // namespace
}  // namespace pluresdb::crypto
