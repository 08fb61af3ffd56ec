// What a scenario means: every section, defaults, overrides, --duration, and that what cannot be
// run is refused. The texts of findings are in scenario_golden_test.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/common/operation.h"
#include "harness/scenario/scenario.h"

namespace soak::scenario {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSmallest = R"(
schema = 1
title = "smallest"
[[agents]]
name = "shell"
)";

std::string messages(const ParseResult& result) {
  std::string out;
  for (const Diagnostic& diagnostic : result.diagnostics) {
    out += fmt::format("{}:{}:{}: {}\n", diagnostic.file, diagnostic.line, diagnostic.column,
                       diagnostic.message);
  }
  return out;
}

/// The scenario of a text that must be good.
Scenario good(std::string_view text, const ParseOptions& options = {}) {
  const ParseResult result = parse("test.toml", std::string(text), options);
  EXPECT_TRUE(result.scenario.has_value()) << messages(result);
  return result.scenario.value_or(Scenario{});
}

/// The findings about a text that must be bad.
std::string bad(std::string_view text, const ParseOptions& options = {}) {
  const ParseResult result = parse("test.toml", std::string(text), options);
  EXPECT_FALSE(result.scenario.has_value()) << text;
  return messages(result);
}

std::string with(std::string_view more) { return std::string(kSmallest) + std::string(more); }

