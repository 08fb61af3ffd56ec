// What a scenario can name: fault kinds, threshold metrics, checks, recovery branches, defects.
// `pluresdb-soak list`, the parser and docs/SCENARIOS.md read these tables; the supervisor gives
// the names their meaning.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/scenario/scenario.h"

namespace soak::scenario {

struct FaultKindInfo {
  FaultKind kind;
  std::string_view name;
  bool implemented;
  std::string_view doc;
};
std::span<const FaultKindInfo> fault_kinds();

/// Ends the worker.
bool is_kill(FaultKind kind);
/// Kills that take away what was never synced.
bool is_power_loss(FaultKind kind);
/// Kills that damage what was synced: outside of what the engine promises to survive.
bool is_damage(FaultKind kind);
/// Comes at an instant and is then over: kills, pauses, jumps of the clock. Others last for a
/// while, in which a point is armed.
bool is_instant(FaultKind kind);

/// What an operation can fail with.
struct FaultError {
  std::string_view name;  ///< "EIO"
  int number = 0;
};
std::span<const FaultError> fault_errors();

/// What a disk and its file system can do to what was never synced: values of `faults.device`. What
/// each value means: docs/TESTING.md, "What a power loss can leave".
struct DeviceInfo {
  std::string_view name;
  std::vector<std::string_view> keeps;  ///< Possible values of `keep`; first: when it is left out.
  std::vector<std::string_view> names;  ///< The same of `names`.
  double garbage_max = 0;
  double garbage = 0;  ///< When it is left out.
  std::string_view doc;
};
std::span<const DeviceInfo> power_loss_devices();
/// Null when unknown.
const DeviceInfo* find_device(std::string_view name);

enum class MetricUnit { kSeconds, kBytes, kPerSecond, kCount };

/// A number that [[thresholds]] can judge at the end of a run.
struct MetricInfo {
  std::string_view name;   ///< As in summary.json; what Scenario holds.
  std::string_view alias;  ///< The exported metric of the same meaning, accepted too; or empty.
  MetricUnit unit;
  std::vector<std::string_view> stats;
  std::string_view doc;
};
std::span<const MetricInfo> threshold_metrics();
/// By name or alias; null when unknown.
const MetricInfo* find_metric(std::string_view name);

struct NameInfo {
  std::string_view name;
  bool implemented;
  std::string_view doc;
};
std::span<const NameInfo> verdict_checks();
/// Values of `must_reach`.
std::span<const NameInfo> recovery_branches();
/// Values of `defect.kind`.
std::span<const NameInfo> defects();

std::vector<std::string_view> names_of(std::span<const NameInfo> infos);

}  // namespace soak::scenario
