// One cell of the matrix: all peers, one payload size, one number of writers, in turns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/bench/latency_histogram.h"
#include "engine/bench/peers/peer.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {

struct CellPlan {
  std::size_t value_bytes = 0;
  unsigned writers = 1;
  std::uint32_t under_way =
      64;              ///< Puts per writer that wait for their sync, where a kind submits.
  double seconds = 3;  ///< Per peer, all slices together.
  std::uint32_t slices = 3;
  std::string directory;  ///< A folder of its own is made in it, and removed.
};

/// One slice of one peer. Trivially copyable: it travels through a socket.
struct Slice {
  std::uint64_t operations = 0;  ///< Acknowledged.
  double seconds = 0;
  double processor_seconds = 0;
  std::uint64_t resident_bytes = 0;
  LatencyHistogram latencies;
};

struct PeerResult {
  std::string peer;
  PeerRole role = PeerRole::kPeer;
  bool submits = false;  ///< With CellPlan::under_way puts per writer; else each waits for its own.
  std::uint64_t operations = 0;
  std::vector<double> slice_rates;             ///< Operations per second.
  double operations_per_second = 0;            ///< Median of the slices.
  double megabytes_per_second = 0;             ///< 10^6 bytes of values.
  double p50_us = 0, p99_us = 0, p999_us = 0;  ///< Of all slices together.
  double processor_us_per_operation = 0;
  std::uint64_t resident_bytes = 0;  ///< At the end of the last slice.
  /// Device bytes per value byte, written back after each slice; nullopt without counters.
  std::optional<double> written_per_acknowledged;
  std::uint64_t verified_samples = 0;
};

struct CellResult {
  std::size_t value_bytes = 0;
  unsigned writers = 1;
  std::vector<PeerResult> peers;
};

/// Peers that cannot have so many writers are left out. Errors: what a peer said, with its name.
Result<CellResult> run_cell(const CellPlan& plan, std::span<const PeerKind> kinds);

double median(std::vector<double> numbers);

}  // namespace pluresdb::bench
