// Reads one value by the type and range of its key.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/scenario/document.h"
#include "harness/scenario/schema.h"

namespace soak::scenario {

/// A key as people see it: "engine.segment_bytes".
std::string full_name(std::string_view section, std::string_view key);

/// Complains in the name of one key.
struct Reader {
  Findings& findings;
  std::string name;  ///< full_name of the key that is being read.

  /// False, so that callers can return it.
  bool refuse(const Node& node, std::string_view message);
  bool expected(const Node& node, std::string_view what);
};

/// Sets `out` and returns true, or leaves it alone, makes a finding and returns false.
bool read(Reader& reader, const KeySpec& spec, const Node& node, std::string& out);
bool read(Reader& reader, const KeySpec& spec, const Node& node, double& out);
bool read(Reader& reader, const KeySpec& spec, const Node& node, std::uint64_t& out);
bool read(Reader& reader, const KeySpec& spec, const Node& node, std::uint32_t& out);
bool read(Reader& reader, const KeySpec& spec, const Node& node, std::optional<double>& out);
/// `out` has the good names even when others were refused.
bool read(Reader& reader, const KeySpec& spec, const Node& node, std::vector<std::string>& out);

}  // namespace soak::scenario
