#include "harness/supervisor/loop.h"

#include <array>
#include <cstddef>
#include <expected>
#include <optional>

#include <fmt/format.h>
#include <poll.h>
#include <sys/poll.h>

#include "harness/common/control_channel.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_protocol.h"
#include "harness/oracle/oracle.h"
#include "harness/supervisor/fault_driver.h"
#include "harness/supervisor/worker_process.h"
#include "pluresdb/error.h"

namespace soak::supervisor {

void Loop::attach(WorkerProcess* worker) {
  worker_ = worker;
  note_progress();
}

double Loop::seconds_without_progress() const { return parts_.clock.seconds() - progress_at_; }

void Loop::take_fired() {
  for (const FiredFault& firing : parts_.drain.take_fired()) {
    const std::size_t fault =
        parts_.faults.point_fired(firing.point.data(), parts_.clock.seconds_at(firing.time_ns));
    parts_.recorder.fired(firing,
                          fault == kForeignFault ? nullptr : &parts_.scenario.faults[fault]);
  }
  if (parts_.drain.overrun() != overrun_) {
    parts_.recorder.note("firings_missed", fmt::format("{} faults fired faster than they were read",
                                                       parts_.drain.overrun() - overrun_));
    overrun_ = parts_.drain.overrun();
  }
}

void Loop::take_violations() {
  for (const oracle::Violation& violation : parts_.oracle.take_violations()) {
    ++violations_;
    parts_.monitor.count_violation();
    parts_.recorder.violation(violation);
  }
}

void Loop::turn(int wait_ms) {
  std::array<pollfd, 3> entries = {{
      {.fd = parts_.signals.descriptor(), .events = POLLIN, .revents = 0},
      {.fd = worker_ == nullptr ? -1 : worker_->control_descriptor(),
       .events = POLLIN,
       .revents = 0},
      {.fd = worker_ == nullptr ? -1 : worker_->process_descriptor(),
       .events = POLLIN,
       .revents = 0},
  }};
  // An interrupted or failed wait only makes this turn short.
  static_cast<void>(::poll(entries.data(), entries.size(), wait_ms));
  std::size_t records = parts_.drain.drain_agents();
  records += parts_.drain.drain_verifier([&](const LedgerRecord& record) {
    if (sink_) {
      sink_(record);
    }
  });
  if (records > 0) {
    note_progress();
  }
  take_fired();
  take_violations();
  parts_.monitor.tick();
}

Attempt<ControlPacket> Loop::await_reply(double stall_seconds) {
  note_progress();
  while (true) {
    turn(kTurnMs);
    if (parts_.signals.count() > 1) {
      return std::unexpected(Trouble{TroubleKind::kAborted, "stopped by a second signal"});
    }
    // Asked before the socket: the last words of a worker that has ended are still in there.
    const std::optional<WorkerExit> exit = worker_->poll_exit();
    const auto received = worker_->receive();
    if (!received.has_value()) {
      return std::unexpected(Trouble{TroubleKind::kRefused, pluresdb::to_string(received.error())});
    }
    if (const auto& reply = *received; reply.has_value()) {
      turn(0);  // What it published before it replied.
      note_progress();
      const ControlPacket& packet = *reply;
      if (packet.type == CommandType::kError) {
        return std::unexpected(Trouble{TroubleKind::kRefused, packet_text(packet), packet.value});
      }
      return packet;
    }
    if (exit.has_value()) {
      turn(0);
      return std::unexpected(Trouble{TroubleKind::kDied, describe(*exit)});
    }
    if (seconds_without_progress() > stall_seconds) {
      return std::unexpected(
          Trouble{TroubleKind::kStalled,
                  fmt::format("no sign of life for {:.0f} s", seconds_without_progress())});
    }
  }
}

Attempt<ControlPacket> Loop::command(const ControlPacket& packet, double stall_seconds) {
  if (const auto sent = worker_->send(packet); !sent.has_value()) {
    // A dead worker is the usual reason; await_reply would say so too.
    if (const auto exit = worker_->wait_exit(0); exit.has_value()) {
      return std::unexpected(Trouble{TroubleKind::kDied, describe(*exit)});
    }
    return std::unexpected(Trouble{TroubleKind::kRefused, pluresdb::to_string(sent.error())});
  }
  return await_reply(stall_seconds);
}

}  // namespace soak::supervisor
