// Commands from the supervisor to a worker and its replies: fixed-size packets on a SOCK_SEQPACKET
// socket pair. Bulk data (ledger, read results) goes through the shared region, never through here.
//
// Start: the supervisor execs
//   pluresdb-soak-worker --control-fd N --region-fd N --journal-fd N --config FILE
// FILE is a WorkerConfig as JSON (worker_config.h). The worker opens the store, fills
// SharedRegion.recovery, sends kReady (or kOpenFailed with text and exits 4), then obeys commands
// in order, answering each with kDone or kError. When the socket closes, the worker exits.
#pragma once

#include <array>
#include <cstdint>

#include "harness/common/operation.h"

namespace soak {

enum class CommandType : std::uint32_t {
  kStartAgents = 1,  ///< Agents run until stop_agents; kDone at once. State in WorkerConfig.agents.
  kStopAgents = 2,   ///< Sets stop_agents and joins; kDone when all have stopped.
  kVerify = 3,       ///< Reads `count` keys of `keys`; results in verify_ring; then kDone.
  kScan = 4,         ///< Lists the whole store into verify_ring as kScanEntry; kDone.value = count.
  kCheckpoint = 5,
  kArm = 6,  ///< Arms libfiu point `text` (may end in *): error `value`, `count` times (0: always),
             ///< `probability` in (0, 1].
  kDisarm = 7,   ///< Disarms `text`.
  kClose = 8,    ///< Closes the store cleanly; kDone; the worker exits 0.
  kReady = 100,  ///< Worker -> supervisor from here on.
  kOpenFailed = 101,
  kDone = 102,
  kError = 103,
};

inline constexpr std::size_t kKeysPerPacketMax = 64;

struct ControlPacket {
  CommandType type = CommandType::kDone;
  std::uint32_t count = 0;
  std::uint64_t value = 0;
  double probability = 1.0;
  std::array<char, 256> text{};  ///< NUL-terminated.
  std::array<DocumentKey, kKeysPerPacketMax> keys{};
};

}  // namespace soak
