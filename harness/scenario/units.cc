// Units of the scenario language. A number is plain decimal: no sign, no exponent.
#include "harness/scenario/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <fmt/format.h>

#include "pluresdb/error.h"

namespace soak::scenario {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;

struct Unit {
  std::string_view name;
  double factor;
};

// Ascending: the formatters take the last one that divides.
constexpr std::array<Unit, 5> kDurationUnits = {
    {{"ms", 1e-3}, {"s", 1.0}, {"m", 60.0}, {"h", 3600.0}, {"d", 86400.0}}};
constexpr std::array<Unit, 5> kByteUnits = {{{"B", 1.0},
                                             {"KiB", 1024.0},
                                             {"MiB", 1024.0 * 1024},
                                             {"GiB", 1024.0 * 1024 * 1024},
                                             {"TiB", 1024.0 * 1024 * 1024 * 1024}}};
constexpr std::array<Unit, 3> kRateUnits = {{{"/s", 1.0}, {"/m", 1.0 / 60}, {"/h", 1.0 / 3600}}};

// Above this a double no longer holds every whole number, so sums would silently round.
constexpr double kLargestExact = 9007199254740992.0;

struct Split {
  double number = 0;
  std::string_view unit;
};

Result<Split> split(std::string_view text, std::string_view what, std::string_view example) {
  std::size_t end = 0;
  while (end < text.size() && ((text[end] >= '0' && text[end] <= '9') || text[end] == '.')) {
    ++end;
  }
  Split result;
  const std::string_view number = text.substr(0, end);
  const auto parsed = std::from_chars(number.data(), number.data() + number.size(), result.number,
                                      std::chars_format::fixed);
  if (end == 0 || parsed.ec != std::errc{} || parsed.ptr != text.data() + end) {
    return pluresdb::fail(
        ErrorCode::kInvalidArgument,
        fmt::format("\"{}\" is not a {}; write it as \"{}\"", text, what, example));
  }
  result.unit = text.substr(end);
  return result;
}

Result<double> parse_with(std::string_view text, std::span<const Unit> units, std::string_view what,
                          std::string_view example) {
  TRY_ASSIGN(const Split parts, split(text, what, example));
  for (const Unit& unit : units) {
    if (unit.name != parts.unit) {
      continue;
    }
    const double value = parts.number * unit.factor;
    if (!(value <= kLargestExact)) {
      return pluresdb::fail(ErrorCode::kInvalidArgument,
                            fmt::format("\"{}\" is too large for a {}", text, what));
    }
    return value;
  }
  std::string names;
  for (const Unit& unit : units) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", unit.name);
  }
  if (parts.unit.empty()) {
    return pluresdb::fail(
        ErrorCode::kInvalidArgument,
        fmt::format("\"{}\" has no unit; write one of {}, as in \"{}\"", text, names, example));
  }
  return pluresdb::fail(
      ErrorCode::kInvalidArgument,
      fmt::format("\"{}\" ends in the unknown unit \"{}\"; write one of {}, as in \"{}\"", text,
                  parts.unit, names, example));
}

}  // namespace

Result<double> parse_duration(std::string_view text) {
  return parse_with(text, kDurationUnits, "duration", "90s");
}

Result<std::uint64_t> parse_bytes(std::string_view text) {
  TRY_ASSIGN(const double bytes, parse_with(text, kByteUnits, "size", "64MiB"));
  if (bytes != std::floor(bytes)) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          fmt::format("\"{}\" is not a whole number of bytes", text));
  }
  return static_cast<std::uint64_t>(bytes);
}

Result<double> parse_rate(std::string_view text) {
  if (text == "max") {
    return 0.0;
  }
  TRY_ASSIGN(const double rate, parse_with(text, kRateUnits, "rate", "200/s\" or \"max"));
  if (rate == 0) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          fmt::format("\"{}\" would never do anything; write a rate above 0 or "
                                      "\"max\"",
                                      text));
  }
  return rate;
}

std::string format_number(double value) {
  std::array<char, 400> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::fixed);
  return std::string(buffer.data(), end.ptr);
}

std::string format_duration(double seconds) {
  std::string_view unit = "s";
  double number = seconds;
  for (const Unit& candidate : kDurationUnits) {
    const double count = seconds / candidate.factor;
    if (candidate.factor > 1 && seconds > 0 && count == std::floor(count) &&
        count * candidate.factor == seconds) {
      unit = candidate.name;
      number = count;
    }
  }
  return format_number(number) + std::string(unit);
}

std::string format_bytes(std::uint64_t bytes) {
  std::string_view unit = "B";
  std::uint64_t number = bytes;
  for (const Unit& candidate : kByteUnits) {
    const auto factor = static_cast<std::uint64_t>(candidate.factor);
    if (bytes > 0 && bytes % factor == 0) {
      unit = candidate.name;
      number = bytes / factor;
    }
  }
  return fmt::format("{}{}", number, unit);
}

std::string format_rate(double per_second) {
  return per_second == 0 ? "max" : format_number(per_second) + "/s";
}

}  // namespace soak::scenario
