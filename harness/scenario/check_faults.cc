// Faults that could never come, never fire, or be taken for another.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ranges>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "faultinj/points.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/check_power_loss.h"
#include "harness/scenario/check_support.h"
#include "harness/scenario/document.h"
#include "harness/scenario/fault_overlap.h"
#include "harness/scenario/read.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/units.h"

namespace soak::scenario {
namespace {

// The supervisor takes a worker that does nothing for a minute for one that hangs.
constexpr double kLongestPauseSeconds = 30;

struct FaultChecker : CheckSupport {
  void faults();
  void fault(std::size_t index);
  void needed_keys(const Node& table, const FaultSection& fault);
  void schedule(const Node& table, const FaultSection& fault);
  void instant(const Node& table, const FaultSection& fault);
  void point(const Node& table, const FaultSection& fault);
  void must_fire(const Node& table, const FaultSection& fault);
};

bool phase_has(const PhaseSection& phase, const FaultSection& fault) {
  return std::find(phase.faults.begin(), phase.faults.end(), fault.name) != phase.faults.end();
}

void FaultChecker::faults() {
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

void FaultChecker::fault(std::size_t index) {
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
  check_power_loss(table, fault, findings);
  needed_keys(table, fault);
  if (!refused(table, "max_bytes") && fault.max_bytes != 0 && fault.max_bytes < fault.min_bytes) {
    findings.add(place(table, "max_bytes"), "faults.max_bytes: is below `min_bytes`");
  }
  if (!refused(table, "probability") && fault.probability == 0) {
    findings.add(place(table, "probability"),
                 "faults.probability: with 0 it never fires; write a number above 0");
  }
}

void FaultChecker::needed_keys(const Node& table, const FaultSection& fault) {
  if (fault.kind == FaultKind::kSlowIo && table.find("delay") == nullptr) {
    findings.add(table.place,
                 "faults: how slow? a fault of kind slow_io needs `delay`, such as \"50ms\"");
  }
  if (fault.kind == FaultKind::kClockJump && table.find("by") == nullptr) {
    findings.add(table.place,
                 "faults: how far? a fault of kind clock_jump needs `by`, such as \"5m\"");
  }
  if (fault.kind == FaultKind::kTampering && scenario.engine.encryption == "none") {
    findings.add(place(table, "kind"),
                 "faults.kind: only an encrypted store can notice tampering; write "
                 "engine.encryption = \"aes-256-gcm\"");
  }
  if (fault.kind == FaultKind::kPause && fault.for_seconds.value_or(0) > kLongestPauseSeconds) {
    findings.add(place(table, "for"), fmt::format("faults.for: a worker is paused for at most {}",
                                                  format_duration(kLongestPauseSeconds)));
  }
}

void FaultChecker::schedule(const Node& table, const FaultSection& fault) {
  const bool has_every = table.find("every") != nullptr;
  const bool has_at = table.find("at") != nullptr;
  const char* kind = fault_kind_name(fault.kind);
  if (has_every && has_at) {
    findings.add(place(table, "at"),
                 "faults.at: a fault comes once (`at`) or again and again (`every`), not both");
    return;
  }
  if (!has_every && !has_at && (is_instant(fault.kind) || fault.kind == FaultKind::kDiskFull)) {
    findings.add(table.place,
                 fmt::format("faults: when? a fault of kind {} needs `at` or `every`", kind));
  }
  const bool needs_for = fault.kind == FaultKind::kDiskFull || fault.kind == FaultKind::kPause;
  if (needs_for && table.find("for") == nullptr) {
    findings.add(table.place,
                 fmt::format("faults: how long? a fault of kind {} needs `for`", kind));
  }
  if (!has_every && table.find("jitter") != nullptr && !refused(table, "jitter")) {
    findings.add(place(table, "jitter"), "faults.jitter: means nothing without `every`");
  }
  if (!has_every && !has_at && table.find("for") != nullptr && !needs_for) {
    findings.add(place(table, "for"), "faults.for: means nothing without `at` or `every`");
  }
  instant(table, fault);
}

void FaultChecker::instant(const Node& table, const FaultSection& fault) {
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

/// Of the points that `pattern` means.
bool all_points_end_in(std::string_view pattern, std::initializer_list<std::string_view> endings) {
  const bool is_prefix = pattern.ends_with('*');
  pattern.remove_suffix(is_prefix ? 1 : 0);
  return std::ranges::all_of(faultinj::all_points(), [&](const std::string& name) {
    const bool hit = is_prefix ? name.starts_with(pattern) : name == pattern;
    return !hit || std::ranges::any_of(
                       endings, [&](std::string_view ending) { return name.ends_with(ending); });
  });
}

void FaultChecker::point(const Node& table, const FaultSection& fault) {
  const bool needs = !is_instant(fault.kind) && fault.kind != FaultKind::kDiskFull;
  if (needs && table.find("point") == nullptr) {
    findings.add(table.place, fmt::format("faults: where? a fault of kind {} needs `point`; see "
                                          "`pluresdb-soak list points`",
                                          fault_kind_name(fault.kind)));
    return;
  }
  if (fault.point.empty() || refused(table, "point")) {
    return;
  }
  if (fault.kind == FaultKind::kDiskFull && !fault.point.starts_with(faultinj::kSpacePrefix) &&
      !fault.point.starts_with(faultinj::kInodesPrefix)) {
    findings.add(place(table, "point"),
                 "faults.point: a full disk is the points below space/, or below inodes/; write "
                 "\"space/*\" or \"inodes/*\"");
  }
  const auto& damageable = faultinj::damageable_points();
  if (is_damage(fault.kind) && std::ranges::find(damageable, fault.point) == damageable.end()) {
    findings.add(place(table, "point"),
                 fmt::format("faults.point: \"{}\" cannot be damaged; write one of \"{}\"",
                             fault.point, fmt::join(damageable, "\", \"")));
  }
  if (is_damage(fault.kind) && fault.point.starts_with("base/") &&
      std::ranges::find(scenario.faults, FaultKind::kCrashImage, &FaultSection::kind) !=
          scenario.faults.end()) {
    findings.add(place(table, "point"),
                 "faults.point: crash images are scanned as a whole, which a store with a damaged "
                 "base store refuses; remove the one fault or the other");
  }
  if (fault.kind == FaultKind::kSyncError &&
      !all_points_end_in(fault.point, {"/sync", "/sync_directory"})) {
    findings.add(place(table, "point"),
                 "faults.point: a sync_error needs a point that ends in /sync or /sync_directory; "
                 "for other operations write kind = \"io_error\"");
  }
  if (fault.kind == FaultKind::kSyncError && fault.after_error != "still_dirty" &&
      !all_points_end_in(fault.point, {"/sync"})) {
    findings.add(place(table, "point"),
                 "faults.point: a directory has no page cache that `after_error` could speak of; "
                 "write a point that ends in /sync");
  }
  if (fault.kind == FaultKind::kShortWrite && !all_points_end_in(fault.point, {"/write"})) {
    findings.add(place(table, "point"),
                 "faults.point: a short_write needs a point that ends in /write; for other "
                 "operations write kind = \"io_error\"");
  }
}

void FaultChecker::must_fire(const Node& table, const FaultSection& fault) {
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

}  // namespace

double most_firings(const Scenario& scenario, const FaultSection& fault) {
  const double infinite = std::numeric_limits<double>::infinity();
  double arrivals = 1;
  if (fault.every_seconds.has_value()) {
    const double shortest = *fault.every_seconds * (1 - fault.jitter);
    arrivals = shortest > 0 ? std::floor(active_seconds(scenario, fault) / shortest + kSameSeconds)
                            : infinite;
  }
  if (is_instant(fault.kind)) {
    return fault.kind == FaultKind::kCrashImage ? arrivals * fault.images : arrivals;
  }
  // Without `times` or `nth` one arming fires for every call of the point; without a schedule the
  // point is armed again in every incarnation.
  const bool unscheduled = !fault.every_seconds.has_value() && !fault.at_seconds.has_value();
  const std::uint64_t times = fault.nth > 0 ? 1 : fault.times;
  return times == 0 || unscheduled ? infinite : arrivals * static_cast<double>(times);
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

void check_faults(const Node& root, const Scenario& scenario, Findings& findings) {
  FaultChecker checker{{root, scenario, findings}};
  checker.faults();
}

}  // namespace soak::scenario
