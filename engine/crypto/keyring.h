// The master keys of a store and who may open them: unlocking, and every change of secrets.
// docs/formats/keyring.md; what each change means for whom: docs/SECURITY.md, "The operations".
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/key_derivation.h"
#include "engine/crypto/keyring_file.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {

inline constexpr std::size_t kPasswordBytesMax = 1024;

/// What opens a slot: a password of 1 .. kPasswordBytesMax bytes, or a key of kKeyBytes.
struct Secret {
  SlotType type = SlotType::kPassword;
  SecretBytes bytes;
};

struct KeyringPlace {
  io::FileSystem& files;
  std::string directory;
  KdfPolicy policy{};
};

struct SlotInfo {
  SlotId id{};
  SlotType type = SlotType::kPassword;
  SlotState state = SlotState::kActive;
  Argon2Parameters kdf;
  std::int64_t created_us = 0;
  std::optional<std::string> label;  ///< Absent without a secret.
};
struct KeyringStatus {
  StoreId store_id{};
  KeyringVersion version;
  std::vector<Generation> old_generations;
  std::vector<SlotInfo> slots;
  std::vector<Tombstone> revoked;
  CopyState first_copy = CopyState::kWhole;
  CopyState second_copy = CopyState::kWhole;
  bool copies_differ = false;
};

/// What a keyring says of itself; nothing of it is proven without a secret. Errors: those of
/// read_keyring_copies, kUnsupportedVersion.
Result<KeyringStatus> examine_keyring(const KeyringPlace& place);

/// An unlocked keyring. Thread: one at a time.
///
/// Changes are for the owner of the store (LOCK). Each is in force when it returns. kIndeterminate:
/// it may be; this object is of no more use (kReadOnly), unlock again. Any other error: nothing has
/// changed.
class Keyring {
 public:
  enum class Access {
    kOwner,     ///< Holds the store's lock: the copies are repaired.
    kReadOnly,  ///< Changes nothing on disk, and is not changed.
  };

  /// kInvalidArgument: there is a keyring, or the secret cannot be one.
  static Result<Keyring> create(const KeyringPlace& place, const StoreId& store_id,
                                const Secret& secret, std::string_view label, std::int64_t now_us);
  /// `seen`: the newest version that any file of the store names.
  /// kKeyUnavailable: no slot opens with this secret, or the keyring is older than `seen`.
  /// kCorruption, kUnsupportedVersion, kNotFound: no keyring that could be opened.
  static Result<Keyring> unlock(const KeyringPlace& place, const Secret& secret, Access access,
                                const KeyringVersion& seen = {});
  /// The same by the first of `readings` that opens a slot; `opened_by`: its index. At least one.
  static Result<Keyring> unlock_by_any(const KeyringPlace& place, std::span<const Secret> readings,
                                       Access access, const KeyringVersion& seen,
                                       std::size_t& opened_by);

  /// Of the keyring as it is. Any thread may use what was handed out, which never changes and lives
  /// as long as this object: whoever has it from before a change goes on with the keys from then.
  [[nodiscard]] const MasterKeys& master_keys() const { return *keys_.back(); }
  [[nodiscard]] KeyringStatus status() const;
  /// The slot that it was unlocked by.
  [[nodiscard]] const SlotId& opened_by() const { return opened_by_; }

  /// Gives a slot another secret of the same type; a stale one becomes active. kNotFound.
  Status change_secret(const SlotId& slot, const Secret& secret);
  /// kInvalidArgument: too many slots or passwords, a label of more than kLabelBytesMax.
  Result<SlotId> add_slot(const Secret& secret, std::string_view label, std::int64_t now_us);
  /// A new generation of the master key. Slots that one of `survivors` opens stay active, the
  /// others become stale. kKeyUnavailable: one of them opens no slot. kInvalidArgument: none at
  /// all; too many generations: re-encrypt and drop old ones first.
  Status rotate(std::span<const Secret> survivors);
  /// The same without `slot`, which no later keyring will have. kNotFound; kInvalidArgument: one of
  /// `survivors` opens it, or too many are revoked.
  Status revoke(const SlotId& slot, std::span<const Secret> survivors, std::int64_t now_us);
  /// Forgets the generations below `oldest_needed`: no file of the store names them any more.
  Status drop_generations(Generation oldest_needed);

 private:
  /// A keyring that is being made.
  struct Draft {
    KeyringImage image;
    std::map<Generation, SecretBytes> keys;
    std::map<SlotId, std::string> labels;
  };
  /// A secret that must open a slot of the draft.
  struct Proof {
    SlotId slot;
    const Secret& secret;
  };

  Keyring(const KeyringPlace& place, Access access, MasterKeys keys);
  /// nullopt: no slot opens with this secret.
  static Result<std::optional<Keyring>> from_bytes(const KeyringPlace& place, base::ByteSpan file,
                                                   const Secret& secret, Access access);

  [[nodiscard]] Status check_usable() const;
  [[nodiscard]] Result<Draft> draft() const;
  Status renew_master_key(Draft& draft, std::span<const Secret> survivors,
                          std::vector<Proof>& proofs) const;
  Status commit(Draft draft, std::span<const Proof> proofs);

  io::FileSystem* files_;
  std::string directory_;
  KdfPolicy policy_;
  Access access_;
  std::vector<std::unique_ptr<const MasterKeys>> keys_;  // The last ones are in force.
  KeyringImage image_;
  std::map<SlotId, std::string> labels_;
  SlotId opened_by_{};
  CopyState first_copy_ = CopyState::kWhole;
  CopyState second_copy_ = CopyState::kWhole;
  bool copies_differ_ = false;
  bool spent_ = false;  ///< What is on disk is not known.
};

}  // namespace pluresdb::crypto
