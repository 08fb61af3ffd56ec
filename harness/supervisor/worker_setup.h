// From a scenario to what a worker is told.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/common/worker_config.h"
#include "harness/oracle/oracle.h"
#include "harness/scenario/scenario.h"

namespace soak::supervisor {

/// All agents of the run: "shell-0", "shell-1", ... indexed in the scenario's order.
std::vector<AgentConfig> agents_of(const scenario::Scenario& scenario);

struct WorkerPlace {
  std::uint32_t incarnation = 0;
  std::string data_directory;
  std::string fiu_fifo_base;
  std::int64_t clock_offset_us = 0;
};
/// `agents` go on where `oracle` saw them last.
WorkerConfig worker_config(const scenario::Scenario& scenario, const WorkerPlace& place,
                           std::vector<AgentConfig> agents, const oracle::Oracle& oracle);

}  // namespace soak::supervisor
