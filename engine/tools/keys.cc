#include "engine/tools/keys.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/core/recovery.h"
#include "engine/core/store_identity.h"
#include "engine/core/store_keys.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/keyring_file.h"
#include "engine/crypto/keyring_format.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/random.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/crypto/secret_text.h"
#include "engine/io/file_system.h"
#include "engine/tools/command_line.h"
#include "engine/tools/keys_reencrypt.h"
#include "engine/tools/keys_report.h"
#include "engine/tools/secrets.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::tools {
namespace {

using crypto::Keyring;
using crypto::KeyringPlace;
using crypto::KeyringStatus;
using crypto::Secret;
using crypto::SecretBytes;
using crypto::SlotId;
using crypto::SlotType;

/// An error and what it means for the exit status.
struct Failure {
  int status = kExitProblem;
  Error error;
};
std::unexpected<Failure> as(int status, const Error& error) {
  return std::unexpected(Failure{.status = status, .error = error});
}
template <typename T>
using Outcome = std::expected<T, Failure>;

/// An unlocked keyring, with the secrets that were given and, for changes, the store's lock.
struct Opened {
  std::unique_ptr<io::FileLock> lock;
  Keyring keyring;
  std::vector<Secret> secrets;  ///< One reading of each that opens a slot.
};

/// What one secret has opened.
struct Unlocked {
  Secret secret;
  Keyring keyring;
};

class KeysTool {
 public:
  explicit KeysTool(const KeysArguments& arguments)
      : arguments_(arguments),
        files_(io::posix_file_system()),
        place_{.files = files_, .directory = arguments.data_dir} {}

  ToolOutput run() {
    const auto outcome = dispatch();
    if (outcome) {
      return *outcome;
    }
    return {
        .status = outcome.error().status, .text = {}, .error = to_string(outcome.error().error)};
  }

 private:
  Outcome<ToolOutput> dispatch() {
    switch (arguments_.command) {
      case KeysCommand::kInit:
        return init();
      case KeysCommand::kStatus:
        return status();
      case KeysCommand::kPasswd:
        return passwd();
      case KeysCommand::kRotate:
        return rotate();
      case KeysCommand::kReencrypt:
        return run_reencrypt(arguments_);
      case KeysCommand::kAddDevice:
        return add_device();
      case KeysCommand::kRevoke:
        return revoke();
    }
    DB_CHECK(false);
  }

  Outcome<ToolOutput> init() {
    if (const auto ready = prepare_directory(); !ready) {
      return as(kExitProblem, ready.error());
    }
    auto lock = files_.lock(io::join_path(arguments_.data_dir, core::kLockFileName));
    if (!lock) {
      return as(kExitCannotOpen, lock.error());
    }
    const SlotType type = arguments_.type.value_or(new_type());
    auto secret = new_secret(type);
    if (!secret) {
      return std::unexpected(secret.error());
    }
    crypto::StoreId store_id{};
    if (const auto random = crypto::fill_with_random(store_id); !random) {
      return as(kExitProblem, random.error());
    }
    const auto keyring = Keyring::create(place_, store_id, *secret, arguments_.label, now());
    if (!keyring) {
      return refused(keyring.error());
    }
    return report(keyring->status(), true);
  }

  /// A store that exists is not encrypted: a keyring beside it would only seem to protect it.
  Status prepare_directory() {
    TRY(files_.create_directory(arguments_.data_dir));
    TRY(files_.sync_directory(io::parent_path(arguments_.data_dir)));
    TRY_ASSIGN(const auto names, files_.list(arguments_.data_dir));
    for (const std::string& name : names) {
      if (wal::parse_name(name).file_class != wal::FileClass::kForeign) {
        return fail(ErrorCode::kInvalidArgument,
                    arguments_.data_dir + " holds a log that is not encrypted");
      }
    }
    for (const char* name :
         {core::kStoreFileName, core::kWalDirectoryName, core::kBaseDirectoryName}) {
      const auto info = files_.info(io::join_path(arguments_.data_dir, name));
      if (info) {
        return fail(ErrorCode::kInvalidArgument,
                    arguments_.data_dir + " holds a store that is not encrypted");
      }
      if (info.error().code != ErrorCode::kNotFound) {
        return std::unexpected(info.error());
      }
    }
    return crypto::check_no_keyring(files_, arguments_.data_dir);
  }

