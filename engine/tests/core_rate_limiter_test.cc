// Goal: nobody writes more than his share for longer than a second, nobody is refused what is left
// of it, and who has been idle costs nothing. Then the same through the engine.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "engine/base/clock.h"
#include "engine/core/rate_limiter.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::core {
namespace {

using testing::MemoryDisk;

constexpr std::int64_t kSecondNs = 1'000'000'000;

struct Admitted {
  std::int64_t at_ns;
  std::uint64_t bytes;
};

/// Of what was admitted, no stretch of time holds more than the rate allows for it, one second's
/// worth on top, and the one write that may overdraw.
void expect_within(const std::vector<Admitted>& admitted, double operations_per_second,
                   double bytes_per_second, double bytes_max) {
  for (std::size_t first = 0; first < admitted.size(); ++first) {
    double operations = 0;
    double bytes = 0;
    for (std::size_t last = first; last < admitted.size(); ++last) {
      operations += 1;
      bytes += static_cast<double>(admitted[last].bytes);
      const double seconds = static_cast<double>(admitted[last].at_ns - admitted[first].at_ns) /
                             static_cast<double>(kSecondNs);
      constexpr double kRounding = 1e-6;
      RC_ASSERT(operations_per_second == 0 ||
                operations <= operations_per_second * (seconds + 1) + 1 + kRounding);
      RC_ASSERT(bytes_per_second == 0 ||
                bytes <= bytes_per_second * (seconds + 1) + bytes_max + kRounding);
    }
  }
}

RC_GTEST_PROP(RateLimiterProperty, NobodyExceedsAndNobodyStarves, ()) {
  const auto rate = [](std::uint64_t max) {
    return *rc::gen::weightedOneOf<std::uint64_t>(
        {{1, rc::gen::just<std::uint64_t>(0)}, {3, rc::gen::inRange<std::uint64_t>(1, max)}});
  };
  const WriteRateLimit limit{.actor_operations_per_second = rate(20),
                             .actor_bytes_per_second = rate(5000),
                             .operations_per_second = rate(40),
                             .bytes_per_second = rate(10'000)};
  constexpr std::uint64_t kBytesMax = 3000;
  constexpr int kActors = 3;
  RateLimiter limiter(limit);
  std::vector<std::vector<Admitted>> by_actor(kActors);
  std::vector<Admitted> all;
  std::int64_t now_ns = *rc::gen::inRange<std::int64_t>(0, 10 * kSecondNs);
  std::uint64_t refused = 0;
  const int writes = *rc::gen::inRange(1, 200);
  for (int i = 0; i < writes; ++i) {
    now_ns += *rc::gen::weightedOneOf<std::int64_t>(
        {{8, rc::gen::inRange<std::int64_t>(0, kSecondNs / 50)},
         {1, rc::gen::inRange<std::int64_t>(0, 3 * kSecondNs)}});
    const int actor = *rc::gen::inRange(0, kActors);
    const auto bytes = *rc::gen::inRange<std::uint64_t>(0, kBytesMax);
    const Status status = limiter.admit(fmt::format("a{}", actor), bytes, now_ns);
    if (status) {
      by_actor[static_cast<std::size_t>(actor)].push_back({now_ns, bytes});
      all.push_back({now_ns, bytes});
    } else {
      RC_ASSERT(status.error().code == ErrorCode::kRateLimited);
      ++refused;
    }
  }
  RC_ASSERT(limiter.refusals() == refused);
  for (const auto& admitted : by_actor) {
    expect_within(admitted, static_cast<double>(limit.actor_operations_per_second),
                  static_cast<double>(limit.actor_bytes_per_second), kBytesMax);
  }
  expect_within(all, static_cast<double>(limit.operations_per_second),
                static_cast<double>(limit.bytes_per_second), kBytesMax);
  // Whatever is owed, after as long as it takes to pay there is room again.
  const std::int64_t later_ns = now_ns + 4 * static_cast<std::int64_t>(kBytesMax) * kSecondNs;
  RC_ASSERT(limiter.admit("a0", 1, later_ns).has_value());
}

TEST(RateLimiter, WithoutALimitNothingIsRefusedOrRemembered) {
  RateLimiter limiter({});
  for (int i = 0; i < 5000; ++i) {
    ASSERT_TRUE(limiter.admit(fmt::format("actor{}", i), 1ULL << 40, 0).has_value());
  }
  EXPECT_EQ(limiter.actor_count(), 0U);
}

// A slow rate beside a fast one: each call is too soon for a whole token of the slow one.
TEST(RateLimiter, ASteadyWriterGetsItsWholeRate) {
  RateLimiter limiter({.actor_operations_per_second = 1'000'000, .actor_bytes_per_second = 100});
  std::int64_t admitted = 0;
  constexpr std::int64_t kStepNs = 1000;
  constexpr std::int64_t kSeconds = 3;
  for (std::int64_t now_ns = 0; now_ns < kSeconds * kSecondNs; now_ns += kStepNs) {
    admitted += limiter.admit("a", 1, now_ns) ? 1 : 0;
  }
  EXPECT_GE(admitted, 100 * (kSeconds + 1) - 2);
  EXPECT_LE(admitted, 100 * (kSeconds + 1) + 2);
}

TEST(RateLimiter, AWriteLargerThanASecondsWorthPassesAndIsPaidFor) {
  RateLimiter limiter({.actor_bytes_per_second = 1000});
  EXPECT_TRUE(limiter.admit("a", 5000, 0).has_value());
  EXPECT_FALSE(limiter.admit("a", 1, 3 * kSecondNs).has_value());
  EXPECT_TRUE(limiter.admit("b", 1, 3 * kSecondNs).has_value()) << "another actor's share";
  EXPECT_TRUE(limiter.admit("a", 1, 5 * kSecondNs).has_value());
}

TEST(RateLimiter, ARefusalOfOneActorTakesNothingFromAll) {
  RateLimiter limiter({.actor_operations_per_second = 1, .operations_per_second = 3});
  EXPECT_TRUE(limiter.admit("a", 0, 0).has_value());
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(limiter.admit("a", 0, 0).has_value());
  }
  EXPECT_TRUE(limiter.admit("b", 0, 0).has_value());
  EXPECT_TRUE(limiter.admit("c", 0, 0).has_value());
  EXPECT_FALSE(limiter.admit("d", 0, 0).has_value()) << "all together";
}

TEST(RateLimiter, IdleActorsAreForgotten) {
  RateLimiter limiter({.actor_operations_per_second = 10, .actor_bytes_per_second = 1000});
  std::size_t most = 0;
  constexpr int kActors = 100'000;
  for (int i = 0; i < kActors; ++i) {  // A new name each 10 ms: 100 within a second.
    ASSERT_TRUE(limiter.admit(fmt::format("actor{}", i), 10, i * (kSecondNs / 100)).has_value());
    most = std::max(most, limiter.actor_count());
  }
  EXPECT_LE(most, 2048U);
}

/// A clock that stands.
class StandingClock final : public Clock {
 public:
  std::int64_t wall_us() override { return 1'800'000'000'000'000; }
  std::int64_t monotonic_ns() override { return now_ns; }
  std::int64_t now_ns = 1;
};

TEST(RateLimiter, TheEngineRefusesAndWritesNothing) {
  MemoryDisk disk;
  StandingClock clock;
  auto options = testing::small_options(&disk);
  options.clock = &clock;
  options.rate_limit = {.actor_operations_per_second = 2, .bytes_per_second = 4000};
  const auto engine = testing::open_engine("/store", options);
  ASSERT_NE(engine, nullptr);
  ASSERT_TRUE(engine->put("a", "1", "1").has_value());
  ASSERT_TRUE(engine->erase("a", "1").has_value());
  const auto before = engine->stats();
  const auto refused = engine->put("a", "2", "2");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kRateLimited);
  EXPECT_EQ(engine->erase("a", "3").error().code, ErrorCode::kRateLimited);
  EXPECT_FALSE((*engine->get("2")).has_value());
  EXPECT_EQ(engine->stats().wal.last_seq, before.wal.last_seq);
  EXPECT_EQ(engine->stats().rate_limit_refusals, 2U);
  ASSERT_TRUE(engine->put("b", "big", testing::json_of(1, 6000)).has_value());
  EXPECT_EQ(engine->put("c", "4", "4").error().code, ErrorCode::kRateLimited) << "all together";
  clock.now_ns += kSecondNs;
  EXPECT_TRUE(engine->put("a", "2", "2").has_value());
}

}  // namespace
}  // namespace pluresdb::core
