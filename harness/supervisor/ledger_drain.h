// Takes what the worker has published in the shared rings. Called every few milliseconds: a full
// ring makes its agent wait, which is no failure but load that is missing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "harness/common/shared_region.h"
#include "harness/oracle/oracle.h"

namespace soak::supervisor {

class LedgerDrain {
 public:
  /// Both outlive it.
  LedgerDrain(SharedRegion& region, oracle::Oracle& oracle);

  /// Gives the agents' records to the oracle; returns how many there were.
  std::size_t drain_agents();
  /// Gives the verifier's records to `sink`.
  std::size_t drain_verifier(const std::function<void(const LedgerRecord&)>& sink);
  /// Throws away what a killed worker left of a verification or a scan.
  void discard_verifier();
  /// Faults fired since the last call, oldest first. Those that the ring no longer held are
  /// counted in `overrun`.
  std::vector<FiredFault> take_fired();
  [[nodiscard]] std::uint64_t overrun() const { return fired_overrun_; }

  /// A new worker begins: what is in the rings belongs to the one before.
  void worker_starts();
  /// True while an agent of this worker is between an intent and its outcome.
  [[nodiscard]] bool operation_in_flight() const;

 private:
  SharedRegion& region_;
  oracle::Oracle& oracle_;
  std::array<std::uint64_t, kAgentsMax> heads_at_start_{};
  std::uint64_t fired_taken_ = 0, fired_overrun_ = 0;
};

}  // namespace soak::supervisor
