#include "engine/crypto/keyring.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/keyring_file.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/keyring_slots.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/random.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

Result<std::map<Generation, SecretBytes>> copies_of(const MasterKeys& keys) {
  std::map<Generation, SecretBytes> copies;
  for (const auto& [generation, key] : keys.all()) {
    TRY_ASSIGN(SecretBytes copy, SecretBytes::copy_of(key.bytes()));
    copies.emplace(generation, std::move(copy));
  }
  return copies;
}

bool same_keys(const std::map<Generation, SecretBytes>& left,
               const std::map<Generation, SecretBytes>& right) {
  return std::ranges::equal(left, right, [](const auto& a, const auto& b) {
    return a.first == b.first && equal_in_constant_time(a.second.bytes(), b.second.bytes());
  });
}

KeyringStatus status_of(const KeyringImage& image) {
  KeyringStatus status;
  status.store_id = image.store_id;
  status.version = {.generation = image.generation, .seq = image.seq};
  for (const GenerationRecord& record : image.old_generations) {
    status.old_generations.push_back(record.generation);
  }
  for (const SlotRecord& slot : image.slots) {
    status.slots.push_back({.id = slot.id,
                            .type = slot.type,
                            .state = slot.state,
                            .kdf = slot.kdf,
                            .created_us = slot.created_us,
                            .label = std::nullopt});
  }
  status.revoked = image.tombstones;
  return status;
}

SlotRecord* find_slot(KeyringImage& image, const SlotId& id) {
  const auto at = std::ranges::find(image.slots, id, &SlotRecord::id);
  return at == image.slots.end() ? nullptr : &*at;
}

std::unexpected<Error> no_such_slot() {
  return fail(ErrorCode::kNotFound, "the keyring has no such slot");
}

Status check_room(const KeyringImage& image, const Secret& secret) {
  if (image.slots.size() >= kSlotsMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a keyring has at most {} slots", kSlotsMax));
  }
  const auto passwords = std::ranges::count(image.slots, SlotType::kPassword, &SlotRecord::type);
  if (secret.type == SlotType::kPassword &&
      static_cast<std::size_t>(passwords) >= kPasswordSlotsMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a keyring has at most {} passwords", kPasswordSlotsMax));
  }
  return {};
}

Status check_label(std::string_view label) {
  if (label.size() > kLabelBytesMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a label has at most {} bytes", kLabelBytesMax));
  }
  return {};
}

Result<SlotRecord> new_slot(SlotType type, std::int64_t now_us) {
  SlotRecord slot;
  TRY(fill_with_random(slot.id));
  slot.type = type;
  slot.created_us = now_us;
  return slot;
}

/// The image's bytes, once more opened as a later unlock will: nothing is written that does not
/// give the same keys to every secret that was put in.
template <typename Proofs>
Status check_opens(base::ByteSpan file, const KdfPolicy& policy,
                   const std::map<Generation, SecretBytes>& keys, const Proofs& proofs) {
  TRY_ASSIGN(const bool whole, is_whole_keyring(file));
  TRY_ASSIGN(KeyringImage image, parse_keyring(file, policy));
  const SecretBytes& newest = keys.rbegin()->second;
  TRY(check_mac(file, image.store_id, newest));
  TRY_ASSIGN(const auto found, open_generations(image, newest));
  bool good = whole && same_keys(found, keys);
  for (const auto& proof : proofs) {
    const SlotRecord* const slot = find_slot(image, proof.slot);
    DB_CHECK(slot != nullptr);
    TRY_ASSIGN(const auto opened, open_slot(image, *slot, proof.secret));
    good = good && opened && equal_in_constant_time(opened->bytes(), newest.bytes());
  }
  if (!good) {
    return fail(ErrorCode::kCorruption, "the new keyring does not open; nothing was written");
  }
  return {};
}

}  // namespace

Result<KeyringStatus> examine_keyring(const KeyringPlace& place) {
  TRY_ASSIGN(const auto copies, read_keyring_copies(place.files, place.directory));
  TRY_ASSIGN(const KeyringImage image, parse_keyring(copies.bytes, place.policy));
  KeyringStatus status = status_of(image);
  status.first_copy = copies.first;
  status.second_copy = copies.second;
  status.copies_differ = !copies.same;
  return status;
}

Keyring::Keyring(const KeyringPlace& place, Access access, MasterKeys keys)
    : files_(&place.files), directory_(place.directory), policy_(place.policy), access_(access) {
  keys_.push_back(std::make_unique<const MasterKeys>(std::move(keys)));
}

Result<std::optional<Keyring>> Keyring::from_bytes(const KeyringPlace& place, base::ByteSpan file,
                                                   const Secret& secret, Access access) {
  TRY_ASSIGN(KeyringImage image, parse_keyring(file, place.policy));
  for (const SlotRecord& slot : image.slots) {
    TRY_ASSIGN(const auto newest, open_slot(image, slot, secret));
    if (!newest) {
      continue;
    }
    TRY(check_mac(file, image.store_id, *newest));
    TRY_ASSIGN(auto keys, open_generations(image, *newest));
    Keyring keyring(place, access, MasterKeys(image.store_id, image.seq, std::move(keys)));
    TRY_ASSIGN(keyring.labels_, open_labels(image, *newest));
    keyring.opened_by_ = slot.id;
    keyring.image_ = std::move(image);
    return std::optional(std::move(keyring));
  }
  return std::nullopt;
}

