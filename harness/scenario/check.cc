// Checks across sections: references, sums, and faults whose instants can never come.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <ranges>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "faultinj/points.h"
#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/document.h"
#include "harness/scenario/fault_overlap.h"
#include "harness/scenario/read.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/suggest.h"
#include "harness/scenario/units.h"

namespace soak::scenario {
namespace {

// Durations are sums of decimals: what differs by less is the same.
constexpr double kSameSeconds = 1e-6;

/// The document beside the scenario that was read from it.
struct Checker {
  const Node& root;
  const Scenario& scenario;
  Findings& findings;

  /// Where `key` of `table` stands, else the table itself.
  Place place(const Node& table, std::string_view key) const {
    const Node* node = table.find(key);
    return node != nullptr ? node->place : table.place;
  }
  bool refused(const Node& table, std::string_view key) const {
    return findings.refused(table.find(key));
  }
  const Node& item(std::string_view array, std::size_t index) const {
    return root.find(array)->items[index];
  }

  template <typename Sections>
  void unique_names(std::string_view array, const Sections& sections) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < sections.size(); ++i) {
      const std::string& name = sections[i].name;
      if (!name.empty() && !seen.insert(name).second) {
        findings.add(place(item(array, i), "name"),
                     fmt::format("{}.name: \"{}\" is taken by an earlier one", array, name));
      }
    }
  }

