// How numbers and text look for people, the same on the terminal and in report.html.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace soak::report {

/// "1,234,567".
std::string with_commas(std::uint64_t number);
/// "12.3 MiB"; exact below 1 KiB ("17 B"). Negative values keep their sign.
std::string human_bytes(double bytes);
/// "-20.5 KiB/h", or "not measured".
std::string human_slope(const std::optional<double>& bytes_per_hour);
/// "320 us", "41 ms", "1.25 s", "12 m 05 s", "3 h 07 m".
std::string human_duration(double seconds);
/// "1.2 k", "3.4 M"; exact below 10,000.
std::string human_count(double count);
/// "0:07", "12:05", "3:07:00": a place on the run's time axis.
std::string clock_time(double seconds);
/// Shortest text that reads back as `value`; "nan" and "inf" stay words.
std::string plain_number(double value);

/// A value of a threshold's metric in the unit that its name ends in.
std::string metric_value(std::string_view metric, std::string_view stat, double value);

/// `text` with invalid UTF-8 and control characters (line feed and tab too, unless `keep_lines`)
/// replaced by U+FFFD: safe for a terminal, XML and JSON.
std::string printable(std::string_view text, bool keep_lines = false);
/// Code points of valid UTF-8: the width of everything that is printed here.
std::size_t text_width(std::string_view text);
/// The first `columns` code points of valid UTF-8; a cut is shown as "…".
std::string fitted(std::string_view text, std::size_t columns);
/// `fitted`, filled with blanks on the right, or on the left.
std::string padded(std::string_view text, std::size_t columns);
std::string padded_left(std::string_view text, std::size_t columns);

}  // namespace soak::report
