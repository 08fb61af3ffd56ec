// The command line that tools share which only look: --data-dir, --json, --help, one flag of their
// own. And what comes of every tool.
#pragma once

#include <functional>
#include <string>

#include "engine/tools/secrets.h"

namespace pluresdb::tools {

/// Exit statuses of every tool.
enum ExitStatus : int {
  kExitOk = 0,
  kExitProblem = 1,  ///< Something is damaged, lost or contradictory.
  kExitUsage = 2,
  kExitCannotOpen = 3,  ///< Nothing is known about the store.
};

struct ToolDescription {
  const char* name;
  const char* purpose;
  const char* flag;  ///< "--check-integrity"
  const char* flag_purpose;
  const char* limits = "";  ///< What it cannot find out: whole lines.
};

struct ToolArguments {
  std::string data_dir;
  bool json = false;
  bool flag = false;
  SecretSources secrets;  ///< Of an encrypted store.
};

struct ToolOutput {
  int status = kExitOk;
  std::string text;   ///< For stdout.
  std::string error;  ///< For stderr, without the tool's name.
};
/// Prints it; the exit status of the process.
int print_output(const char* name, const ToolOutput& output);
/// Parses, runs `tool`, prints what it returns; the exit status of the process.
int run_tool(int argc, char** argv, const ToolDescription& description,
             const std::function<ToolOutput(const ToolArguments&)>& tool);

}  // namespace pluresdb::tools
