// The table of metrics and the values of its rows.
#include "harness/metrics/metric_rows.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/metrics/exporter.h"

namespace soak::metrics {
namespace {

using AtomicNumber = std::atomic<std::uint64_t>;
using enum MetricType;

constexpr double kNanosecondsPerSecond = 1e9;
constexpr double kFirstDurationBoundMicroseconds = 10;
constexpr double kFirstRecoveryBoundSeconds = 0.001;
constexpr double kMicrosecondsPerSecond = 1e6;

struct OperationDurations {};  ///< SharedCounters::operation_duration, one series per kind.
using Custom = void (*)(const Source&, Family&);
/// Where a row's value comes from.
using Reading = std::variant<AtomicNumber SharedCounters::*, SharedHistogram SharedCounters::*,
                             AtomicNumber RecoveryEvidence::*, std::uint64_t RunNumbers::*,
                             double RunNumbers::*, OperationDurations, Custom>;

struct Row {
  MetricInfo info;
  Reading reading;
};

// Relaxed: each number stands for itself; a scrape needs no order between two of them.
std::uint64_t load(const AtomicNumber& number) { return number.load(std::memory_order_relaxed); }

Series value_series(double value, std::vector<std::string> labels = {}) {
  return {.label_values = std::move(labels), .value = value, .histogram = {}};
}

template <typename Buckets>
HistogramValue cumulate(const Buckets& buckets, double first_bound) {
  HistogramValue out;
  double bound = first_bound;
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < buckets.size(); ++i) {
    if (i + 1 < buckets.size()) {
      out.upper_bounds.push_back(bound);
      bound *= 2;
    }
    count += buckets[i];
    out.cumulative_counts.push_back(count);
  }
  return out;
}

/// The count is the sum of the buckets as read, so a histogram agrees with itself although its
/// writer goes on, or was killed between two of its stores.
HistogramValue read_histogram(const SharedHistogram& shared) {
  std::array<std::uint64_t, kDurationBuckets> buckets{};
  std::transform(shared.buckets.begin(), shared.buckets.end(), buckets.begin(), load);
  HistogramValue out = cumulate(buckets, kFirstDurationBoundMicroseconds);
  for (double& bound : out.upper_bounds) {
    bound /= kMicrosecondsPerSecond;  // Divided last: 10 us is then exactly the double 1e-05.
  }
  out.sum = static_cast<double>(load(shared.sum_ns)) / kNanosecondsPerSecond;
  return out;
}

HistogramValue empty_histogram() {
  const auto zero = std::make_unique<SharedHistogram>();
  return read_histogram(*zero);
}

void read_operations(const Source& source, Family& family) {
  for (std::size_t kind = 0; kind < kOperationKindCount; ++kind) {
    for (std::size_t outcome = 0; outcome < kOutcomeCount; ++outcome) {
      family.series.push_back(value_series(
          static_cast<double>(source.numbers.operations[kind][outcome]),
          {std::string(kOperationKindNames[kind]), std::string(kOutcomeNames[outcome])}));
    }
  }
}

void read_crashes(const Source& source, Family& family) {
  double other = 0;
  bool has_other = false;
  for (const auto& [kind, count] : source.numbers.crashes) {
    if (!source.crash_kinds.contains(kind)) {
      other += static_cast<double>(count);
      has_other = true;
    }
  }
  for (const std::string& kind : source.crash_kinds.values()) {
    const auto found = source.numbers.crashes.find(kind);
    const std::uint64_t count = found == source.numbers.crashes.end() ? 0 : found->second;
    family.series.push_back(value_series(static_cast<double>(count), {kind}));
  }
  if (has_other) {
    family.series.push_back(value_series(other, {std::string(kOtherLabel)}));
  }
}

void read_faults(const Source& source, Family& family) {
  double other = 0;
  bool has_other = false;
  for (const auto& [point, count] : source.numbers.faults_fired) {
    if (!source.fault_points.contains(point)) {
      other += static_cast<double>(count);
      has_other = true;
    }
  }
  for (const auto& point : source.fault_points.values()) {
    const auto found = source.numbers.faults_fired.find(point);
    const std::uint64_t count = found == source.numbers.faults_fired.end() ? 0 : found->second;
    family.series.push_back(value_series(static_cast<double>(count), {point.first, point.second}));
  }
  if (has_other) {
    family.series.push_back(
        value_series(other, {std::string(kOtherLabel), std::string(kOtherLabel)}));
  }
}

void read_phase(const Source& source, Family& family) {
  const std::string& phase = source.numbers.phase;
  for (const std::string& seen : source.phases.values()) {
    family.series.push_back(value_series(seen == phase ? 1 : 0, {seen}));
  }
  if (!phase.empty() && !source.phases.contains(phase)) {
    family.series.push_back(value_series(1, {std::string(kOtherLabel)}));
  }
}

void read_recoveries(const Source& source, Family& family) {
  Series series;
  series.histogram = cumulate(source.recoveries.buckets, kFirstRecoveryBoundSeconds);
  series.histogram.sum = source.recoveries.sum_seconds;
  family.series.push_back(std::move(series));
}

void read_agents_running(const Source& source, Family& family) {
  const double running =
      source.region == nullptr ? 0 : source.region->agents_running.load(std::memory_order_relaxed);
  family.series.push_back(value_series(running));
}

void read_build_info(const Source& source, Family& family) {
  family.series.push_back(value_series(1, {source.version}));
}

void read_run_info(const Source& source, Family& family) {
  family.series.push_back(value_series(1, {source.scenario, source.seed}));
}

// Sorted by name. Names: pluresdb_ is the engine, soak_ the harness; base units; _total on
// counters. Buckets: docs/METRICS.md "Buckets".
// NOLINTNEXTLINE(readability-function-size): a table.
const std::vector<Row>& rows() {
  using S = SharedCounters;
  using R = RecoveryEvidence;
  using N = RunNumbers;
  static const std::vector<Row> table = {
      {{"pluresdb_base_store_bytes", kGauge, {}, "Size of the base store on disk."},
       &S::base_store_bytes},
      {{"pluresdb_checkpoint_duration_seconds", kHistogram, {}, "Duration of checkpoints."},
       &S::checkpoint_duration},
      {{"pluresdb_checkpoint_failures_total", kCounter, {}, "Checkpoints that failed."},
       &S::checkpoint_failures_total},
      {{"pluresdb_checkpoint_seq", kGauge, {}, "Newest seq that the base store holds durably."},
       &S::checkpoint_seq},
      {{"pluresdb_checkpoints_total", kCounter, {}, "Checkpoints completed."},
       &S::checkpoints_total},
      {{"pluresdb_clock_jumps_held_total",
        kCounter,
        {},
        "Forward jumps of the wall clock that stamps did not follow."},
       &S::clock_jumps_held_total},
      {{"pluresdb_compaction_failures_total",
        kCounter,
        {},
        "Segments that compaction could not look at, remove or rewrite."},
       &S::compaction_failures_total},
      {{"pluresdb_compaction_read_bytes_total",
        kCounter,
        {},
        "Bytes of the log segments that compaction has read to replace them."},
       &S::compaction_read_bytes_total},
      {{"pluresdb_compaction_reclaimed_bytes_total",
        kCounter,
        {},
        "Bytes by which compaction made the log smaller."},
       &S::compaction_reclaimed_bytes_total},
      {{"pluresdb_compaction_rewritten_bytes_total",
        kCounter,
        {},
        "Bytes of the log segments that compaction has written."},
       &S::compaction_written_bytes_total},
      {{"pluresdb_compaction_runs_total", kCounter, {}, "Passes of compaction completed."},
       &S::compaction_runs_total},
      {{"pluresdb_crdt_actors", kGauge, {}, "Actors in the version vector."}, &S::actors},
      {{"pluresdb_crdt_tombstones", kGauge, {}, "Tombstones of deleted documents kept."},
       &S::tombstones},
      {{"pluresdb_dirty_bytes",
        kGauge,
        {},
        "Bytes of documents that the next checkpoint will write."},
       &S::dirty_bytes},
      {{"pluresdb_dirty_documents", kGauge, {}, "Documents that the next checkpoint will write."},
       &S::documents_dirty},
      {{"pluresdb_last_recovery_corrupted_entries",
        kGauge,
        {},
        "Corrupted entries that the newest open found."},
       &R::corrupted_entries},
      {{"pluresdb_last_recovery_corrupted_segments",
        kGauge,
        {},
        "Corrupted segments that the newest open found."},
       &R::corrupted_segments},
      {{"pluresdb_last_recovery_quarantined_bytes",
        kGauge,
        {},
        "Bytes that the newest open put into quarantine."},
       &R::quarantined_bytes},
      {{"pluresdb_last_recovery_replayed_entries",
        kGauge,
        {},
        "Log entries that the newest open applied."},
       &R::replayed_entries},
      {{"pluresdb_last_recovery_tampered_places",
        kGauge,
        {},
        "Places of an encrypted log that were changed without its key, as the newest open found."},
       &R::tampered_places},
      {{"pluresdb_last_recovery_torn_bytes",
        kGauge,
        {},
        "Bytes of torn tails that the newest open dropped."},
       &R::torn_bytes_dropped},
      {{"pluresdb_last_recovery_torn_tails", kGauge, {}, "Torn tails that the newest open met."},
       &R::torn_tails},
      {{"pluresdb_last_recovery_wal_lost",
        kGauge,
        {},
        "1 when the newest open found the log lost and went on from the base store, else 0."},
       &R::wal_lost},
      {{"pluresdb_operation_duration_seconds",
        kHistogram,
        {"kind"},
        "Duration of acknowledged operations as the agent sees it."},
       OperationDurations{}},
      {{"pluresdb_payload_read_bytes_total",
        kCounter,
        {},
        "Bytes of JSON that the engine has handed out."},
       &S::payload_read_bytes_total},
      {{"pluresdb_payload_written_bytes_total",
        kCounter,
        {},
        "Bytes of JSON that the engine has put into the log."},
       &S::payload_written_bytes_total},
      {{"pluresdb_rate_limit_refusals_total",
        kCounter,
        {},
        "Writes refused because their actor, or all together, had written too much."},
       &S::rate_limit_refusals_total},
      {{"pluresdb_recovery_duration_seconds",
        kHistogram,
        {},
        "Duration of opening the store after its process ended."},
       &read_recoveries},
      {{"pluresdb_resident_memory_bytes",
        kGauge,
        {},
        "Resident memory of the worker, the process with the engine; 0 while none runs."},
       &N::resident_memory_bytes},
      {{"pluresdb_space_state", kGauge, {}, "Disk space: 0 normal, 1 low, 2 full."},
       &S::space_state},
      {{"pluresdb_wal_appended_bytes_total", kCounter, {}, "Bytes appended to the log."},
       &S::wal_appended_bytes_total},
      {{"pluresdb_wal_appended_entries_total", kCounter, {}, "Entries appended to the log."},
       &S::wal_appended_entries_total},
      {{"pluresdb_wal_bytes", kGauge, {}, "Size of all log segments on disk."}, &S::wal_bytes},
      {{"pluresdb_wal_groups_rewritten_total",
        kCounter,
        {},
        "Groups written again into a new segment after a failed write or sync."},
       &S::wal_groups_rewritten_total},
      {{"pluresdb_wal_groups_total", kCounter, {}, "Group commits."}, &S::wal_groups_total},
      {{"pluresdb_wal_last_seq", kGauge, {}, "Newest seq in the log."}, &S::wal_last_seq},
      {{"pluresdb_wal_no_space_refusals_total",
        kCounter,
        {},
        "Writes refused because the disk was full."},
       &S::wal_no_space_refusals_total},
      {{"pluresdb_wal_read_only",
        kGauge,
        {},
        "1 while the log refuses writes until reopened, else 0."},
       &S::wal_read_only},
      {{"pluresdb_wal_segments", kGauge, {}, "Log segments on disk."}, &S::wal_segments},
      {{"pluresdb_wal_segments_compressed_total",
        kCounter,
        {},
        "Compressed log segments that compaction has written."},
       &S::segments_compressed_total},
      {{"pluresdb_wal_segments_deleted_total",
        kCounter,
        {},
        "Log segments deleted after a checkpoint covered them."},
       &S::segments_deleted_total},
      {{"pluresdb_wal_segments_rewritten_total",
        kCounter,
        {},
        "Log segments replaced by a smaller rewritten one."},
       &S::segments_rewritten_total},
      {{"pluresdb_wal_sync_duration_seconds",
        kHistogram,
        {},
        "Duration of the log's fdatasync calls."},
       &S::wal_sync_duration},
      {{"pluresdb_wal_sync_failures_total",
        kCounter,
        {},
        "fdatasync calls of the log that failed."},
       &S::wal_sync_failures_total},
      {{"pluresdb_wal_syncs_total", kCounter, {}, "fdatasync calls of the log."},
       &S::wal_syncs_total},
      {{"soak_acknowledged_bytes_total", kCounter, {}, "Payload bytes of acknowledged writes."},
       &N::acknowledged_bytes},
      {{"soak_agents_running", kGauge, {}, "Simulated agents at work."}, &read_agents_running},
      {{"soak_build_info", kGauge, {"version"}, "1; the version of this program."},
       &read_build_info},
      {{"soak_corrupt_reads_total",
        kCounter,
        {},
        "Reads that returned other bytes than were written."},
       &N::corrupt_reads},
      {{"soak_crashes_total", kCounter, {"kind"}, "Ends of the worker that the run caused."},
       &read_crashes},
      {{"soak_faults_fired_total",
        kCounter,
        {"kind", "point"},
        "Faults whose effect was seen: errors returned to the engine, processes killed."},
       &read_faults},
      {{"soak_live_documents", kGauge, {}, "Documents that must be in the store."},
       &N::live_documents},
      {{"soak_lost_acknowledged_writes_total",
        kCounter,
        {},
        "Acknowledged writes that the store did not have when asked. Must stay 0."},
       &N::lost_acknowledged_writes},
      {{"soak_open_maybes",
        kGauge,
        {},
        "Writes that ended in an error or a crash and were not seen yet: they may be there or "
        "not."},
       &N::open_maybes},
      {{"soak_operations_total", kCounter, {"kind", "outcome"}, "Operations of the agents."},
       &read_operations},
      {{"soak_phase", kGauge, {"phase"}, "1 for the phase that the run is in, 0 for earlier ones."},
       &read_phase},
      {{"soak_progress_ratio", kGauge, {}, "Elapsed share of the planned duration, 0 to 1."},
       &N::progress_ratio},
      {{"soak_resident_memory_bytes",
        kGauge,
        {},
        "Resident memory of the supervisor, the harness itself."},
       &N::supervisor_resident_memory_bytes},
      {{"soak_resurrected_deletes_total",
        kCounter,
        {},
        "Deleted documents that came back. Must stay 0."},
       &N::resurrected_deletes},
      {{"soak_run_info", kGauge, {"scenario", "seed"}, "1; what runs."}, &read_run_info},
      {{"soak_verified_bytes_total", kCounter, {}, "Bytes compared with what must be there."},
       &N::verified_bytes},
      {{"soak_verified_reads_total", kCounter, {}, "Reads compared with what must be there."},
       &N::verified_reads},
      {{"soak_worker_starts_total", kCounter, {}, "Starts of the worker process."},
       &N::worker_starts},
  };
  return table;
}

/// Fills a family from its row.
struct Reader {
  const Source& source;
  Family& family;

