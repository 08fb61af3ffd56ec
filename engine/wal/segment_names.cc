// Names of the files of a log. Declared in segment_format.h.
#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "engine/wal/segment_format.h"

namespace pluresdb::wal {
namespace {

std::optional<std::uint64_t> parse_hex_id(std::string_view text) {
  constexpr std::size_t kDigits = 16;
  std::uint64_t id = 0;
  const bool lower_case = std::ranges::none_of(text, [](char c) { return c >= 'A' && c <= 'F'; });
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, 16);
  if (text.size() != kDigits || !lower_case || error != std::errc{} ||
      end != text.data() + text.size() || id == 0) {
    return std::nullopt;
  }
  return id;
}

}  // namespace

std::string segment_name(std::uint64_t id) { return fmt::format("{:016x}.wal", id); }
std::string spare_name(std::uint64_t id) { return fmt::format("spare-{:016x}.tmp", id); }
std::string rewrite_name(std::uint64_t id) { return fmt::format("rewrite-{:016x}.tmp", id); }

ParsedName parse_name(std::string_view name) {
  constexpr std::string_view kSegmentSuffix = ".wal";
  constexpr std::string_view kTemporarySuffix = ".tmp";
  std::optional<std::uint64_t> id;
  if (name.ends_with(kSegmentSuffix)) {
    id = parse_hex_id(name.substr(0, name.size() - kSegmentSuffix.size()));
    if (id) {
      return {.file_class = FileClass::kSegment, .id = *id};
    }
    return {};
  }
  for (const std::string_view prefix : {"spare-", "rewrite-"}) {
    if (name.starts_with(prefix) && name.ends_with(kTemporarySuffix)) {
      name.remove_prefix(prefix.size());
      id = parse_hex_id(name.substr(0, name.size() - kTemporarySuffix.size()));
      if (id) {
        return {.file_class = FileClass::kTemporary, .id = *id};
      }
      return {};
    }
  }
  return {};
}

}  // namespace pluresdb::wal
