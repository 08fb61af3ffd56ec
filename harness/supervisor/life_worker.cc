// The steps of one worker: start, verify, load, close.
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <ios>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "harness/common/control_channel.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/common/worker_protocol.h"
#include "harness/oracle/oracle.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/fault_driver.h"
#include "harness/supervisor/life.h"
#include "harness/supervisor/loop.h"
#include "harness/supervisor/monitor.h"
#include "harness/supervisor/recorder.h"
#include "harness/supervisor/verification.h"
#include "harness/supervisor/worker_process.h"
#include "harness/supervisor/worker_setup.h"
#include "pluresdb/error.h"

namespace soak::supervisor {
namespace {

// Opening gives no sign of life, so this bounds a recovery.
constexpr double kOpenSeconds = 300;
// A checkpoint of everything is part of it.
constexpr double kCloseSeconds = 120;
constexpr int kExitMs = 30'000;
// Of documents that nothing touched since the last verification.
constexpr std::size_t kVerifySample = 512;

bool write_config(const std::string& file, const std::string& text) {
  std::ofstream stream(file, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  return static_cast<bool>(stream);
}

}  // namespace

bool Life::start_worker(const std::string& cause) {
  ++incarnation_;
  ++facts_.starts;
  parts_.monitor.set_activity(kRecovering);
  const std::string config_file = parts_.folder.worker_config(incarnation_);
  const WorkerConfig config = worker_config(parts_.scenario,
                                            {.incarnation = incarnation_,
                                             .data_directory = parts_.folder.data(),
                                             .fiu_fifo_base = parts_.folder.fiu_fifo_base(),
                                             .clock_offset_us = clock_offset_us_},
                                            agents_, parts_.oracle);
  if (!write_config(config_file, to_json(config))) {
    return harness_error("write " + config_file);
  }
  // What the last worker left; before the next one starts nobody else writes here.
  parts_.region.stop_agents.store(0);
  parts_.region.counters.wal_read_only.store(0);
  parts_.drain.discard_verifier();
  parts_.drain.worker_starts();
  auto spawned = WorkerProcess::spawn({.binary = parts_.worker_binary,
                                       .config_file = config_file,
                                       .log_file = parts_.folder.worker_log(incarnation_),
                                       .region_descriptor = parts_.region_descriptor,
                                       .journal_descriptor = parts_.journal_descriptor});
  if (!spawned.has_value()) {
    return harness_error(pluresdb::to_string(spawned.error()));
  }
  worker_ = std::make_unique<WorkerProcess>(std::move(*spawned));
  armed_.clear();
  parts_.loop.attach(worker_.get());
  parts_.monitor.set_worker(worker_->pid(), incarnation_);
  parts_.recorder.worker_spawned(incarnation_, worker_->pid(), cause);
  const auto reply = parts_.loop.await_reply(kOpenSeconds);
  if (!reply.has_value()) {
    if (reply.error().kind == TroubleKind::kDied || reply.error().kind == TroubleKind::kStalled) {
      facts_.failed_opens.push_back(
          fmt::format("worker {} (after {}): {}", incarnation_, cause, reply.error().text));
    }
    return handle(reply.error(), "opening the store");
  }
  return take_ready(cause, *reply);
}

bool Life::take_ready(const std::string& cause, const ControlPacket& packet) {
  if (packet.type == CommandType::kOpenFailed) {
    const std::string text =
        fmt::format("worker {} (after {}): {}", incarnation_, cause, packet_text(packet));
    if (packet.value == ledger_error_code(pluresdb::ErrorCode::kBaseLost) &&
        !facts_.base_damage.empty()) {
      return base_lost(text);
    }
    if (incarnation_ == 1) {  // Nothing was lost: there is no store yet.
      return harness_error("the store cannot be made: " + text);
    }
    facts_.failed_opens.push_back(text);
    parts_.recorder.trouble("open_failed", text);
    end_ = EndReason::kOpenFailed;
    return false;
  }
  if (packet.type != CommandType::kReady) {
    return harness_error("the worker's first packet is not kReady");
  }
  const Recovery recovery = read_recovery(parts_.region.recovery);
  parts_.recorder.worker_ready(incarnation_, cause, recovery);
  facts_.replayed_entries += recovery.replayed_entries;
  facts_.tampering_reports += recovery.tampered_places > 0 ? 1U : 0U;
  if (recovery.created && incarnation_ > 1) {
    facts_.damaged_opens.push_back(
        fmt::format("after {} the store was gone and was made anew", cause));
  }
  if (recovery.lost_left_out > 0) {  // They would be taken for losses that nobody reported.
    return harness_error(
        fmt::format("recovery named {} ranges of lost seqs more than the harness "
                    "can take",
                    recovery.lost_left_out));
  }
  parts_.oracle.losses_reported(recovery.lost);
  parts_.oracle.tables_end_at(recovery.checkpoint_seq);
  if (recovery.found_damage() && !parts_.oracle.damaged(oracle::DamagedPart::kLog)) {
    facts_.damaged_opens.push_back(fmt::format("after {} {}", cause, recovery.damage_text()));
  }
  if (!recovery.created) {
    parts_.monitor.recovered(recovery.duration_seconds);
  }
  parts_.oracle.worker_started(incarnation_);
  return true;
}

bool Life::verify() {
  parts_.monitor.set_activity(kVerifying);
  const double begin = parts_.clock.seconds();
  const auto verified =
      verify_keys(parts_.loop, parts_.oracle, parts_.oracle.keys_to_verify(kVerifySample));
  if (!verified.has_value()) {
    return handle(verified.error(), "reading documents back");
  }
  parts_.loop.turn(0);
  parts_.recorder.verified("touched", *verified, parts_.clock.seconds() - begin);
  return no_violation();
}

bool Life::scan() {
  parts_.monitor.set_activity(kVerifying);
  const double begin = parts_.clock.seconds();
  const auto scanned = full_scan(parts_.loop, parts_.oracle);
  if (!scanned.has_value()) {
    return handle(scanned.error(), "scanning the store");
  }
  if (scanned->refusal.empty()) {
    ++parts_.result.evidence.full_scans;
  } else if (scanned->refused_as_corrupt && parts_.oracle.damaged(oracle::DamagedPart::kTables)) {
    ++parts_.result.evidence.refused_scans;
    parts_.recorder.note("scan_incomplete", "as must be after damage: " + scanned->refusal);
  } else {
    facts_.refused_scans.push_back(scanned->refusal);
    parts_.recorder.trouble("scan_refused", scanned->refusal);
  }
  parts_.recorder.verified(scanned->refusal.empty() ? "all" : "by name", scanned->documents,
                           parts_.clock.seconds() - begin);
  return no_violation();
}

bool Life::start_load() {
  for (const std::size_t fault : parts_.faults.open_windows()) {
    if (!arm(fault)) {
      return false;
    }
  }
  const auto reply = parts_.loop.command({.type = CommandType::kStartAgents}, kCommandStallSeconds);
  if (!reply.has_value()) {
    return handle(reply.error(), "starting the agents");
  }
  load_running_ = true;
  load_started_at_ = parts_.clock.seconds();
  acknowledged_at_start_ = acknowledged_operations();
  parts_.monitor.set_activity("");
  return true;
}

bool Life::stop_load() {
  if (!load_running_) {
    return true;
  }
  parts_.region.stop_agents.store(1);
  const auto reply = parts_.loop.command({.type = CommandType::kStopAgents}, kCommandStallSeconds);
  if (!reply.has_value()) {
    return handle(reply.error(), "stopping the agents");
  }
  count_life();
  return no_violation();
}

bool Life::close_worker() {
  const auto reply = parts_.loop.command({.type = CommandType::kClose}, kCloseSeconds);
  if (!reply.has_value()) {
    const bool read_only = parts_.region.counters.wal_read_only.load() != 0;
    // A segment whose values cannot be looked up cannot be judged, and the close says so.
    const bool met_damage = reply.error().is(pluresdb::ErrorCode::kCorruption) &&
                            parts_.oracle.damaged(oracle::DamagedPart::kTables);
    if (reply.error().kind == TroubleKind::kRefused && (read_only || met_damage)) {
      parts_.recorder.note("close_refused", reply.error().text);
      return end_worker_that_did_not_close();
    }
    return handle(reply.error(), "closing the store");
  }
  const auto exit = worker_->wait_exit(kExitMs);
  if (!exit.has_value()) {
    worker_hangs("exiting after a clean close", "still there");
    return false;
  }
  if (*exit != WorkerExit{}) {
    worker_ended(describe(*exit) + " after a clean close");
    return false;
  }
  parts_.folder.forget_worker(incarnation_);
  bury_worker();
  return true;
}

/// An engine that may not write, or has met damage, does not close cleanly; ending its process is
/// all there is.
bool Life::end_worker_that_did_not_close() {
  worker_->kill();
  if (!worker_->wait_exit(kExitMs).has_value()) {
    return harness_error(fmt::format("worker {} cannot be killed", worker_->pid()));
  }
  parts_.loop.turn(0);
  parts_.oracle.worker_died(false);
  bury_worker();
  return true;
}

bool Life::arm(std::size_t fault) {
  const ArmedPoint armed = parts_.faults.armed_point(fault);
  ControlPacket packet{.type = CommandType::kArm, .arm = armed.how};
  set_packet_text(packet, armed.point);
  if (const auto reply = parts_.loop.command(packet, kCommandStallSeconds); !reply.has_value()) {
    return handle(reply.error(), "arming " + armed.point);
  }
  armed_.insert(armed.point);
  return true;
}

bool Life::close_window(std::size_t fault) {
  const bool disarmed = disarm(fault);
  parts_.recorder.window_closed(parts_.scenario.faults[fault],
                                parts_.faults.fired_in_window(fault));
  if (disarmed) {
    watch_for_resumption(fault);
  }
  return disarmed;
}

void Life::watch_for_resumption(std::size_t fault) {
  parts_.loop.turn(0);  // What was acknowledged until now is counted.
  if (parts_.scenario.faults[fault].kind == scenario::FaultKind::kDiskFull && load_running_ &&
      parts_.faults.fired_in_window(fault) > 0) {
    acknowledged_at_end_of_full_ = parts_.oracle.counts().acknowledged;
    full_ended_at_ = parts_.clock.seconds();
  }
}

/// Another open window on the same point would be disarmed with it, so it is armed again.
bool Life::disarm(std::size_t fault) {
  const std::string point = parts_.faults.armed_point(fault).point;
  if (armed_.erase(point) == 0) {  // Fired all its times before this worker started.
    return true;
  }
  ControlPacket packet{.type = CommandType::kDisarm};
  set_packet_text(packet, point);
  const auto reply = parts_.loop.command(packet, kCommandStallSeconds);
  if (!reply.has_value()) {
    return handle(reply.error(), "disarming " + point);
  }
  for (const std::size_t other : parts_.faults.open_windows()) {
    if (parts_.faults.armed_point(other).point == point && !arm(other)) {
      return false;
    }
  }
  return true;
}

}  // namespace soak::supervisor
