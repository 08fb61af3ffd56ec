// Runs one scenario from start to verdict. Start reading here: run.cc is the life of a scenario.
#pragma once

#include <string>

#include "harness/scenario/scenario.h"

namespace soak::supervisor {

struct RunOptions {
  scenario::Scenario scenario;
  std::string resolved_toml;  ///< Written to the run folder.
  std::string scenario_file;  ///< As given, for reports.
  std::string command_line;   ///< For reports and repro.sh.
  std::string out_directory;  ///< Empty: runs/<title>-<utc>. Must not exist, or be empty.
  std::string version;
  bool hold = false;   ///< Go on serving metrics after the end, until a signal.
  bool quiet = false;  ///< Only the verdict line.
  /// Only a line that says whether the run ended as [expect] says; so does the status.
  bool check = false;
  bool json = false;  ///< summary.json on stdout instead of text.
  bool color = false;
};

/// Runs the scenario; returns the exit status of the contract: 0 pass, 1 fail, 2 inconclusive,
/// 4 environment or harness error (said on stderr); with `check` 0 as expected, 1 not. First SIGINT
/// or SIGTERM ends the run at a safe point with a full report, the second aborts. One run per
/// process.
int run(const RunOptions& options);

}  // namespace soak::supervisor
