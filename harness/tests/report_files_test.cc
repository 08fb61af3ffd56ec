// summary.json and junit.xml as the programs that read them see them, the run folder's files, the
// event log, and how numbers and text are shown.
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <pugixml.hpp>
#include <simdjson.h>

#include "harness/report/format.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include "harness/tests/report_fixture.h"
#include "harness/tests/temporary_folder.h"

namespace soak::report {
namespace {

std::string read_file(const std::string& path) {
  const std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

simdjson::dom::element parse_json(simdjson::dom::parser& parser, const std::string& text) {
  simdjson::dom::element element;
  EXPECT_EQ(parser.parse(text).get(element), simdjson::SUCCESS) << text;
  return element;
}

std::string text_at(simdjson::dom::element root, std::string_view pointer) {
  std::string_view text;
  EXPECT_EQ(root.at_pointer(pointer).get(text), simdjson::SUCCESS) << pointer;
  return std::string(text);
}

double number_at(simdjson::dom::element root, std::string_view pointer) {
  double number = -1;
  EXPECT_EQ(root.at_pointer(pointer).get(number), simdjson::SUCCESS) << pointer;
  return number;
}

TEST(Summary, HasEveryFieldOfTheContract) {
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parse_json(parser, summary_json(fixture_failed_run()));
  EXPECT_EQ(text_at(root, "/verdict"), "fail");
  EXPECT_EQ(text_at(root, "/scenario"), "lying <fsync> & \"friends\"");
  EXPECT_EQ(number_at(root, "/seed"), 42);
  EXPECT_EQ(number_at(root, "/duration_seconds"), 60.25);
  EXPECT_EQ(number_at(root, "/operations/attempted"), 745120);
  EXPECT_EQ(number_at(root, "/operations/acknowledged"), 741002);
  EXPECT_EQ(number_at(root, "/operations/maybe"), 118);
  EXPECT_EQ(number_at(root, "/lost_acknowledged_writes"), 27);
  EXPECT_EQ(number_at(root, "/resurrected_deletes"), 1);
  EXPECT_EQ(number_at(root, "/corrupt_reads"), 0);
  EXPECT_EQ(number_at(root, "/crashes"), 5);
  EXPECT_EQ(text_at(root, "/faults/2/kind"), "disk_full");
  EXPECT_EQ(text_at(root, "/faults/2/point"), "space/*");
  EXPECT_EQ(number_at(root, "/faults/2/planned"), 1);
  EXPECT_EQ(number_at(root, "/faults/2/fired"), 214);
  EXPECT_EQ(number_at(root, "/recovery_seconds/count"), 5);
  EXPECT_EQ(number_at(root, "/recovery_seconds/p50"), 0.187);
  EXPECT_EQ(number_at(root, "/recovery_seconds/p99"), 0.412);
  EXPECT_EQ(number_at(root, "/recovery_seconds/max"), 0.412);
  EXPECT_EQ(number_at(root, "/resident_memory_bytes/start"), 50331648);
  EXPECT_EQ(number_at(root, "/resident_memory_bytes/end"), 75497472);
  EXPECT_EQ(number_at(root, "/resident_memory_bytes/max"), 81788928);
  EXPECT_EQ(number_at(root, "/resident_memory_bytes/slope_per_hour"), -20971.52);
  EXPECT_EQ(number_at(root, "/segments/max"), 11);
  EXPECT_EQ(number_at(root, "/segments/end"), 4);
  EXPECT_EQ(text_at(root, "/checks/0/name"), "no_lost_acknowledged_writes");
  EXPECT_EQ(text_at(root, "/checks/0/verdict"), "fail");
  EXPECT_TRUE(text_at(root, "/checks/0/detail").starts_with("27 lost"));
  EXPECT_EQ(text_at(root, "/thresholds/0/metric"), "recovery_seconds");
  EXPECT_EQ(text_at(root, "/thresholds/0/stat"), "p99");
  EXPECT_EQ(number_at(root, "/thresholds/0/limit"), 2);
  EXPECT_EQ(number_at(root, "/thresholds/0/value"), 3.5);
  EXPECT_EQ(text_at(root, "/thresholds/0/verdict"), "fail");
  EXPECT_EQ(text_at(root, "/lost_documents/2"), "evil\uFFFD[31m\uFFFD</script>]]>");
}

TEST(Summary, ValuesThatAreNotNumbersAreNull) {
  RunResult result;
  result.memory.slope_bytes_per_hour = std::numeric_limits<double>::quiet_NaN();
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parse_json(parser, summary_json(result));
  simdjson::dom::element slope;
  ASSERT_EQ(root.at_pointer("/resident_memory_bytes/slope_per_hour").get(slope), simdjson::SUCCESS);
  EXPECT_TRUE(slope.is_null());
}

TEST(Summary, AManyRecoveriesListsTheSlowestAndCountsTheRest) {
  RunResult result;
  for (int i = 0; i < 1500; ++i) {
    result.recoveries.push_back(
        {static_cast<double>(i), i == 7 ? 99.0 : 0.1 + i * 1e-6, 1, 0, 0, "crash"});
  }
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parse_json(parser, summary_json(result));
  simdjson::dom::array recoveries;
  ASSERT_EQ(root.at_pointer("/recoveries").get(recoveries), simdjson::SUCCESS);
  EXPECT_EQ(recoveries.size(), 1000U);
  EXPECT_EQ(number_at(root, "/recoveries/0/duration_seconds"), 99);
  EXPECT_EQ(number_at(root, "/recoveries_not_listed"), 500);
  EXPECT_EQ(number_at(root, "/recovery_seconds/count"), 1500);
}

TEST(RecoveryStatistics, NearestRankWithoutTheFirstOpen) {
  EXPECT_EQ(recovery_statistics({}).count, 0U);
  EXPECT_EQ(recovery_statistics({{0, 9, 0, 0, 0, "start"}}).count, 0U);
  std::vector<RecoverySample> recoveries = {{0, 9, 0, 0, 0, "start"}};
  for (int i = 100; i >= 1; --i) {
    recoveries.push_back({0, i / 100.0, 0, 0, 0, "crash"});
  }
  const RecoveryStatistics statistics = recovery_statistics(recoveries);
  EXPECT_EQ(statistics.count, 100U);
  EXPECT_EQ(statistics.p50, 0.50);
  EXPECT_EQ(statistics.p99, 0.99);
  EXPECT_EQ(statistics.max, 1.0);
}

struct Junit {
  pugi::xml_document document;
  pugi::xml_node suite;
};

void parse_junit(const RunResult& result, Junit& junit) {
  const std::string text = junit_xml(result);
  ASSERT_TRUE(junit.document.load_buffer(text.data(), text.size())) << text;
  junit.suite = junit.document.child("testsuites").child("testsuite");
  ASSERT_TRUE(junit.suite);
}

TEST(Junit, EveryCheckThresholdAndFaultIsATestCaseAndTotalsAgree) {
  Junit junit;
  const RunResult result = fixture_failed_run();
  parse_junit(result, junit);
  unsigned cases = 0;
  unsigned failures = 0;
  unsigned errors = 0;
  for (const pugi::xml_node test : junit.suite.children("testcase")) {
    ++cases;
    failures += test.child("failure") ? 1U : 0U;
    errors += test.child("error") ? 1U : 0U;
    EXPECT_FALSE(std::string(test.attribute("name").value()).empty());
    EXPECT_TRUE(std::string(test.attribute("classname").value()).starts_with("soak."));
  }
  EXPECT_EQ(cases, 1 + result.checks.size() + result.thresholds.size() + result.faults.size());
  EXPECT_EQ(failures, 3U);  // The verdict, the lost writes, the threshold.
  EXPECT_EQ(errors, 1U);    // The fault that did not fire.
  for (const pugi::xml_node node : {junit.suite, junit.suite.parent()}) {
    EXPECT_EQ(node.attribute("tests").as_uint(), cases);
    EXPECT_EQ(node.attribute("failures").as_uint(), failures);
    EXPECT_EQ(node.attribute("errors").as_uint(), errors);
  }
  EXPECT_EQ(std::string(junit.suite.attribute("timestamp").value()), "2026-11-24T21:37:19");
}

TEST(Junit, AnInconclusiveRunIsNeverGreen) {
  Junit junit;
  RunResult result = fixture_run();
  result.verdict = Verdict::kInconclusive;
  parse_junit(result, junit);
  EXPECT_EQ(junit.suite.attribute("errors").as_uint(), 1U);
  const pugi::xml_node error =
      junit.suite.find_child_by_attribute("testcase", "name", "verdict").child("error");
  EXPECT_EQ(std::string(error.attribute("type").value()), "inconclusive");
}

TEST(WriteReports, LeavesThreeFilesAndNoOthers) {
  const TemporaryFolder folder;
  const RunResult result = fixture_run();
  ASSERT_TRUE(write_reports(result, folder.path().string()).has_value());
  EXPECT_EQ(read_file(folder.path().string() + "/summary.json"), summary_json(result));
  EXPECT_EQ(read_file(folder.path().string() + "/junit.xml"), junit_xml(result));
  EXPECT_EQ(read_file(folder.path().string() + "/report.html"), report_html(result));
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    files += entry.is_regular_file() ? 1U : 0U;
  }
  EXPECT_EQ(files, 3U);
}

TEST(WriteReports, NamesTheFileThatCannotBeWritten) {
  const TemporaryFolder folder;
  const auto status = write_reports(fixture_run(), folder.path().string() + "/absent");
  ASSERT_FALSE(status.has_value());
  EXPECT_NE(status.error().context.find("absent/summary.json"), std::string::npos);
  EXPECT_EQ(status.error().sys_errno, ENOENT);
}

TEST(EventLog, EachEventIsALineOfJsonOnDiskAtOnce) {
  const TemporaryFolder folder;
  const std::string path = folder.path().string() + "/events.ndjson";
  auto log = EventLog::create(path);
  ASSERT_TRUE(log.has_value());
  (*log)->write(0, "start", {});
  (*log)->write(1.25, "fault \"x\"", {{"point", json_quote("wal\n\xff")}, {"count", "3"}});
  std::istringstream lines(read_file(path));
  std::string first;
  std::string second;
  std::string third;
  ASSERT_TRUE(std::getline(lines, first) && std::getline(lines, second));
  EXPECT_FALSE(std::getline(lines, third));
  simdjson::dom::parser parser;
  const simdjson::dom::element root = parse_json(parser, second);
  EXPECT_EQ(number_at(root, "/time_seconds"), 1.25);
  EXPECT_EQ(text_at(root, "/event"), "fault \"x\"");
  EXPECT_EQ(text_at(root, "/point"), "wal\n\uFFFD");
  EXPECT_EQ(number_at(root, "/count"), 3);
  const std::string utc = text_at(root, "/utc");
  EXPECT_EQ(utc.size(), std::string("2026-11-24T21:37:19.123Z").size()) << utc;
  EXPECT_EQ(utc.substr(0, 2), "20");
  EXPECT_EQ(utc.back(), 'Z');
  EXPECT_TRUE((*log)->close().has_value());
  EXPECT_TRUE((*log)->close().has_value());
}

TEST(EventLog, AFullDiskIsReportedByClose) {
  auto log = EventLog::create("/dev/full");
  ASSERT_TRUE(log.has_value());
  (*log)->write(0, "start", {});
  const auto status = (*log)->close();
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().sys_errno, ENOSPC);
}

TEST(EventLog, CreateNamesAFolderThatIsNotThere) {
  const auto log = EventLog::create("/nonexistent/events.ndjson");
  ASSERT_FALSE(log.has_value());
  EXPECT_EQ(log.error().context, "create /nonexistent/events.ndjson");
}

TEST(JsonQuote, EscapesAndReplaces) {
  EXPECT_EQ(json_quote("a\"b\\c\n\t"), R"("a\"b\\c\n\t")");
  EXPECT_EQ(json_quote("\x01\x7f"), "\"\uFFFD\uFFFD\"");
  EXPECT_EQ(json_quote("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"), "\"é€😀\"");
  // Truncated, overlong, surrogate, beyond U+10FFFF: one replacement per byte that begins nothing.
  for (const std::string_view bad :
       {"\xc3", "\xff", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80"}) {
    std::string expected = "\"";
    for (std::size_t i = 0; i < bad.size(); ++i) {
      expected += "\uFFFD";
    }
    EXPECT_EQ(json_quote(bad), expected + "\"");
  }
}

TEST(Format, NumbersForPeople) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(std::numeric_limits<std::uint64_t>::max()), "18,446,744,073,709,551,615");
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1536), "1.50 KiB");
  EXPECT_EQ(human_bytes(-2097152), "-2.00 MiB");
  EXPECT_EQ(human_duration(0.00032), "320 us");
  EXPECT_EQ(human_duration(0.0412), "41.2 ms");
  EXPECT_EQ(human_duration(1.25), "1.25 s");
  EXPECT_EQ(human_duration(725), "12 m 05 s");
  EXPECT_EQ(human_duration(11220), "3 h 07 m");
  EXPECT_EQ(human_count(9999), "9999");
  EXPECT_EQ(human_count(12345), "12.3 k");
  EXPECT_EQ(human_count(3.4e6), "3.40 M");
  EXPECT_EQ(clock_time(7), "0:07");
  EXPECT_EQ(clock_time(11220), "3:07:00");
  EXPECT_EQ(metric_value("pluresdb_wal_bytes", "max", 1048576), "1.00 MiB");
  EXPECT_EQ(metric_value("resident_memory_bytes", "slope_per_hour", 1024), "1.00 KiB/h");
  EXPECT_EQ(metric_value("recovery_seconds", "count", 5), "5");
}

TEST(Format, TextIsCutByCharactersNotBytes) {
  EXPECT_EQ(text_width("éé"), 2U);
  EXPECT_EQ(fitted("ééé", 3), "ééé");
  EXPECT_EQ(fitted("éééé", 3), "éé…");
  EXPECT_EQ(fitted("abc", 0), "");
  EXPECT_EQ(padded("é", 3), "é  ");
  EXPECT_EQ(padded_left("é", 3), "  é");
}

}  // namespace
}  // namespace soak::report
