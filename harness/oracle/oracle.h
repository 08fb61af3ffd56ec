// The independent judge: from intents and outcomes alone it knows what the store must hold, and
// compares that with what the store is seen to hold. It never asks the engine what is right.
//
// Model. A document is written by one agent only, one operation at a time. For each document the
// oracle keeps the last acknowledged write (or delete) and the later writes of unknown outcome
// (maybes). A read is right when it shows the last acknowledged write or one of the maybes behind
// it, byte for byte. A maybe once seen must stay (like an acknowledged one). Not seen in a later
// incarnation than its own, it must never appear; absence in its own incarnation says nothing,
// because an indeterminate write may only show after the log is opened again. Memory is bounded by
// live documents and unresolved maybes: a document that is not in the table must not be there.
// Damage of data at rest is outside of what an engine promises. After damage of the log a document
// may be as an older write left it, or absent, when the engine has reported the seqs of all
// acknowledged writes after that as lost (of the newest 16); and a read may be refused as corrupt
// when the seq of what must be there is among them. Both are counted, not violations. Wrong bytes,
// losses and refusals that nobody reported stay violations. The seq of a write of unknown outcome
// is not known: any later seq that was reported may be its.
//
// After damage of tables a read may be refused as corrupt, and is its own report: nobody can list
// what was in a block that cannot be read. Only of a document that can be in a damaged table: whose
// write is not newer than the checkpoint that the store had when it was next opened. That is
// counted too, and the document stays what it was: it may be read rightly later, and never be older
// or absent.
//
// Seqs name writes for good: an agent's grow, and after a restart all are above all acknowledged
// before (unless the death was one that may take acknowledged writes with it).
//
// After a violation or a loss of the log that was reported a document is no longer judged until its
// next acknowledged write.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"

namespace soak::oracle {

enum class ViolationKind {
  kLostAcknowledgedWrite,  ///< Absent, or an older write than the last acknowledged is there.
  kResurrectedDelete,      ///< There although its delete was acknowledged.
  kCorruptRead,            ///< Bytes that no write of this document ever had.
  kMaybeVanished,          ///< Seen once, then gone.
  kMaybeReappeared,        ///< Refused, or not there after recovery; then there.
  kAlienDocument,          ///< An id that no agent ever attempted.
  kReusedSeq,              ///< A write was given a seq that an earlier write has or may have.
  kReadFailed,             ///< The engine could not read a document that must be there.
};
const char* violation_kind_name(ViolationKind kind);

struct Violation {
  ViolationKind kind = ViolationKind::kLostAcknowledgedWrite;
  DocumentKey key;
  std::string document_id;
  std::string detail;  ///< Expected and found, with op numbers.
};

struct OracleCounts {
  std::uint64_t attempted = 0, acknowledged = 0, maybe = 0, not_written = 0;  ///< Writes.
  std::array<std::array<std::uint64_t, kOutcomeCount>, kOperationKindCount> operations{};
  std::uint64_t acknowledged_bytes = 0;
  std::uint64_t verified_reads = 0, verified_bytes = 0;
  std::uint64_t open_maybes = 0, live_documents = 0;
  std::uint64_t lost_acknowledged_writes = 0, resurrected_deletes = 0, corrupt_reads = 0,
                maybes_vanished = 0, maybes_reappeared = 0, alien_documents = 0, reads_failed = 0,
                reused_seqs = 0;
  /// Documents that the engine said it had lost, or refused to read, after damage().
  std::uint64_t reported_losses = 0;
  /// Reads that were refused as corrupt after damage of tables.
  std::uint64_t refused_reads = 0;
  /// Records that no correct worker writes (outcome without intent, op used twice, unknown agent):
  /// above 0 the run proves nothing and ends as a harness error.
  std::uint64_t protocol_errors = 0;
};

/// What was damaged at rest: it decides what the engine may say of it.
enum class DamagedPart { kLog, kTables };

/// A write that was acknowledged and must be what its document holds.
struct LiveWrite {
  DocumentKey key;
  std::uint64_t op = 0;
};

/// Where an agent continues after a restart: nothing is used twice.
struct AgentProgress {
  std::uint64_t next_op = 1;
  std::array<std::uint64_t, kOperationKindCount> next_number{};
  std::array<std::uint64_t, kOperationKindCount> first_number{};
};

/// Thread: one at a time (the supervisor's loop).
class Oracle {
 public:
  /// `acknowledged_may_be_lost`: worker_died may be called with true, so the oracle keeps what each
  /// document was when the worker started and every write since (memory: writes per incarnation).
  Oracle(std::uint64_t seed, std::vector<AgentConfig> agents,
         bool acknowledged_may_be_lost = false);
  ~Oracle();
  Oracle(const Oracle&) = delete;
  Oracle& operator=(const Oracle&) = delete;
  Oracle(Oracle&&) = delete;
  Oracle& operator=(Oracle&&) = delete;

  /// One record of an agent's ring, in its order. A read that failed is a violation only when the
  /// engine reports damage: other errors may be injected faults, and verify() judges later.
  void consume(const LedgerRecord& record);
  /// The worker is dead and every ring is drained: intents without outcome become maybes. Returns
  /// how many did. `acknowledged_may_be_lost`: the durability does not cover this death (none):
  /// every acknowledged write of this incarnation becomes a maybe.
  std::uint64_t worker_died(bool acknowledged_may_be_lost);
  /// A new worker has the store open, which makes all that it found durable; what is read from now
  /// on resolves older maybes. `incarnation` grows strictly.
  void worker_started(std::uint32_t incarnation);

  /// damage() may come: remembers the newest acknowledged writes of each document from now on.
  void expect_damage();
  /// Data at rest were damaged: what the engine reports of it is no violation from now on.
  void damage(DamagedPart part);
  [[nodiscard]] bool damaged(DamagedPart part) const;
  /// Seqs of acknowledged writes that the engine says are lost. Ignored before damage of the log.
  void losses_reported(std::span<const SeqRange> lost);
  /// Of the opening that follows a damage: no table that was damaged holds a later write than this.
  void tables_end_at(std::uint64_t checkpoint_seq);

  /// Ids to read after a restart: touched since the last call, unresolved maybes, and a seeded
  /// sample of up to `sample` others (deleted ids among them).
  std::vector<DocumentKey> keys_to_verify(std::size_t sample);
  /// Every document that must be there, and those known that must not, for a store that cannot list
  /// itself any more. What nobody knows is not found by it.
  [[nodiscard]] std::vector<DocumentKey> known_keys() const;
  /// Of every document whose last certain write was acknowledged and no delete; in order of keys.
  /// Those that have been judged wrong are left out.
  [[nodiscard]] std::vector<LiveWrite> live_writes() const;
  /// One kRead record of the verify ring, while no agent runs and their rings are drained. Any
  /// failed read of a document that must be there is a violation.
  void verify(const LedgerRecord& record);
  /// Around the kScanEntry records of one whole scan, while no agent runs: end_scan reports every
  /// live document that the scan did not meet. A document that was listed and refused was met. A
  /// scan that failed midway ends without end_scan.
  void begin_scan();
  /// `alien_id`: of records with kAlien (soak::alien_id), else ignored.
  void scan_entry(const LedgerRecord& record, const std::string& alien_id);
  void end_scan();

  /// Where `agent` goes on; only while no worker runs.
  [[nodiscard]] AgentProgress progress(std::uint16_t agent) const;
  [[nodiscard]] const OracleCounts& counts() const;
  /// Violations since the last call, oldest first; counts() goes on when a cap (1,000) is reached.
  std::vector<Violation> take_violations();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace soak::oracle
