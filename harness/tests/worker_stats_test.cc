// Goal: how the engine stands after a failed sync (D5), on a full disk (D6), with a base store or a
// compaction that fails, is seen from outside. Method: a target that reports such numbers, the real
// publisher, the shared region, the real table of metrics; then a second incarnation.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "harness/common/shared_region.h"
#include "harness/metrics/metric_rows.h"
#include "harness/supervisor/recorder.h"
#include "harness/worker/evidence.h"
#include "harness/worker/target.h"
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace soak::worker {
namespace {

/// Has nothing but numbers.
class NumbersTarget final : public Target {
 public:
  pluresdb::EngineStats numbers;

  pluresdb::Result<std::uint64_t> put(std::string_view, std::string_view,
                                      std::string_view) override {
    return 0;
  }
  pluresdb::Result<std::uint64_t> erase(std::string_view, std::string_view) override { return 0; }
  pluresdb::Result<std::optional<std::string>> get(std::string_view) override {
    return std::optional<std::string>();
  }
  pluresdb::Status scan(const Visit&) override { return {}; }
  pluresdb::Result<std::uint64_t> checkpoint() override { return 0; }
  pluresdb::EngineStats stats() override { return numbers; }
  pluresdb::RecoveryReport recovery() override { return {}; }
  pluresdb::Status close() override { return {}; }
};

double value(const std::vector<metrics::Family>& families, std::string_view name) {
  const auto found = std::ranges::find_if(
      families, [name](const metrics::Family& family) { return family.info->name == name; });
  if (found == families.end() || found->series.size() != 1) {
    ADD_FAILURE() << "no series of " << name;
    return -1;
  }
  return found->series.front().value;
}

TEST(StatsPublisher, FailuresAndStatesOfTheEngineReachTheMetrics) {
  const auto region = std::make_unique<SharedRegion>();
  metrics::Source source;
  source.region = region.get();
  NumbersTarget target;
  pluresdb::WalStats& wal = target.numbers.wal;
  wal.read_only = true;
  wal.sync_failures = 3;
  wal.groups_rewritten = 2;
  wal.no_space_refusals = 5;
  target.numbers.space = pluresdb::SpaceState::kFull;
  target.numbers.checkpoint_failures = 7;
  target.numbers.compaction_failures = 11;
  target.numbers.clock_jumps_held = 13;
  target.numbers.rate_limit_refusals = 17;
  {
    const StatsPublisher publisher(target, region->counters);
  }
  auto families = collect(source);
  EXPECT_EQ(value(families, "pluresdb_wal_read_only"), 1);
  EXPECT_EQ(value(families, "pluresdb_wal_sync_failures_total"), 3);
  EXPECT_EQ(value(families, "pluresdb_wal_groups_rewritten_total"), 2);
  EXPECT_EQ(value(families, "pluresdb_wal_no_space_refusals_total"), 5);
  EXPECT_EQ(value(families, "pluresdb_space_state"), 2);
  EXPECT_EQ(value(families, "pluresdb_checkpoint_failures_total"), 7);
  EXPECT_EQ(value(families, "pluresdb_compaction_failures_total"), 11);
  EXPECT_EQ(value(families, "pluresdb_clock_jumps_held_total"), 13);
  EXPECT_EQ(value(families, "pluresdb_rate_limit_refusals_total"), 17);

  wal.read_only = false;
  target.numbers.space = pluresdb::SpaceState::kLow;
  {
    const StatsPublisher publisher(target, region->counters);
  }
  families = collect(source);
  EXPECT_EQ(value(families, "pluresdb_wal_read_only"), 0) << "a state is that of the newest life";
  EXPECT_EQ(value(families, "pluresdb_space_state"), 1);
  const std::map<std::string_view, double> totals = {
      {"pluresdb_wal_sync_failures_total", 6},      {"pluresdb_wal_groups_rewritten_total", 4},
      {"pluresdb_wal_no_space_refusals_total", 10}, {"pluresdb_checkpoint_failures_total", 14},
      {"pluresdb_compaction_failures_total", 22},   {"pluresdb_clock_jumps_held_total", 26},
      {"pluresdb_rate_limit_refusals_total", 34}};
  for (const auto& [name, total] : totals) {
    EXPECT_EQ(value(families, name), total) << name << " goes on over kills";
  }
}

TEST(Recovery, WhatItFoundReachesTheMetricsAndTheSupervisor) {
  const auto region = std::make_unique<SharedRegion>();
  metrics::Source source;
  source.region = region.get();
  pluresdb::RecoveryReport report;
  report.wal.tampered_places = 4;
  publish_recovery(report, 1, region->recovery);
  EXPECT_EQ(value(collect(source), "pluresdb_last_recovery_tampered_places"), 4);
  const auto recovery = supervisor::read_recovery(region->recovery);
  EXPECT_TRUE(recovery.found_damage()) << "without damage to blame it is a false alarm";
  EXPECT_NE(recovery.damage_text().find("4 places"), std::string::npos);
}

}  // namespace
}  // namespace soak::worker
