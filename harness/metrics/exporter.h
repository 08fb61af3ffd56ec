// Metrics of a run: one table of names (docs/METRICS.md is generated from it), an HTTP endpoint for
// Prometheus while the run goes on, and metrics.om, its samples as OpenMetrics text.
//
// Engine numbers are read from the shared region, so they survive kills of the worker; the rest
// comes from RunCounters, which the supervisor's loop writes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include <pluresdb/error.h>

namespace soak::metrics {

enum class MetricType { kCounter, kGauge, kHistogram };

struct MetricInfo {
  std::string_view name;
  MetricType type;
  std::vector<std::string_view> labels;
  std::string_view help;
};
/// Every metric a run exports, sorted by name.
std::span<const MetricInfo> metric_table();
/// docs/METRICS.md.
std::string metrics_reference();

/// What only the supervisor knows. Thread: its loop writes through the setters, scrapes read.
struct RunNumbers {
  std::array<std::array<std::uint64_t, kOutcomeCount>, kOperationKindCount> operations{};
  std::map<std::string, std::uint64_t> crashes;  ///< kind ("crash", "power_loss") -> count.
  std::map<std::pair<std::string, std::string>, std::uint64_t> faults_fired;  ///< (kind, point).
  std::uint64_t lost_acknowledged_writes = 0, resurrected_deletes = 0, corrupt_reads = 0;
  std::uint64_t open_maybes = 0, live_documents = 0, verified_reads = 0, verified_bytes = 0;
  std::uint64_t acknowledged_bytes = 0, worker_starts = 0;
  std::uint64_t resident_memory_bytes = 0;  ///< Of the worker; 0 while none runs.
  std::uint64_t supervisor_resident_memory_bytes = 0;
  double progress_ratio = 0;
  std::string phase;
  std::vector<double> recovery_seconds;  ///< New ones since the last update; observed once each.
};

struct ExporterOptions {
  std::string listen;        ///< "ADDR:PORT", port 0: any free one; empty: no endpoint.
  std::string samples_file;  ///< metrics.om; empty: none.
  std::string scenario, version;
  std::uint64_t seed = 0;
  const SharedRegion* region = nullptr;  ///< Outlives the exporter.
};

class Exporter {
 public:
  /// kIo when the address cannot be bound (text names it and says what to do).
  static pluresdb::Result<std::unique_ptr<Exporter>> start(const ExporterOptions& options);
  virtual ~Exporter() = default;
  /// "127.0.0.1:9464", with the port that was really bound; empty without an endpoint.
  [[nodiscard]] virtual std::string address() const = 0;
  /// Replaces the numbers. Thread: one at a time; scrapes go on meanwhile.
  virtual void update(const RunNumbers& numbers) = 0;
  /// Appends one sample of every series to samples_file, with its Unix time. Counters as `_total`.
  virtual pluresdb::Status sample(double unix_seconds) = 0;
  /// Ends samples_file with "# EOF".
  virtual pluresdb::Status finish() = 0;
};

}  // namespace soak::metrics
