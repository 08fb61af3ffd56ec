// The final screen: verdict first, then what makes it believable, then the numbers.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "harness/report/format.h"
#include "harness/report/paint.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"

namespace soak::report {
namespace {

constexpr std::size_t kColumnsMin = 60;
constexpr std::size_t kColumnsMax = 110;
constexpr std::size_t kLabelColumns = 26;
constexpr std::size_t kNameColumnsMax = 30;
constexpr std::string_view kMargin = "  ";

std::string upper(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  return out;
}

std::string percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? "none"
                    : fmt::format("{:.2f} %",
                                  100.0 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string plural(std::uint64_t count, std::string_view one, std::string_view many) {
  return fmt::format("{} {}", with_commas(count), count == 1 ? one : many);
}

class Screen {
 public:
  Screen(bool color, int columns)
      : paint_(color),
        columns_(
            std::clamp(static_cast<std::size_t>(std::max(columns, 1)), kColumnsMin, kColumnsMax)) {}

  void line(std::string_view text = {}) { out_.append(text).append("\n"); }
  void rule() { line(paint_(Ink::kDim, repeated("─", columns_))); }
  void heading(std::string_view title) {
    const std::size_t rest = columns_ - text_width(title) - 3;
    line();
    line(fmt::format("{} {} {}", paint_(Ink::kDim, "─"), paint_(Ink::kBold, title),
                     paint_(Ink::kDim, repeated("─", rest))));
  }
  void item(std::string_view label, std::string_view value) {
    line(fmt::format("{}{} {}", kMargin, paint_(Ink::kDim, padded(label, kLabelColumns)), value));
  }
  /// Words of `text` behind `indent` columns, the first line after `prefix` (already that wide).
  void wrapped(std::string_view prefix, std::size_t indent, std::string_view text) {
    const std::size_t room = columns_ > indent + 10 ? columns_ - indent : 10;
    std::string current(prefix);
    std::size_t used = 0;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find(' '), text.size());
      const std::string_view word = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      const std::size_t width = text_width(word);
      if (used != 0 && used + 1 + width > room) {
        line(current);
        current.assign(indent, ' ');
        used = 0;
      }
      current.append(used == 0 ? "" : " ").append(word);
      used += width + (used == 0 ? 0 : 1);
    }
    line(current);
  }

  static std::string repeated(std::string_view text, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) {
      out += text;
    }
    return out;
  }
  [[nodiscard]] const Paint& paint() const { return paint_; }
  [[nodiscard]] std::size_t columns() const { return columns_; }
  [[nodiscard]] const std::string& text() const { return out_; }

 private:
  Paint paint_;
  std::size_t columns_;
  std::string out_;
};

std::string headline(const RunResult& result) {
  if (result.lost_acknowledged_writes != 0) {
    return fmt::format(
        "{} of {} LOST",
        plural(result.lost_acknowledged_writes, "acknowledged write", "acknowledged writes"),
        with_commas(result.acknowledged));
  }
  if (result.acknowledged == 0) {
    return "nothing was acknowledged";
  }
  if (result.evidence.base_lost != 0) {
    return fmt::format(
        "no acknowledged write lost silently of {}; the base store is lost by damage at rest, "
        "reported",
        with_commas(result.acknowledged));
  }
  if (result.evidence.reported_losses != 0) {
    return fmt::format("no acknowledged write lost silently of {}; {} by damage at rest, reported",
                       with_commas(result.acknowledged),
                       with_commas(result.evidence.reported_losses));
  }
  return fmt::format("no acknowledged write lost of {}", with_commas(result.acknowledged));
}

void add_verdict(Screen& screen, const RunResult& result) {
  const Ink ink = ink_of(result.verdict);
  screen.line();
  screen.rule();
  const std::string verdict =
      fmt::format("{} {}", glyph_of(result.verdict), upper(verdict_name(result.verdict)));
  const std::string seed = fmt::format("seed {}", result.seed);
  const std::size_t room = screen.columns() - text_width(verdict) - seed.size() - 6;
  screen.line(
      fmt::format("{}{}  {}  {}", kMargin, screen.paint()(ink, verdict),
                  screen.paint()(Ink::kBold, padded(printable(result.scenario_title), room)),
                  screen.paint()(Ink::kDim, seed)));
  const bool lost = result.lost_acknowledged_writes != 0;
  screen.line(fmt::format("{}{}", kMargin,
                          screen.paint()(lost ? Ink::kBad : Ink::kPlain, headline(result))));
  screen.line(fmt::format("{}{}", kMargin,
                          fmt::format("{} of {}{}", human_duration(result.duration_seconds),
                                      human_duration(result.planned_seconds),
                                      result.interrupted ? ", interrupted" : "")));
  screen.rule();
}

