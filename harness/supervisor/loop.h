// The supervisor's one loop. Whoever waits for something turns it, so that rings are drained,
// firings and violations are told and metrics go on whatever the run is doing.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <string>

#include "harness/common/shared_region.h"
#include "harness/common/worker_protocol.h"
#include "harness/oracle/oracle.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/fault_driver.h"
#include "harness/supervisor/ledger_drain.h"
#include "harness/supervisor/monitor.h"
#include "harness/supervisor/recorder.h"
#include "harness/supervisor/run_clock.h"
#include "harness/supervisor/signals.h"
#include "harness/supervisor/worker_process.h"
#include <pluresdb/error.h>

namespace soak::supervisor {

/// Why a worker did not do what it was told. Each kind is handled differently.
enum class TroubleKind {
  kDied,     ///< The process has ended.
  kStalled,  ///< Neither a reply nor a record for too long.
  kRefused,  ///< It answered kError, or could not be told.
  kAborted,  ///< The second stop signal came.
};
struct Trouble {
  TroubleKind kind = TroubleKind::kDied;
  std::string text;
  std::uint64_t error_code = 0;  ///< Of a kError of the worker: ledger_error_code(); else 0.

  [[nodiscard]] bool is(pluresdb::ErrorCode code) const {
    return error_code == ledger_error_code(code);
  }
};
template <typename T>
using Attempt = std::expected<T, Trouble>;

/// All outlive the loop.
struct LoopParts {
  const scenario::Scenario& scenario;
  const RunClock& clock;
  Signals& signals;
  LedgerDrain& drain;
  FaultDriver& faults;
  oracle::Oracle& oracle;
  Recorder& recorder;
  Monitor& monitor;
};

class Loop {
 public:
  explicit Loop(const LoopParts& parts) : parts_(parts) {}

  /// The worker that is waited for; null: none. Not owned.
  void attach(WorkerProcess* worker);
  /// Where records of the verify ring go; none: they are thrown away.
  void set_verify_sink(std::function<void(const LedgerRecord&)> sink) { sink_ = std::move(sink); }

  /// Waits up to `wait_ms` for something to happen, then takes what there is.
  void turn(int wait_ms);
  /// Turns until the worker sends a packet other than kError.
  Attempt<ControlPacket> await_reply(double stall_seconds);
  /// Sends and awaits the reply.
  Attempt<ControlPacket> command(const ControlPacket& packet, double stall_seconds);

  /// Since the worker's last record or reply, or since note_progress().
  [[nodiscard]] double seconds_without_progress() const;
  void note_progress() { progress_at_ = parts_.clock.seconds(); }
  [[nodiscard]] std::uint64_t violations() const { return violations_; }

 private:
  void take_fired();
  void take_violations();

  LoopParts parts_;
  WorkerProcess* worker_ = nullptr;
  std::function<void(const LedgerRecord&)> sink_;
  double progress_at_ = 0;
  std::uint64_t violations_ = 0, overrun_ = 0;
};

/// Of one turn while nothing is urgent: short enough that no ring fills at 20,000 operations/s.
inline constexpr int kTurnMs = 2;

}  // namespace soak::supervisor