  void operator()(AtomicNumber SharedCounters::* member) const {
    const bool none = source.region == nullptr;
    family.series.push_back(
        value_series(none ? 0 : static_cast<double>(load(source.region->counters.*member))));
  }
  void operator()(SharedHistogram SharedCounters::* member) const {
    Series series;
    series.histogram = source.region == nullptr ? empty_histogram()
                                                : read_histogram(source.region->counters.*member);
    family.series.push_back(std::move(series));
  }
  void operator()(AtomicNumber RecoveryEvidence::* member) const {
    const bool none = source.region == nullptr;
    family.series.push_back(
        value_series(none ? 0 : static_cast<double>(load(source.region->recovery.*member))));
  }
  void operator()(std::uint64_t RunNumbers::* member) const {
    family.series.push_back(value_series(static_cast<double>(source.numbers.*member)));
  }
  void operator()(double RunNumbers::* member) const {
    family.series.push_back(value_series(source.numbers.*member));
  }
  void operator()(OperationDurations /*unused*/) const {
    for (std::size_t kind = 0; kind < kOperationKindCount; ++kind) {
      Series series;
      series.label_values = {std::string(kOperationKindNames[kind])};
      series.histogram = source.region == nullptr
                             ? empty_histogram()
                             : read_histogram(source.region->counters.operation_duration[kind]);
      family.series.push_back(std::move(series));
    }
  }
  void operator()(Custom custom) const { custom(source, family); }
};

}  // namespace

