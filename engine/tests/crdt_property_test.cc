// The laws of the register, the version vector and the clock, on states that writes can reach.
//
// Writers are few, documents fewer and clocks nearly equal, so that every case collides. The oracle
// is "greatest stamp per document over the set of all writes". Each law names the mutant that was
// seen to break it.
#include <algorithm>
#include <compare>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engine/crdt/hybrid_clock.h"
#include "engine/crdt/register.h"
#include "engine/crdt/version_vector.h"
#include <pluresdb/document.h>

namespace pluresdb::crdt {
namespace {

struct Write {
  std::string id;
  Register<std::optional<std::string>> content;  ///< nullopt: a delete.
};

/// Documents and knowledge of one replica, as writes delivered in some order make them.
struct Replica {
  std::map<std::string, Register<std::optional<std::string>>> documents;
  VersionVector known;

  void deliver(const Write& write) {
    (void)documents[write.id].merge(write.content);
    known.advance(write.content.stamp.actor, write.content.stamp.actor_seq);
  }
  void merge(const Replica& other) {
    for (const auto& [id, content] : other.documents) {
      (void)documents[id].merge(content);
    }
    known.join(other.known);
  }
  friend bool operator==(const Replica&, const Replica&) = default;
};

/// A history of all writers: dots are unique, each writer's clock grows.
std::vector<Write> any_history() {
  const auto count = *rc::gen::inRange<std::size_t>(0, 40);
  std::map<std::string, std::pair<std::uint64_t, Hlc>> writers;  // Last actor_seq and hlc.
  std::vector<Write> history;
  for (std::size_t index = 0; index < count; ++index) {
    const auto actor = *rc::gen::element<std::string>("a", "b", "c", "d");
    auto& [actor_seq, hlc] = writers[actor];
    hlc += *rc::gen::inRange<Hlc>(1, 3);
    const auto is_delete = *rc::gen::inRange(0, 4) == 0;
    const auto id = *rc::gen::element<std::string>("x", "y", "z");
    history.push_back(
        {.id = id,
         .content = {.stamp = {.hlc = hlc, .actor = actor, .actor_seq = ++actor_seq},
                     .value = is_delete ? std::nullopt
                                        : std::optional(actor + std::to_string(actor_seq))}});
  }
  return history;
}

/// A replica that got each write of `history` with probability one half.
Replica any_replica(const std::vector<Write>& history) {
  Replica replica;
  for (const Write& write : history) {
    if (*rc::gen::arbitrary<bool>()) {
      replica.deliver(write);
    }
  }
  return replica;
}

Replica joined(Replica left, const Replica& right) {
  left.merge(right);
  return left;
}

bool holds(const std::string& law, const std::function<void()>& property) {
  return rc::check(law, property);
}

// Red with: decide() compares hlc only and lets the incoming write win a tie.
TEST(CrdtLaws, MergeIsCommutative) {
  EXPECT_TRUE(holds("a + b = b + a", [] {
    const auto history = any_history();
    const Replica a = any_replica(history);
    const Replica b = any_replica(history);
    RC_ASSERT(joined(a, b) == joined(b, a));
  }));
}

// Red with: the register keeps the incoming stamp but the longer value.
TEST(CrdtLaws, MergeIsAssociative) {
  EXPECT_TRUE(holds("(a + b) + c = a + (b + c)", [] {
    const auto history = any_history();
    const Replica a = any_replica(history);
    const Replica b = any_replica(history);
    const Replica c = any_replica(history);
    RC_ASSERT(joined(joined(a, b), c) == joined(a, joined(b, c)));
  }));
}

// Red with: VersionVector::join adds both entries.
TEST(CrdtLaws, MergeIsIdempotentAndEmptyIsItsIdentity) {
  EXPECT_TRUE(holds("a + a = a + 0 = a", [] {
    const Replica a = any_replica(any_history());
    RC_ASSERT(joined(a, a) == a);
    RC_ASSERT(joined(a, Replica{}) == a);
    RC_ASSERT(joined(Replica{}, a) == a);
  }));
}

// Red with: decide() prefers the lesser actor name only when the incoming write is a delete.
TEST(CrdtLaws, AnyDeliveryOrderGivesTheGreatestStampPerDocument) {
  EXPECT_TRUE(holds("order and duplicates do not matter", [] {
    const auto history = any_history();
    std::vector<std::pair<std::uint64_t, std::size_t>> order;  // Every write once or twice.
    for (std::size_t index = 0; index < history.size(); ++index) {
      const auto copies = *rc::gen::inRange(1, 3);
      for (int copy = 0; copy < copies; ++copy) {
        order.emplace_back(*rc::gen::arbitrary<std::uint64_t>(), index);
      }
    }
    std::ranges::sort(order);
    Replica replica;
    for (const auto& [key, index] : order) {
      replica.deliver(history[index]);
    }
    std::map<std::string, Register<std::optional<std::string>>> expected;
    for (const Write& write : history) {
      auto& best = expected[write.id];
      const auto rank = [](const Stamp& stamp) {
        return std::tuple(stamp.hlc, stamp.actor, stamp.actor_seq);
      };
      if (rank(write.content.stamp) > rank(best.stamp)) {
        best = write.content;
      }
    }
    RC_ASSERT(replica.documents == expected);
  }));
}

// Red with: Register::merge assigns whenever the dots differ.
TEST(CrdtLaws, MergeNeverLowersAStampOrTheVector) {
  EXPECT_TRUE(holds("a <= a + b", [] {
    const auto history = any_history();
    const Replica a = any_replica(history);
    const Replica both = joined(a, any_replica(history));
    for (const auto& [id, content] : a.documents) {
      RC_ASSERT(!(both.documents.at(id).stamp < content.stamp));
    }
    RC_ASSERT(std::is_lteq(a.known <=> both.known));
  }));
}

// Red with: advance() overwrites instead of taking the maximum.
TEST(CrdtLaws, VectorOrderAgreesWithJoin) {
  EXPECT_TRUE(holds("a <= b exactly when a + b = b", [] {
    const auto history = any_history();
    const VersionVector a = any_replica(history).known;
    const VersionVector b = any_replica(history).known;
    VersionVector sum = a;
    sum.join(b);
    RC_ASSERT(std::is_lteq(a <=> b) == (sum == b));
    RC_ASSERT(std::is_eq(a <=> b) == (a == b));
  }));
}

// Red with: next() returns the wall clock when it is ahead of last_ - 1 instead of last_.
TEST(CrdtLaws, ClockGrowsStrictlyAndStaysNearTheTrueTime) {
  EXPECT_TRUE(holds("jumps in any direction", [] {
    HybridClock clock;
    std::int64_t true_ms = 1'800'000'000'000;
    std::int64_t monotonic_ms = 0;
    Hlc last = 0;
    const auto steps = *rc::gen::inRange(1, 60);
    for (int step = 0; step < steps; ++step) {
      const auto elapsed_ms = *rc::gen::inRange<std::int64_t>(0, 50);
      true_ms += elapsed_ms;
      monotonic_ms += elapsed_ms;
      // Either within the allowance, far ahead, or behind.
      const auto error_ms =
          step == 0 ? 0
                    : *rc::gen::oneOf(rc::gen::inRange<std::int64_t>(-10, 10),
                                      rc::gen::inRange<std::int64_t>(86'400'000, 90'000'000),
                                      rc::gen::inRange<std::int64_t>(-90'000'000, -1));
      const Hlc hlc = clock.next(
          {.wall_us = (true_ms + error_ms) * 1000, .monotonic_ns = monotonic_ms * 1'000'000});
      RC_ASSERT(hlc > last);
      last = hlc;
      RC_ASSERT(hlc_milliseconds(hlc) <= static_cast<std::uint64_t>(true_ms + kHlcDriftMsMax));
    }
  }));
}

// Red with: observe() forgets to raise the clock.
TEST(CrdtLaws, WhatFollowsAnObservedStampIsGreater) {
  EXPECT_TRUE(holds("causality", [] {
    const std::int64_t base_ms = 1'800'000'000'000;
    std::vector<HybridClock> clocks(3);
    Hlc message = 0;
    for (int step = 0; step < 50; ++step) {
      const auto who = *rc::gen::inRange<std::size_t>(0, clocks.size());
      const auto skew_ms = *rc::gen::inRange<std::int64_t>(-60'000, 60'000);
      const ClockReading now{.wall_us = (base_ms + skew_ms) * 1000, .monotonic_ns = 0};
      if (clocks[who].observe(message, now) == HybridClock::Observation::kAccepted) {
        const Hlc reply = clocks[who].next(now);
        RC_ASSERT(reply > message);
        message = reply;
      }
    }
  }));
}

}  // namespace
}  // namespace pluresdb::crdt
