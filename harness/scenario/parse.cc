// Text to document with toml++ (included only here), --set, then reading, checking, rescaling.
#include <cstddef>
#include <ios>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#include <toml++/toml.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/scenario/document.h"
#include "harness/scenario/read.h"
#include "harness/scenario/scenario.h"

namespace soak::scenario {
namespace {

// A scenario is written by people; what is larger is some other file.
constexpr std::size_t kTextBytesMax = 1U << 20;

Place to_place(const toml::source_region& source, std::uint32_t origin) {
  Place place{.origin = origin,
              .line = static_cast<std::uint32_t>(source.begin.line),
              .column = static_cast<std::uint32_t>(source.begin.column),
              .end_column = static_cast<std::uint32_t>(source.end.column)};
  if (source.end.line != source.begin.line) {
    place.end_column = UINT32_MAX;  // To the end of the first line.
  }
  return place;
}

// Nesting is bounded by toml++ (TOML_MAX_NESTED_VALUES).
// NOLINTNEXTLINE(misc-no-recursion)
Node convert(const toml::node& from, std::uint32_t origin) {
  Node node;
  node.place = to_place(from.source(), origin);
  if (const toml::table* table = from.as_table(); table != nullptr) {
    node.type = NodeType::kTable;
    for (const auto& [key, value] : *table) {
      node.members.push_back({.key = std::string(key.str()),
                              .key_place = to_place(key.source(), origin),
                              .value = convert(value, origin)});
    }
    // toml++ keeps tables sorted by key; findings and --set are easier in the order of the file.
    std::stable_sort(node.members.begin(), node.members.end(), [](const auto& a, const auto& b) {
      return std::tie(a.key_place.line, a.key_place.column) <
             std::tie(b.key_place.line, b.key_place.column);
    });
  } else if (const toml::array* array = from.as_array(); array != nullptr) {
    node.type = NodeType::kArray;
    for (const toml::node& item : *array) {
      node.items.push_back(convert(item, origin));
    }
  } else if (const auto* text = from.as_string(); text != nullptr) {
    node.type = NodeType::kString;
    node.text = text->get();
  } else if (const auto* integer = from.as_integer(); integer != nullptr) {
    node.type = NodeType::kInteger;
    node.integer = integer->get();
    node.number = static_cast<double>(node.integer);
  } else if (const auto* number = from.as_floating_point(); number != nullptr) {
    node.type = NodeType::kFloat;
    node.number = number->get();
  } else {
    node.type = from.is_boolean() ? NodeType::kBoolean : NodeType::kDate;
  }
  return node;
}

/// [[agents]] headers are placed at their bracket; tables that exist only as a prefix have no
/// place.
void place_headers(Node& root) {
  root.place = {.origin = 0, .line = 1, .column = 1, .end_column = 1};
  for (Member& member : root.members) {
    if (member.value.place.line == 0) {
      member.value.place = member.key_place;
    }
  }
}

/// The only place where toml++ throws.
std::expected<toml::table, toml::parse_error> parse_toml(std::string_view text) {
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    return std::unexpected(error);
  }
}

std::optional<Node> parse_text(std::string_view text, std::uint32_t origin, Findings& findings) {
  const auto result = parse_toml(text);
  if (!result.has_value()) {
    findings.add(to_place(result.error().source(), origin),
                 fmt::format("not TOML: {}", result.error().description()));
    return std::nullopt;
  }
  Node root = convert(*result, origin);
  place_headers(root);
  return root;
}

/// The value of --set: TOML when it is, else a string, so that sizes need no quotes in a shell.
Node parse_value(std::string_view text, std::uint32_t origin) {
  const auto result = parse_toml(fmt::format("v = {}\n", text));
  if (result.has_value() && result->size() == 1 && result->contains("v")) {
    return convert(*result->get("v"), origin);
  }
  Node node;
  node.type = NodeType::kString;
  node.text = std::string(text);
  node.place.origin = origin;
  return node;
}

void set_origin(Node& node, const Place& place) {
  node.place = place;
  for (Member& member : node.members) {
    member.key_place = place;
    set_origin(member.value, place);
  }
  for (Node& item : node.items) {
    set_origin(item, place);
  }
}

/// "faults.\"full disk\".for" -> faults, full disk, for. Empty: malformed.
std::vector<std::string> split_path(std::string_view path) {
  std::vector<std::string> parts;
  std::string part;
  bool quoted = false;
  for (const char c : path) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == '.' && !quoted) {
      parts.push_back(std::exchange(part, {}));
    } else {
      part += c;
    }
  }
  parts.push_back(std::move(part));
  const bool empty_part =
      std::any_of(parts.begin(), parts.end(), [](const std::string& p) { return p.empty(); });
  return quoted || empty_part ? std::vector<std::string>{} : parts;
}

