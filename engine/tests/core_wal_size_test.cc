// Goal: the log's files never take more than the bound that docs/DURABILITY.md "How large the log
// becomes" states, whatever is written and deleted.
// Method: small and large values are overwritten and deleted at random, twenty times the bound,
// with a checkpoint every so many bytes; the files are summed up at every write and at every
// file operation that a compaction makes.
#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include "engine/tests/core_watched_disk.h"
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";
constexpr const char* kWal = "/store/wal";
constexpr std::uint64_t kKiB = 1ULL << 10;
constexpr std::uint64_t kSegmentBytes = 128 * kKiB;
constexpr std::uint64_t kIntervalBytes = 160 * kKiB;  ///< Between two checkpoints.
constexpr std::uint64_t kLargeBytes = 1 * kKiB;
constexpr std::uint64_t kGroupBytesMax = 24 * kKiB;  ///< Of this test.

/// docs/DURABILITY.md, word by word. `live`: stored bytes of live large values, the greatest since
/// the checkpoint before the last; `appended`: group bytes since the one before the last.
std::uint64_t bound(std::uint64_t live, std::uint64_t appended) {
  const std::uint64_t s = kSegmentBytes;
  const std::uint64_t files = 8 + 32 * live / s + 2 * appended / s;
  return 2 * live + appended + files * 8 * kKiB + 4 * s;
}

class WalSize : public ::testing::TestWithParam<bool> {
 protected:
  WalSize() : random_(20261125) {}

  std::uint64_t wal_bytes() {
    std::uint64_t bytes = 0;
    const auto names = disk_.list(kWal);
    for (const std::string& name : names ? *names : std::vector<std::string>{}) {
      const auto info = disk_.info(io::join_path(kWal, name));
      bytes += info ? std::max(info->allocated_bytes, info->size_bytes) : 0;
    }
    return bytes;
  }

  static std::uint64_t record_bytes(const std::string& json) {
    return json.size() < kLargeBytes ? 0 : json.size() + 160;  // Headers of record and chunks.
  }

  void write(Engine& engine) {
    const auto id = fmt::format("doc{}", random_() % 60);
    const auto dice = random_() % 10;
    if (dice < 2) {
      ASSERT_TRUE(engine.erase("a", id).has_value());
      live_ -= record_bytes(model_[id].value_or(""));
      model_[id] = std::nullopt;
      return;
    }
    const std::size_t bytes = dice < 5 ? 30 + random_() % 800 : kLargeBytes + random_() % 20'000;
    const std::string json = json_of(random_() % 1000, bytes);
    ASSERT_TRUE(engine.put("a", id, json).has_value());
    live_ += record_bytes(json) - record_bytes(model_[id].value_or(""));
    model_[id] = json;
  }

  MemoryDisk disk_;
  WatchedDisk watched_{disk_};
  std::mt19937_64 random_;
  Model model_;
  std::uint64_t live_ = 0;
};

TEST_P(WalSize, StaysBelowTheStatedBoundWhileTwentyTimesAsMuchIsWritten) {
  auto options = small_options(&watched_);
  options.segment_bytes = kSegmentBytes;
  options.large_value_bytes = kLargeBytes;
  options.compress_sealed = GetParam();
  auto engine = open_engine(kStore, options);
  ASSERT_NE(engine, nullptr);
  // Before the checkpoint before the last | since then | since the last checkpoint.
  std::uint64_t live_before = 0;
  std::uint64_t live_since = 0;
  std::uint64_t appended_before_last = 0;
  std::uint64_t appended_at_last = 0;
  std::uint64_t greatest_bound = 0;
  std::uint64_t greatest_size = 0;
  std::uint64_t limit = bound(0, 0);
  // When a compaction removes a file, inputs and outputs of its rewrites are there.
  watched_.set_watch([&](std::string_view, const std::string&) {
    const auto size = wal_bytes();
    greatest_size = std::max(greatest_size, size);
    ASSERT_LE(size, limit) << "inside an operation";
  });
  for (std::uint64_t step = 0;; ++step) {
    limit += kGroupBytesMax;  // It may begin a segment before its bytes are counted.
    ASSERT_NO_FATAL_FAILURE(write(*engine));
    const std::uint64_t appended = engine->stats().wal.appended_bytes;
    live_since = std::max(live_since, live_);
    limit = bound(std::max(live_before, live_since), appended - appended_before_last);
    const auto size = wal_bytes();
    ASSERT_LE(size, limit) << "step " << step << ", live " << live_;
    greatest_bound = std::max(greatest_bound, limit);
    greatest_size = std::max(greatest_size, size);
    if (appended - appended_at_last >= kIntervalBytes) {
      ASSERT_TRUE(engine->checkpoint().has_value());
      const auto after = wal_bytes();
      ASSERT_LE(after, limit) << "after a checkpoint, step " << step;
      live_before = live_since;
      live_since = live_;
      appended_before_last = appended_at_last;
      appended_at_last = appended;
    }
    if (appended > 20 * greatest_bound) {
      break;
    }
  }
  watched_.set_watch(nullptr);
  EXPECT_GT(engine->stats().segments_rewritten, 50U);
  EXPECT_GT(engine->stats().segments_deleted, 50U);
  EXPECT_EQ(engine->stats().segments_compressed > 0, GetParam());
  EXPECT_GT(greatest_size, greatest_bound / 8) << "a bound that says something";
  RecordProperty("greatest_size", std::to_string(greatest_size));
  RecordProperty("greatest_bound", std::to_string(greatest_bound));
  engine = nullptr;
  disk_.lose_power(std::nullopt);
  engine = open_engine(kStore, options);
  ASSERT_NO_FATAL_FAILURE(expect_model(*engine, model_));
}

INSTANTIATE_TEST_SUITE_P(Compression, WalSize, ::testing::Bool(), [](const auto& test) {
  return test.param ? std::string("compressed") : std::string("plain");
});

}  // namespace
}  // namespace pluresdb::testing
