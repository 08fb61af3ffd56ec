#include "harness/worker/command_loop.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/core.h>
#include <unistd.h>

#include "faultinj/firing.h"
#include "faultinj/fiu_control.h"
#include "harness/common/control_channel.h"
#include "harness/common/document_id.h"
#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/common/worker_protocol.h"
#include "harness/worker/agent.h"
#include "harness/worker/error_log.h"
#include "harness/worker/shifted_clock.h"
#include "harness/worker/target.h"
#include <pluresdb/error.h>

namespace soak::worker {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;

constexpr std::chrono::milliseconds kForEver{-1};

std::vector<std::string> names_of(const std::vector<AgentConfig>& agents) {
  std::vector<std::string> names;
  names.reserve(agents.size());
  for (const AgentConfig& agent : agents) {
    names.push_back(agent.name);
  }
  return names;
}

}  // namespace

CommandLoop::CommandLoop(const WorkerConfig& config, Target& target, ShiftedClock& clock,
                         SharedRegion& region, ControlChannel& channel)
    : config_(config),
      target_(target),
      clock_(clock),
      region_(region),
      channel_(channel),
      supervisor_(getppid()),
      names_(names_of(config.agents)),
      stats_(target, region.counters) {
  region_.agents_running.store(0);  // A killed worker could not count its agents down.
  for (const AgentConfig& agent : config.agents) {
    agents_.push_back(std::make_unique<Agent>(agent, AgentEnvironment{
                                                         .seed = config.seed,
                                                         .incarnation = config.incarnation,
                                                         .supervisor = supervisor_,
                                                         .target = &target,
                                                         .region = &region,
                                                         .errors = &errors_,
                                                     }));
  }
}

CommandLoop::~CommandLoop() { stop_agents(); }

Result<bool> CommandLoop::run() {
  while (true) {
    ControlPacket command;
    TRY_ASSIGN(const auto state, channel_.receive(command, kForEver));
    if (state == ControlChannel::ReceiveState::kClosed) {
      return pluresdb::fail(ErrorCode::kIo, "the supervisor closed the control channel");
    }
    ControlPacket reply;
    const Status status = obey(command, reply);
    reply.type = status.has_value() ? CommandType::kDone : CommandType::kError;
    if (!status.has_value()) {
      const std::string text = to_string(status.error());
      log_line(
          fmt::format("command {} failed: {}", static_cast<std::uint32_t>(command.type), text));
      set_packet_text(reply, text);
      reply.value = ledger_error_code(status.error().code);
    }
    TRY(channel_.send(reply));
    if (command.type == CommandType::kClose) {
      return status.has_value();
    }
  }
}

Status CommandLoop::obey(const ControlPacket& command, ControlPacket& reply) {
  switch (command.type) {
    case CommandType::kStartAgents:
      return start_agents();
    case CommandType::kStopAgents:
      stop_agents();
      stats_.publish();
      return {};
    case CommandType::kVerify:
      return verify(command);
    case CommandType::kScan: {
      TRY_ASSIGN(reply.value, scan());
      return {};
    }
    case CommandType::kCheckpoint: {
      TRY_ASSIGN(reply.value, target_.checkpoint());
      stats_.publish();
      return {};
    }
    case CommandType::kArm:
      return arm(command);
    case CommandType::kDisarm:
      return faultinj::disarm(packet_text(command));
    case CommandType::kShiftClock:
      clock_.set_offset_us(command.clock_offset_us);
      log_line(fmt::format("the clock is {} us ahead", command.clock_offset_us));
      return {};
    case CommandType::kClose:
      return close_store();
    case CommandType::kReady:
    case CommandType::kOpenFailed:
    case CommandType::kDone:
    case CommandType::kError:
      break;
  }
  return pluresdb::fail(
      ErrorCode::kInvalidArgument,
      fmt::format("command {} is not one for a worker", static_cast<std::uint32_t>(command.type)));
}

