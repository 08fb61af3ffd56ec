// report.html: one file that works offline, without scripts. It is well-formed XML too, so that
// tests can take it apart.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "harness/common/operation.h"
#include "harness/report/format.h"
#include "harness/report/html_style.h"
#include "harness/report/recoveries.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include "harness/report/svg_plot.h"

namespace soak::report {
namespace {

// The slowest are shown when there are more; summary.json and metrics.om have the others.
constexpr std::size_t kRecoveryRowsMax = 50;

std::string bytes(std::uint64_t count) { return human_bytes(static_cast<double>(count)); }

std::string card(const std::string& value, std::string_view label) {
  return fmt::format(
      "<div class=\"card\"><div class=\"value\">{}</div><div class=\"label\">{}</div></div>\n",
      xml_escaped(value), xml_escaped(label));
}

struct Cell {
  std::string text;
  std::string_view css;  ///< "", "n" for numbers, "status pass" ...
};

std::string table(std::initializer_list<Cell> head, const std::vector<std::vector<Cell>>& rows) {
  std::string out = "<div class=\"scroll\"><table><thead><tr>";
  for (const Cell& cell : head) {
    out += fmt::format("<th class=\"{}\">{}</th>", cell.css, xml_escaped(cell.text));
  }
  out += "</tr></thead><tbody>\n";
  for (const std::vector<Cell>& row : rows) {
    out += "<tr>";
    for (const Cell& cell : row) {
      out += fmt::format("<td class=\"{}\">{}</td>", cell.css, xml_escaped(cell.text));
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

Cell status_cell(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPass:
      return {"✓ pass", "status pass"};
    case Verdict::kFail:
      return {"✗ fail", "status fail"};
    case Verdict::kInconclusive:
      break;
  }
  return {"? inconclusive", "status inconclusive"};
}

std::string section(std::string_view id, std::string_view title, const std::string& body) {
  return fmt::format("<section id=\"{}\"><h2>{}</h2>\n{}</section>\n", id, title, body);
}

std::string none(std::string_view text) { return fmt::format("<p class=\"soft\">{}</p>\n", text); }

std::string html_headline(const RunResult& result) {
  const std::string all = with_commas(result.acknowledged);
  if (result.lost_acknowledged_writes != 0) {
    return fmt::format("<b class=\"fail\">{} acknowledged {} lost</b> of {}.",
                       with_commas(result.lost_acknowledged_writes),
                       result.lost_acknowledged_writes == 1 ? "write" : "writes", all);
  }
  if (result.acknowledged == 0) {
    return "Nothing was acknowledged.";
  }
  if (result.evidence.base_lost != 0) {
    return fmt::format(
        "<b class=\"soft\">No acknowledged write lost silently</b> of {}; the base store is lost "
        "by "
        "damage at rest, reported.",
        all);
  }
  if (result.evidence.reported_losses != 0) {
    return fmt::format(
        "<b class=\"soft\">No acknowledged write lost silently</b> of {}; {} by damage "
        "at rest, reported.",
        all, with_commas(result.evidence.reported_losses));
  }
  // Only a pass says it in green: without the evidence it may mean that nobody looked.
  return fmt::format("<b class=\"{}\">No acknowledged write lost</b> of {}.",
                     result.verdict == Verdict::kPass ? "pass" : "soft", all);
}

std::string head(const RunResult& result) {
  std::string facts;
  const auto fact = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) {
      facts += fmt::format("<span>{} <b>{}</b></span>\n", name, xml_escaped(value));
    }
  };
  fact("seed", fmt::format("{}", result.seed));
  fact("started", result.started_utc);
  fact("ran", fmt::format("{} of {}{}", human_duration(result.duration_seconds),
                          human_duration(result.planned_seconds),
                          result.interrupted ? ", interrupted" : ""));
  fact("version", result.version);
  fact("scenario", result.scenario_file);
  return fmt::format(
      "<header><h1>{}</h1><div class=\"verdict {}\">{}</div></header>\n<p class=\"soft\">{}</p>\n"
      "<p class=\"headline\">{}</p>\n<div class=\"facts\">{}</div>\n",
      xml_escaped(result.scenario_title), verdict_name(result.verdict),
      verdict_name(result.verdict), xml_escaped(result.scenario_why), html_headline(result), facts);
}

std::string evidence(const RunResult& result) {
  const EvidenceResult& e = result.evidence;
  std::string cards =
      card(with_commas(result.crashes), "kills of the worker under load, power losses included");
  cards += card(with_commas(result.power_losses), "power losses: unsynced data taken away");
  cards += card(with_commas(e.kills_with_maybes), "kills that hit a write between call and answer");
  cards += card(bytes(e.unsynced_bytes_discarded),
                fmt::format("unsynced bytes discarded, in {} writes and {} directory entries",
                            with_commas(e.unsynced_writes_discarded),
                            with_commas(e.directory_entries_discarded)));
  cards +=
      card(with_commas(e.unsynced_writes_torn),
           fmt::format("unsynced writes torn by power losses, {} sectors of garbage; {} kept, {} "
                       "out of order; of {} only the size",
                       with_commas(e.sectors_of_garbage), with_commas(e.unsynced_writes_kept),
                       with_commas(e.writes_out_of_order), with_commas(e.sizes_without_bytes)));
  cards += card(with_commas(e.directory_entries_kept),
                fmt::format("unsynced names kept by power losses, {} out of order",
                            with_commas(e.names_out_of_order)));
  cards += card(with_commas(e.torn_tails_met),
                fmt::format("torn tails met at recovery, {} dropped", bytes(e.torn_bytes_dropped)));
  if (e.damages > 0) {
    cards +=
        card(with_commas(e.damages),
             fmt::format("places damaged at rest: {} documents lost, as {} recoveries reported",
                         with_commas(e.reported_losses), with_commas(e.damage_reports)));
  }
  if (e.base_damages > 0) {
    cards += card(with_commas(e.base_damages),
                  fmt::format("of them in the base store: {} reads and {} scans refused{}",
                              with_commas(e.refused_reads), with_commas(e.refused_scans),
                              e.base_lost > 0 ? ", at last the whole base store" : ""));
  }
  cards += card(with_commas(e.verified_reads),
                fmt::format("reads compared with what must be there: {}, {} full scans",
                            bytes(e.verified_bytes), with_commas(e.full_scans)));
  cards += card(with_commas(result.maybe), "writes of unknown outcome; once seen they must stay");
  cards += card(with_commas(result.resurrected_deletes), "deleted documents that came back");
  cards += card(with_commas(result.corrupt_reads), "reads with other bytes than written");
  return section("evidence", "Evidence", "<div class=\"cards\">\n" + cards + "</div>\n");
}

std::string lost_documents(const RunResult& result) {
  if (result.lost_documents.empty()) {
    return section("lost-documents", "Lost documents", none("None."));
  }
  std::string list;
  for (const std::string& id : result.lost_documents) {
    list += xml_escaped(printable(id)) + "\n";
  }
  std::string note;
  if (result.lost_acknowledged_writes > result.lost_documents.size()) {
    note = none("The first ones; events.ndjson names every lost write.");
  }
  return section("lost-documents", "Lost documents",
                 "<pre class=\"fail\">" + list + "</pre>\n" + note);
}

/// Operations per second between one sample and the next.
std::vector<PlotValue> rates(const std::vector<Sample>& samples) {
  std::vector<PlotValue> out;
  for (std::size_t i = 1; i < samples.size(); ++i) {
    const double seconds = samples[i].time_seconds - samples[i - 1].time_seconds;
    if (seconds > 0 && samples[i].operations >= samples[i - 1].operations) {
      const auto done = static_cast<double>(samples[i].operations - samples[i - 1].operations);
      out.push_back({.time_seconds = samples[i].time_seconds, .value = done / seconds});
    }
  }
  return out;
}

/// `gaps`: 0 means that there was nothing to measure.
std::vector<PlotValue> values(const std::vector<Sample>& samples, std::uint64_t Sample::* member,
                              bool gaps) {
  std::vector<PlotValue> out;
  for (const Sample& sample : samples) {
    const bool gap = gaps && sample.*member == 0;
    out.push_back({.time_seconds = sample.time_seconds,
                   .value = gap ? std::numeric_limits<double>::quiet_NaN()
                                : static_cast<double>(sample.*member)});
  }
  return out;
}

std::vector<PlotDot> recovery_dots(const std::vector<RecoverySample>& recoveries) {
  std::vector<PlotDot> dots;
  dots.reserve(recoveries.size());
  for (const RecoverySample& recovery : recoveries) {
    dots.push_back({.time_seconds = recovery.time_seconds,
                    .value = recovery.duration_seconds,
                    .tooltip = fmt::format("{}  {} after {}: {} entries replayed, {} torn tails",
                                           clock_time(recovery.time_seconds),
                                           human_duration(recovery.duration_seconds),
                                           recovery.cause, with_commas(recovery.replayed_entries),
                                           with_commas(recovery.torn_tails)),
                    .kind = recovery.cause});
  }
  return dots;
}

double end_of_axis(const RunResult& result) {
  double end = result.duration_seconds;
  if (!result.samples.empty()) {
    end = std::max(end, result.samples.back().time_seconds);
  }
  for (const RecoverySample& recovery : result.recoveries) {
    end = std::max(end, recovery.time_seconds);
  }
  return end;
}

std::string legend(const RunResult& result) {
  std::set<std::string> kinds;
  for (const TimelineMark& mark : result.marks) {
    kinds.insert(mark.kind);
  }
  std::string out;
  for (const std::string& kind : kinds) {
    out += fmt::format("<span><span class=\"swatch {}\"></span>{}</span>\n", mark_class(kind),
                       xml_escaped(kind));
  }
  return out.empty() ? "" : "<div class=\"legend\">" + out + "</div>\n";
}

std::string plots(const RunResult& result) {
  const double end = end_of_axis(result);
  const auto plot = [&](std::string id, std::string title, PlotUnit unit, bool wide,
                        std::vector<PlotValue> line) {
    return render_plot({.id = std::move(id),
                        .title = std::move(title),
                        .unit = unit,
                        .wide = wide,
                        .line = std::move(line),
                        .dots = {},
                        .end_seconds = end},
                       result.marks);
  };
  std::string out = "<div class=\"plots\">\n";
  out += plot("throughput", "Acknowledged operations per second", PlotUnit::kPerSecond, true,
              rates(result.samples));
  out += plot("memory", "Resident memory of the worker", PlotUnit::kBytes, true,
              values(result.samples, &Sample::resident_bytes, true));
  out += plot("wal-bytes", "Size of the log", PlotUnit::kBytes, false,
              values(result.samples, &Sample::wal_bytes, false));
  out += plot("wal-segments", "Log segments", PlotUnit::kCount, false,
              values(result.samples, &Sample::wal_segments, false));
  out += render_plot({.id = "recovery-times",
                      .title = "Time to open the store again",
                      .unit = PlotUnit::kSeconds,
                      .wide = true,
                      .line = {},
                      .dots = recovery_dots(result.recoveries),
                      .end_seconds = end},
                     result.marks);
  return section("plots", "The run", legend(result) + out + "</div>\n");
}

std::string faults(const RunResult& result) {
  if (result.faults.empty()) {
    return section("faults", "Faults", none("This scenario plans none."));
  }
  std::vector<std::vector<Cell>> rows;
  rows.reserve(result.faults.size());
  for (const FaultResult& fault : result.faults) {
    const Verdict verdict = fault.fired >= fault.planned ? Verdict::kPass : Verdict::kInconclusive;
    rows.push_back({{fault.name, ""},
                    {fault.kind, ""},
                    {fault.point, "mono"},
                    {with_commas(fault.planned), "n"},
                    {with_commas(fault.attempted), "n"},
                    {with_commas(fault.fired), "n"},
                    status_cell(verdict)});
  }
  return section("faults", "Faults",
                 table({{"name", ""},
                        {"kind", ""},
                        {"point", ""},
                        {"must fire", "n"},
                        {"tried", "n"},
                        {"fired", "n"},
                        {"", ""}},
                       rows));
}

std::string checks(const RunResult& result) {
  std::vector<std::vector<Cell>> rows;
  rows.reserve(result.checks.size());
  for (const CheckResult& check : result.checks) {
    rows.push_back({status_cell(check.verdict), {check.name, "mono"}, {check.detail, ""}});
  }
  return section(
      "checks", "Checks",
      rows.empty() ? none("None.") : table({{"", ""}, {"check", ""}, {"evidence", ""}}, rows));
}

std::string thresholds(const RunResult& result) {
  std::vector<std::vector<Cell>> rows;
  rows.reserve(result.thresholds.size());
  for (const ThresholdResult& threshold : result.thresholds) {
    rows.push_back({status_cell(threshold.verdict),
                    {threshold.metric + " " + threshold.stat, "mono"},
                    {metric_value(threshold.metric, threshold.stat, threshold.value), "n"},
                    {fmt::format("{} {}", threshold.is_max ? "at most" : "at least",
                                 metric_value(threshold.metric, threshold.stat, threshold.limit)),
                     "n"}});
  }
  return section("thresholds", "Thresholds",
                 rows.empty()
                     ? none("This scenario has none.")
                     : table({{"", ""}, {"metric", ""}, {"value", "n"}, {"limit", "n"}}, rows));
}

std::string recoveries(const RunResult& result) {
  if (result.recoveries.empty()) {
    return section("recoveries", "Recoveries", none("The store was never opened again."));
  }
  const RecoveryStatistics statistics = recovery_statistics(result.recoveries);
  const std::vector<RecoverySample> shown = slowest_recoveries(result.recoveries, kRecoveryRowsMax);
  std::vector<std::vector<Cell>> rows;
  rows.reserve(shown.size());
  for (const RecoverySample& recovery : shown) {
    rows.push_back({{clock_time(recovery.time_seconds), "n"},
                    {recovery.cause, ""},
                    {human_duration(recovery.duration_seconds), "n"},
                    {with_commas(recovery.replayed_entries), "n"},
                    {with_commas(recovery.torn_tails), "n"},
                    {bytes(recovery.torn_bytes), "n"}});
  }
  const std::string note = fmt::format(
      "<p class=\"soft\">{} after an end of the worker: p50 {}, p99 {}, max {}.{}</p>\n",
      with_commas(statistics.count), human_duration(statistics.p50), human_duration(statistics.p99),
      human_duration(statistics.max),
      shown.size() < result.recoveries.size() ? fmt::format(" The {} slowest:", kRecoveryRowsMax)
                                              : "");
  return section("recoveries", "Recoveries",
                 note + table({{"time", "n"},
                               {"after", ""},
                               {"duration", "n"},
                               {"replayed entries", "n"},
                               {"torn tails", "n"},
                               {"torn bytes", "n"}},
                              rows));
}

std::string operations(const RunResult& result) {
  std::vector<std::vector<Cell>> rows;
  for (std::size_t kind = 0; kind < kOperationKindCount; ++kind) {
    std::vector<Cell> row = {{std::string(kOperationKindNames[kind]), ""}};
    for (std::size_t outcome = 0; outcome < kOutcomeCount; ++outcome) {
      row.push_back({with_commas(result.operations[kind][outcome]), "n"});
    }
    rows.push_back(std::move(row));
  }
  const MemoryResult& memory = result.memory;
  const std::string note = fmt::format(
      "<p class=\"soft\">{} of payload acknowledged. Worker memory: {} at start, {} at end, max "
      "{}, slope {}. Log: at most {} segments and {}, {} segments at the end.</p>\n",
      bytes(result.acknowledged_bytes), bytes(memory.start_bytes), bytes(memory.end_bytes),
      bytes(memory.max_bytes), human_slope(memory.slope_bytes_per_hour),
      with_commas(result.segments_max), bytes(result.wal_bytes_max),
      with_commas(result.segments_end));
  return section("operations", "Operations",
                 note + table({{"operation", ""},
                               {"acknowledged", "n"},
                               {"refused", "n"},
                               {"maybe", "n"},
                               {"failed reads", "n"}},
                              rows));
}

std::string reproduce(const RunResult& result) {
  return section(
      "reproduce", "How to reproduce",
      fmt::format(
          "<p>In the run folder, which has the scenario as it was resolved:</p>\n"
          "<pre>pluresdb-soak run scenario.toml --seed {}</pre>\n"
          "<p>As it was started:</p>\n<pre>{}</pre>\n"
          "<p class=\"soft\">The seed decides contents and planned instants. Where a kill hits "
          "also depends on the machine, so a rerun is a sibling of this run, not its copy.</p>\n",
          result.seed, xml_escaped(printable(result.command_line))));
}

}  // namespace

std::string report_html(const RunResult& result) {
  std::string out = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
      "<title>{}: {}</title>\n<style>{}</style></head>\n<body><main>\n",
      verdict_name(result.verdict), xml_escaped(result.scenario_title), html_style());
  out += head(result);
  if (!result.lost_documents.empty()) {
    out += lost_documents(result);
  }
  out += evidence(result);
  out += plots(result);
  out += faults(result);
  out += checks(result);
  out += thresholds(result);
  out += recoveries(result);
  out += operations(result);
  if (result.lost_documents.empty()) {
    out += lost_documents(result);
  }
  out += reproduce(result);
  out += fmt::format("<footer>pluresdb-soak {}</footer>\n</main></body></html>\n",
                     xml_escaped(result.version));
  return out;
}

}  // namespace soak::report
