// metrics.om: the samples of a whole run as OpenMetrics text.
//
// OpenMetrics wants all points of one series next to each other, a run produces them by time. So
// the points are kept in memory, a copy by time is appended to the file while the run goes on (what
// a killed supervisor leaves: complete lines, only grouping and "# EOF" are missing), and finish()
// replaces the file by the grouped one in a single rename.
//
// Memory and size are bounded for any duration: at `sample_times_max` sample times every second one
// is dropped, and from then on only every second call keeps a sample.
#pragma once

#include <cstddef>
#include <cstdio>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "harness/metrics/metric_rows.h"
#include <pluresdb/error.h>

namespace soak::metrics {

inline constexpr std::size_t kSampleTimesMax = 1440;

class SampleFile {
 public:
  /// `sample_times_max`: at least 2. kIo when `path` cannot be created.
  static pluresdb::Result<std::unique_ptr<SampleFile>> create(
      const std::string& path, std::size_t sample_times_max = kSampleTimesMax);

  /// Keeps the values of `families`, which come from collect(). Times must grow: a sample that is
  /// not newer than the one before (by a millisecond, the file's resolution) is skipped.
  /// kIo: the file could not be written; the points are kept for finish().
  pluresdb::Status append(std::span<const Family> families, double unix_seconds);
  /// Writes the grouped file. Later calls do nothing.
  pluresdb::Status finish();

  [[nodiscard]] std::size_t sample_times() const { return times_.size(); }

 private:
  struct CloseFile {
    void operator()(std::FILE* file) const;
  };
  using File = std::unique_ptr<std::FILE, CloseFile>;
  /// One label set of a family: a line per column and sample time.
  struct Metric {
    std::vector<std::string> names;            ///< "x_bucket{le=\"1.0\"}", per column.
    std::vector<std::vector<double>> columns;  ///< NaN: not there at that time.
  };
  struct FamilyPoints {
    std::string header;                        ///< TYPE, UNIT and HELP lines.
    std::vector<Metric> metrics;               ///< In the order of their first appearance.
    std::map<std::string, std::size_t> index;  ///< Labels -> position in `metrics`.
  };

  SampleFile(std::string path, File file, std::size_t sample_times_max)
      : path_(std::move(path)), sample_times_max_(sample_times_max), file_(std::move(file)) {}
  void store(std::span<const Family> families);
  void store_series(const MetricInfo& info, const Series& series, FamilyPoints& points);
  void thin();
  pluresdb::Status append_newest();
  pluresdb::Status write_grouped(std::FILE* file, bool end) const;
  pluresdb::Status replace_file(bool end);

  const std::string path_;
  const std::size_t sample_times_max_;
  File file_;
  bool finished_ = false;
  std::size_t stride_ = 1;  ///< Every so many-th call keeps a sample.
  std::size_t calls_ = 0;
  std::vector<std::string> times_;  ///< As written: "1764020000.250".
  long long newest_ms_ = 0;
  std::vector<FamilyPoints> families_;
};

}  // namespace soak::metrics
