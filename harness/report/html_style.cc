// The look of report.html: calm, one accent, light and dark by the reader's setting, printable.
#include "harness/report/html_style.h"

#include <string_view>

namespace soak::report {
namespace {

constexpr std::string_view kStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f6f6f3; --card: #ffffff; --text: #20242a; --soft: #667078; --line: #e4e4df;
  --accent: #2f6f9f; --good: #2b7a4b; --good-soft: #e6f2ea; --bad: #b3322a; --bad-soft: #faeae8;
  --warn: #9a6700; --warn-soft: #faf1dc;
  --crash: #c2503f; --power: #7b53b5; --disk: #c28a1d; --other: #2d8a87;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171b; --card: #1c2026; --text: #e3e6e9; --soft: #97a1ab; --line: #2d333b;
    --accent: #74add8; --good: #6cc08b; --good-soft: #1c3026; --bad: #ef8379; --bad-soft: #3a2220;
    --warn: #dcb057; --warn-soft: #362c17;
    --crash: #e27c6d; --power: #ab8be0; --disk: #dcae55; --other: #5dbab6;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 72px; }
h1 { font-size: 26px; line-height: 1.25; font-weight: 650; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 17px; font-weight: 650; margin: 44px 0 14px; }
p { margin: 6px 0; }
code, pre, .mono { font: 13px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px;
  margin: 8px 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
header { display: grid; grid-template-columns: 1fr auto; gap: 8px 24px; align-items: start; }
.verdict { font-weight: 700; letter-spacing: 0.04em; padding: 7px 18px; border-radius: 999px;
  text-transform: uppercase; white-space: nowrap; }
.pass { color: var(--good); } .fail { color: var(--bad); } .inconclusive { color: var(--warn); }
.verdict.pass { background: var(--good-soft); } .verdict.fail { background: var(--bad-soft); }
.verdict.inconclusive { background: var(--warn-soft); }
.headline { font-size: 19px; margin: 26px 0 4px; }
.headline b { font-weight: 680; }
.facts { display: flex; flex-wrap: wrap; gap: 4px 22px; color: var(--soft); font-size: 14px; margin-top: 10px; }
.facts b { color: var(--text); font-weight: 550; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 12px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; }
.card .value { font-size: 23px; line-height: 1.3; font-weight: 620; font-variant-numeric: tabular-nums; }
.card .label { color: var(--soft); font-size: 13px; line-height: 1.4; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 12px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 550; color: var(--soft); font-size: 13px; }
th, td { padding: 9px 16px; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.status { white-space: nowrap; font-weight: 600; }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 14px 6px; }
figure.wide { grid-column: 1 / -1; }
figcaption { font-size: 14px; font-weight: 600; margin: 0 0 4px 2px; }
@media (max-width: 760px) { .plots { grid-template-columns: 1fr; } main { padding: 24px 14px 48px; }
  header { grid-template-columns: 1fr; } .verdict { justify-self: start; }
  figure { overflow-x: auto; } figure.wide svg { min-width: 680px; } }
svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--line); stroke-width: 1; }
.tick { fill: var(--soft); font: 11px system-ui, sans-serif; }
.none { fill: var(--soft); font: 13px system-ui, sans-serif; }
.line { fill: none; stroke: var(--accent); stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; }
.range { fill: var(--accent); opacity: 0.22; stroke: none; }
.fill { fill: var(--accent); opacity: 0.07; stroke: none; }
.hit { fill: transparent; } .hit:hover { fill: var(--accent); fill-opacity: 0.16; }
.mark { stroke-width: 1; stroke-opacity: 0.45; pointer-events: none; }
.band { fill-opacity: 0.13; pointer-events: none; }
.stem { stroke: var(--line); stroke-width: 1.5; }
.dot { stroke: var(--card); stroke-width: 1; }
.lane.crash, .band.crash, .dot.crash, .swatch.crash { fill: var(--crash); background: var(--crash); }
.lane.power_loss, .band.power_loss, .dot.power_loss, .swatch.power_loss { fill: var(--power); background: var(--power); }
.lane.disk_full, .band.disk_full, .dot.disk_full, .swatch.disk_full { fill: var(--disk); background: var(--disk); }
.lane.other, .band.other, .dot.other, .swatch.other { fill: var(--other); background: var(--other); }
.lane.start, .band.start, .dot.start, .swatch.start { fill: var(--soft); background: var(--soft); }
.mark.crash { stroke: var(--crash); } .mark.power_loss { stroke: var(--power); }
.mark.disk_full { stroke: var(--disk); } .mark.other { stroke: var(--other); } .mark.start { stroke: var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--soft); margin: -4px 0 12px; }
.swatch { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
footer { margin-top: 48px; color: var(--soft); font-size: 13px; }
@media print { body { background: none; } main { padding: 0; max-width: none; }
  figure, .card, .scroll, pre { break-inside: avoid; } }
)css";

}  // namespace

std::string_view html_style() { return kStyle; }

}  // namespace soak::report
