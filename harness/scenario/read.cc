// Reads sections by their table of keys.
#include "harness/scenario/read.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <random>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "faultinj/points.h"
#include "harness/common/operation.h"
#include "harness/common/worker_config.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/document.h"
#include "harness/scenario/read_value.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/suggest.h"

namespace soak::scenario {
namespace {

/// Unknown keys, for any list of specs.
template <typename Specs, typename Project>
void refuse_unknown(const Node& table, std::string_view section, const Specs& specs,
                    Project project, Findings& findings) {
  std::vector<std::string_view> known;
  known.reserve(std::size(specs));
  for (const auto& spec : specs) {
    known.push_back(project(spec).key);
  }
  for (const Member& member : table.members) {
    if (std::find(known.begin(), known.end(), member.key) == known.end()) {
      findings.add(member.key_place,
                   fmt::format("unknown key `{}`{}", full_name(section, member.key),
                               hint(member.key, known)));
    }
  }
}

/// Sets the members of `out` that `table` has keys for.
template <typename S>
void read_fields(const Node& table, std::string_view section, const std::vector<Field<S>>& fields,
                 S& out, Findings& findings) {
  for (const Field<S>& field : fields) {
    Reader reader{findings, full_name(section, field.spec.key)};
    const Node* node = table.find(field.spec.key);
    if (node == nullptr) {
      if (field.spec.required) {
        findings.add(table.place, fmt::format("`{}` is missing: {}", reader.name, field.spec.doc));
      }
      continue;
    }
    std::visit(
        [&](auto member) {
          if constexpr (!std::is_same_v<decltype(member), std::monostate>) {
            read(reader, field.spec, *node, out.*member);
          }
        },
        field.member);
  }
}

/// A whole section, unknown keys included. False when `table` is no table.
template <typename S>
bool read_section(const Node& table, std::string_view section, const std::vector<Field<S>>& fields,
                  S& out, Findings& findings) {
  if (table.type != NodeType::kTable) {
    findings.refuse(table, fmt::format("{}: expected a table, got {}", section, table.type_name()));
    return false;
  }
  refuse_unknown(
      table, section, fields, [](const Field<S>& f) -> const KeySpec& { return f.spec; }, findings);
  read_fields(table, section, fields, out, findings);
  return true;
}

/// The tables of [[name]].
template <typename Each>
void for_each_table(const Node& root, std::string_view name, Findings& findings, Each each) {
  const Node* array = root.find(name);
  if (array == nullptr) {
    return;
  }
  const bool tables = array->type == NodeType::kArray &&
                      std::all_of(array->items.begin(), array->items.end(),
                                  [](const Node& n) { return n.type == NodeType::kTable; });
  if (!tables) {
    findings.refuse(*array, fmt::format("{0}: expected an array of tables; write [[{0}]]", name));
    return;
  }
  for (const Node& item : array->items) {
    each(item);
  }
}

template <typename S>
void read_optional_section(const Node& root, std::string_view name,
                           const std::vector<Field<S>>& fields, S& out, Findings& findings) {
  if (const Node* table = root.find(name); table != nullptr) {
    read_section(*table, name, fields, out, findings);
  }
}

void read_seed(const Node& root, std::optional<std::uint64_t> override_seed, Scenario& scenario,
               Findings& findings) {
  const KeySpec& spec = root_fields()[3].spec;
  Reader reader{findings, "seed"};
  const Node* node = root.find("seed");
  bool random = node == nullptr;
  if (node != nullptr && node->type == NodeType::kInteger) {
    read(reader, KeySpec{.key = "seed", .type = ValueType::kInteger, .max = spec.max}, *node,
         scenario.seed);
  } else if (node != nullptr && node->type == NodeType::kString && node->text == "random") {
    random = true;
  } else if (node != nullptr) {
    reader.refuse(*node,
                  fmt::format("expected a whole number or \"random\", got {}", node->type_name()));
  }
  if (override_seed.has_value()) {
    scenario.seed = *override_seed;
  } else if (random) {
    std::random_device device;
    scenario.seed = ((std::uint64_t{device()} << 32) | device()) & ((1ULL << 53) - 1);
    scenario.seed_was_random = true;
  }
}

void read_root(const Node& root, Scenario& scenario, Findings& findings) {
  static constexpr std::array<std::string_view, 10> kSections = {
      "engine",     "replicas", "agents", "phases", "faults",
      "thresholds", "metrics",  "report", "defect", "expect"};
  std::vector<std::string_view> known(kSections.begin(), kSections.end());
  for (const Field<Scenario>& field : root_fields()) {
    known.push_back(field.spec.key);
  }
  for (const Member& member : root.members) {
    if (std::find(known.begin(), known.end(), member.key) != known.end()) {
      continue;
    }
    const std::string_view near = nearest(member.key, known);
    const bool section = member.value.type == NodeType::kTable;
    findings.add(member.key_place,
                 fmt::format("unknown {} `{}`{}", section ? "section" : "key", member.key,
                             near.empty() ? "; see `pluresdb-soak list keys`"
                                          : fmt::format("; did you mean `{}`?", near)));
  }
  read_fields(root, "", root_fields(), scenario, findings);
  if (const Node* schema = root.find("schema"); schema != nullptr) {
    std::uint64_t version = 0;
    Reader reader{findings, "schema"};
    read(reader, root_fields()[0].spec, *schema, version);
  }
}

void read_mix(const Node& agent, AgentsSection& out, Findings& findings) {
  const Node* mix = agent.find("mix");
  if (mix == nullptr) {
    out.mix = kDefaultMix;
    return;
  }
  if (mix->type != NodeType::kTable) {
    findings.refuse(*mix, fmt::format("agents.mix: expected a table as {{ stdout = 4, read = 2 }}, "
                                      "got {}",
                                      mix->type_name()));
    return;
  }
  refuse_unknown(*mix, "agents.mix", mix_keys(), std::identity{}, findings);
  for (std::size_t i = 0; i < kOperationKindCount; ++i) {
    const KeySpec& spec = mix_keys()[i];
    if (const Node* weight = mix->find(spec.key); weight != nullptr) {
      Reader reader{findings, full_name("agents.mix", spec.key)};
      read(reader, spec, *weight, out.mix[i]);
    }
  }
}

/// Sizes that are not written follow those that are: { max = "1KiB" } alone is meant as it stands.
void read_payload(const Node& agent, PayloadDistribution& out, Findings& findings) {
  const Node* table = agent.find("payload_bytes");
  if (table == nullptr ||
      !read_section(*table, "agents.payload_bytes", payload_fields(), out, findings)) {
    return;
  }
  const bool has_min = table->find("min") != nullptr;
  const bool has_median = table->find("median") != nullptr;
  const bool has_max = table->find("max") != nullptr;
  if (out.distribution == "fixed") {
    out.min_bytes = has_min ? out.min_bytes : out.median_bytes;
    out.max_bytes = has_max ? out.max_bytes : out.median_bytes;
    return;
  }
  if (!has_max) {
    out.max_bytes =
        std::max({out.max_bytes, has_median ? out.median_bytes : 0, has_min ? out.min_bytes : 0});
  }
  if (!has_median) {
    out.median_bytes = std::min(out.median_bytes, out.max_bytes);
    out.median_bytes = has_min ? std::max(out.median_bytes, out.min_bytes) : out.median_bytes;
  }
  if (!has_min) {
    out.min_bytes = std::min({out.min_bytes, out.median_bytes, out.max_bytes});
  }
}

std::optional<FaultKind> find_kind(std::string_view name) {
  for (const FaultKindInfo& info : fault_kinds()) {
    if (info.name == name) {
      return info.kind;
    }
  }
  return std::nullopt;
}

bool belongs(const KeySpec& spec, FaultKind kind) {
  return spec.kinds.empty() ||
         std::find(spec.kinds.begin(), spec.kinds.end(), kind) != spec.kinds.end();
}

/// What a power loss means by what is left out.
void complete_power_loss(const Node& table, FaultSection& fault) {
  const DeviceInfo* device = find_device(fault.device);
  if (device == nullptr) {
    return;  // Reported where it was read.
  }
  if (table.find("keep") == nullptr) {
    fault.keep = device->keeps.front();
  }
  if (table.find("names") == nullptr) {
    const bool follows_keep = fault.device == "any" && fault.keep != "none";
    fault.names = follows_keep ? "prefix" : device->names.front();
  }
  if (table.find("garbage") == nullptr) {
    fault.garbage = fault.keep == "subset" ? device->garbage : 0;
  }
}

void read_fault(const Node& table, FaultSection& fault, Findings& findings) {
  read_section(table, "faults", fault_fields(), fault, findings);
  const Node* kind_node = table.find("kind");
  if (kind_node == nullptr) {
    return;
  }
  std::string name;
  Reader reader{findings, "faults.kind"};
  if (!read(reader, fault_fields()[1].spec, *kind_node, name)) {
    return;
  }
  const auto kind = find_kind(name);
  if (!kind.has_value()) {
    return;  // Not one of the choices that were read: reported there.
  }
  fault.kind = *kind;
  for (const Field<FaultSection>& field : fault_fields()) {
    const Node* node = table.find(field.spec.key);
    if (node != nullptr && !belongs(field.spec, fault.kind)) {
      std::vector<std::string_view> kinds;
      kinds.reserve(field.spec.kinds.size());
      for (const FaultKind each : field.spec.kinds) {
        kinds.emplace_back(fault_kind_name(each));
      }
      findings.refuse(*node, fmt::format("faults.{}: means nothing for a fault of kind {}; it "
                                         "belongs to {}",
                                         field.spec.key, name, fmt::join(kinds, ", ")));
    }
  }
  if (fault.kind == FaultKind::kTornWrite) {
    fault.keep = "prefix";
    fault.names = "prefix";
  }
  if (fault.kind == FaultKind::kPowerLoss) {
    complete_power_loss(table, fault);
  }
  if (fault.kind == FaultKind::kDiskFull && fault.point.empty()) {
    fault.point = "space/*";
  }
  if (is_damage(fault.kind) && fault.point.empty()) {
    fault.point = faultinj::damageable_points().front();
  }
  if (fault.kind == FaultKind::kSyncError && fault.after_error.empty()) {
    fault.after_error = "still_dirty";
  }
}

void read_threshold(const Node& table, ThresholdSection& threshold, Findings& findings) {
  read_section(table, "thresholds", threshold_fields(), threshold, findings);
  if (const MetricInfo* metric = find_metric(threshold.metric); metric != nullptr) {
    threshold.metric = metric->name;
  }
}

}  // namespace

Scenario read_scenario(const Node& root, std::optional<std::uint64_t> seed_override,
                       Findings& findings) {
  Scenario scenario;
  read_root(root, scenario, findings);
  read_seed(root, seed_override, scenario, findings);
  if (const Node* engine = root.find("engine"); engine != nullptr) {
    read_section(*engine, "engine", engine_fields(), scenario.engine, findings);
    if (const Node* checkpoint = engine->find("checkpoint"); checkpoint != nullptr) {
      read_section(*checkpoint, "engine.checkpoint", checkpoint_fields(),
                   scenario.engine.checkpoint, findings);
    }
  }
  read_optional_section(root, "replicas", replicas_fields(), scenario.replicas, findings);
  for_each_table(root, "agents", findings, [&](const Node& table) {
    AgentsSection& agents = scenario.agents.emplace_back();
    read_section(table, "agents", agents_fields(), agents, findings);
    read_mix(table, agents, findings);
    read_payload(table, agents.payload, findings);
  });
  for_each_table(root, "phases", findings, [&](const Node& table) {
    read_section(table, "phases", phase_fields(), scenario.phases.emplace_back(), findings);
  });
  for_each_table(root, "faults", findings, [&](const Node& table) {
    read_fault(table, scenario.faults.emplace_back(), findings);
  });
  for_each_table(root, "thresholds", findings, [&](const Node& table) {
    read_threshold(table, scenario.thresholds.emplace_back(), findings);
  });
  read_optional_section(root, "metrics", metrics_fields(), scenario, findings);
  read_optional_section(root, "report", report_fields(), scenario, findings);
  read_optional_section(root, "defect", defect_fields(), scenario, findings);
  read_optional_section(root, "expect", expect_fields(), scenario.expect, findings);
  if (root.find("duration") == nullptr && !scenario.phases.empty()) {
    scenario.duration_seconds = 0;
    for (const PhaseSection& phase : scenario.phases) {
      scenario.duration_seconds += phase.duration_seconds;
    }
  }
  return scenario;
}

}  // namespace soak::scenario
