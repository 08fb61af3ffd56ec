// Secrets of a tool's user: from where he says, in the form that a slot takes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>

namespace pluresdb::tools {

/// Before a program has secrets: no core dump, no debugger. Warns on stderr of what the system
/// refuses.
void protect_secrets();

/// Of one group of options. Without any, the terminal is asked.
struct SecretSources {
  std::vector<int> descriptors;
  std::vector<std::string> files;

  [[nodiscard]] bool empty() const { return descriptors.empty() && files.empty(); }
};

/// The bytes of each source, at least one. One newline at the end of each is not part of it.
/// kInvalidArgument and the errors of io/secret_input.h: nothing was gained.
Result<std::vector<crypto::SecretBytes>> read_secrets(const SecretSources& sources,
                                                      const std::string& prompt);
/// One that is to be chosen: the terminal asks twice.
Result<crypto::SecretBytes> read_new_secret(const SecretSources& sources,
                                            const std::string& prompt);

/// What opens the store in `data_dir`: from `sources`; without any, the terminal is asked, but only
/// where there is a keyring. nullopt: no source, no keyring. kInvalidArgument: more than one
/// secret.
Result<std::optional<StoreSecret>> read_store_secret(io::FileSystem& files,
                                                     const std::string& data_dir,
                                                     const SecretSources& sources);

/// A random key, its digits written durably into a new file of mode 0600.
Result<crypto::SecretBytes> make_key_file(io::FileSystem& files, const std::string& path);

}  // namespace pluresdb::tools
