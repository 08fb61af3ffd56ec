// Reads values by type and range, sections by their table of keys.
#include "harness/scenario/read.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "faultinj/points.h"
#include "harness/scenario/catalog.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/suggest.h"
#include "harness/scenario/units.h"

namespace soak::scenario {
namespace {

/// A key as people see it: "engine.segment_bytes".
std::string full_name(std::string_view section, std::string_view key) {
  return section.empty() ? std::string(key) : fmt::format("{}.{}", section, key);
}

struct Reader {
  Findings& findings;
  std::string name;  ///< full_name of the key that is being read.

  bool refuse(const Node& node, std::string_view message) {
    findings.refuse(node, fmt::format("{}: {}", name, message));
    return false;
  }
  bool expected(const Node& node, std::string_view what) {
    return refuse(node, fmt::format("expected {}, got {}", what, node.type_name()));
  }
};

std::string bound_text(const KeySpec& spec, double bound) {
  switch (spec.type) {
    case ValueType::kBytes:
      return format_bytes(static_cast<std::uint64_t>(bound));
    case ValueType::kDuration:
      return format_duration(bound);
    case ValueType::kRate:
      return format_rate(bound);
    case ValueType::kText:
    case ValueType::kId:
    case ValueType::kName:
    case ValueType::kChoice:
    case ValueType::kSeed:
    case ValueType::kInteger:
    case ValueType::kNumber:
    case ValueType::kQuantity:
    case ValueType::kPoint:
    case ValueType::kAddress:
    case ValueType::kNames:
    case ValueType::kTable:
      break;
  }
  return format_number(bound);
}

bool in_range(Reader& reader, const KeySpec& spec, const Node& node, double value) {
  if (!(value >= spec.min) || !(value <= spec.max)) {
    if (spec.type == ValueType::kRate) {
      return reader.refuse(node, fmt::format("out of range; at most {}, or \"max\"",
                                             bound_text(spec, spec.max)));
    }
    if (spec.min == spec.max) {
      return reader.refuse(node, fmt::format("this version knows only {}; write that",
                                             bound_text(spec, spec.min)));
    }
    return reader.refuse(node, fmt::format("out of range; write {} .. {}",
                                           bound_text(spec, spec.min), bound_text(spec, spec.max)));
  }
  return true;
}

bool is_choice(Reader& reader, const KeySpec& spec, const Node& node, const std::string& text) {
  if (std::find(spec.choices.begin(), spec.choices.end(), text) != spec.choices.end()) {
    return true;
  }
  if (std::find(spec.later.begin(), spec.later.end(), text) != spec.later.end()) {
    return reader.refuse(node, fmt::format("\"{}\" is not implemented in this version; "
                                           "implemented: {}",
                                           text, fmt::join(spec.choices, ", ")));
  }
  std::vector<std::string_view> known = spec.choices;
  known.insert(known.end(), spec.later.begin(), spec.later.end());
  return reader.refuse(node, fmt::format("unknown value \"{}\"{}", text, hint(text, known)));
}

bool is_printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

bool is_line(Reader& reader, const KeySpec& spec, const Node& node) {
  const auto length = static_cast<double>(node.text.size());
  if (length < spec.min || length > spec.max) {
    return reader.refuse(
        node, fmt::format("has {} bytes; write {} .. {}", node.text.size(), spec.min, spec.max));
  }
  // `why` is prose and may have several lines; names end up in one line of the report.
  if (spec.key != "why" && !is_printable(node.text)) {
    return reader.refuse(node, "holds a control character; write one line of text");
  }
  return true;
}

bool is_id(Reader& reader, const KeySpec& spec, const Node& node) {
  const bool characters = std::all_of(node.text.begin(), node.text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (!characters) {
    return reader.refuse(node, "becomes part of document ids; use a-z, 0-9, - and _");
  }
  return is_line(reader, spec, node);
}

bool is_point(Reader& reader, const Node& node) {
  const std::string& text = node.text;
  const auto& points = faultinj::all_points();
  const bool wildcard = !text.empty() && text.back() == '*';
  const std::string_view prefix =
      std::string_view(text).substr(0, text.size() - (wildcard ? 1 : 0));
  const bool known = std::any_of(points.begin(), points.end(), [&](const std::string& point) {
    return wildcard ? point.starts_with(prefix) : point == prefix;
  });
  if (known) {
    return true;
  }
  const std::vector<std::string_view> names(points.begin(), points.end());
  const std::string_view near = nearest(text, names);
  return reader.refuse(node, fmt::format("unknown fault point \"{}\"{}", text,
                                         near.empty() ? "; see `pluresdb-soak list points`"
                                                      : fmt::format("; did you mean `{}`?", near)));
}

bool is_address(Reader& reader, const Node& node) {
  const std::string& text = node.text;
  if (text.empty()) {
    return true;
  }
  const std::size_t colon = text.rfind(':');
  const std::string_view host = std::string_view(text).substr(0, colon);
  const std::string_view port =
      colon == std::string::npos ? std::string_view() : std::string_view(text).substr(colon + 1);
  const bool digits =
      !port.empty() && port.size() <= 5 &&
      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool bare_v6 = host.find(':') != std::string_view::npos && !host.starts_with('[');
  if (!digits || host.empty() || bare_v6 || std::stoul(std::string(port)) > 65535) {
    return reader.refuse(
        node,
        fmt::format("\"{}\" is no address; write ADDRESS:PORT, as in \"127.0.0.1:9464\"", text));
  }
  return true;
}

bool read(Reader& reader, const KeySpec& spec, const Node& node, std::string& out) {
  if (node.type != NodeType::kString) {
    return reader.expected(node, "a string");
  }
  bool good = true;
  if (spec.type == ValueType::kChoice) {
    good = is_choice(reader, spec, node, node.text);
  } else if (spec.type == ValueType::kId) {
    good = is_id(reader, spec, node);
  } else if (spec.type == ValueType::kPoint) {
    good = is_point(reader, node);
  } else if (spec.type == ValueType::kAddress) {
    good = is_address(reader, node);
  } else {
    good = is_line(reader, spec, node);
  }
  if (good) {
    out = node.text;
  }
  return good;
}

/// A unit-bearing string through `parse`.
template <typename T>
bool read_unit(Reader& reader, const KeySpec& spec, const Node& node, pluresdb::Result<T> parsed,
               T& out) {
  if (!parsed.has_value()) {
    return reader.refuse(node, parsed.error().context);
  }
  if (!in_range(reader, spec, node, static_cast<double>(*parsed))) {
    return false;
  }
  out = *parsed;
  return true;
}

bool read_quantity(Reader& reader, const Node& node, double& out) {
  if (node.type == NodeType::kInteger || node.type == NodeType::kFloat) {
    if (!std::isfinite(node.number)) {
      return reader.refuse(node, "is not a finite number");
    }
    out = node.number;
    return true;
  }
  if (node.type != NodeType::kString) {
    return reader.expected(node, "a number, a duration or a size");
  }
  if (const auto seconds = parse_duration(node.text); seconds.has_value()) {
    out = *seconds;
    return true;
  }
  if (const auto bytes = parse_bytes(node.text); bytes.has_value()) {
    out = static_cast<double>(*bytes);
    return true;
  }
  return reader.refuse(node, fmt::format("\"{}\" is neither a duration nor a size; write 2.0, "
                                         "\"2s\" or \"64MiB\"",
                                         node.text));
}

bool read(Reader& reader, const KeySpec& spec, const Node& node, double& out) {
  if (spec.type == ValueType::kQuantity) {
    return read_quantity(reader, node, out);
  }
  if (spec.type == ValueType::kNumber) {
    if (node.type != NodeType::kInteger && node.type != NodeType::kFloat) {
      return reader.expected(node, "a number");
    }
    if (!in_range(reader, spec, node, node.number)) {
      return false;
    }
    out = node.number;
    return true;
  }
  const bool rate = spec.type == ValueType::kRate;
  if (node.type != NodeType::kString) {
    return reader.expected(
        node, rate ? "a rate as a string, as \"200/s\"" : "a duration as a string, as \"90s\"");
  }
  return read_unit(reader, spec, node, rate ? parse_rate(node.text) : parse_duration(node.text),
                   out);
}

bool read(Reader& reader, const KeySpec& spec, const Node& node, std::uint64_t& out) {
  if (spec.type == ValueType::kBytes && node.type == NodeType::kString) {
    return read_unit(reader, spec, node, parse_bytes(node.text), out);
  }
  if (node.type != NodeType::kInteger) {
    return reader.expected(
        node, spec.type == ValueType::kBytes ? "a size, as \"64MiB\"" : "a whole number");
  }
  if (!in_range(reader, spec, node, node.number)) {
    return false;
  }
  out = static_cast<std::uint64_t>(node.integer);
  return true;
}

bool read(Reader& reader, const KeySpec& spec, const Node& node, std::uint32_t& out) {
  std::uint64_t value = 0;
  if (!read(reader, spec, node, value)) {
    return false;
  }
  out = static_cast<std::uint32_t>(value);  // Every 32-bit key has a smaller range in the table.
  return true;
}

bool read(Reader& reader, const KeySpec& spec, const Node& node, std::optional<double>& out) {
  double value = 0;
  if (!read(reader, spec, node, value)) {
    return false;
  }
  out = value;
  return true;
}

bool read(Reader& reader, const KeySpec& spec, const Node& node, std::vector<std::string>& out) {
  if (node.type != NodeType::kArray) {
    return reader.expected(node, "an array of strings");
  }
  bool good = true;
  for (const Node& item : node.items) {
    if (item.type != NodeType::kString) {
      good = reader.expected(item, "a string");
    } else if (std::find(out.begin(), out.end(), item.text) != out.end()) {
      good = reader.refuse(item, fmt::format("names \"{}\" twice", item.text));
    } else if (spec.choices.empty() || is_choice(reader, spec, item, item.text)) {
      out.push_back(item.text);
    } else {
      good = false;
    }
  }
  return good;
}

/// Unknown keys, for any list of specs.
template <typename Specs, typename Project>
void refuse_unknown(const Node& table, std::string_view section, const Specs& specs,
                    Project project, Findings& findings) {
  std::vector<std::string_view> known;
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
  refuse_unknown(
      *mix, "agents.mix", mix_keys(), [](const KeySpec& spec) -> const KeySpec& { return spec; },
      findings);
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
  fault.kind = *find_kind(name);
  for (const Field<FaultSection>& field : fault_fields()) {
    const Node* node = table.find(field.spec.key);
    if (node != nullptr && !belongs(field.spec, fault.kind)) {
      std::vector<std::string_view> kinds;
      for (const FaultKind kind : field.spec.kinds) {
        kinds.emplace_back(fault_kind_name(kind));
      }
      findings.refuse(*node, fmt::format("faults.{}: means nothing for a fault of kind {}; it "
                                         "belongs to {}",
                                         field.spec.key, name, fmt::join(kinds, ", ")));
    }
  }
  if (fault.kind == FaultKind::kDiskFull && fault.point.empty()) {
    fault.point = "space/*";
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
