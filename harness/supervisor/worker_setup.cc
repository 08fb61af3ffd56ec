#include "harness/supervisor/worker_setup.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/common/worker_config.h"
#include "harness/oracle/oracle.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"

namespace soak::supervisor {

using scenario::FaultKind;

std::vector<AgentConfig> agents_of(const scenario::Scenario& scenario) {
  std::vector<AgentConfig> agents;
  for (const scenario::AgentsSection& section : scenario.agents) {
    for (std::uint32_t i = 0; i < section.count; ++i) {
      AgentConfig agent;
      agent.name = fmt::format("{}-{}", section.name, i);
      agent.index = static_cast<std::uint16_t>(agents.size());
      agent.operations_per_second = section.operations_per_second;
      agent.mix = section.mix;
      agent.payload = section.payload;
      agent.retention_seconds = section.retention_seconds;
      agents.push_back(std::move(agent));
    }
  }
  return agents;
}

WorkerConfig worker_config(const scenario::Scenario& scenario, const WorkerPlace& place,
                           std::vector<AgentConfig> agents, const oracle::Oracle& oracle) {
  for (AgentConfig& agent : agents) {
    const oracle::AgentProgress progress = oracle.progress(agent.index);
    agent.next_op = progress.next_op;
    agent.next_number = progress.next_number;
    agent.first_number = progress.first_number;
  }
  constexpr double kMillisecondsPerSecond = 1000;
  const scenario::EngineSection& engine = scenario.engine;
  WorkerConfig config;
  config.seed = scenario.seed;
  config.incarnation = place.incarnation;
  config.target = engine.target;
  config.data_directory = place.data_directory;
  config.durability = engine.durability;
  config.encryption = engine.encryption;
  config.segment_bytes = engine.segment_bytes;
  config.checkpoint_wal_bytes = engine.checkpoint.wal_bytes;
  config.checkpoint_operations = engine.checkpoint.operations;
  config.checkpoint_interval_ms = static_cast<std::uint64_t>(
      std::llround(engine.checkpoint.every_seconds * kMillisecondsPerSecond));
  const auto some_fault = [&](auto needs) {
    return engine.file_system == "layered" || !scenario.defect.empty() ||
           std::ranges::any_of(scenario.faults, needs);
  };
  config.power_loss_layer = some_fault([](const scenario::FaultSection& fault) {
    const bool models_page_cache = !fault.after_error.empty() && fault.after_error != "still_dirty";
    return models_page_cache || scenario::is_power_loss(fault.kind) ||
           fault.kind == FaultKind::kCrashImage;
  });
  config.fault_layer = some_fault(
      [](const scenario::FaultSection& fault) { return !scenario::is_instant(fault.kind); });
  config.defect = scenario.defect;
  config.fiu_fifo_base = place.fiu_fifo_base;
  config.clock_offset_us = place.clock_offset_us;
  config.agents = std::move(agents);
  return config;
}

}  // namespace soak::supervisor
