#include "engine/crypto/keyring_slots.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/digest.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/key_wrap.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/random.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

std::vector<std::byte> id_context(const StoreId& store_id, const SlotId& slot) {
  std::vector<std::byte> context;
  base::append(context, store_id);
  base::append(context, slot);
  return context;
}

/// What the slot's wrapped key hangs on: a stretched password, or the key as it is.
Result<SecretBytes> slot_key(const KeyringImage& image, const SlotRecord& slot,
                             const Secret& secret) {
  if (secret.type != SlotType::kPassword) {
    return SecretBytes::copy_of(secret.bytes.bytes());
  }
  const auto associated = id_context(image.store_id, slot.id);
  return argon2id(
      {.password = secret.bytes.bytes(), .salt = slot.kdf_salt, .associated = associated},
      slot.kdf);
}

Result<GcmContext> label_cipher(const KeyringImage& image, const SlotRecord& slot,
                                const SecretBytes& newest, bool sealing) {
  TRY_ASSIGN(SecretBytes key, SecretBytes::zeros(kKeyBytes));
  const auto context = id_context(image.store_id, slot.id);
  TRY(derive(KeyPurpose::kLabel, newest.bytes(), slot.label_salt, context, key.mutable_bytes()));
  return sealing ? GcmContext::for_sealing(key.bytes()) : GcmContext::for_opening(key.bytes());
}

// Each salt gives a key that is used once.
constexpr Nonce kLabelNonce{};
using PlainLabel = std::array<std::byte, 1 + kLabelBytesMax>;
static_assert(sizeof(PlainLabel) + kTagBytes == kSealedLabelBytes);

Result<Digest> mac_of_keyring(base::ByteSpan authenticated, const StoreId& store_id,
                              const SecretBytes& newest) {
  TRY_ASSIGN(SecretBytes key, SecretBytes::zeros(kKeyBytes));
  TRY(derive(KeyPurpose::kKeyringMac, newest.bytes(), {}, store_id, key.mutable_bytes()));
  return hmac_sha256(key.bytes(), authenticated);
}

}  // namespace

Status check_secret(const Secret& secret) {
  const std::size_t size = secret.bytes.size();
  if (secret.type == SlotType::kPassword) {
    return size >= 1 && size <= kPasswordBytesMax
               ? Status{}
               : fail(ErrorCode::kInvalidArgument,
                      fmt::format("a password has 1 .. {} bytes", kPasswordBytesMax));
  }
  return size == kKeyBytes
             ? Status{}
             : fail(ErrorCode::kInvalidArgument, fmt::format("a key has {} bytes", kKeyBytes));
}

Status fill_slot(const KeyringImage& image, SlotRecord& slot, const Secret& secret,
                 const SecretBytes& master, const KdfPolicy& policy) {
  DB_CHECK(slot.type == secret.type);
  empty_slot(slot);
  slot.state = SlotState::kActive;
  if (secret.type == SlotType::kPassword) {
    slot.kdf = policy.for_new_slots();
    TRY(fill_with_random(slot.kdf_salt));
  }
  TRY_ASSIGN(const SecretBytes key, slot_key(image, slot, secret));
  const auto context = slot_context(image, slot);
  TRY_ASSIGN(slot.wrapped,
             wrap_key(key.bytes(), {.purpose = KeyPurpose::kSlot, .context = context}, master));
  return {};
}

void empty_slot(SlotRecord& slot) {
  slot.state = SlotState::kStale;
  slot.kdf = {};
  slot.kdf_salt = {};
  slot.wrapped = {};
}

Result<std::optional<SecretBytes>> open_slot(const KeyringImage& image, const SlotRecord& slot,
                                             const Secret& secret) {
  if (slot.state != SlotState::kActive || slot.type != secret.type) {
    return std::nullopt;
  }
  TRY_ASSIGN(const SecretBytes key, slot_key(image, slot, secret));
  const auto context = slot_context(image, slot);
  return unwrap_key(key.bytes(), {.purpose = KeyPurpose::kSlot, .context = context}, slot.wrapped);
}

