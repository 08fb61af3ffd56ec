// Start reading at live(). life_worker.cc holds the steps of one worker, life_instants.cc faults
// that leave it alive, life_damage.cc those that damage what was synced, life_trouble.cc what
// happens when a worker does not do as it was told.
#include "harness/supervisor/life.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "faultinj/power_loss.h"
#include "harness/common/operation.h"
#include "harness/common/worker_config.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/canaries.h"
#include "harness/supervisor/fault_driver.h"
#include "harness/supervisor/loop.h"
#include "harness/supervisor/power_policy.h"
#include "harness/supervisor/recorder.h"
#include "harness/supervisor/worker_process.h"
#include "pluresdb/error.h"

namespace soak::supervisor {
namespace {

using scenario::FaultKind;
using scenario::FaultSection;

constexpr double kFullScanSeconds = 3600;
// Between two kills agents get at least this much time, else overdue kills would come in a row
// with nothing to lose between them.
constexpr double kLoadBetweenKillsSeconds = 0.25;
// So long nothing else goes wrong after a full disk, unless writes are acknowledged before: that
// the store resumes by itself is to be seen.
constexpr double kResumeSeconds = 2;
// Kills wait this long for the moment they are meant to hit, and as long again for one that is
// less than that.
constexpr double kAimSeconds = 0.5;
// Unsynced bytes that a torn power loss waits for, in sectors: fewer are kept or lost as a whole
// too often.
constexpr std::uint64_t kTearableSectors = 64;
// Of crashes that come at the planned instant, whatever the agents are doing then.
constexpr double kUnaimedFraction = 0.25;
constexpr double kForNamesFraction = 0.5;
constexpr std::uint64_t kChangesOutOfOrder = 2;

/// Whether the kill did what its kind is about.
bool has_happened(const KillReport& report) {
  if (report.fault.kind == FaultKind::kTornWrite) {
    return report.power_loss.has_value() && report.power_loss->outcome.writes_torn > 0;
  }
  return !scenario::is_damage(report.fault.kind) || report.damage.has_value();
}

}  // namespace

Life::Life(const LifeParts& parts, std::vector<AgentConfig> agents)
    : parts_(parts),
      agents_(std::move(agents)),
      random_(parts.scenario.seed, "supervisor"),
      images_({.scenario = parts.scenario,
               .folder = parts.folder,
               .worker_binary = parts.worker_binary,
               .agents = agents_,
               .journal_descriptor = parts.journal_descriptor,
               .oracle = parts.oracle}),
      next_scan_at_(kFullScanSeconds) {}

void Life::live() {
  if (start_worker("start") && verify() && start_load()) {
    load_until_end();
    await_images();
  }
  load_seconds_ = parts_.clock.seconds();
  finish();
  bury_worker();
  write_unsynced_down();
  search_for_plaintext();
  facts_.encryptions = parts_.region.nonces.encryptions.load();
  facts_.nonce_pairs = parts_.region.nonces.pairs.load();
  facts_.nonces_repeated = parts_.region.nonces.repeated.load();
}

/// What the last worker had not synced is in the journal only; whoever looks at the data directory
/// later needs to see it.
void Life::write_unsynced_down() {
  const auto outcome = faultinj::apply_power_loss(parts_.folder.data(), parts_.journal_descriptor,
                                                  faultinj::PowerLossPolicy::keeping_everything());
  if (!outcome.has_value() && facts_.harness_error.empty()) {
    harness_error("write unsynced bytes down: " + pluresdb::to_string(outcome.error()));
  }
}

/// No worker is left that could write.
void Life::search_for_plaintext() {
  if (parts_.scenario.engine.encryption != "none") {
    facts_.plaintext.add(supervisor::search_for_plaintext(
        parts_.folder.data(), parts_.scenario.seed, agents_, parts_.oracle));
  }
}

void Life::load_until_end() {
  while (end_ == EndReason::kNone) {
    parts_.loop.turn(kTurnMs);
    take_images();
    if (parts_.signals.count() > 0) {
      end_ = parts_.signals.count() > 1 ? EndReason::kAborted : EndReason::kStopped;
    } else if (parts_.clock.seconds() >= parts_.scenario.duration_seconds) {
      end_ = EndReason::kCompleted;
    } else if (no_violation()) {
      look_after_worker();
    }
    if (end_ == EndReason::kNone) {
      act();
    }
  }
}

void Life::act() {
  const double now = parts_.clock.seconds();
  if (now >= next_scan_at_ && !parts_.faults.is_open(FaultKind::kIoError)) {
    next_scan_at_ = now + kFullScanSeconds;
    if (!stop_load() || !scan() || !start_load()) {
      return;
    }
  }
  while (end_ == EndReason::kNone && load_running_ && !waits_for_resumption() &&
         parts_.clock.seconds() - load_started_at_ >= kLoadBetweenKillsSeconds) {
    const auto action = parts_.faults.next_due(parts_.clock.seconds());
    if (!action.has_value()) {
      return;
    }
    perform(*action);
  }
}

bool Life::waits_for_resumption() const {
  return acknowledged_at_end_of_full_.has_value() &&
         parts_.clock.seconds() - full_ended_at_ < kResumeSeconds;
}

void Life::perform(const FaultAction& action) {
  const FaultSection& fault = parts_.scenario.faults[action.fault];
  switch (action.step) {
    case FaultStep::kKill:
      if (look_before_damage(fault)) {
        kill_under_load(action.fault);
      }
      return;
    case FaultStep::kPause:
      stand_still(action.fault);
      return;
    case FaultStep::kClone:
      clone_store(action.fault);
      return;
    case FaultStep::kStarve:
      starve(action.fault);
      return;
    case FaultStep::kJumpClock:
      jump_clock(action.fault);
      return;
    case FaultStep::kOpenWindow:
      parts_.recorder.window_opened(fault, parts_.faults.armed_point(action.fault).point);
      arm(action.fault);
      return;
    case FaultStep::kCloseWindow:
      close_window(action.fault);
      return;
  }
}

/// Lets the worker run into the moment that the kill is meant for: a write begun and not
/// acknowledged, and for a power loss something that was never synced. It is stopped to be looked
/// at, so that the moment does not pass between the look and the kill.
void Life::aim(const FaultSection& fault) {
  const bool power_loss = scenario::is_power_loss(fault.kind);
  if (!power_loss && random_.unit() < kUnaimedFraction) {
    return;
  }
  // Names change seldom: half of the power losses that scramble them wait for that alone.
  const Aim best = may_scramble_names(fault) && random_.unit() < kForNamesFraction ? Aim::kNames
                   : may_keep_writes(fault)                                        ? Aim::kTearable
                                                                                   : Aim::kAnything;
  const double settle_for_less_at = parts_.clock.seconds() + kAimSeconds;
  const double give_up_at = settle_for_less_at + kAimSeconds;
  while (parts_.clock.seconds() < give_up_at) {
    parts_.loop.turn(0);
    if (!parts_.drain.operation_in_flight()) {
      continue;
    }
    const Aim aim = parts_.clock.seconds() < settle_for_less_at ? best : Aim::kAnything;
    if (!worker_->pause() ||
        (parts_.drain.operation_in_flight() && (!power_loss || enough_unsynced(fault, aim)))) {
      return;
    }
    worker_->resume();
    parts_.loop.turn(1);
  }
}

/// Whether a power loss would now find what it is aimed at.
bool Life::enough_unsynced(const FaultSection& fault, Aim aim) {
  const auto pending = faultinj::power_loss_pending(parts_.journal_descriptor);
  if (!pending.has_value()) {
    return true;  // apply_power_loss will say what is wrong.
  }
  switch (aim) {
    case Aim::kAnything:
      return pending->bytes > 0;
    case Aim::kTearable:
      return pending->bytes >= kTearableSectors * fault.sector_bytes;
    case Aim::kNames:
      return pending->directory_changes >= kChangesOutOfOrder;
  }
  return true;
}

void Life::kill_under_load(std::size_t index) {
  const FaultSection& fault = parts_.scenario.faults[index];
  aim(fault);
  worker_->kill();
  const auto exit = worker_->wait_exit(kReapMs);
  if (!exit.has_value()) {
    harness_error(fmt::format("worker {} cannot be killed", worker_->pid()));
    return;
  }
  constexpr WorkerExit kOurs{.killed = true, .status = 9};
  if (*exit != kOurs) {  // It was gone before the kill.
    worker_ended(describe(*exit));
    return;
  }
  parts_.loop.turn(0);
  count_life();
  KillReport report{.fault = fault, .incarnation = incarnation_};
  if ((scenario::is_power_loss(fault.kind) && !take_power(fault, report)) ||
      (scenario::is_damage(fault.kind) && !damage(fault, report))) {
    return;
  }
  died_of_fault(index, std::move(report));
}

/// The worker is dead, by a fault of the scenario, and its rings are drained: count it and start
/// the next one.
void Life::died_of_fault(std::size_t index, KillReport report) {
  const FaultSection& fault = parts_.scenario.faults[index];
  // Without durability a power loss may take what was acknowledged; a process death may not.
  report.maybes = parts_.oracle.worker_died(scenario::is_power_loss(fault.kind) &&
                                            parts_.scenario.engine.durability == "none");
  if (has_happened(report)) {
    parts_.faults.instant_fired(index);
  }
  parts_.monitor.kill_counted(scenario::fault_kind_name(fault.kind));
  parts_.recorder.killed(report);
  parts_.folder.forget_worker(incarnation_);
  bury_worker();
  restart_after_kill(scenario::fault_kind_name(fault.kind));
}

bool Life::take_power(const FaultSection& fault, KillReport& report) {
  const faultinj::PowerLossPolicy policy = power_policy(fault, random_.next());
  const auto outcome =
      faultinj::apply_power_loss(parts_.folder.data(), parts_.journal_descriptor, policy);
  if (!outcome.has_value()) {
    return harness_error("power loss: " + pluresdb::to_string(outcome.error()));
  }
  report.power_loss = PowerLossReport{.policy = policy, .outcome = *outcome};
  return true;
}

bool Life::restart_after_kill(const std::string& cause) {
  return start_worker(cause) && verify() && start_load();
}

bool Life::reopen(const std::string& cause) {
  return stop_load() && close_worker() && start_worker(cause) && verify() && start_load();
}

bool Life::no_violation() {
  const bool none = parts_.loop.violations() == violations_handled_;
  if (!none && end_ == EndReason::kNone) {
    end_ = EndReason::kViolation;
  }
  violations_handled_ = parts_.loop.violations();
  return none;
}

void Life::finish() {
  constexpr std::string_view kReasons[] = {
      "",
      "the time is over",
      "stopped by a signal",
      "aborted by a second signal",
      "stopped after a violation, to keep the data as they are",
      "the worker ended",
      "the store did not open",
      "the harness failed",
      "the base store is lost, as the store says"};
  parts_.recorder.load_ended(std::string(kReasons[static_cast<std::size_t>(end_)]));
  parts_.result.interrupted = end_ == EndReason::kStopped || end_ == EndReason::kAborted;
  look_for_the_last_time();
  if (end_ == EndReason::kBaseLost) {  // Perhaps only in that last look.
    confirm_base_lost();
  }
  // A second signal may have cut that short.
  parts_.result.interrupted = parts_.result.interrupted || end_ == EndReason::kAborted;
}

void Life::look_for_the_last_time() {
  switch (end_) {
    case EndReason::kCompleted:
    case EndReason::kStopped:
      finish_with_evidence();
      return;
    case EndReason::kViolation:
      // All that is wrong, not only what the last verification touched. The worker is then killed:
      // a clean close would change the files.
      if (worker_ != nullptr && stop_load()) {
        scan();
      }
      return;
    case EndReason::kWorkerEnded:
      // Whether it took acknowledged writes with it is worth knowing.
      if (start_worker("worker_ended") && verify()) {
        scan();
      }
      return;
    case EndReason::kNone:
    case EndReason::kAborted:
    case EndReason::kOpenFailed:
    case EndReason::kHarnessError:
    case EndReason::kBaseLost:
      return;
  }
}

/// The whole store is read twice: as the agents left it, and after a clean close.
void Life::finish_with_evidence() {
  for (const std::size_t fault : parts_.faults.close_all(parts_.clock.seconds())) {
    if (!close_window(fault)) {
      return;
    }
  }
  if (!stop_load()) {
    return;
  }
  if (parts_.region.counters.wal_read_only.load() != 0) {
    ++facts_.reopened_read_only;
    if (!close_worker() || !start_worker("read_only")) {
      return;
    }
  }
  if (verify() && scan() && close_worker() && start_worker("clean_close") && verify() && scan()) {
    facts_.final_check_done = true;
    close_worker();
  }
}

std::uint64_t Life::acknowledged_operations() const {
  std::uint64_t sum = 0;
  for (const auto& by_outcome : parts_.oracle.counts().operations) {
    sum += by_outcome[static_cast<std::size_t>(Outcome::kAcknowledged)];
  }
  return sum;
}

}  // namespace soak::supervisor
