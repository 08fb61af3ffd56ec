// The STORE file: which store a directory holds, and what a later open must know about files that
// are gone. Two slots, rewritten in place in turn, so that an update needs no disk space.
// docs/formats/store.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::core {

inline constexpr const char* kStoreFileName = "STORE";
/// The newest version. Version 1 is that of stores that are not encrypted.
inline constexpr std::uint32_t kStoreFormatVersion = 2;

struct IdentityRecord {
  std::array<std::byte, 16> store_uuid{};
  std::int64_t created_us = 0;
  /// Segments up to this seq may have been removed or thinned out: a base store older than this
  /// cannot be completed from the log. 0: the log reaches back to seq 1.
  Seq compacted_through_seq = 0;
  /// After a loss: every actor_seq that may ever have been seen is at most this.
  std::uint64_t actor_seq_floor = 0;
  /// When the store was last closed it held everything up to here, durably; 0: not known. Base
  /// store and log that both end before it have lost their ends together.
  Seq closed_at_seq = 0;
  friend bool operator==(const IdentityRecord&, const IdentityRecord&) = default;
};

/// Random: no two stores share one.
std::array<std::byte, 16> make_store_uuid();

/// What is readable of the STORE file.
struct IdentityCopies {
  std::optional<IdentityRecord> record;  ///< Absent: neither copy is readable.
  std::uint32_t format_version = 0;      ///< Of that copy; 0 without one.
  int damaged = 0;                       ///< Of the two copies.
};
/// With `keys` a copy counts when its MAC is right, without only one that has none.
/// kNotFound, kUnsupportedVersion; kKeyUnavailable: `keys` are missing, or too old. Damage is a
/// result, not an error.
Result<IdentityCopies> read_identity_copies(io::FileSystem& files, const std::string& directory,
                                            const crypto::MasterKeys* keys = nullptr);

/// Thread: one at a time (the compactor, once the store is open).
class StoreIdentity {
 public:
  /// First half of a creation: the record, durably, under a temporary name. A directory in this
  /// state is no store yet, and says that whatever else lies in it is a leftover.
  static Status prepare(io::FileSystem& files, const std::string& directory,
                        const IdentityRecord& record, const crypto::MasterKeys* keys = nullptr);
  static Result<bool> is_prepared(io::FileSystem& files, const std::string& directory);
  /// Second half, one atomic step: from here on the directory is a store.
  static Status commit(io::FileSystem& files, const std::string& directory);
  /// `keys`: of an encrypted store; they outlive this. kNotFound, kCorruption (neither slot is
  /// readable, or what it says is not what the store wrote), kKeyUnavailable, kUnsupportedVersion.
  static Result<StoreIdentity> load(io::FileSystem& files, const std::string& directory,
                                    const crypto::MasterKeys* keys = nullptr);

  [[nodiscard]] const IdentityRecord& record() const { return record_; }
  /// Durable when it returns. After an error the record on disk is the old one or the new one.
  Status update(const IdentityRecord& record);
  /// Whether both slots are whole and vouched for by the newest master key. Only of an encrypted
  /// store. kIo.
  [[nodiscard]] Result<bool> is_renewed() const;
  /// Writes the same record anew, so that they are. Errors as update().
  Status renew();

 private:
  Status replace(const IdentityRecord& record, std::uint64_t generation);

  StoreIdentity(io::FileSystem& files, std::string path, IdentityRecord record,
                std::uint64_t generation, const crypto::MasterKeys* keys)
      : files_(&files),
        path_(std::move(path)),
        record_(record),
        generation_(generation),
        keys_(keys) {}

  io::FileSystem* files_;
  std::string path_;
  IdentityRecord record_;
  std::uint64_t generation_;
  const crypto::MasterKeys* keys_;  // Null: not encrypted.
  /// A failed sync leaves the cached pages in doubt; then the whole file is replaced.
  bool in_place_trusted_ = true;
};

}  // namespace pluresdb::core
