// A store directory, or a log alone, as the next open would find it, with nothing changed: what the
// tools look at, and what a rebuild reads from.
//
// Damage is a result here, not an error: whoever examines a broken store wants to hear all of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/core/store_identity.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/io/read_only_file_system.h"
#include "engine/store/base_inspector.h"
#include "engine/store/base_store.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>

namespace pluresdb::core {

/// Thread: one at a time. Other processes are kept away (LOCK, shared) while it lives.
class ReadOnlyStore {
 public:
  /// `directory` holds STORE. `secret`: as EngineOptions::secret. `observer`: see
  /// io::ReadOnlyFileSystem. Errors: kNotFound (no directory), kInvalidArgument (no store),
  /// kLocked, kKeyUnavailable, kUnsupportedVersion, kIo (what cannot be read at all, symbolic links
  /// included). Of an encrypted store also kCorruption: what is not proven to be its own is not
  /// examined.
  static Result<std::unique_ptr<ReadOnlyStore>> open(
      io::FileSystem& files, const std::string& directory, const StoreSecret* secret = nullptr,
      io::ReadOnlyFileSystem::ReadObserver observer = {});
  /// A log: the wal directory of a store (then its base store and identity are opened too, and it
  /// is locked as a store) or one used alone. Errors as open().
  static Result<std::unique_ptr<ReadOnlyStore>> open_log(
      io::FileSystem& files, const std::string& wal_directory, const StoreSecret* secret = nullptr,
      io::ReadOnlyFileSystem::ReadObserver observer = {});
  ~ReadOnlyStore() = default;
  ReadOnlyStore(const ReadOnlyStore&) = delete;
  ReadOnlyStore& operator=(const ReadOnlyStore&) = delete;
  ReadOnlyStore(ReadOnlyStore&&) = delete;
  ReadOnlyStore& operator=(ReadOnlyStore&&) = delete;

  [[nodiscard]] const std::string& directory() const { return directory_; }
  [[nodiscard]] const std::string& wal_directory() const { return wal_directory_; }
  io::FileSystem& files() { return files_; }
  /// Absent: a log alone, or neither copy of STORE is readable (then problems() says so).
  [[nodiscard]] const std::optional<IdentityRecord>& identity() const { return identity_; }
  /// Absent: not encrypted.
  [[nodiscard]] std::optional<crypto::KeyringVersion> keyring_version() const {
    return keyring_ == nullptr ? std::nullopt : std::optional(keyring_->master_keys().version());
  }
  /// The format versions that the files have; 0, or not in the set: none of them says.
  struct FormatVersions {
    std::uint32_t identity = 0;
    std::uint32_t base = 0;
    std::set<std::uint32_t> segments;
  };
  [[nodiscard]] const FormatVersions& format_versions() const { return format_versions_; }
  /// Null: there is none, or it cannot be read (then problems() says so).
  store::BaseInspector* base() { return base_.get(); }
  /// Zero-valued without a base store.
  [[nodiscard]] const store::CheckpointMeta& meta() const { return meta_; }
  [[nodiscard]] const wal::ExaminedLog& log() const { return log_; }
  /// Records and large values of the log; superseded segments are not in it.
  wal::SegmentSet& segments() { return segments_; }
  /// What is wrong with the store as a whole: identity, base store, how they fit to the log. What
  /// is wrong inside segments is in log().log.report.validation.
  [[nodiscard]] const std::vector<std::string>& problems() const { return problems_; }
  /// Seqs that are in neither part and whose loss no segment names: base store and log do not meet.
  [[nodiscard]] const std::optional<SeqRange>& unmet() const { return unmet_; }
  /// Seqs that were there when the store was closed, behind the end of both parts.
  [[nodiscard]] const std::optional<SeqRange>& lost_end() const { return lost_end_; }
  /// The base store, or STORE, knows seqs that the log does not: the log was lost.
  [[nodiscard]] bool is_log_lost() const { return log_lost_; }
  /// True while replaying the log alone, from seq 1, gives every document.
  [[nodiscard]] bool reaches_back() const;

 private:
  ReadOnlyStore(io::FileSystem& files, io::ReadOnlyFileSystem::ReadObserver observer)
      : files_(files, std::move(observer)), segments_(files_) {}
  Status read_store(const StoreSecret* secret);
  Status unlock(const std::string& directory, const StoreSecret* secret);
  Status read_log_directory();
  Status lock(const std::string& path);
  Status read_identity();
  Status open_base();
  /// All zero when STORE does not say.
  [[nodiscard]] std::array<std::byte, 16> store_uuid() const {
    if (keyring_ != nullptr) {
      return keyring_->master_keys().store_id();
    }
    return identity_ ? identity_->store_uuid : std::array<std::byte, 16>{};
  }
  void compare_parts();

  io::ReadOnlyFileSystem files_;  // First: everything below reads through it.
  std::string directory_;         // Empty: a log alone.
  std::string wal_directory_;
  std::unique_ptr<io::FileLock> lock_;
  std::unique_ptr<crypto::Keyring> keyring_;  // Null: not encrypted.
  std::optional<IdentityRecord> identity_;
  FormatVersions format_versions_;
  std::unique_ptr<store::BaseInspector> base_;
  store::CheckpointMeta meta_;
  wal::ExaminedLog log_;
  wal::SegmentSet segments_;
  std::vector<std::string> problems_;
  std::optional<SeqRange> unmet_;
  std::optional<SeqRange> lost_end_;
  bool log_lost_ = false;
};

}  // namespace pluresdb::core
