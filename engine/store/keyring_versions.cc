#include "engine/store/keyring_versions.h"

#include <cstddef>
#include <optional>
#include <string>

#include "engine/base/bytes.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/store/sealed_format.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

Result<crypto::KeyringVersions> keyring_versions(io::FileSystem& files,
                                                 const std::string& directory) {
  crypto::KeyringVersions versions;
  TRY_ASSIGN(const auto names, files.list(directory));
  for (const std::string& name : names) {
    const std::string path = io::join_path(directory, name);
    TRY_ASSIGN(const auto file, files.open(path, io::OpenMode::kRead));
    FileHeader start{};
    TRY_ASSIGN(const std::size_t count, file->read(0, start));
    if (count < kMagicBytes || !begins_sealed(start)) {
      continue;
    }
    const auto header = decode_file_header(base::ByteSpan(start).first(count), path);
    if (!header) {
      continue;  // One damaged file does not silence the others.
    }
    if (const std::optional<FileHeader>& whole = *header) {
      if (const auto version = crypto::version_of(envelope_part(*whole))) {
        versions.insert(*version);
      }
    }
  }
  return versions;
}

}  // namespace pluresdb::store
