// Writes JSON, indented by two blanks. Keys come in the order of the calls.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace soak::report {

class JsonWriter {
 public:
  void begin_object(std::string_view key = {}) { open(key, '{'); }
  void end_object() { close('}'); }
  void begin_array(std::string_view key = {}) { open(key, '['); }
  void end_array() { close(']'); }
  /// `key` is empty for an element of an array.
  void text(std::string_view key, std::string_view value);
  void number(std::string_view key, std::uint64_t value);
  /// Not finite: null.
  void number(std::string_view key, double value);
  void boolean(std::string_view key, bool value) { raw(key, value ? "true" : "false"); }

  [[nodiscard]] const std::string& result() const { return out_; }

 private:
  void raw(std::string_view key, std::string_view value);
  void open(std::string_view key, char bracket);
  void close(char bracket);
  void begin_value(std::string_view key);

  std::string out_;
  std::size_t depth_ = 0;
  bool has_members_ = false;  ///< Of the innermost object or array.
};

}  // namespace soak::report
