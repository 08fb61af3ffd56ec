#include "harness/worker/agent.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <string>
#include <thread>

#include "harness/common/document_id.h"
#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/worker/document_book.h"
#include <pluresdb/error.h>

namespace soak::worker {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using std::chrono::steady_clock;

// How long a sleeping agent may take to notice a stop.
constexpr std::chrono::milliseconds kStopCheck{20};
// A store that refuses writes answers at once; without a pause an agent at "max" would only spin.
constexpr std::chrono::milliseconds kRefusedPause{5};
// An agent that is this far behind its rate gives up the missed operations.
constexpr std::chrono::seconds kCatchUpMax{1};
// More than one, so that retention keeps up with appends.
constexpr int kRetiredPerStep = 4;

}  // namespace

Outcome outcome_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kNoSpace:
    case ErrorCode::kReadOnly:
    case ErrorCode::kRateLimited:
      return Outcome::kNotWritten;
    case ErrorCode::kNotFound:
    case ErrorCode::kCorruption:
    case ErrorCode::kIo:
    case ErrorCode::kIndeterminate:
    case ErrorCode::kBaseLost:
    case ErrorCode::kKeyUnavailable:
    case ErrorCode::kUnsupportedVersion:
    case ErrorCode::kCancelled:
    case ErrorCode::kLocked:
      break;
  }
  return Outcome::kMaybe;
}

Agent::Agent(const AgentConfig& config, const AgentEnvironment& environment)
    : config_(config),
      environment_(environment),
      ring_(environment.region->agent_rings[config.index]),
      book_(config, steady_clock::now()),
      mix_total_(std::accumulate(config.mix.begin(), config.mix.end(), std::uint64_t{0})),
      next_op_(config.next_op),
      random_key_(mix64(mix64(environment.seed, config.index),
                        mix64(environment.incarnation, config.next_op))) {}

bool Agent::run() {
  environment_.region->agents_running.fetch_add(1);
  bool supervised = true;
  auto due = steady_clock::now();
  const auto period = config_.operations_per_second > 0
                          ? std::chrono::duration_cast<steady_clock::duration>(
                                std::chrono::duration<double>(1 / config_.operations_per_second))
                          : steady_clock::duration::zero();
  while (supervised && !stop_asked()) {
    pause_until(due);
    if (stop_asked()) {
      break;
    }
    supervised = step();
    due = std::max(due + period, steady_clock::now() - kCatchUpMax);
    if (refused_) {
      due = std::max(due, steady_clock::now() + kRefusedPause);
      refused_ = false;
    }
  }
  environment_.region->agents_running.fetch_sub(1);
  return supervised;
}

bool Agent::step() {
  if (!retire_expired()) {
    return false;
  }
  std::uint64_t draw = random() % mix_total_;
  std::size_t kind = 0;
  while (draw >= config_.mix[kind]) {
    draw -= config_.mix[kind];
    ++kind;
  }
  switch (static_cast<OperationKind>(kind)) {
    case OperationKind::kCommand:
    case OperationKind::kStdout:
    case OperationKind::kStderr:
    case OperationKind::kContext:
    case OperationKind::kMemory:
      return write(static_cast<OperationKind>(kind));
    case OperationKind::kDelete:
      return erase(book_.to_erase(random()));
    case OperationKind::kRead:
    case OperationKind::kSearch:  // Refused by worker_config_from_json.
      break;
  }
  return read();
}

bool Agent::write(OperationKind stream) {
  const DocumentBook::Choice choice{.stream = stream,
                                    .number = book_.number_to_write(stream, random())};
  payload_document(environment_.seed, config_, stream, next_op_, document_);
  const std::string id = document_id(config_.name, stream, choice.number);
  const LedgerRecord record = intent(stream, choice, document_.size());
  if (!publish(record)) {
    return false;
  }
  const std::uint64_t start_ns = monotonic_ns();
  return finish_write(record, start_ns, environment_.target->put(config_.name, id, document_));
}

