// The endpoint as Prometheus sees it: scraped over a plain socket while the numbers change.
#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness/common/shared_region.h"
#include "harness/metrics/exporter.h"
#include "harness/metrics/metric_rows.h"
#include "harness/tests/scrape.h"
#include "harness/tests/temporary_folder.h"

namespace soak::metrics {
namespace {

struct Exposition {
  std::map<std::string, std::string> types, helps;
  std::map<std::string, double> samples;  ///< "name{labels}" -> value.
};

Exposition parse(const std::string& text) {
  Exposition out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ") || line.starts_with("# HELP ")) {
      const std::size_t space = line.find(' ', 7);
      auto& target = line.starts_with("# TYPE ") ? out.types : out.helps;
      EXPECT_TRUE(target.emplace(line.substr(7, space - 7), line.substr(space + 1)).second) << line;
    } else if (!line.empty()) {
      const std::size_t space = line.rfind(' ');
      const double value = std::strtod(line.c_str() + space + 1, nullptr);
      EXPECT_TRUE(out.samples.emplace(line.substr(0, space), value).second) << line;
    }
  }
  return out;
}

ExporterOptions listening_on(const std::string& listen) {
  ExporterOptions options;
  options.listen = listen;
  return options;
}

bool is_ours(const std::string& name) { return !name.starts_with("exposer_"); }

std::unique_ptr<Exporter> start(const SharedRegion& region, const std::string& samples_file = "") {
  auto exporter = Exporter::start({.listen = "127.0.0.1:0",
                                   .samples_file = samples_file,
                                   .scenario = "a \"title\"\nof two lines",
                                   .version = "0.1.0",
                                   .seed = 42,
                                   .region = &region});
  EXPECT_TRUE(exporter.has_value()) << (exporter.has_value() ? "" : exporter.error().context);
  return exporter.has_value() ? *std::move(exporter) : nullptr;
}

TEST(Exporter, ServesEveryMetricWithHelpAndTypeOnThePortThatWasBound) {
  const auto region = std::make_unique<SharedRegion>();
  const auto exporter = start(*region);
  ASSERT_NE(exporter, nullptr);
  EXPECT_TRUE(exporter->address().starts_with("127.0.0.1:"));
  ASSERT_GT(port_of(exporter->address()), 0);
  RunNumbers numbers;
  numbers.crashes["crash"] = 1;
  numbers.faults_fired[{"crash", ""}] = 1;
  numbers.phase = "running";
  exporter->update(numbers);
  const Exposition seen = parse(scrape(port_of(exporter->address())));
  const std::map<MetricType, std::string> type_names = {{MetricType::kCounter, "counter"},
                                                        {MetricType::kGauge, "gauge"},
                                                        {MetricType::kHistogram, "histogram"}};
  for (const MetricInfo& info : metric_table()) {
    const std::string name(info.name);
    ASSERT_TRUE(seen.types.contains(name)) << name;
    EXPECT_EQ(seen.types.at(name), type_names.at(info.type)) << name;
    EXPECT_EQ(seen.helps.at(name), info.help);
  }
  for (const auto& [name, type] : seen.types) {
    EXPECT_TRUE(!is_ours(name) ||
                std::ranges::any_of(metric_table(),
                                    [&](const MetricInfo& info) { return info.name == name; }))
        << name << " is not in the table";
  }
  EXPECT_EQ(
      seen.samples.at("soak_run_info{scenario=\"a \\\"title\\\"\\nof two lines\",seed=\"42\"}"), 1);
  EXPECT_EQ(seen.samples.at("pluresdb_wal_sync_duration_seconds_bucket{le=\"+Inf\"}"), 0);
}

TEST(Exporter, AtMostFiveHundredSeriesWhateverTheRunDoes) {
  const auto region = std::make_unique<SharedRegion>();
  const auto exporter = start(*region);
  ASSERT_NE(exporter, nullptr);
  RunNumbers numbers;
  for (int i = 0; i < 300; ++i) {
    numbers.faults_fired[{"kind", "point/" + std::to_string(i)}] = 1;
    numbers.crashes["kind" + std::to_string(i)] = 1;
    numbers.phase = "phase " + std::to_string(i);
    exporter->update(numbers);
  }
  const Exposition seen = parse(scrape(port_of(exporter->address())));
  EXPECT_LE(seen.samples.size(), 500U);
  EXPECT_EQ(seen.samples.at("soak_faults_fired_total{kind=\"other\",point=\"other\"}"),
            300 - static_cast<double>(kFaultSeriesMax));
}

