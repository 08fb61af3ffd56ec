// Obeys the supervisor's commands, one after the other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "harness/common/control_channel.h"
#include "harness/common/document_id.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/common/worker_protocol.h"
#include "harness/worker/agent.h"
#include "harness/worker/error_log.h"
#include "harness/worker/evidence.h"
#include "harness/worker/shifted_clock.h"
#include "harness/worker/target.h"
#include <pluresdb/error.h>

namespace soak::worker {

class CommandLoop {
 public:
  /// All outlive it.
  CommandLoop(const WorkerConfig& config, Target& target, ShiftedClock& clock, SharedRegion& region,
              ControlChannel& channel);
  ~CommandLoop();
  CommandLoop(const CommandLoop&) = delete;
  CommandLoop& operator=(const CommandLoop&) = delete;
  CommandLoop(CommandLoop&&) = delete;
  CommandLoop& operator=(CommandLoop&&) = delete;

  /// Until kClose (true: the store is closed cleanly) or an error that ends the worker.
  pluresdb::Result<bool> run();

 private:
  /// Fills the value of the reply.
  pluresdb::Status obey(const ControlPacket& command, ControlPacket& reply);
  pluresdb::Status start_agents();
  void stop_agents();
  pluresdb::Status verify(const ControlPacket& command);
  pluresdb::Result<std::uint64_t> scan();
  pluresdb::Status arm(const ControlPacket& command) const;
  pluresdb::Status close_store();
  pluresdb::Status publish(const LedgerRecord& record);

  const WorkerConfig& config_;
  Target& target_;
  ShiftedClock& clock_;
  SharedRegion& region_;
  ControlChannel& channel_;
  const int supervisor_;  ///< Its pid.
  const AgentNames names_;
  ErrorLog errors_;
  std::vector<std::unique_ptr<Agent>> agents_;  ///< Keep their places between start and stop.
  std::vector<std::thread> threads_;
  StatsPublisher stats_;
};

}  // namespace soak::worker
