// The life cycle of a filling disk (D6): normal -> low -> full -> normal, and the reserve file that
// lets a full store still delete, compact and open. The space for opening stands apart, in a file
// that nothing else may use: whatever a process that was killed on a full disk has left, the next
// one can write what RocksDB writes when it opens.
//
//   normal  everything is allowed
//   low     checkpoints and compaction run at once to give space back
//   full    puts are refused before anything is half done; reads always work; deletes go on into
//           the space of the reserve
// A refusal by the file system itself (quota, a fault) counts as full too, but then each put is let
// through as a probe: the log refuses whole groups cleanly, and the first success ends the state.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {

inline constexpr const char* kReserveFileName = "RESERVE";
inline constexpr const char* kOpeningReserveFileName = "RESERVE.open";

/// Thread: any.
class DiskSpace {
 public:
  DiskSpace(io::FileSystem& files, std::string directory, std::uint64_t segment_bytes);

  /// Asks the file system. An error of the question changes nothing.
  void refresh();
  /// Before a write. kNoSpace: refused. `is_delete`: let through while the reserve lasts.
  Status admit(bool is_delete);
  /// What became of an admitted write, or of a checkpoint.
  void note_outcome(const Error* error);
  [[nodiscard]] SpaceState state() const;
  /// How often admit() refused.
  [[nodiscard]] std::uint64_t refusals() const;

  /// Bytes that a rewrite may take until it has given its inputs back. While writes are still let
  /// in, they keep what they need; when the disk is full, whatever is left may help. `collects`:
  /// it will give back more than it takes. Others wait, and keep clear of a writer's next segment.
  [[nodiscard]] std::uint64_t rewrite_room(bool collects);

  /// Makes what is missing of the reserve for opening, as much as fits: a part of it opens, too.
  void restore_opening_reserve();
  /// The same, and the other reserve when there is plenty of room.
  void restore_reserve();
  /// Gives the reserve's bytes to whoever needs them next.
  void release_reserve();

 private:
  void refresh_locked() REQUIRES(mutex_);
  /// False when it does not fit; then nothing is left of it.
  bool make_file(const std::string& path, std::uint64_t bytes) REQUIRES(mutex_);
  void release_reserve_locked() REQUIRES(mutex_);
  void restore_opening_reserve_locked() REQUIRES(mutex_);

  io::FileSystem& files_;
  const std::string directory_;
  const std::string reserve_path_;
  const std::string opening_reserve_path_;
  const std::uint64_t segment_bytes_;
  const std::uint64_t reserve_bytes_;

  mutable base::Mutex mutex_;
  SpaceState measured_ GUARDED_BY(mutex_) = SpaceState::kNormal;
  std::uint64_t available_bytes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t full_mark_ GUARDED_BY(mutex_) = 0;
  bool refused_ GUARDED_BY(mutex_) = false;  ///< The last outcome was "no space".
  bool reserve_exists_ GUARDED_BY(mutex_) = false;
  std::uint64_t opening_reserve_held_ GUARDED_BY(mutex_) = 0;  ///< Bytes.
  std::uint32_t admitted_since_refresh_ GUARDED_BY(mutex_) = 0;
  std::uint64_t refusals_ GUARDED_BY(mutex_) = 0;
};

}  // namespace pluresdb::core
