// The command line of pluresdb-keys.
#pragma once

namespace pluresdb::tools {

/// Parses, protects the process, runs; the exit status of the process.
int run_keys_tool(int argc, char** argv);

}  // namespace pluresdb::tools
