// pluresdb-keys: who can open an encrypted store. docs/TOOLS.md.
#include "engine/tools/keys_command_line.h"

int main(int argc, char** argv) { return pluresdb::tools::run_keys_tool(argc, argv); }
