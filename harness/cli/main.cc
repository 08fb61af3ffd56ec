// pluresdb-soak: the command line. The only file that includes CLI11.
#include <algorithm>
#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include "harness/cli/commands.h"
#include "harness/scenario/scenario.h"
#include "harness/scenario/units.h"
#include "harness/supervisor/run.h"

namespace {

using namespace soak::cli;

// Commands and options of the contract that later versions bring.
constexpr std::array<std::string_view, 7> kLaterCommands = {"resume",  "replay", "shrink", "report",
                                                            "compare", "merge",  "doctor"};

constexpr const char* kScenarioHelp =
    "A file, or the name or path of one below scenarios/ without .toml, as first-run or "
    "smoke/first-run (required)";

constexpr const char* kFooter =
    "Exit status of run: 0 pass, 1 fail, 2 inconclusive, 3 invalid scenario or arguments,\n"
    "4 environment or harness error.";

struct Arguments {
  std::string scenario, out, duration, shard, topic = "scenarios";
  std::vector<std::string> scenarios, overrides;
  std::optional<std::uint64_t> seed;
  std::optional<std::string> listen;  ///< Empty: no metrics endpoint.
  bool quiet = false, json = false, no_color = false, hold = false, keep_data = false,
       print_resolved = false;
};

bool use_color(const Arguments& arguments, int descriptor) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread exists yet.
  const char* no_color = std::getenv("NO_COLOR");
  return !arguments.no_color && (no_color == nullptr || *no_color == '\0') &&
         isatty(descriptor) == 1;
}

void add_scenario_options(CLI::App& command, Arguments& arguments) {
  command.add_option("--seed", arguments.seed, "Seed instead of the scenario's")
      ->check(CLI::Range(std::uint64_t{0}, (std::uint64_t{1} << 53) - 1));
  command.add_option("--duration", arguments.duration,
                     "Rescale phases, instants and must_fire to this, as 60s or 24h");
  command
      .add_option("--set", arguments.overrides,
                  "KEY.PATH=VALUE instead of the scenario's, as agents.shell.rate=50/s; repeatable")
      ->take_all()
      ->expected(1);
}

void add_run(CLI::App& app, Arguments& arguments) {
  CLI::App* run = app.add_subcommand("run", "Run a scenario; the exit status is the verdict");
  run->footer(kFooter);
  run->add_option("SCENARIO", arguments.scenario, kScenarioHelp);
  run->add_option("--out", arguments.out, "Run folder (default: runs/TITLE-UTC)");
  add_scenario_options(*run, arguments);
  run->add_option("--listen", arguments.listen, "ADDRESS:PORT for metrics; empty: none");
  run->add_option("--shard", arguments.shard, "I/N (not implemented in this version)");
  run->add_flag("--keep-data", arguments.keep_data, "Keep the data directories also after a pass");
  run->add_flag("--hold", arguments.hold, "Go on serving metrics after the end, until a signal");
  CLI::Option* quiet = run->add_flag("--quiet", arguments.quiet, "Print only the verdict");
  run->add_flag("--json", arguments.json, "Print summary.json instead of text")->excludes(quiet);
  run->add_flag("--no-color", arguments.no_color, "No colours (also: NO_COLOR)");
}

void add_validate(CLI::App& app, Arguments& arguments) {
  CLI::App* validate =
      app.add_subcommand("validate", "Check scenarios; print every error with its place");
  validate->add_option("SCENARIO", arguments.scenarios, kScenarioHelp);
  add_scenario_options(*validate, arguments);
  CLI::Option* resolved = validate->add_flag("--resolved", arguments.print_resolved,
                                             "Print the scenario with every default");
  validate->add_flag("--json", arguments.json, "Print findings as JSON")->excludes(resolved);
  validate->add_flag("--no-color", arguments.no_color, "No colours (also: NO_COLOR)");
}

void add_check(CLI::App& app, Arguments& arguments) {
  CLI::App* check = app.add_subcommand(
      "check", "Run scenarios one after the other; see whether each ends as its [expect] says");
  check->footer(
      "Exit status of check: 0 each ended as it should, 1 one did not, 3 invalid scenario or "
      "arguments,\n4 environment or harness error.");
  check->add_option("SCENARIO", arguments.scenarios, "Files, or names below scenarios/")
      ->required();
  check->add_option(
      "--out", arguments.out,
      "Keeps the run folders (default: runs/check-UTC-PID, only of what ended otherwise)");
  add_scenario_options(*check, arguments);
  check->add_flag("--no-color", arguments.no_color, "No colours (also: NO_COLOR)");
}

void add_list(CLI::App& app, Arguments& arguments) {
  CLI::App* list = app.add_subcommand("list", "List what there is, or can be named");
  list->add_option("TOPIC", arguments.topic, "What to list")
      ->check(CLI::IsMember(list_topics()))
      ->capture_default_str();
}

