// The command line that all tools share: --data-dir, --json, --help, one flag of their own.
#pragma once

#include <functional>
#include <string>

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
};

/// Parses, runs `tool`, prints what it returns; the exit status of the process.
struct ToolOutput {
  int status = kExitOk;
  std::string text;   ///< For stdout.
  std::string error;  ///< For stderr, without the tool's name.
};
int run_tool(int argc, char** argv, const ToolDescription& description,
             const std::function<ToolOutput(const ToolArguments&)>& tool);

}  // namespace pluresdb::tools