  void top();
  void engine();
  void agents();
  void agent(std::size_t index);
  void payload(const Node& table, const PayloadDistribution& payload);
  void phases();
  void faults();
  void fault(std::size_t index);
  void schedule(const Node& table, const FaultSection& fault);
  void instant(const Node& table, const FaultSection& fault);
  void point(const Node& table, const FaultSection& fault);
  void must_fire(const Node& table, const FaultSection& fault);
  void thresholds();
  void threshold(std::size_t index);
  void expect();
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

bool phase_has(const PhaseSection& phase, const FaultSection& fault) {
  return std::find(phase.faults.begin(), phase.faults.end(), fault.name) != phase.faults.end();
}

void Checker::faults() {
  unique_names("faults", scenario.faults);
  for (std::size_t i = 0; i < scenario.faults.size(); ++i) {
    fault(i);
    const auto earlier = std::ranges::subrange(
        scenario.faults.begin(), scenario.faults.begin() + static_cast<std::ptrdiff_t>(i));
    const auto same = std::ranges::find_if(earlier, [&](const FaultSection& other) {
      return may_arm_the_same(scenario, other, scenario.faults[i]);
    });
    if (same != earlier.end()) {
      findings.add(
          place(item("faults", i), "point"),
          fmt::format("faults.point: \"{}\" may arm it at the same time, and one arming "
                      "replaces the other; keep them apart by phases, or by `at` and `for`",
                      same->name));
    }
  }
}

void Checker::fault(std::size_t index) {
  const Node& table = item("faults", index);
  const FaultSection& fault = scenario.faults[index];
  const bool used = scenario.phases.empty() ||
                    std::any_of(scenario.phases.begin(), scenario.phases.end(),
                                [&](const PhaseSection& phase) { return phase_has(phase, fault); });
  if (!used && !fault.name.empty()) {
    findings.add(place(table, "name"),
                 fmt::format("faults.name: no phase names \"{}\", so it would never be active; add "
                             "it to the `faults` of a phase or remove it",
                             fault.name));
    return;
  }
  // Without a kind nothing is known about which keys it needs.
  if (table.find("kind") == nullptr || refused(table, "kind")) {
    return;
  }
  schedule(table, fault);
  point(table, fault);
  must_fire(table, fault);
  if (!refused(table, "sector_bytes") && fault.sector_bytes != 512 && fault.sector_bytes != 4096) {
    findings.add(place(table, "sector_bytes"), "faults.sector_bytes: write \"512B\" or \"4KiB\"");
  }
  if (!refused(table, "probability") && fault.probability == 0) {
    findings.add(place(table, "probability"),
                 "faults.probability: with 0 it never fires; write a number above 0");
  }
}

bool is_kill(FaultKind kind) { return kind == FaultKind::kCrash || kind == FaultKind::kPowerLoss; }

void Checker::schedule(const Node& table, const FaultSection& fault) {
  const bool has_every = table.find("every") != nullptr;
  const bool has_at = table.find("at") != nullptr;
  const char* kind = fault_kind_name(fault.kind);
  if (has_every && has_at) {
    findings.add(place(table, "at"),
                 "faults.at: a fault comes once (`at`) or again and again (`every`), not both");
    return;
  }
  if (!has_every && !has_at && (is_kill(fault.kind) || fault.kind == FaultKind::kDiskFull)) {
    findings.add(table.place,
                 fmt::format("faults: when? a fault of kind {} needs `at` or `every`", kind));
  }
  if (fault.kind == FaultKind::kDiskFull && table.find("for") == nullptr) {
    findings.add(table.place, "faults: how long? a fault of kind disk_full needs `for`");
  }
  if (!has_every && table.find("jitter") != nullptr && !refused(table, "jitter")) {
    findings.add(place(table, "jitter"), "faults.jitter: means nothing without `every`");
  }
  if (!has_every && !has_at && table.find("for") != nullptr && fault.kind != FaultKind::kDiskFull) {
    findings.add(place(table, "for"), "faults.for: means nothing without `at` or `every`");
  }
  instant(table, fault);
}

void Checker::instant(const Node& table, const FaultSection& fault) {
  if (refused(root, "duration") || refused(table, "for")) {
    return;
  }
  const double active = longest_active_seconds(scenario, fault);
  const double span = fault.for_seconds.value_or(0);
  if (fault.every_seconds.has_value()) {
    // must_fire = 0 says that it need not come; --duration writes that for a run too short for it.
    if (*fault.every_seconds > active && fault.must_fire > 0) {
      findings.add(
          place(table, "every"),
          fmt::format("faults.every: {} is longer than the {} for which the fault is active "
                      "without a pause, so it would never come",
                      format_duration(*fault.every_seconds), format_duration(active)));
    } else if (span > *fault.every_seconds * (1 - fault.jitter)) {
      findings.add(place(table, "for"),
                   "faults.for: the next one would begin before this one ends; make `for` shorter "
                   "than `every` less its jitter");
    }
  }
  if (!fault.at_seconds.has_value()) {
    return;
  }
  if (*fault.at_seconds + span > scenario.duration_seconds + kSameSeconds ||
      *fault.at_seconds >= scenario.duration_seconds) {
    findings.add(place(table, "at"), fmt::format("faults.at: ends after the run, which lasts {}",
                                                 format_duration(scenario.duration_seconds)));
    return;
  }
  double begin = 0;
  for (const PhaseSection& phase : scenario.phases) {
    const double end = begin + phase.duration_seconds;
    if (*fault.at_seconds >= begin - kSameSeconds && *fault.at_seconds < end - kSameSeconds &&
        !phase_has(phase, fault)) {
      findings.add(place(table, "at"),
                   fmt::format("faults.at: falls into the phase \"{}\", whose `faults` do not name "
                               "\"{}\"",
                               phase.name, fault.name));
    }
    begin = end;
  }
}

void Checker::point(const Node& table, const FaultSection& fault) {
  const bool needs = fault.kind == FaultKind::kIoError || fault.kind == FaultKind::kSyncError;
  if (needs && table.find("point") == nullptr) {
    findings.add(table.place, fmt::format("faults: where? a fault of kind {} needs `point`; see "
                                          "`pluresdb-soak list points`",
                                          fault_kind_name(fault.kind)));
    return;
  }
  if (fault.point.empty() || refused(table, "point")) {
    return;
  }
  if (fault.kind == FaultKind::kDiskFull && !fault.point.starts_with("space/")) {
    findings.add(place(table, "point"),
                 "faults.point: a full disk is the points below space/; write \"space/*\"");
  }
  if (fault.kind != FaultKind::kSyncError) {
    return;
  }
  const bool wildcard = fault.point.back() == '*';
  const std::string prefix = fault.point.substr(0, fault.point.size() - (wildcard ? 1 : 0));
  const auto& points = faultinj::all_points();
  const bool only_syncs = std::all_of(points.begin(), points.end(), [&](const std::string& name) {
    const bool hit = wildcard ? name.starts_with(prefix) : name == prefix;
    return !hit || name.ends_with("/sync") || name.ends_with("/sync_directory");
  });
  if (!only_syncs) {
    findings.add(place(table, "point"),
                 "faults.point: a sync_error needs a point that ends in /sync or /sync_directory; "
                 "for other operations write kind = \"io_error\"");
  }
}

void Checker::must_fire(const Node& table, const FaultSection& fault) {
  if (refused(table, "must_fire") || refused(table, "times") || refused(table, "every")) {
    return;
  }
  const double most = most_firings(scenario, fault);
  if (static_cast<double>(fault.must_fire) > most && most >= 1) {
    findings.add(place(table, "must_fire"),
                 fmt::format("faults.must_fire: {} times is impossible; at most {} can come",
                             fault.must_fire, most));
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

}  // namespace

double most_firings(const Scenario& scenario, const FaultSection& fault) {
  const double infinite = std::numeric_limits<double>::infinity();
  double arrivals = 1;
  if (fault.every_seconds.has_value()) {
    const double shortest = *fault.every_seconds * (1 - fault.jitter);
    arrivals = shortest > 0 ? std::floor(active_seconds(scenario, fault) / shortest + kSameSeconds)
                            : infinite;
  }
  if (is_kill(fault.kind)) {
    return arrivals;
  }
  // Without `times` one arming fires for every call of the point; without a schedule the point is
  // armed again in every incarnation.
  const bool unscheduled = !fault.every_seconds.has_value() && !fault.at_seconds.has_value();
  return fault.times == 0 || unscheduled ? infinite : arrivals * static_cast<double>(fault.times);
}

double active_seconds(const Scenario& scenario, const FaultSection& fault) {
  if (scenario.phases.empty()) {
    return scenario.duration_seconds;
  }
  double sum = 0;
  for (const PhaseSection& phase : scenario.phases) {
    sum += phase_has(phase, fault) ? phase.duration_seconds : 0;
  }
  return sum;
}

double longest_active_seconds(const Scenario& scenario, const FaultSection& fault) {
  if (scenario.phases.empty()) {
    return scenario.duration_seconds;
  }
  double longest = 0;
  double sum = 0;
  for (const PhaseSection& phase : scenario.phases) {
    sum = phase_has(phase, fault) ? sum + phase.duration_seconds : 0;
    longest = std::max(longest, sum);
  }
  return longest;
}

void check_scenario(const Node& root, const Scenario& scenario, Findings& findings) {
  Checker checker{root, scenario, findings};
  checker.top();
  checker.engine();
  checker.agents();
  checker.phases();
  checker.faults();
  checker.thresholds();
  checker.expect();
}

}  // namespace soak::scenario
