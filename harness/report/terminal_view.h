// The parts of the live view, for terminal.cc and its tests.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "harness/report/reports.h"

namespace soak::report {

/// What a log gets a status line for, in seconds of the run.
inline constexpr double kPlainStatusSeconds = 5;

/// At most `columns` wide without colours' escape sequences; the less important parts are left out
/// when they do not fit. `bar`: with a progress bar.
std::string status_line(const LiveStatus& status, std::size_t columns, bool bar, bool color);
/// "  0:31 ▲ text".
std::string event_line(double time_seconds, EventLevel level, std::string_view text, bool color);
/// A view on `descriptor` (not owned): live when it is a terminal that can move its cursor.
std::unique_ptr<Terminal> create_terminal(int descriptor, bool color);

}  // namespace soak::report