/// The element of an array of tables whose `name` (of thresholds: `metric`) is `key`, or the
/// key-th.
Node* find_item(Node& array, const std::string& key) {
  for (Node& item : array.items) {
    for (const char* naming : {"name", "metric"}) {
      const Node* name = item.find(naming);
      if (name != nullptr && name->type == NodeType::kString && name->text == key) {
        return &item;
      }
    }
  }
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), index);
  const bool is_index = error == std::errc{} && end == key.data() + key.size();
  return is_index && index < array.items.size() ? &array.items[index] : nullptr;
}

void apply_override(Node& root, std::string_view text, std::uint32_t origin, Findings& findings) {
  const Place place{.origin = origin};
  const std::size_t equals = text.find('=');
  const auto path = split_path(text.substr(0, equals));
  if (equals == std::string_view::npos || path.empty()) {
    findings.add(place,
                 "write KEY.PATH=VALUE, as in engine.segment_bytes=1MiB or "
                 "faults.kill.every=2s");
    return;
  }
  Node* node = &root;
  for (std::size_t i = 0; i < path.size(); ++i) {
    if (node->type == NodeType::kArray) {
      node = find_item(*node, path[i]);
      if (node == nullptr) {
        findings.add(place, fmt::format("{} has no element named \"{}\"; write its name, or its "
                                        "number from 0",
                                        path[i - 1], path[i]));
        return;
      }
      continue;
    }
    if (node->type != NodeType::kTable) {
      findings.add(place, fmt::format("`{}` is no table", path[i - 1]));
      return;
    }
    if (node->find(path[i]) == nullptr) {
      Member& added = node->members.emplace_back();
      added.key = path[i];
      added.key_place = place;
      added.value.place = place;
    }
    node = node->find(path[i]);
  }
  *node = parse_value(text.substr(equals + 1), origin);
  set_origin(*node, place);
}

}  // namespace

ParseResult parse(const std::string& file, const std::string& text, const ParseOptions& options) {
  ParseResult result;
  Findings findings(file, options.overrides);
  const auto finish = [&] {
    result.diagnostics = findings.take();
    return std::move(result);
  };
  if (text.size() > kTextBytesMax) {
    findings.add(
        {}, fmt::format("has {} bytes; a scenario has at most {}", text.size(), kTextBytesMax));
    return finish();
  }
  std::optional<Node> root = parse_text(text, 0, findings);
  if (!root.has_value()) {
    return finish();
  }
  for (std::size_t i = 0; i < options.overrides.size(); ++i) {
    apply_override(*root, options.overrides[i], static_cast<std::uint32_t>(i + 1), findings);
  }
  Scenario scenario = read_scenario(*root, options.seed, findings);
  check_scenario(*root, scenario, findings);
  if (findings.empty() && options.duration_seconds.has_value()) {
    rescale(scenario, *options.duration_seconds, findings);
  }
  if (findings.empty()) {
    result.resolved_toml = to_toml(scenario);
    result.scenario = std::move(scenario);
  }
  return finish();
}

ParseResult parse_file(const std::string& file, const ParseOptions& options) {
  ParseResult result;
  std::error_code error;
  // Asked before it is opened: opening a pipe would wait for its writer.
  const auto status = std::filesystem::status(file, error);
  const bool is_other =
      std::filesystem::exists(status) && !std::filesystem::is_regular_file(status);
  std::ifstream stream;
  if (!is_other) {
    stream.open(file, std::ios::binary);
  }
  if (is_other || !stream) {
    result.diagnostics.push_back({.file = file,
                                  .message = is_other ? "is not a file; name a scenario file"
                                                      : "cannot be read; is the path right?"});
    return result;
  }
  std::string text(kTextBytesMax + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return parse(file, text, options);
}

}  // namespace soak::scenario
