#include "engine/store/rocks_file_system.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <rocksdb/file_system.h>
#include <rocksdb/io_status.h>
#include <rocksdb/slice.h>

#include "engine/base/bytes.h"
#include "engine/base/mutex.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/store/deletion_gate.h"
#include "engine/store/file_contents.h"
#include "engine/store/open_tables.h"
#include "engine/store/rocks_status.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

constexpr std::string_view kOptionsPrefix = "OPTIONS-";

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

bool is_registry(const std::string& path) {
  // Table files and logs mean nothing until the MANIFEST names them.
  return !path.ends_with(".sst") && !path.ends_with(".log");
}

template <typename T>
IOStatus status_of(const Result<T>& result) {
  return result ? IOStatus::OK() : to_io_status(result.error());
}

base::MutableByteSpan writable_bytes(char* scratch, std::size_t count) {
  return std::as_writable_bytes(std::span<char>(scratch, count));
}

/// RocksDB joins paths with "//" here and there; the seam wants "a/b".
std::string clean(std::string path) {
  std::size_t kept = 0;
  for (const char letter : path) {
    if (letter != '/' || kept == 0 || path[kept - 1] != '/') {
      path[kept++] = letter;
    }
  }
  path.resize(kept);
  if (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  return path;
}

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<FileStream> stream) : stream_(std::move(stream)) {}

  IOStatus Read(std::size_t count, const IOOptions& /*options*/, Slice* result, char* scratch,
                IODebugContext* /*debug*/) override {
    const auto done = stream_->read(writable_bytes(scratch, count));
    *result = Slice(scratch, done ? *done : 0);
    return status_of(done);
  }
  IOStatus Skip(std::uint64_t count) override {
    std::array<char, kSkipBytes> skipped{};
    while (count > 0) {
      const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(count, skipped.size()));
      const auto done = stream_->read(writable_bytes(skipped.data(), step));
      if (!done || *done < step) {
        return status_of(done);
      }
      count -= step;
    }
    return IOStatus::OK();
  }

 private:
  static constexpr std::size_t kSkipBytes = 4096;

  std::unique_ptr<FileStream> stream_;
};

/// Files of which something could not be read, with the error. RocksDB 7.8 takes a table for
/// ingestion whose first or last key it could not read (corrected in its pull request 12042): with
/// a wrong range of keys the table is placed below older ones, and they hide it.  INV-STORE-11
class FailedReads {
 public:
  void note(const std::string& path, const IOStatus& status) {
    const base::MutexLock lock(mutex_);
    errors_.insert_or_assign(path, status);
  }
  /// `path` is another file from here on.
  void forget(const std::string& path) {
    const base::MutexLock lock(mutex_);
    errors_.erase(path);
  }
  IOStatus error_of(const std::string& path) {
    const base::MutexLock lock(mutex_);
    const auto found = errors_.find(path);
    return found == errors_.end() ? IOStatus::OK() : found->second;
  }

 private:
  base::Mutex mutex_;
  std::map<std::string, IOStatus> errors_ GUARDED_BY(mutex_);
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  RandomAccessFile(std::shared_ptr<const FileReader> reader, std::string path,
                   std::shared_ptr<FailedReads> failed_reads)
      : reader_(std::move(reader)),
        path_(std::move(path)),
        failed_reads_(std::move(failed_reads)) {}

  IOStatus Read(std::uint64_t offset, std::size_t count, const IOOptions& /*options*/,
                Slice* result, char* scratch, IODebugContext* /*debug*/) const override {
    const auto done = reader_->read(offset, writable_bytes(scratch, count));
    *result = Slice(scratch, done ? *done : 0);
    IOStatus status = status_of(done);
    if (!status.ok()) {
      failed_reads_->note(path_, status);
    }
    return status;
  }

 private:
  const std::shared_ptr<const FileReader> reader_;
  const std::string path_;
  const std::shared_ptr<FailedReads> failed_reads_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  WritableFile(std::unique_ptr<FileAppender> file, bool registry,
               std::shared_ptr<DeletionGate> deletions)
      : file_(std::move(file)), registry_(registry), deletions_(std::move(deletions)) {}

  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const Slice& data, const IOOptions& /*options*/,
                  IODebugContext* /*debug*/) override {
    return changed(file_->append(base::as_bytes({data.data(), data.size()})));
  }
  /// RocksDB asks for it with direct I/O, and for logs that it goes on with.
  IOStatus Truncate(std::uint64_t /*size_bytes*/, const IOOptions& /*options*/,
                    IODebugContext* /*debug*/) override {
    return IOStatus::NotSupported("truncate a file of the base store");
  }
  /// Durability is asked for with Sync.
  IOStatus Flush(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return IOStatus::OK();
  }
  IOStatus Sync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return changed(file_->sync_data());
  }
  /// Every bytes_per_sync of a table, for what is further back. There is no call that only starts
  /// the write-back at the seam.
  IOStatus RangeSync(std::uint64_t /*offset*/, std::uint64_t /*bytes*/,
                     const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return changed(file_->sync_most());
  }
  IOStatus Fsync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return changed(file_->sync_all());
  }
  IOStatus Close(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return changed(file_->close());
  }
  std::uint64_t GetFileSize(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return file_->size_bytes();
  }

 private:
  IOStatus changed(const Status& outcome) {
    if (!outcome && registry_) {
      deletions_->suspend();
    }
    return status_of(outcome);
  }

  std::unique_ptr<FileAppender> file_;
  const bool registry_;
  std::shared_ptr<DeletionGate> deletions_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(io::FileSystem& files, std::string path, std::shared_ptr<DeletionGate> deletions)
      : files_(files), path_(std::move(path)), deletions_(std::move(deletions)) {}

  IOStatus Fsync(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    const Status synced = files_.sync_directory(path_);
    if (!synced) {
      deletions_->suspend();
    }
    return status_of(synced);
  }
  IOStatus Close(const IOOptions& /*options*/, IODebugContext* /*debug*/) override {
    return IOStatus::OK();
  }

 private:
  io::FileSystem& files_;
  const std::string path_;
  std::shared_ptr<DeletionGate> deletions_;
};

