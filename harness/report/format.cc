// Numbers and text for people.
#include "harness/report/format.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/core.h>

namespace soak::report {
namespace {

constexpr double kSecondsPerMinute = 60;
constexpr double kSecondsPerHour = 3600;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

/// Length of the valid UTF-8 sequence at the start of `text`; 0 when there is none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) {
    return 1;
  }
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) {
    return 0;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80) {
      return 0;
    }
  }
  const unsigned char second = byte(1);
  const bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool surrogate = first == 0xED && second > 0x9F;
  const bool too_large = first == 0xF4 && second > 0x8F;
  return overlong || surrogate || too_large ? 0 : length;
}

/// C0 and C1 controls, DEL, and the two code points that XML has no room for.
bool is_forbidden(std::string_view sequence) {
  const auto first = static_cast<unsigned char>(sequence[0]);
  if (sequence.size() == 1) {
    return first < 0x20 || first == 0x7F;
  }
  if (sequence.size() == 2) {
    return first == 0xC2 && static_cast<unsigned char>(sequence[1]) < 0xA0;
  }
  return sequence == "\xEF\xBF\xBE" || sequence == "\xEF\xBF\xBF";
}

/// Three significant digits, without an exponent.
std::string three_digits(double value) {
  const double magnitude = std::fabs(value);
  if (magnitude >= 99.95) {
    return fmt::format("{:.0f}", value);
  }
  return magnitude >= 9.995 ? fmt::format("{:.1f}", value) : fmt::format("{:.2f}", value);
}

bool starts_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }

}  // namespace

std::string with_commas(std::uint64_t number) {
  const std::string digits = fmt::format("{}", number);
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) {
      out += ',';
    }
    out += digits[i];
  }
  return out;
}

std::string human_slope(const std::optional<double>& bytes_per_hour) {
  return bytes_per_hour ? human_bytes(*bytes_per_hour) + "/h" : "not measured";
}

std::string human_bytes(double bytes) {
  constexpr std::array<std::string_view, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (std::fabs(bytes) >= 1024 && unit + 1 < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return fmt::format("{} {}", unit == 0 ? fmt::format("{:.0f}", bytes) : three_digits(bytes),
                     kUnits[unit]);
}

std::string human_duration(double seconds) {
  if (!std::isfinite(seconds)) {
    return plain_number(seconds);
  }
  if (seconds < 0.001) {
    return fmt::format("{:.0f} us", seconds * 1e6);
  }
  if (seconds < 1) {
    return three_digits(seconds * 1e3) + " ms";
  }
  if (seconds < kSecondsPerMinute) {
    return three_digits(seconds) + " s";
  }
  const auto whole = static_cast<std::uint64_t>(seconds);
  if (seconds < kSecondsPerHour) {
    return fmt::format("{} m {:02} s", whole / 60, whole % 60);
  }
  return fmt::format("{} h {:02} m", whole / 3600, whole / 60 % 60);
}

std::string human_count(double count) {
  constexpr std::array<std::string_view, 4> kUnits = {"", " k", " M", " G"};
  if (std::fabs(count) < 10000) {
    return count == std::floor(count) ? fmt::format("{:.0f}", count) : three_digits(count);
  }
  std::size_t unit = 0;
  while (std::fabs(count) >= 1000 && unit + 1 < kUnits.size()) {
    count /= 1000;
    ++unit;
  }
  return three_digits(count) + std::string(kUnits[unit]);
}

std::string clock_time(double seconds) {
  const auto whole = static_cast<std::uint64_t>(std::fmax(0, seconds));
  if (whole < 3600) {
    return fmt::format("{}:{:02}", whole / 60, whole % 60);
  }
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string plain_number(double value) { return fmt::format("{}", value); }

std::string metric_value(std::string_view metric, std::string_view stat, double value) {
  if (stat == "count") {
    return plain_number(value);
  }
  if (metric.ends_with("_bytes")) {
    return human_bytes(value) + (stat == "slope_per_hour" ? "/h" : "");
  }
  return metric.ends_with("_seconds") ? human_duration(value) : plain_number(value);
}

std::string printable(std::string_view text, bool keep_lines) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    const std::string_view sequence = text.substr(0, length == 0 ? 1 : length);
    const bool line = keep_lines && (sequence == "\n" || sequence == "\t");
    out += length == 0 || (is_forbidden(sequence) && !line) ? kReplacement : sequence;
    text.remove_prefix(sequence.size());
  }
  return out;
}

std::size_t text_width(std::string_view text) {
  std::size_t width = 0;
  for (const char c : text) {
    width += starts_code_point(c) ? 1U : 0U;
  }
  return width;
}

std::string fitted(std::string_view text, std::size_t columns) {
  if (text_width(text) <= columns) {
    return std::string(text);
  }
  if (columns == 0) {
    return {};
  }
  std::size_t end = 0;
  for (std::size_t kept = 0; kept + 1 < columns; ++kept) {
    ++end;
    while (end < text.size() && !starts_code_point(text[end])) {
      ++end;
    }
  }
  return std::string(text.substr(0, end)) + "…";
}

std::string padded(std::string_view text, std::size_t columns) {
  std::string out = fitted(text, columns);
  out.append(columns - text_width(out), ' ');
  return out;
}

std::string padded_left(std::string_view text, std::size_t columns) {
  const std::string cut = fitted(text, columns);
  return std::string(columns - text_width(cut), ' ') + cut;
}

}  // namespace soak::report
