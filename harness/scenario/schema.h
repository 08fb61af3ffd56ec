// Every key of the scenario language, once: name, type, unit, range, default, meaning and the
// member of Scenario it sets. Parser, resolved scenario, `list`, JSON schema and the tables of
// docs/SCENARIOS.md are all made from it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "harness/scenario/scenario.h"

namespace soak::scenario {

enum class ValueType {
  kText,      ///< A line for people.
  kId,        ///< Lower-case letters, digits, '-' and '_': becomes part of document ids.
  kName,      ///< A line that other keys refer to.
  kChoice,    ///< One of `choices`.
  kSeed,      ///< A whole number or "random".
  kInteger,   ///< min .. max.
  kNumber,    ///< min .. max.
  kBytes,     ///< "64MiB", or a whole number of bytes.
  kDuration,  ///< "90s".
  kRate,      ///< "200/s" or "max".
  kQuantity,  ///< A number, "2s" or "64MiB": whatever the metric of the threshold is in.
  kPoint,     ///< A fault point, which may end in '*'.
  kAddress,   ///< "ADDRESS:PORT", or empty.
  kNames,     ///< An array of names.
  kTable,     ///< A table of its own, described by its own section.
};

struct KeySpec {
  std::string_view key;
  ValueType type = ValueType::kText;
  std::string_view doc{};
  bool required = false;
  double min = 0, max = 0;  ///< Of numbers, sizes (bytes), durations (s), rates (/s), in that unit.
  std::vector<std::string_view> choices{};  ///< kChoice, kNames.
  std::vector<std::string_view> later{};    ///< Known choices that this version does not implement.
  std::string_view default_note{};  ///< Instead of the default member's value, in documents.
  std::vector<FaultKind> kinds{};   ///< In [[faults]]: the kinds it belongs to; empty: all.
};

template <typename S>
using FieldMember =
    std::variant<std::monostate, std::string S::*, double S::*, std::uint64_t S::*,
                 std::uint32_t S::*, std::optional<double> S::*, std::vector<std::string> S::*>;

/// A key and the member it sets; monostate: read and written by code of its own.
template <typename S>
struct Field {
  KeySpec spec;
  FieldMember<S> member;
};

const std::vector<Field<Scenario>>& root_fields();
const std::vector<Field<EngineSection>>& engine_fields();
const std::vector<Field<CheckpointSection>>& checkpoint_fields();
const std::vector<Field<ReplicasSection>>& replicas_fields();
const std::vector<Field<AgentsSection>>& agents_fields();
const std::vector<Field<PayloadDistribution>>& payload_fields();
const std::vector<Field<PhaseSection>>& phase_fields();
const std::vector<Field<FaultSection>>& fault_fields();
const std::vector<Field<ThresholdSection>>& threshold_fields();
const std::vector<Field<Scenario>>& metrics_fields();
const std::vector<Field<Scenario>>& report_fields();
const std::vector<Field<Scenario>>& defect_fields();
const std::vector<Field<ExpectSection>>& expect_fields();
/// One key per operation kind, in the order of kOperationKindNames.
const std::vector<KeySpec>& mix_keys();

inline constexpr std::array<std::uint32_t, kOperationKindCount> kDefaultMix = {1, 4, 1, 1,
                                                                               1, 2, 0, 1};

/// A section as documents show it.
struct SectionInfo {
  std::string path;       ///< "agents.payload_bytes"; empty: the top of the file.
  bool repeated = false;  ///< [[agents]]: any number of them.
  std::string_view doc;
  std::vector<const KeySpec*> keys;
  std::vector<std::string> defaults;  ///< As written in TOML; empty: none. Parallel to `keys`.
};
std::vector<SectionInfo> sections();

/// The value of a member as TOML text, by the type of its key; nullopt for an unset optional.
std::optional<std::string> to_toml_value(const KeySpec& spec, const std::string& value);
std::optional<std::string> to_toml_value(const KeySpec& spec, double value);
std::optional<std::string> to_toml_value(const KeySpec& spec, std::uint64_t value);
std::optional<std::string> to_toml_value(const KeySpec& spec, const std::optional<double>& value);
std::optional<std::string> to_toml_value(const KeySpec& spec,
                                         const std::vector<std::string>& value);
/// A basic string of TOML.
std::string quote(std::string_view text);

template <typename S>
std::optional<std::string> field_to_toml(const Field<S>& field, const S& section) {
  return std::visit(
      [&](auto member) -> std::optional<std::string> {
        if constexpr (std::is_same_v<decltype(member), std::monostate>) {
          return std::nullopt;
        } else {
          const auto& value = section.*member;
          if constexpr (std::is_integral_v<std::remove_cvref_t<decltype(value)>>) {
            return to_toml_value(field.spec, std::uint64_t{value});
          } else {
            return to_toml_value(field.spec, value);
          }
        }
      },
      field.member);
}

}  // namespace soak::scenario
