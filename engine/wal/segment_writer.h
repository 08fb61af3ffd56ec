// Writes one segment file: prepared under a temporary name, activated, appended to, sealed.
//
// Each byte of a file is written at most once, by one open of the store. After a failed write or
// sync the owner drops the writer and continues in another file (D5).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// From the system's random device.
std::uint64_t random_salt();

/// Owner: the current leader of the log, or the one rewrite. Not thread-safe.
class SegmentWriter {
 public:
  struct Preparation {
    std::string temporary_path;
    std::uint64_t id = 0;
    std::uint64_t salt = 0;
    std::uint64_t capacity_bytes = 0;          ///< Reserved on disk.
    const crypto::MasterKeys* keys = nullptr;  ///< Not null: the file is encrypted.
  };
  /// Creates the file under its temporary name. On failure nothing is left.
  static Result<std::unique_ptr<SegmentWriter>> prepare(io::FileSystem& files,
                                                        const Preparation& preparation);
  /// Writes zeros too, so that later syncs need not change the file's metadata. Before the header
  /// is written only. Given up, without an error, when `until` becomes true.
  Status fill_with_zeros(const std::atomic<bool>& until);
  [[nodiscard]] bool is_zero_filled() const { return is_zero_filled_; }
  /// Before the header is written, or in a file whose header states no capacity. kNoSpace: the
  /// capacity stays as it was.
  Status grow(std::uint64_t capacity_bytes);
  /// Writes the header (id, capacity and the envelope of an encrypted file's key are filled in),
  /// once and before seal(); the file is not in the log yet.
  Status write_header(SegmentHeader header);
  /// Syncs the file, gives it its name, syncs the directory. Afterwards the file may get groups.
  Status activate(const std::string& final_path);

  /// True when a group of `bytes` that adds `values` large values leaves room for the footer.
  [[nodiscard]] bool has_room(std::uint64_t bytes, std::uint64_t values) const;
  /// Bytes that a file needs to hold one such group.
  static std::uint64_t capacity_for(std::uint64_t bytes, std::uint64_t values, FrameLayout layout);
  /// Bytes that this file needs to take one more such group.
  [[nodiscard]] std::uint64_t capacity_with(std::uint64_t bytes, std::uint64_t values) const;
  /// Writes the group at offset(). On failure any part of it may be in the file.
  Status append(GroupBuilder& group, std::uint32_t flags);
  Status sync();
  /// After a failed append or sync: the groups behind durable_offset() do not count.
  void forget_unsynced() { offset_ = durable_offset_; }
  /// Footer, sync, cut to length. Requires that everything is synced.
  Status seal(bool clean, std::uint64_t next_segment_id);
  /// Overwrites the header of the group at `offset` and syncs: no reader will see the group.
  Status void_group(std::uint64_t offset);
  /// Closes and removes a file that never got a record. Errors are dropped: recovery knows such
  /// files, and the id is not used again.
  void abandon();

  [[nodiscard]] std::uint64_t id() const { return id_; }
  /// For readers.
  [[nodiscard]] const SegmentAccess& access() const { return access_; }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] std::uint64_t durable_offset() const { return durable_offset_; }
  [[nodiscard]] std::uint64_t capacity_bytes() const { return capacity_bytes_; }
  [[nodiscard]] std::uint64_t file_bytes() const { return file_bytes_; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const SegmentIndex& index() const { return index_; }
  [[nodiscard]] io::File& file() { return *file_; }

 private:
  SegmentWriter(io::FileSystem& files, std::unique_ptr<io::File> file,
                const Preparation& preparation);
  Status make_key();

  io::FileSystem& files_;
  std::unique_ptr<io::File> file_;
  std::string path_;
  std::uint64_t id_;
  const crypto::MasterKeys* keys_;
  FrameLayout layout_;
  SegmentAccess access_;
  crypto::SecretBytes file_key_;               // Of an encrypted file, until it has its header.
  std::optional<crypto::ChunkSealer> sealer_;  // The only one that this file ever has.
  std::vector<std::byte> third_copy_;          // Of the header, for the footer.
  std::uint64_t capacity_bytes_ = 0;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t offset_ = kSegmentHeaderBytes;
  std::uint64_t durable_offset_ = kSegmentHeaderBytes;
  bool is_zero_filled_ = false;
  SegmentIndex index_;
};

/// Writes [begin, end) of a file again, unchanged, and syncs it: also what the page cache calls
/// clean after a sync that failed is durable then.
Status write_again(io::FileSystem& files, const std::string& path, std::uint64_t begin,
                   std::uint64_t end);

/// Cuts a segment that nobody writes to at `valid_bytes`, durably.
Status trim_segment(io::FileSystem& files, const std::string& path, std::uint64_t valid_bytes);

}  // namespace pluresdb::wal
