#include "engine/tools/command_line.h"

#include <cstdio>
#include <functional>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/tools/text.h"

namespace pluresdb::tools {
namespace {

constexpr const char* kFooter =
    "Changes nothing on disk. The store must not be open in another process.\n"
    "Exit status: 0 ok, 1 problem found, 2 usage, 3 cannot open.";

}  // namespace

int print_output(const char* name, const ToolOutput& output) {
  if (!output.error.empty()) {
    const std::string line = fmt::format("{}: {}\n", name, sanitised(output.error));
    (void)std::fputs(line.c_str(), stderr);
  }
  const bool written =
      std::fwrite(output.text.data(), 1, output.text.size(), stdout) == output.text.size() &&
      std::fflush(stdout) == 0;
  if (!written) {
    (void)std::fprintf(stderr, "%s: the output could not be written\n", name);
    return output.status == kExitOk ? static_cast<int>(kExitProblem) : output.status;
  }
  return output.status;
}

int run_tool(int argc, char** argv, const ToolDescription& description,
             const std::function<ToolOutput(const ToolArguments&)>& tool) {
  CLI::App app(description.purpose, description.name);
  ToolArguments arguments;
  app.add_option("--data-dir", arguments.data_dir, "Directory of the store (required)");
  app.add_flag(description.flag, arguments.flag, description.flag_purpose);
  app.add_flag("--json", arguments.json, "Print JSON instead of text");
  app.add_option("--password-fd", arguments.secrets.descriptors,
                 "Secret of an encrypted store, from this descriptor");
  app.add_option("--password-file", arguments.secrets.files,
                 "Secret of an encrypted store, from this file");
  app.set_version_flag("--version", PLURESDB_VERSION);
  app.footer(std::string(description.limits) + kFooter);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  // Not ->required(): that would be told instead of a flag that nobody knows.
  if (arguments.data_dir.empty()) {
    (void)std::fprintf(stderr, "%s: --data-dir is %s\n", description.name,
                       app.count("--data-dir") == 0 ? "required" : "empty");
    return kExitUsage;
  }
  return print_output(description.name, tool(arguments));
}

}  // namespace pluresdb::tools