/// What a worker and the supervisor's loop do to the numbers, until told to stop.
void churn(SharedRegion& region, Exporter& exporter, const std::atomic<bool>& stop) {
  RunNumbers numbers;
  for (std::uint64_t i = 1; !stop; ++i) {
    region.counters.wal_syncs_total.fetch_add(1);
    region.counters.wal_sync_duration.buckets[i % kDurationBuckets].fetch_add(1);
    region.counters.wal_sync_duration.sum_ns.fetch_add(1000);
    numbers.operations[i % kOperationKindCount][i % kOutcomeCount] += 1;
    numbers.acknowledged_bytes += 10;
    numbers.faults_fired[{"io_error", "point/" + std::to_string(i % 100)}] += 1;
    numbers.recovery_seconds = {0.001};
    exporter.update(numbers);
  }
}

TEST(Exporter, CountersNeverGoBackWhileNumbersChange) {
  const auto region = std::make_unique<SharedRegion>();
  const auto exporter = start(*region);
  ASSERT_NE(exporter, nullptr);
  std::atomic<bool> stop = false;
  std::thread writer([&] { churn(*region, *exporter, stop); });
  Exposition before;
  std::size_t compared = 0;
  for (int round = 0; round < 25; ++round) {
    const Exposition seen = parse(scrape(port_of(exporter->address())));
    for (const auto& [series, value] : before.samples) {
      const std::string name = series.substr(0, series.find('{'));
      const bool counts = name.ends_with("_total") || name.ends_with("_bucket") ||
                          name.ends_with("_count") || name.ends_with("_sum");
      if (is_ours(name) && counts) {
        ASSERT_TRUE(seen.samples.contains(series)) << series << " went away";
        EXPECT_GE(seen.samples.at(series), value) << series;
        ++compared;
      }
    }
    const std::string sync = "pluresdb_wal_sync_duration_seconds";
    EXPECT_EQ(seen.samples.at(sync + "_bucket{le=\"+Inf\"}"), seen.samples.at(sync + "_count"));
    before = seen;
  }
  stop = true;
  writer.join();
  EXPECT_GT(compared, 24U * 300U);
  EXPECT_GT(before.samples.at("pluresdb_recovery_duration_seconds_count"), 0);
}

TEST(Exporter, ABusyPortIsAnErrorThatSaysWhatToDo) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = loopback(0);
  ASSERT_EQ(::bind(descriptor, generic(address), sizeof(address)), 0);
  ASSERT_EQ(::listen(descriptor, 1), 0);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string listen = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const auto exporter = Exporter::start(listening_on(listen));
  ::close(descriptor);
  ASSERT_FALSE(exporter.has_value());
  EXPECT_EQ(exporter.error().code, pluresdb::ErrorCode::kIo);
  EXPECT_EQ(exporter.error().sys_errno, EADDRINUSE);
  EXPECT_NE(exporter.error().context.find(listen), std::string::npos);
  EXPECT_NE(exporter.error().context.find("--listen 127.0.0.1:0"), std::string::npos);
}

TEST(Exporter, AddressesThatCannotWorkAreErrors) {
  for (const char* listen :
       {"127.0.0.1", ":9464", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:99999"}) {
    const auto exporter = Exporter::start(listening_on(listen));
    ASSERT_FALSE(exporter.has_value()) << listen;
    EXPECT_EQ(exporter.error().code, pluresdb::ErrorCode::kInvalidArgument) << listen;
    EXPECT_NE(exporter.error().context.find(listen), std::string::npos);
  }
  for (const char* listen : {"192.0.2.1:0", "nobody.invalid:9464"}) {
    const auto exporter = Exporter::start(listening_on(listen));
    ASSERT_FALSE(exporter.has_value()) << listen;
    EXPECT_EQ(exporter.error().code, pluresdb::ErrorCode::kIo) << listen;
    EXPECT_NE(exporter.error().context.find(listen), std::string::npos);
  }
}

TEST(Exporter, WithoutAnAddressThereIsNoEndpointButSamples) {
  const TemporaryFolder folder;
  ExporterOptions options;
  options.samples_file = folder.path().string() + "/metrics.om";
  auto exporter = Exporter::start(options);
  ASSERT_TRUE(exporter.has_value());
  EXPECT_EQ((*exporter)->address(), "");
  EXPECT_TRUE((*exporter)->sample(1'764'020'000).has_value());
  EXPECT_TRUE((*exporter)->finish().has_value());
  const std::ifstream stream(folder.path().string() + "/metrics.om");
  std::ostringstream text;
  text << stream.rdbuf();
  EXPECT_NE(text.str().find("soak_build_info{version=\"\"} 1 1764020000.000"), std::string::npos);
  EXPECT_TRUE(text.str().ends_with("# EOF\n"));
}

}  // namespace
}  // namespace soak::metrics
