// What opens an encrypted store. Who may open it is decided with pluresdb-keys (docs/TOOLS.md);
// what encryption promises and what not: docs/SECURITY.md.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <pluresdb/error.h>

namespace pluresdb {
namespace crypto {
struct Secret;
}

/// What stands between the secrets of this process and everybody else.
struct SecretProtection {
  /// Nobody of the same user attaches to the process or reads its memory, and it dumps no core.
  bool process_is_closed = false;
  /// Secrets are never swapped out. False: RLIMIT_MEMLOCK is below 1 MiB.
  bool memory_is_locked = false;
};
/// For programs to call before their first StoreSecret. It changes the whole process, crash reports
/// and debuggers included, and forbids core dumps of what it starts; so the engine leaves the
/// decision to its host. Thread: any.
SecretProtection protect_secrets();

/// A secret of one slot of the keyring, in memory that is locked, left out of core dumps and
/// overwritten at the end. The caller overwrites what it was made of. Thread: any, it never
/// changes.
class StoreSecret {
 public:
  /// 1 .. 1024 bytes. Opening with it takes 64 MiB and some tenths of a second (Argon2id), for each
  /// password slot that it does not open as well.
  static Result<StoreSecret> password(std::string_view text);
  /// 32 bytes that nobody can guess; opening with it takes no time.
  static Result<StoreSecret> device_key(std::span<const std::byte> key);
  static Result<StoreSecret> recovery_key(std::span<const std::byte> key);
  /// What somebody has typed: 64 hexadecimal digits are a key of either type, or a password if no
  /// slot opens with that; all else is a password. A store that is created with digits gets a
  /// device key.
  static Result<StoreSecret> of_text(std::string_view text);
  /// of_text() of a file's contents; one newline at the end is not part of it. The file must belong
  /// to this user, and nobody else may read it. kNotFound, kIo, kInvalidArgument.
  static Result<StoreSecret> of_file(const std::string& path);
  // All: kInvalidArgument (too short, too long), kKeyUnavailable (no memory for secrets).

  ~StoreSecret();
  StoreSecret(StoreSecret&& other) noexcept;
  StoreSecret& operator=(StoreSecret&& other) noexcept;
  StoreSecret(const StoreSecret&) = delete;
  StoreSecret& operator=(const StoreSecret&) = delete;

  /// For the engine: what to try, in this order. The first one is for a new keyring.
  [[nodiscard]] std::span<const crypto::Secret> readings() const;

 private:
  struct Readings;
  explicit StoreSecret(std::unique_ptr<Readings> readings);

  std::unique_ptr<Readings> readings_;
};

}  // namespace pluresdb
