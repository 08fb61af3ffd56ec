// Everything that happens in a run is told here once, and goes to the terminal, to events.ndjson
// and into the result.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "faultinj/damage_at_rest.h"
#include "faultinj/power_loss.h"
#include "harness/common/shared_region.h"
#include "harness/oracle/oracle.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/image_result.h"
#include "harness/supervisor/run_clock.h"
#include "harness/supervisor/worker_process.h"

namespace soak::supervisor {

/// What a power loss did, and what it takes to do it to the same journal again.
struct PowerLossReport {
  faultinj::PowerLossPolicy policy;
  faultinj::PowerLossOutcome outcome;
};

/// What a kill did.
struct KillReport {
  const scenario::FaultSection& fault;
  std::uint32_t incarnation = 0;
  std::uint64_t maybes = 0;  ///< Writes that it left without an outcome.
  std::optional<PowerLossReport> power_loss{};
  std::optional<faultinj::DamageDone> damage{};
};

/// Plain copy of the shared RecoveryEvidence.
struct Recovery {
  double duration_seconds = 0;
  std::uint64_t replayed_entries = 0, torn_tails = 0, torn_bytes = 0;
  std::uint64_t quarantined_bytes = 0, corrupted_entries = 0, corrupted_segments = 0;
  std::uint64_t tampered_places = 0;
  bool wal_lost = false, created = false, clean_shutdown = false;
  std::vector<SeqRange> lost;
  std::uint64_t checkpoint_seq = 0;
  std::uint64_t lost_left_out = 0;  ///< Ranges that are not in `lost`.

  [[nodiscard]] bool found_damage() const {
    return corrupted_entries > 0 || corrupted_segments > 0 || tampered_places > 0 || wal_lost;
  }
  [[nodiscard]] std::string damage_text() const;
};
Recovery read_recovery(const RecoveryEvidence& evidence);

class Recorder {
 public:
  /// All outlive it.
  Recorder(report::EventLog& events, report::Terminal& terminal, const RunClock& clock,
           report::RunResult& result);

  void run_started(const std::vector<std::string>& lines);
  void worker_spawned(std::uint32_t incarnation, int pid, const std::string& cause);
  void worker_ready(std::uint32_t incarnation, const std::string& cause, const Recovery& recovery);
  void killed(const KillReport& kill);
  /// The worker stood still from `begin` until now.
  void paused(const scenario::FaultSection& fault, double begin, std::uint64_t operations);
  /// The store's clock is `offset_seconds` ahead of the system's from now on.
  void clock_jumped(const scenario::FaultSection& fault, double by_seconds, double offset_seconds);
  /// The worker stood still for `seconds` to be cloned.
  void cloned(const scenario::FaultSection& fault, double seconds);
  void image_examined(const scenario::FaultSection& fault, const ImageResult& image);
  void window_opened(const scenario::FaultSection& fault, const std::string& point);
  void window_closed(const scenario::FaultSection& fault, std::uint64_t fired);
  /// `fault` is null for a firing that the scenario did not ask for.
  void fired(const FiredFault& firing, const scenario::FaultSection* fault);
  void verified(const std::string& what, std::uint64_t documents, double seconds);
  void violation(const oracle::Violation& violation);
  /// Something went wrong that is no lost write: a worker died, hangs, cannot open the store.
  void trouble(const std::string& event, const std::string& text);
  void note(const std::string& event, const std::string& text);
  void load_ended(const std::string& reason);
  /// To events.ndjson only: the final screen says it too.
  void verdict(const report::RunResult& result);

  /// The first of all kinds, for the details of checks.
  [[nodiscard]] const std::vector<oracle::Violation>& first_violations() const {
    return first_violations_;
  }
  /// Events "fault_fired" of which only the number is written yet.
  void flush_fired();

 private:
  /// Says it in words too.
  std::string power_lost(const faultinj::PowerLossOutcome& loss);
  /// The states that were left, and recovered from.
  void count_left(const faultinj::PowerLossOutcome& loss);
  void tell(report::EventLevel level, const std::string& event, const std::string& text,
            report::EventLog::Fields fields);
  void mark(double begin, double end, const std::string& kind, const std::string& label);

  struct PointBurst {
    double begin_seconds = 0;
    std::uint64_t written = 0, withheld = 0;
  };

  report::EventLog& events_;
  report::Terminal& terminal_;
  const RunClock& clock_;
  report::RunResult& result_;
  std::map<std::string, double> open_windows_;  ///< Fault name -> opened at.
  std::map<std::string, PointBurst> bursts_;    ///< By point.
  std::vector<oracle::Violation> first_violations_;
  std::uint64_t violations_told_ = 0;
};

}  // namespace soak::supervisor
