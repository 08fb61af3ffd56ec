#include "engine/crypto/key_wrap.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/random.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

constexpr std::size_t kCommitmentBytes = 32;
constexpr std::size_t kCommitmentOffset = kSaltBytes;
constexpr std::size_t kSealedOffset = kCommitmentOffset + kCommitmentBytes;
static_assert(kSealedOffset + kKeyBytes + kTagBytes == kWrappedKeyBytes);

// The key that it goes with is used once.
constexpr Nonce kOnlyNonce{};

/// What the salt makes of the wrapping key: a key that is used once, and a value that shows, before
/// anything is decrypted, that it is the one. AES-GCM does not show that: one ciphertext can be
/// made to open under many keys.
class SingleUse {
 public:
  static Result<SingleUse> derive(base::ByteSpan wrapping_key, const WrapPlace& place,
                                  base::ByteSpan salt) {
    TRY_ASSIGN(SecretBytes both, SecretBytes::zeros(kKeyBytes + kCommitmentBytes));
    TRY(crypto::derive(place.purpose, wrapping_key, salt, place.context, both.mutable_bytes()));
    return SingleUse(std::move(both));
  }
  [[nodiscard]] base::ByteSpan key() const { return both_.bytes().first(kKeyBytes); }
  [[nodiscard]] base::ByteSpan commitment() const { return both_.bytes().subspan(kKeyBytes); }

 private:
  explicit SingleUse(SecretBytes both) : both_(std::move(both)) {}
  SecretBytes both_;
};

}  // namespace

Result<WrappedKey> wrap_key(base::ByteSpan wrapping_key, const WrapPlace& place,
                            const SecretBytes& key) {
  DB_CHECK(key.size() == kKeyBytes);
  WrappedKey wrapped{};
  const base::MutableByteSpan bytes(wrapped);
  TRY(fill_with_random(bytes.first(kSaltBytes)));
  TRY_ASSIGN(const auto once, SingleUse::derive(wrapping_key, place, bytes.first(kSaltBytes)));
  std::ranges::copy(once.commitment(), bytes.subspan(kCommitmentOffset).begin());
  TRY_ASSIGN(GcmContext context, GcmContext::for_sealing(once.key()));
  TRY(context.seal(kOnlyNonce, place.associated, key.bytes(), bytes.subspan(kSealedOffset)));
  return wrapped;
}

Result<std::optional<SecretBytes>> unwrap_key(base::ByteSpan wrapping_key, const WrapPlace& place,
                                              base::ByteSpan wrapped) {
  DB_CHECK(wrapped.size() == kWrappedKeyBytes);
  TRY_ASSIGN(const auto once, SingleUse::derive(wrapping_key, place, wrapped.first(kSaltBytes)));
  if (!equal_in_constant_time(once.commitment(),
                              wrapped.subspan(kCommitmentOffset, kCommitmentBytes))) {
    return std::nullopt;
  }
  TRY_ASSIGN(GcmContext context, GcmContext::for_opening(once.key()));
  TRY_ASSIGN(SecretBytes key, SecretBytes::zeros(kKeyBytes));
  TRY(context.open(kOnlyNonce, place.associated, wrapped.subspan(kSealedOffset),
                   key.mutable_bytes()));
  return std::optional(std::move(key));
}

}  // namespace pluresdb::crypto
