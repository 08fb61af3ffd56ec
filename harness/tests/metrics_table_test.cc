// The table of metrics: naming rules, the names of the contract, the limit of series, and that each
// row reads what it says.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/metrics/exporter.h"
#include "harness/metrics/metric_rows.h"
#include "harness/scenario/catalog.h"

namespace soak::metrics {
namespace {

const Family& family(const std::vector<Family>& families, std::string_view name) {
  const auto found = std::ranges::find_if(
      families, [&](const Family& candidate) { return candidate.info->name == name; });
  EXPECT_NE(found, families.end()) << name;
  return found == families.end() ? families.front() : *found;
}

double value(const std::vector<Family>& families, std::string_view name,
             const std::vector<std::string>& labels = {}) {
  for (const Series& series : family(families, name).series) {
    if (series.label_values == labels) {
      return series.value;
    }
  }
  ADD_FAILURE() << "no such series of " << name;
  return -1;
}

bool is_known(std::string_view name) {
  return std::ranges::any_of(metric_table(),
                             [&](const MetricInfo& info) { return info.name == name; });
}

TEST(MetricTable, IsSortedWithoutDuplicatesAndNamedByTheRules) {
  const auto table = metric_table();
  for (std::size_t i = 0; i < table.size(); ++i) {
    const MetricInfo& info = table[i];
    if (i != 0) {
      EXPECT_LT(table[i - 1].name, info.name);
    }
    EXPECT_TRUE(info.name.starts_with("pluresdb_") || info.name.starts_with("soak_")) << info.name;
    EXPECT_EQ(info.type == MetricType::kCounter, info.name.ends_with("_total")) << info.name;
    EXPECT_EQ(info.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz_"), std::string_view::npos)
        << info.name;
    EXPECT_TRUE(info.help.ends_with('.')) << info.name;
    EXPECT_GT(info.help.size(), 10U) << info.name;
    if (info.type == MetricType::kHistogram) {
      EXPECT_TRUE(info.name.ends_with("_seconds")) << info.name;
    }
  }
}

TEST(MetricTable, HasTheNamesOfTheContract) {
  for (const std::string_view name :
       {"pluresdb_wal_segments", "pluresdb_wal_bytes", "pluresdb_wal_sync_duration_seconds",
        "pluresdb_recovery_duration_seconds", "pluresdb_crdt_actors", "pluresdb_crdt_tombstones",
        "pluresdb_resident_memory_bytes", "soak_operations_total", "soak_crashes_total",
        "soak_faults_fired_total", "soak_lost_acknowledged_writes_total", "soak_run_info",
        "soak_build_info", "soak_progress_ratio", "soak_phase"}) {
    EXPECT_TRUE(is_known(name)) << name;
  }
}

TEST(MetricTable, HasEveryMetricThatAScenarioCanNameInAThreshold) {
  std::size_t names = 0;
  for (const scenario::MetricInfo& metric : scenario::threshold_metrics()) {
    if (!metric.alias.empty()) {
      EXPECT_TRUE(is_known(metric.alias)) << metric.alias;
      ++names;
    }
  }
  EXPECT_GE(names, 4U);
}

/// Fills all of `counters` as an array of numbers, so that no row can read another's.
void fill(SharedCounters& counters) {
  static_assert(sizeof(std::atomic<std::uint64_t>) == sizeof(std::uint64_t));
  const auto numbers = std::span(reinterpret_cast<std::atomic<std::uint64_t>*>(&counters),
                                 sizeof(SharedCounters) / sizeof(std::uint64_t));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    numbers[i].store(1000 + i);
  }
}

TEST(MetricTable, EveryCounterOfTheSharedRegionIsExportedByExactlyOneRow) {
  const auto region = std::make_unique<SharedRegion>();
  fill(region->counters);
  Source source;
  source.region = region.get();
  std::multiset<double> exported;
  for (const Family& each : collect(source)) {
    for (const Series& series : each.series) {
      if (each.info->type != MetricType::kHistogram && series.value >= 1000) {
        exported.insert(series.value);
      }
    }
  }
  const std::size_t plain = offsetof(SharedCounters, wal_sync_duration) / sizeof(std::uint64_t);
  EXPECT_EQ(exported.size(), plain);
  for (std::size_t i = 0; i < plain; ++i) {
    EXPECT_EQ(exported.count(static_cast<double>(1000 + i)), 1U) << "number " << i;
  }
}

TEST(MetricTable, RowsReadTheirOwnNumbers) {
  const auto region = std::make_unique<SharedRegion>();
  SharedCounters& counters = region->counters;
  counters.wal_segments = 7;
  counters.wal_bytes = 4096;
  counters.tombstones = 12;
  counters.actors = 3;
  counters.segments_deleted_total = 5;
  counters.space_state = 2;
  region->recovery.torn_tails = 1;
  region->agents_running = 8;
  Source source;
  source.region = region.get();
  source.scenario = "title";
  source.seed = "42";
  source.version = "0.1.0";
  RunNumbers numbers;
  numbers.operations[1][2] = 17;
  numbers.lost_acknowledged_writes = 4;
  numbers.crashes = {{"crash", 3}, {"power_loss", 1}};
  numbers.faults_fired = {{{"sync_error", "wal/segment/sync"}, 2}};
  numbers.progress_ratio = 0.5;
  numbers.phase = "running";
  numbers.resident_memory_bytes = 1 << 20;
  numbers.supervisor_resident_memory_bytes = 2 << 20;
  source.update(numbers);
  const std::vector<Family> families = collect(source);
  EXPECT_EQ(value(families, "pluresdb_wal_segments"), 7);
  EXPECT_EQ(value(families, "pluresdb_wal_bytes"), 4096);
  EXPECT_EQ(value(families, "pluresdb_crdt_tombstones"), 12);
  EXPECT_EQ(value(families, "pluresdb_crdt_actors"), 3);
  EXPECT_EQ(value(families, "pluresdb_wal_segments_deleted_total"), 5);
  EXPECT_EQ(value(families, "pluresdb_space_state"), 2);
  EXPECT_EQ(value(families, "pluresdb_last_recovery_torn_tails"), 1);
  EXPECT_EQ(value(families, "pluresdb_resident_memory_bytes"), 1 << 20);
  EXPECT_EQ(value(families, "soak_resident_memory_bytes"), 2 << 20);
  EXPECT_EQ(value(families, "soak_agents_running"), 8);
  EXPECT_EQ(value(families, "soak_operations_total", {"stdout", "maybe"}), 17);
  EXPECT_EQ(value(families, "soak_operations_total", {"command", "acknowledged"}), 0);
  EXPECT_EQ(value(families, "soak_lost_acknowledged_writes_total"), 4);
  EXPECT_EQ(value(families, "soak_crashes_total", {"crash"}), 3);
  EXPECT_EQ(value(families, "soak_crashes_total", {"power_loss"}), 1);
  EXPECT_EQ(value(families, "soak_faults_fired_total", {"sync_error", "wal/segment/sync"}), 2);
  EXPECT_EQ(value(families, "soak_progress_ratio"), 0.5);
  EXPECT_EQ(value(families, "soak_phase", {"running"}), 1);
  EXPECT_EQ(value(families, "soak_run_info", {"title", "42"}), 1);
  EXPECT_EQ(value(families, "soak_build_info", {"0.1.0"}), 1);
}

TEST(MetricTable, OldPhasesGoToZero) {
  Source source;
  RunNumbers numbers;
  numbers.phase = "running";
  source.update(numbers);
  numbers.phase = "verifying";
  source.update(numbers);
  const std::vector<Family> families = collect(source);
  EXPECT_EQ(value(families, "soak_phase", {"running"}), 0);
  EXPECT_EQ(value(families, "soak_phase", {"verifying"}), 1);
}

TEST(Histograms, SharedOnesAreCumulativeWithTheCountOfTheirBuckets) {
  const auto region = std::make_unique<SharedRegion>();
  SharedHistogram& shared = region->counters.wal_sync_duration;
  shared.buckets[0] = 2;                     // Below 10 us.
  shared.buckets[3] = 5;                     // Below 80 us.
  shared.buckets[kDurationBuckets - 1] = 1;  // +Inf
  shared.count = 9;  // The writer was killed between a bucket and the count.
  shared.sum_ns = 2'500'000'000;
  Source source;
  source.region = region.get();
  const std::vector<Family> families = collect(source);
  const HistogramValue& out =
      family(families, "pluresdb_wal_sync_duration_seconds").series.at(0).histogram;
  ASSERT_EQ(out.upper_bounds.size(), kDurationBuckets - 1);
  ASSERT_EQ(out.cumulative_counts.size(), kDurationBuckets);
  EXPECT_EQ(out.upper_bounds[0], 1e-5);
  EXPECT_EQ(out.upper_bounds[3], 8e-5);
  EXPECT_EQ(out.upper_bounds.back(), 10.48576);
  EXPECT_EQ(out.cumulative_counts[2], 2U);
  EXPECT_EQ(out.cumulative_counts[3], 7U);
  EXPECT_EQ(out.cumulative_counts.back(), 8U);
  EXPECT_EQ(out.sum, 2.5);
}

TEST(Histograms, EachRecoveryIsObservedOnce) {
  Source source;
  RunNumbers numbers;
  numbers.recovery_seconds = {0.0005, 0.4, 1000};
  source.update(numbers);
  source.update(RunNumbers{});
  const std::vector<Family> families = collect(source);
  const HistogramValue& out =
      family(families, "pluresdb_recovery_duration_seconds").series.at(0).histogram;
  EXPECT_EQ(out.cumulative_counts.back(), 3U);
  EXPECT_EQ(out.cumulative_counts.front(), 1U);
  EXPECT_EQ(out.cumulative_counts[out.cumulative_counts.size() - 2], 2U);  // 1000 s: only +Inf.
  for (std::size_t i = 0; i < out.upper_bounds.size(); ++i) {
    EXPECT_EQ(out.cumulative_counts[i], out.upper_bounds[i] >= 0.4 ? 2U : 1U);
  }
  EXPECT_NEAR(out.sum, 1000.4005, 1e-9);
}

TEST(SeriesLimit, HoldsHoweverManyPointsKindsAndPhasesThereAre) {
  Source source;
  RunNumbers numbers;
  std::uint64_t fired = 0;
  for (std::size_t round = 0; round < 300; ++round) {
    const std::string name = "n" + std::to_string(999 - round);
    numbers.faults_fired[{name, "point"}] = round;
    numbers.crashes[name] = round;
    numbers.phase = name;
    fired += round;
    source.update(numbers);
  }
  const std::vector<Family> families = collect(source);
  EXPECT_LE(series_count(families), kSeriesMax);
  const Family& faults = family(families, "soak_faults_fired_total");
  EXPECT_EQ(faults.series.size(), kFaultSeriesMax + 1);
  double sum = 0;
  for (const Series& series : faults.series) {
    sum += series.value;
  }
  EXPECT_EQ(sum, static_cast<double>(fired));
  EXPECT_EQ(value(families, "soak_faults_fired_total", {"n999", "point"}), 0);  // Came first.
  EXPECT_EQ(family(families, "soak_crashes_total").series.size(), kCrashKindsMax + 1);
  EXPECT_EQ(value(families, "soak_phase", {"other"}), 1);
}

TEST(SeriesLimit, ARunWithoutAnEngineHasTheSameSeries) {
  const auto region = std::make_unique<SharedRegion>();
  Source with;
  with.region = region.get();
  EXPECT_EQ(series_count(collect(Source{})), series_count(collect(with)));
}

}  // namespace
}  // namespace soak::metrics
