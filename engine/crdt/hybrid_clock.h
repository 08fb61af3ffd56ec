// Hybrid logical clock: wall-clock milliseconds that never go back, with a counter for ties. Pure:
// the caller brings the readings. Part of every stamp (docs/formats/wal.md).
#pragma once

#include <cstdint>

#include <pluresdb/document.h>

namespace pluresdb::crdt {

/// Both clocks, read at one moment.
struct ClockReading {
  std::int64_t wall_us = 0;
  std::int64_t monotonic_ns = 0;
};

inline constexpr int kHlcCounterBits = 16;
/// How far a remote stamp, or one step of the wall clock, may lead before it is not believed.
inline constexpr std::int64_t kHlcDriftMsMax = 5LL * 60 * 1000;

constexpr std::uint64_t hlc_milliseconds(Hlc hlc) { return hlc >> kHlcCounterBits; }
constexpr std::uint64_t hlc_counter(Hlc hlc) { return hlc & ((1ULL << kHlcCounterBits) - 1); }
constexpr Hlc make_hlc(std::uint64_t milliseconds, std::uint64_t counter) {
  return (milliseconds << kHlcCounterBits) | counter;
}

/// Thread: one at a time.
class HybridClock {
 public:
  /// Every value given out will be greater than `floor`.
  explicit HybridClock(Hlc floor = 0) : last_(floor) {}

  /// A value greater than all before it, and not behind the believed wall clock. More than 65,536
  /// calls in one millisecond borrow from the next.
  Hlc next(ClockReading now);

  enum class Observation {
    kAccepted,
    kTooFarAhead,  ///< More than kHlcDriftMsMax ahead: clock unchanged; ask again later.
  };
  /// Makes later values greater than `remote`, so that what follows it is ordered behind it.
  Observation observe(Hlc remote, ClockReading now);

  void raise_floor(Hlc floor);
  [[nodiscard]] Hlc last() const { return last_; }
  /// How often the wall clock ran ahead of the monotonic one by more than kHlcDriftMsMax and was
  /// held. A held clock follows the monotonic one until the wall clock comes back or the store is
  /// opened again.
  [[nodiscard]] std::uint64_t forward_jumps_held() const { return forward_jumps_held_; }

 private:
  std::uint64_t believed_milliseconds(ClockReading now);

  Hlc last_;
  bool anchored_ = false;
  bool holding_ = false;
  ClockReading anchor_;  ///< The last reading that both clocks agreed on.
  std::uint64_t forward_jumps_held_ = 0;
};

}  // namespace pluresdb::crdt
