// Keys of the run: the top of the file, thresholds, metrics, report, defect, expect.
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/schema_limits.h"

namespace soak::scenario {
namespace {

using enum ValueType;

std::vector<std::string_view> implemented(std::span<const NameInfo> infos, bool yes) {
  std::vector<std::string_view> names;
  for (const NameInfo& info : infos) {
    if (info.implemented == yes) {
      names.push_back(info.name);
    }
  }
  return names;
}

std::vector<std::string_view> metric_names() {
  std::vector<std::string_view> names;
  for (const MetricInfo& metric : threshold_metrics()) {
    names.push_back(metric.name);
    if (!metric.alias.empty()) {
      names.push_back(metric.alias);
    }
  }
  return names;
}

std::vector<std::string_view> stat_names() {
  return {"p50", "p99", "max", "count", "start", "end", "slope_per_hour", "mean"};
}

}  // namespace

const std::vector<Field<Scenario>>& root_fields() {
  static const std::vector<Field<Scenario>> kFields = {
      {{.key = "schema",
        .type = kInteger,
        .doc = "version of the scenario language",
        .required = true,
        .min = 1,
        .max = 1},
       std::monostate{}},
      {{.key = "title",
        .type = kText,
        .doc = "what the run is called; names its run folder",
        .required = true,
        .min = 1,
        .max = 120},
       &Scenario::title},
      {{.key = "why",
        .type = kText,
        .doc = "why the scenario exists: what it would catch",
        .max = 2000},
       &Scenario::why},
      {{.key = "seed",
        .type = kSeed,
        .doc = "decides contents and instants; always printed",
        .max = kLargestInteger,
        .default_note = "\"random\""},
       std::monostate{}},
      {{.key = "duration",
        .type = kDuration,
        .doc = "how long agents run",
        .min = 1,
        .max = 31 * kDay,
        .default_note = "sum of the phases, else \"60s\""},
       &Scenario::duration_seconds},
      {{.key = "must_reach",
        .type = kNames,
        .doc = "recovery branches without which the verdict is inconclusive",
        .choices = implemented(recovery_branches(), true),
        .later = implemented(recovery_branches(), false)},
       &Scenario::must_reach},
  };
  return kFields;
}

const std::vector<Field<ThresholdSection>>& threshold_fields() {
  static const std::vector<Field<ThresholdSection>> kFields = {
      {{.key = "metric",
        .type = kChoice,
        .doc = "see `pluresdb-soak list metrics`",
        .required = true,
        .choices = metric_names()},
       &ThresholdSection::metric},
      {{.key = "stat",
        .type = kChoice,
        .doc = "which number of it",
        .required = true,
        .choices = stat_names()},
       &ThresholdSection::stat},
      {{.key = "max", .type = kQuantity, .doc = "more than this is a fail"},
       &ThresholdSection::max},
      {{.key = "min", .type = kQuantity, .doc = "less than this is a fail"},
       &ThresholdSection::min},
  };
  return kFields;
}

const std::vector<Field<Scenario>>& metrics_fields() {
  static const std::vector<Field<Scenario>> kFields = {
      {{.key = "listen",
        .type = kAddress,
        .doc = "where Prometheus can scrape the run; empty: nowhere"},
       &Scenario::metrics_listen},
  };
  return kFields;
}

const std::vector<Field<Scenario>>& report_fields() {
  static const std::vector<Field<Scenario>> kFields = {
      {{.key = "keep_data",
        .type = kChoice,
        .doc = "when the data directories stay",
        .choices = {"always", "on_failure", "never"}},
       &Scenario::keep_data},
  };
  return kFields;
}

const std::vector<Field<Scenario>>& defect_fields() {
  static const std::vector<Field<Scenario>> kFields = {
      {{.key = "kind",
        .type = kChoice,
        .doc = "a defect planted on purpose; needs expect.verdict = \"fail\"",
        .required = true,
        .choices = implemented(defects(), true),
        .later = implemented(defects(), false)},
       &Scenario::defect},
  };
  return kFields;
}

const std::vector<Field<ExpectSection>>& expect_fields() {
  static const std::vector<Field<ExpectSection>> kFields = {
      {{.key = "verdict",
        .type = kChoice,
        .doc = "what `check` expects of the run",
        .choices = {"pass", "fail", "inconclusive"}},
       &ExpectSection::verdict},
      {{.key = "check",
        .type = kChoice,
        .doc = "with verdict = \"fail\", and required there: the check that must say so",
        .choices = names_of(verdict_checks())},
       &ExpectSection::check},
  };
  return kFields;
}

}  // namespace soak::scenario
