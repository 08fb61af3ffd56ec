// Workers that end or hang without being told to: evidence first, then the end of the run.
#include <algorithm>
#include <cstddef>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "harness/common/worker_config.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/life.h"
#include "harness/supervisor/loop.h"
#include "harness/supervisor/run_folder.h"
#include "harness/supervisor/worker_process.h"

namespace soak::supervisor {
namespace {

using scenario::FaultKind;

// Agents that have nothing acknowledged for so long although they run: the engine hangs. Slow
// agents get the time of several operations.
constexpr double kHangSeconds = 60;
constexpr double kHangOperations = 20;
// Shorter lives may end before the first acknowledgement.
constexpr double kHangJudgedSeconds = 5;
constexpr std::size_t kLogLines = 10;

double hang_seconds(const std::vector<AgentConfig>& agents) {
  double per_second = 0;
  for (const AgentConfig& agent : agents) {
    if (agent.operations_per_second == 0) {
      return kHangSeconds;
    }
    per_second += agent.operations_per_second;
  }
  return std::max(kHangSeconds, kHangOperations / per_second);
}

}  // namespace

void Life::look_after_worker() {
  if (acknowledged_at_end_of_full_.has_value() &&
      parts_.oracle.counts().acknowledged > *acknowledged_at_end_of_full_) {
    ++facts_.resumed_after_disk_full;
    acknowledged_at_end_of_full_.reset();
  }
  if (const auto exit = worker_->poll_exit(); exit.has_value()) {
    worker_ended(describe(*exit));
  } else if (parts_.loop.seconds_without_progress() > hang_seconds(agents_)) {
    worker_hangs("running the agents",
                 fmt::format("no operation for {:.0f} s", parts_.loop.seconds_without_progress()));
  } else if (parts_.region.counters.wal_read_only.load() != 0 && load_running_) {
    ++facts_.reopened_read_only;
    parts_.recorder.note("read_only", "the engine is read-only after a failed sync: reopening it");
    reopen("read_only");
  }
}

bool Life::handle(const Trouble& trouble, const std::string& doing) {
  switch (trouble.kind) {
    case TroubleKind::kDied:
      worker_ended(fmt::format("{} while {}", trouble.text, doing));
      return false;
    case TroubleKind::kStalled:
      worker_hangs(doing, trouble.text);
      return false;
    case TroubleKind::kAborted:
      end_ = EndReason::kAborted;
      return false;
    case TroubleKind::kRefused:
      return harness_error(fmt::format("{}: {}", doing, trouble.text));
  }
  return false;
}

void Life::worker_ended(const std::string& how) {
  parts_.loop.turn(0);
  count_life();
  const std::string log = last_lines(parts_.folder.worker_log(incarnation_), kLogLines);
  const std::string text = fmt::format("worker {} {}{}{}", incarnation_, how,
                                       log.empty() ? "" : "; its last words:\n", log);
  facts_.unexpected_ends.push_back(text);
  parts_.recorder.trouble("worker_ended", text);
  parts_.oracle.worker_died(false);
  bury_worker();
  // Dead a second time, in the run's last look at the data: then there is nothing more to do.
  end_ = EndReason::kWorkerEnded;
}

void Life::worker_hangs(const std::string& doing, const std::string& how) {
  const std::string file = parts_.folder.file(fmt::format("workers/{}.hang.txt", incarnation_));
  std::ofstream(file) << worker_->describe_threads();
  worker_->kill();
  worker_->wait_exit(kReapMs);
  worker_ended(fmt::format("hung while {} ({}); its threads: {}", doing, how, file));
}

bool Life::harness_error(const std::string& text) {
  facts_.harness_error = text;
  parts_.recorder.trouble("harness_error", text);
  end_ = EndReason::kHarnessError;
  return false;
}

/// The worker is gone, or is to go at once.
void Life::bury_worker() {
  if (worker_ == nullptr) {
    return;
  }
  const int pid = worker_->pid();
  parts_.loop.attach(nullptr);
  parts_.monitor.set_worker(0, incarnation_);
  worker_.reset();
  acknowledged_at_end_of_full_.reset();
  parts_.folder.remove_fiu_fifos(pid);
  load_running_ = false;
}

/// A life with load is over: did it get anything done?
void Life::count_life() {
  const double seconds = parts_.clock.seconds() - load_started_at_;
  if (load_running_ && seconds >= kHangJudgedSeconds &&
      acknowledged_operations() == acknowledged_at_start_) {
    facts_.idle_lives.push_back(
        fmt::format("in {:.0f} s worker {} had no operation acknowledged", seconds, incarnation_));
  }
  load_running_ = false;
}

}  // namespace soak::supervisor
