// Goal: whatever operation of the disk a change of the keyring is cut off at, or fails at, exactly
// the old or the new keyring is in force, for every secret, and files that were sealed before open.
// Method: each change on a disk in memory that stops at operation N, for every N; then a restart, a
// power loss that takes all or a seeded part of what was not synced, and the same again inside the
// owner's next unlock. And each operation failing once, in every way that the disk knows.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_file.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_failing_disk.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/crypto_keyring_support.h"
#include "engine/tests/crypto_test_support.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

using pluresdb::testing::FailingDisk;
using pluresdb::testing::FailureMode;
using pluresdb::testing::MemoryDisk;
using testing::got;
using testing::kNow;
using testing::make_keyring;
using testing::opens;
using testing::place_on;
using testing::secret;
using testing::secrets;
using testing::slot_of;
using testing::store_id;
using testing::text_of;
using testing::unlock;

using Names = std::vector<std::string>;
const Names& all_names() {
  static const Names names = {"p:a", "p:new", "p:b", "d:d", "d:e", "r:r"};
  return names;
}

struct Change {
  const char* name;
  std::function<Status(Keyring&)> run;
  Names opens_after;
};

const Names& opens_before() {
  static const Names names = {"p:a", "p:b", "d:d", "r:r"};
  return names;
}

const std::vector<Change>& changes() {
  static const std::vector<Change> all = {
      {"passwd",
       [](Keyring& k) { return k.change_secret(slot_of(k, "a"), secret("p:new")); },
       {"p:new", "p:b", "d:d", "r:r"}},
      {"add",
       [](Keyring& k) -> Status {
         TRY(k.add_slot(secret("d:e"), "", kNow));
         return {};
       },
       {"p:a", "p:b", "d:d", "d:e", "r:r"}},
      {"rotate", [](Keyring& k) { return k.rotate(secrets({"p:a", "d:d"})); }, {"p:a", "d:d"}},
      {"revoke",
       [](Keyring& k) { return k.revoke(slot_of(k, "d"), secrets({"p:a", "r:r"}), kNow); },
       {"p:a", "r:r"}},
      {"drop", [](Keyring& k) { return k.drop_generations(2); }, opens_before()},
  };
  return all;
}

/// The disk before the change: a keyring of two generations, seq 5, and a file of the newest.
class World {
 public:
  World() : keyring_(make_keyring(disk_)) {
    const auto made = got(seal_file_key(keyring_.master_keys(), {}));
    envelope_ = made.envelope;
    EXPECT_TRUE(made.key.size() == 32);
    seq_ = keyring_.status().version.seq;
  }
  [[nodiscard]] std::unique_ptr<MemoryDisk> disk() const { return disk_.clone(); }
  [[nodiscard]] std::uint64_t seq() const { return seq_; }
  [[nodiscard]] const Envelope& envelope() const { return envelope_; }

 private:
  MemoryDisk disk_;
  Keyring keyring_;
  Envelope envelope_{};
  std::uint64_t seq_ = 0;
};

enum class InForce { kOld, kNew };

/// Which keyring counts on the disk; it must be wholly that one.
InForce judge(io::FileSystem& disk, const World& world, const Change& change) {
  const auto status = examine_keyring(place_on(disk));
  EXPECT_TRUE(status.has_value()) << text_of(status);
  if (!status) {
    return InForce::kOld;
  }
  const bool is_new = status->version.seq == world.seq() + 1;
  EXPECT_TRUE(is_new || status->version.seq == world.seq());
  const Names& expected = is_new ? change.opens_after : opens_before();
  for (const auto& name : all_names()) {
    EXPECT_EQ(opens(disk, name), std::ranges::count(expected, name) == 1) << name;
  }
  const auto keyring = unlock(disk, expected.front());
  EXPECT_TRUE(keyring.has_value()) << text_of(keyring);
  if (keyring) {
    const auto key = open_file_key(keyring->master_keys(), world.envelope(), {});
    EXPECT_TRUE(key.has_value()) << text_of(key);
  }
  return is_new ? InForce::kNew : InForce::kOld;
}

