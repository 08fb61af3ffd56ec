// Commands from the supervisor to a worker and its replies: fixed-size packets on a SOCK_SEQPACKET
// socket pair. Bulk data (ledger, read results) goes through the shared region, never through here.
//
// Start: the supervisor execs
//   pluresdb-soak-worker --control-fd N --region-fd N --journal-fd N --config FILE
// FILE is a WorkerConfig as JSON (worker_config.h). The worker opens the store, fills
// SharedRegion.recovery, sends kReady (or kOpenFailed with text and exits 4), then obeys commands
// in order, answering each with kDone or kError. kOpenFailed and kError carry ledger_error_code()
// of what was wrong in `value`. When the socket closes, the worker exits.
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
  kArm = 6,     ///< Arms libfiu point `text` (may end in *) as `arm` says.
  kDisarm = 7,  ///< Disarms `text`.
  kClose = 8,   ///< Closes the store cleanly; kDone; the worker exits 0.
  kShiftClock =
      9,         ///< The store's wall clock is `clock_offset_us` ahead of the system's from now on.
  kReady = 100,  ///< Worker -> supervisor from here on.
  kOpenFailed = 101,
  kDone = 102,
  kError = 103,
};

inline constexpr std::size_t kKeysPerPacketMax = 64;

/// As faultinj::Arming, which this part of the harness does not know.
struct ArmRequest {
  std::uint32_t effect = 0;  ///< faultinj::Effect.
  std::int32_t error_number = 0;
  std::uint32_t delay_us = 0;
  std::uint64_t times = 0;
  std::uint64_t nth = 0;
  std::uint64_t every = 0;
  std::uint64_t bytes_min = 0;
  std::uint64_t bytes_max = UINT64_MAX;
  double probability = 1.0;
  friend bool operator==(const ArmRequest&, const ArmRequest&) = default;
};

struct ControlPacket {
  CommandType type = CommandType::kDone;
  std::uint32_t count = 0;
  std::uint64_t value = 0;
  std::int64_t clock_offset_us = 0;
  ArmRequest arm{};
  std::array<char, 256> text{};  ///< NUL-terminated.
  std::array<DocumentKey, kKeysPerPacketMax> keys{};
};

}  // namespace soak
