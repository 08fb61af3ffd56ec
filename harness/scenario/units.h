// Durations, sizes and rates as people write them: "90s", "64MiB", "200/s", and back.
//
// format_x(parse_x(text)) may differ from text, parse_x(format_x(value)) is exactly value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <pluresdb/error.h>

namespace soak::scenario {

/// Seconds of "250ms", "90s", "1.5m", "24h", "7d". Errors: kInvalidArgument, says what to write.
pluresdb::Result<double> parse_duration(std::string_view text);
/// Bytes of "512B", "64KiB", "1.5GiB". Errors: kInvalidArgument, also when not a whole number.
pluresdb::Result<std::uint64_t> parse_bytes(std::string_view text);
/// Operations per second of "200/s", "30/m", "5000/h"; "max" is 0.
pluresdb::Result<double> parse_rate(std::string_view text);

std::string format_duration(double seconds);
std::string format_bytes(std::uint64_t bytes);
std::string format_rate(double per_second);
/// The shortest decimal without exponent that reads back as exactly `value`.
std::string format_number(double value);

}  // namespace soak::scenario
