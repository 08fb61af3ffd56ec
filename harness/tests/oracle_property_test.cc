// Goal: a store that follows the rules is never accused, and one that breaks them always is.
//
// A simulated store keeps, per document, which write it holds. Random histories run on it: writes
// that are acknowledged, refused, indeterminate (applied at once, at a later restart, or never) or
// cut off by a crash. The oracle sees only records. Then one document is changed behind its back.
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "harness/common/operation.h"
#include "harness/oracle/oracle.h"
#include "harness/tests/oracle_history.h"

namespace soak::oracle {
namespace {

constexpr std::uint16_t kAgents = 2;
constexpr std::uint64_t kDocuments = 4;  // Per stream: few, so that every case collides.

/// 0: nothing there. Deletes are held as 0.
using HeldOp = std::uint64_t;

class SimulatedStore {
 public:
  [[nodiscard]] HeldOp holds(const DocumentKey& key) const {
    const auto held = held_.find(key);
    return held == held_.end() ? 0 : held->second;
  }
  void apply(const DocumentKey& key, HeldOp op) {
    pending_.erase(key);  // A later write wins over what is still indeterminate.
    held_[key] = op;
  }
  void apply_perhaps_later(const DocumentKey& key, HeldOp op) { pending_[key].push_back(op); }
  /// Each indeterminate write survives or not; the last that does is what is there.
  void restart() {
    for (const auto& [key, ops] : pending_) {
      for (const HeldOp op : ops) {
        if (*rc::gen::arbitrary<bool>()) {
          held_[key] = op;
        }
      }
    }
    pending_.clear();
  }
  void tamper(const DocumentKey& key, HeldOp op) { held_[key] = op; }
  [[nodiscard]] const std::map<DocumentKey, HeldOp>& held() const { return held_; }
  [[nodiscard]] bool is_open(const DocumentKey& key) const { return pending_.contains(key); }

 private:
  std::map<DocumentKey, HeldOp> held_;
  std::map<DocumentKey, std::vector<HeldOp>> pending_;
};

class Simulation {
 public:
  Simulation() : history(kAgents) {}

  void run(int steps) {
    for (int i = 0; i < steps; ++i) {
      switch (*rc::gen::weightedElement<int>({{10, 0}, {4, 1}, {5, 2}, {2, 3}, {1, 4}})) {
        case 0:
          write(any_key(), false);
          break;
        case 1:
          write(any_key(), true);
          break;
        case 2: {
          const DocumentKey key = any_key();
          history.agent_read(key, store.holds(key));
          break;
        }
        case 3:
          crash();
          break;
        default:
          scan();
          break;
      }
    }
  }

  static DocumentKey any_key() {
    const auto agent = *rc::gen::inRange<std::uint16_t>(0, kAgents);
    const auto number = *rc::gen::inRange<std::uint64_t>(0, kDocuments);
    return *rc::gen::arbitrary<bool>() ? History::memory(number, agent)
                                       : History::stdout_of(number, agent);
  }

  void write(const DocumentKey& key, bool is_delete) {
    const std::uint64_t op = history.attempt(key, is_delete);
    const HeldOp held = is_delete ? 0 : op;
    attempted[key].push_back(held);
    switch (*rc::gen::weightedElement<int>({{12, 0}, {2, 1}, {1, 2}, {1, 3}, {1, 4}})) {
      case 0:
        history.outcome(Outcome::kAcknowledged);
        store.apply(key, held);
        acknowledged[key] = held;
        older_than_acknowledged[key] = attempted[key];
        break;
      case 1:
        history.outcome(Outcome::kNotWritten);
        break;
      case 2:  // Indeterminate, and known to have been applied only after a restart, if at all.
        history.outcome(Outcome::kMaybe);
        store.apply_perhaps_later(key, held);
        break;
      case 3:  // Indeterminate, visible at once.
        history.outcome(Outcome::kMaybe);
        store.apply(key, held);
        break;
      default:  // The worker dies in the call.
        store.apply_perhaps_later(key, held);
        crash();
        break;
    }
  }

  void crash() {
    history.crash();
    store.restart();
    if (*rc::gen::arbitrary<bool>()) {
      scan();
    } else if (*rc::gen::arbitrary<bool>()) {
      for (const DocumentKey& key : history.oracle.keys_to_verify(2)) {
        history.read(key, store.holds(key));
      }
    }
  }

  void scan() {
    history.oracle.begin_scan();
    for (const auto& [key, op] : store.held()) {
      if (op != 0) {
        history.scan_entry(key, op);
      }
    }
    history.oracle.end_scan();
  }

