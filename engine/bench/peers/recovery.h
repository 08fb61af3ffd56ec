// How long a store needs after kill -9, when everything it acknowledged is only in its log.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/bench/peers/peer.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {

inline constexpr std::size_t kRecoveryValueBytes = 250;

struct RecoveryResult {
  std::string peer;
  PeerRole role = PeerRole::kPeer;
  bool is_recovered = true;  ///< false: nothing to replay, nothing was measured.
  double fill_seconds = 0;
  std::vector<double> opens;         ///< Seconds from the call of open until the last key was read.
  double open_seconds = 0;           ///< Their median.
  std::uint64_t resident_bytes = 0;  ///< The most while it opened.
  double checkpoint_seconds = 0;     ///< Of all entries, after the last of the opens.
  double clean_open_seconds = 0;     ///< After that and a close.
};

/// Each killed store is copied, and a copy opened, `repetitions` times, in turns. Page cache warm.
Result<std::vector<RecoveryResult>> measure_recovery(const std::string& directory,
                                                     std::uint64_t entries,
                                                     std::uint32_t repetitions,
                                                     std::span<const PeerKind> kinds);

}  // namespace pluresdb::bench