bool Agent::erase(const DocumentBook::Choice& choice) {
  const std::string id = document_id(config_.name, choice.stream, choice.number);
  const LedgerRecord record = intent(OperationKind::kDelete, choice, 0);
  if (!publish(record)) {
    return false;
  }
  const std::uint64_t start_ns = monotonic_ns();
  return finish_write(record, start_ns, environment_.target->erase(config_.name, id));
}

bool Agent::retire_expired() {
  for (int i = 0; i < kRetiredPerStep && !refused_; ++i) {
    const auto choice = book_.expired(steady_clock::now());
    if (!choice.has_value()) {
      return true;
    }
    if (!erase(*choice)) {
      return false;
    }
  }
  return true;
}

LedgerRecord Agent::intent(OperationKind operation, const DocumentBook::Choice& choice,
                           std::uint64_t length) {
  return {.type = LedgerType::kIntent,
          .agent = config_.index,
          .operation = operation,
          .stream = choice.stream,
          .number = choice.number,
          .op = next_op_++,
          .length = length,
          .time_ns = monotonic_ns()};
}

bool Agent::finish_write(LedgerRecord record, std::uint64_t start_ns,
                         const Result<std::uint64_t>& result) {
  record.type = LedgerType::kOutcome;
  record.time_ns = monotonic_ns();
  const bool erasing = record.operation == OperationKind::kDelete;
  if (result.has_value()) {
    record.outcome = Outcome::kAcknowledged;
    record.seq = *result;
    histogram_record(environment_.region->counters
                         .operation_duration[static_cast<std::size_t>(record.operation)],
                     record.time_ns - start_ns);
  } else {
    record.outcome = outcome_of(result.error().code);
    record.error_code = ledger_error_code(result.error().code);
    environment_.errors->add(erasing ? "erase" : "put",
                             document_id(config_.name, record.stream, record.number),
                             result.error());
  }
  refused_ = record.outcome != Outcome::kAcknowledged;
  // A refused write leaves no trace, so its number is free for the next one.
  if (record.outcome != Outcome::kNotWritten) {
    if (erasing) {
      book_.erased(record.stream, record.number);
    } else {
      book_.written(record.stream, record.number, steady_clock::now());
    }
  }
  return publish(record);
}

bool Agent::read() {
  const DocumentBook::Choice choice = book_.to_read(random());
  const std::string id = document_id(config_.name, choice.stream, choice.number);
  LedgerRecord record{.type = LedgerType::kRead,
                      .agent = config_.index,
                      .operation = OperationKind::kRead,
                      .stream = choice.stream,
                      .number = choice.number};
  const std::uint64_t start_ns = monotonic_ns();
  const auto result = environment_.target->get(id);
  record.time_ns = monotonic_ns();
  if (!result.has_value()) {
    record.outcome = Outcome::kFailed;
    record.error_code = ledger_error_code(result.error().code);
    environment_.errors->add("get", id, result.error());
    return publish(record);
  }
  if (const std::optional<std::string>& document = *result; document.has_value()) {
    record.found = 1;
    record.length = document->size();
    record.hash = content_hash(*document);
  }
  histogram_record(environment_.region->counters
                       .operation_duration[static_cast<std::size_t>(OperationKind::kRead)],
                   record.time_ns - start_ns);
  return publish(record);
}

bool Agent::publish(const LedgerRecord& record) {
  return ring_publish(ring_, record, environment_.supervisor);
}

std::uint64_t Agent::random() { return mix64(random_key_, ++draws_); }

bool Agent::stop_asked() const {
  return environment_.region->stop_agents.load(std::memory_order_relaxed) != 0;
}

void Agent::pause_until(TimePoint time) const {
  for (auto now = steady_clock::now(); now < time && !stop_asked(); now = steady_clock::now()) {
    std::this_thread::sleep_for(std::min<steady_clock::duration>(time - now, kStopCheck));
  }
}

}  // namespace soak::worker
