// Does the worker's memory grow without bound? Judged per incarnation and on the floor across
// incarnations, never on the saw-tooth that kills make of it (D16).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/report/run_result.h"

namespace soak::supervisor {

struct TrendPoint {
  double seconds = 0;
  double bytes = 0;
};

struct Trend {
  double slope_bytes_per_second = 0;  ///< Theil-Sen: the median of all pairwise slopes.
  double rising_fraction = 0;         ///< Of the pairwise slopes.
};
/// Nothing when there are fewer than two different times. Cost: the square of points.size().
std::optional<Trend> theil_sen(const std::vector<TrendPoint>& points);

/// Collects resident memory of one worker after the other; memory is bounded for any run length.
class MemoryTrend {
 public:
  void add(std::uint32_t incarnation, double seconds, std::uint64_t resident_bytes);
  [[nodiscard]] report::MemoryResult result() const;
  /// Slope of the longest life's second half; nothing when no life was long enough to have one.
  [[nodiscard]] std::optional<double> slope_bytes_per_hour() const;
  /// The check memory_bounded: kPass with a note when the run is too short to say.
  [[nodiscard]] report::CheckResult judge() const;

 private:
  struct Life {
    std::vector<TrendPoint> points;  ///< Thinned out, at equal distances.
    double spacing_seconds = 0;
    [[nodiscard]] double length_seconds() const;
  };
  void finish_life();

  std::uint32_t incarnation_ = 0;
  Life current_, longest_;
  std::vector<TrendPoint> floors_;  ///< One per finished life that was long enough.
  std::uint64_t start_ = 0, end_ = 0, max_ = 0;
};

}  // namespace soak::supervisor
