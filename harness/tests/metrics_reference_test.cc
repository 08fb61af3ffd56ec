// docs/METRICS.md is what the table says. PLURESDB_UPDATE_GOLDEN=1 rewrites it.
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "harness/metrics/exporter.h"

namespace soak::metrics {
namespace {

TEST(MetricsReference, TheDocumentIsWhatTheTableSays) {
  if (std::getenv("PLURESDB_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(METRICS_REFERENCE_FILE, std::ios::binary) << metrics_reference();
  }
  const std::ifstream stream(METRICS_REFERENCE_FILE, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  EXPECT_EQ(text.str(), metrics_reference());
}

TEST(MetricsReference, NamesEveryMetricOnce) {
  const std::string text = metrics_reference();
  for (const MetricInfo& info : metric_table()) {
    const std::string row = "| `" + std::string(info.name) + "` |";
    const std::size_t at = text.find(row);
    EXPECT_NE(at, std::string::npos) << info.name;
    EXPECT_EQ(text.find(row, at + 1), std::string::npos) << info.name;
  }
}

}  // namespace
}  // namespace soak::metrics