  [[nodiscard]] std::uint64_t accusations() const {
    const OracleCounts& counts = history.oracle.counts();
    return counts.lost_acknowledged_writes + counts.resurrected_deletes + counts.corrupt_reads +
           counts.maybes_vanished + counts.maybes_reappeared + counts.alien_documents +
           counts.reads_failed;
  }
  void expect_innocent() {
    const auto violations = history.oracle.take_violations();
    if (!violations.empty()) {
      RC_FAIL(violations[0].document_id + ": " + violations[0].detail);
    }
    RC_ASSERT(accusations() == 0U);
    RC_ASSERT(history.oracle.counts().protocol_errors == 0U);
  }

  History history;
  SimulatedStore store;
  std::map<DocumentKey, std::vector<HeldOp>> attempted;
  std::map<DocumentKey, HeldOp> acknowledged;
  std::map<DocumentKey, std::vector<HeldOp>> older_than_acknowledged;
};

TEST(OracleProperty, StoreThatFollowsTheRulesIsNeverAccused) {
  EXPECT_TRUE(rc::check([] {
    Simulation simulation;
    simulation.run(*rc::gen::inRange(1, 60));
    simulation.expect_innocent();
    simulation.crash();
    simulation.scan();
    simulation.expect_innocent();
    RC_ASSERT(simulation.history.oracle.counts().open_maybes == 0U);
  }));
}

// After a scan in a new incarnation nothing is uncertain: any other state of any document is wrong.
TEST(OracleProperty, AnyChangeAfterAFullVerificationIsConvicted) {
  EXPECT_TRUE(rc::check([] {
    Simulation simulation;
    simulation.run(*rc::gen::inRange(1, 60));
    simulation.crash();
    simulation.scan();
    simulation.expect_innocent();

    const DocumentKey key = Simulation::any_key();
    // Absent, any write it ever had (lost, refused, deleted, superseded), or one of its future.
    std::vector<HeldOp> states = simulation.attempted[key];
    states.push_back(0);
    states.push_back(1'000'000);
    const HeldOp wrong = *rc::gen::elementOf(states);
    RC_PRE(wrong != simulation.store.holds(key));
    simulation.store.tamper(key, wrong);
    if (*rc::gen::arbitrary<bool>()) {
      simulation.history.crash();
    }
    if (*rc::gen::arbitrary<bool>()) {
      simulation.scan();
    } else {
      simulation.history.agent_read(key, wrong);
    }
    RC_ASSERT(simulation.accusations() == 1U);
    RC_ASSERT(simulation.history.oracle.take_violations().at(0).key == key);
  }));
}

// Also while maybes are open: what is older than the last acknowledged write is never right.
TEST(OracleProperty, LosingAnAcknowledgedWriteIsConvictedAtOnce) {
  EXPECT_TRUE(rc::check([] {
    Simulation simulation;
    simulation.run(*rc::gen::inRange(1, 60));
    simulation.expect_innocent();
    RC_PRE(!simulation.acknowledged.empty());
    const auto [key, current] = *rc::gen::elementOf(simulation.acknowledged);
    std::set<HeldOp> older(simulation.older_than_acknowledged[key].begin(),
                           simulation.older_than_acknowledged[key].end());
    older.insert(0);
    older.erase(current);
    const bool delete_is_open = simulation.attempted[key].back() == 0 && current != 0;
    RC_PRE(!older.empty() && !delete_is_open);
    // Absent is right when any later maybe is a delete: choose another state then.
    const auto& all = simulation.attempted[key];
    const auto later_count = all.size() - simulation.older_than_acknowledged[key].size();
    for (std::size_t i = all.size() - later_count; i < all.size(); ++i) {
      older.erase(all[i]);
    }
    RC_PRE(!older.empty());
    const HeldOp wrong = *rc::gen::elementOf(older);
    simulation.store.tamper(key, wrong);
    simulation.history.agent_read(key, wrong);
    RC_ASSERT(simulation.accusations() == 1U);
  }));
}

TEST(OracleProperty, WrongBytesAreAlwaysConvicted) {
  EXPECT_TRUE(rc::check([] {
    Simulation simulation;
    simulation.run(*rc::gen::inRange(1, 40));
    simulation.expect_innocent();
    const DocumentKey key = Simulation::any_key();
    const HeldOp op = simulation.store.holds(key);
    ContentDigest seen = simulation.history.digest(key, op == 0 ? 1 : op);
    if (*rc::gen::arbitrary<bool>()) {
      seen.hash ^= 1ULL << *rc::gen::inRange(0, 64);
    } else {
      seen.length += *rc::gen::inRange<std::uint64_t>(1, 10);
    }
    simulation.history.read_bytes(key, seen);
    RC_ASSERT(simulation.accusations() == 1U);
  }));
}

}  // namespace
}  // namespace soak::oracle
