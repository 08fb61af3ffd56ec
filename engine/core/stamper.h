// Gives records their stamps: hybrid clock and one counter per actor. Called by the log's leader,
// one record at a time in seq order (wal::LogClient).
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/base/clock.h"
#include "engine/crdt/hybrid_clock.h"
#include "engine/crdt/version_vector.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>

namespace pluresdb::core {

/// Thread: one at a time.
class Stamper {
 public:
  explicit Stamper(Clock& clock) : clock_(&clock) {}

  /// `issued`: the highest actor_seq ever given out per actor. An actor continues above both its
  /// entry and `actor_seq_floor`, so a dot is never used twice even where the entry was lost.
  void restore(Hlc floor, crdt::VersionVector issued, std::uint64_t actor_seq_floor);

  wal::RecordStamp stamp(std::string_view actor);
  void unstamp(std::span<const wal::RecordView> records);
  /// Forward jumps of the wall clock that were told on stderr and not followed. Thread: any.
  [[nodiscard]] std::uint64_t clock_jumps_held() const { return jumps_reported_.load(); }
  [[nodiscard]] Hlc hlc_floor() const { return hybrid_clock_.last(); }

 private:
  Clock* clock_;
  crdt::HybridClock hybrid_clock_;
  crdt::VersionVector issued_;
  std::uint64_t actor_seq_floor_ = 0;
  std::atomic<std::uint64_t> jumps_reported_ = 0;
};

}  // namespace pluresdb::core
