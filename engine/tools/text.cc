#include "engine/tools/text.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include <pluresdb/stats.h>

namespace pluresdb::tools {
namespace {

constexpr std::size_t kRangesShownMax = 8;

struct CodePoint {
  char32_t value = 0;
  std::size_t bytes = 0;  ///< 0: not UTF-8.
};

/// The code point at the beginning of `text`, which is not empty.
CodePoint decode(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  if (first < 0x80) {
    return {.value = first, .bytes = 1};
  }
  const std::size_t bytes = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < bytes) {
    return {};
  }
  char32_t value = first & (0xFFU >> (bytes + 1));
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) {
      return {};
    }
    value = (value << 6U) | (byte(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> kLeast = {0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = value >= 0xD800 && value <= 0xDFFF;
  if (value < kLeast.at(bytes) || value > 0x10FFFF || is_surrogate) {
    return {};
  }
  return {.value = value, .bytes = bytes};
}

/// Would change what a terminal shows of the characters around it, or not be seen at all.
bool is_deceptive(char32_t value) {
  return (value >= 0x80 && value < 0xA0) || value == 0xAD || value == 0x61C ||
         (value >= 0x200B && value <= 0x200F) || (value >= 0x2028 && value <= 0x202E) ||
         (value >= 0x2060 && value <= 0x206F) || value == 0xFEFF ||
         (value >= 0xFFF0 && value <= 0xFFFB) || (value >= 0xE0000 && value <= 0xE007F);
}

void append_ascii(std::string& out, char letter) {
  switch (letter) {
    case '\n':
      out += "\\n";
      return;
    case '\t':
      out += "\\t";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\\':
      out += "\\\\";
      return;
    default:
      break;
  }
  if (letter < 0x20 || letter == 0x7F) {
    out += fmt::format("\\x{:02x}", static_cast<unsigned>(letter));
  } else {
    out += letter;
  }
}

}  // namespace

std::string sanitised(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint point = decode(text);
    if (point.bytes == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(text[0])));
      text.remove_prefix(1);
      continue;
    }
    if (point.bytes == 1) {
      append_ascii(out, text[0]);
    } else if (is_deceptive(point.value)) {
      out += fmt::format("\\u{{{:04x}}}", static_cast<std::uint32_t>(point.value));
    } else {
      out += text.substr(0, point.bytes);
    }
    text.remove_prefix(point.bytes);
  }
  return out;
}

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  constexpr std::size_t kGroup = 3;
  for (std::size_t at = digits.size(); at > kGroup;) {
    at -= kGroup;
    digits.insert(at, ",");
  }
  return digits;
}

std::string byte_text(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  constexpr double kStep = 1024;
  if (bytes < 1024) {
    return fmt::format("{} {}", bytes, plural(bytes, "byte", "bytes"));
  }
  double value = static_cast<double>(bytes) / kStep;
  std::size_t unit = 0;
  while (value >= kStep && unit + 1 < kUnits.size()) {
    value /= kStep;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits.at(unit));
}

std::string range_text(const SeqRange& range) {
  return range.first == range.last ? fmt::format("{}", range.first)
                                   : fmt::format("{} .. {}", range.first, range.last);
}

std::uint64_t seq_count(const std::vector<SeqRange>& ranges) {
  std::uint64_t count = 0;
  for (const SeqRange& range : ranges) {
    count += range.last - range.first + 1;
  }
  return count;
}

std::string ranges_text(const std::vector<SeqRange>& ranges) {
  const std::uint64_t count = seq_count(ranges);
  std::string text = fmt::format("{} {}: seq ", grouped(count), plural(count, "entry", "entries"));
  for (std::size_t i = 0; i < std::min(ranges.size(), kRangesShownMax); ++i) {
    text += (i == 0 ? "" : ", ") + range_text(ranges[i]);
  }
  if (ranges.size() > kRangesShownMax) {
    text += fmt::format(" and {} more ranges", ranges.size() - kRangesShownMax);
  }
  return text;
}

std::string time_text(std::int64_t microseconds) {
  using std::chrono::days;
  using std::chrono::seconds;
  constexpr std::int64_t kMicrosecondsPerSecond = 1'000'000;
  constexpr std::int64_t kYear10000 = 253'402'300'800;
  const std::int64_t since_1970 = microseconds / kMicrosecondsPerSecond;
  if (microseconds < 0 || since_1970 >= kYear10000) {
    return fmt::format("{} microseconds since 1970", microseconds);  // No date that anyone meant.
  }
  const std::chrono::sys_seconds instant{seconds(since_1970)};
  const auto day = std::chrono::floor<days>(instant);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(instant - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count());
}

const char* plural(std::uint64_t count, const char* one, const char* many) {
  return count == 1 ? one : many;
}

}  // namespace pluresdb::tools
