// Goal: any text is a scenario or has findings, each with a place that can be shown; a scenario
// written out with all its defaults is the same scenario. Method: any text, and a good one with any
// values set, as --set, --seed and --duration do it. docs/SCENARIOS.md.
#include "harness/fuzz/scenario_target.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/fuzz/driver/input.h"
#include "engine/fuzz/driver/target.h"
#include "harness/scenario/scenario.h"

namespace soak::fuzz {
namespace {

using fuzzing::Input;
using fuzzing::must_hold;

// Of the command line, as of the file.
constexpr std::uint64_t kSeedMax = (std::uint64_t{1} << 53U) - 1;

constexpr std::string_view kGoodText = R"(schema = 1
title = "fuzz"
why = "a scenario to change"
seed = 7
duration = "60s"
[engine]
durability = "wal"
segment_bytes = "1MiB"
checkpoint = { wal_bytes = "8MiB", every = "10s" }
[[agents]]
name = "shell"
count = 2
rate = "100/s"
mix = { command = 1, stdout = 4, read = 2, delete = 1 }
payload_bytes = { distribution = "lognormal", median = "1KiB", max = "64KiB" }
[[phases]]
name = "calm"
duration = "20s"
[[phases]]
name = "storm"
duration = "40s"
faults = ["kill", "full"]
[[faults]]
name = "kill"
kind = "power_loss"
every = "8s"
jitter = 0.3
must_fire = 2
[[faults]]
name = "full"
kind = "disk_full"
every = "10s"
for = "2s"
[[thresholds]]
metric = "recovery_seconds"
stat = "p99"
max = 30.0
[expect]
verdict = "pass"
)";

/// Seed, duration and overrides of the input; each override ends with a NUL.
scenario::ParseOptions options_of(Input& input, bool overrides) {
  scenario::ParseOptions options;
  if (input.flag()) {
    options.seed = input.number() & kSeedMax;
  }
  if (input.flag()) {
    options.duration_seconds = static_cast<double>(input.number()) / 16;
  }
  while (overrides && !input.empty()) {
    const auto rest =
        std::span(reinterpret_cast<const char*>(input.rest().data()), input.rest().size());
    const auto end = std::ranges::find(rest, '\0');
    options.overrides.emplace_back(rest.begin(), end);
    input.take(options.overrides.back().size() + 1);
  }
  return options;
}

void check_diagnostics(const scenario::ParseResult& result, const std::string& text) {
  const auto lines = static_cast<std::size_t>(std::ranges::count(text, '\n')) + 1;
  for (const scenario::Diagnostic& diagnostic : result.diagnostics) {
    must_hold(!diagnostic.message.empty(), "a finding says what is wrong");
    // Behind the last line where something is missing at the end.
    must_hold(diagnostic.line <= lines + 1, "a finding stands in the text");
    must_hold(!scenario::render(diagnostic, text, false).empty(), "a finding can be shown");
  }
}

void check_scenario_again(const scenario::ParseResult& result) {
  const auto again = scenario::parse("again.toml", result.resolved_toml, {});
  must_hold(again.scenario.has_value(), "a scenario that is written out is one");
  must_hold(again.resolved_toml == result.resolved_toml, "it is the same one");
}

void run_scenario(fuzzing::ByteSpan data) {
  Input input(data);
  const bool is_good = input.flag();
  const scenario::ParseOptions options = options_of(input, is_good);
  std::string text(kGoodText);
  if (!is_good) {
    const auto rest = input.rest();
    text.assign(reinterpret_cast<const char*>(rest.data()), rest.size());
  }
  const auto result = scenario::parse("fuzz.toml", text, options);
  must_hold(result.scenario.has_value() == result.diagnostics.empty(),
            "a text is a scenario, or there are findings");
  check_diagnostics(result, text);
  if (result.scenario) {
    check_scenario_again(result);
  }
}

fuzzing::Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<fuzzing::Seed> scenario_seeds() {
  using std::string_literals::operator""s;
  const std::string text = "\0\0\0"s + std::string(kGoodText);
  return {
      {.name = "seed-good", .bytes = bytes_of(text)},
      {.name = "seed-rescaled", .bytes = bytes_of("\0\1\5\1\xE0\x50\x00"s + text.substr(3))},
      {.name = "seed-set",
       .bytes = bytes_of("\1\0\0engine.segment_bytes=4MiB\0faults.kill.every=2s\0"s)},
      {.name = "seed-set-table",
       .bytes = bytes_of("\1\0\0agents.0.mix={command=1}\0seed=\"random\"\0"s)},
      {.name = "seed-set-fault",
       .bytes = bytes_of("\1\0\0faults.full.kind=io_error\0faults.full.point=wal/segment/*\0"
                         "faults.full.probability=0.5\0"s)},
      {.name = "seed-empty", .bytes = bytes_of("\0\0\0"s)},
      {.name = "seed-deep", .bytes = bytes_of("\0\0\0a = [[[[[{b = [{}]}]]]]]"s)},
      {.name = "seed-numbers",
       .bytes =
           bytes_of("\0\0\0seed = 0xFFFF\nduration = 1e400\n[engine]\nvector_dimension = -1\n"s)},
  };
}

}  // namespace

fuzzing::Target scenario_target() {
  return {.name = "scenario", .run = run_scenario, .seeds = scenario_seeds, .mutations = 1500};
}

}  // namespace soak::fuzz
