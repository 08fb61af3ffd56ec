// Goal: after a re-encryption no file opens with a master key from before the rotation, every
// document is what it was, and the older keys are gone only then; whatever it cannot do is named,
// and the keys stay. It can be ended anywhere and called again; writers and readers do not notice.
// Cut off at every operation, and each operation failing: core_reencrypt_crash_test.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/crypto/keyring.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_reencrypt_support.h"
#include "engine/tests/core_test_util.h"
#include "engine/tests/core_watched_disk.h"
#include "engine/tests/forwarding_file_system.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>
#include <pluresdb/options.h>
#include <pluresdb/reencrypt.h>

namespace pluresdb::testing {
namespace {

void expect_opens(io::FileSystem& files, const Model& model) {
  const StoreSecret key = key_named('a');
  EXPECT_NE(opened_whole(files, key, model), nullptr);
}

TEST(Reencrypt, ARevokedDeviceReadsEveryOldFileAndAfterwardsNone) {
  for (const bool clean_end : {true, false}) {
    SCOPED_TRACE(clean_end ? "closed" : "killed");
    RevokedStore store(clean_end);
    const auto before = store.opened_by_old_keys(store.disk);
    EXPECT_GT(std::ranges::count_if(before, [](const auto& p) { return p.ends_with(".wal"); }), 1);
    EXPECT_GT(std::ranges::count_if(before, [](const auto& p) { return p.ends_with(".sst"); }), 1);
    EXPECT_EQ(std::ranges::count(before, "/store/base/CURRENT"), 1);
    EXPECT_EQ(std::ranges::count(before, "/store/base/IDENTITY"), 1);
    EXPECT_EQ(std::ranges::count(before, "/store/STORE"), 1);
    const StoreSecret key = key_named('a');
    {
      const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
      const auto done = engine->reencrypt(without_rate());
      ASSERT_TRUE(done.has_value()) << text_of(done);
      EXPECT_EQ(done->left, std::vector<std::string>{});
      EXPECT_EQ(done->generation, 2U);
      EXPECT_EQ(done->generations_dropped, 1U);
      EXPECT_GT(done->files, 5U);
      EXPECT_GT(done->bytes, 10'000U);
      expect_model(*engine, store.model);
      EXPECT_EQ(store.opened_by_old_keys(store.disk), std::vector<std::string>{});
      ASSERT_TRUE(engine->put("agent", "later", json_of(1, 3000)).has_value());
      store.model["later"] = json_of(1, 3000);
    }
    store.disk.lose_power(std::nullopt);
    EXPECT_EQ(old_generations(store.disk), 0U);
    EXPECT_EQ(store.opened_by_old_keys(store.disk), std::vector<std::string>{});
    expect_opens(store.disk, store.model);
    // The keyring that was kept is of no use beside the files as they are now.
    put_back(store.disk, store.kept);
    for (const char letter : {'a', 'b'}) {
      const StoreSecret kept = key_named(letter);
      const auto refused =
          Engine::open_with_recovery(kKeyStore, options_with_key(store.disk, kept));
      ASSERT_FALSE(refused.has_value());
      EXPECT_EQ(refused.error().code, ErrorCode::kKeyUnavailable) << text_of(refused);
    }
  }
}

TEST(Reencrypt, WhereNothingIsOldOnlyMasterKeysGo) {
  RevokedStore store;
  const StoreSecret key = key_named('a');
  const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
  ASSERT_TRUE(engine->reencrypt(without_rate()).has_value());
  const auto again = engine->reencrypt(without_rate());
  ASSERT_TRUE(again.has_value()) << text_of(again);
  EXPECT_EQ(again->files, 0U);
  EXPECT_EQ(again->generations_dropped, 0U);
  ASSERT_TRUE(engine->close().has_value());
  // Rotated before there was a store: a key that no file ever had.
  MemoryDisk fresh;
  ASSERT_TRUE(fresh.create_directory(kKeyStore).has_value());
  put_back(fresh, store.kept);
  {
    crypto::Keyring keyring = unlocked(fresh, key, crypto::Keyring::Access::kOwner);
    ASSERT_TRUE(keyring.rotate(key.readings()).has_value());
  }
  const auto made = open_engine(kKeyStore, options_with_key(fresh, key));
  const auto dropped = made->reencrypt(without_rate());
  ASSERT_TRUE(dropped.has_value()) << text_of(dropped);
  EXPECT_EQ(dropped->files, 0U);
  EXPECT_EQ(dropped->generations_dropped, 1U);
  EXPECT_EQ(old_generations(fresh), 0U);
}

// Nothing else has a reason to write STORE here.
TEST(Reencrypt, AnEmptyStoreIsRenewedToo) {
  RevokedStore store(true, 0);
  const auto before = store.opened_by_old_keys(store.disk);
  EXPECT_EQ(std::ranges::count(before, "/store/STORE"), 1);
  const StoreSecret key = key_named('a');
  {
    const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
    const auto done = engine->reencrypt(without_rate());
    ASSERT_TRUE(done.has_value()) << text_of(done);
    EXPECT_EQ(done->generations_dropped, 1U);
  }
  EXPECT_EQ(store.opened_by_old_keys(store.disk), std::vector<std::string>{});
  expect_opens(store.disk, store.model);
}

TEST(Reencrypt, APlainStoreIsRefused) {
  MemoryDisk disk;
  EngineOptions options = small_options(&disk);
  options.secret = nullptr;
  const auto engine = open_engine(kKeyStore, options);
  const auto refused = engine->reencrypt();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
}

// Several rotations, an open between each: files under three generations at once.
TEST(Reencrypt, FilesOfEveryOlderGenerationAreRenewed) {
  RevokedStore store;
  const StoreSecret key = key_named('a');
  for (int i = 0; i < 2; ++i) {
    {
      const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
      fill_for_keys(*engine, store.model, 1, 1000 * (i + 1));
    }
    store.disk.restart();
    crypto::Keyring keyring = unlocked(store.disk, key, crypto::Keyring::Access::kOwner);
    ASSERT_TRUE(keyring.rotate(key.readings()).has_value());
  }
  const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
  const auto done = engine->reencrypt(without_rate());
  ASSERT_TRUE(done.has_value()) << text_of(done);
  EXPECT_EQ(done->generation, 4U);
  EXPECT_EQ(done->generations_dropped, 3U);
  EXPECT_EQ(done->left, std::vector<std::string>{});
  expect_model(*engine, store.model);
}

TEST(Reencrypt, ACancelLosesNothingAndTheNextCallGoesOn) {
  RevokedStore store;
  const StoreSecret key = key_named('a');
  int cancels = 0;
  std::uint64_t total_before = ~0ULL;
  for (bool finished = false; !finished;) {
    ASSERT_LT(cancels, 100);
    const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
    ReencryptOptions options = without_rate();
    std::uint64_t total = 0;
    options.progress = [&](const ReencryptProgress& progress) {
      EXPECT_LE(progress.done_bytes, progress.total_bytes);
      total = progress.total_bytes;
      return false;
    };
    const auto done = engine->reencrypt(options);
    finished = done.has_value();
    if (!finished) {
      ++cancels;
      ASSERT_EQ(done.error().code, ErrorCode::kCancelled) << text_of(done);
      EXPECT_EQ(old_generations(store.disk), 1U);
      EXPECT_LT(total, total_before) << "each call has done one file more";
      total_before = total;
    }
    expect_model(*engine, store.model);
    if (cancels % 2 == 0) {
      ASSERT_TRUE(engine->close().has_value());
    }
    store.disk.restart();
  }
  EXPECT_GT(cancels, 5);
  EXPECT_EQ(old_generations(store.disk), 0U);
  EXPECT_EQ(store.opened_by_old_keys(store.disk), std::vector<std::string>{});
}

TEST(Reencrypt, ByTheFlagAndByClosingItEnds) {
  RevokedStore store;
  const StoreSecret key = key_named('a');
  const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
  const std::atomic<bool> cancel = true;
  ReencryptOptions options = without_rate();
  options.cancel = &cancel;
  const auto cancelled = engine->reencrypt(options);
  ASSERT_FALSE(cancelled.has_value());
  EXPECT_EQ(cancelled.error().code, ErrorCode::kCancelled);
  // One byte per second: it would wait for hours behind the first file.
  options = ReencryptOptions{};
  options.bytes_per_second = 1;
  std::atomic<bool> waits = false;
  options.progress = [&](const ReencryptProgress&) {
    waits = true;
    waits.notify_all();
    return true;
  };
  ErrorCode ended = ErrorCode::kIo;
  std::thread slow([&] {
    const auto outcome = engine->reencrypt(options);
    ended = outcome ? ErrorCode::kNotFound : outcome.error().code;
  });
  waits.wait(false);
  const auto closed = engine->close();
  slow.join();
  EXPECT_TRUE(closed.has_value()) << text_of(closed);
  EXPECT_EQ(ended, ErrorCode::kCancelled);
  EXPECT_FALSE(engine->reencrypt().has_value());
  expect_opens(store.disk, store.model);
}

// What writers and readers do between any two of its steps; and a second one is refused.
TEST(Reencrypt, WritesAndReadsGoOn) {
  RevokedStore store(true, 5);
  const StoreSecret key = key_named('a');
  const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
  ReencryptOptions options = without_rate();
  int steps = 0;
  options.progress = [&](const ReencryptProgress&) {
    const std::string json = json_of(static_cast<std::uint64_t>(++steps), 2500);
    const std::string id = fmt::format("doc{}", steps % 13);
    EXPECT_TRUE(engine->put("agent", id, json).has_value());
    store.model[id] = json;
    expect_model(*engine, store.model);
    const auto second = engine->reencrypt();
    EXPECT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, ErrorCode::kInvalidArgument);
    return true;
  };
  const auto done = engine->reencrypt(options);
  ASSERT_TRUE(done.has_value()) << text_of(done);
  EXPECT_GT(steps, 5);
  EXPECT_EQ(done->left, std::vector<std::string>{});
  expect_model(*engine, store.model);
  ASSERT_TRUE(engine->close().has_value());
  expect_opens(store.disk, store.model);
  EXPECT_EQ(store.opened_by_old_keys(store.disk), std::vector<std::string>{});
}

// With all its threads: checkpoints, merges and compaction of its own, two writers, a reader that
// lists while the base store is closed for a moment.
TEST(Reencrypt, HoldsBesideThreadsThatDoEverything) {
  RevokedStore store(true, 5);
  const StoreSecret key = key_named('a');
  EngineOptions options = options_with_key(store.disk, key);
  options.background_threads = true;
  options.checkpoint.operations = 40;
  const auto engine = open_engine(kKeyStore, options);
  std::atomic<bool> stop = false;
  const auto write = [&](const std::string& actor) {
    for (std::uint64_t i = 0; !stop || i < 50; ++i) {
      const std::string id = fmt::format("{}{}", actor, i % 20);
      EXPECT_TRUE(engine->put(actor, id, json_of(i, i % 5 == 0 ? 4000 : 60)).has_value());
      const auto found = engine->get(id);
      ASSERT_TRUE(found.has_value() && found->has_value()) << text_of(found);
      EXPECT_EQ((*found)->json, json_of(i, i % 5 == 0 ? 4000 : 60));
    }
  };
  std::thread first(write, "first");
  std::thread second(write, "second");
  const auto live = std::ranges::count_if(store.model, [](const auto& document) {
    return document.first.starts_with("doc") && document.second;
  });
  std::thread reader([&] {
    do {
      const auto documents = engine->list("doc", "", 1000);
      ASSERT_TRUE(documents.has_value()) << text_of(documents);
      EXPECT_EQ(std::ssize(*documents), live);
    } while (!stop);
  });
  const auto done = engine->reencrypt(without_rate());
  stop = true;
  first.join();
  second.join();
  reader.join();
  ASSERT_TRUE(done.has_value()) << text_of(done);
  EXPECT_EQ(done->left, std::vector<std::string>{});
  EXPECT_EQ(store.opened_by_old_keys(store.disk), std::vector<std::string>{});
  ASSERT_TRUE(engine->close().has_value());
  EXPECT_EQ(old_generations(store.disk), 0U);
  const auto opened = open_engine(kKeyStore, options);
  for (const auto& [id, json] : store.model) {
    const auto found = opened->get(id);
    ASSERT_TRUE(found.has_value()) << text_of(found);
    EXPECT_EQ(found->has_value(), json.has_value()) << id;
  }
}

// A large value that nobody can read may be needed by somebody who can repair it.
TEST(Reencrypt, ADamagedSegmentKeepsItsKeyAndIsNamed) {
  RevokedStore store;
  const StoreSecret key = key_named('a');
  const auto names = *store.disk.list("/store/wal");
  const std::string damaged = "/store/wal/" + names.front();
  store.disk.flip_byte(damaged, store.disk.info(damaged)->size_bytes / 2);
  const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
  const auto done = engine->reencrypt(without_rate());
  ASSERT_TRUE(done.has_value()) << text_of(done);
  ASSERT_EQ(done->left.size(), 1U);
  EXPECT_TRUE(done->left.front().starts_with(damaged + ": damaged")) << done->left.front();
  EXPECT_EQ(done->generations_dropped, 0U);
  EXPECT_EQ(old_generations(store.disk), 1U);
  EXPECT_EQ(store.opened_by_old_keys(store.disk), std::vector<std::string>{damaged});
}

// It goes on serving what it can: it is not opened again with a table that might not open.
TEST(Reencrypt, ADamagedTableKeepsItsKeyAndIsNamed) {
  RevokedStore store;
  const StoreSecret key = key_named('a');
  const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
  std::string damaged;
  const auto names = *store.disk.list("/store/base");
  for (const std::string& name : names) {
    damaged = damaged.empty() && name.ends_with(".sst") ? "/store/base/" + name : damaged;
  }
  store.disk.flip_byte(damaged, 400);
  const auto done = engine->reencrypt(without_rate());
  ASSERT_TRUE(done.has_value()) << text_of(done);
  EXPECT_EQ(done->generations_dropped, 0U);
  EXPECT_EQ(old_generations(store.disk), 1U);
  EXPECT_EQ(std::ranges::count_if(done->left,
                                  [&](const std::string& line) {
                                    return line.starts_with(damaged + ": ") &&
                                           line.find("authentication failed") != line.npos;
                                  }),
            1);
  const auto opened = store.opened_by_old_keys(store.disk);
  EXPECT_EQ(std::ranges::count_if(opened, [](const auto& p) { return p.ends_with(".sst"); }), 1);
  EXPECT_EQ(std::ranges::count_if(opened, [](const auto& p) { return p.ends_with(".wal"); }), 0);
  for (const auto& [id, json] : store.model) {
    const auto found = engine->get(id);
    EXPECT_TRUE(!found || found->has_value() == json.has_value()) << id;
  }
  EXPECT_TRUE(engine->put("agent", "later", json_of(1)).has_value());
}

// What is in quarantine with its header can be opened with the old key, by whoever is to repair it.
TEST(Reencrypt, AnOldHeaderInQuarantineKeepsItsKeyUntilItIsMovedAway) {
  RevokedStore store;
  const StoreSecret key = key_named('a');
  const std::string segment = "/store/wal/" + store.disk.list("/store/wal")->front();
  const auto bytes = *io::read_whole_file(store.disk, segment, 1 << 20);
  ASSERT_TRUE(store.disk.create_directory("/store/quarantine").has_value());
  const std::string kept = "/store/quarantine/0000000000000001.wal-0";
  ASSERT_TRUE(io::write_file_atomically(store.disk, kept, bytes).has_value());
  // Bytes from further behind open with no master key.
  ASSERT_TRUE(io::write_file_atomically(store.disk, "/store/quarantine/0000000000000001.wal-2400",
                                        base::ByteSpan(bytes).subspan(0x2400, 0x1000))
                  .has_value());
  const auto engine = open_engine(kKeyStore, options_with_key(store.disk, key));
  const auto held = engine->reencrypt(without_rate());
  ASSERT_TRUE(held.has_value()) << text_of(held);
  ASSERT_EQ(held->left.size(), 1U);
  EXPECT_TRUE(held->left.front().starts_with(kept)) << held->left.front();
  EXPECT_EQ(old_generations(store.disk), 1U);
  store.disk.destroy(kept);
  const auto done = engine->reencrypt(without_rate());
  ASSERT_TRUE(done.has_value()) << text_of(done);
  EXPECT_EQ(done->generations_dropped, 1U);
}

/// Notes the most that was in use before any name changed.
class PeakDisk final : public io::ForwardingFileSystem {
 public:
  explicit PeakDisk(MemoryDisk& disk) : ForwardingFileSystem(disk), disk_(disk) {}
  Status rename(const std::string& from, const std::string& to) override {
    peak_ = std::max(peak_.load(), disk_.used());
    return ForwardingFileSystem::rename(from, to);
  }
  Status remove(const std::string& path) override {
    peak_ = std::max(peak_.load(), disk_.used());
    return ForwardingFileSystem::remove(path);
  }
  [[nodiscard]] std::uint64_t peak() const { return peak_; }

 private:
  MemoryDisk& disk_;
  std::atomic<std::uint64_t> peak_ = 0;
};

TEST(Reencrypt, TakesTheSpaceOfOneSegmentMore) {
  RevokedStore store(true, 6);
  const StoreSecret key = key_named('a');
  PeakDisk peaks(store.disk);
  const EngineOptions options = options_with_key(peaks, key);
  const auto engine = open_engine(kKeyStore, options);
  const std::uint64_t before = store.disk.used();
  const auto done = engine->reencrypt(without_rate());
  ASSERT_TRUE(done.has_value()) << text_of(done);
  // The segment that is rewritten, the one that was begun, and a checkpoint's table.
  const std::uint64_t extra = 2 * options.segment_bytes + (32 << 10);
  EXPECT_LT(peaks.peak(), before + extra);
  EXPECT_GT(done->bytes, extra) << "all of it together is more";
}

}  // namespace
}  // namespace pluresdb::testing