void add_lost_documents(Screen& screen, const RunResult& result) {
  if (result.lost_documents.empty()) {
    return;
  }
  screen.heading("Lost documents");
  for (const std::string& id : result.lost_documents) {
    screen.line(fmt::format("{}{}", kMargin, screen.paint()(Ink::kBad, printable(id))));
  }
  if (result.lost_acknowledged_writes > result.lost_documents.size()) {
    screen.line(fmt::format(
        "{}{}", kMargin,
        screen.paint()(Ink::kDim, "and more: " + with_commas(result.lost_acknowledged_writes) +
                                      " lost writes in all, see events.ndjson")));
  }
}

void add_evidence(Screen& screen, const RunResult& result) {
  const EvidenceResult& evidence = result.evidence;
  screen.heading("Evidence");
  screen.item("kills of the worker",
              fmt::format("{}, {} of them power losses", with_commas(result.crashes),
                          with_commas(result.power_losses)));
  screen.item("kills that left maybes", with_commas(evidence.kills_with_maybes));
  screen.item(
      "unsynced data discarded",
      fmt::format(
          "{} in {}, {}", human_bytes(static_cast<double>(evidence.unsynced_bytes_discarded)),
          plural(evidence.unsynced_writes_discarded, "write", "writes"),
          plural(evidence.directory_entries_discarded, "directory entry", "directory entries")));
  screen.item("left by power losses",
              fmt::format("{} kept, {} torn, {} size only, {}, {}",
                          plural(evidence.unsynced_writes_kept, "write", "writes"),
                          with_commas(evidence.unsynced_writes_torn),
                          with_commas(evidence.sizes_without_bytes),
                          plural(evidence.sectors_of_garbage, "garbage sector", "garbage sectors"),
                          plural(evidence.directory_entries_kept, "name", "names")));
  screen.item("of them out of order",
              fmt::format("{}, {}", plural(evidence.writes_out_of_order, "write", "writes"),
                          plural(evidence.names_out_of_order, "name", "names")));
  screen.item("torn tails met",
              fmt::format("{}, {} dropped", with_commas(evidence.torn_tails_met),
                          human_bytes(static_cast<double>(evidence.torn_bytes_dropped))));
  if (evidence.damages > 0) {
    screen.item(
        "damage at rest",
        fmt::format("{}, reported by {}, {} lost", plural(evidence.damages, "place", "places"),
                    plural(evidence.damage_reports, "recovery", "recoveries"),
                    plural(evidence.reported_losses, "document", "documents")));
  }
  if (evidence.base_damages > 0) {
    screen.item("of it of the base store",
                fmt::format("{}, {} and {} refused{}", with_commas(evidence.base_damages),
                            plural(evidence.refused_reads, "read", "reads"),
                            plural(evidence.refused_scans, "scan", "scans"),
                            evidence.base_lost > 0 ? ", at last the whole base store" : ""));
  }
  screen.item("read back and compared",
              fmt::format("{}, {}, {}", plural(evidence.verified_reads, "read", "reads"),
                          human_bytes(static_cast<double>(evidence.verified_bytes)),
                          plural(evidence.full_scans, "full scan", "full scans")));
  if (evidence.crash_images > 0) {
    screen.item("crash images recovered",
                fmt::format("{}, {} different", with_commas(evidence.crash_images),
                            with_commas(evidence.distinct_crash_images)));
  }
}

template <typename Items, typename Name>
std::size_t name_columns(const Items& items, Name name) {
  std::size_t width = 4;
  for (const auto& item : items) {
    width = std::max(width, text_width(name(item)));
  }
  return std::min(width, kNameColumnsMax);
}

void add_faults(Screen& screen, const RunResult& result) {
  if (result.faults.empty()) {
    return;
  }
  const auto name = [](const FaultResult& fault) { return printable(fault.name); };
  const auto where = [](const FaultResult& fault) {
    return printable(fault.point.empty() ? fault.kind : fault.kind + " at " + fault.point);
  };
  const std::size_t names = name_columns(result.faults, name);
  constexpr std::size_t kNumbersColumns = 30;  // Three columns of ten.
  const std::size_t places = std::min(name_columns(result.faults, where) + 12,
                                      screen.columns() - names - kNumbersColumns - 7);
  screen.heading("Faults");
  screen.line(
      screen.paint()(Ink::kDim, fmt::format("{}  {} {}{}{}{}", kMargin, padded("name", names),
                                            padded("kind", places), padded_left("must fire", 10),
                                            padded_left("tried", 10), padded_left("fired", 10))));
  for (const FaultResult& fault : result.faults) {
    const Verdict verdict = fault.fired >= fault.planned ? Verdict::kPass : Verdict::kInconclusive;
    screen.line(fmt::format(
        "{}{} {} {}{}{}{}", kMargin, screen.paint()(ink_of(verdict), glyph_of(verdict)),
        padded(name(fault), names), padded(where(fault), places),
        padded_left(with_commas(fault.planned), 10), padded_left(with_commas(fault.attempted), 10),
        screen.paint()(verdict == Verdict::kPass ? Ink::kBold : ink_of(verdict),
                       padded_left(with_commas(fault.fired), 10))));
  }
}

