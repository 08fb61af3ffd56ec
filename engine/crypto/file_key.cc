#include "engine/crypto/file_key.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/key_wrap.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

constexpr std::size_t kGenerationOffset = 0;
constexpr std::size_t kReservedOffset = 4;
constexpr std::size_t kSeqOffset = 8;
constexpr std::size_t kWrappedOffset = 16;
static_assert(kWrappedOffset + kWrappedKeyBytes == kEnvelopeBytes);

/// Store, then the beginning of the envelope as it is on disk.
using Context = std::array<std::byte, kStoreIdBytes + kWrappedOffset>;
Context context_of(const MasterKeys& keys, base::ByteSpan envelope) {
  Context context{};
  base::store(context, 0, keys.store_id());
  std::ranges::copy(envelope.first(kWrappedOffset), context.begin() + kStoreIdBytes);
  return context;
}

}  // namespace

Result<SecretBytes> make_file_key() { return SecretBytes::random(kKeyBytes); }

Result<Envelope> wrap_file_key(const MasterKeys& keys, const SecretBytes& key,
                               base::ByteSpan header) {
  Envelope envelope{};
  const KeyringVersion version = keys.version();
  base::store(envelope, kGenerationOffset, version.generation);
  base::store(envelope, kSeqOffset, version.seq);
  const Context context = context_of(keys, envelope);
  TRY_ASSIGN(
      const auto wrapped,
      wrap_key(keys.newest().bytes(),
               {.purpose = KeyPurpose::kFile, .context = context, .associated = header}, key));
  base::store(envelope, kWrappedOffset, wrapped);
  return envelope;
}

Result<NewFileKey> seal_file_key(const MasterKeys& keys, base::ByteSpan header) {
  NewFileKey made;
  TRY_ASSIGN(made.key, make_file_key());
  TRY_ASSIGN(made.envelope, wrap_file_key(keys, made.key, header));
  return made;
}

Result<SecretBytes> open_file_key(const MasterKeys& keys, base::ByteSpan envelope,
                                  base::ByteSpan header) {
  TRY_ASSIGN(const auto version, version_of(envelope));
  const SecretBytes* const master = keys.find(version.generation);
  if (master == nullptr) {
    return fail(
        ErrorCode::kKeyUnavailable,
        fmt::format("the key of this file is wrapped under generation {}; the keyring is at "
                    "{} and has not got it",
                    version.generation, keys.version().generation));
  }
  const Context context = context_of(keys, envelope);
  TRY_ASSIGN(auto key,
             unwrap_key(master->bytes(),
                        {.purpose = KeyPurpose::kFile, .context = context, .associated = header},
                        envelope.subspan(kWrappedOffset)));
  if (!key) {
    // The keyring has proven that this is the store's key.
    return fail(ErrorCode::kCorruption,
                "the envelope of this file's key is damaged, or of another "
                "store");
  }
  return *std::move(key);
}

Result<KeyringVersion> version_of(base::ByteSpan envelope) {
  if (envelope.size() != kEnvelopeBytes) {
    return fail(ErrorCode::kCorruption, fmt::format("an envelope of {} bytes", envelope.size()));
  }
  const KeyringVersion version{.generation = base::load<Generation>(envelope, kGenerationOffset),
                               .seq = base::load<std::uint64_t>(envelope, kSeqOffset)};
  if (version.generation == 0 || version.seq == 0 ||
      base::load<std::uint32_t>(envelope, kReservedOffset) != 0) {
    return fail(ErrorCode::kCorruption, "no envelope of a file's key");
  }
  return version;
}

}  // namespace pluresdb::crypto
