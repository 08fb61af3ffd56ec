// A TOML document with the place of every key and value: what parse.cc makes of toml++'s tree, so
// that only one file includes that library. And the findings about it.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/scenario/scenario.h"

namespace soak::scenario {

/// Where something stands. `origin` 0 is the file, i + 1 the i-th --set; lines and columns from 1.
struct Place {
  std::uint32_t origin = 0, line = 0, column = 0, end_column = 0;
};

enum class NodeType { kTable, kArray, kString, kInteger, kFloat, kBoolean, kDate };

struct Member;

struct Node {
  NodeType type = NodeType::kTable;
  Place place;
  std::string text;             ///< kString.
  std::int64_t integer = 0;     ///< kInteger.
  double number = 0;            ///< kFloat, and kInteger as a double.
  std::vector<Member> members;  ///< kTable, in the order of the file.
  std::vector<Node> items;      ///< kArray.

  const Node* find(std::string_view key) const;
  Node* find(std::string_view key);
  /// "a string", "an integer", ...
  std::string_view type_name() const;
};

struct Member {
  std::string key;
  Place key_place;
  Node value;
};

/// Collects everything that is wrong. `refuse` also remembers the node, so that later checks do not
/// complain about consequences.
class Findings {
 public:
  Findings(std::string file, std::vector<std::string> overrides)
      : file_(std::move(file)), overrides_(std::move(overrides)) {}

  void add(const Place& place, std::string message);
  void refuse(const Node& node, std::string message);
  bool refused(const Node* node) const { return node != nullptr && refused_.contains(node); }
  bool empty() const { return diagnostics_.empty(); }
  /// All of them, in the order of the file.
  std::vector<Diagnostic> take();

 private:
  struct Entry {
    Place place;
    std::string message;
  };
  std::string file_;
  std::vector<std::string> overrides_;
  std::vector<Entry> diagnostics_;
  std::set<const Node*> refused_;
};

}  // namespace soak::scenario
