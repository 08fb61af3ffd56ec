// Goal: no text makes the parser crash, hang or contradict itself, and a scenario means the same
// after it was written out. Method: RapidCheck mutates the shipped scenarios and generates new
// ones.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ios>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "harness/common/operation.h"
#include "harness/scenario/read.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/suggest.h"
#include "harness/scenario/units.h"

namespace soak::scenario {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string>& shipped_texts() {
  static const std::vector<std::string> kTexts = [] {
    std::vector<std::string> texts;
    for (const auto& entry : fs::recursive_directory_iterator(SCENARIOS_FOLDER)) {
      if (entry.path().extension() == ".toml") {
        const std::ifstream stream(entry.path(), std::ios::binary);
        std::ostringstream text;
        text << stream.rdbuf();
        texts.push_back(text.str());
      }
    }
    std::sort(texts.begin(), texts.end());
    return texts;
  }();
  return kTexts;
}

std::uint32_t line_count(const std::string& text) {
  return static_cast<std::uint32_t>(std::count(text.begin(), text.end(), '\n')) + 1;
}

/// Exactly one of: a scenario that parses to itself, or findings that have a place in the text.
void check_consistent(const std::string& text) {
  const ParseResult result = parse("x.toml", text, {.seed = 1});
  RC_ASSERT(result.scenario.has_value() == result.diagnostics.empty());
  for (const Diagnostic& diagnostic : result.diagnostics) {
    RC_ASSERT(!diagnostic.message.empty());
    RC_ASSERT(diagnostic.line <= line_count(text) + 1);
    RC_ASSERT(!render(diagnostic, text, false).empty());
  }
  if (result.scenario.has_value()) {
    const ParseResult again = parse("x.toml", result.resolved_toml, {});
    RC_ASSERT(again.scenario.has_value());
    RC_ASSERT(again.resolved_toml == result.resolved_toml);
  }
}

RC_GTEST_PROP(ScenarioProperty, MutatedScenariosAreScenariosOrHaveFindings, ()) {
  std::string text = *rc::gen::elementOf(shipped_texts());
  const auto edits = *rc::gen::inRange<std::size_t>(1, 6);
  for (std::size_t i = 0; i < edits; ++i) {
    const auto offset = *rc::gen::inRange<std::size_t>(0, text.size());
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        text[offset] = static_cast<char>(*rc::gen::arbitrary<unsigned char>());
        break;
      case 1:
        text.erase(offset, *rc::gen::inRange<std::size_t>(1, 30));
        break;
      case 2: {
        const auto from = *rc::gen::inRange<std::size_t>(0, text.size());
        text.insert(offset, text.substr(from, *rc::gen::inRange<std::size_t>(1, 60)));
        break;
      }
      default:
        text.insert(offset, *rc::gen::elementOf(std::vector<std::string>{
                                "\"", "\n", "[[faults]]\n", "=", "0", "-", "1e400", "[", "}",
                                "\xff", "nan", "0s", "99999999999h", "''", "\"\"\"", "#"}));
    }
    RC_PRE(!text.empty());
  }
  check_consistent(text);
}

RC_GTEST_PROP(ScenarioProperty, ArbitraryTextIsAFindingAndNoCrash, (const std::string& text)) {
  check_consistent(text);
}

FaultSection arbitrary_kill(std::size_t index) {
  FaultSection fault;
  fault.name = "fault " + std::to_string(index);
  fault.kind = *rc::gen::element(FaultKind::kCrash, FaultKind::kPowerLoss);
  fault.every_seconds = *rc::gen::inRange(1, 20);
  fault.jitter = *rc::gen::inRange(0, 10) / 10.0;
  if (fault.kind == FaultKind::kPowerLoss) {
    fault.device = *rc::gen::element<std::string>("any", "scrambles");
    fault.keep = *rc::gen::element<std::string>("none", "prefix", "subset");
    fault.names = *rc::gen::element<std::string>("none", "prefix", "any");
    fault.garbage = fault.keep == "subset" ? *rc::gen::inRange(0, 10) / 10.0 : 0;
    fault.sector_bytes = *rc::gen::element(512U, 4096U);
  }
  return fault;
}