class Lock final : public rocksdb::FileLock {
 public:
  explicit Lock(std::unique_ptr<io::FileLock> held) : held_(std::move(held)) {}

 private:
  std::unique_ptr<io::FileLock> held_;
};

class RocksFileSystem final : public rocksdb::FileSystem {
 public:
  RocksFileSystem(io::FileSystem& files, std::unique_ptr<FileContents> contents,
                  std::shared_ptr<DeletionGate> deletions, std::shared_ptr<OpenTables> tables)
      : files_(files),
        contents_(std::move(contents)),
        deletions_(std::move(deletions)),
        tables_(std::move(tables)) {}

  const char* Name() const override { return "PluresDbFileSystem"; }

  IOStatus NewSequentialFile(const std::string& path, const FileOptions& /*options*/,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext* /*debug*/) override {
    auto stream = contents_->open_stream(clean(path));
    if (!stream) {
      return to_io_status(stream.error());
    }
    *result = std::make_unique<SequentialFile>(*std::move(stream));
    return IOStatus::OK();
  }

  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions& /*options*/,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext* /*debug*/) override {
    // CURRENT is opened so only to try direct I/O, and once more without it when that fails; a
    // second answer that differs would be taken for a file system without direct I/O.
    if (IOStatus failed = failed_reads_->error_of(clean(path)); is_registry(path) && !failed.ok()) {
      return failed;
    }
    auto reader = contents_->open(clean(path));
    if (!reader) {
      IOStatus failed = to_io_status(reader.error());
      failed_reads_->note(clean(path), failed);
      return failed;
    }
    *result = std::make_unique<RandomAccessFile>(tables_->hold(clean(path), *std::move(reader)),
                                                 clean(path), failed_reads_);
    return IOStatus::OK();
  }

  IOStatus NewWritableFile(const std::string& path, const FileOptions& /*options*/,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext* /*debug*/) override {
    deletions_->keep(clean(path));
    failed_reads_->forget(clean(path));
    auto file = contents_->create(clean(path));
    if (!file) {
      return changed(path, std::unexpected(file.error()));
    }
    *result = std::make_unique<WritableFile>(*std::move(file), is_registry(path), deletions_);
    return IOStatus::OK();
  }

  /// RocksDB 7.8 does it to sync a table that it takes in, and to shorten a log that it goes on
  /// with, which is refused.
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions& /*options*/,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext* /*debug*/) override {
    const auto size_bytes = contents_->size_of(clean(path));
    if (!size_bytes) {
      return status_of(size_bytes);
    }
    auto file = open_for_sync(files_, clean(path), *size_bytes);
    if (!file) {
      return to_io_status(file.error());
    }
    *result = std::make_unique<WritableFile>(*std::move(file), is_registry(path), deletions_);
    return IOStatus::OK();
  }

  IOStatus NewDirectory(const std::string& path, const IOOptions& /*options*/,
                        std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext* /*debug*/) override {
    const auto info = files_.info(clean(path));
    if (info) {
      *result = std::make_unique<Directory>(files_, clean(path), deletions_);
    }
    return status_of(info);
  }

  IOStatus FileExists(const std::string& path, const IOOptions& /*options*/,
                      IODebugContext* /*debug*/) override {
    const auto info = files_.info(clean(path));
    if (!info && info.error().code == ErrorCode::kNotFound) {
      return IOStatus::NotFound(path);
    }
    return status_of(info);
  }

  IOStatus GetChildren(const std::string& path, const IOOptions& /*options*/,
                       std::vector<std::string>* result, IODebugContext* /*debug*/) override {
    result->clear();
    auto names = files_.list(clean(path));
    if (!names && names.error().code == ErrorCode::kNotFound) {
      return IOStatus::NotFound(path);
    }
    if (!names) {
      return to_io_status(names.error());
    }
    *result = *std::move(names);
    return IOStatus::OK();
  }

  IOStatus DeleteFile(const std::string& path, const IOOptions& /*options*/,
                      IODebugContext* /*debug*/) override {
    failed_reads_->forget(clean(path));
    if (io::base_name(path).starts_with(kOptionsPrefix)) {
      // No opening needs it, and one is written by each: on a full disk they must not pile up.
      return status_of(files_.remove(clean(path)));
    }
    return status_of(deletions_->remove(clean(path)));
  }

  IOStatus CreateDir(const std::string& path, const IOOptions& options,
                     IODebugContext* debug) override {
    return CreateDirIfMissing(path, options, debug);
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions& /*options*/,
                              IODebugContext* /*debug*/) override {
    return status_of(files_.create_directory(clean(path)));
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions& options,
                     IODebugContext* debug) override {
    return DeleteFile(path, options, debug);
  }

  IOStatus GetFileSize(const std::string& path, const IOOptions& /*options*/,
                       std::uint64_t* size_bytes, IODebugContext* /*debug*/) override {
    const auto found = contents_->size_of(clean(path));
    *size_bytes = found ? *found : 0;
    return status_of(found);
  }
  /// RocksDB asks for it only to age archived logs, of which there are none.
  IOStatus GetFileModificationTime(const std::string& path, const IOOptions& /*options*/,
                                   std::uint64_t* /*time*/, IODebugContext* /*debug*/) override {
    return IOStatus::NotSupported("modification time", path);
  }

  /// RocksDB names its new manifest in CURRENT before it syncs the directory that holds both; a
  /// disk that keeps only the second of the two changes would have no base store.  INV-STORE-10
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions& /*options*/,
                      IODebugContext* /*debug*/) override {
    if (io::base_name(to) == "CURRENT") {
      if (const Status synced = files_.sync_directory(io::parent_path(clean(to))); !synced) {
        return to_io_status(synced.error());
      }
    }
    return renamed(from, to);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions& /*options*/,
                    IODebugContext* /*debug*/) override {
    if (IOStatus unread = failed_reads_->error_of(clean(from)); !unread.ok()) {
      return unread;
    }
    return renamed(from, to);
  }

  IOStatus LockFile(const std::string& path, const IOOptions& /*options*/, rocksdb::FileLock** lock,
                    IODebugContext* /*debug*/) override {
    *lock = nullptr;
    auto held = files_.lock(clean(path));
    if (!held) {
      return to_io_status(held.error());
    }
    // RocksDB owns it and gives it back to UnlockFile.
    *lock = std::make_unique<Lock>(*std::move(held)).release();
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions& /*options*/,
                      IODebugContext* /*debug*/) override {
    const std::unique_ptr<rocksdb::FileLock> released(lock);
    return IOStatus::OK();
  }

  IOStatus GetTestDirectory(const IOOptions& /*options*/, std::string* /*path*/,
                            IODebugContext* /*debug*/) override {
    return IOStatus::NotSupported("test directory");
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions& /*options*/,
                           std::string* result, IODebugContext* /*debug*/) override {
    *result = path;
    return IOStatus::OK();
  }
  IOStatus GetFreeSpace(const std::string& path, const IOOptions& /*options*/,
                        std::uint64_t* free_bytes, IODebugContext* /*debug*/) override {
    const auto space = files_.space(clean(path));
    *free_bytes = space ? space->available_bytes : 0;
    return status_of(space);
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions& /*options*/, bool* is_directory,
                       IODebugContext* /*debug*/) override {
    const auto info = files_.info(clean(path));
    *is_directory = info && info->kind == io::FileKind::kDirectory;
    return status_of(info);
  }

 private:
  IOStatus renamed(const std::string& from, const std::string& to) {
    deletions_->keep(clean(to));
    return changed(to, files_.rename(clean(from), clean(to)));
  }
  IOStatus changed(const std::string& path, const Status& outcome) {
    if (!outcome && is_registry(path)) {
      deletions_->suspend();
    }
    return status_of(outcome);
  }

  io::FileSystem& files_;
  const std::unique_ptr<FileContents> contents_;
  // Shared because RocksDB keeps files open longer than it keeps its file system.
  const std::shared_ptr<DeletionGate> deletions_;
  const std::shared_ptr<OpenTables> tables_;
  const std::shared_ptr<FailedReads> failed_reads_ = std::make_shared<FailedReads>();
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> make_rocks_file_system(io::FileSystem& files,
                                                            const crypto::MasterKeys* keys,
                                                            std::shared_ptr<DeletionGate> deletions,
                                                            std::shared_ptr<OpenTables> tables) {
  auto contents = keys == nullptr ? make_plain_contents(files) : make_sealed_contents(files, *keys);
  return std::make_shared<RocksFileSystem>(files, std::move(contents), std::move(deletions),
                                           std::move(tables));
}

}  // namespace pluresdb::store
