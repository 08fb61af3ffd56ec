// What a run leaves for people and programs: summary.json, junit.xml, report.html, events.ndjson,
// and the final screen. Formats: the contract in docs/SCENARIOS.md "Run folder".
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/report/run_result.h"
#include <pluresdb/error.h>

namespace soak::report {

/// Of the opens after the worker had ended; the first open of a fresh store ("start") is none.
struct RecoveryStatistics {
  std::uint64_t count = 0;
  double p50 = 0, p99 = 0, max = 0;  ///< Seconds, nearest rank; 0 when there were none.
};
RecoveryStatistics recovery_statistics(const std::vector<RecoverySample>& recoveries);

std::string summary_json(const RunResult& result);
std::string junit_xml(const RunResult& result);
/// One self-contained file: no network, plots as inline SVG.
std::string report_html(const RunResult& result);
/// The final screen: verdict, evidence, faults planned and fired, checks, thresholds, numbers.
std::string final_screen(const RunResult& result, const std::string& run_folder, bool color,
                         int columns);
/// Writes summary.json, junit.xml and report.html.
pluresdb::Status write_reports(const RunResult& result, const std::string& run_folder);

/// events.ndjson: one JSON object per line, {"time_seconds":..,"utc":"..","event":"..", fields}.
class EventLog {
 public:
  static pluresdb::Result<std::unique_ptr<EventLog>> create(const std::string& path);
  virtual ~EventLog() = default;
  using Fields = std::vector<std::pair<std::string, std::string>>;  ///< Values: JSON already.
  virtual void write(double time_seconds, std::string_view event, const Fields& fields) = 0;
  virtual pluresdb::Status close() = 0;
};
/// A JSON string literal, quotes included; invalid UTF-8 becomes U+FFFD.
std::string json_quote(std::string_view text);

/// The live view: one status line that is redrawn on a terminal, plain lines elsewhere (then a
/// status line every 5 s only). Events scroll above the status line.
struct LiveStatus {
  double elapsed_seconds = 0, planned_seconds = 0;
  double operations_per_second = 0;
  std::uint64_t acknowledged = 0, maybes = 0, crashes = 0, recoveries = 0, faults_fired = 0;
  double last_recovery_seconds = 0;
  std::uint64_t resident_bytes = 0, wal_segments = 0, wal_bytes = 0;
  std::uint64_t violations = 0;
  std::string phase;  ///< "running", "recovering", "verifying", or the phase's name.
};
enum class EventLevel { kInfo, kFault, kRecovery, kViolation };

class Terminal {
 public:
  /// `quiet`: prints nothing at all (also --json).
  static std::unique_ptr<Terminal> create(bool quiet, bool color);
  virtual ~Terminal() = default;
  virtual void event(double time_seconds, EventLevel level, std::string_view text) = 0;
  virtual void status(const LiveStatus& status) = 0;
  /// Erases the status line, prints `screen`.
  virtual void finish(std::string_view screen) = 0;
  [[nodiscard]] virtual int columns() const = 0;
};

}  // namespace soak::report
