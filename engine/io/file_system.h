// THE seam: every byte the engine reads or writes, RocksDB's included, goes through this interface.
//
// State that survives a crash changes only here, so faults, power loss and crash enumeration are
// other implementations of it (faultinj/), and the engine contains no test hook. Paths are plain
// strings as given by the caller; "a/b" only, no "..". Durability rules, as POSIX gives them:
//   - bytes are durable after the File's sync; a file's existence and name only after
//     sync_directory of its directory;
//   - after a failed sync the bytes written since the last good one may be lost for ever: nobody
//     may sync that file again and believe the answer;
//   - a failed write may have written any part of its range.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::io {

enum class OpenMode {
  kRead,           ///< Must exist.
  kReadWrite,      ///< Must exist; contents kept.
  kCreateNew,      ///< Must not exist (kIo with EEXIST); read and write.
  kCreateOrEmpty,  ///< Created, or emptied when it exists; read and write.
};

/// One open file. Thread: any, but two writes to one range at once are the caller's error.
/// The destructor closes and drops errors; call close() to hear of them.
class File {
 public:
  virtual ~File() = default;
  /// Reads up to `out.size()` bytes at `offset`; returns fewer only at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) = 0;
  /// Writes all of `data` at `offset` (short writes are continued) or fails. kNoSpace, kIo.
  virtual Status write(std::uint64_t offset, base::ByteSpan data) = 0;
  /// fdatasync: data, and the size if reading the data needs it. May take long: hold no lock.
  virtual Status sync_data() = 0;
  /// fsync: data and metadata.
  virtual Status sync_all() = 0;
  /// Sets the size; new bytes read as zero.
  virtual Status truncate(std::uint64_t size_bytes) = 0;
  /// Makes [0, size_bytes) writable without running out of space, and the size at least that.
  virtual Status allocate(std::uint64_t size_bytes) = 0;
  virtual Result<std::uint64_t> size() = 0;
  virtual Status close() = 0;
};

enum class FileKind { kRegular, kDirectory, kOther };

struct FileInfo {
  FileKind kind = FileKind::kOther;
  std::uint64_t size_bytes = 0;
  std::uint64_t allocated_bytes = 0;
};

struct SpaceInfo {
  std::uint64_t total_bytes = 0;
  std::uint64_t available_bytes = 0;
  /// Not null: a file system that other machines or a user's process answer for, by its name
  /// ("nfs", "fuse"). Neither its locks nor its syncs are this kernel's word.
  const char* shared_type = nullptr;
};

/// Held until destroyed. Closing it never unlinks the file.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  /// New files get mode 0600; symbolic links are not followed. kNotFound, kIo, kNoSpace.
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  /// Mode 0700. Succeeds when the directory exists already. The parent is not synced.
  virtual Status create_directory(const std::string& path) = 0;
  /// Names (not paths) in `path`, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  /// Replaces `to` when it exists. Atomic for readers; durable after sync_directory.
  virtual Status rename(const std::string& from, const std::string& to) = 0;
  /// Removes a file or an empty directory. kNotFound.
  virtual Status remove(const std::string& path) = 0;
  virtual Status sync_directory(const std::string& path) = 0;
  /// kNotFound when nothing is there.
  virtual Result<FileInfo> info(const std::string& path) = 0;
  /// Of the file system that `path` is on.
  virtual Result<SpaceInfo> space(const std::string& path) = 0;
  /// Creates `path` when missing and takes an exclusive lock that dies with the process (OFD lock);
  /// writes the pid into it. kLocked with "locked by pid N" in the context when another holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
  /// Takes a shared lock on an existing file and changes nothing, not even the pid in it: any
  /// number of holders, none beside the holder of lock(). kNotFound, kLocked as lock().
  virtual Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) = 0;
};

/// The real one. Thread-safe; lives for ever.
FileSystem& posix_file_system();

/// "a" + "b" -> "a/b".
std::string join_path(std::string_view directory, std::string_view name);
/// Everything before the last slash; "." when there is none.
std::string parent_path(std::string_view path);
/// Everything behind the last slash.
std::string base_name(std::string_view path);

/// "a//" -> "a"; "/" stays.
std::string without_trailing_slashes(std::string path);

/// Whole file as bytes; kInvalidArgument when it is larger than `size_bytes_max`.
Result<std::vector<std::byte>> read_whole_file(FileSystem& files, const std::string& path,
                                               std::uint64_t size_bytes_max);
/// Writes `path`.tmp, syncs it, renames it over `path`, syncs the directory: after a crash the file
/// is the old one or the new one.
Status write_file_atomically(FileSystem& files, const std::string& path, base::ByteSpan contents);

}  // namespace pluresdb::io
