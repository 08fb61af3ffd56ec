// pluresdb-validate: is everything in a store as it was written? docs/TOOLS.md.
#include "engine/tools/command_line.h"
#include "engine/tools/store_report.h"

int main(int argc, char** argv) {
  return pluresdb::tools::run_tool(
      argc, argv,
      {.name = "pluresdb-validate",
       .purpose = "Compares every checksum and cross-reference of a store; says what is lost, what "
                  "is safe, what to do.",
       .flag = "--check-integrity",
       .flag_purpose = "Also that every document is JSON, and that clocks and dots grow"},
      pluresdb::tools::validate);
}
