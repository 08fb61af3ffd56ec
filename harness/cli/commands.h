// The commands of pluresdb-soak, without the parsing of the command line.
#pragma once

#include <string>
#include <vector>

#include "harness/scenario/scenario.h"

namespace soak::cli {

/// Exit statuses of the contract; 0, 1, 2 are the verdicts of a run.
inline constexpr int kExitPass = 0;
inline constexpr int kExitInvalid = 3;
inline constexpr int kExitEnvironment = 4;

struct ValidateOptions {
  std::vector<std::string> scenarios;
  scenario::ParseOptions parse;
  bool json = false;
  bool print_resolved = false;
  bool color = false;
};

/// Prints findings to stderr, a line per good scenario to stdout. kExitPass or kExitInvalid.
int validate(const ValidateOptions& options);
/// Parses one scenario for a run; prints the findings to stderr when it cannot.
scenario::ParseResult load(const std::string& argument, const scenario::ParseOptions& options,
                           bool color);
struct CheckOptions {
  std::vector<std::string> scenarios;
  scenario::ParseOptions parse;
  std::string out_directory;  ///< Empty: runs/check-UTC-PID, where only what ended otherwise stays.
  std::string version;
  bool color = false;
};
/// Runs each scenario and prints a line for it. 0 when each ended as its [expect] says, 1 when one
/// did not, kExitInvalid (then none was run), kExitEnvironment. A stop signal ends the run that
/// goes on, with its line, and no other begins.
int check(const CheckOptions& options);
/// Topics of `list`.
std::vector<std::string> list_topics();
int list(const std::string& topic);

}  // namespace soak::cli
