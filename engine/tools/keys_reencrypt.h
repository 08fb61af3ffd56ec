// pluresdb-keys reencrypt: opens a closed store and has the engine put all its files under new
// keys.
#pragma once

#include "engine/tools/command_line.h"
#include "engine/tools/keys.h"

namespace pluresdb::tools {

/// Progress goes to standard error when that is a terminal; SIGINT and SIGTERM are a pause.
ToolOutput run_reencrypt(const KeysArguments& arguments);

}  // namespace pluresdb::tools