  Outcome<ToolOutput> status() {
    if (arguments_.secrets.empty()) {
      const auto status = crypto::examine_keyring(place_);
      if (!status) {
        return as(kExitCannotOpen, status.error());
      }
      return report(*status, false);
    }
    auto opened = open(Keyring::Access::kReadOnly);
    if (!opened) {
      return std::unexpected(opened.error());
    }
    return report(opened->keyring.status(), true);
  }

  Outcome<ToolOutput> passwd() {
    auto opened = open(Keyring::Access::kOwner);
    if (!opened) {
      return std::unexpected(opened.error());
    }
    const KeyringStatus before = opened->keyring.status();
    const auto slot =
        arguments_.slot.empty() ? std::optional(opened->keyring.opened_by()) : slot_named(before);
    if (!slot) {
      return as(kExitProblem, no_such_slot());
    }
    SlotType type = SlotType::kPassword;
    for (const auto& info : before.slots) {
      type = info.id == *slot ? info.type : type;
    }
    auto secret = new_secret(type);
    if (!secret) {
      return std::unexpected(secret.error());
    }
    return changed(opened->keyring, opened->keyring.change_secret(*slot, *secret));
  }

  Outcome<ToolOutput> rotate() {
    auto opened = open(Keyring::Access::kOwner);
    if (!opened) {
      return std::unexpected(opened.error());
    }
    return changed(opened->keyring, opened->keyring.rotate(opened->secrets));
  }

  Outcome<ToolOutput> add_device() {
    auto opened = open(Keyring::Access::kOwner);
    if (!opened) {
      return std::unexpected(opened.error());
    }
    auto secret = new_secret(arguments_.type.value_or(new_type()));
    if (!secret) {
      return std::unexpected(secret.error());
    }
    const auto slot = opened->keyring.add_slot(*secret, arguments_.label, now());
    return changed(opened->keyring, slot ? Status{} : std::unexpected(slot.error()));
  }

  Outcome<ToolOutput> revoke() {
    auto opened = open(Keyring::Access::kOwner);
    if (!opened) {
      return std::unexpected(opened.error());
    }
    const auto slot = slot_named(opened->keyring.status());
    if (!slot) {
      return as(kExitProblem, no_such_slot());
    }
    return changed(opened->keyring, opened->keyring.revoke(*slot, opened->secrets, now()));
  }

  /// Every secret given must open a slot: a mistyped one would make its slot stale.
  Outcome<Opened> open(Keyring::Access access) {
    std::unique_ptr<io::FileLock> lock;
    if (access == Keyring::Access::kOwner) {
      const auto there = files_.info(io::join_path(arguments_.data_dir, core::kLockFileName));
      if (!there) {
        return as(kExitCannotOpen, there.error());
      }
      auto held = files_.lock(io::join_path(arguments_.data_dir, core::kLockFileName));
      if (!held) {
        return as(kExitCannotOpen, held.error());
      }
      lock = *std::move(held);
    }
    const auto texts = read_secrets(arguments_.secrets, "secret of a slot");
    if (!texts) {
      return as(kExitUsage, texts.error());
    }
    auto first = unlock(texts->front(), access);
    if (!first) {
      return as(kExitCannotOpen, first.error());
    }
    Opened opened{.lock = std::move(lock), .keyring = std::move(first->keyring), .secrets = {}};
    opened.secrets.push_back(std::move(first->secret));
    for (std::size_t i = 1; i < texts->size(); ++i) {
      auto next = unlock((*texts)[i], access);
      if (!next) {
        return as(kExitCannotOpen, next.error());
      }
      opened.secrets.push_back(std::move(next->secret));
    }
    return opened;
  }

