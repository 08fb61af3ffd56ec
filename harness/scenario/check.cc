// Checks across sections: references and sums. Those of faults: check_faults.cc.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/check_support.h"
#include "harness/scenario/document.h"
#include "harness/scenario/read.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/suggest.h"
#include "harness/scenario/units.h"

namespace soak::scenario {
namespace {

struct Checker : CheckSupport {
  void top();
  void engine();
  void agents();
  void agent(std::size_t index);
  void payload(const Node& table, const PayloadDistribution& payload);
  void phases();
  void thresholds();
  void threshold(std::size_t index);
  void expect();
  void encrypted_only();
};

void Checker::top() {
  if (scenario.phases.empty() || root.find("duration") == nullptr || refused(root, "duration")) {
    return;
  }
  double sum = 0;
  for (std::size_t i = 0; i < scenario.phases.size(); ++i) {
    const Node& phase = item("phases", i);
    if (phase.find("duration") == nullptr || refused(phase, "duration")) {
      return;
    }
    sum += scenario.phases[i].duration_seconds;
  }
  if (std::abs(sum - scenario.duration_seconds) > kSameSeconds) {
    findings.add(
        place(root, "duration"),
        fmt::format("duration: {} is not the sum of the phases, {}; change one of them, or "
                    "leave `duration` out (--duration rescales both)",
                    format_duration(scenario.duration_seconds), format_duration(sum)));
  }
}

void Checker::engine() {
  const Node* engine = root.find("engine");
  if (engine != nullptr && scenario.engine.vector_dimension > 0) {
    findings.add(place(*engine, "vector_dimension"),
                 "engine.vector_dimension: vectors are not implemented in this version; leave the "
                 "key out");
  }
  const Node* replicas = root.find("replicas");
  if (replicas == nullptr) {
    return;
  }
  if (scenario.replicas.count > 1) {
    findings.add(
        place(*replicas, "count"),
        "replicas.count: more than one replica is not implemented in this version; write 1");
  }
  if (scenario.replicas.sync_every_seconds > 0) {
    findings.add(place(*replicas, "sync_every"),
                 "replicas.sync_every: replication is not implemented in this version; leave the "
                 "key out");
  }
}

void Checker::agents() {
  const Node* array = root.find("agents");
  if (array == nullptr || (array->type == NodeType::kArray && array->items.empty())) {
    findings.add(root.place, "no agents: nothing would load the store; add an [[agents]]");
    return;
  }
  unique_names("agents", scenario.agents);
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < scenario.agents.size(); ++i) {
    total += scenario.agents[i].count;
    agent(i);
  }
  if (total > kAgentsMax) {
    findings.add(array->items.back().place,
                 fmt::format("agents.count: {} agents in all; at most {}", total, kAgentsMax));
  }
}

void Checker::agent(std::size_t index) {
  const Node& table = item("agents", index);
  const AgentsSection& agents = scenario.agents[index];
  const auto weight = [&](OperationKind kind) {
    return std::uint64_t{agents.mix[static_cast<std::size_t>(kind)]};
  };
  if (!refused(table, "mix")) {
    const std::uint64_t writes = weight(OperationKind::kCommand) + weight(OperationKind::kStdout) +
                                 weight(OperationKind::kStderr) + weight(OperationKind::kContext) +
                                 weight(OperationKind::kMemory);
    if (writes == 0) {
      findings.add(place(table, "mix"),
                   "agents.mix: nothing is ever written, so there is nothing to read, delete or "
                   "lose; give command, stdout, stderr, context or memory a weight");
    }
    if (weight(OperationKind::kSearch) > 0) {
      findings.add(place(*table.find("mix"), "search"),
                   "agents.mix.search: vector search is not implemented in this version; leave the "
                   "key out");
    }
  }
  if (const Node* sizes = table.find("payload_bytes"); sizes != nullptr) {
    payload(*sizes, agents.payload);
  }
}

void Checker::payload(const Node& table, const PayloadDistribution& payload) {
  if (refused(table, "min") || refused(table, "median") || refused(table, "max") ||
      refused(table, "distribution")) {
    return;
  }
  if (payload.distribution == "fixed" &&
      (payload.min_bytes != payload.median_bytes || payload.max_bytes != payload.median_bytes)) {
    const bool min_differs = payload.min_bytes != payload.median_bytes;
    findings.add(place(table, min_differs ? "min" : "max"),
                 "agents.payload_bytes: fixed payloads have one size, `median`; leave `min` and "
                 "`max` out");
  } else if (payload.min_bytes > payload.max_bytes) {
    findings.add(place(table, "min"), "agents.payload_bytes: `min` is above `max`");
  } else if (payload.median_bytes < payload.min_bytes || payload.median_bytes > payload.max_bytes) {
    findings.add(
        place(table, "median"),
        fmt::format("agents.payload_bytes: `median` {} is outside `min` .. `max`, {} .. {}",
                    format_bytes(payload.median_bytes), format_bytes(payload.min_bytes),
                    format_bytes(payload.max_bytes)));
  }
}

void Checker::phases() {
  unique_names("phases", scenario.phases);
  std::vector<std::string_view> known;
  known.reserve(scenario.faults.size());
  for (const FaultSection& fault : scenario.faults) {
    known.push_back(fault.name);
  }
  for (std::size_t i = 0; i < scenario.phases.size(); ++i) {
    const Node* names = item("phases", i).find("faults");
    if (names == nullptr || names->type != NodeType::kArray) {
      continue;
    }
    for (const Node& name : names->items) {
      if (name.type == NodeType::kString &&
          std::find(known.begin(), known.end(), name.text) == known.end()) {
        findings.add(name.place, fmt::format("phases.faults: there is no fault named \"{}\"{}",
                                             name.text, hint(name.text, known)));
      }
    }
  }
}

void Checker::thresholds() {
  for (std::size_t i = 0; i < scenario.thresholds.size(); ++i) {
    threshold(i);
  }
}

bool is_unit_of(const Node* node, MetricUnit unit) {
  if (node == nullptr || node->type != NodeType::kString) {
    return true;
  }
  return parse_duration(node->text).has_value() ? unit == MetricUnit::kSeconds
                                                : unit == MetricUnit::kBytes;
}

void Checker::threshold(std::size_t index) {
  const Node& table = item("thresholds", index);
  const ThresholdSection& threshold = scenario.thresholds[index];
  if (table.find("max") == nullptr && table.find("min") == nullptr) {
    findings.add(table.place, "thresholds: without `max` or `min` nothing is judged");
  }
  if (threshold.max.has_value() && threshold.min.has_value() && *threshold.min > *threshold.max) {
    findings.add(place(table, "min"), "thresholds.min: is above `max`: nothing could pass");
  }
  const MetricInfo* metric = find_metric(threshold.metric);
  if (metric == nullptr) {
    return;
  }
  if (!threshold.stat.empty() && std::find(metric->stats.begin(), metric->stats.end(),
                                           threshold.stat) == metric->stats.end()) {
    findings.add(place(table, "stat"),
                 fmt::format("thresholds.stat: {} has no {}; it has {}", threshold.metric,
                             threshold.stat, fmt::join(metric->stats, ", ")));
  }
  for (const std::string_view key : {"max", "min"}) {
    if (!refused(table, key) && !is_unit_of(table.find(key), metric->unit)) {
      findings.add(place(table, key),
                   fmt::format("thresholds.{}: wrong unit for {}", key, threshold.metric));
    }
  }
}

void Checker::expect() {
  const Node* expect = root.find("expect");
  const bool fails = scenario.expect.verdict == "fail";
  if (expect != nullptr && !refused(*expect, "verdict")) {
    if (fails && expect->find("check") == nullptr) {
      findings.add(place(*expect, "verdict"),
                   "expect.verdict: \"fail\" needs `check`: which check must say so; see "
                   "`pluresdb-soak list checks`");
    }
    if (!fails && expect->find("check") != nullptr && !refused(*expect, "check")) {
      findings.add(place(*expect, "check"),
                   "expect.check: means something only with verdict = \"fail\"");
    }
  }
  if (const Node* defect = root.find("defect"); defect != nullptr && !fails) {
    findings.add(place(*defect, "kind"),
                 "defect.kind: a planted defect must be convicted; write [expect] verdict = "
                 "\"fail\" and the `check` that must say so");
  }
}

/// What of a plain store would be looked for, or planted, in vain.
void Checker::encrypted_only() {
  if (scenario.engine.encryption != "none") {
    return;
  }
  const auto refuse = [this](const Node* table, const char* key, const std::string& name,
                             std::initializer_list<std::string_view> encrypted) {
    if (table != nullptr && std::ranges::find(encrypted, name) != encrypted.end()) {
      findings.add(place(*table, key),
                   fmt::format("{} is about encrypted stores only; write engine.encryption = "
                               "\"aes-256-gcm\"",
                               name));
    }
  };
  refuse(root.find("expect"), "check", scenario.expect.check,
         {"no_plaintext_on_disk", "no_nonce_reuse"});
  refuse(root.find("defect"), "kind", scenario.defect,
         {"plaintext_leak", "nonce_reuse", "ignored_tag"});
  for (const std::string& branch : scenario.must_reach) {
    refuse(&root, "must_reach", branch, {"tampering_reported"});
  }
}

}  // namespace

void check_scenario(const Node& root, const Scenario& scenario, Findings& findings) {
  Checker checker{{root, scenario, findings}};
  checker.top();
  checker.engine();
  checker.agents();
  checker.phases();
  check_faults(root, scenario, findings);
  checker.thresholds();
  checker.expect();
  checker.encrypted_only();
}

}  // namespace soak::scenario
