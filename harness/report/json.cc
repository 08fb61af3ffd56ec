// JSON text.
#include "harness/report/json.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/core.h>

#include "harness/report/format.h"
#include "harness/report/reports.h"

namespace soak::report {

std::string json_quote(std::string_view text) {
  // Line feeds and tabs have escapes; other control characters have no business in a report.
  std::string out = "\"";
  for (const char c : printable(text, true)) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += c;
    }
  }
  return out + '"';
}

void JsonWriter::begin_value(std::string_view key) {
  if (has_members_) {
    out_ += ',';
  }
  if (depth_ != 0) {
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }
  if (!key.empty()) {
    out_ += json_quote(key) + ": ";
  }
  has_members_ = true;
}

void JsonWriter::raw(std::string_view key, std::string_view value) {
  begin_value(key);
  out_ += value;
}

void JsonWriter::open(std::string_view key, char bracket) {
  begin_value(key);
  out_ += bracket;
  ++depth_;
  has_members_ = false;
}

void JsonWriter::close(char bracket) {
  --depth_;
  if (has_members_) {
    out_ += '\n';
    out_.append(2 * depth_, ' ');
  }
  out_ += bracket;
  has_members_ = true;
}

void JsonWriter::text(std::string_view key, std::string_view value) { raw(key, json_quote(value)); }

void JsonWriter::number(std::string_view key, std::uint64_t value) {
  raw(key, fmt::format("{}", value));
}

void JsonWriter::number(std::string_view key, double value) {
  raw(key, std::isfinite(value) ? plain_number(value) : "null");
}

}  // namespace soak::report
