// How much the background may spend on compaction: garbage collection so much per appended byte,
// and a floor for when nothing is appended; compression so much per second.
// docs/decisions/0005-compaction-throttle.md has the reasons for the numbers.
//
// Three accounts. What a pass has cost is taken off afterwards, so one may go below zero by one
// segment; nothing more is begun until it has been earned back. Garbage collection and compression
// have an account each: neither can starve the other.
#pragma once

#include <cstdint>

#include "engine/core/compactor.h"

namespace pluresdb::core {

/// Not thread-safe: belongs to the checkpointer's background thread.
class CompactionThrottle {
 public:
  /// File bytes that may be read for garbage collection per byte appended. A rewrite gives back
  /// more than half of what it reads, so collection outruns any writer that overwrites.
  static constexpr std::uint64_t kCollectPerAppendedByte = 3;
  static constexpr std::uint64_t kCollectFloorBytesPerSecond = 4ULL << 20;
  /// Every appended byte is read for compression at most once, and none has to be soon. By time
  /// only: a fast writer must not have to share its processors with more of it; the rest is done
  /// when it pauses.
  static constexpr std::uint64_t kCompressBytesPerSecond = 16ULL << 20;
  /// Look-ups in the base store, in file reads the cost of looking at old segments.
  static constexpr std::uint64_t kLookupsPerOperation = 4;
  static constexpr std::uint64_t kFloorLookupsPerSecond = 2000;

  /// `appended_bytes`, `operations`: running totals, of which the present values count as spent.
  CompactionThrottle(std::uint64_t segment_bytes, std::int64_t now_ns);

  /// Adds what was earned since the last call. The totals never go back.
  void earn(std::int64_t now_ns, std::uint64_t appended_bytes, std::uint64_t operations);
  [[nodiscard]] CompactionLimits limits() const;
  /// Takes off what a pass has cost.
  void spend(const CompactionWork& work);
  /// True when the last pass has left something that could be afforded now.
  [[nodiscard]] bool can_go_on() const;

 private:
  const std::int64_t savings_bytes_max_;
  std::int64_t now_ns_;
  std::uint64_t appended_bytes_ = 0;
  std::uint64_t operations_ = 0;
  std::int64_t lookups_ = 0;
  std::int64_t collect_bytes_ = 0;
  std::int64_t compress_bytes_ = 0;
  CompactionWork last_;
};

}  // namespace pluresdb::core
