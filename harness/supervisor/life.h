// The life of a run: workers that start, are verified, loaded, killed, and started again, until the
// end. Only the order of steps is here; each step is a room of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/oracle/oracle.h"
#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/crash_images.h"
#include "harness/supervisor/fault_driver.h"
#include "harness/supervisor/image_result.h"
#include "harness/supervisor/judge.h"
#include "harness/supervisor/ledger_drain.h"
#include "harness/supervisor/loop.h"
#include "harness/supervisor/monitor.h"
#include "harness/supervisor/random.h"
#include "harness/supervisor/recorder.h"
#include "harness/supervisor/run_clock.h"
#include "harness/supervisor/run_folder.h"
#include "harness/supervisor/signals.h"
#include "harness/supervisor/worker_process.h"

namespace soak::supervisor {

/// A worker that was killed is reaped within this.
inline constexpr int kReapMs = 30'000;
/// A worker that does not answer a command for so long hangs.
inline constexpr double kCommandStallSeconds = 60;

enum class EndReason {
  kNone,       ///< Still going on.
  kCompleted,  ///< The scenario's time is over.
  kStopped,    ///< A stop signal: ends with a full report.
  kAborted,    ///< The second one: ends at once.
  kViolation,  ///< The oracle has seen enough; the data directory stays as it is.
  kWorkerEnded,
  kOpenFailed,
  kHarnessError,
  kBaseLost,  ///< Damage of the base store, and the store says so when it is opened.
};

/// What a life works with; all outlive it.
struct LifeParts {
  const scenario::Scenario& scenario;
  const RunFolder& folder;
  const std::string& worker_binary;
  SharedRegion& region;
  int region_descriptor;
  int journal_descriptor;
  const RunClock& clock;
  Signals& signals;
  oracle::Oracle& oracle;
  FaultDriver& faults;
  LedgerDrain& drain;
  Loop& loop;
  Monitor& monitor;
  Recorder& recorder;
  report::RunResult& result;
};

class Life {
 public:
  Life(const LifeParts& parts, std::vector<AgentConfig> agents);

  /// From the first worker to the last; returns when no worker is left.
  void live();
  [[nodiscard]] EndReason end() const { return end_; }
  /// Seconds that the load went on, recoveries in between included.
  [[nodiscard]] double load_seconds() const { return load_seconds_; }
  /// What the checks need.
  [[nodiscard]] const RunFacts& facts() const { return facts_; }

 private:
  // Steps. Each returns false when the run cannot go on; end_ then says why.
  bool start_worker(const std::string& cause);
  bool take_ready(const std::string& cause, const ControlPacket& packet);
  bool verify();
  bool scan();
  bool start_load();
  bool stop_load();
  bool close_worker();
  bool end_worker_that_did_not_close();
  bool restart_after_kill(const std::string& cause);
  bool reopen(const std::string& cause);
  bool arm(std::size_t fault);
  bool disarm(std::size_t fault);
  bool close_window(std::size_t fault);
  void watch_for_resumption(std::size_t fault);
  [[nodiscard]] bool waits_for_resumption() const;

  void load_until_end();
  void look_after_worker();
  void act();
  void perform(const FaultAction& action);
  void kill_under_load(std::size_t fault);
  void starve(std::size_t fault);
  void died_of_fault(std::size_t fault, KillReport report);
  void stand_still(std::size_t fault);
  void jump_clock(std::size_t fault);
  void clone_store(std::size_t fault);
  void take_images();
  void note_search(const ImageResult& image);
  void await_images();
  void aim(const scenario::FaultSection& fault);
  /// What a power loss is to find: something unsynced, enough of it to be torn, names that could
  /// be left out of order.
  enum class Aim { kAnything, kTearable, kNames };
  bool enough_unsynced(const scenario::FaultSection& fault, Aim aim);
  bool look_before_damage(const scenario::FaultSection& fault);
  bool damage(const scenario::FaultSection& fault, KillReport& report);
  bool base_lost(const std::string& text);
  void confirm_base_lost();
  bool take_power(const scenario::FaultSection& fault, KillReport& report);
  void finish();
  void look_for_the_last_time();
  void finish_with_evidence();
  void write_unsynced_down();
  void search_for_plaintext();

  // What went wrong.
  bool handle(const Trouble& trouble, const std::string& doing);
  void worker_ended(const std::string& how);
  void worker_hangs(const std::string& doing, const std::string& how);
  bool harness_error(const std::string& text);
  void bury_worker();
  void count_life();
  bool no_violation();
  [[nodiscard]] std::uint64_t acknowledged_operations() const;

  LifeParts parts_;
  std::vector<AgentConfig> agents_;
  Random random_;
  std::unique_ptr<WorkerProcess> worker_;
  CrashImages images_;
  std::size_t images_of_ = 0;  ///< The fault that the clone in work belongs to.
  std::uint32_t incarnation_ = 0;
  std::int64_t clock_offset_us_ = 0;  ///< Of the workers' wall clock; outlives them.
  std::set<std::string> armed_;       ///< Points armed in the worker that runs.
  bool load_running_ = false;
  double load_started_at_ = 0, load_seconds_ = 0, next_scan_at_;
  std::uint64_t acknowledged_at_start_ = 0, violations_handled_ = 0;
  /// Acknowledged writes when a full disk ended; nothing once more were seen, or the worker ended.
  std::optional<std::uint64_t> acknowledged_at_end_of_full_;
  double full_ended_at_ = 0;
  EndReason end_ = EndReason::kNone;
  RunFacts facts_;
};

}  // namespace soak::supervisor
