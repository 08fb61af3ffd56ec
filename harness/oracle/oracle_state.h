// The oracle's whole memory: inside of oracle.h, shared by the files of this folder.
//
// oracle.cc: records in, questions out. judge.cc: reads, and what a mismatch is called.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "harness/common/document_id.h"
#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/oracle/absent_keys.h"
#include "harness/oracle/contents.h"
#include "harness/oracle/document_state.h"
#include "harness/oracle/number_set.h"
#include "harness/oracle/oracle.h"

namespace soak::oracle {

struct KeyHash {
  std::size_t operator()(const DocumentKey& key) const {
    const std::uint64_t place =
        (static_cast<std::uint64_t>(key.agent) << 8) | static_cast<std::uint64_t>(key.stream);
    return mix64(key.number ^ (place << 40));
  }
};

struct Document {
  DocumentState state;
  std::uint32_t scan = 0;            ///< The last scan that met it.
  std::uint32_t counted_maybes = 0;  ///< Its part of counts.open_maybes.
  bool counted_live = false;         ///< Its part of counts.live_documents.
  bool touched = false;              ///< Written to since the last keys_to_verify.
  bool volatile_listed = false;
  /// The newest acknowledged writes, in order, while damage is to be expected.
  std::vector<Write> acknowledged;
  bool refused = false;    ///< Counted among the reported losses, and still what it must be.
  bool convicted = false;  ///< Violated: not judged until its next acknowledged write.
};
using Documents = std::unordered_map<DocumentKey, Document, KeyHash>;

/// The write that an agent has published an intent of, and no outcome yet.
struct PendingWrite {
  bool active = false;
  OperationKind operation = OperationKind::kCommand;
  DocumentKey key;
  Write write;
  std::uint64_t length = 0;
};

struct AgentState {
  PendingWrite pending;
  std::uint64_t last_op = 0;
  std::uint64_t last_seq = 0;  ///< Of its acknowledged writes.
  std::array<std::uint64_t, kOperationKindCount> next_number{};
  std::array<std::uint64_t, kOperationKindCount> first_number{};
};

struct Observation {
  bool found = false;
  bool refused = false;  ///< Found, and the engine refuses to read it as corrupt.
  ContentDigest digest;
};

inline std::size_t index_of(OperationKind kind) { return static_cast<std::size_t>(kind); }
inline DocumentKey key_of(const LedgerRecord& record) {
  return {.agent = record.agent, .stream = record.stream, .number = record.number};
}

struct Oracle::State {
  State(std::uint64_t run_seed, std::vector<AgentConfig> agent_configs, bool history);

  // Constant after construction; `contents` refers to `configs`.
  const std::vector<AgentConfig> configs;
  const AgentNames names;
  const Contents contents;
  const bool keep_history;

  std::uint32_t incarnation = 0;
  std::uint64_t highest_seq = 0;         ///< Acknowledged.
  std::uint64_t highest_seq_before = 0;  ///< When the worker started.
  NumberSet seqs;                        ///< Acknowledged since.
  std::vector<AgentState> agents;
  Documents documents;
  AbsentKeys absent;
  std::vector<DocumentKey> volatile_keys;  ///< Written since the worker's start (keep_history).
  std::uint32_t scan = 0;
  std::uint64_t random;
  OracleCounts counts;
  bool expects_damage = false;
  bool log_damaged = false;  ///< Losses that are reported are none of the engine's fault.
  bool tables_damaged = false;
  /// Seq behind which nothing is in a damaged table; known from the opening on that follows.
  std::optional<std::uint64_t> tables_end;
  std::vector<SeqRange> lost;  ///< Reported so far.
  std::deque<Violation> violations;

  [[nodiscard]] bool is_known(const LedgerRecord& record) const;
  [[nodiscard]] std::uint64_t& operation_count(OperationKind kind, Outcome outcome) {
    return counts.operations[index_of(kind)][static_cast<std::size_t>(outcome)];
  }
  std::uint64_t next_random() { return mix64(random++); }

  void intent(const LedgerRecord& record);
  void outcome(const LedgerRecord& record);
  void acknowledged_seq(const LedgerRecord& record);
  void agent_read(const LedgerRecord& record);
  void resolve_pending(PendingWrite& pending, Outcome outcome);
  void settle(Documents::iterator position);
  void observe(const DocumentKey& key, const Observation& seen);
  bool learn(Document& document, const DocumentKey& key, const Observation& seen);
  void observe_unlisted(const DocumentKey& key, const Observation& seen);
  void read_failed(const LedgerRecord& record);
  void scan_refused(const LedgerRecord& record);
  void judge(Document& document, const DocumentKey& key, const Observation& seen);
  [[nodiscard]] bool reported_lost(const Write& write) const;
  [[nodiscard]] bool is_named(const Document& document) const;
  [[nodiscard]] bool may_be_in_damaged_table(const Document& document) const;
  [[nodiscard]] bool is_reported_loss(const Document& document, const DocumentKey& key,
                                      const Observation& seen) const;
  void accept_loss(Documents::iterator position);
  void accept_refusal(Document& document);
  void report(ViolationKind kind, const DocumentKey& key, std::string id, std::string detail);
  void convict(Documents::iterator position, ViolationKind kind, std::string detail);
  void sample(std::size_t count, std::vector<DocumentKey>& out);
  [[nodiscard]] std::string describe(const Observation& seen,
                                     const std::optional<std::uint64_t>& op) const;
};

}  // namespace soak::oracle
