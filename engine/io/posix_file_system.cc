// The seam on Linux: the only engine file that includes <unistd.h> and <fcntl.h>.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/io/file_system_types.h"
#include "engine/io/process_owner.h"
#include <pluresdb/error.h>

namespace pluresdb::io {
namespace {

constexpr mode_t kFileMode = 0600;
constexpr mode_t kDirectoryMode = 0700;

ErrorCode code_of_errno(int error_number) {
  switch (error_number) {
    case ENOENT:
      return ErrorCode::kNotFound;
    case ENOSPC:
    case EDQUOT:
      return ErrorCode::kNoSpace;
    default:
      return ErrorCode::kIo;
  }
}

/// The error of the system call that just failed: "operation path", with errno.
std::unexpected<Error> system_error(const char* operation, const std::string& path) {
  const int error_number = errno;
  return fail(code_of_errno(error_number), std::string(operation) + " " + path, error_number);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) {
      (void)::close(number_);
    }
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;

  [[nodiscard]] int get() const { return number_; }
  int release() { return std::exchange(number_, -1); }

 private:
  int number_;
};

Status write_all(const Descriptor& descriptor, const std::string& path, std::uint64_t offset,
                 base::ByteSpan data) {
  while (!data.empty()) {
    const ssize_t count =
        ::pwrite(descriptor.get(), data.data(), data.size(), static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) {
      continue;
    }
    if (count < 0) {
      return system_error("write", path);
    }
    if (count == 0) {
      return fail(ErrorCode::kIo, "write " + path + ": no progress");
    }
    data = data.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
  return {};
}

Status truncate_to(const Descriptor& descriptor, const std::string& path,
                   std::uint64_t size_bytes) {
  while (::ftruncate(descriptor.get(), static_cast<off_t>(size_bytes)) != 0) {
    if (errno != EINTR) {
      return system_error("truncate", path);
    }
  }
  return {};
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor descriptor, std::string path)
      : descriptor_(std::move(descriptor)), path_(std::move(path)) {}

  Result<std::size_t> read(std::uint64_t offset, base::MutableByteSpan out) override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t count = ::pread(descriptor_.get(), out.data() + done, out.size() - done,
                                    static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) {
        continue;
      }
      if (count < 0) {
        return system_error("read", path_);
      }
      if (count == 0) {
        break;
      }
      done += static_cast<std::size_t>(count);
    }
    return done;
  }

  Status write(std::uint64_t offset, base::ByteSpan data) override {
    return write_all(descriptor_, path_, offset, data);
  }

  Status sync_data() override {
    // Never retried, not even after EINTR: a failed sync says nothing about the next one (D5).
    if (::fdatasync(descriptor_.get()) != 0) {
      return system_error("fdatasync", path_);
    }
    return {};
  }

  Status sync_all() override {
    if (::fsync(descriptor_.get()) != 0) {
      return system_error("fsync", path_);
    }
    return {};
  }

  Status truncate(std::uint64_t size_bytes) override {
    return truncate_to(descriptor_, path_, size_bytes);
  }

  Status allocate(std::uint64_t size_bytes) override {
    if (size_bytes == 0) {
      return {};
    }
    // posix_fallocate would silently write zeros where the file system cannot reserve; that is what
    // is wanted there, and it is slow only there.
    int error_number = EINTR;
    while (error_number == EINTR) {
      error_number = ::posix_fallocate(descriptor_.get(), 0, static_cast<off_t>(size_bytes));
    }
    if (error_number != 0) {
      errno = error_number;
      return system_error("allocate", path_);
    }
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat status{};
    if (::fstat(descriptor_.get(), &status) != 0) {
      return system_error("stat", path_);
    }
    return static_cast<std::uint64_t>(status.st_size);
  }

  Status close() override {
    const int number = descriptor_.release();
    if (number >= 0 && ::close(number) != 0) {
      return system_error("close", path_);
    }
    return {};
  }

 private:
  Descriptor descriptor_;
  std::string path_;
};

/// A child of fork() shares the open file and so the lock: the child must not give it up when it
/// destroys its copy, and the parent must be able to, whatever its children still have open.
class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor descriptor)
      : descriptor_(std::move(descriptor)), owner_(::getpid()) {}
  ~PosixFileLock() override {
    if (::getpid() == owner_) {
      struct flock request{};
      request.l_type = F_UNLCK;
      request.l_whence = SEEK_SET;
      (void)::fcntl(descriptor_.get(), F_OFD_SETLK, &request);
    }
  }
  PosixFileLock(const PosixFileLock&) = delete;
  PosixFileLock& operator=(const PosixFileLock&) = delete;
  PosixFileLock(PosixFileLock&&) = delete;
  PosixFileLock& operator=(PosixFileLock&&) = delete;

 private:
  Descriptor descriptor_;
  const pid_t owner_;
};

std::string holder_pid(int descriptor) {
  char text[32] = {};
  const ssize_t count = ::pread(descriptor, text, sizeof(text) - 1, 0);
  long pid = 0;
  if (count <= 0 || std::from_chars(text, text + count, pid).ec != std::errc{} || pid <= 0) {
    return "unknown";
  }
  return std::to_string(pid);
}

