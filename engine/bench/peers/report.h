// Everything one run measured, as tables for people and as JSON for programs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/bench/peers/cell.h"
#include "engine/bench/peers/memory.h"
#include "engine/bench/peers/recovery.h"

namespace pluresdb::bench {

struct RunReport {
  std::string directory;
  std::string file_system;
  std::string device;  ///< "254:0"; empty when it has no counters.
  unsigned processors = 0;
  std::string load_at_start, load_at_end;
  double seconds = 0;  ///< Per peer and cell.
  std::uint32_t slices = 0;
  std::uint32_t under_way = 0;  ///< Per writer, where a contestant submits.
  std::vector<CellResult> cells;
  std::uint64_t recovery_entries = 0;  ///< 0: not measured.
  std::vector<RecoveryResult> recovery;
  std::optional<MemoryResult> memory;
};

/// Each returns whole lines.
std::string heading_text(const RunReport& report);
std::string cell_text(const CellResult& cell);
std::string recovery_text(const RunReport& report);
std::string memory_text(const MemoryResult& memory);
std::string summary_text(const RunReport& report);

/// One JSON object; docs/BENCHMARKS.md names its members.
std::string to_json(const RunReport& report);

/// The fastest of the peers (neither ours nor the device); nullptr when none was measured.
const PeerResult* fastest_peer(const CellResult& cell);
const PeerResult* find_peer(const CellResult& cell, std::string_view name);

}  // namespace pluresdb::bench