Status fill_generations(KeyringImage& image, const std::map<Generation, SecretBytes>& keys) {
  DB_CHECK(keys.rbegin()->first == image.generation);
  const SecretBytes& newest = keys.rbegin()->second;
  image.old_generations.clear();
  for (auto at = keys.begin(); at != std::prev(keys.end()); ++at) {
    const auto context = generation_context(image, at->first);
    TRY_ASSIGN(const WrappedKey wrapped,
               wrap_key(newest.bytes(), {.purpose = KeyPurpose::kGeneration, .context = context},
                        at->second));
    image.old_generations.push_back({.generation = at->first, .wrapped = wrapped});
  }
  return {};
}

Result<std::map<Generation, SecretBytes>> open_generations(const KeyringImage& image,
                                                           const SecretBytes& newest) {
  std::map<Generation, SecretBytes> keys;
  for (const GenerationRecord& record : image.old_generations) {
    const auto context = generation_context(image, record.generation);
    TRY_ASSIGN(auto key,
               unwrap_key(newest.bytes(), {.purpose = KeyPurpose::kGeneration, .context = context},
                          record.wrapped));
    if (!key) {
      return fail(ErrorCode::kCorruption,
                  fmt::format("the master key of generation {} is damaged", record.generation));
    }
    keys.emplace(record.generation, *std::move(key));
  }
  TRY_ASSIGN(SecretBytes copy, SecretBytes::copy_of(newest.bytes()));
  keys.emplace(image.generation, std::move(copy));
  return keys;
}

Status fill_labels(KeyringImage& image, const SecretBytes& newest,
                   const std::map<SlotId, std::string>& labels) {
  for (SlotRecord& slot : image.slots) {
    const auto at = labels.find(slot.id);
    const std::string text = at == labels.end() ? std::string() : at->second;
    DB_CHECK(text.size() <= kLabelBytesMax);
    PlainLabel plain{};
    plain[0] = static_cast<std::byte>(text.size());
    std::ranges::copy(base::as_bytes(text), plain.begin() + 1);
    TRY(fill_with_random(slot.label_salt));
    TRY_ASSIGN(GcmContext cipher, label_cipher(image, slot, newest, true));
    TRY(cipher.seal(kLabelNonce, {}, plain, slot.label));
  }
  return {};
}

Result<std::map<SlotId, std::string>> open_labels(const KeyringImage& image,
                                                  const SecretBytes& newest) {
  std::map<SlotId, std::string> labels;
  for (const SlotRecord& slot : image.slots) {
    TRY_ASSIGN(GcmContext cipher, label_cipher(image, slot, newest, false));
    PlainLabel plain{};
    TRY(cipher.open(kLabelNonce, {}, slot.label, plain));
    const auto size = std::to_integer<std::size_t>(plain[0]);
    if (size > kLabelBytesMax) {
      return fail(ErrorCode::kCorruption, "a label is longer than its place");
    }
    labels.emplace(slot.id, base::as_text(base::ByteSpan(plain).subspan(1, size)));
  }
  return labels;
}

Result<std::vector<std::byte>> seal_keyring(const KeyringImage& image, const SecretBytes& newest) {
  std::vector<std::byte> bytes = encode_keyring(image);
  TRY_ASSIGN(const Digest mac, mac_of_keyring(bytes, image.store_id, newest));
  TRY(append_trailer(bytes, mac));
  return bytes;
}

Status check_mac(base::ByteSpan file, const StoreId& store_id, const SecretBytes& newest) {
  TRY_ASSIGN(const Digest mac, mac_of_keyring(authenticated_part(file), store_id, newest));
  if (!equal_in_constant_time(mac, mac_of(file))) {
    return fail(ErrorCode::kCorruption, "the keyring was changed by somebody without its key");
  }
  return {};
}

}  // namespace pluresdb::crypto
