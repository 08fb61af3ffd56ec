// docs/METRICS.md.
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "harness/metrics/exporter.h"
#include "harness/metrics/metric_rows.h"
#include "harness/metrics/sample_file.h"

namespace soak::metrics {
namespace {

constexpr std::string_view kIntroduction = R"(# Metrics

What a run exports, at `http://ADDRESS:PORT/metrics` while it goes on (`[metrics] listen`, `--listen`; printed at
the start of the run) and as samples with their times in `metrics.om` of the run folder. Generated from the table
in `harness/metrics/metric_rows.cc`; `PLURESDB_UPDATE_GOLDEN=1 metrics_reference_test` writes this file.

- `pluresdb_` is the engine, `soak_` the harness. Base units: seconds, bytes, ratios of 0 to 1. Counters end in `_total`.
- The supervisor serves them. Engine numbers are in memory that it shares with the worker, so counters and histograms
  go on over kills and never reset within a run. `pluresdb_resident_memory_bytes` does start again with each worker.
- They are for watching. The verdict never depends on them: it comes from the oracle (`summary.json`).
)";

std::string_view type_name(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
    case MetricType::kHistogram:
      break;
  }
  return "histogram";
}

std::string row(const MetricInfo& info) {
  std::string labels;
  for (const std::string_view label : info.labels) {
    labels += fmt::format("{}`{}`", labels.empty() ? "" : ", ", label);
  }
  return fmt::format("| `{}` | {} | {} | {} |\n", info.name, type_name(info.type), labels,
                     info.help);
}

std::string section(std::string_view title, std::string_view prefix) {
  std::string out =
      fmt::format("\n## {}\n\n| name | type | labels | meaning |\n|---|---|---|---|\n", title);
  for (const MetricInfo& info : metric_table()) {
    if (info.name.starts_with(prefix)) {
      out += row(info);
    }
  }
  return out;
}

std::string limits() {
  return fmt::format(R"(
## Buckets

Durations of operations, syncs and checkpoints: 10 us doubling to 10.5 s. Recoveries: 1 ms doubling to 524 s.

## Limits

At most {} series per run. Label values that come from the scenario are admitted first come, first served: {} pairs of
fault kind and point, {} kinds of crash, {} phases; later ones share the series `{}`. A series that exists stays.
`metrics.om` keeps at most {} sample times: when it is full every second one is dropped, and half as many are taken
from then on, so a run of a day is as bounded as a run of a minute.

## metrics.om

OpenMetrics text, one sample of every series per time. To look at a run in Prometheus:

```
promtool tsdb create-blocks-from openmetrics metrics.om tsdb/
prometheus --config.file=dashboards/prometheus/prometheus.yml --storage.tsdb.path=tsdb/ --storage.tsdb.retention.time=10y
```

While a run goes on, and after the supervisor itself was killed, the file holds the same lines by time and lacks the
last line `# EOF`; append it before giving the file to `promtool`.

## Names of the server library

The endpoint also has `exposer_transferred_bytes_total`, `exposer_scrapes_total` and `exposer_request_latencies`
(microseconds): the library's own, not part of this table.
)",
                     kSeriesMax, kFaultSeriesMax, kCrashKindsMax, kPhasesMax, kOtherLabel,
                     kSampleTimesMax);
}

}  // namespace

std::string metrics_reference() {
  return std::string(kIntroduction) + section("Engine", "pluresdb_") + section("Harness", "soak_") +
         limits();
}

}  // namespace soak::metrics
