// Values by type and range.
#include "harness/scenario/read_value.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "faultinj/points.h"
#include "harness/scenario/document.h"
#include "harness/scenario/schema.h"
#include "harness/scenario/suggest.h"
#include "harness/scenario/units.h"
#include <pluresdb/error.h>

namespace soak::scenario {
namespace {

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
      return reader.refuse(
          node, fmt::format("out of range; at most {}, or \"max\"", bound_text(spec, spec.max)));
    }
    if (spec.min == spec.max) {
      return reader.refuse(
          node, fmt::format("this version knows only {}; write that", bound_text(spec, spec.min)));
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

}  // namespace

std::string full_name(std::string_view section, std::string_view key) {
  return section.empty() ? std::string(key) : fmt::format("{}.{}", section, key);
}

bool Reader::refuse(const Node& node, std::string_view message) {
  findings.refuse(node, fmt::format("{}: {}", name, message));
  return false;
}

bool Reader::expected(const Node& node, std::string_view what) {
  return refuse(node, fmt::format("expected {}, got {}", what, node.type_name()));
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

namespace {

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

}  // namespace

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

}  // namespace soak::scenario