Status CommandLoop::start_agents() {
  if (!threads_.empty()) {
    return pluresdb::fail(ErrorCode::kInvalidArgument, "the agents run already");
  }
  region_.stop_agents.store(0);
  for (std::size_t i = 0; i < agents_.size(); ++i) {
    threads_.emplace_back([&agent = *agents_[i], lane = static_cast<std::uint32_t>(i)] {
      faultinj::set_fault_lane(lane);  // The same faults for the same agent, run after run.
      if (!agent.run()) {
        log_line("the supervisor is gone");
        _exit(EXIT_FAILURE);
      }
    });
  }
  return {};
}

void CommandLoop::stop_agents() {
  region_.stop_agents.store(1);
  for (std::thread& thread : threads_) {
    thread.join();
  }
  threads_.clear();
}

Status CommandLoop::publish(const LedgerRecord& record) {
  if (!ring_publish(region_.verify_ring, record, supervisor_)) {
    return pluresdb::fail(ErrorCode::kIo, "the supervisor is gone");
  }
  return {};
}

Status CommandLoop::verify(const ControlPacket& command) {
  const std::size_t count = std::min<std::size_t>(command.count, command.keys.size());
  for (std::size_t i = 0; i < count; ++i) {
    const DocumentKey& key = command.keys[i];
    if (key.agent >= names_.size()) {
      return pluresdb::fail(ErrorCode::kInvalidArgument,
                            fmt::format("there is no agent {}", key.agent));
    }
    const std::string id = names_.id(key);
    const Result<std::optional<std::string>> result = target_.get(id);
    LedgerRecord record{.type = LedgerType::kRead,
                        .agent = key.agent,
                        .operation = OperationKind::kRead,
                        .stream = key.stream,
                        .number = key.number,
                        .time_ns = monotonic_ns()};
    if (!result.has_value()) {
      record.outcome = Outcome::kFailed;
      record.error_code = ledger_error_code(result.error().code);
      errors_.add("verify", id, result.error());
    } else if (const std::optional<std::string>& document = *result; document.has_value()) {
      record.found = 1;
      record.length = document->size();
      record.hash = content_hash(*document);
    }
    TRY(publish(record));
  }
  return {};
}

Result<std::uint64_t> CommandLoop::scan() {
  std::uint64_t count = 0;
  Status published;
  TRY(target_.scan([&](std::string_view id, const Target::Json& json) {
    LedgerRecord record{.type = LedgerType::kScanEntry,
                        .operation = OperationKind::kRead,
                        .found = 1,
                        .time_ns = monotonic_ns()};
    if (json.has_value()) {
      record.length = json->size();
      record.hash = content_hash(*json);
    } else {
      record.outcome = Outcome::kFailed;
      record.error_code = ledger_error_code(json.error().code);
      errors_.add("scan", std::string(id), json.error());
    }
    if (const auto key = names_.parse(id)) {
      record.agent = key->agent;
      record.stream = key->stream;
      record.number = key->number;
    } else {
      set_alien_id(record, id);
      log_line(fmt::format("the store holds an id of nobody: {}", id));
    }
    ++count;
    published = publish(record);
    return published.has_value();
  }));
  TRY(published);
  return count;
}

Status CommandLoop::arm(const ControlPacket& command) const {
  const std::string point = packet_text(command);
  const ArmRequest& how = command.arm;
  if (how.effect > static_cast<std::uint32_t>(faultinj::Effect::kDelay)) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          fmt::format("arm {}: unknown effect {}", point, how.effect));
  }
  const faultinj::Arming arming{.point = point,
                                .effect = static_cast<faultinj::Effect>(how.effect),
                                .error_number = how.error_number,
                                .delay_us = how.delay_us,
                                .times = how.times,
                                .nth = how.nth,
                                .every = how.every,
                                .bytes_min = how.bytes_min,
                                .bytes_max = how.bytes_max,
                                .probability = how.probability,
                                .seed = mix64(config_.seed, config_.incarnation)};
  log_line(fmt::format(
      "arm {}: effect {}, error {}, delay {} us, times {}, nth {}, every {}, bytes {}..{}, "
      "probability {}",
      point, how.effect, arming.error_number, arming.delay_us, arming.times, arming.nth,
      arming.every, arming.bytes_min, arming.bytes_max, arming.probability));
  return faultinj::arm(arming);
}

Status CommandLoop::close_store() {
  stop_agents();
  stats_.stop();
  const Status closed = target_.close();
  stats_.publish();
  return closed;
}

}  // namespace soak::worker
