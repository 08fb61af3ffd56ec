// One simulated agent: one thread that writes, reads back and deletes its own documents.
#pragma once

#include <cstdint>
#include <string>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/worker/document_book.h"
#include "harness/worker/error_log.h"
#include "harness/worker/target.h"
#include <pluresdb/error.h>

namespace soak::worker {

/// What all agents of a worker share; everything outlives them.
struct AgentEnvironment {
  std::uint64_t seed = 0;
  std::uint32_t incarnation = 0;
  int supervisor = 0;  ///< Its pid.
  Target* target = nullptr;
  SharedRegion* region = nullptr;
  ErrorLog* errors = nullptr;
};

/// What an error of put or erase says about the write.
Outcome outcome_of(pluresdb::ErrorCode code);

/// Every write is published as an intent before the call and as an outcome after it, so the
/// supervisor knows of it whenever the worker dies.
class Agent {
 public:
  Agent(const AgentConfig& config, const AgentEnvironment& environment);

  /// Works until region.stop_agents is set; may be called again to go on. False when the supervisor
  /// is gone. Thread: one at a time.
  bool run();

 private:
  /// One operation, its kind drawn by the mix. False when the supervisor is gone.
  bool step();
  bool write(OperationKind stream);
  bool erase(const DocumentBook::Choice& choice);
  bool read();
  bool retire_expired();

  bool publish(const LedgerRecord& record);
  bool finish_write(LedgerRecord record, std::uint64_t start_ns,
                    const pluresdb::Result<std::uint64_t>& result);
  LedgerRecord intent(OperationKind operation, const DocumentBook::Choice& choice,
                      std::uint64_t length);
  std::uint64_t random();
  /// Sleeps, but not past a stop.
  void pause_until(TimePoint time) const;
  [[nodiscard]] bool stop_asked() const;

  const AgentConfig config_;
  const AgentEnvironment environment_;
  LedgerRing& ring_;
  DocumentBook book_;
  std::uint64_t mix_total_ = 0;
  std::uint64_t next_op_;
  std::uint64_t random_key_;  ///< Differs by seed, agent, incarnation and first op.
  std::uint64_t draws_ = 0;
  bool refused_ = false;  ///< The last write was refused: pause before the next.
  std::string document_;  ///< Reused buffer.
};

}  // namespace soak::worker
