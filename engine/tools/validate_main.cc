// pluresdb-validate: is everything in a store as it was written? docs/TOOLS.md.
#include "engine/io/file_system.h"
#include "engine/tools/command_line.h"
#include "engine/tools/store_report.h"

int main(int argc, char** argv) {
  return pluresdb::tools::run_tool(
      argc, argv,
      {.name = "pluresdb-validate",
       .purpose = "Compares every checksum and cross-reference of a store; says what is lost, what "
                  "is safe, what to do.",
       .flag = "--check-integrity",
       .flag_purpose = "Also that every document is JSON, and that clocks and dots grow",
       .limits = "What it cannot tell: a segment that is gone and that ends at or below the seq "
                 "that STORE\n"
                 "calls compacted through may have been removed by compaction, so it is missed "
                 "only when a\n"
                 "document refers to a large value in it. Segments behind the last one that is "
                 "there leave\n"
                 "no trace.\n"},
      [](const pluresdb::tools::ToolArguments& arguments) {
        return pluresdb::tools::validate(pluresdb::io::posix_file_system(), arguments);
      });
}
