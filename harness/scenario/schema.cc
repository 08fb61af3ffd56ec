// The table of keys.
// tidy: lines: one table, in the order of the documents; half of it would be harder to read.
#include "harness/scenario/schema.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/units.h"

namespace soak::scenario {
namespace {

constexpr double kKiB = 1024;
constexpr double kMiB = 1024 * kKiB;
constexpr double kGiB = 1024 * kMiB;
constexpr double kDay = 86400;
constexpr double kLargestInteger = 9007199254740991.0;  // 2^53 - 1: exact as a double.
constexpr double kMustFireMax = 1e9;

using enum ValueType;
using enum FaultKind;

std::vector<std::string_view> implemented(std::span<const NameInfo> infos, bool yes) {
  std::vector<std::string_view> names;
  for (const NameInfo& info : infos) {
    if (info.implemented == yes) {
      names.push_back(info.name);
    }
  }
  return names;
}

std::vector<std::string_view> kind_names(bool yes) {
  std::vector<std::string_view> names;
  for (const FaultKindInfo& info : fault_kinds()) {
    if (info.implemented == yes) {
      names.push_back(info.name);
    }
  }
  return names;
}

std::vector<std::string_view> error_names() {
  std::vector<std::string_view> names;
  for (const FaultError& error : fault_errors()) {
    names.push_back(error.name);
  }
  return names;
}

std::vector<std::string_view> device_names() {
  std::vector<std::string_view> names;
  for (const DeviceInfo& device : power_loss_devices()) {
    names.push_back(device.name);
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

const std::vector<Field<EngineSection>>& engine_fields() {
  static const std::vector<Field<EngineSection>> kFields = {
      {{.key = "target",
        .type = kChoice,
        .doc = "the engine under test",
        .choices = {"pluresdb"},
        .later = {"sqlite", "rocksdb", "lmdb"}},
       &EngineSection::target},
      {{.key = "file_system",
        .type = kChoice,
        .doc =
            "auto: under the engine are only the layers that the faults need, without faults none; "
            "layered: all of them, so that fiu-ctrl can fire every point from outside",
        .choices = {"auto", "layered"}},
       &EngineSection::file_system},
      {{.key = "durability",
        .type = kChoice,
        .doc = "what an acknowledged write survives",
        .choices = {"none", "wal", "full"}},
       &EngineSection::durability},
      {{.key = "segment_bytes",
        .type = kBytes,
        .doc = "size of a write-ahead log segment",
        .min = 64 * kKiB,
        .max = 4 * kGiB},
       &EngineSection::segment_bytes},
      {{.key = "checkpoint", .type = kTable, .doc = "when a checkpoint is written by itself"},
       std::monostate{}},
      {{.key = "encryption",
        .type = kChoice,
        .doc = "encryption at rest",
        .choices = {"none"},
        .later = {"aes-256-gcm"}},
       &EngineSection::encryption},
      {{.key = "vector_dimension",
        .type = kInteger,
        .doc = "length of the agents' vectors; 0: no vector index. Above 0 is not implemented in "
               "this version",
        .max = 4096},
       &EngineSection::vector_dimension},
  };
  return kFields;
}

const std::vector<Field<CheckpointSection>>& checkpoint_fields() {
  static const std::vector<Field<CheckpointSection>> kFields = {
      {{.key = "wal_bytes",
        .type = kBytes,
        .doc = "after so many log bytes; 0: engine's default",
        .max = 1024 * kGiB},
       &CheckpointSection::wal_bytes},
      {{.key = "operations",
        .type = kInteger,
        .doc = "after so many operations; 0: engine's default",
        .max = kLargestInteger},
       &CheckpointSection::operations},
      {{.key = "every",
        .type = kDuration,
        .doc = "after so much time; 0s: engine's default",
        .max = kDay},
       &CheckpointSection::every_seconds},
  };
  return kFields;
}

const std::vector<Field<ReplicasSection>>& replicas_fields() {
  static const std::vector<Field<ReplicasSection>> kFields = {
      {{.key = "count",
        .type = kInteger,
        .doc = "stores, one worker process each. Above 1 is not implemented in this version",
        .min = 1,
        .max = 16},
       &ReplicasSection::count},
      {{.key = "sync_every",
        .type = kDuration,
        .doc = "how often replicas exchange changes. Above 0s is not implemented in this version",
        .max = kDay},
       &ReplicasSection::sync_every_seconds},
  };
  return kFields;
}

const std::vector<Field<AgentsSection>>& agents_fields() {
  static const std::vector<Field<AgentsSection>> kFields = {
      {{.key = "name",
        .type = kId,
        .doc = "begins the ids of their documents",
        .required = true,
        .min = 1,
        .max = 32},
       &AgentsSection::name},
      {{.key = "count",
        .type = kInteger,
        .doc = "agents of this kind; at most 64 in all",
        .min = 1,
        .max = static_cast<double>(kAgentsMax)},
       &AgentsSection::count},
      {{.key = "rate",
        .type = kRate,
        .doc = "operations per second of each agent, or \"max\"",
        .max = 1e6},
       &AgentsSection::operations_per_second},
      {{.key = "mix", .type = kTable, .doc = "weights of the operations"}, std::monostate{}},
      {{.key = "payload_bytes", .type = kTable, .doc = "sizes of stdout and stderr captures"},
       std::monostate{}},
      {{.key = "retention",
        .type = kDuration,
        .doc = "age at which an agent deletes its appended documents; 0s: never",
        .max = 31 * kDay},
       &AgentsSection::retention_seconds},
  };
  return kFields;
}

const std::vector<KeySpec>& mix_keys() {
  static const std::vector<KeySpec> kKeys = [] {
    constexpr std::array<std::string_view, kOperationKindCount> kDocs = {
        "append one command line",
        "append a capture, log-like",
        "append a capture with ANSI colour and invalid UTF-8",
        "overwrite one of a few documents",
        "overwrite one of many documents",
        "read an own document and check every byte",
        "vector search. Above 0 is not implemented in this version",
        "delete an own document"};
    std::vector<KeySpec> keys;
    keys.reserve(kOperationKindCount);
    for (std::size_t i = 0; i < kOperationKindCount; ++i) {
      keys.push_back(
          {.key = kOperationKindNames[i], .type = kInteger, .doc = kDocs[i], .max = 1'000'000});
    }
    return keys;
  }();
  return kKeys;
}

const std::vector<Field<PayloadDistribution>>& payload_fields() {
  static const std::vector<Field<PayloadDistribution>> kFields = {
      {{.key = "distribution",
        .type = kChoice,
        .doc = "fixed: all of `median`; uniform: `min` .. `max`; lognormal: around `median`, "
               "within `min` .. `max`",
        .choices = {"lognormal", "uniform", "fixed"}},
       &PayloadDistribution::distribution},
      {{.key = "median",
        .type = kBytes,
        .doc = "half of the payloads are smaller",
        .min = 1,
        .max = 8 * kMiB},
       &PayloadDistribution::median_bytes},
      {{.key = "min", .type = kBytes, .doc = "the smallest", .min = 1, .max = 8 * kMiB},
       &PayloadDistribution::min_bytes},
      {{.key = "max", .type = kBytes, .doc = "the largest", .min = 1, .max = 8 * kMiB},
       &PayloadDistribution::max_bytes},
  };
  return kFields;
}

const std::vector<Field<PhaseSection>>& phase_fields() {
  static const std::vector<Field<PhaseSection>> kFields = {
      {{.key = "name",
        .type = kName,
        .doc = "shown on the time axis",
        .required = true,
        .min = 1,
        .max = 60},
       &PhaseSection::name},
      {{.key = "duration",
        .type = kDuration,
        .doc = "all phases together last `duration`",
        .required = true,
        .min = 0.1,
        .max = 31 * kDay},
       &PhaseSection::duration_seconds},
      {{.key = "faults", .type = kNames, .doc = "names of the faults that are active"},
       &PhaseSection::faults},
  };
  return kFields;
}

namespace {

/// Keys that mean something for every kind of fault. The first two are read on their own.
std::vector<Field<FaultSection>> common_fault_fields() {
  return {
      {{.key = "name",
        .type = kName,
        .doc = "what phases and the report call it",
        .required = true,
        .min = 1,
        .max = 60},
       &FaultSection::name},
      {{.key = "kind",
        .type = kChoice,
        .doc = "what happens",
        .required = true,
        .choices = kind_names(true),
        .later = kind_names(false)},
       std::monostate{}},
      {{.key = "every",
        .type = kDuration,
        .doc = "again and again, this far apart",
        .min = 0.1,
        .max = 31 * kDay},
       &FaultSection::every_seconds},
      {{.key = "jitter",
        .type = kNumber,
        .doc = "fraction of `every` by which each instant varies",
        .max = 1},
       &FaultSection::jitter},
      {{.key = "at",
        .type = kDuration,
        .doc = "once, this long after the start of the run",
        .max = 31 * kDay},
       &FaultSection::at_seconds},
  };
}

/// Which calls of a point, of the kinds that arm one.
std::vector<Field<FaultSection>> armed_fault_fields() {
  return {
      {{.key = "for",
        .type = kDuration,
        .doc = "how long it stays armed, without it: to the end; how long a pause lasts",
        .min = 0.001,
        .max = 31 * kDay,
        .kinds = {kDiskFull, kIoError, kSyncError, kShortWrite, kSlowIo, kPause}},
       &FaultSection::for_seconds},
      {{.key = "point",
        .type = kPoint,
        .doc = "where; see `pluresdb-soak list points`",
        .default_note = "\"space/*\" for disk_full, else required",
        .kinds = {kDiskFull, kIoError, kSyncError, kShortWrite, kSlowIo}},
       &FaultSection::point},
      {{.key = "probability",
        .type = kNumber,
        .doc = "of each call of the point while armed",
        .max = 1,
        .kinds = {kIoError, kSyncError, kShortWrite, kSlowIo}},
       &FaultSection::probability},
      {{.key = "times",
        .type = kInteger,
        .doc = "at most so many firings per arming; 0: no limit",
        .max = 4e9,
        .kinds = {kIoError, kSyncError, kShortWrite, kSlowIo}},
       &FaultSection::times},
      {{.key = "nth",
        .type = kInteger,
        .doc = "only the n-th call since it was armed; 0: any",
        .max = 4e9,
        .kinds = {kIoError, kSyncError, kShortWrite, kSlowIo}},
       &FaultSection::nth},
      {{.key = "every_calls",
        .type = kInteger,
        .doc = "only each n-th call; 0: any",
        .max = 4e9,
        .kinds = {kIoError, kSyncError, kShortWrite, kSlowIo}},
       &FaultSection::every_calls},
      {{.key = "min_bytes",
        .type = kBytes,
        .doc = "smaller operations are left alone and not counted",
        .max = kGiB,
        .kinds = {kIoError, kShortWrite, kSlowIo}},
       &FaultSection::min_bytes},
      {{.key = "max_bytes",
        .type = kBytes,
        .doc = "larger operations are left alone and not counted; 0: none is too large",
        .max = kGiB,
        .kinds = {kIoError, kShortWrite, kSlowIo}},
       &FaultSection::max_bytes},
      {{.key = "error",
        .type = kChoice,
        .doc = "what the operation fails with",
        .choices = error_names(),
        .kinds = {kIoError, kShortWrite}},
       &FaultSection::error},
  };
}

/// What the kinds that they name leave open.
std::vector<Field<FaultSection>> special_fault_fields() {
  return {
      {{.key = "delay",
        .type = kDuration,
        .doc = "how much longer each operation takes",
        .min = 0.000001,
        .max = 60,
        .default_note = "required for slow_io",
        .kinds = {kSlowIo}},
       &FaultSection::delay_seconds},
      {{.key = "by",
        .type = kDuration,
        .doc = "how far the clock jumps",
        .min = 0.001,
        .max = 366 * kDay,
        .default_note = "required for clock_jump",
        .kinds = {kClockJump}},
       &FaultSection::by_seconds},
      {{.key = "direction",
        .type = kChoice,
        .doc = "of the jump; either: by the seed",
        .choices = {"forward", "back", "either"},
        .kinds = {kClockJump}},
       &FaultSection::direction},
      {{.key = "after_error",
        .type = kChoice,
        .doc =
            "what the page cache does after a failed sync; still_dirty: the bytes stay unsynced; "
            "ext4_ordered, xfs: they can be read until the power goes, and no later sync writes "
            "them; btrfs: content and size are as after the last sync; ext4_data: as "
            "ext4_ordered, and only the next sync says so, which no store survives",
        .choices = {"still_dirty", "ext4_ordered", "xfs", "btrfs", "ext4_data"},
        .default_note = "\"still_dirty\"",
        .kinds = {kSyncError}},
       &FaultSection::after_error},
      {{.key = "images",
        .type = kInteger,
        .doc = "of each clone: the first has lost everything unsynced, the others go through all "
               "that the device can leave",
        .min = 1,
        .max = 64,
        .kinds = {kCrashImage}},
       &FaultSection::images},
  };
}

std::vector<Field<FaultSection>> power_loss_fields() {
  return {
      {{.key = "device",
        .type = kChoice,
        .doc = "what the disk can do; refuses the rest, and says what is meant by what is left out",
        .choices = device_names(),
        .kinds = {kPowerLoss, kCrashImage}},
       &FaultSection::device},
      {{.key = "keep",
        .type = kChoice,
        .doc = "which unsynced writes survive: none, all up to a point, or any of them and parts",
        .choices = {"none", "prefix", "subset"},
        .default_note = "the device's; `\"none\"` for `any`",
        .kinds = {kPowerLoss}},
       &FaultSection::keep},
      {{.key = "sector_bytes",
        .type = kBytes,
        .doc = "writes are torn at 512 or 4096 bytes",
        .min = 512,
        .max = 4096,
        .kinds = {kPowerLoss, kTornWrite, kCrashImage}},
       &FaultSection::sector_bytes},
      {{.key = "names",
        .type = kChoice,
        .doc =
            "which unsynced creations, renames and removals survive: none, all up to a point, or "
            "each by itself",
        .choices = {"none", "prefix", "any"},
        .default_note =
            "the device's; for `any` `\"none\"` with keep = \"none\", else `\"prefix\"`",
        .kinds = {kPowerLoss}},
       &FaultSection::names},
      {{.key = "garbage",
        .type = kNumber,
        .doc = "with keep = \"subset\": part of the lost sectors of torn writes that hold neither "
               "old nor new bytes",
        .max = 1,
        .default_note = "the device's; 0.2 for `scrambles`, else 0",
        .kinds = {kPowerLoss}},
       &FaultSection::garbage},
  };
}

}  // namespace

const std::vector<Field<FaultSection>>& fault_fields() {
  static const std::vector<Field<FaultSection>> kFields = [] {
    std::vector<Field<FaultSection>> fields = common_fault_fields();
    std::ranges::move(armed_fault_fields(), std::back_inserter(fields));
    std::ranges::move(special_fault_fields(), std::back_inserter(fields));
    std::ranges::move(power_loss_fields(), std::back_inserter(fields));
    fields.push_back(
        Field<FaultSection>{{.key = "must_fire",
                             .type = kInteger,
                             .doc = "fewer proven effects make the verdict inconclusive",
                             .max = kMustFireMax},
                            &FaultSection::must_fire});
    return fields;
  }();
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

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04X}", static_cast<unsigned>(byte));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::optional<std::string> to_toml_value(const KeySpec& spec, const std::string& value) {
  // "" is the default of choices that apply only sometimes; it is no value that can be written.
  if (value.empty() && (spec.type == kChoice || spec.type == kPoint)) {
    return std::nullopt;
  }
  return quote(value);
}

std::optional<std::string> to_toml_value(const KeySpec& spec, double value) {
  if (spec.type == kDuration) {
    return quote(format_duration(value));
  }
  if (spec.type == kRate) {
    return quote(format_rate(value));
  }
  std::string text = format_number(value);
  if (text.find('.') == std::string::npos) {
    text += ".0";
  }
  return text;
}

std::optional<std::string> to_toml_value(const KeySpec& spec, std::uint64_t value) {
  return spec.type == kBytes ? quote(format_bytes(value)) : fmt::format("{}", value);
}

std::optional<std::string> to_toml_value(const KeySpec& spec, const std::optional<double>& value) {
  return value.has_value() ? to_toml_value(spec, *value) : std::nullopt;
}

std::optional<std::string> to_toml_value(const KeySpec&, const std::vector<std::string>& value) {
  std::string out;
  for (const std::string& item : value) {
    out += (out.empty() ? "" : ", ") + quote(item);
  }
  return "[" + out + "]";
}

namespace {

template <typename S>
SectionInfo describe(std::string path, bool repeated, std::string_view doc,
                     const std::vector<Field<S>>& fields) {
  SectionInfo info{
      .path = std::move(path), .repeated = repeated, .doc = doc, .keys = {}, .defaults = {}};
  // Static, or g++ 12 takes its empty optionals for uninitialised.
  static const S kDefaults{};
  for (const Field<S>& field : fields) {
    info.keys.push_back(&field.spec);
    const bool shown = !field.spec.required && field.spec.default_note.empty();
    info.defaults.push_back(shown ? field_to_toml(field, kDefaults).value_or("")
                                  : std::string(field.spec.default_note));
  }
  return info;
}

SectionInfo describe_mix() {
  SectionInfo info{.path = "agents.mix",
                   .repeated = false,
                   .doc = "Weights; an operation that a written mix leaves out has 0.",
                   .keys = {},
                   .defaults = {}};
  for (std::size_t i = 0; i < kOperationKindCount; ++i) {
    info.keys.push_back(&mix_keys()[i]);
    info.defaults.push_back(fmt::format("{}", kDefaultMix[i]));
  }
  return info;
}

}  // namespace

std::vector<SectionInfo> sections() {
  return {
      describe("", false, "The top of the file.", root_fields()),
      describe("engine", false, "The store under test.", engine_fields()),
      describe("engine.checkpoint", false, "Whichever comes first.", checkpoint_fields()),
      describe("replicas", false, "Stores that exchange changes.", replicas_fields()),
      describe("agents", true, "Who loads the store. At least one.", agents_fields()),
      describe_mix(),
      describe("agents.payload_bytes", false, "How large captures are.", payload_fields()),
      describe("phases", true, "Spans of the run; without phases every fault is always active.",
               phase_fields()),
      describe("faults", true, "What goes wrong.", fault_fields()),
      describe("thresholds", true, "Numbers that the run must keep.", threshold_fields()),
      describe("metrics", false, "Metrics while the run goes on.", metrics_fields()),
      describe("report", false, "What the run folder keeps.", report_fields()),
      describe("defect", false, "Only in scenarios that must fail.", defect_fields()),
      describe("expect", false, "How the run should end.", expect_fields()),
  };
}

}  // namespace soak::scenario
