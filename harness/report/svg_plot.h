// Plots over the run's time as inline SVG: lines with their range, fault marks, tooltips.
// Colours are CSS classes of report.html. The size of a plot does not grow with the run.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/report/run_result.h"

namespace soak::report {

/// `text` for XML text and attributes in double quotes.
std::string xml_escaped(std::string_view text);

/// A place on the time axis and what was measured there. NaN: nothing was, the line has a gap.
struct PlotValue {
  double time_seconds = 0, value = 0;
};
/// A dot with a tooltip of its own.
struct PlotDot {
  double time_seconds = 0, value = 0;
  std::string tooltip, kind;
};

enum class PlotUnit { kBytes, kCount, kPerSecond, kSeconds };

struct Plot {
  std::string id, title;
  PlotUnit unit = PlotUnit::kCount;
  bool wide = true;
  std::vector<PlotValue> line;
  std::vector<PlotDot> dots;
  double end_seconds = 0;  ///< Right end of the time axis.
};

/// A <figure>.
std::string render_plot(const Plot& plot, const std::vector<TimelineMark>& marks);
/// CSS class of a fault kind: crash, power_loss, disk_full have their own, others share one.
std::string_view mark_class(std::string_view kind);

}  // namespace soak::report
