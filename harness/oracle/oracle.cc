#include "harness/oracle/oracle.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/common/document_id.h"
#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/oracle/absent_keys.h"
#include "harness/oracle/document_state.h"
#include "harness/oracle/oracle_state.h"

namespace soak::oracle {
namespace {

std::vector<std::string> names_of(const std::vector<AgentConfig>& agents) {
  std::vector<std::string> names;
  names.reserve(agents.size());
  for (const AgentConfig& agent : agents) {
    names.push_back(agent.name);
  }
  return names;
}

bool is_stream(OperationKind kind) {
  return is_appended_stream(kind) || overwritten_documents(kind) > 0;
}

// Of one document, for the case that the newest are lost.
constexpr std::size_t kAcknowledgedMax = 16;

}  // namespace

Oracle::State::State(std::uint64_t run_seed, std::vector<AgentConfig> agent_configs, bool history)
    : configs(std::move(agent_configs)),
      names(names_of(configs)),
      contents(run_seed, configs),
      keep_history(history),
      agents(configs.size()),
      random(mix64(run_seed, 0x0ac1e)) {}

bool Oracle::State::is_known(const LedgerRecord& record) const {
  return record.agent < agents.size() && is_stream(record.stream) &&
         index_of(record.operation) < kOperationKindCount;
}

// ---- Writes ------------------------------------------------------------------------------------

void Oracle::State::intent(const LedgerRecord& record) {
  AgentState& agent = agents[record.agent];
  if (agent.pending.active || record.op <= agent.last_op) {
    ++counts.protocol_errors;
    return;
  }
  agent.last_op = record.op;
  std::uint64_t& next = agent.next_number[index_of(record.stream)];
  next = std::max(next, record.number + 1);
  agent.pending = {.active = true,
                   .operation = record.operation,
                   .key = key_of(record),
                   .write = {.op = record.op,
                             .incarnation = incarnation,
                             .is_delete = record.operation == OperationKind::kDelete,
                             .acknowledged = true,
                             .seq = agent.last_seq},
                   .length = record.length};
  ++counts.attempted;
}

void Oracle::State::outcome(const LedgerRecord& record) {
  PendingWrite& pending = agents[record.agent].pending;
  if (!pending.active || pending.write.op != record.op || pending.key != key_of(record)) {
    ++counts.protocol_errors;
    return;
  }
  if (record.outcome == Outcome::kAcknowledged && record.seq != 0) {
    acknowledged_seq(record);
    pending.write.seq = record.seq;
  }
  resolve_pending(pending, record.outcome);
}

void Oracle::State::acknowledged_seq(const LedgerRecord& record) {
  std::uint64_t& last = agents[record.agent].last_seq;
  const std::uint64_t taken = std::max(last, highest_seq_before);
  if (!seqs.insert(record.seq) || record.seq <= taken) {
    report(ViolationKind::kReusedSeq, key_of(record), names.id(key_of(record)),
           fmt::format(
               "op {} got seq {}, which another write of this life has or which is not above {}",
               record.op, record.seq, taken));
  }
  last = std::max(last, record.seq);
  highest_seq = std::max(highest_seq, record.seq);
}

void Oracle::State::resolve_pending(PendingWrite& pending, Outcome outcome) {
  pending.active = false;
  ++operation_count(pending.operation, outcome);
  if (outcome == Outcome::kNotWritten || outcome == Outcome::kFailed) {
    ++counts.not_written;
    // Certainly not in the store: that is read back too.
    if (const auto known = documents.find(pending.key); known != documents.end()) {
      known->second.touched = true;
    } else {
      absent.add({.key = pending.key, .reason = AbsentKeys::Reason::kNeverThere});
    }
    return;
  }
  const auto position = documents.try_emplace(pending.key).first;
  Document& document = position->second;
  document.touched = true;
  if (outcome == Outcome::kAcknowledged) {
    ++counts.acknowledged;
    counts.acknowledged_bytes += pending.length;
    document.state.acknowledge(pending.write, keep_history);
    if (expects_damage) {
      if (document.acknowledged.size() >= kAcknowledgedMax) {
        document.acknowledged.erase(document.acknowledged.begin());
      }
      document.acknowledged.push_back(pending.write);
    }
    document.convicted = false;
    document.refused = false;
  } else {
    ++counts.maybe;
    document.state.add_maybe(pending.write);
  }
  if (keep_history && !document.volatile_listed) {
    document.volatile_listed = true;
    volatile_keys.push_back(pending.key);
  }
  settle(position);
}

// Brings the counts in line with a document that has changed, and forgets it when nothing is left
// to remember.
void Oracle::State::settle(Documents::iterator position) {
  Document& document = position->second;
  const auto maybes = static_cast<std::uint32_t>(document.state.maybes().size());
  const bool live = !document.convicted && !document.state.certain().is_absence();
  counts.open_maybes += maybes;
  counts.open_maybes -= document.counted_maybes;
  counts.live_documents += live ? 1 : 0;
  counts.live_documents -= document.counted_live ? 1 : 0;
  document.counted_maybes = maybes;
  document.counted_live = live;
  if (document.state.is_settled_absence() && !document.convicted) {
    const bool deleted = document.state.certain().is_delete;
    absent.add({.key = position->first,
                .reason = deleted ? AbsentKeys::Reason::kDeleted : AbsentKeys::Reason::kNeverThere,
                .last = document.state.certain()});
    documents.erase(position);
  }
}

// ---- What to read again ------------------------------------------------------------------------

// Random documents of the table, and about a quarter that must be absent. Not uniform (it walks the
// buckets of the table), which a sample over many restarts does not need.
void Oracle::State::sample(std::size_t count, std::vector<DocumentKey>& out) {
  const std::size_t absent_count = std::min(absent.size(), count / 4);
  for (std::size_t i = 0; i < absent_count; ++i) {
    out.push_back(absent.at(next_random() % absent.size()).key);
  }
  const std::size_t live_count = std::min(documents.size(), count - absent_count);
  std::size_t bucket = documents.bucket_count() == 0 ? 0 : next_random() % documents.bucket_count();
  std::size_t taken = 0;
  for (std::size_t tries = 0; taken < live_count && tries < documents.bucket_count(); ++tries) {
    bucket = (bucket + 1) % documents.bucket_count();
    for (auto it = documents.begin(bucket); it != documents.end(bucket) && taken < live_count;
         ++it) {
      out.push_back(it->first);
      ++taken;
    }
  }
}

// ---- Public ------------------------------------------------------------------------------------

Oracle::Oracle(std::uint64_t seed, std::vector<AgentConfig> agents, bool acknowledged_may_be_lost)
    : state_(std::make_unique<State>(seed, std::move(agents), acknowledged_may_be_lost)) {}
Oracle::~Oracle() = default;

void Oracle::consume(const LedgerRecord& record) {
  if (!state_->is_known(record)) {
    ++state_->counts.protocol_errors;
    return;
  }
  switch (record.type) {
    case LedgerType::kIntent:
      state_->intent(record);
      return;
    case LedgerType::kOutcome:
      state_->outcome(record);
      return;
    case LedgerType::kRead:
      state_->agent_read(record);
      return;
    case LedgerType::kScanEntry:
      break;
  }
  ++state_->counts.protocol_errors;
}

std::uint64_t Oracle::worker_died(bool acknowledged_may_be_lost) {
  std::uint64_t pending_count = 0;
  for (AgentState& agent : state_->agents) {
    if (agent.pending.active) {
      state_->resolve_pending(agent.pending, Outcome::kMaybe);
      ++pending_count;
    }
  }
  if (!acknowledged_may_be_lost) {
    return pending_count;
  }
  if (!state_->keep_history) {
    ++state_->counts.protocol_errors;
    return pending_count;
  }
  // Their seqs are gone with them.
  state_->highest_seq = 0;
  for (AgentState& agent : state_->agents) {
    agent.last_seq = 0;
  }
  for (const DocumentKey& key : state_->volatile_keys) {
    const auto position = state_->documents.find(key);
    if (position != state_->documents.end()) {
      position->second.state.lose_acknowledged();
      state_->settle(position);
    }
  }
  return pending_count;
}

void Oracle::worker_started(std::uint32_t incarnation) {
  if (incarnation <= state_->incarnation) {
    ++state_->counts.protocol_errors;
  }
  state_->incarnation = incarnation;
  state_->highest_seq_before = state_->highest_seq;
  state_->seqs.clear();
  for (const DocumentKey& key : state_->volatile_keys) {
    const auto position = state_->documents.find(key);
    if (position != state_->documents.end()) {
      position->second.volatile_listed = false;
      position->second.state.forget_history();
      state_->settle(position);
    }
  }
  state_->volatile_keys.clear();
}

void Oracle::expect_damage() { state_->expects_damage = true; }

void Oracle::damage(DamagedPart part) {
  if (part == DamagedPart::kLog) {
    state_->log_damaged = true;
  } else {
    state_->tables_damaged = true;
    state_->tables_end.reset();
  }
}

bool Oracle::damaged(DamagedPart part) const {
  return part == DamagedPart::kLog ? state_->log_damaged : state_->tables_damaged;
}

void Oracle::tables_end_at(std::uint64_t checkpoint_seq) {
  if (state_->tables_damaged && !state_->tables_end) {
    state_->tables_end = checkpoint_seq;
  }
}

void Oracle::losses_reported(std::span<const SeqRange> lost) {
  if (!state_->log_damaged) {
    return;  // Whoever loses something without a reason is convicted.
  }
  state_->lost.insert(state_->lost.end(), lost.begin(), lost.end());
}

std::vector<DocumentKey> Oracle::keys_to_verify(std::size_t sample) {
  std::vector<DocumentKey> keys;
  for (auto& [key, document] : state_->documents) {
    if (document.touched || !document.state.maybes().empty()) {
      document.touched = false;
      keys.push_back(key);
    }
  }
  state_->absent.take_new(keys);
  state_->sample(sample, keys);
  // In the store's order, which is kind to its caches; also removes what was chosen twice.
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::vector<DocumentKey> Oracle::known_keys() const {
  std::vector<DocumentKey> keys;
  for (const auto& [key, document] : state_->documents) {
    keys.push_back(key);
  }
  for (std::size_t i = 0; i < state_->absent.size(); ++i) {
    keys.push_back(state_->absent.at(i).key);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::vector<LiveWrite> Oracle::live_writes() const {
  std::vector<LiveWrite> writes;
  for (const auto& [key, document] : state_->documents) {
    const Write& write = document.state.certain();
    if (write.acknowledged && !write.is_absence() && !document.convicted) {
      writes.push_back({.key = key, .op = write.op});
    }
  }
  std::ranges::sort(writes, {}, &LiveWrite::key);
  return writes;
}

void Oracle::verify(const LedgerRecord& record) {
  if (record.type != LedgerType::kRead || !state_->is_known(record)) {
    ++state_->counts.protocol_errors;
    return;
  }
  if (record.outcome == Outcome::kFailed) {
    state_->read_failed(record);
    return;
  }
  state_->observe(key_of(record), {.found = record.found != 0,
                                   .digest = {.length = record.length, .hash = record.hash}});
}

void Oracle::begin_scan() { ++state_->scan; }

void Oracle::scan_entry(const LedgerRecord& record, const std::string& alien_id) {
  if (record.type == LedgerType::kScanEntry && (record.flags & LedgerRecord::kAlien) != 0) {
    state_->report(ViolationKind::kAlienDocument, {}, alien_id, "an id that is no agent's");
    return;
  }
  if (record.type != LedgerType::kScanEntry || !state_->is_known(record)) {
    ++state_->counts.protocol_errors;
    return;
  }
  const DocumentKey key = key_of(record);
  const auto before = state_->documents.find(key);
  if (before != state_->documents.end() && before->second.scan == state_->scan) {
    state_->convict(before, ViolationKind::kCorruptRead, "one scan listed it twice");
    return;
  }
  if (record.outcome == Outcome::kFailed) {
    state_->scan_refused(record);
  } else {
    state_->observe(key, {.found = true, .digest = {.length = record.length, .hash = record.hash}});
  }
  // A document that was seen is in the table: it is live, or convicted for being there.
  const auto position = state_->documents.find(key);
  if (position != state_->documents.end()) {
    position->second.scan = state_->scan;
  }
}

void Oracle::end_scan() {
  std::vector<DocumentKey> unmet;
  for (const auto& [key, document] : state_->documents) {
    if (document.scan != state_->scan) {
      unmet.push_back(key);
    }
  }
  std::sort(unmet.begin(), unmet.end());
  for (const DocumentKey& key : unmet) {
    state_->observe(key, {.found = false, .digest = {}});
  }
}

AgentProgress Oracle::progress(std::uint16_t agent) const {
  AgentState& own = state_->agents[agent];
  for (std::size_t i = 0; i < kOperationKindCount; ++i) {
    // Appended documents are never written again, so what is gone below stays gone: the search goes
    // on where it stopped.
    const auto stream = static_cast<OperationKind>(i);
    std::uint64_t& first = own.first_number[i];
    while (is_appended_stream(stream) && first < own.next_number[i] &&
           !state_->documents.contains({.agent = agent, .stream = stream, .number = first})) {
      ++first;
    }
  }
  return {
      .next_op = own.last_op + 1, .next_number = own.next_number, .first_number = own.first_number};
}

const OracleCounts& Oracle::counts() const { return state_->counts; }

std::vector<Violation> Oracle::take_violations() {
  std::vector<Violation> taken(state_->violations.begin(), state_->violations.end());
  state_->violations.clear();
  return taken;
}

}  // namespace soak::oracle
