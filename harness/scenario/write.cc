// The scenario as it will run, as TOML with every default.
#include <algorithm>

#include <fmt/format.h>

#include "harness/scenario/read.h"
#include "harness/scenario/schema.h"

namespace soak::scenario {
namespace {

template <typename S, typename Keep>
void write_fields(std::string& out, const std::vector<Field<S>>& fields, const S& section,
                  Keep keep) {
  for (const Field<S>& field : fields) {
    const auto value = field_to_toml(field, section);
    if (value.has_value() && keep(field.spec)) {
      out += fmt::format("{} = {}\n", field.spec.key, *value);
    }
  }
}

template <typename S>
void write_section(std::string& out, std::string_view header, const std::vector<Field<S>>& fields,
                   const S& section) {
  out += fmt::format("\n{}\n", header);
  write_fields(out, fields, section, [](const KeySpec&) { return true; });
}

void write_agents(std::string& out, const AgentsSection& agents) {
  write_section(out, "[[agents]]", agents_fields(), agents);
  out += "mix = { ";
  for (std::size_t i = 0; i < kOperationKindCount; ++i) {
    out += fmt::format("{}{} = {}", i == 0 ? "" : ", ", kOperationKindNames[i], agents.mix[i]);
  }
  out += " }\npayload_bytes = { ";
  bool first = true;
  for (const auto& field : payload_fields()) {
    out += fmt::format("{}{} = {}", first ? "" : ", ", field.spec.key,
                       field_to_toml(field, agents.payload).value_or(""));
    first = false;
  }
  out += " }\n";
}

void write_fault(std::string& out, const FaultSection& fault) {
  out += "\n[[faults]]\n";
  out += fmt::format("kind = {}\n", quote(fault_kind_name(fault.kind)));
  write_fields(out, fault_fields(), fault, [&](const KeySpec& spec) {
    if (spec.key == "jitter" && !fault.every_seconds.has_value()) {
      return false;
    }
    return spec.kinds.empty() ||
           std::find(spec.kinds.begin(), spec.kinds.end(), fault.kind) != spec.kinds.end();
  });
}

}  // namespace

std::string to_toml(const Scenario& scenario) {
  std::string out = "schema = 1\n";
  write_fields(out, root_fields(), scenario, [](const KeySpec&) { return true; });
  out += fmt::format("seed = {}\n", scenario.seed);
  write_section(out, "[engine]", engine_fields(), scenario.engine);
  write_section(out, "[engine.checkpoint]", checkpoint_fields(), scenario.engine.checkpoint);
  write_section(out, "[replicas]", replicas_fields(), scenario.replicas);
  for (const AgentsSection& agents : scenario.agents) {
    write_agents(out, agents);
  }
  for (const PhaseSection& phase : scenario.phases) {
    write_section(out, "[[phases]]", phase_fields(), phase);
  }
  for (const FaultSection& fault : scenario.faults) {
    write_fault(out, fault);
  }
  for (const ThresholdSection& threshold : scenario.thresholds) {
    write_section(out, "[[thresholds]]", threshold_fields(), threshold);
  }
  write_section(out, "[metrics]", metrics_fields(), scenario);
  write_section(out, "[report]", report_fields(), scenario);
  if (!scenario.defect.empty()) {
    write_section(out, "[defect]", defect_fields(), scenario);
  }
  write_section(out, "[expect]", expect_fields(), scenario.expect);
  return out;
}

}  // namespace soak::scenario
