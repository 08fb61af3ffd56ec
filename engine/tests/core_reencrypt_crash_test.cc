// Goal: wherever a re-encryption is cut off, and whatever operation of it fails, every document is
// what it was, the store opens with its secret and works on, and the next call completes: then no
// file opens with a key from before the revocation.
// Method: the machine stops at operation N of the call, for every N; then the process is gone, or
// the power with all, or with a seeded part, of what was not synced. And each operation, reads
// included, failing once, in every way that the disk knows.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/crypto/keyring.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_failing_disk.h"
#include "engine/tests/core_failure_loop.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_reencrypt_support.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/reencrypt.h>

namespace pluresdb::testing {
namespace {

/// No call has so many operations: a loop that comes here does not end.
constexpr std::uint64_t kOperationsMax = 2000;

/// Opens, is whole, and the next call completes.
void expect_completes(io::FileSystem& files, const RevokedStore& store, const Model& model) {
  const StoreSecret key = key_named('a');
  {
    const auto engine = opened_whole(files, key, model);
    ASSERT_NE(engine, nullptr);
    const auto done = engine->reencrypt(without_rate());
    ASSERT_TRUE(done.has_value()) << text_of(done);
    EXPECT_EQ(done->left, std::vector<std::string>{});
    expect_model(*engine, model);
    const Status closed = engine->close();
    EXPECT_TRUE(closed.has_value()) << text_of(closed);
  }
  EXPECT_EQ(old_generations(files), 0U);
  EXPECT_EQ(store.opened_by_old_keys(files), std::vector<std::string>{});
  const auto names = *files.list("/store/base");
  for (const std::string& name : names) {
    EXPECT_EQ(name.find("renewed"), std::string::npos) << "left behind";
  }
  put_back(files, store.kept);
  const auto refused = Engine::open_with_recovery(kKeyStore, options_with_key(files, key));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kKeyUnavailable);
}

class ReencryptCrash : public ::testing::TestWithParam<bool> {};

TEST_P(ReencryptCrash, AtEveryOperationLosesNothingAndIsGoneOnWith) {
  const RevokedStore store(GetParam());
  const StoreSecret key = key_named('a');
  bool stopped = true;
  std::uint64_t n = 0;
  std::uint64_t with_old_keys = 0;
  for (; stopped; ++n) {
    ASSERT_LT(n, kOperationsMax);
    const auto disk = store.disk.clone();
    {
      const auto engine = open_engine(kKeyStore, options_with_key(*disk, key));
      ASSERT_NE(engine, nullptr);
      disk->stop_after(n);
      const auto done = engine->reencrypt(without_rate());
      stopped = disk->stopped();
      ASSERT_EQ(done.has_value(), !stopped) << text_of(done);
    }
    for (const int fate : {0, 1, 2}) {
      SCOPED_TRACE(fmt::format("stopped at operation {}, fate {}", n, fate));
      const auto after = disk->clone();
      after->stop_after(MemoryDisk::kNever);
      if (fate == 0) {
        after->restart();
      } else {
        after->lose_power(fate == 1 ? std::nullopt : std::optional(n));
      }
      with_old_keys += old_generations(*after);
      expect_completes(*after, store, store.model);
      if (::testing::Test::HasFatalFailure()) {
        return;
      }
    }
  }
  EXPECT_GT(n, 60U);
  EXPECT_GT(with_old_keys, 3 * n / 2) << "the keys go last";
}

INSTANTIATE_TEST_SUITE_P(Ends, ReencryptCrash, ::testing::Bool(),
                         [](const auto& each) { return each.param ? "Closed" : "Killed"; });

constexpr FailureMode kReencryptModes[] = {
    kFailsOnce,
    {.name = "once no space", .code = ErrorCode::kNoSpace, .sys_errno = ENOSPC},
    kTookEffect,
};

class ReencryptFailure : public ::testing::TestWithParam<FailureMode> {};

TEST_P(ReencryptFailure, OfAnyOperationIsReportedAndTheStoreGoesOn) {
  const RevokedStore store(true, 2);
  const StoreSecret key = key_named('a');
  std::uint64_t reported = 0;
  bool fired = true;
  for (std::uint64_t n = 1; fired; ++n) {
    ASSERT_LT(n, kOperationsMax);
    const auto disk = store.disk.clone();
    FailingDisk failing(*disk);
    Model model = store.model;
    {
      const auto engine = open_engine(kKeyStore, options_with_key(failing, key));
      ASSERT_NE(engine, nullptr);
      failing.fail_from(n, GetParam());
      const auto done = engine->reencrypt(without_rate());
      const auto failed = failing.heal();
      fired = failing.reached();
      SCOPED_TRACE(fmt::format("operation {}: {} {}", n,
                               failed.empty() ? "none" : failed.front().operation,
                               failed.empty() ? "" : failed.front().path));
      if (done) {
        // Whatever failed was made good.
        EXPECT_EQ(done->left, std::vector<std::string>{});
        EXPECT_EQ(done->generations_dropped, 1U);
        EXPECT_EQ(store.opened_by_old_keys(*disk), std::vector<std::string>{});
      } else {
        ++reported;
        ASSERT_FALSE(failed.empty()) << text_of(done);
      }
      // What an error left closed comes back with the next checkpoint.
      const auto checkpointed = engine->checkpoint();
      EXPECT_TRUE(checkpointed.has_value()) << text_of(checkpointed);
      expect_model(*engine, model);
      const bool read_only = engine->stats().wal.read_only;
      EXPECT_FALSE(read_only) << "no write was refused or lost";
      ASSERT_TRUE(engine->put("agent", "later", json_of(n, 2000)).has_value());
      model["later"] = json_of(n, 2000);
      if (!done && done.error().code != ErrorCode::kIndeterminate) {
        const auto again = engine->reencrypt(without_rate());
        EXPECT_TRUE(again.has_value()) << text_of(again);
      }
    }
    EXPECT_EQ(failing.open_handles(), 0U);
    disk->lose_power(std::nullopt);
    SCOPED_TRACE(fmt::format("operation {} {}", n, GetParam().name));
    expect_completes(*disk, store, model);
    if (::testing::Test::HasFatalFailure()) {
      return;
    }
  }
  EXPECT_GT(reported, 20U);
}

INSTANTIATE_TEST_SUITE_P(Modes, ReencryptFailure, ::testing::ValuesIn(kReencryptModes),
                         [](const auto& each) {
                           std::string name;
                           for (const char letter : each.param.name) {
                             name += letter == ' ' || letter == ',' ? "" : std::string(1, letter);
                           }
                           return name;
                         });

}  // namespace
}  // namespace pluresdb::testing
