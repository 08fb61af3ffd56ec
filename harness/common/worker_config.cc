// The only file of harness/common that includes nlohmann/json (a heavy header).
#include "harness/common/worker_config.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "harness/common/document_id.h"
#include "harness/common/operation.h"
#include "harness/common/payload.h"
#include "harness/common/shared_region.h"
#include <pluresdb/error.h>

namespace soak {

// Every field is required and no other is allowed: both ends are of one version, so anything else
// is a mistake that should be heard of.
// NOLINTBEGIN(misc-include-cleaner): the macros come with json.hpp.
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PayloadDistribution, distribution, median_bytes, min_bytes,
                                   max_bytes)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(AgentConfig, name, index, operations_per_second, mix, payload,
                                   retention_seconds, next_op, next_number, first_number)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(WorkerConfig, seed, incarnation, target, data_directory,
                                   durability, encryption, segment_bytes, checkpoint_wal_bytes,
                                   checkpoint_operations, checkpoint_interval_ms, clock_offset_us,
                                   power_loss_layer, fault_layer, defect, fiu_fifo_base, agents)
// NOLINTEND(misc-include-cleaner)

namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;

Status invalid(std::string_view what) {
  return pluresdb::fail(ErrorCode::kInvalidArgument, fmt::format("worker config: {}", what));
}

Status check_payload(const AgentConfig& agent) {
  const PayloadDistribution& payload = agent.payload;
  if (payload.distribution != "lognormal" && payload.distribution != "uniform" &&
      payload.distribution != "fixed") {
    return invalid(fmt::format("agent {}: unknown payload distribution \"{}\"", agent.name,
                               payload.distribution));
  }
  if (payload.min_bytes > payload.max_bytes) {
    return invalid(fmt::format("agent {}: min_bytes {} is above max_bytes {}", agent.name,
                               payload.min_bytes, payload.max_bytes));
  }
  if (payload.max_bytes > kPayloadBytesMax) {
    return invalid(fmt::format("agent {}: max_bytes {} is above the limit of {}", agent.name,
                               payload.max_bytes, kPayloadBytesMax));
  }
  return {};
}

Status check_agent(const AgentConfig& agent, std::size_t position) {
  if (!is_agent_name(agent.name)) {
    return invalid(fmt::format("\"{}\" is not an agent name (1 to {} of A-Z a-z 0-9 - _ .)",
                               agent.name, kAgentNameBytesMax));
  }
  if (agent.index != position) {
    return invalid(
        fmt::format("agent {} at position {} has index {}", agent.name, position, agent.index));
  }
  if (!(agent.operations_per_second >= 0) || !(agent.retention_seconds >= 0)) {
    return invalid(fmt::format("agent {}: rate and retention must not be negative", agent.name));
  }
  std::uint64_t total = 0;
  for (const std::uint32_t weight : agent.mix) {
    total += weight;
  }
  if (total == 0) {
    return invalid(fmt::format("agent {}: every weight of its mix is 0", agent.name));
  }
  if (agent.mix[static_cast<std::size_t>(OperationKind::kSearch)] != 0) {
    return invalid(
        fmt::format("agent {}: search needs a vector index, which this version does not "
                    "have",
                    agent.name));
  }
  if (agent.next_op == 0) {
    return invalid(fmt::format("agent {}: next_op counts from 1", agent.name));
  }
  for (std::size_t i = 0; i < kOperationKindCount; ++i) {
    if (agent.first_number[i] > agent.next_number[i]) {
      return invalid(fmt::format("agent {}: first_number {} of {} is above next_number {}",
                                 agent.name, agent.first_number[i], kOperationKindNames[i],
                                 agent.next_number[i]));
    }
  }
  return check_payload(agent);
}

Status check(const WorkerConfig& config) {
  if (config.data_directory.empty()) {
    return invalid("data_directory is empty");
  }
  if (config.durability != "none" && config.durability != "wal" && config.durability != "full") {
    return invalid(fmt::format("unknown durability \"{}\"", config.durability));
  }
  if (config.encryption != "none" && config.encryption != "aes-256-gcm") {
    return invalid(fmt::format("unknown encryption \"{}\"", config.encryption));
  }
  if (config.agents.empty() || config.agents.size() > kAgentsMax) {
    return invalid(
        fmt::format("{} agents; 1 to {} are possible", config.agents.size(), kAgentsMax));
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < config.agents.size(); ++i) {
    TRY(check_agent(config.agents[i], i));
    if (!names.insert(config.agents[i].name).second) {
      return invalid(fmt::format("two agents are called {}", config.agents[i].name));
    }
  }
  return {};
}

}  // namespace

std::string to_json(const WorkerConfig& config) {
  // "replace": a path that is not UTF-8 must not throw; the worker then reports that it is not
  // there.
  return nlohmann::json(config).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) +
         "\n";
}

Result<WorkerConfig> worker_config_from_json(const std::string& text) {
  WorkerConfig config;
  try {
    const nlohmann::json json = nlohmann::json::parse(text);
    json.get_to(config);
    // What the struct cannot hold (an unknown key, a number that does not fit) is lost on the way.
    if (nlohmann::json(config) != json) {
      return pluresdb::fail(ErrorCode::kInvalidArgument,
                            "worker config: an unknown key, or a number out of range: " +
                                nlohmann::json::diff(nlohmann::json(config), json).dump());
    }
  } catch (const nlohmann::json::exception& error) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          fmt::format("worker config: {}", error.what()));
  }
  TRY(check(config));
  return config;
}

}  // namespace soak
