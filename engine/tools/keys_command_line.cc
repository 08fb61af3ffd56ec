#include "engine/tools/keys_command_line.h"

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "engine/crypto/keyring_format.h"
#include "engine/tools/command_line.h"
#include "engine/tools/keys.h"
#include "engine/tools/keys_report.h"
#include "engine/tools/secrets.h"

namespace pluresdb::tools {
namespace {

constexpr const char* kName = "pluresdb-keys";
constexpr const char* kKeysFooter =
    "Secrets come from a descriptor, a file of yours that nobody else may read, or the terminal;\n"
    "never from the command line or the environment. A key is 64 hexadecimal digits.\n"
    "Changes need the store closed. What each means for whom: docs/SECURITY.md.\n"
    "Exit status: 0 ok, 1 problem found or refused, 2 usage, 3 cannot open.";

struct CommandLine {
  CLI::App app{"Who can open an encrypted store: its master keys and the secrets that open them.",
               kName};
  KeysArguments arguments;
  std::string type;
};

void add_secrets(CLI::App& command, CommandLine& line, const std::string& what) {
  command.add_option("--password-fd", line.arguments.secrets.descriptors,
                     what + ", from this descriptor");
  command.add_option("--password-file", line.arguments.secrets.files, what + ", from this file");
}

void add_new_secret(CLI::App& command, CommandLine& line) {
  auto* const descriptor = command.add_option(
      "--new-password-fd", line.arguments.new_secret.descriptors, "New secret, from a descriptor");
  auto* const file = command.add_option("--new-password-file", line.arguments.new_secret.files,
                                        "New secret, from a file");
  command
      .add_option("--new-key-file", line.arguments.new_key_file,
                  "Make a random key and write it into this new file")
      ->excludes(descriptor)
      ->excludes(file);
}

void add_type(CLI::App& command, CommandLine& line) {
  command
      .add_option("--type", line.type,
                  "password, device-key or recovery-key; of --new-key-file a device-key")
      ->check(CLI::IsMember({"password", "device-key", "recovery-key"}));
}

CLI::App& add_command(CommandLine& line, const char* name, const char* purpose,
                      KeysCommand command) {
  auto& added = *line.app.add_subcommand(name, purpose);
  added.add_option("--data-dir", line.arguments.data_dir, "Directory of the store")->required();
  added.add_flag("--json", line.arguments.json, "Print JSON instead of text");
  added.callback([&line, command] { line.arguments.command = command; });
  return added;
}

void describe(CommandLine& line) {
  line.app.require_subcommand(1);
  line.app.set_version_flag("--version", PLURESDB_VERSION);
  line.app.footer(kKeysFooter);

  auto& init = add_command(line, "init", "Makes the keys of a store that is not there yet",
                           KeysCommand::kInit);
  init.add_option("--password-fd,--new-password-fd", line.arguments.new_secret.descriptors,
                  "First secret, from this descriptor");
  init.add_option("--password-file,--new-password-file", line.arguments.new_secret.files,
                  "First secret, from this file");
  init.add_option("--new-key-file", line.arguments.new_key_file,
                  "Make a random key and write it into this new file")
      ->excludes("--password-fd")
      ->excludes("--password-file");
  init.add_option("--label", line.arguments.label, "Name of the slot, at most 63 bytes");
  add_type(init, line);

  auto& status =
      add_command(line, "status", "Shows slots, generations and both copies", KeysCommand::kStatus);
  add_secrets(status, line, "Secret that proves it and shows the labels");

  auto& passwd =
      add_command(line, "passwd", "Changes the secret of one slot", KeysCommand::kPasswd);
  add_secrets(passwd, line, "Secret of any slot");
  add_new_secret(passwd, line);
  passwd.add_option("--slot", line.arguments.slot,
                    "Beginning of the slot's id; without it the slot that the secret opens");

  auto& rotate = add_command(line, "rotate",
                             "New master key for what is written from now on; slots without a "
                             "secret given become stale",
                             KeysCommand::kRotate);
  add_secrets(rotate, line, "Secret of each slot that is to stay");

  auto& reencrypt = add_command(line, "reencrypt",
                                "Puts every file of the store under new keys, then drops the older "
                                "master keys; Ctrl-C pauses it",
                                KeysCommand::kReencrypt);
  add_secrets(reencrypt, line, "Secret of any slot");

  auto& add = add_command(line, "add-device", "Adds a slot", KeysCommand::kAddDevice);
  add_secrets(add, line, "Secret of any slot");
  add_new_secret(add, line);
  add.add_option("--label", line.arguments.label, "Name of the slot, at most 63 bytes");
  add_type(add, line);

  auto& revoke =
      add_command(line, "revoke", "Removes a slot for good, and rotates", KeysCommand::kRevoke);
  add_secrets(revoke, line, "Secret of each slot that is to stay");
  revoke.add_option("--slot", line.arguments.slot, "Beginning of the id of the slot to remove")
      ->required();
}

std::optional<crypto::SlotType> type_named(const std::string& name) {
  using crypto::SlotType;
  for (const SlotType type : {SlotType::kPassword, SlotType::kDeviceKey, SlotType::kRecoveryKey}) {
    if (name == slot_type_name(type)) {
      return type;
    }
  }
  return std::nullopt;
}

}  // namespace

int run_keys_tool(int argc, char** argv) {
  CommandLine line;
  describe(line);
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return line.app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  line.arguments.type = type_named(line.type);
  protect_secrets();
  return print_output(kName, run_keys(line.arguments));
}

}  // namespace pluresdb::tools
