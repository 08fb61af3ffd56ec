// Text that tools print: ids made harmless, numbers and byte counts for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <pluresdb/stats.h>

namespace pluresdb::tools {

/// `text` with control characters, backslashes, bytes that are no UTF-8 and invisible or
/// direction-changing characters as \n, \\, \xNN, \u{NNNN}: a terminal or a log shows it as it is.
std::string sanitised(std::string_view text);

/// "1,234,567".
std::string grouped(std::uint64_t number);
/// "1.5 KiB", "312 bytes".
std::string byte_text(std::uint64_t bytes);
/// "2026-11-25T02:37:13Z", of microseconds since 1970.
std::string time_text(std::int64_t microseconds);
/// "7" or "7 .. 9".
std::string range_text(const SeqRange& range);
/// "3 entries: seqs 7 .. 9", at most a few ranges.
std::string ranges_text(const std::vector<SeqRange>& ranges);
/// How many seqs they hold.
std::uint64_t seq_count(const std::vector<SeqRange>& ranges);
/// "entry" or "entries": the form for `count`.
const char* plural(std::uint64_t count, const char* one, const char* many);

}  // namespace pluresdb::tools
