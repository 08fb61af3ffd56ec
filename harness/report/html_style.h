// The style sheet of report.html.
#pragma once

#include <string_view>

namespace soak::report {

/// CSS without a character that XML would have to escape.
std::string_view html_style();

}  // namespace soak::report
