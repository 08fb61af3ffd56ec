// A tiny vocabulary for histories: what an agent did, and what the store then showed.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/oracle/oracle.h"

namespace soak::oracle {

inline constexpr std::uint64_t kHistorySeed = 5;

inline std::vector<AgentConfig> history_agents(std::size_t count) {
  std::vector<AgentConfig> agents(count);
  for (std::size_t i = 0; i < count; ++i) {
    agents[i].name = "agent-" + std::to_string(i);
    agents[i].index = static_cast<std::uint16_t>(i);
    agents[i].mix.fill(1);
    agents[i].payload = {
        .distribution = "uniform", .median_bytes = 0, .min_bytes = 20, .max_bytes = 600};
  }
  return agents;
}

/// Feeds one oracle with the records that a worker would publish.
class History {
 public:
  explicit History(std::size_t agent_count = 2, bool acknowledged_may_be_lost = false)
      : agents_(history_agents(agent_count)),
        oracle(kHistorySeed, agents_, acknowledged_may_be_lost),
        next_op_(agent_count, 1) {
    oracle.expect_damage();
    oracle.worker_started(incarnation_);
  }

  static constexpr DocumentKey memory(std::uint64_t number, std::uint16_t agent = 0) {
    return {.agent = agent, .stream = OperationKind::kMemory, .number = number};
  }
  static constexpr DocumentKey stdout_of(std::uint64_t number, std::uint16_t agent = 0) {
    return {.agent = agent, .stream = OperationKind::kStdout, .number = number};
  }

  /// Publishes an intent and returns its op.
  std::uint64_t attempt(const DocumentKey& key, bool is_delete = false) {
    LedgerRecord record = base(key, LedgerType::kIntent);
    record.operation = is_delete ? OperationKind::kDelete : key.stream;
    record.op = next_op_[key.agent]++;
    record.length = is_delete ? 0 : digest(key, record.op).length;
    oracle.consume(record);
    intent_ = record;
    return record.op;
  }
  /// The outcome of the last attempt.
  void outcome(Outcome outcome) {
    LedgerRecord record = intent_;
    record.type = LedgerType::kOutcome;
    record.outcome = outcome;
    record.seq = outcome == Outcome::kAcknowledged ? ++seq_ : 0;
    oracle.consume(record);
  }
  std::uint64_t put(const DocumentKey& key, Outcome result = Outcome::kAcknowledged) {
    const std::uint64_t op = attempt(key);
    outcome(result);
    return op;
  }
  std::uint64_t erase(const DocumentKey& key, Outcome result = Outcome::kAcknowledged) {
    const std::uint64_t op = attempt(key, true);
    outcome(result);
    return op;
  }
  void crash(bool acknowledged_may_be_lost = false) {
    oracle.worker_died(acknowledged_may_be_lost);
    oracle.worker_started(++incarnation_);
  }

  /// The next acknowledged write gets the seq after this one.
  void set_seq(std::uint64_t seq) { seq_ = seq; }
  /// Seq of the last acknowledged write.
  [[nodiscard]] std::uint64_t seq() const { return seq_; }
  /// A worker starts on damaged data and says that these seqs are lost.
  void crash_with_damage(const std::vector<SeqRange>& lost) {
    oracle.worker_died(false);
    oracle.damage(DamagedPart::kLog);
    oracle.losses_reported(lost);
    oracle.worker_started(++incarnation_);
  }
  /// A worker starts on damaged tables, which hold nothing newer than `checkpoint_seq`.
  void crash_with_damaged_tables(std::uint64_t checkpoint_seq) {
    oracle.worker_died(false);
    oracle.damage(DamagedPart::kTables);
    oracle.tables_end_at(checkpoint_seq);
    oracle.worker_started(++incarnation_);
  }

  [[nodiscard]] ContentDigest digest(const DocumentKey& key, std::uint64_t op) const {
    return payload_digest(kHistorySeed, agents_[key.agent], key.stream, op);
  }
  [[nodiscard]] LedgerRecord shows(const DocumentKey& key, std::uint64_t op) const {
    const ContentDigest seen = op == 0 ? ContentDigest{} : digest(key, op);
    return read_record(key, op != 0, seen);
  }
  /// The store is seen to hold write `op` of `key` (0: nothing).
  void read(const DocumentKey& key, std::uint64_t op) { oracle.verify(shows(key, op)); }
  /// A scan lists `key`, and the store refuses to read it.
  void scan_refusal(const DocumentKey& key) {
    LedgerRecord record = failed_read(key, pluresdb::ErrorCode::kCorruption);
    record.type = LedgerType::kScanEntry;
    oracle.scan_entry(record, "");
  }
  /// The same by the agent itself, while it runs.
  void agent_read(const DocumentKey& key, std::uint64_t op) { oracle.consume(shows(key, op)); }
  void read_bytes(const DocumentKey& key, const ContentDigest& seen) {
    oracle.verify(read_record(key, true, seen));
  }
  [[nodiscard]] LedgerRecord failed_read(const DocumentKey& key, pluresdb::ErrorCode code) const {
    LedgerRecord record = read_record(key, false, {});
    record.outcome = Outcome::kFailed;
    record.error_code = ledger_error_code(code);
    return record;
  }
  void scan_entry(const DocumentKey& key, std::uint64_t op) {
    LedgerRecord record = shows(key, op);
    record.type = LedgerType::kScanEntry;
    oracle.scan_entry(record, "");
  }

 private:
  static LedgerRecord base(const DocumentKey& key, LedgerType type) {
    return {.type = type, .agent = key.agent, .stream = key.stream, .number = key.number};
  }
  static LedgerRecord read_record(const DocumentKey& key, bool found, const ContentDigest& seen) {
    LedgerRecord record = base(key, LedgerType::kRead);
    record.operation = OperationKind::kRead;
    record.found = found ? 1 : 0;
    record.length = seen.length;
    record.hash = seen.hash;
    return record;
  }

  std::vector<AgentConfig> agents_;

 public:
  Oracle oracle;

 private:
  std::vector<std::uint64_t> next_op_;
  LedgerRecord intent_;
  std::uint32_t incarnation_ = 1;
  std::uint64_t seq_ = 0;
};

inline constexpr DocumentKey kNote = History::memory(7);
inline constexpr DocumentKey kCapture = History::stdout_of(0);

/// The kinds found since the last call; fails on protocol errors.
inline std::vector<ViolationKind> found(History& history) {
  EXPECT_EQ(history.oracle.counts().protocol_errors, 0U);
  std::vector<ViolationKind> kinds;
  for (const Violation& violation : history.oracle.take_violations()) {
    EXPECT_FALSE(violation.document_id.empty());
    EXPECT_FALSE(violation.detail.empty());
    kinds.push_back(violation.kind);
  }
  return kinds;
}
using Kinds = std::vector<ViolationKind>;

}  // namespace soak::oracle
