// Plots: long runs are drawn as the mean of each column of pixels inside the range it covers.
#include "harness/report/svg_plot.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "harness/report/format.h"
#include "harness/report/run_result.h"

namespace soak::report {
namespace {

constexpr double kHeight = 220, kLeft = 74, kRight = 14, kTop = 26, kBottom = 26;
constexpr double kWideWidth = 1000, kHalfWidth = 490;
constexpr double kTickHalfWidth = 26;  ///< Of "24:00:00".
constexpr double kLaneTop = 6, kLaneHeight = 12;
constexpr double kDotRadius = 3.5;
constexpr double kMarkColumnPixels = 3;        ///< Marks nearer than this are drawn as one.
constexpr std::size_t kMarksThroughMax = 120;  ///< With more, marks stay in their lane.
constexpr double kLineColumnPixels = 3;
constexpr std::size_t kTimeTicksMax = 9;
constexpr double kValueTicks = 4;

/// One column of pixels.
struct Column {
  double time = 0, low = 0, high = 0, mean = 0;
  std::size_t count = 0;  ///< 0: a gap.
};

struct Scale {
  double width = 0, end_seconds = 0, top_value = 0, step = 0;
  [[nodiscard]] double x(double seconds) const {
    const double ratio = std::clamp(seconds / end_seconds, 0.0, 1.0);
    return kLeft + ratio * (width - kLeft - kRight);
  }
  [[nodiscard]] double y(double value) const {
    return kHeight - kBottom - value / top_value * (kHeight - kTop - kBottom);
  }
};

std::string value_text(PlotUnit unit, double value) {
  switch (unit) {
    case PlotUnit::kBytes:
      return value == 0 ? "0" : human_bytes(value);
    case PlotUnit::kSeconds:
      return value == 0 ? "0" : human_duration(value);
    case PlotUnit::kPerSecond:
      return human_count(value) + "/s";
    case PlotUnit::kCount:
      break;
  }
  return human_count(value);
}

/// A round step so that about kValueTicks of them reach `largest`: powers of two for bytes, else
/// 1, 2 or 5 times a power of ten (whole for counts).
double round_step(PlotUnit unit, double largest) {
  if (!(largest > 0)) {
    return unit == PlotUnit::kBytes ? 1024 : 1;
  }
  const double raw = largest / kValueTicks;
  if (unit == PlotUnit::kBytes) {
    return std::exp2(std::ceil(std::log2(raw)));
  }
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {5.0, 2.0, 1.0}) {
    if (factor * power >= raw) {
      step = factor * power;
    }
  }
  return unit == PlotUnit::kCount ? std::max(1.0, step) : step;
}

double time_step(double end_seconds) {
  constexpr std::array<double, 20> kSteps = {1,     2,     5,     10,    15,    30,    60,
                                             120,   300,   600,   900,   1800,  3600,  7200,
                                             10800, 14400, 21600, 43200, 86400, 172800};
  for (const double step : kSteps) {
    if (end_seconds / step <= static_cast<double>(kTimeTicksMax)) {
      return step;
    }
  }
  return 86400 * std::ceil(end_seconds / 86400 / static_cast<double>(kTimeTicksMax));
}

/// A column is a gap only when nothing in it was measured: a restart of a second does not break the
/// line of a day.
std::vector<Column> columns_of(const std::vector<PlotValue>& line, const Scale& scale) {
  std::vector<Column> columns;
  double column_x = 0;
  for (const PlotValue& point : line) {
    const double x = scale.x(point.time_seconds);
    if (columns.empty() || x - column_x >= kLineColumnPixels) {
      column_x = x;
      columns.push_back({.time = point.time_seconds,
                         .low = std::numeric_limits<double>::infinity(),
                         .high = -std::numeric_limits<double>::infinity()});
    }
    if (std::isfinite(point.value)) {
      Column& column = columns.back();
      column.low = std::min(column.low, point.value);
      column.high = std::max(column.high, point.value);
      column.mean += (point.value - column.mean) / static_cast<double>(++column.count);
    }
  }
  return columns;
}

Scale scale_of(const Plot& plot) {
  double largest = 0;
  for (const PlotValue& point : plot.line) {
    largest = std::isfinite(point.value) ? std::max(largest, point.value) : largest;
  }
  for (const PlotDot& dot : plot.dots) {
    largest = std::max(largest, dot.value);
  }
  const double step = round_step(plot.unit, largest);
  return {.width = plot.wide ? kWideWidth : kHalfWidth,
          .end_seconds = std::max(plot.end_seconds, 1e-3),
          .top_value = step * std::max(1.0, std::ceil(largest / step)),
          .step = step};
}

std::string axes(const Plot& plot, const Scale& scale) {
  std::string out;
  const auto value_ticks = std::llround(scale.top_value / scale.step);
  for (long long tick = 0; tick <= value_ticks; ++tick) {
    const double value = static_cast<double>(tick) * scale.step;
    const double y = scale.y(value);
    out += fmt::format(
        "<line class=\"grid\" x1=\"{}\" y1=\"{:.1f}\" x2=\"{}\" y2=\"{:.1f}\"/>"
        "<text class=\"tick\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>\n",
        kLeft, y, scale.width - kRight, y, kLeft - 8, y + 4,
        xml_escaped(value_text(plot.unit, value)));
  }
  const double step = time_step(scale.end_seconds * (plot.wide ? 1 : 2));
  const auto time_ticks = static_cast<long long>(scale.end_seconds / step + 1e-4);
  for (long long tick = 0; tick <= time_ticks; ++tick) {
    const double time = static_cast<double>(tick) * step;
    const bool last = scale.x(time) > scale.width - kRight - kTickHalfWidth;
    out += fmt::format("<text class=\"tick\" x=\"{:.1f}\" y=\"{}\" text-anchor=\"{}\">{}</text>\n",
                       last ? scale.width - 2 : scale.x(time), kHeight - 8, last ? "end" : "middle",
                       clock_time(time));
  }
  return out;
}

struct MarkGroup {
  double begin = std::numeric_limits<double>::infinity(), end = 0;
  std::size_t count = 0;
  std::string label;
};

/// In the lane above the plot each mark has its tooltip; the line or band below does not catch the
/// pointer, which belongs to the values there.
std::string draw_mark(const MarkGroup& group, std::string_view kind, const Scale& scale,
                      bool through) {
  const double x1 = scale.x(group.begin);
  const double x2 = scale.x(group.end);
  const std::string_view css = mark_class(kind);
  const std::string when = group.end > group.begin
                               ? clock_time(group.begin) + " to " + clock_time(group.end)
                               : clock_time(group.begin);
  const std::string tooltip = group.count == 1
                                  ? fmt::format("{}: {}", when, group.label)
                                  : fmt::format("{}: {} times {}", when, group.count, kind);
  std::string out;
  if (through && x2 - x1 > 1.5) {
    out = fmt::format(
        "<rect class=\"band {}\" x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\"/>", css, x1,
        kTop, x2 - x1, kHeight - kTop - kBottom);
  } else if (through) {
    out = fmt::format("<line class=\"mark {}\" x1=\"{:.1f}\" y1=\"{}\" x2=\"{:.1f}\" y2=\"{}\"/>",
                      css, x1, kTop, x1, kHeight - kBottom);
  }
  const double lane_width = std::max(x2 - x1, kMarkColumnPixels);
  return out + fmt::format(
                   "<rect class=\"lane {}\" x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" "
                   "rx=\"1.5\"><title>{}</title></rect>\n",
                   css, x1 - (lane_width - (x2 - x1)) / 2, kLaneTop, lane_width, kLaneHeight,
                   xml_escaped(tooltip));
}

std::string draw_marks(const std::vector<TimelineMark>& marks, const Scale& scale) {
  std::map<std::pair<std::string, std::int64_t>, MarkGroup> groups;
  for (const TimelineMark& mark : marks) {
    const auto column = static_cast<std::int64_t>(scale.x(mark.begin_seconds) / kMarkColumnPixels);
    MarkGroup& group = groups[{mark.kind, column}];
    group.begin = std::min(group.begin, mark.begin_seconds);
    group.end = std::max({group.end, mark.begin_seconds, mark.end_seconds});
    group.label = mark.label.empty() ? mark.kind : mark.label;
    ++group.count;
  }
  std::string out;
  for (const auto& [key, group] : groups) {
    out += draw_mark(group, key.first, scale, groups.size() <= kMarksThroughMax);
  }
  return out;
}

/// Path of one line without gaps: the range behind, the mean above it.
std::string draw_run(const std::vector<Column>& columns, std::size_t begin, std::size_t end,
                     const Scale& scale) {
  std::string line;
  std::string range;
  std::string back;
  for (std::size_t i = begin; i < end; ++i) {
    const double x = scale.x(columns[i].time);
    line += fmt::format("{}{:.1f} {:.1f}", i == begin ? "M" : "L", x, scale.y(columns[i].mean));
    range += fmt::format("{}{:.1f} {:.1f}", i == begin ? "M" : "L", x, scale.y(columns[i].high));
    back.insert(0, fmt::format("L{:.1f} {:.1f}", x, scale.y(columns[i].low)));
  }
  const double first = scale.x(columns[begin].time);
  const double last = scale.x(columns[end - 1].time);
  if (end - begin == 1) {
    line += fmt::format("h{}", 1);  // A single value is a visible dot.
  }
  return fmt::format(
      "<path class=\"fill\" d=\"{}L{:.1f} {:.1f}L{:.1f} {:.1f}Z\"/><path class=\"range\" "
      "d=\"{}{}Z\"/>"
      "<path class=\"line\" d=\"{}\"/>\n",
      line, last, scale.y(0), first, scale.y(0), range, back, line);
}

std::string draw_line(const std::vector<Column>& columns, const Scale& scale) {
  std::string out;
  for (std::size_t begin = 0; begin < columns.size();) {
    std::size_t end = begin;
    while (end < columns.size() && columns[end].count != 0) {
      ++end;
    }
    if (end > begin) {
      out += draw_run(columns, begin, end, scale);
    }
    begin = end + 1;
  }
  return out;
}

std::string draw_tooltips(const Plot& plot, const std::vector<Column>& columns,
                          const Scale& scale) {
  std::string out;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const Column& column = columns[i];
    if (column.count == 0) {
      continue;
    }
    const double left = scale.x(i == 0 ? column.time : (columns[i - 1].time + column.time) / 2);
    const double right =
        scale.x(i + 1 == columns.size() ? column.time : (columns[i + 1].time + column.time) / 2);
    std::string text = clock_time(column.time) + "  " + value_text(plot.unit, column.mean);
    if (column.count > 1) {
      text += fmt::format(" ({} to {})", value_text(plot.unit, column.low),
                          value_text(plot.unit, column.high));
    }
    out += fmt::format(
        "<rect class=\"hit\" x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\">"
        "<title>{}</title></rect>\n",
        left, kTop, std::max(right - left, 1.0), kHeight - kTop - kBottom, xml_escaped(text));
  }
  return out;
}