/// A scenario that the language can say.
Scenario arbitrary_scenario() {
  Scenario scenario;
  scenario.title = "t" + *rc::gen::container<std::string>(rc::gen::inRange<char>(' ', 127));
  scenario.title.resize(std::min<std::size_t>(scenario.title.size(), 100));
  scenario.seed = *rc::gen::inRange<std::uint64_t>(0, 1ULL << 53);
  scenario.duration_seconds = *rc::gen::inRange(20, 100'000);
  scenario.engine.durability = *rc::gen::element<std::string>("none", "wal", "full");
  scenario.engine.segment_bytes = *rc::gen::inRange<std::uint64_t>(64 << 10, 64 << 20);
  scenario.engine.checkpoint.wal_bytes = *rc::gen::inRange<std::uint64_t>(0, 1ULL << 40);
  scenario.engine.checkpoint.every_seconds = *rc::gen::inRange(0, 86'400'000) / 1000.0;
  const auto agents = *rc::gen::inRange(1, 5);
  for (int i = 0; i < agents; ++i) {
    AgentsSection section;
    section.name = "agent" + std::to_string(i);
    section.count = *rc::gen::inRange(1U, 9U);
    section.operations_per_second = *rc::gen::inRange(0, 1000);
    section.mix = {};
    section.mix[static_cast<std::size_t>(OperationKind::kMemory)] = *rc::gen::inRange(1U, 100U);
    section.mix[static_cast<std::size_t>(OperationKind::kRead)] = *rc::gen::inRange(0U, 100U);
    section.payload.median_bytes = *rc::gen::inRange<std::uint64_t>(16, 1 << 20);
    section.retention_seconds = *rc::gen::inRange(0, 3600);
    scenario.agents.push_back(section);
  }
  const auto faults = *rc::gen::inRange<std::size_t>(0, 4);
  for (std::size_t i = 0; i < faults; ++i) {
    FaultSection fault = arbitrary_kill(i);
    fault.must_fire = std::min(*rc::gen::inRange<std::uint64_t>(0, 2000),
                               static_cast<std::uint64_t>(most_firings(scenario, fault)));
    scenario.faults.push_back(fault);
  }
  return scenario;
}

RC_GTEST_PROP(ScenarioProperty, WrittenScenariosParseToThemselves, ()) {
  const std::string text = to_toml(arbitrary_scenario());
  const ParseResult result = parse("x.toml", text, {});
  if (!result.scenario.has_value()) {
    RC_FAIL(render(result.diagnostics.at(0), text, false));
  }
  RC_ASSERT(result.resolved_toml == text);
}

RC_GTEST_PROP(ScenarioProperty, RescalingKeepsProportionsAndStaysValid, ()) {
  const Scenario scenario = arbitrary_scenario();
  const double seconds = *rc::gen::inRange(1, 200'000);
  const ParseResult result = parse("x.toml", to_toml(scenario), {.duration_seconds = seconds});
  if (!result.scenario.has_value()) {
    // Refused only where a fault that must fire could not come once.
    RC_ASSERT(result.diagnostics.at(0).message.find("leaves no time") != std::string::npos);
    return;
  }
  RC_ASSERT(result.scenario->duration_seconds == seconds);
  for (std::size_t i = 0; i < scenario.faults.size(); ++i) {
    const FaultSection& fault = result.scenario->faults[i];
    RC_ASSERT(fault.every_seconds == scenario.faults[i].every_seconds);
    RC_ASSERT(static_cast<double>(fault.must_fire) <= most_firings(*result.scenario, fault));
    RC_ASSERT((fault.must_fire > 0) == (scenario.faults[i].must_fire > 0));
    const double proportional =
        static_cast<double>(scenario.faults[i].must_fire) * seconds / scenario.duration_seconds;
    RC_ASSERT(static_cast<double>(fault.must_fire) <= std::max(1.0, proportional + 1e-6));
  }
  // What runs can be run again from its run folder.
  RC_ASSERT(parse("x.toml", result.resolved_toml, {}).scenario.has_value());
}

RC_GTEST_PROP(ScenarioProperty, FormattedUnitsReadBack, ()) {
  const auto bytes = *rc::gen::inRange<std::uint64_t>(0, 1ULL << 42);
  RC_ASSERT(parse_bytes(format_bytes(bytes)).value_or(bytes + 1) == bytes);
  const double seconds = *rc::gen::inRange(0, 100'000'000) / 1000.0;
  const double read = parse_duration(format_duration(seconds)).value_or(-1);
  RC_ASSERT(std::abs(read - seconds) <= 1e-9 * std::max(1.0, seconds));
}

RC_GTEST_PROP(ScenarioProperty, EditDistanceIsSymmetricAndZeroOnlyForEqualWords, ()) {
  const auto word = rc::gen::container<std::string>(rc::gen::inRange<char>('a', 'e'));
  const std::string a = *word;
  const std::string b = *word;
  RC_ASSERT(edit_distance(a, b) == edit_distance(b, a));
  RC_ASSERT((edit_distance(a, b) == 0) == (a == b));
  RC_ASSERT(edit_distance(a, b) <= std::max(a.size(), b.size()));
}

}  // namespace
}  // namespace soak::scenario
