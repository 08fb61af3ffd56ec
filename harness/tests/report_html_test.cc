// Goal: report.html is one file that works offline, shows everything, and lets no text of a run
// become markup. Method: the page is well-formed XML, so it is parsed and taken apart.
#include <cstddef>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <pugixml.hpp>

#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include "harness/tests/report_fixture.h"

namespace soak::report {
namespace {

struct Page {
  explicit Page(const RunResult& result) : text(report_html(result)) {
    const pugi::xml_parse_result parsed = document.load_buffer(text.data(), text.size());
    EXPECT_TRUE(parsed) << parsed.description() << " at "
                        << text.substr(static_cast<std::size_t>(parsed.offset), 80);
  }
  [[nodiscard]] pugi::xml_node by_id(const std::string& id) const {
    return document.select_node(("//*[@id='" + id + "']").c_str()).node();
  }
  [[nodiscard]] std::size_t count(const std::string& path) const {
    return document.select_nodes(path.c_str()).size();
  }
  [[nodiscard]] std::string all_text(const std::string& path) const {
    std::string out;
    for (const pugi::xpath_node& found : document.select_nodes((path + "//text()").c_str())) {
      out += std::string(found.node().value()) + "\n";
    }
    return out;
  }
  std::string text;
  pugi::xml_document document;
};

constexpr std::string_view kSections[] = {"evidence",   "plots",          "faults",
                                          "checks",     "thresholds",     "recoveries",
                                          "operations", "lost-documents", "reproduce"};
constexpr std::string_view kPlots[] = {"throughput", "memory", "wal-bytes", "wal-segments",
                                       "recovery-times"};

void expect_complete(const Page& page) {
  for (const std::string_view section : kSections) {
    EXPECT_TRUE(page.by_id(std::string(section))) << section;
  }
  for (const std::string_view plot : kPlots) {
    EXPECT_TRUE(page.by_id(std::string(plot)).child("svg")) << plot;
  }
}

TEST(ReportHtml, HasEverySectionAndPlot) {
  const Page page(fixture_run());
  expect_complete(page);
  EXPECT_EQ(page.all_text("//div[@class='verdict pass']"), "pass\n");
  EXPECT_NE(page.all_text("//header").find("agents with crashes"), std::string::npos);
  EXPECT_EQ(page.count("//section[@id='faults']//tbody/tr"), 4U);
  EXPECT_EQ(page.count("//section[@id='checks']//tbody/tr"), 5U);
  EXPECT_EQ(page.count("//section[@id='recoveries']//tbody/tr"), 6U);
  EXPECT_NE(page.all_text("//section[@id='reproduce']").find("--seed 42"), std::string::npos);
}

TEST(ReportHtml, RefersToNothingOutsideItself) {
  const std::string text = report_html(fixture_failed_run());
  std::string rest = text;
  constexpr std::string_view kNamespace = "xmlns=\"http://www.w3.org/2000/svg\"";
  for (std::size_t at = rest.find(kNamespace); at != std::string::npos;
       at = rest.find(kNamespace)) {
    rest.erase(at, kNamespace.size());
  }
  for (const std::string_view reference :
       {"http:", "https:", "url(", "@import", "src=", "<script", "<link", "href="}) {
    EXPECT_EQ(rest.find(reference), std::string::npos) << reference;
  }
}

TEST(ReportHtml, TextOfTheRunNeverBecomesMarkup) {
  RunResult result = fixture_failed_run();
  const std::string hostile = "<script>alert(1)</script>&\"'\x1b\xff";
  result.scenario_title = result.scenario_why = result.command_line = hostile;
  result.scenario_file = result.version = result.started_utc = hostile;
  result.checks[0].name = result.checks[0].detail = hostile;
  result.faults[0].name = result.faults[0].kind = result.faults[0].point = hostile;
  result.thresholds[0].metric = result.thresholds[0].stat = hostile;
  result.marks[0].kind = result.marks[0].label = hostile;
  result.recoveries[0].cause = hostile;
  const Page page(result);
  expect_complete(page);
  EXPECT_EQ(page.count("//script"), 0U);
  EXPECT_EQ(page.text.find('\x1b'), std::string::npos);
  EXPECT_NE(page.all_text("//h1").find("<script>alert(1)</script>&\"'"), std::string::npos);
}

TEST(ReportHtml, LostDocumentsComeFirstOnFailure) {
  const std::string text = report_html(fixture_failed_run());
  EXPECT_LT(text.find("shell-1/memory/000000000007"), text.find("id=\"evidence\""));
  const Page page(fixture_failed_run());
  EXPECT_EQ(page.count("//*[@id='lost-documents']"), 1U);
  EXPECT_EQ(page.count("//section[@id='faults']//td[@class='status inconclusive']"), 1U);
}

TEST(Reports, ReportedLossesAreNotGlossedOver) {
  RunResult result = fixture_run();
  result.evidence.damages = 16;
  result.evidence.damage_reports = 12;
  result.evidence.reported_losses = 14;
  const std::string page = report_html(result);
  EXPECT_NE(page.find("lost silently</b> of 741,002; 14 by damage"), std::string::npos);
  EXPECT_NE(page.find("places damaged at rest: 14 documents lost"), std::string::npos);
  const std::string screen = final_screen(result, "", false, 100);
  EXPECT_NE(screen.find("lost silently of 741,002; 14 by damage at rest"), std::string::npos);
  EXPECT_NE(screen.find("16 places, reported by 12 recoveries, 14 documents lost"),
            std::string::npos);
}

TEST(Reports, ABaseStoreThatIsLostIsNotGlossedOver) {
  RunResult result = fixture_run();
  result.evidence.damages = result.evidence.base_damages = 3;
  result.evidence.refused_reads = 12;
  EXPECT_NE(report_html(result).find("12 reads and 0 scans refused</"), std::string::npos);
  result.evidence.base_lost = 1;
  const std::string page = report_html(result);
  EXPECT_NE(page.find("of 741,002; the base store is lost by damage at rest"), std::string::npos);
  EXPECT_NE(page.find("12 reads and 0 scans refused, at last the whole"), std::string::npos);
  const std::string screen = final_screen(result, "", false, 100);
  EXPECT_NE(screen.find("the base store is lost by damage at rest, reported"), std::string::npos)
      << screen;
  EXPECT_NE(screen.find("3, 12 reads and 0 scans refused, at last the whole"), std::string::npos)
      << screen;
}

TEST(ReportHtml, MarksAndBandsHaveTooltips) {
  const Page page(fixture_run());
  const std::string throughput = "//figure[@id='throughput']";
  EXPECT_EQ(page.count(throughput + "//rect[starts-with(@class, 'lane')]/title"), 5U);
  EXPECT_EQ(page.count(throughput + "//rect[@class='band disk_full']"), 1U);
  EXPECT_EQ(page.count(throughput + "//line[@class='mark other']"), 1U);
  EXPECT_EQ(page.count("//figure[@id='recovery-times']//circle/title"), 6U);
  EXPECT_NE(page.all_text(throughput).find("0:40 to 0:45: full disk: 214 writes refused"),
            std::string::npos);
}

TEST(ReportHtml, MemoryHasAGapWhereNoWorkerRan) {
  const Page page(fixture_run());
  // Five restarts in 61 samples: six runs of the line.
  EXPECT_EQ(page.count("//figure[@id='memory']//path[@class='line']"), 6U);
  EXPECT_EQ(page.count("//figure[@id='wal-bytes']//path[@class='line']"), 1U);
}

TEST(ReportHtml, ARunWithoutSamplesSaysSo) {
  const Page page(RunResult{});
  expect_complete(page);
  EXPECT_EQ(page.count("//text[@class='none']"), 5U);
  EXPECT_EQ(page.count("//path"), 0U);
  EXPECT_EQ(page.all_text("//p[@class='headline']"), "Nothing was acknowledged.\n");
}

TEST(ReportHtml, ASingleSampleIsDrawn) {
  RunResult result;
  add_fixture_samples(result, 1);
  const Page page(result);
  EXPECT_EQ(page.count("//figure[@id='memory']//path[@class='line']"), 1U);
}

TEST(ReportHtml, ADayIsReducedToColumnsThatKeepTheExtremes) {
  RunResult result = fixture_run();
  result.duration_seconds = result.planned_seconds = 86400;
  result.samples.clear();
  add_fixture_samples(result, 86400);
  result.samples[50000].wal_bytes = 1ULL << 40;  // One second of it must still be seen.
  for (int i = 0; i < 86400; i += 8) {
    result.marks.push_back({static_cast<double>(i), static_cast<double>(i), "crash", "kill"});
    result.recoveries.push_back({static_cast<double>(i), 0.1, 1, 0, 0, "crash"});
  }
  result.recoveries[777].duration_seconds = 42;
  const Page page(result);
  expect_complete(page);
  EXPECT_LT(page.text.size(), 3U << 20);
  EXPECT_LT(page.count("//figure[@id='memory']//rect[@class='hit']"), 400U);
  EXPECT_EQ(page.count("//figure[@id='memory']//path[@class='line']"), 1U);
  EXPECT_NE(page.all_text("//figure[@id='wal-bytes']").find("to 1.00 TiB)"), std::string::npos);
  EXPECT_NE(page.all_text("//figure[@id='recovery-times']").find("42.0 s after crash"),
            std::string::npos);
  EXPECT_EQ(page.count("//section[@id='recoveries']//tbody/tr"), 50U);
}

}  // namespace
}  // namespace soak::report
