// metrics.om: valid OpenMetrics at the end, usable before, bounded for any duration. Method: a
// strict reader of the format (metrics_open_metrics.h), itself shown to refuse what is wrong.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "harness/common/shared_region.h"
#include "harness/metrics/exporter.h"
#include "harness/metrics/metric_rows.h"
#include "harness/metrics/sample_file.h"
#include "harness/tests/metrics_open_metrics.h"
#include "harness/tests/temporary_folder.h"

namespace soak::metrics {
namespace {

class SamplesTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::string path() const { return folder_.path().string() + "/metrics.om"; }
  [[nodiscard]] std::string text() const {
    const std::ifstream stream(path(), std::ios::binary);
    std::ostringstream out;
    out << stream.rdbuf();
    return out.str();
  }
  /// The numbers after `step` seconds of a run; fault points appear in the middle of it.
  const std::vector<Family>& families_at(std::uint64_t step) {
    region_->counters.wal_bytes = step * 100;
    region_->counters.wal_syncs_total = step;
    region_->counters.wal_sync_duration.buckets[step % kDurationBuckets] += 1;
    region_->counters.wal_sync_duration.sum_ns += 1'000'000;
    RunNumbers numbers;
    numbers.acknowledged_bytes = step * 7;
    numbers.phase = step < 5 ? "warm up" : "run\n\"quoted\\";
    numbers.progress_ratio = static_cast<double>(step) / 3;
    if (step >= 3) {
      numbers.faults_fired[{"sync_error", "wal/segment/sync"}] = step;
    }
    source_.region = region_.get();
    source_.scenario = "title with \"quotes\" and } brace";
    source_.update(numbers);
    families_ = collect(source_);
    return families_;
  }

  const TemporaryFolder folder_;
  std::unique_ptr<SharedRegion> region_ = std::make_unique<SharedRegion>();
  Source source_;
  std::vector<Family> families_;
};

std::string joined(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) {
    out += line + "\n";
  }
  return out;
}

constexpr double kStart = 1'764'020'000.25;

TEST_F(SamplesTest, TheFinishedFileIsValidAndHasEverySample) {
  auto file = SampleFile::create(path());
  ASSERT_TRUE(file.has_value());
  for (std::uint64_t step = 0; step < 10; ++step) {
    ASSERT_TRUE((*file)->append(families_at(step), kStart + static_cast<double>(step)).has_value());
  }
  ASSERT_TRUE((*file)->finish().has_value());
  const OpenMetricsText read = OpenMetricsReader::read(text());
  EXPECT_TRUE(read.problems.empty()) << joined(read.problems);
  EXPECT_EQ(read.types.size(), metric_table().size());
  EXPECT_EQ(read.types.at("soak_operations"), "counter");
  EXPECT_EQ(read.types.at("soak_run"), "info");
  EXPECT_EQ(read.types.at("pluresdb_wal_sync_duration_seconds"), "histogram");
  std::size_t faults = 0;
  std::size_t bytes = 0;
  for (const OpenMetricsSample& sample : read.samples) {
    if (sample.name == "soak_faults_fired_total") {
      EXPECT_DOUBLE_EQ(sample.value, sample.time - kStart);  // A series that came late.
      ++faults;
    }
    if (sample.name == "pluresdb_wal_bytes") {
      EXPECT_DOUBLE_EQ(sample.value, (sample.time - kStart) * 100);
      ++bytes;
    }
  }
  EXPECT_EQ(faults, 7U);
  EXPECT_EQ(bytes, 10U);
  EXPECT_FALSE(std::filesystem::exists(path() + ".tmp"));
}

TEST_F(SamplesTest, AKilledSupervisorLeavesCompleteLinesByTime) {
  auto file = SampleFile::create(path());
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE((*file)->append(families_at(4), kStart).has_value());
  const std::string first = text();
  ASSERT_TRUE((*file)->append(families_at(5), kStart + 1).has_value());
  const std::string second = text();
  EXPECT_TRUE(second.starts_with(first));
  const OpenMetricsText one = OpenMetricsReader::read(first + "# EOF\n");
  EXPECT_TRUE(one.problems.empty()) << joined(one.problems);
  EXPECT_NE(second.find("pluresdb_wal_bytes 500 1764020001.250\n"), std::string::npos);
  EXPECT_EQ(second.find("# TYPE", first.size()), std::string::npos);
}