/// The owner unlocks: the copies become one, and what it has seen outlives any power loss.
void settle(MemoryDisk& disk, const World& world, const Change& change) {
  const InForce before = judge(disk, world, change);
  const auto& name = before == InForce::kNew ? change.opens_after.front() : opens_before().front();
  ASSERT_TRUE(unlock(disk, name, Keyring::Access::kOwner).has_value());
  disk.lose_power(std::nullopt);
  EXPECT_EQ(judge(disk, world, change), before);
  EXPECT_EQ(got(disk.list("/s")), (Names{kKeyringName, kSecondKeyringName}));
  EXPECT_FALSE(got(examine_keyring(place_on(disk))).copies_differ);
  disk.destroy(std::string("/s/") + kKeyringName);
  EXPECT_EQ(judge(disk, world, change), before) << "by the second copy";
}

/// After an end of the process (seed 0) or of the power: seed 1 takes all that was not synced.
void come_back(MemoryDisk& disk, std::uint64_t seed) {
  if (seed == 0) {
    disk.restart();
  } else {
    disk.lose_power(seed == 1 ? std::nullopt : std::optional(seed));
  }
}
constexpr std::uint64_t kSeeds = 6;

TEST(KeyringCrash, AtEveryOperationOfEveryChange) {
  const World world;
  for (const Change& change : changes()) {
    std::uint64_t ordinal = 0;
    std::uint64_t seen_old = 0;
    std::uint64_t seen_new = 0;
    for (bool stopped = true; stopped; ++ordinal) {
      const auto disk = world.disk();
      auto keyring = got(unlock(*disk, "p:a", Keyring::Access::kOwner));
      disk->stop_after(ordinal);
      const Status outcome = change.run(keyring);
      stopped = disk->stopped();
      EXPECT_EQ(outcome.has_value(), !stopped);
      for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
        SCOPED_TRACE(fmt::format("{}, operation {}, seed {}", change.name, ordinal, seed));
        const auto image = disk->clone();
        come_back(*image, seed);
        const InForce found = judge(*image, world, change);
        (found == InForce::kNew ? seen_new : seen_old) += 1;
        if (outcome) {
          EXPECT_EQ(found, InForce::kNew) << "a change that was reported is lost";
        }
        if (!outcome && outcome.error().code != ErrorCode::kIndeterminate) {
          EXPECT_EQ(found, InForce::kOld) << text_of(outcome);
        }
        settle(*image, world, change);
      }
    }
    EXPECT_GE(ordinal, 10U) << "two copies, each with create, write, sync, rename, directory";
    EXPECT_GT(seen_old, 0U);
    EXPECT_GT(seen_new, 0U);
  }
}

TEST(KeyringCrash, AtEveryOperationOfTheUnlockAfterACrash) {
  const World world;
  const Change& change = changes().front();
  for (std::uint64_t first = 0; first < 11; ++first) {
    const auto crashed = world.disk();
    auto keyring = got(unlock(*crashed, "p:a", Keyring::Access::kOwner));
    crashed->stop_after(first);
    (void)change.run(keyring);
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      for (std::uint64_t second = 0, stopped = 1; stopped == 1; ++second) {
        SCOPED_TRACE(fmt::format("operation {}, seed {}, then {}", first, seed, second));
        const auto disk = crashed->clone();
        come_back(*disk, seed);
        const InForce before = judge(*disk, world, change);
        disk->stop_after(second);
        const auto reopened =
            unlock(*disk, before == InForce::kNew ? "p:new" : "p:a", Keyring::Access::kOwner);
        stopped = disk->stopped() ? 1 : 0;
        EXPECT_EQ(reopened.has_value(), stopped == 0);
        come_back(*disk, kSeeds - 1 - seed);
        settle(*disk, world, change);
        if (reopened) {
          EXPECT_EQ(judge(*disk, world, change), before) << "seen in force, and lost";
        }
      }
    }
  }
}

TEST(KeyringCrash, AtEveryOperationOfTheCreation) {
  std::uint64_t ordinal = 0;
  for (bool stopped = true; stopped; ++ordinal) {
    MemoryDisk disk;
    ASSERT_TRUE(disk.create_directory("/s").has_value());
    ASSERT_TRUE(disk.sync_directory("/").has_value());
    disk.stop_after(ordinal);
    const auto outcome = Keyring::create(place_on(disk), store_id(7), secret("p:a"), "", kNow);
    stopped = disk.stopped();
    EXPECT_EQ(outcome.has_value(), !stopped);
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      SCOPED_TRACE(fmt::format("operation {}, seed {}", ordinal, seed));
      const auto image = disk.clone();
      come_back(*image, seed);
      const auto found = unlock(*image, "p:a", Keyring::Access::kOwner);
      if (outcome) {
        EXPECT_TRUE(found.has_value()) << text_of(found);
      }
      if (found) {
        EXPECT_FALSE(found->status().copies_differ);
        continue;
      }
      EXPECT_EQ(found.error().code, ErrorCode::kNotFound) << text_of(found);
      EXPECT_TRUE(
          Keyring::create(place_on(*image), store_id(7), secret("p:b"), "", kNow).has_value());
      EXPECT_FALSE(opens(*image, "p:a"));
    }
  }
  EXPECT_GE(ordinal, 10U);
}

