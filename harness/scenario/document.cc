// Lookup in the document model, and the ordered list of findings.
#include "harness/scenario/document.h"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <tuple>
#include <utility>

namespace soak::scenario {

const Node* Node::find(std::string_view key) const {
  const auto found =
      std::find_if(members.begin(), members.end(), [&](const Member& m) { return m.key == key; });
  return found == members.end() ? nullptr : &found->value;
}

Node* Node::find(std::string_view key) { return const_cast<Node*>(std::as_const(*this).find(key)); }

std::string_view Node::type_name() const {
  switch (type) {
    case NodeType::kTable:
      return "a table";
    case NodeType::kArray:
      return "an array";
    case NodeType::kString:
      return "a string";
    case NodeType::kInteger:
      return "an integer";
    case NodeType::kFloat:
      return "a number";
    case NodeType::kBoolean:
      return "a boolean";
    case NodeType::kDate:
      return "a date";
  }
  return "a value";
}

void Findings::add(const Place& place, std::string message) {
  diagnostics_.push_back({place, std::move(message)});
}

void Findings::refuse(const Node& node, std::string message) {
  refused_.insert(&node);
  add(node.place, std::move(message));
}

std::vector<Diagnostic> Findings::take() {
  // By place; those of one place in the order in which they were found.
  std::vector<std::size_t> order(diagnostics_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, {}, [this](std::size_t index) {
    const auto& place = diagnostics_[index].place;
    return std::tuple(place.origin, place.line, place.column, index);
  });
  std::vector<Diagnostic> result;
  result.reserve(order.size());
  for (const std::size_t index : order) {
    Entry& entry = diagnostics_[index];
    Diagnostic diagnostic;
    diagnostic.message = std::move(entry.message);
    if (entry.place.origin == 0) {
      diagnostic.file = file_;
      diagnostic.line = entry.place.line;
      diagnostic.column = entry.place.column;
      diagnostic.end_column = entry.place.end_column;
    } else {
      diagnostic.file = "--set " + overrides_[entry.place.origin - 1];
    }
    result.push_back(std::move(diagnostic));
  }
  diagnostics_.clear();
  return result;
}

}  // namespace soak::scenario
