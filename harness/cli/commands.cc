// validate and list.
#include "harness/cli/commands.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <ios>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "faultinj/points.h"
#include "harness/cli/scenario_files.h"
#include "harness/scenario/reference.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/units.h"

namespace soak::cli {
namespace {

// Findings show one line of the file; the parser refuses larger files anyway.
constexpr std::size_t kTextBytesMax = 1U << 20;

std::string read_text(const std::string& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) {
    return {};
  }
  std::ifstream stream(file, std::ios::binary);
  std::string text(kTextBytesMax, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

std::string json_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += fmt::format("\\{}", c);
    } else if (byte < 0x20 || byte == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(byte));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string json_result(const std::string& file, const scenario::ParseResult& result) {
  std::string findings;
  for (const scenario::Diagnostic& d : result.diagnostics) {
    findings += fmt::format("{}{{\"file\": {}, \"line\": {}, \"column\": {}, \"message\": {}}}",
                            findings.empty() ? "" : ", ", json_string(d.file), d.line, d.column,
                            json_string(d.message));
  }
  return fmt::format("{{\"file\": {}, \"valid\": {}, \"diagnostics\": [{}]}}", json_string(file),
                     result.scenario.has_value(), findings);
}

std::uint32_t agent_count(const scenario::Scenario& scenario) {
  std::uint32_t count = 0;
  for (const scenario::AgentsSection& agents : scenario.agents) {
    count += agents.count;
  }
  return count;
}

/// What an argument parses to; one that names no file is a finding like any other.
scenario::ParseResult parse_argument(const std::string& argument,
                                     const scenario::ParseOptions& options, std::string& file) {
  const auto found = find_scenario(argument);
  file = found.has_value() ? *found : argument;
  if (!found.has_value()) {
    scenario::ParseResult result;
    result.diagnostics.push_back({.file = "scenario", .message = found.error().context});
    return result;
  }
  return scenario::parse_file(file, options);
}

void print_findings(const std::string& file, const scenario::ParseResult& result, bool color) {
  const std::string text = read_text(file);
  for (const scenario::Diagnostic& diagnostic : result.diagnostics) {
    fmt::print(stderr, "{}", scenario::render(diagnostic, text, color));
  }
  fmt::print(stderr, "{}: {} error{}\n", file, result.diagnostics.size(),
             result.diagnostics.size() == 1 ? "" : "s");
}

int list_scenarios() {
  const auto folder = scenarios_folder();
  if (folder.empty()) {
    fmt::print(stderr, "list: there is no scenarios folder here\n");
    return kExitEnvironment;
  }
  for (const auto& file : scenario_files(folder)) {
    const auto result = scenario::parse_file(file.string(), {});
    if (!result.scenario.has_value()) {
      fmt::print("{:<40} invalid; see `pluresdb-soak validate {}`\n", file.string(), file.string());
      continue;
    }
    fmt::print("{:<40} {:>6}  expects {:<5} {}\n", file.string(),
               scenario::format_duration(result.scenario->duration_seconds),
               result.scenario->expect.verdict, result.scenario->title);
  }
  return kExitPass;
}

}  // namespace

int validate(const ValidateOptions& options) {
  bool all_good = true;
  std::string json;
  for (const std::string& argument : options.scenarios) {
    std::string file;
    const scenario::ParseResult result = parse_argument(argument, options.parse, file);
    all_good = all_good && result.scenario.has_value();
    if (options.json) {
      json += (json.empty() ? "" : ",\n ") + json_result(file, result);
    } else if (!result.scenario.has_value()) {
      print_findings(file, result, options.color);
    } else if (options.print_resolved) {
      fmt::print("{}", result.resolved_toml);
    } else {
      const scenario::Scenario& parsed = *result.scenario;
      fmt::print("{}: ok: \"{}\", {}, {} agents, {} faults, expects {}\n", file, parsed.title,
                 scenario::format_duration(parsed.duration_seconds), agent_count(parsed),
                 parsed.faults.size(), parsed.expect.verdict);
    }
  }
  if (options.json) {
    fmt::print("[{}]\n", json);
  }
  return all_good ? kExitPass : kExitInvalid;
}

scenario::ParseResult load(const std::string& argument, const scenario::ParseOptions& options,
                           bool color) {
  std::string file;
  scenario::ParseResult result = parse_argument(argument, options, file);
  if (!result.scenario.has_value()) {
    print_findings(file, result, color);
  }
  return result;
}

std::vector<std::string> list_topics() {
  return {"scenarios", "faults",   "points",  "metrics", "agents",
          "checks",    "branches", "defects", "keys",    "schema"};
}

int list(const std::string& topic) {
  if (topic == "scenarios") {
    return list_scenarios();
  }
  if (topic == "points") {
    for (const std::string& point : faultinj::all_points()) {
      fmt::print("{}\n", point);
    }
  } else if (topic == "keys") {
    fmt::print("{}", scenario::keys_reference());
  } else if (topic == "schema") {
    fmt::print("{}", scenario::json_schema());
  } else {
    fmt::print("{}", scenario::names_reference(topic));
  }
  return kExitPass;
}

}  // namespace soak::cli
