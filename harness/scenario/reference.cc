// Markdown and JSON schema from the tables of keys and names.
#include "harness/scenario/reference.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/scenario/catalog.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/units.h"

namespace soak::scenario {
namespace {

std::string range_text(const KeySpec& spec, std::string (*format)(double)) {
  return fmt::format("{} .. {}", format(spec.min), format(spec.max));
}

/// What can be written for a key.
std::string values_text(const KeySpec& spec) {
  switch (spec.type) {
    case ValueType::kText:
      return spec.min > 0 ? "text" : "text, several lines";
    case ValueType::kId:
      return "a-z, 0-9, - and _";
    case ValueType::kName:
      return "name";
    case ValueType::kChoice:
      if (spec.choices.size() > 8) {
        return "see the list below";
      }
      return fmt::format("`{}`", fmt::join(spec.choices, "`, `"));
    case ValueType::kSeed:
      return "`\"random\"` or a whole number below 2^53";
    case ValueType::kInteger:
    case ValueType::kNumber:
      return range_text(spec, format_number);
    case ValueType::kBytes:
      return "size " +
             range_text(spec, [](double b) { return format_bytes(static_cast<std::uint64_t>(b)); });
    case ValueType::kDuration:
      return "duration " + range_text(spec, format_duration);
    case ValueType::kRate:
      return "rate, or `\"max\"`";
    case ValueType::kQuantity:
      return "number, duration or size";
    case ValueType::kPoint:
      return "fault point, may end in `*`";
    case ValueType::kAddress:
      return "`\"ADDRESS:PORT\"`";
    case ValueType::kNames:
      return "array of names";
    case ValueType::kTable:
      return "table, see below";
  }
  return "";
}

std::string header_of(const SectionInfo& section) {
  if (section.path.empty()) {
    return "Top of the file";
  }
  return fmt::format(fmt::runtime(section.repeated ? "`[[{}]]`" : "`[{}]`"), section.path);
}

std::string kinds_text(const KeySpec& spec) {
  if (spec.kinds.empty()) {
    return "";
  }
  std::vector<std::string_view> names;
  names.reserve(spec.kinds.size());
  for (const FaultKind kind : spec.kinds) {
    names.emplace_back(fault_kind_name(kind));
  }
  return fmt::format(" Only {}.", fmt::join(names, ", "));
}

std::string later_text(const KeySpec& spec) {
  return spec.later.empty()
             ? ""
             : fmt::format(" Not implemented in this version: {}.", fmt::join(spec.later, ", "));
}

std::string key_row(const SectionInfo& section, std::size_t index) {
  const KeySpec& spec = *section.keys[index];
  const std::string& fallback = section.defaults[index];
  const std::string shown = spec.required      ? "required"
                            : fallback.empty() ? "none"
                                               : fmt::format("`{}`", fallback);
  return fmt::format("| `{}` | {} | {} | {}.{}{} |\n", spec.key, values_text(spec), shown, spec.doc,
                     kinds_text(spec), later_text(spec));
}

std::string name_table(std::span<const NameInfo> infos) {
  std::string out = "| name | meaning |\n|---|---|\n";
  for (const NameInfo& info : infos) {
    out += fmt::format("| `{}` | {}{} |\n", info.name, info.doc,
                       info.implemented ? "" : " (not implemented in this version)");
  }
  return out;
}

std::string fault_table() {
  std::string out = "| kind | what happens |\n|---|---|\n";
  for (const FaultKindInfo& info : fault_kinds()) {
    out += fmt::format("| `{}` | {}{} |\n", info.name, info.doc,
                       info.implemented ? "" : " (not implemented in this version)");
  }
  return out;
}

std::string metric_table() {
  std::string out = "| metric | also as | stats | meaning |\n|---|---|---|---|\n";
  for (const MetricInfo& metric : threshold_metrics()) {
    out += fmt::format("| `{}` | {} | {} | {} |\n", metric.name,
                       metric.alias.empty() ? "" : fmt::format("`{}`", metric.alias),
                       fmt::join(metric.stats, ", "), metric.doc);
  }
  return out;
}

std::string agent_table() {
  std::string out = "| operation | default weight | what the agent does |\n|---|---|---|\n";
  for (std::size_t i = 0; i < kOperationKindCount; ++i) {
    out +=
        fmt::format("| `{}` | {} | {} |\n", mix_keys()[i].key, kDefaultMix[i], mix_keys()[i].doc);
  }
  return out;
}

// quote() escapes what JSON escapes, so it serves here too.

std::string quoted_list(const std::vector<std::string_view>& names) {
  std::string out;
  for (const std::string_view name : names) {
    out += (out.empty() ? "" : ", ") + quote(name);
  }
  return "[" + out + "]";
}

constexpr std::string_view kDurationPattern = R"("^[0-9]+([.][0-9]+)?(ms|s|m|h|d)$")";
constexpr std::string_view kBytesPattern = R"("^[0-9]+([.][0-9]+)?(B|KiB|MiB|GiB|TiB)$")";
constexpr std::string_view kRatePattern = R"("^(max|[0-9]+([.][0-9]+)?/(s|m|h))$")";

std::string bounds(const KeySpec& spec) {
  return fmt::format(R"("minimum": {}, "maximum": {})", format_number(spec.min),
                     format_number(spec.max));
}

std::string value_schema(const KeySpec& spec) {
  switch (spec.type) {
    case ValueType::kText:
    case ValueType::kName:
      return fmt::format(R"("type": "string", "minLength": {})", spec.min > 0 ? 1 : 0);
    case ValueType::kId:
      return R"("type": "string", "pattern": "^[a-z0-9_-]{1,32}$")";
    case ValueType::kChoice:
      return fmt::format(R"("enum": {})", quoted_list(spec.choices));
    case ValueType::kSeed:
      return R"("oneOf": [{ "const": "random" }, { "type": "integer", "minimum": 0 }])";
    case ValueType::kInteger:
      return fmt::format(R"("type": "integer", {})", bounds(spec));
    case ValueType::kNumber:
      return fmt::format(R"("type": "number", {})", bounds(spec));
    case ValueType::kBytes:
      return fmt::format(R"("type": ["string", "integer"], "pattern": {}, {})", kBytesPattern,
                         bounds(spec));
    case ValueType::kDuration:
      return fmt::format(R"("type": "string", "pattern": {})", kDurationPattern);
    case ValueType::kRate:
      return fmt::format(R"("type": "string", "pattern": {})", kRatePattern);
    case ValueType::kQuantity:
      return R"("type": ["number", "string"])";
    case ValueType::kPoint:
    case ValueType::kAddress:
      return R"("type": "string")";
    case ValueType::kNames:
      return spec.choices.empty()
                 ? R"("type": "array", "uniqueItems": true, "items": { "type": "string" })"
                 : fmt::format(R"("type": "array", "uniqueItems": true, "items": {{ "enum": {} }})",
                               quoted_list(spec.choices));
    case ValueType::kTable:
      break;
  }
  return "";
}

const SectionInfo& section_at(const std::vector<SectionInfo>& all, const std::string& path) {
  return *std::find_if(all.begin(), all.end(),
                       [&](const SectionInfo& section) { return section.path == path; });
}

/// Sections nest at most twice (agents.payload_bytes).
// NOLINTNEXTLINE(misc-no-recursion)
std::string object_schema(const std::vector<SectionInfo>& all, const SectionInfo& section,
                          const std::string& pad) {
  std::vector<std::string> properties;
  std::vector<std::string_view> required;
  const auto add = [&](std::string_view key, std::string_view doc, const std::string& body) {
    properties.push_back(
        fmt::format("{}    {}: {{ \"description\": {}, {} }}", pad, quote(key), quote(doc), body));
  };
  for (const KeySpec* spec : section.keys) {
    if (spec->type == ValueType::kTable) {
      add(spec->key, spec->doc,
          object_schema(all, section_at(all, fmt::format("{}.{}", section.path, spec->key)),
                        pad + "    "));
    } else {
      add(spec->key, spec->doc, value_schema(*spec));
    }
    if (spec->required) {
      required.push_back(spec->key);
    }
  }
  if (section.path.empty()) {
    required.emplace_back("agents");
    for (const SectionInfo& child : all) {
      if (child.path.empty() || child.path.find('.') != std::string::npos) {
        continue;
      }
      const std::string body = object_schema(all, child, pad + "    ");
      add(child.path, child.doc,
          child.repeated ? fmt::format(R"("type": "array", "items": {{ {} }})", body) : body);
    }
  }
  return fmt::format(
      "\"type\": \"object\", \"additionalProperties\": false, \"required\": {},\n"
      "{}  \"properties\": {{\n{}\n{}  }}",
      quoted_list(required), pad, fmt::join(properties, ",\n"), pad);
}

}  // namespace

std::string keys_reference() {
  std::string out;
  for (const SectionInfo& section : sections()) {
    out += fmt::format("### {}\n\n{}\n\n| key | values | default | meaning |\n|---|---|---|---|\n",
                       header_of(section), section.doc);
    for (std::size_t i = 0; i < section.keys.size(); ++i) {
      out += key_row(section, i);
    }
    out += "\n";
  }
  return out;
}

std::string names_reference(const std::string& topic) {
  if (topic == "faults") {
    return fault_table();
  }
  if (topic == "metrics") {
    return metric_table();
  }
  if (topic == "checks") {
    return name_table(verdict_checks());
  }
  if (topic == "branches") {
    return name_table(recovery_branches());
  }
  if (topic == "defects") {
    return name_table(defects());
  }
  return topic == "agents" ? agent_table() : "";
}

std::string json_schema() {
  const std::vector<SectionInfo> all = sections();
  return fmt::format(
      "{{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n"
      "  \"title\": \"PluresDB soak scenario\",\n  {}\n}}\n",
      object_schema(all, section_at(all, ""), ""));
}

}  // namespace soak::scenario
