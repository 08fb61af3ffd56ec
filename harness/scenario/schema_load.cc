// Keys of what runs: engine, replicas, agents, phases.
#include <array>
#include <cstddef>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/schema_limits.h"

namespace soak::scenario {
namespace {

using enum ValueType;

}  // namespace

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
        .doc = "encryption at rest; aes-256-gcm: with a key that is derived from the seed",
        .choices = {"none", "aes-256-gcm"}},
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

}  // namespace soak::scenario