TEST_F(SamplesTest, ALongRunIsThinnedAndStaysBounded) {
  constexpr std::size_t kTimesMax = 64;
  auto file = SampleFile::create(path(), kTimesMax);
  ASSERT_TRUE(file.has_value());
  constexpr std::uint64_t kSteps = 5 * kTimesMax;
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    ASSERT_TRUE((*file)->append(families_at(step), kStart + static_cast<double>(step)).has_value());
    ASSERT_LE((*file)->sample_times(), kTimesMax);
  }
  EXPECT_GE((*file)->sample_times(), kTimesMax / 2);
  ASSERT_TRUE((*file)->finish().has_value());
  const OpenMetricsText read = OpenMetricsReader::read(text());
  EXPECT_TRUE(read.problems.empty()) << joined(read.problems);
  std::vector<double> times;
  for (const OpenMetricsSample& sample : read.samples) {
    if (sample.name == "pluresdb_wal_bytes") {
      EXPECT_DOUBLE_EQ(sample.value, (sample.time - kStart) * 100);
      times.push_back(sample.time);
    }
  }
  ASSERT_EQ(times.size(), (*file)->sample_times());
  EXPECT_EQ(times.front(), kStart);
  for (std::size_t i = 1; i < times.size(); ++i) {
    EXPECT_EQ(times[i] - times[i - 1], 8) << "the interval is even after thinning";
  }
}

TEST_F(SamplesTest, ATimeThatDoesNotGrowIsSkipped) {
  auto file = SampleFile::create(path());
  ASSERT_TRUE(file.has_value());
  for (const double time : {kStart, kStart, kStart - 5, kStart + 0.0001, kStart + 1}) {
    ASSERT_TRUE((*file)->append(families_at(1), time).has_value());
  }
  EXPECT_EQ((*file)->sample_times(), 2U);
  ASSERT_TRUE((*file)->finish().has_value());
  EXPECT_TRUE(OpenMetricsReader::read(text()).problems.empty());
}

TEST_F(SamplesTest, AnEmptyRunIsValid) {
  auto file = SampleFile::create(path());
  ASSERT_TRUE(file.has_value());
  ASSERT_TRUE((*file)->finish().has_value());
  ASSERT_TRUE((*file)->finish().has_value());
  EXPECT_EQ(text(), "# EOF\n");
}

TEST_F(SamplesTest, ErrorsNameTheFile) {
  const auto absent = SampleFile::create(folder_.path().string() + "/absent/metrics.om");
  ASSERT_FALSE(absent.has_value());
  EXPECT_NE(absent.error().context.find("/absent/metrics.om"), std::string::npos);
  auto full = SampleFile::create("/dev/full");
  ASSERT_TRUE(full.has_value());
  const auto status = (*full)->append(families_at(1), kStart);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().sys_errno, ENOSPC);
}

struct Bad {
  const char* what;
  const char* text;
};

TEST(OpenMetricsReader, RefusesWhatTheFormatForbids) {
  const std::vector<Bad> cases = {
      {"no end", "# TYPE a gauge\na 1 1\n"},
      {"text after the end", "# EOF\n# TYPE a gauge\n# EOF\n"},
      {"family twice", "# TYPE a gauge\na 1 1\n# TYPE b gauge\n# TYPE a gauge\n# EOF\n"},
      {"counter without _total", "# TYPE a counter\na 1 1\n# EOF\n"},
      {"reserved suffix", "# TYPE a_total counter\n# EOF\n"},
      {"no time", "# TYPE a gauge\na 1\n# EOF\n"},
      {"time goes back", "# TYPE a gauge\na 1 2\na 1 1\n# EOF\n"},
      {"duplicate", "# TYPE a gauge\na 1 1\na 2 1\n# EOF\n"},
      {"interleaved", "# TYPE a gauge\na{x=\"1\"} 1 1\na{x=\"2\"} 1 1\na{x=\"1\"} 1 2\n# EOF\n"},
      {"counter goes back", "# TYPE a counter\na_total 2 1\na_total 1 2\n# EOF\n"},
      {"label syntax", "# TYPE a gauge\na{x=1} 1 1\n# EOF\n"},
      {"unit", "# TYPE a_bytes gauge\n# UNIT a_bytes seconds\n# EOF\n"},
      {"no +Inf", "# TYPE a histogram\na_bucket{le=\"1.0\"} 1 1\na_count 1 1\na_sum 1 1\n# EOF\n"},
      {"not cumulative",
       "# TYPE a histogram\na_bucket{le=\"1.0\"} 2 1\na_bucket{le=\"+Inf\"} 1 1\n"
       "a_count 1 1\na_sum 1 1\n# EOF\n"},
  };
  for (const Bad& bad : cases) {
    EXPECT_FALSE(OpenMetricsReader::read(bad.text).problems.empty()) << bad.what;
  }
  const auto good = OpenMetricsReader::read(
      "# TYPE a gauge\n# HELP a x\na{x=\"1\"} 1 1\na{x=\"1\"} 1 2\na{x=\"2\"} 1 1\n# EOF\n");
  EXPECT_TRUE(good.problems.empty()) << joined(good.problems);
}

}  // namespace
}  // namespace soak::metrics
