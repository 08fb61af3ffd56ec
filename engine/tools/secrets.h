// Secrets of a tool's user: from where he says, in the form that a slot takes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::tools {

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

/// 64 hexadecimal digits; nullopt: it is none.
Result<std::optional<crypto::SecretBytes>> key_of_text(const crypto::SecretBytes& text);

/// `text` as a secret of the given type: a password as it is, a key from its digits.
/// kInvalidArgument: no such key.
Result<crypto::Secret> secret_of_type(const crypto::SecretBytes& text, crypto::SlotType type);

/// All that `text` may be, the cheap ones first: a device key, a recovery key, a password.
Result<std::vector<crypto::Secret>> readings_of(const crypto::SecretBytes& text);

/// A random key, its digits written durably into a new file of mode 0600.
Result<crypto::SecretBytes> make_key_file(io::FileSystem& files, const std::string& path);

}  // namespace pluresdb::tools