/// An OFD lock belongs to the open file: two opens in one process exclude each other as well.
Status set_lock(int descriptor, short type, const std::string& path) {
  struct flock request{};
  request.l_type = type;
  request.l_whence = SEEK_SET;
  if (::fcntl(descriptor, F_OFD_SETLK, &request) == 0) {
    return {};
  }
  if (errno == EAGAIN || errno == EACCES) {
    return fail(ErrorCode::kLocked, path + " is locked by pid " + holder_pid(descriptor));
  }
  return system_error("lock", path);
}

/// For whoever meets the lock; see holder_pid.
Status label_with_pid(const Descriptor& descriptor, const std::string& path) {
  TRY(truncate_to(descriptor, path, 0));
  const std::string pid = std::to_string(::getpid()) + "\n";
  return write_all(descriptor, path, 0, base::as_bytes(pid));
}

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    // O_NONBLOCK: somebody's named pipe in the place of a file must not hang the store.
    int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
    switch (mode) {
      case OpenMode::kRead:
        flags |= O_RDONLY;
        break;
      case OpenMode::kReadWrite:
        flags |= O_RDWR;
        break;
      case OpenMode::kCreateNew:
        flags |= O_RDWR | O_CREAT | O_EXCL;
        break;
      case OpenMode::kCreateOrEmpty:
        flags |= O_RDWR | O_CREAT | O_TRUNC;
        break;
    }
    Descriptor descriptor(::open(path.c_str(), flags, kFileMode));
    if (descriptor.get() < 0) {
      return system_error("open", path);
    }
    struct stat status{};
    if (::fstat(descriptor.get(), &status) != 0) {
      return system_error("stat", path);
    }
    if (!S_ISREG(status.st_mode)) {
      return fail(ErrorCode::kIo, "open " + path + ": not a regular file");
    }
    return std::make_unique<PosixFile>(std::move(descriptor), path);
  }

  Status create_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), kDirectoryMode) == 0) {
      return {};
    }
    const auto failure = system_error("create directory", path);
    if (failure.error().sys_errno == EEXIST) {
      struct stat status{};
      if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
        return {};
      }
    }
    return failure;
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    std::error_code code;
    std::vector<std::string> names;
    std::filesystem::directory_iterator entries(path, code);
    for (; !code && entries != std::filesystem::directory_iterator(); entries.increment(code)) {
      names.push_back(entries->path().filename().string());
    }
    if (code) {
      errno = code.value();
      return system_error("list", path);
    }
    std::ranges::sort(names);
    return names;
  }

  Status rename(const std::string& from, const std::string& to) override {
    if (std::rename(from.c_str(), to.c_str()) != 0) {
      return system_error("rename", from + " to " + to);
    }
    return {};
  }

  Status remove(const std::string& path) override {
    if (std::remove(path.c_str()) != 0) {
      return system_error("remove", path);
    }
    return {};
  }

  Status sync_directory(const std::string& path) override {
    const Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (descriptor.get() < 0) {
      return system_error("open directory", path);
    }
    if (::fsync(descriptor.get()) != 0) {
      return system_error("fsync directory", path);
    }
    return {};
  }

  Result<FileInfo> info(const std::string& path) override {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) {
      return system_error("stat", path);
    }
    FileInfo result;
    if (S_ISREG(status.st_mode)) {
      result.kind = FileKind::kRegular;
    } else if (S_ISDIR(status.st_mode)) {
      result.kind = FileKind::kDirectory;
    }
    constexpr std::uint64_t kStatBlockBytes = 512;
    result.size_bytes = static_cast<std::uint64_t>(status.st_size);
    result.allocated_bytes = static_cast<std::uint64_t>(status.st_blocks) * kStatBlockBytes;
    return result;
  }

  Result<SpaceInfo> space(const std::string& path) override {
    struct statfs status{};
    while (::statfs(path.c_str(), &status) != 0) {
      if (errno != EINTR) {
        return system_error("statfs", path);
      }
    }
    const auto fragment_bytes = static_cast<std::uint64_t>(status.f_frsize);
    return SpaceInfo{
        .total_bytes = status.f_blocks * fragment_bytes,
        .available_bytes = status.f_bavail * fragment_bytes,
        .shared_type = shared_file_system_name(static_cast<std::uint32_t>(status.f_type))};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    Descriptor descriptor(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, kFileMode));
    if (descriptor.get() < 0) {
      return system_error("open", path);
    }
    TRY(set_lock(descriptor.get(), F_WRLCK, path));
    const auto labelled = label_with_pid(descriptor, path);
    // A full disk must not keep a store closed: the lock is held, only its label is missing.
    if (!labelled && labelled.error().code != ErrorCode::kNoSpace) {
      return std::unexpected(labelled.error());
    }
    return std::make_unique<PosixFileLock>(std::move(descriptor));
  }

  Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) override {
    Descriptor descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (descriptor.get() < 0) {
      return system_error("open", path);
    }
    TRY(set_lock(descriptor.get(), F_RDLCK, path));
    return std::make_unique<PosixFileLock>(std::move(descriptor));
  }
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem files;  // Stateless: not a mutable global.
  return files;
}

ProcessOwner::ProcessOwner(std::string what) : what_(std::move(what)), pid_(::getpid()) {}

bool ProcessOwner::is_here() const { return ::getpid() == pid_; }

Status ProcessOwner::check() const {
  if (is_here()) {
    return {};
  }
  return fail(ErrorCode::kLocked, what_ + " is locked by pid " + std::to_string(pid_) +
                                      ", of which this process is a fork: what the parent has "
                                      "open is of no use here");
}

}  // namespace pluresdb::io
