// A finding as people read it: place, message, the line, a caret.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "harness/scenario/scenario.h"

namespace soak::scenario {
namespace {

constexpr std::size_t kShownBytesMax = 400;

std::string_view line_of(std::string_view text, std::uint32_t number) {
  for (std::uint32_t i = 1; i < number; ++i) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) {
      return {};
    }
    text.remove_prefix(end + 1);
  }
  std::string_view line = text.substr(0, text.find('\n'));
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  return line;
}

bool begins_code_point(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

/// Terminals run escape sequences; a scenario file from elsewhere must not.
std::string shown(std::string_view line) {
  std::string out;
  for (const char c : line.substr(0, kShownBytesMax)) {
    const auto byte = static_cast<unsigned char>(c);
    out += byte == 0x7f || (byte < 0x20 && c != '\t') ? '?' : c;
  }
  return out;
}

/// What stands before column `column`, as blanks; tabs stay tabs so that the caret lines up.
std::string indent(std::string_view line, std::uint32_t column) {
  std::string out;
  std::uint32_t at = 1;
  for (const char c : line.substr(0, kShownBytesMax)) {
    if (at >= column) {
      break;
    }
    if (begins_code_point(c)) {
      ++at;
      out += c == '\t' ? '\t' : ' ';
    }
  }
  return out;
}

}  // namespace

std::string render(const Diagnostic& diagnostic, const std::string& text, bool color) {
  const std::string_view bold = color ? "\x1b[1m" : "";
  const std::string_view red = color ? "\x1b[1;31m" : "";
  const std::string_view reset = color ? "\x1b[0m" : "";
  if (diagnostic.line == 0) {
    return fmt::format("{}{}:{} {}error:{} {}\n", bold, diagnostic.file, reset, red, reset,
                       diagnostic.message);
  }
  std::string out =
      fmt::format("{}{}:{}:{}:{} {}error:{} {}\n", bold, diagnostic.file, diagnostic.line,
                  diagnostic.column, reset, red, reset, diagnostic.message);
  const std::string_view line = line_of(text, diagnostic.line);
  if (line.empty()) {
    return out;
  }
  const std::string number = fmt::format("{:5}", diagnostic.line);
  const auto code_points =
      static_cast<std::uint32_t>(std::count_if(line.begin(), line.end(), begins_code_point));
  // A region may go on in the next line; the marks end with this one.
  const std::uint32_t last = std::min(diagnostic.end_column, code_points + 1);
  const std::uint32_t marks = last > diagnostic.column + 1 ? last - diagnostic.column - 1 : 0;
  out += fmt::format("{} | {}\n", number, shown(line));
  out += fmt::format("{} | {}{}^{}{}\n", std::string(number.size(), ' '),
                     indent(line, diagnostic.column), red,
                     std::string(std::min<std::size_t>(marks, kShownBytesMax), '~'), reset);
  return out;
}

}  // namespace soak::scenario
