// What is in the files of a base store, as RocksDB sees it: plain bytes. On the disk they are these
// bytes, or sealed ones: docs/formats/store.md, "Encryption". Names, directories and locks are the
// file system's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/base/bytes.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::store {

/// Writes one file, from its beginning to its end. Thread: one at a time.
class FileAppender {
 public:
  virtual ~FileAppender() = default;
  virtual Status append(base::ByteSpan plain) = 0;
  /// Makes most of what was appended durable; its end may stay in memory.
  virtual Status sync_most() = 0;
  /// fdatasync, of everything that was appended.
  virtual Status sync_data() = 0;
  /// fsync, of everything that was appended.
  virtual Status sync_all() = 0;
  /// What was appended may be lost without it. The destructor closes and drops errors.
  virtual Status close() = 0;
  /// Plain.
  [[nodiscard]] virtual std::uint64_t size_bytes() const = 0;
};

/// Thread: any.
class FileReader {
 public:
  virtual ~FileReader() = default;
  /// Up to `out.size()` plain bytes at a plain offset; fewer only at the end of the file.
  virtual Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) const = 0;
};

/// Thread: one at a time.
class FileStream {
 public:
  virtual ~FileStream() = default;
  /// The next plain bytes, up to `out.size()` of them; fewer only at the end of the file.
  virtual Result<std::size_t> read(base::MutableByteSpan out) = 0;
};

/// Thread: any. What it has opened does not need it any more.
class FileContents {
 public:
  virtual ~FileContents() = default;
  /// Creates the file, or empties it.
  virtual Result<std::unique_ptr<FileAppender>> create(const std::string& path) = 0;
  /// A sealed file other than a table opens, and refuses to be read: RocksDB tries to open such
  /// files, and reads them from their beginning only.
  virtual Result<std::unique_ptr<FileReader>> open(const std::string& path) = 0;
  virtual Result<std::unique_ptr<FileStream>> open_stream(const std::string& path) = 0;
  virtual Result<std::uint64_t> size_of(const std::string& path) = 0;
};

/// A file that is there, to be synced; append() is refused. `size_bytes`: plain.
Result<std::unique_ptr<FileAppender>> open_for_sync(io::FileSystem& files, const std::string& path,
                                                    std::uint64_t size_bytes);

/// Refuses what is sealed: kKeyUnavailable.
std::unique_ptr<FileContents> make_plain_contents(io::FileSystem& files);
/// Refuses what is not: kCorruption. Neither argument is owned.
std::unique_ptr<FileContents> make_sealed_contents(io::FileSystem& files,
                                                   const crypto::MasterKeys& keys);

}  // namespace pluresdb::store