void RecoveryHistogram::observe(double seconds) {
  std::size_t bucket = 0;
  double bound = kFirstRecoveryBoundSeconds;
  while (bucket + 1 < kRecoveryBuckets && seconds > bound) {
    bound *= 2;
    ++bucket;
  }
  ++buckets[bucket];
  sum_seconds += seconds;
}

void Source::update(const RunNumbers& newer) {
  numbers = newer;
  for (const double seconds : newer.recovery_seconds) {
    recoveries.observe(seconds);
  }
  numbers.recovery_seconds.clear();
  for (const auto& [kind, count] : newer.crashes) {
    crash_kinds.admit(kind);
  }
  for (const auto& [point, count] : newer.faults_fired) {
    fault_points.admit(point);
  }
  if (!newer.phase.empty()) {
    phases.admit(newer.phase);
  }
}

std::vector<Family> collect(const Source& source) {
  std::vector<Family> families;
  families.reserve(rows().size());
  for (const Row& row : rows()) {
    Family family{.info = &row.info, .series = {}};
    std::visit(Reader{.source = source, .family = family}, row.reading);
    families.push_back(std::move(family));
  }
  return families;
}

std::size_t series_count(std::span<const Family> families) {
  std::size_t count = 0;
  for (const Family& family : families) {
    for (const Series& series : family.series) {
      // Buckets with +Inf, and sum and count.
      count += family.info->type == kHistogram ? series.histogram.cumulative_counts.size() + 2 : 1;
    }
  }
  return count;
}

std::span<const MetricInfo> metric_table() {
  static const std::vector<MetricInfo> infos = [] {
    std::vector<MetricInfo> table;
    for (const Row& row : rows()) {
      table.push_back(row.info);
    }
    return table;
  }();
  return infos;
}

}  // namespace soak::metrics
