#include "engine/tools/json_writer.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tools/text.h"
#include <pluresdb/stats.h>

namespace pluresdb::tools {

void JsonWriter::separate() {
  if (needs_comma_) {
    text_ += ',';
  }
  needs_comma_ = true;
}

JsonWriter& JsonWriter::begin_object() {
  separate();
  text_ += '{';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_object() {
  text_ += '}';
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::begin_array() {
  separate();
  text_ += '[';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::end_array() {
  text_ += ']';
  needs_comma_ = true;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  value(name);
  text_ += ':';
  needs_comma_ = false;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  separate();
  text_ += '"';
  // What sanitised() leaves needs escaping only where it is a quote or a backslash.
  for (const char letter : sanitised(text)) {
    if (letter == '"' || letter == '\\') {
      text_ += '\\';
    }
    text_ += letter;
  }
  text_ += '"';
  return *this;
}

JsonWriter& JsonWriter::value(std::uint64_t number) {
  separate();
  text_ += std::to_string(number);
  return *this;
}

JsonWriter& JsonWriter::value(std::int64_t number) {
  separate();
  text_ += std::to_string(number);
  return *this;
}

JsonWriter& JsonWriter::value(bool truth) {
  separate();
  text_ += truth ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  separate();
  text_ += "null";
  return *this;
}

JsonWriter& JsonWriter::member(std::string_view name, const std::vector<std::string>& texts) {
  key(name).begin_array();
  for (const std::string& text : texts) {
    value(text);
  }
  return end_array();
}

JsonWriter& JsonWriter::member(std::string_view name, const std::vector<SeqRange>& ranges) {
  key(name).begin_array();
  for (const SeqRange& range : ranges) {
    begin_array().value(range.first).value(range.last).end_array();
  }
  return end_array();
}

}  // namespace pluresdb::tools