const std::vector<FailureMode>& failure_modes() {
  using Effect = FailureMode::Effect;
  static const std::vector<FailureMode> modes = {
      {.name = "fails"},
      {.name = "fails from there on", .lasting = true},
      {.name = "writes half", .effect = Effect::kPrefix},
      {.name = "no space", .code = ErrorCode::kNoSpace, .sys_errno = ENOSPC},
      {.name = "happens and fails", .effect = Effect::kAll},
  };
  return modes;
}

// Reads and closes are operations, too. What a failure leaves is as its error says.
TEST(KeyringFailure, OfAnyOperationIsReportedAsWhatItLeaves) {
  const World world;
  for (const Change& change : changes()) {
    for (const FailureMode& mode : failure_modes()) {
      std::uint64_t indeterminate = 0;
      std::uint64_t unchanged = 0;
      bool reached = true;
      for (std::uint64_t n = 1; reached; ++n) {
        SCOPED_TRACE(fmt::format("{}: operation {} {}", change.name, n, mode.name));
        const auto disk = world.disk();
        FailingDisk failing(*disk);
        auto keyring =
            got(Keyring::unlock(place_on(failing), secret("p:a"), Keyring::Access::kOwner));
        failing.fail_from(n, mode);
        const Status outcome = change.run(keyring);
        reached = failing.reached();
        (void)failing.heal();
        EXPECT_EQ(outcome.has_value(), !reached) << text_of(outcome);
        EXPECT_EQ(failing.open_handles(), 0U);
        const InForce found = judge(*disk, world, change);
        if (outcome) {
          EXPECT_EQ(found, InForce::kNew);
          continue;
        }
        if (outcome.error().code == ErrorCode::kIndeterminate) {
          ++indeterminate;
          const Status again = change.run(keyring);
          EXPECT_FALSE(again.has_value()) << "built on what may not be there";
        } else {
          ++unchanged;
          EXPECT_EQ(found, InForce::kOld) << text_of(outcome);
          EXPECT_TRUE(change.run(keyring).has_value())
              << "it is as it was, so it can be tried again";
          EXPECT_EQ(judge(*disk, world, change), InForce::kNew);
        }
        settle(*disk, world, change);
      }
      EXPECT_GT(indeterminate, 0U) << mode.name;
      EXPECT_GT(unchanged, 0U) << mode.name;
    }
  }
}

TEST(KeyringFailure, OfAnyOperationOfAnUnlockChangesNothingInForce) {
  const World world;
  const Change& change = changes().front();
  const auto crashed = world.disk();
  auto before = got(unlock(*crashed, "p:a", Keyring::Access::kOwner));
  crashed->stop_after(5);  // The new one is in force, the second copy is the old one.
  (void)change.run(before);
  crashed->restart();
  ASSERT_EQ(judge(*crashed, world, change), InForce::kNew);
  ASSERT_TRUE(got(examine_keyring(place_on(*crashed))).copies_differ);
  for (const FailureMode& mode : failure_modes()) {
    bool reached = true;
    for (std::uint64_t n = 1; reached; ++n) {
      SCOPED_TRACE(fmt::format("operation {} {}", n, mode.name));
      const auto disk = crashed->clone();
      FailingDisk failing(*disk);
      failing.fail_from(n, mode);
      const auto opened =
          Keyring::unlock(place_on(failing), secret("p:new"), Keyring::Access::kOwner);
      reached = failing.reached();
      (void)failing.heal();
      if (opened && opened->status().copies_differ) {
        EXPECT_EQ(mode.code, ErrorCode::kNoSpace);
      }
      EXPECT_EQ(failing.open_handles(), 0U);
      EXPECT_EQ(judge(*disk, world, change), InForce::kNew);
      settle(*disk, world, change);
    }
  }
}

}  // namespace
}  // namespace pluresdb::crypto