std::vector<fs::path> shipped() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(SCENARIOS_FOLDER)) {
    if (entry.path().extension() == ".toml") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

TEST(ScenarioParse, SmallestScenarioHasTheDocumentedDefaults) {
  const Scenario scenario = good(kSmallest);
  EXPECT_EQ(scenario.title, "smallest");
  EXPECT_TRUE(scenario.seed_was_random);
  EXPECT_DOUBLE_EQ(scenario.duration_seconds, 60);
  EXPECT_EQ(scenario.engine.target, "pluresdb");
  EXPECT_EQ(scenario.engine.durability, "wal");
  EXPECT_EQ(scenario.engine.segment_bytes, 64ULL << 20);
  EXPECT_EQ(scenario.engine.encryption, "none");
  EXPECT_EQ(scenario.replicas.count, 1U);
  ASSERT_EQ(scenario.agents.size(), 1U);
  EXPECT_EQ(scenario.agents[0].count, 1U);
  EXPECT_DOUBLE_EQ(scenario.agents[0].operations_per_second, 0);
  EXPECT_EQ(scenario.agents[0].mix[static_cast<std::size_t>(OperationKind::kStdout)], 4U);
  EXPECT_EQ(scenario.agents[0].payload.max_bytes, 1ULL << 20);
  EXPECT_EQ(scenario.keep_data, "on_failure");
  EXPECT_EQ(scenario.metrics_listen, "");
  EXPECT_EQ(scenario.expect.verdict, "pass");
}

TEST(ScenarioParse, EverySectionIsRead) {
  const Scenario scenario = good(R"(
schema = 1
title = "all"
why = "every section"
seed = 42
must_reach = ["wal_replayed"]
[engine]
durability = "full"
segment_bytes = "8MiB"
checkpoint = { wal_bytes = "64MiB", operations = 5000, every = "1m" }
[[agents]]
name = "shell"
count = 4
rate = "200/s"
mix = { command = 1, read = 2 }
payload_bytes = { distribution = "uniform", median = "4KiB", min = "1KiB", max = "1MiB" }
retention = "5m"
[[phases]]
name = "calm"
duration = "10s"
[[phases]]
name = "storm"
duration = "20s"
faults = ["kill", "fsync"]
[[faults]]
name = "kill"
kind = "crash"
every = "5s"
jitter = 0.5
must_fire = 3
[[faults]]
name = "fsync"
kind = "sync_error"
point = "wal/segment/sync"
at = "12s"
for = "3s"
probability = 0.25
times = 2
[[thresholds]]
metric = "recovery_seconds"
stat = "p99"
max = "1500ms"
[metrics]
listen = "127.0.0.1:0"
[report]
keep_data = "always"
)");
  EXPECT_EQ(scenario.seed, 42U);
  EXPECT_FALSE(scenario.seed_was_random);
  EXPECT_DOUBLE_EQ(scenario.duration_seconds, 30);  // The sum of the phases.
  EXPECT_EQ(scenario.must_reach, std::vector<std::string>{"wal_replayed"});
  EXPECT_EQ(scenario.engine.durability, "full");
  EXPECT_EQ(scenario.engine.segment_bytes, 8ULL << 20);
  EXPECT_EQ(scenario.engine.checkpoint.wal_bytes, 64ULL << 20);
  EXPECT_EQ(scenario.engine.checkpoint.operations, 5000U);
  EXPECT_DOUBLE_EQ(scenario.engine.checkpoint.every_seconds, 60);
  const AgentsSection& agents = scenario.agents.at(0);
  EXPECT_DOUBLE_EQ(agents.operations_per_second, 200);
  EXPECT_EQ(agents.mix, (std::array<std::uint32_t, kOperationKindCount>{1, 0, 0, 0, 0, 2, 0, 0}));
  EXPECT_EQ(agents.payload.distribution, "uniform");
  EXPECT_EQ(agents.payload.min_bytes, 1024U);
  EXPECT_DOUBLE_EQ(agents.retention_seconds, 300);
  EXPECT_EQ(scenario.phases.at(1).faults, (std::vector<std::string>{"kill", "fsync"}));
  const FaultSection& fsync = scenario.faults.at(1);
  EXPECT_EQ(fsync.kind, FaultKind::kSyncError);
  EXPECT_EQ(fsync.point, "wal/segment/sync");
  EXPECT_DOUBLE_EQ(fsync.at_seconds.value_or(-1), 12);
  EXPECT_DOUBLE_EQ(fsync.for_seconds.value_or(-1), 3);
  EXPECT_DOUBLE_EQ(fsync.probability, 0.25);
  EXPECT_EQ(fsync.times, 2U);
  EXPECT_DOUBLE_EQ(scenario.thresholds.at(0).max.value_or(-1), 1.5);
  EXPECT_EQ(scenario.metrics_listen, "127.0.0.1:0");
  EXPECT_EQ(scenario.keep_data, "always");
}

TEST(ScenarioParse, WhatAPowerLossLeavesOutIsTheDevices) {
  struct Case {
    std::string_view keys, keep, names;
    double garbage;
  };
  constexpr std::array<Case, 9> kCases{{
      {"", "none", "none", 0},
      {"keep = \"subset\"", "subset", "prefix", 0},
      {"keep = \"prefix\"", "prefix", "prefix", 0},
      {"device = \"drops_all\"", "none", "none", 0},
      {"device = \"in_order\"", "prefix", "prefix", 0},
      {"device = \"reorders\"", "subset", "prefix", 0},
      {"device = \"scrambles\"", "subset", "any", 0.2},
      {"device = \"scrambles\"\nkeep = \"prefix\"", "prefix", "any", 0},
      {"device = \"scrambles\"\nnames = \"none\"\ngarbage = 1", "subset", "none", 1},
  }};
  for (const Case& expected : kCases) {
    const Scenario scenario = good(with(fmt::format(
        "[[faults]]\nname = \"cut\"\nkind = \"power_loss\"\nat = \"5s\"\n{}\n", expected.keys)));
    ASSERT_EQ(scenario.faults.size(), 1U);
    EXPECT_EQ(scenario.faults[0].keep, expected.keep) << expected.keys;
    EXPECT_EQ(scenario.faults[0].names, expected.names) << expected.keys;
    EXPECT_DOUBLE_EQ(scenario.faults[0].garbage, expected.garbage) << expected.keys;
  }
}

TEST(ScenarioParse, EveryShippedScenarioIsValid) {
  const std::vector<fs::path> files = shipped();
  EXPECT_GE(files.size(), 4U);
  for (const fs::path& file : files) {
    const ParseResult result = parse_file(file.string(), {});
    EXPECT_TRUE(result.scenario.has_value()) << messages(result);
  }
}

TEST(ScenarioParse, ResolvedScenarioParsesToItself) {
  for (const fs::path& file : shipped()) {
    const ParseResult first = parse_file(file.string(), {.seed = 5});
    const ParseResult second = parse("resolved.toml", first.resolved_toml, {});
    EXPECT_EQ(first.resolved_toml, second.resolved_toml) << file << "\n" << messages(second);
    EXPECT_EQ(second.scenario.value_or(Scenario{}).seed, 5U);
  }
}

TEST(ScenarioParse, RandomSeedIsResolvedAndDiffers) {
  const ParseResult first = parse("test.toml", with(""), {});
  const ParseResult second = parse("test.toml", with(""), {});
  const std::uint64_t seed = first.scenario.value_or(Scenario{}).seed;
  EXPECT_NE(seed, second.scenario.value_or(Scenario{}).seed);
  EXPECT_EQ(good(first.resolved_toml).seed, seed);
}

TEST(ScenarioParse, OptionsWinOverTheFile) {
  const Scenario scenario = good(with("[engine]\ndurability = \"none\"\n"),
                                 {.seed = 9,
                                  .duration_seconds = 5.0,
                                  .overrides = {"engine.durability=full", "agents.shell.rate=50/s",
                                                "engine.checkpoint.every=3s"}});
  EXPECT_EQ(scenario.seed, 9U);
  EXPECT_FALSE(scenario.seed_was_random);
  EXPECT_DOUBLE_EQ(scenario.duration_seconds, 5);
  EXPECT_EQ(scenario.engine.durability, "full");
  EXPECT_DOUBLE_EQ(scenario.agents[0].operations_per_second, 50);
  EXPECT_DOUBLE_EQ(scenario.engine.checkpoint.every_seconds, 3);
}

TEST(ScenarioParse, BadOverridesAreFindingsThatNameThem) {
  for (const std::string_view override :
       {"engine.durabilty=full", "engine.durability", "=x", "agents.nobody.rate=5/s",
        "engine.durability=sometimes", "engine.segment_bytes=8MB", "a..b=1"}) {
    const std::string found = bad(kSmallest, {.overrides = {std::string(override)}});
    EXPECT_NE(found.find("--set"), std::string::npos) << override << ": " << found;
  }
}

TEST(ScenarioParse, DurationRescalesInstantsWindowsAndMustFire) {
  const std::string text = with(R"(
[[phases]]
name = "a"
duration = "30s"
[[phases]]
name = "b"
duration = "30s"
faults = ["kill", "full"]
[[faults]]
name = "kill"
kind = "crash"
every = "3s"
must_fire = 6
[[faults]]
name = "full"
kind = "disk_full"
at = "40s"
for = "10s"
)");
  const Scenario half = good(text, {.duration_seconds = 30.0});
  EXPECT_DOUBLE_EQ(half.phases[0].duration_seconds, 15);
  EXPECT_DOUBLE_EQ(half.faults[0].every_seconds.value_or(-1), 3);  // Intervals stay.
  EXPECT_EQ(half.faults[0].must_fire, 3U);
  EXPECT_DOUBLE_EQ(half.faults[1].at_seconds.value_or(-1), 20);
  EXPECT_DOUBLE_EQ(half.faults[1].for_seconds.value_or(-1), 5);
  EXPECT_EQ(half.faults[1].must_fire, 1U);  // Never below 1.
  const Scenario twice = good(text, {.duration_seconds = 120.0});
  EXPECT_EQ(twice.faults[0].must_fire, 12U);
  EXPECT_DOUBLE_EQ(twice.faults[1].at_seconds.value_or(-1), 80);
  // A run too short for a fault that must fire is refused: it could only pass for the wrong reason.
  const ParseResult shortest = parse("x.toml", text, {.duration_seconds = 4.0});
  ASSERT_FALSE(shortest.scenario.has_value());
  EXPECT_NE(shortest.diagnostics.at(0).message.find("leaves no time for the fault \"kill\""),
            std::string::npos);
}

TEST(ScenarioParse, SomeChecksDefectsAndTamperingAreForEncryptedStoresOnly) {
  const std::string encrypted = "[engine]\nencryption = \"aes-256-gcm\"\n";
  const std::map<std::string, std::string> sections = {
      {"[expect]\nverdict = \"fail\"\ncheck = \"no_plaintext_on_disk\"\n",
       "no_plaintext_on_disk is about encrypted stores only"},
      {"[expect]\nverdict = \"fail\"\ncheck = \"no_nonce_reuse\"\n",
       "no_nonce_reuse is about encrypted stores only"},
      {"[defect]\nkind = \"nonce_reuse\"\n[expect]\nverdict = \"fail\"\ncheck = \"evidence\"\n",
       "nonce_reuse is about encrypted stores only"},
      {"[defect]\nkind = \"ignored_tag\"\n[expect]\nverdict = \"fail\"\ncheck = \"evidence\"\n",
       "ignored_tag is about encrypted stores only"},
      {"[[faults]]\nname = \"x\"\nkind = \"tampering\"\nevery = \"1s\"\n",
       "only an encrypted store can notice tampering"}};
  for (const auto& [section, finding] : sections) {
    EXPECT_NE(bad(with(section)).find(finding), std::string::npos) << bad(with(section));
    EXPECT_EQ(good(with(encrypted + section)).engine.encryption, "aes-256-gcm");
  }
}

TEST(ScenarioParse, WhatIsNotImplementedIsRefusedAndNeverIgnored) {
  const std::map<std::string_view, std::string> texts = {
      {"replicas.count", "[replicas]\ncount = 2\n"},
      {"replicas.sync_every", "[replicas]\nsync_every = \"5s\"\n"},
      {"engine.vector_dimension", "[engine]\nvector_dimension = 128\n"},
      {"engine.target", "[engine]\ntarget = \"sqlite\"\n"},
      {"mix.search", "mix = { command = 1, search = 1 }\n"},
  };
  for (const auto& [key, text] : texts) {
    const std::string found = bad(with(text));
    EXPECT_NE(found.find(key), std::string::npos) << text << found;
    EXPECT_NE(found.find("not implemented in this version"), std::string::npos) << text << found;
  }
}

TEST(ScenarioParse, FindingsComeAllAtOnceInTheOrderOfTheFile) {
  const ParseResult result = parse("test.toml", R"(
schema = 1
title = ""
duraton = "60s"
[engine]
durability = 7
[[agents]]
name = "Shell"
rate = "fast"
)",
                                   {});
  ASSERT_EQ(result.diagnostics.size(), 5U) << messages(result);
  const std::vector<std::uint32_t> expected_lines = {3, 4, 6, 8, 9};
  for (std::size_t i = 0; i < expected_lines.size(); ++i) {
    EXPECT_EQ(result.diagnostics[i].line, expected_lines[i]) << messages(result);
    EXPECT_EQ(result.diagnostics[i].file, "test.toml");
    EXPECT_GT(result.diagnostics[i].end_column, result.diagnostics[i].column);
  }
  EXPECT_NE(result.diagnostics[1].message.find("duration"), std::string::npos);  // Did you mean.
  EXPECT_TRUE(result.resolved_toml.empty());
}

TEST(ScenarioParse, MissingFileIsAFinding) {
  const ParseResult result = parse_file("/nowhere/at-all.toml", {});
  EXPECT_FALSE(result.scenario.has_value());
  ASSERT_EQ(result.diagnostics.size(), 1U);
  EXPECT_EQ(result.diagnostics[0].file, "/nowhere/at-all.toml");
}

TEST(ScenarioParse, FolderInsteadOfAFileIsAFinding) {
  const ParseResult result = parse_file(SCENARIOS_FOLDER, {});
  EXPECT_FALSE(result.scenario.has_value());
  EXPECT_EQ(result.diagnostics.size(), 1U) << messages(result);
}

}  // namespace
}  // namespace soak::scenario
