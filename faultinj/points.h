// The fault points: one name per operation at the seam, `<area>/<file kind>/<operation>`.
//
// area and file kind come from the path below the store's directory:
//   wal/segment (N.wal)  wal/spare (*.tmp)  wal/other
//   base/sst base/manifest base/current base/options base/other
//   store/identity store/lock store/other  quarantine/file
//   <area>/directory for operations on the directory itself (store: the root and any other)
// operation on files: open create read write sync truncate allocate rename remove; a rename counts
// for the new name. On directories: create remove list sync_directory space.
// Operations that need new disk space have a second point `space/<area>/<file kind>/<operation>`
// (create, allocate, a write beyond the allocated end), so that arming "space/*" is a full disk on
// which overwriting allocated bytes still works, as on a real one. "space/statvfs" makes space()
// report zero available bytes. Creations have a third, `inodes/<area>/<file kind>/create`: a disk
// with room for bytes and none for another file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace faultinj {

/// File kind of directories.
inline constexpr std::string_view kDirectoryKind = "directory";

struct PointClass {
  std::string area;       ///< "wal"
  std::string file_kind;  ///< "segment"
};

/// Class of a path relative to the store's root ("wal/0000000000000007.wal" -> wal, segment).
PointClass classify_path(std::string_view relative_path);
/// First parts of the points that are second names of an operation.
inline constexpr std::string_view kSpacePrefix = "space/";
inline constexpr std::string_view kInodesPrefix = "inodes/";
/// Files that damage of data at rest can hit, as patterns of all their points ("base/sst/*"); the
/// first is what is meant when nothing is said.
const std::vector<std::string>& damageable_points();
/// Every point there is, sorted: what `pluresdb-soak list` prints and the parser checks against.
const std::vector<std::string>& all_points();

}  // namespace faultinj
