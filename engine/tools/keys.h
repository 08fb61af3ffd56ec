// What pluresdb-keys does. docs/TOOLS.md, "pluresdb-keys".
#pragma once

#include <optional>
#include <string>

#include "engine/crypto/keyring_format.h"
#include "engine/tools/command_line.h"
#include "engine/tools/secrets.h"

namespace pluresdb::tools {

enum class KeysCommand { kInit, kStatus, kPasswd, kRotate, kReencrypt, kAddDevice, kRevoke };

struct KeysArguments {
  KeysCommand command = KeysCommand::kStatus;
  std::string data_dir;
  bool json = false;
  SecretSources secrets;
  SecretSources new_secret;
  std::string new_key_file;  ///< To be made, with a new key; empty: none.
  std::optional<crypto::SlotType> type;
  std::string slot;  ///< The beginning of its id; empty: the one that the secret opens.
  std::string label;
};

ToolOutput run_keys(const KeysArguments& arguments);

}  // namespace pluresdb::tools