  /// By the first reading of `text` that opens a slot.
  Result<Unlocked> unlock(const SecretBytes& text, Keyring::Access access) {
    TRY_ASSIGN(auto readings, crypto::readings_of(text));
    TRY_ASSIGN(const auto seen, newest_version());
    std::size_t opened_by = 0;
    TRY_ASSIGN(auto keyring, Keyring::unlock_by_any(place_, readings, access, seen, opened_by));
    return Unlocked{.secret = std::move(readings[opened_by]), .keyring = std::move(keyring)};
  }

  /// Of a store, or of a log used alone.
  [[nodiscard]] Result<crypto::KeyringVersion> newest_version() const {
    core::KeyPlace place{
        .files = files_,
        .directory = arguments_.data_dir,
        .wal_directory = io::join_path(arguments_.data_dir, core::kWalDirectoryName),
        .base_directory = io::join_path(arguments_.data_dir, core::kBaseDirectoryName)};
    TRY_ASSIGN(const auto of_store, core::newest_version(place));
    place.wal_directory = arguments_.data_dir;
    TRY_ASSIGN(const auto of_log, core::newest_version(place));
    return crypto::KeyringVersion{.generation = std::max(of_store.generation, of_log.generation),
                                  .seq = std::max(of_store.seq, of_log.seq)};
  }

  [[nodiscard]] SlotType new_type() const {
    return arguments_.new_key_file.empty() ? SlotType::kPassword : SlotType::kDeviceKey;
  }

  /// A failure of what is to be the new secret changes nothing.
  Outcome<Secret> new_secret(SlotType type) {
    if (!arguments_.new_key_file.empty()) {
      if (type == SlotType::kPassword) {
        return as(kExitUsage,
                  {.code = ErrorCode::kInvalidArgument,
                   .context = "--new-key-file makes a key, the slot is for a password"});
      }
      auto key = make_key_file(files_, arguments_.new_key_file);
      if (!key) {
        return as(kExitProblem, key.error());
      }
      return Secret{.type = type, .bytes = *std::move(key)};
    }
    const auto text = read_new_secret(arguments_.new_secret, "new secret");
    if (!text) {
      return as(kExitUsage, text.error());
    }
    auto secret = crypto::secret_of_type(*text, type);
    if (!secret) {
      return as(kExitUsage, secret.error());
    }
    return *std::move(secret);
  }

  /// The one slot whose id begins with --slot.
  [[nodiscard]] std::optional<SlotId> slot_named(const KeyringStatus& status) const {
    std::optional<SlotId> found;
    for (const auto& slot : status.slots) {
      if (slot_id_text(slot.id).starts_with(arguments_.slot)) {
        if (found) {
          return std::nullopt;
        }
        found = slot.id;
      }
    }
    return found;
  }
  [[nodiscard]] Error no_such_slot() const {
    return {.code = ErrorCode::kNotFound,
            .context = fmt::format("no slot, or more than one, has an id that begins with {}",
                                   arguments_.slot)};
  }

  Outcome<ToolOutput> changed(const Keyring& keyring, const Status& outcome) {
    if (!outcome) {
      return refused(outcome.error());
    }
    return report(keyring.status(), true);
  }

  /// A new key that is in no keyring is not left lying about; one that may be is.
  Outcome<ToolOutput> refused(const Error& error) {
    if (!arguments_.new_key_file.empty() && error.code != ErrorCode::kIndeterminate) {
      (void)files_.remove(arguments_.new_key_file);
    }
    return as(kExitProblem, error);
  }

  [[nodiscard]] ToolOutput report(const KeyringStatus& status, bool proven) const {
    return {.status = status.copies_differ ? kExitProblem : kExitOk,
            .text = keyring_report(arguments_.data_dir, status, proven, arguments_.json),
            .error = {}};
  }

  static std::int64_t now() { return system_clock().wall_us(); }

  const KeysArguments& arguments_;
  io::FileSystem& files_;
  const KeyringPlace place_;
};

}  // namespace

ToolOutput run_keys(const KeysArguments& arguments) { return KeysTool(arguments).run(); }

}  // namespace pluresdb::tools