/// --listen and --keep-data are overrides with a name of their own.
bool to_parse_options(const Arguments& arguments, soak::scenario::ParseOptions& options) {
  options.seed = arguments.seed;
  options.overrides = arguments.overrides;
  if (arguments.listen.has_value()) {
    options.overrides.push_back("metrics.listen=" + *arguments.listen);
  }
  if (arguments.keep_data) {
    options.overrides.emplace_back("report.keep_data=always");
  }
  if (arguments.duration.empty()) {
    return true;
  }
  const auto duration = soak::scenario::parse_duration(arguments.duration);
  if (!duration.has_value()) {
    fmt::print(stderr, "--duration: {}\n", duration.error().context);
    return false;
  }
  options.duration_seconds = *duration;
  return true;
}

int run(const Arguments& arguments, const soak::scenario::ParseOptions& parse,
        std::string command_line) {
  if (!arguments.shard.empty()) {
    fmt::print(stderr, "--shard is not implemented in this version\n");
    return kExitInvalid;
  }
  soak::scenario::ParseResult parsed =
      load(arguments.scenario, parse, use_color(arguments, STDERR_FILENO));
  if (!parsed.scenario.has_value()) {
    return kExitInvalid;
  }
  soak::supervisor::RunOptions options;
  options.scenario = *std::move(parsed.scenario);
  options.resolved_toml = std::move(parsed.resolved_toml);
  options.scenario_file = arguments.scenario;
  options.version = PLURESDB_VERSION;
  options.command_line = std::move(command_line);
  options.out_directory = arguments.out;
  options.hold = arguments.hold;
  options.quiet = arguments.quiet;
  options.json = arguments.json;
  options.color = use_color(arguments, STDOUT_FILENO);
  return soak::supervisor::run(options);
}

/// `argument` as a shell reads it back.
std::string quoted(const std::string& argument) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%";
  if (!argument.empty() && argument.find_first_not_of(kPlain) == std::string::npos) {
    return argument;
  }
  std::string text = "'";
  for (const char c : argument) {
    text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return text + "'";
}

std::string join(int argc, char** argv) {
  std::string line;
  for (int i = 0; i < argc; ++i) {
    line += (i == 0 ? "" : " ") + quoted(argv[i]);
  }
  return line;
}

/// A descriptor 0, 1 or 2 that is closed would be given to the next file opened, and what is meant
/// for the terminal would be written into it.
void fill_standard_descriptors() {
  int descriptor = -1;
  do {
    descriptor = open("/dev/null", O_RDWR);
  } while (descriptor >= 0 && descriptor <= STDERR_FILENO);
  if (descriptor >= 0) {
    close(descriptor);
  }
}

int run_command(int argc, char** argv) {
  if (argc > 1 && std::find(kLaterCommands.begin(), kLaterCommands.end(),
                            std::string_view(argv[1])) != kLaterCommands.end()) {
    fmt::print(stderr, "pluresdb-soak {}: not implemented in this version\n", argv[1]);
    return kExitInvalid;
  }
  CLI::App app(
      "Runs a scenario against the store: agents, crashes, power losses, full disks; says "
      "with evidence whether an acknowledged write was lost.",
      "pluresdb-soak");
  app.set_version_flag("--version", PLURESDB_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  Arguments arguments;
  add_run(app, arguments);
  add_validate(app, arguments);
  add_check(app, arguments);
  add_list(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitPass : kExitInvalid;
  }
  if (app.got_subcommand("list")) {
    return list(arguments.topic);
  }
  soak::scenario::ParseOptions parse;
  if (!to_parse_options(arguments, parse)) {
    return kExitInvalid;
  }
  // Not ->required(): that would be told instead of a flag that nobody knows.
  const bool is_run = app.got_subcommand("run");
  if (is_run ? arguments.scenario.empty() : arguments.scenarios.empty()) {
    fmt::print(stderr, "pluresdb-soak {0}: SCENARIO is required; see pluresdb-soak {0} --help\n",
               is_run ? "run" : "validate");
    return kExitInvalid;
  }
  if (app.got_subcommand("validate")) {
    return validate({.scenarios = arguments.scenarios,
                     .parse = parse,
                     .json = arguments.json,
                     .print_resolved = arguments.print_resolved,
                     .color = use_color(arguments, STDERR_FILENO)});
  }
  if (app.got_subcommand("check")) {
    return check({.scenarios = arguments.scenarios,
                  .parse = parse,
                  .out_directory = arguments.out,
                  .version = PLURESDB_VERSION,
                  .color = use_color(arguments, STDERR_FILENO)});
  }
  return run(arguments, parse, join(argc, argv));
}

}  // namespace

int main(int argc, char** argv) {
  fill_standard_descriptors();
  // A reader that goes away (`| head`) must not end a run: only its text is lost.
  if (std::signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
    return kExitEnvironment;
  }
  try {
    const int status = run_command(argc, argv);
    return std::fflush(stdout) == 0 || status != kExitPass ? status : kExitEnvironment;
  } catch (const std::system_error& error) {  // fmt::print, when its text cannot be written.
    static_cast<void>(std::fprintf(stderr, "pluresdb-soak: %s\n", error.what()));
    return kExitEnvironment;
  }
}
