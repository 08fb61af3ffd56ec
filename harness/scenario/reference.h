// The tables of keys and names as people and editors read them.
#pragma once

#include <string>

namespace soak::scenario {

/// Markdown: a heading and a table per section. Generated part of docs/SCENARIOS.md.
std::string keys_reference();
/// Markdown tables of the names: "faults", "metrics", "checks", "branches", "defects", "agents".
/// Empty for another topic.
std::string names_reference(const std::string& topic);
/// JSON schema (2020-12) for editors: docs/scenario.schema.json.
std::string json_schema();

}  // namespace soak::scenario
