// What checks across sections have in common.
#pragma once

#include <cstddef>
#include <set>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "harness/scenario/document.h"
#include "harness/scenario/read.h"
#include "harness/scenario/scenario.h"

namespace soak::scenario {

// Durations are sums of decimals: what differs by less is the same.
inline constexpr double kSameSeconds = 1e-6;

/// The document beside the scenario that was read from it.
struct CheckSupport {
  const Node& root;
  const Scenario& scenario;
  Findings& findings;

  /// Where `key` of `table` stands, else the table itself.
  Place place(const Node& table, std::string_view key) const {
    const Node* node = table.find(key);
    return node != nullptr ? node->place : table.place;
  }
  bool refused(const Node& table, std::string_view key) const {
    return findings.refused(table.find(key));
  }
  const Node& item(std::string_view array, std::size_t index) const {
    return root.find(array)->items[index];
  }

  template <typename Sections>
  void unique_names(std::string_view array, const Sections& sections) {
    std::set<std::string> seen;
    for (std::size_t i = 0; i < sections.size(); ++i) {
      const std::string& name = sections[i].name;
      if (!name.empty() && !seen.insert(name).second) {
        findings.add(place(item(array, i), "name"),
                     fmt::format("{}.name: \"{}\" is taken by an earlier one", array, name));
      }
    }
  }
};

/// The part of check_scenario about [[faults]].
void check_faults(const Node& root, const Scenario& scenario, Findings& findings);

}  // namespace soak::scenario
