// The one table of metrics: name, type, labels, help and where the value comes from in one row, so
// that a metric cannot be documented without being exported, nor the other way round.
//
// Everything here is plain data: the HTTP endpoint (exporter.cc) and the samples file
// (sample_file.cc) both render the families that collect() returns.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/common/shared_region.h"
#include "harness/metrics/exporter.h"

namespace soak::metrics {

/// At most this many series per run, whatever the scenario does (contract).
inline constexpr std::size_t kSeriesMax = 500;
// Label values that come from the run are admitted first come, first served; later ones share one
// series named "other", so that every series is monotonic and their number is bounded.
inline constexpr std::size_t kFaultSeriesMax = 64;
inline constexpr std::size_t kCrashKindsMax = 8;
inline constexpr std::size_t kPhasesMax = 16;
inline constexpr std::string_view kOtherLabel = "other";

/// Recoveries from 1 ms to 8.7 minutes, doubling; the last bucket is +Inf.
inline constexpr std::size_t kRecoveryBuckets = 21;

struct HistogramValue {
  std::vector<double> upper_bounds;              ///< Finite ones, ascending; +Inf is implied.
  std::vector<std::uint64_t> cumulative_counts;  ///< One more than bounds: the last is the count.
  double sum = 0;
};

struct Series {
  std::vector<std::string> label_values;  ///< In the order of MetricInfo::labels.
  double value = 0;                       ///< Counters and gauges.
  HistogramValue histogram;               ///< Histograms.
};

struct Family {
  const MetricInfo* info = nullptr;
  std::vector<Series> series;
};

/// Recovery durations of the whole run.
struct RecoveryHistogram {
  std::array<std::uint64_t, kRecoveryBuckets> buckets{};  ///< Not cumulative.
  double sum_seconds = 0;
  void observe(double seconds);
};

/// Label values in the order in which they were first seen, up to a limit.
template <typename Value>
class AdmittedLabels {
 public:
  explicit AdmittedLabels(std::size_t limit) : limit_(limit) {}
  void admit(const Value& value) {
    if (values_.size() < limit_ && !contains(value)) {
      values_.push_back(value);
    }
  }
  [[nodiscard]] bool contains(const Value& value) const {
    for (const Value& admitted : values_) {
      if (admitted == value) {
        return true;
      }
    }
    return false;
  }
  [[nodiscard]] const std::vector<Value>& values() const { return values_; }

 private:
  std::size_t limit_;
  std::vector<Value> values_;
};

/// What rows read. Guarded by the exporter; `region` is null in a run without an engine.
struct Source {
  const SharedRegion* region = nullptr;
  RunNumbers numbers;
  RecoveryHistogram recoveries;
  AdmittedLabels<std::string> crash_kinds{kCrashKindsMax};
  AdmittedLabels<std::pair<std::string, std::string>> fault_points{kFaultSeriesMax};
  AdmittedLabels<std::string> phases{kPhasesMax};
  std::string scenario, version, seed;

  /// Replaces the numbers; observes the new recoveries once.
  void update(const RunNumbers& newer);
};

/// Every family with its newest values, in the order of metric_table().
std::vector<Family> collect(const Source& source);
/// Series as Prometheus counts them: each bucket, sum and count of a histogram is one.
std::size_t series_count(std::span<const Family> families);

}  // namespace soak::metrics