Result<Keyring> Keyring::create(const KeyringPlace& place, const StoreId& store_id,
                                const Secret& secret, std::string_view label, std::int64_t now_us) {
  TRY(check_secret(secret));
  TRY(check_label(label));
  TRY(check_no_keyring(place.files, place.directory));
  TRY_ASSIGN(SecretBytes master, SecretBytes::random(kKeyBytes));
  TRY_ASSIGN(SlotRecord slot, new_slot(secret.type, now_us));
  Draft draft;
  draft.image.store_id = store_id;
  draft.image.generation = 1;
  TRY(fill_slot(draft.image, slot, secret, master, place.policy));
  draft.image.slots.push_back(slot);
  draft.labels.emplace(slot.id, label);
  draft.keys.emplace(1, std::move(master));
  TRY_ASSIGN(SecretBytes newest, SecretBytes::copy_of(draft.keys.at(1).bytes()));
  std::map<Generation, SecretBytes> keys;
  keys.emplace(1, std::move(newest));
  Keyring keyring(place, Access::kOwner, MasterKeys(store_id, 0, std::move(keys)));
  keyring.opened_by_ = slot.id;
  const Proof proof{.slot = slot.id, .secret = secret};
  TRY(keyring.commit(std::move(draft), std::span(&proof, 1)));
  return keyring;
}

Result<Keyring> Keyring::unlock(const KeyringPlace& place, const Secret& secret, Access access,
                                const KeyringVersion& seen) {
  std::size_t opened_by = 0;
  return unlock_by_any(place, {&secret, 1}, access, seen, opened_by);
}

Result<Keyring> Keyring::unlock_by_any(const KeyringPlace& place, std::span<const Secret> readings,
                                       Access access, const KeyringVersion& seen,
                                       std::size_t& opened_by) {
  TRY_ASSIGN(const auto copies, read_keyring_copies(place.files, place.directory));
  std::optional<Keyring> opened;
  for (opened_by = 0; opened_by < readings.size() && !opened; ++opened_by) {
    TRY(check_secret(readings[opened_by]));
    TRY_ASSIGN(opened, from_bytes(place, copies.bytes, readings[opened_by], access));
  }
  if (!opened) {
    return fail(ErrorCode::kKeyUnavailable, "no slot of the keyring opens with this secret");
  }
  --opened_by;
  Keyring keyring = *std::move(opened);
  const KeyringVersion found = keyring.master_keys().version();
  if (found.generation < seen.generation || found.seq < seen.seq) {
    return fail(ErrorCode::kKeyUnavailable,
                fmt::format("the keyring (generation {}, seq {}) is older than the store's files "
                            "(generation {}, seq {}): restore the newer one",
                            found.generation, found.seq, seen.generation, seen.seq));
  }
  keyring.first_copy_ = copies.first;
  keyring.second_copy_ = copies.second;
  keyring.copies_differ_ = !copies.same;
  if (access == Access::kOwner) {
    TRY_ASSIGN(const bool complete, repair_keyring(place.files, place.directory, copies.bytes));
    keyring.copies_differ_ = !complete;
  }
  return keyring;
}

KeyringStatus Keyring::status() const {
  KeyringStatus status = status_of(image_);
  for (SlotInfo& slot : status.slots) {
    slot.label = labels_.at(slot.id);
  }
  status.first_copy = first_copy_;
  status.second_copy = second_copy_;
  status.copies_differ = copies_differ_;
  return status;
}

Status Keyring::check_usable() const {
  if (spent_ || access_ != Access::kOwner) {
    return fail(ErrorCode::kReadOnly, spent_ ? "an earlier change of the keyring failed: unlock it "
                                               "again to see what is in force"
                                             : "the keyring was unlocked for reading");
  }
  return {};
}

Result<Keyring::Draft> Keyring::draft() const {
  TRY(check_usable());
  Draft draft{.image = image_, .keys = {}, .labels = labels_};
  TRY_ASSIGN(draft.keys, copies_of(master_keys()));
  return draft;
}

Status Keyring::commit(Draft draft, std::span<const Proof> proofs) {
  ++draft.image.seq;
  const SecretBytes& newest = draft.keys.rbegin()->second;
  TRY(fill_labels(draft.image, newest, draft.labels));
  TRY_ASSIGN(const auto bytes, seal_keyring(draft.image, newest));
  TRY(check_opens(bytes, policy_, draft.keys, proofs));
  if (Status written = write_keyring(*files_, directory_, bytes); !written) {
    spent_ = written.error().code == ErrorCode::kIndeterminate;
    return written;
  }
  keys_.push_back(std::make_unique<const MasterKeys>(draft.image.store_id, draft.image.seq,
                                                     std::move(draft.keys)));
  image_ = std::move(draft.image);
  labels_ = std::move(draft.labels);
  first_copy_ = second_copy_ = CopyState::kWhole;
  copies_differ_ = false;
  return {};
}

