// Sections as documents show them, and values as TOML text. The keys are in schema_run.cc,
// schema_load.cc and schema_faults.cc.
#include "harness/scenario/schema.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/common/operation.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/units.h"

namespace soak::scenario {

using enum ValueType;

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