void add_checks(Screen& screen, const RunResult& result) {
  if (result.checks.empty()) {
    return;
  }
  screen.heading("Checks");
  const auto name = [](const CheckResult& check) { return printable(check.name); };
  const std::size_t names = name_columns(result.checks, name);
  for (const CheckResult& check : result.checks) {
    const Ink ink = ink_of(check.verdict);
    const std::string prefix =
        fmt::format("{}{} {}  ", kMargin, screen.paint()(ink, glyph_of(check.verdict)),
                    screen.paint()(check.verdict == Verdict::kPass ? Ink::kPlain : ink,
                                   padded(name(check), names)));
    std::string detail = check.detail;
    std::ranges::replace(detail, '\n', ' ');
    screen.wrapped(prefix, names + 6, printable(detail));
  }
}

void add_thresholds(Screen& screen, const RunResult& result) {
  if (result.thresholds.empty()) {
    return;
  }
  screen.heading("Thresholds");
  const auto name = [](const ThresholdResult& threshold) {
    return printable(threshold.metric + " " + threshold.stat);
  };
  std::size_t names = 4;
  for (const ThresholdResult& threshold : result.thresholds) {
    names = std::max(names, text_width(name(threshold)));
  }
  names = std::min(names, screen.columns() - 34);
  for (const ThresholdResult& threshold : result.thresholds) {
    const Ink ink = ink_of(threshold.verdict);
    screen.line(fmt::format(
        "{}{} {}  {}  {} {}", kMargin, screen.paint()(ink, glyph_of(threshold.verdict)),
        padded(name(threshold), names),
        screen.paint()(
            ink, padded_left(metric_value(threshold.metric, threshold.stat, threshold.value), 12)),
        threshold.is_max ? "at most" : "at least",
        metric_value(threshold.metric, threshold.stat, threshold.limit)));
  }
}

void add_numbers(Screen& screen, const RunResult& result) {
  screen.heading("Numbers");
  const double seconds = result.duration_seconds;
  screen.item(
      "writes acknowledged",
      fmt::format(
          "{} of {} ({}), {}/s", with_commas(result.acknowledged), with_commas(result.attempted),
          percent(result.acknowledged, result.attempted),
          seconds > 0 ? human_count(static_cast<double>(result.acknowledged) / seconds) : "0"));
  screen.item("maybe, refused",
              fmt::format("{}, {}", with_commas(result.maybe), with_commas(result.not_written)));
  screen.item("payload acknowledged", human_bytes(static_cast<double>(result.acknowledged_bytes)));
  const RecoveryStatistics recovery = recovery_statistics(result.recoveries);
  screen.item("recoveries",
              recovery.count == 0
                  ? "none"
                  : fmt::format("{}: p50 {}, p99 {}, max {}", with_commas(recovery.count),
                                human_duration(recovery.p50), human_duration(recovery.p99),
                                human_duration(recovery.max)));
  const MemoryResult& memory = result.memory;
  screen.item("worker memory", fmt::format("{} at start, {} at end, max {}, slope {}",
                                           human_bytes(static_cast<double>(memory.start_bytes)),
                                           human_bytes(static_cast<double>(memory.end_bytes)),
                                           human_bytes(static_cast<double>(memory.max_bytes)),
                                           human_slope(memory.slope_bytes_per_hour)));
  screen.item("WAL", fmt::format("max {}, {} at end; max {}",
                                 plural(result.segments_max, "segment", "segments"),
                                 with_commas(result.segments_end),
                                 human_bytes(static_cast<double>(result.wal_bytes_max))));
  if (result.resurrected_deletes + result.corrupt_reads != 0) {
    screen.item(
        "deletes back, bad reads",
        screen.paint()(Ink::kBad, fmt::format("{}, {}", with_commas(result.resurrected_deletes),
                                              with_commas(result.corrupt_reads))));
  }
}

}  // namespace

std::string final_screen(const RunResult& result, const std::string& run_folder, bool color,
                         int columns) {
  Screen screen(color, columns);
  add_verdict(screen, result);
  add_lost_documents(screen, result);
  add_evidence(screen, result);
  add_faults(screen, result);
  add_checks(screen, result);
  add_thresholds(screen, result);
  add_numbers(screen, result);
  if (!run_folder.empty()) {
    screen.line();
    screen.item("report", printable(run_folder + "/report.html"));
    screen.item("run folder", printable(run_folder));
  }
  screen.line();
  return screen.text();
}

}  // namespace soak::report
