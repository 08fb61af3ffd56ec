// What a worker is told at its start, as JSON in a file of the run folder.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/common/operation.h"
#include <pluresdb/error.h>

namespace soak {

struct PayloadDistribution {
  std::string distribution = "lognormal";  ///< lognormal | uniform | fixed
  std::uint64_t median_bytes = 4096;
  std::uint64_t min_bytes = 16;
  std::uint64_t max_bytes = 1 << 20;
};

/// One simulated agent. `next_op` and the stream positions come from the oracle, so that a
/// restarted agent never uses an op number or a document number twice.
struct AgentConfig {
  std::string name;  ///< "shell-0"
  std::uint16_t index = 0;
  double operations_per_second = 0;  ///< 0: as fast as it can.
  std::array<std::uint32_t, kOperationKindCount> mix{};
  PayloadDistribution payload;
  double retention_seconds = 0;  ///< 0: kept; else the agent deletes its appended documents by age.
  std::uint64_t next_op = 1;
  std::array<std::uint64_t, kOperationKindCount> next_number{};  ///< Per stream.
  std::array<std::uint64_t, kOperationKindCount>
      first_number{};  ///< Oldest not deleted, per stream.
};

struct WorkerConfig {
  std::uint64_t seed = 0;
  std::uint32_t incarnation = 0;
  std::string target = "pluresdb";
  std::string data_directory;
  std::string durability = "wal";
  std::string encryption = "none";  ///< none | aes-256-gcm, with store_key(seed).
  std::uint64_t segment_bytes = 64ULL << 20;
  std::uint64_t checkpoint_wal_bytes = 0;    ///< 0: engine default.
  std::uint64_t checkpoint_operations = 0;   ///< 0: engine default.
  std::uint64_t checkpoint_interval_ms = 0;  ///< 0: engine default.
  std::int64_t clock_offset_us = 0;  ///< The store's wall clock is so far ahead of the system's.
  bool power_loss_layer = true;      ///< Put faultinj/power_loss_file_system under the engine.
  bool fault_layer = true;           ///< Put faultinj/fault_file_system under the engine.
  std::string defect;         ///< "" or a planted defect: "lying_fsync", ... (negative scenarios)
  std::string fiu_fifo_base;  ///< libfiu's remote control listens at <base>-<pid>.in/.out.
  std::vector<AgentConfig> agents;
};

std::string to_json(const WorkerConfig& config);
pluresdb::Result<WorkerConfig> worker_config_from_json(const std::string& text);

}  // namespace soak
