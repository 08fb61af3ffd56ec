// The data key of a file, and the envelope in the file's header that it is kept in.
// docs/formats/keyring.md, "Envelope".
#pragma once

#include <array>
#include <cstddef>

#include "engine/base/bytes.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

inline constexpr std::size_t kEnvelopeBytes = 128;
using Envelope = std::array<std::byte, kEnvelopeBytes>;

/// A fresh key, for one ChunkSealer.
Result<SecretBytes> make_file_key();
/// The envelope of a key from make_file_key. `header`: what stands in the file's header and never
/// changes (what the file is, its format version, its name or number); the file's header is then as
/// trustworthy as its chunks.
Result<Envelope> wrap_file_key(const MasterKeys& keys, const SecretBytes& key,
                               base::ByteSpan header);

struct NewFileKey {
  SecretBytes key;
  Envelope envelope{};
};
/// Both, where the header is known first.
Result<NewFileKey> seal_file_key(const MasterKeys& keys, base::ByteSpan header);

/// The key again, for a ChunkOpener. kCorruption: envelope or header are not what was written, or
/// of another store. kKeyUnavailable: wrapped under a generation that `keys` have not.
Result<SecretBytes> open_file_key(const MasterKeys& keys, base::ByteSpan envelope,
                                  base::ByteSpan header);

/// What the envelope says, without a key and unproven: which keyring was in force.
/// kCorruption: no envelope.
Result<KeyringVersion> version_of(base::ByteSpan envelope);

}  // namespace pluresdb::crypto
