// The hybrid clock against clocks that jump, stand still and overflow; the version vector's order.
#include "engine/crdt/hybrid_clock.h"

#include <compare>
#include <cstdint>

#include <gtest/gtest.h>

#include "engine/crdt/register.h"
#include "engine/crdt/version_vector.h"
#include <pluresdb/document.h>

namespace pluresdb::crdt {
namespace {

constexpr std::int64_t kSecondUs = 1'000'000;
constexpr std::int64_t kStartMs = 1'800'000'000'000;

ClockReading reading_at(std::int64_t wall_ms, std::int64_t monotonic_ms) {
  return {.wall_us = wall_ms * 1000, .monotonic_ns = monotonic_ms * 1'000'000};
}

TEST(HybridClock, FollowsTheWallClock) {
  HybridClock clock;
  EXPECT_EQ(clock.next(reading_at(kStartMs, 0)), make_hlc(kStartMs, 0));
  EXPECT_EQ(clock.next(reading_at(kStartMs + 7, 7)), make_hlc(kStartMs + 7, 0));
}

TEST(HybridClock, CountsWithinOneMillisecond) {
  HybridClock clock;
  (void)clock.next(reading_at(kStartMs, 0));
  EXPECT_EQ(clock.next(reading_at(kStartMs, 0)), make_hlc(kStartMs, 1));
  EXPECT_EQ(clock.next(reading_at(kStartMs, 0)), make_hlc(kStartMs, 2));
}

TEST(HybridClock, CounterOverflowBorrowsTheNextMillisecond) {
  HybridClock clock(make_hlc(kStartMs, 0xffff));
  EXPECT_EQ(clock.next(reading_at(kStartMs, 0)), make_hlc(kStartMs + 1, 0));
}

TEST(HybridClock, GrowsWhileTheWallClockGoesBack) {
  HybridClock clock;
  const Hlc before = clock.next(reading_at(kStartMs, 0));
  const Hlc after = clock.next(reading_at(kStartMs - 3'600'000, 1));
  EXPECT_EQ(after, before + 1);
}

TEST(HybridClock, StartsAboveItsFloor) {
  const Hlc floor = make_hlc(kStartMs + 1000, 5);
  HybridClock clock(floor);
  EXPECT_EQ(clock.next(reading_at(kStartMs, 0)), floor + 1);
}

TEST(HybridClock, HoldsAForwardJumpOfTheWallClock) {
  HybridClock clock;
  (void)clock.next(reading_at(kStartMs, 0));
  const std::int64_t jump_ms = kHlcDriftMsMax + 1000;
  EXPECT_EQ(clock.next(reading_at(kStartMs + jump_ms, 10)), make_hlc(kStartMs + 10, 0));
  EXPECT_EQ(clock.next(reading_at(kStartMs + jump_ms + 1, 11)), make_hlc(kStartMs + 11, 0));
  EXPECT_EQ(clock.forward_jumps_held(), 1U) << "one jump, however long it lasts";
  EXPECT_EQ(clock.next(reading_at(kStartMs + 20, 20)), make_hlc(kStartMs + 20, 0));
}

TEST(HybridClock, CorrectionOfAStepBackIsNotAJump) {
  HybridClock clock;
  (void)clock.next(reading_at(kStartMs, 0));
  (void)clock.next(reading_at(kStartMs - 3'600'000, 10));
  EXPECT_EQ(clock.next(reading_at(kStartMs + 20, 20)), make_hlc(kStartMs + 20, 0));
  EXPECT_EQ(clock.forward_jumps_held(), 0U);
}

TEST(HybridClock, SmallStepsForwardAreFollowed) {
  HybridClock clock;
  std::int64_t wall_ms = kStartMs;
  for (std::int64_t step = 0; step < 10; ++step) {
    wall_ms += kHlcDriftMsMax;  // Ten accepted steps, together far more than one may be.
    EXPECT_EQ(hlc_milliseconds(clock.next(reading_at(wall_ms, 0))), wall_ms);
  }
  EXPECT_EQ(clock.forward_jumps_held(), 0U);
}

TEST(HybridClock, RemoteStampFromTheFarFutureIsNotAdopted) {
  HybridClock clock;
  const Hlc before = clock.next(reading_at(kStartMs, 0));
  const Hlc far = make_hlc(kStartMs + kHlcDriftMsMax + 1, 0);
  EXPECT_EQ(clock.observe(far, reading_at(kStartMs, 0)), HybridClock::Observation::kTooFarAhead);
  EXPECT_EQ(clock.last(), before);
}

TEST(HybridClock, AcceptedRemoteStampIsSurpassed) {
  HybridClock clock;
  const Hlc remote = make_hlc(kStartMs + kHlcDriftMsMax, 3);
  EXPECT_EQ(clock.observe(remote, reading_at(kStartMs, 0)), HybridClock::Observation::kAccepted);
  EXPECT_GT(clock.next(reading_at(kStartMs, 0)), remote);
}

TEST(HybridClock, WallClockBeforeTheEpochCountsAsZero) {
  HybridClock clock;
  EXPECT_EQ(clock.next({.wall_us = -5 * kSecondUs, .monotonic_ns = 0}), 1U);
}

TEST(VersionVector, IsAPartialOrder) {
  const VersionVector empty;
  const VersionVector small({{"a", 1}});
  const VersionVector large({{"a", 2}, {"b", 1}});
  const VersionVector other({{"c", 9}});
  EXPECT_EQ(empty <=> small, std::partial_ordering::less);
  EXPECT_EQ(large <=> small, std::partial_ordering::greater);
  EXPECT_EQ(large <=> other, std::partial_ordering::unordered);
  EXPECT_EQ(small <=> VersionVector({{"a", 1}}), std::partial_ordering::equivalent);
}

TEST(VersionVector, AdvanceNeverLowers) {
  VersionVector vector;
  vector.advance("a", 5);
  vector.advance("a", 3);
  EXPECT_EQ(vector.get("a"), 5U);
  EXPECT_TRUE(vector.includes("a", 5));
  EXPECT_FALSE(vector.includes("a", 6));
  EXPECT_EQ(vector.get("unknown"), 0U);
}

TEST(VersionVector, SettingZeroForgetsTheActor) {
  VersionVector vector({{"a", 1}});
  vector.set("a", 0);
  EXPECT_EQ(vector, VersionVector());
}

TEST(Register, OneDotWithTwoStampsIsNamed) {
  const Stamp current{.hlc = 5, .actor = "a", .actor_seq = 1};
  const Stamp forged{.hlc = 6, .actor = "a", .actor_seq = 1};
  EXPECT_EQ(decide(current, forged), Decision::kDotReused);
  EXPECT_EQ(decide(current, current), Decision::kSameWrite);
}

TEST(Register, EqualClocksAreDecidedByTheActor) {
  const Stamp left{.hlc = 5, .actor = "a", .actor_seq = 9};
  const Stamp right{.hlc = 5, .actor = "b", .actor_seq = 1};
  EXPECT_EQ(decide(left, right), Decision::kIncomingWins);
  EXPECT_EQ(decide(right, left), Decision::kCurrentWins);
}

}  // namespace
}  // namespace pluresdb::crdt
