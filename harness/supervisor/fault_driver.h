// Which fault is due, which windows are open, and what has fired: bookkeeping without a process,
// so that it can be tested with made-up time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "harness/common/worker_protocol.h"
#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/schedule.h"

namespace soak::supervisor {

enum class FaultStep {
  kKill,         ///< Kill the worker now.
  kPause,        ///< Stop it for a while.
  kJumpClock,    ///< Set its clock.
  kStarve,       ///< Give it no more memory.
  kClone,        ///< Have crash images made of the store.
  kOpenWindow,   ///< Arm the fault's point.
  kCloseWindow,  ///< Disarm it.
};

struct FaultAction {
  FaultStep step = FaultStep::kKill;
  std::size_t fault = 0;  ///< Index into Scenario.faults.
};

/// How a fault's point is armed.
struct ArmedPoint {
  std::string point;
  ArmRequest how;
  friend bool operator==(const ArmedPoint&, const ArmedPoint&) = default;
};

/// Index of firings that no window of the scenario asked for: fiu-ctrl from outside.
inline constexpr std::size_t kForeignFault = static_cast<std::size_t>(-1);

class FaultDriver {
 public:
  explicit FaultDriver(const scenario::Scenario& scenario);

  /// The next thing to do at that time, one at a time. A window that could not open in time opens
  /// late and keeps its length; of instants of one fault that are all overdue, only the last is
  /// left.
  std::optional<FaultAction> next_due(double seconds);
  /// Firings in the fault's newest window.
  [[nodiscard]] std::uint64_t fired_in_window(std::size_t fault) const;
  /// Ends every window; returns the faults whose point must be disarmed.
  std::vector<std::size_t> close_all(double seconds);
  /// Faults whose window is open and that may still fire: to be armed in a worker that starts.
  [[nodiscard]] std::vector<std::size_t> open_windows() const;
  [[nodiscard]] bool is_open(scenario::FaultKind kind) const;
  /// What to arm; how.times is what this window has left.
  [[nodiscard]] ArmedPoint armed_point(std::size_t fault) const;

  /// The worker was seen to die of the kill, to stand still, to take the time.
  void instant_fired(std::size_t fault);
  /// A firing of the ledger; returns the fault that it belongs to, or kForeignFault.
  std::size_t point_fired(const std::string& point, double seconds);
  [[nodiscard]] std::uint64_t total_fired() const { return total_fired_; }
  /// (kind, point) -> firings; instants have no point. For the metrics.
  [[nodiscard]] const std::map<std::pair<std::string, std::string>, std::uint64_t>& fired_by_point()
      const {
    return fired_by_point_;
  }
  /// One per fault of the scenario, then one per point that foreign firings hit.
  [[nodiscard]] std::vector<report::FaultResult> results() const;

 private:
  struct Window {
    std::size_t fault = 0;
    double opened_seconds = 0, end_seconds = 0;
    std::optional<double> closed_seconds;
    std::uint64_t fired = 0;
  };
  struct Tally {
    std::uint64_t attempted = 0, fired = 0;
  };
  std::optional<FaultAction> close_due(double seconds);
  bool overtaken(const PlannedFault& instant, double seconds) const;
  [[nodiscard]] const Window* open_window(std::size_t fault) const;

  const scenario::Scenario& scenario_;
  std::deque<PlannedFault> plan_;
  std::vector<Window> windows_;  ///< Open ones, and closed ones whose firings may still come in.
  std::vector<Tally> tallies_;
  std::map<std::string, std::uint64_t> foreign_;
  std::map<std::pair<std::string, std::string>, std::uint64_t> fired_by_point_;
  std::uint64_t total_fired_ = 0;
};

}  // namespace soak::supervisor
