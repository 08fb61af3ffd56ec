// What goes on while a run goes on: metrics for Prometheus, samples for the reports, the status
// line. tick() is cheap when nothing is due.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/common/shared_region.h"
#include "harness/metrics/exporter.h"
#include "harness/oracle/oracle.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/fault_driver.h"
#include "harness/supervisor/memory_trend.h"
#include "harness/supervisor/run_clock.h"

namespace soak::supervisor {

/// Activities that come before the phase's name.
inline constexpr const char* kRecovering = "recovering";
inline constexpr const char* kVerifying = "verifying";

/// What the monitor looks at; all outlive it.
struct Observed {
  const scenario::Scenario& scenario;
  const SharedRegion& region;
  const oracle::Oracle& oracle;
  const FaultDriver& faults;
  const RunClock& clock;
  report::RunResult& result;
};

class Monitor {
 public:
  Monitor(const Observed& observed, metrics::Exporter& exporter, report::Terminal& terminal);

  /// The worker that runs; 0: none.
  void set_worker(int pid, std::uint32_t incarnation);
  /// kRecovering, kVerifying; empty: the scenario's phase, or "running".
  void set_activity(std::string activity) { activity_ = std::move(activity); }
  void kill_counted(const std::string& kind) { ++numbers_.crashes[kind]; }
  void recovered(double seconds);
  void count_violation() { ++violations_; }

  void tick();
  /// Last numbers, last sample, end of metrics.om. Errors: kIo.
  pluresdb::Status finish();
  [[nodiscard]] const MemoryTrend& memory() const { return memory_; }
  /// First thing that went wrong while writing samples; empty: nothing.
  [[nodiscard]] const std::string& sample_error() const { return sample_error_; }

 private:
  void refresh(double now);
  void sample(double now);
  void show(double now);
  [[nodiscard]] std::uint64_t acknowledged_operations() const;

  Observed observed_;
  metrics::Exporter& exporter_;
  report::Terminal& terminal_;
  metrics::RunNumbers numbers_;
  MemoryTrend memory_;
  std::string activity_, sample_error_;
  int worker_pid_ = 0;
  std::uint32_t incarnation_ = 0;
  std::uint64_t violations_ = 0, recoveries_ = 0;
  double last_recovery_seconds_ = 0;
  double next_refresh_ = 0, next_sample_ = 0, next_kept_sample_ = 0, next_file_sample_ = 0;
  double kept_sample_interval_ = 1;
  double shown_at_ = 0, operations_per_second_ = 0;
  std::uint64_t shown_operations_ = 0;
};

}  // namespace soak::supervisor
