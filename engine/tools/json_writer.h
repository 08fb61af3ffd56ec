// Writes one JSON text, member by member; commas and quotes are its business.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <pluresdb/stats.h>

namespace pluresdb::tools {

/// The caller keeps begin and end calls in pairs. Strings are sanitised (text.h) before they are
/// quoted, so the text is valid UTF-8 whatever an id holds.
class JsonWriter {
 public:
  JsonWriter& begin_object();
  JsonWriter& end_object();
  JsonWriter& begin_array();
  JsonWriter& end_array();
  /// Names the next value.
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(std::uint64_t number);
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(bool truth);
  JsonWriter& null();
  template <typename T>
  JsonWriter& member(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  JsonWriter& member(std::string_view name, const std::vector<std::string>& texts);
  /// [[first, last], ...]
  JsonWriter& member(std::string_view name, const std::vector<SeqRange>& ranges);

  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  void separate();

  std::string text_;
  bool needs_comma_ = false;
};

}  // namespace pluresdb::tools