Status Keyring::change_secret(const SlotId& slot, const Secret& secret) {
  TRY(check_secret(secret));
  TRY_ASSIGN(Draft next, draft());
  SlotRecord* const record = find_slot(next.image, slot);
  if (record == nullptr) {
    return no_such_slot();
  }
  if (record->type != secret.type) {
    return fail(ErrorCode::kInvalidArgument, "the slot is for a secret of another type");
  }
  TRY(fill_slot(next.image, *record, secret, next.keys.rbegin()->second, policy_));
  const Proof proof{.slot = slot, .secret = secret};
  return commit(std::move(next), std::span(&proof, 1));
}

Result<SlotId> Keyring::add_slot(const Secret& secret, std::string_view label,
                                 std::int64_t now_us) {
  TRY(check_secret(secret));
  TRY(check_label(label));
  TRY_ASSIGN(Draft next, draft());
  TRY(check_room(next.image, secret));
  TRY_ASSIGN(SlotRecord slot, new_slot(secret.type, now_us));
  TRY(fill_slot(next.image, slot, secret, next.keys.rbegin()->second, policy_));
  next.image.slots.push_back(slot);
  next.labels.emplace(slot.id, label);
  const Proof proof{.slot = slot.id, .secret = secret};
  TRY(commit(std::move(next), std::span(&proof, 1)));
  return slot.id;
}

Status Keyring::renew_master_key(Draft& draft, std::span<const Secret> survivors,
                                 std::vector<Proof>& proofs) const {
  if (image_.old_generations.size() >= kOldGenerationsMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a keyring keeps at most {} old generations: re-encrypt the store "
                            "and drop them",
                            kOldGenerationsMax));
  }
  if (survivors.empty()) {
    return fail(ErrorCode::kInvalidArgument, "without a secret nobody could open the new keyring");
  }
  ++draft.image.generation;
  TRY_ASSIGN(SecretBytes master, SecretBytes::random(kKeyBytes));
  std::vector<SlotRecord> slots = draft.image.slots;
  std::ranges::for_each(slots, empty_slot);
  for (const Secret& secret : survivors) {
    TRY(check_secret(secret));
    bool opens_one = false;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      TRY_ASSIGN(const auto opened, open_slot(image_, draft.image.slots[i], secret));
      if (opened) {
        opens_one = true;
        TRY(fill_slot(draft.image, slots[i], secret, master, policy_));
        proofs.push_back({.slot = slots[i].id, .secret = secret});
      }
    }
    if (!opens_one) {
      return fail(ErrorCode::kKeyUnavailable, "a secret that is to stay opens no slot");
    }
  }
  draft.image.slots = std::move(slots);
  draft.keys.emplace(draft.image.generation, std::move(master));
  return fill_generations(draft.image, draft.keys);
}

Status Keyring::rotate(std::span<const Secret> survivors) {
  TRY_ASSIGN(Draft next, draft());
  std::vector<Proof> proofs;
  TRY(renew_master_key(next, survivors, proofs));
  return commit(std::move(next), proofs);
}

Status Keyring::revoke(const SlotId& slot, std::span<const Secret> survivors, std::int64_t now_us) {
  TRY_ASSIGN(Draft next, draft());
  if (next.image.tombstones.size() >= kTombstonesMax) {
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("a keyring remembers at most {} revocations", kTombstonesMax));
  }
  const SlotRecord* const record = find_slot(next.image, slot);
  if (record == nullptr) {
    return no_such_slot();
  }
  for (const Secret& secret : survivors) {
    TRY(check_secret(secret));
    TRY_ASSIGN(const auto opened, open_slot(image_, *record, secret));
    if (opened) {
      return fail(ErrorCode::kInvalidArgument, "a secret that is to stay opens the revoked slot");
    }
  }
  std::erase_if(next.image.slots, [&slot](const SlotRecord& r) { return r.id == slot; });
  next.labels.erase(slot);
  std::vector<Proof> proofs;
  TRY(renew_master_key(next, survivors, proofs));
  next.image.tombstones.push_back(
      {.id = slot, .revoked_us = now_us, .generation = next.image.generation});
  return commit(std::move(next), proofs);
}

Status Keyring::drop_generations(Generation oldest_needed) {
  TRY_ASSIGN(Draft next, draft());
  if (oldest_needed > next.image.generation) {
    return fail(ErrorCode::kInvalidArgument, "a generation that there is not");
  }
  std::erase_if(next.keys, [&](const auto& entry) { return entry.first < oldest_needed; });
  if (next.keys.size() == master_keys().all().size()) {
    return {};
  }
  TRY(fill_generations(next.image, next.keys));
  return commit(std::move(next), {});
}

}  // namespace pluresdb::crypto
