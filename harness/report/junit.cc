// junit.xml: one test case per check, threshold and fault, and one for the verdict as a whole.
//
// Inconclusive is an error, not a failure and never a skip: a run that did not test what it was
// meant to test must not look green.
#include <cstddef>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/core.h>
#include <pugixml.hpp>

#include "harness/report/format.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"

namespace soak::report {
namespace {

// "2026-11-24T21:37:19": the type has no room for a time zone; the times are UTC.
constexpr std::size_t kTimestampCharacters = 19;

struct TestCase {
  std::string class_name, name;
  Verdict verdict = Verdict::kPass;
  std::string detail;
};

std::string overall_detail(const RunResult& result) {
  return fmt::format(
      "verdict {}{}: {} of {} writes acknowledged, {} lost, {} crashes, {} power losses",
      verdict_name(result.verdict), result.interrupted ? " (interrupted)" : "", result.acknowledged,
      result.attempted, result.lost_acknowledged_writes, result.crashes, result.power_losses);
}

TestCase of_threshold(const ThresholdResult& threshold) {
  return {
      .class_name = "soak.thresholds",
      .name = fmt::format("{} {} {} {}", threshold.metric, threshold.stat,
                          threshold.is_max ? "at most" : "at least", plain_number(threshold.limit)),
      .verdict = threshold.verdict,
      .detail = fmt::format("{} {} was {}, {} is {}", threshold.metric, threshold.stat,
                            plain_number(threshold.value),
                            threshold.is_max ? "the largest allowed" : "the smallest allowed",
                            plain_number(threshold.limit))};
}

TestCase of_fault(const FaultResult& fault) {
  return {.class_name = "soak.faults",
          .name = fmt::format("{} ({}{}{})", fault.name, fault.kind,
                              fault.point.empty() ? "" : " at ", fault.point),
          .verdict = fault.fired >= fault.planned ? Verdict::kPass : Verdict::kInconclusive,
          .detail = fmt::format("fired {} times, must fire {}; attempted {}", fault.fired,
                                fault.planned, fault.attempted)};
}

std::vector<TestCase> test_cases(const RunResult& result) {
  std::vector<TestCase> cases = {{.class_name = "soak.run",
                                  .name = "verdict",
                                  .verdict = result.verdict,
                                  .detail = overall_detail(result)}};
  for (const CheckResult& check : result.checks) {
    cases.push_back({.class_name = "soak.checks",
                     .name = check.name,
                     .verdict = check.verdict,
                     .detail = check.detail});
  }
  for (const ThresholdResult& threshold : result.thresholds) {
    cases.push_back(of_threshold(threshold));
  }
  for (const FaultResult& fault : result.faults) {
    cases.push_back(of_fault(fault));
  }
  return cases;
}

void set(pugi::xml_node node, const char* name, const std::string& value) {
  node.append_attribute(name).set_value(printable(value).c_str());
}

void add_case(pugi::xml_node suite, const TestCase& test) {
  pugi::xml_node node = suite.append_child("testcase");
  set(node, "classname", test.class_name);
  set(node, "name", test.name);
  set(node, "time", "0");
  if (test.verdict == Verdict::kPass) {
    node.append_child("system-out").text().set(printable(test.detail, true).c_str());
    return;
  }
  const bool failed = test.verdict == Verdict::kFail;
  const pugi::xml_node problem = node.append_child(failed ? "failure" : "error");
  const std::size_t line_end = test.detail.find('\n');
  set(problem, "message", test.detail.substr(0, line_end));
  set(problem, "type", verdict_name(test.verdict));
  problem.text().set(printable(test.detail, true).c_str());
}

void add_properties(pugi::xml_node suite, const RunResult& result) {
  pugi::xml_node properties = suite.append_child("properties");
  const auto add = [&](const char* name, const std::string& value) {
    const pugi::xml_node property = properties.append_child("property");
    set(property, "name", name);
    set(property, "value", value);
  };
  add("seed", fmt::format("{}", result.seed));
  add("version", result.version);
  add("scenario_file", result.scenario_file);
  add("command_line", result.command_line);
}

void add_totals(pugi::xml_node node, const std::vector<TestCase>& cases, double seconds) {
  std::size_t failures = 0;
  std::size_t errors = 0;
  for (const TestCase& test : cases) {
    failures += test.verdict == Verdict::kFail ? 1 : 0;
    errors += test.verdict == Verdict::kInconclusive ? 1 : 0;
  }
  set(node, "tests", fmt::format("{}", cases.size()));
  set(node, "failures", fmt::format("{}", failures));
  set(node, "errors", fmt::format("{}", errors));
  set(node, "skipped", "0");
  set(node, "time", fmt::format("{:.3f}", seconds));
}

}  // namespace

std::string junit_xml(const RunResult& result) {
  const std::vector<TestCase> cases = test_cases(result);
  pugi::xml_document document;
  pugi::xml_node declaration = document.append_child(pugi::node_declaration);
  declaration.append_attribute("version").set_value("1.0");
  declaration.append_attribute("encoding").set_value("UTF-8");
  pugi::xml_node suites = document.append_child("testsuites");
  set(suites, "name", "pluresdb-soak");
  add_totals(suites, cases, result.duration_seconds);
  const pugi::xml_node suite = suites.append_child("testsuite");
  set(suite, "name", result.scenario_title);
  add_totals(suite, cases, result.duration_seconds);
  set(suite, "timestamp", result.started_utc.substr(0, kTimestampCharacters));
  add_properties(suite, result);
  for (const TestCase& test : cases) {
    add_case(suite, test);
  }
  std::ostringstream out;
  document.save(out, "  ", pugi::format_default, pugi::encoding_utf8);
  return out.str();
}

}  // namespace soak::report