/// Of dots in one column of pixels only the highest is drawn.
std::string draw_dots(const Plot& plot, const Scale& scale) {
  std::map<std::int64_t, const PlotDot*> highest;
  for (const PlotDot& dot : plot.dots) {
    const auto column = static_cast<std::int64_t>(scale.x(dot.time_seconds) / kMarkColumnPixels);
    const PlotDot*& kept = highest[column];
    if (kept == nullptr || dot.value > kept->value) {
      kept = &dot;
    }
  }
  std::string out;
  for (const auto& [column, dot] : highest) {
    out += fmt::format(
        "<line class=\"stem\" x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\"/>"
        "<circle class=\"dot {3}\" cx=\"{0:.1f}\" cy=\"{2:.1f}\" "
        "r=\"{4}\"><title>{5}</title></circle>\n",
        scale.x(dot->time_seconds), scale.y(0), scale.y(dot->value), mark_class(dot->kind),
        kDotRadius, xml_escaped(dot->tooltip));
  }
  return out;
}

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : printable(text, true)) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string_view mark_class(std::string_view kind) {
  for (const std::string_view known : {"crash", "power_loss", "disk_full"}) {
    if (kind == known) {
      return known;
    }
  }
  return kind == "start" ? "start" : "other";
}

std::string render_plot(const Plot& plot, const std::vector<TimelineMark>& marks) {
  const Scale scale = scale_of(plot);
  const std::vector<Column> columns = columns_of(plot.line, scale);
  const bool empty = plot.dots.empty() && std::ranges::none_of(columns, [](const Column& column) {
                       return column.count != 0;
                     });
  std::string body = axes(plot, scale) + draw_marks(marks, scale);
  if (empty) {
    body += fmt::format(
        "<text class=\"none\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">no samples</text>\n",
        (scale.width + kLeft) / 2, kHeight / 2);
  }
  body += draw_line(columns, scale) + draw_tooltips(plot, columns, scale) + draw_dots(plot, scale);
  return fmt::format(
      "<figure id=\"{0}\" class=\"{1}\"><figcaption>{2}</figcaption>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {3} {4}\" role=\"img\" "
      "aria-label=\"{2} "
      "over time\">\n{5}</svg></figure>\n",
      plot.id, plot.wide ? "wide" : "half", xml_escaped(plot.title), scale.width, kHeight, body);
}

}  // namespace soak::report
