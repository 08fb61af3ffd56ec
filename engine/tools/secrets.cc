#include "engine/tools/secrets.h"

#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/keyring_file.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/crypto/secret_text.h"
#include "engine/io/file_system.h"
#include "engine/io/secret_input.h"
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>

namespace pluresdb::tools {
namespace {

using crypto::SecretBytes;

Result<SecretBytes> ask(const std::string& prompt) {
  return crypto::read_secret_text(
      [&](base::MutableByteSpan out) { return io::read_secret_terminal(prompt + ": ", out); });
}

Status write_new_file(io::FileSystem& files, const std::string& path, base::ByteSpan bytes) {
  TRY_ASSIGN(const auto file, files.open(path, io::OpenMode::kCreateNew));
  TRY(file->write(0, bytes));
  TRY(file->sync_all());
  TRY(file->close());
  return files.sync_directory(io::parent_path(path));
}

void warn(const char* what) { (void)std::fprintf(stderr, "pluresdb: warning: %s\n", what); }

}  // namespace

void protect_secrets() {
  const SecretProtection protection = pluresdb::protect_secrets();
  if (!protection.process_is_closed) {
    warn("other processes of this user may read this one's memory");
  }
  if (!protection.memory_is_locked) {
    warn("secrets may be swapped out: RLIMIT_MEMLOCK is below 1 MiB");
  }
}

Result<std::vector<SecretBytes>> read_secrets(const SecretSources& sources,
                                              const std::string& prompt) {
  std::vector<SecretBytes> secrets;
  if (sources.empty()) {
    TRY_ASSIGN(SecretBytes secret, ask(prompt));
    secrets.push_back(std::move(secret));
  }
  for (const int descriptor : sources.descriptors) {
    TRY_ASSIGN(SecretBytes secret, crypto::read_secret_text([&](base::MutableByteSpan out) {
                 return io::read_secret_descriptor(descriptor, out);
               }));
    secrets.push_back(std::move(secret));
  }
  for (const std::string& file : sources.files) {
    TRY_ASSIGN(SecretBytes secret, crypto::read_secret_text([&](base::MutableByteSpan out) {
                 return io::read_secret_file(file, out);
               }));
    secrets.push_back(std::move(secret));
  }
  return secrets;
}

Result<SecretBytes> read_new_secret(const SecretSources& sources, const std::string& prompt) {
  TRY_ASSIGN(auto secrets, read_secrets(sources, prompt));
  if (secrets.size() != 1) {
    return fail(ErrorCode::kInvalidArgument, "more than one new secret");
  }
  if (sources.empty()) {
    TRY_ASSIGN(const SecretBytes again, ask(prompt + ", again"));
    if (!crypto::equal_in_constant_time(again.bytes(), secrets.front().bytes())) {
      return fail(ErrorCode::kInvalidArgument, "the two are not the same");
    }
  }
  return std::move(secrets.front());
}

Result<std::optional<StoreSecret>> read_store_secret(io::FileSystem& files,
                                                     const std::string& data_dir,
                                                     const SecretSources& sources) {
  if (sources.empty()) {
    const Status none = crypto::check_no_keyring(files, data_dir);
    if (none || none.error().code != ErrorCode::kInvalidArgument) {
      return std::nullopt;  // What cannot be looked at is told by whoever opens the store.
    }
  }
  protect_secrets();
  TRY_ASSIGN(const auto secrets, read_secrets(sources, "secret of the store"));
  if (secrets.size() != 1) {
    return fail(ErrorCode::kInvalidArgument, "more than one secret");
  }
  TRY_ASSIGN(auto secret, StoreSecret::of_text(base::as_text(secrets.front().bytes())));
  return std::optional(std::move(secret));
}

Result<SecretBytes> make_key_file(io::FileSystem& files, const std::string& path) {
  TRY_ASSIGN(SecretBytes key, SecretBytes::random(crypto::kKeyBytes));
  TRY_ASSIGN(const SecretBytes digits, crypto::text_of_key(key));
  TRY(write_new_file(files, path, digits.bytes()));
  return key;
}

}  // namespace pluresdb::tools
