// pluresdb-inspect: what a store holds. docs/TOOLS.md.
#include "engine/io/file_system.h"
#include "engine/tools/command_line.h"
#include "engine/tools/store_report.h"

int main(int argc, char** argv) {
  return pluresdb::tools::run_tool(
      argc, argv,
      {.name = "pluresdb-inspect",
       .purpose = "Shows what a store holds: segments, entries, live and dead bytes.",
       .flag = "--show-breakdown",
       .flag_purpose = "Also by actor, by the beginning of the id and by operation"},
      [](const pluresdb::tools::ToolArguments& arguments) {
        return pluresdb::tools::inspect(pluresdb::io::posix_file_system(), arguments);
      });
}
