// What the file system makes of system calls that fail, of those that no preload reaches, too.
// Method: the linker puts a function of this file in front of each (--wrap, base.cmake); the next
// call of the named one fails with the errno asked for, or is interrupted first.
#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/io_test_directory.h"
#include <pluresdb/error.h>

namespace {

/// The call that fails next, once; `count`: so often.
struct Plan {
  std::string_view call;
  int error_number = 0;
  int count = 0;
};
Plan& plan() {
  static Plan planned;
  return planned;
}
bool fails(std::string_view call) {
  if (plan().call != call || plan().count == 0) {
    return false;
  }
  --plan().count;
  errno = plan().error_number;
  return true;
}

}  // namespace

// The names are the linker's.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
extern "C" {
ssize_t __real_pwrite(int file, const void* bytes, size_t count, off_t offset);
ssize_t __wrap_pwrite(int file, const void* bytes, size_t count, off_t offset);
ssize_t __wrap_pwrite(int file, const void* bytes, size_t count, off_t offset) {
  // errno 0: no error, and no progress either.
  return fails("pwrite") ? (errno == 0 ? 0 : -1) : __real_pwrite(file, bytes, count, offset);
}
ssize_t __real_pread(int file, void* bytes, size_t count, off_t offset);
ssize_t __wrap_pread(int file, void* bytes, size_t count, off_t offset);
ssize_t __wrap_pread(int file, void* bytes, size_t count, off_t offset) {
  return fails("pread") ? -1 : __real_pread(file, bytes, count, offset);
}
int __real_fdatasync(int file);
int __wrap_fdatasync(int file);
int __wrap_fdatasync(int file) { return fails("fdatasync") ? -1 : __real_fdatasync(file); }
int __real_fsync(int file);
int __wrap_fsync(int file);
int __wrap_fsync(int file) { return fails("fsync") ? -1 : __real_fsync(file); }
int __real_ftruncate(int file, off_t size);
int __wrap_ftruncate(int file, off_t size);
int __wrap_ftruncate(int file, off_t size) {
  return fails("ftruncate") ? -1 : __real_ftruncate(file, size);
}
int __real_posix_fallocate(int file, off_t offset, off_t size);
int __wrap_posix_fallocate(int file, off_t offset, off_t size);
int __wrap_posix_fallocate(int file, off_t offset, off_t size) {
  const int untouched = errno;  // It returns its error.
  const bool failing = fails("posix_fallocate");
  errno = untouched;
  return failing ? plan().error_number : __real_posix_fallocate(file, offset, size);
}
int __real_fstat(int file, struct stat* status);
int __wrap_fstat(int file, struct stat* status);
int __wrap_fstat(int file, struct stat* status) {
  return fails("fstat") ? -1 : __real_fstat(file, status);
}
int __real_close(int file);
int __wrap_close(int file);
int __wrap_close(int file) {
  const int closed = __real_close(file);
  return fails("close") ? -1 : closed;
}
int __real_statfs(const char* path, struct statfs* status);
int __wrap_statfs(const char* path, struct statfs* status);
int __wrap_statfs(const char* path, struct statfs* status) {
  return fails("statfs") ? -1 : __real_statfs(path, status);
}
int __real_fcntl(int file, int command, void* argument);
int __wrap_fcntl(int file, int command, void* argument);
int __wrap_fcntl(int file, int command, void* argument) {
  return fails("fcntl") ? -1 : __real_fcntl(file, command, argument);
}
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace pluresdb::io {
namespace {

class PosixErrors : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = files_.open(path_, OpenMode::kCreateNew);
    ASSERT_TRUE(opened.has_value());
    file_ = *std::move(opened);
    ASSERT_TRUE(file_->write(0, base::as_bytes("0123456789")).has_value());
  }
  void TearDown() override { plan() = {}; }

  /// The next `count` calls fail.
  static void plan_failure(std::string_view call, int error_number, int count = 1) {
    plan() = {.call = call, .error_number = error_number, .count = count};
  }
  template <typename T>
  static void expect_fails(const Result<T>& result, int error_number, ErrorCode code) {
    EXPECT_EQ(plan().count, 0) << plan().call << " was not called";
    ASSERT_FALSE(result.has_value()) << plan().call;
    EXPECT_EQ(result.error().sys_errno, error_number) << to_string(result.error());
    EXPECT_EQ(result.error().code, code) << to_string(result.error());
  }

  FileSystem& files_ = posix_file_system();
  const TestDirectory directory_;
  const std::string path_ = directory_ / "file";
  std::unique_ptr<File> file_;
};

TEST_F(PosixErrors, OfAnOpenFileSayWhatFailedAndWhy) {
  std::array<std::byte, 4> bytes{};
  plan_failure("pwrite", EIO);
  expect_fails(file_->write(0, bytes), EIO, ErrorCode::kIo);
  plan_failure("pwrite", EDQUOT);
  expect_fails(file_->write(0, bytes), EDQUOT, ErrorCode::kNoSpace);
  plan_failure("pread", EIO);
  expect_fails(file_->read(0, bytes), EIO, ErrorCode::kIo);
  plan_failure("fdatasync", EIO);
  expect_fails(file_->sync_data(), EIO, ErrorCode::kIo);
  plan_failure("fsync", ENOSPC);
  expect_fails(file_->sync_all(), ENOSPC, ErrorCode::kNoSpace);
  plan_failure("ftruncate", EIO);
  expect_fails(file_->truncate(3), EIO, ErrorCode::kIo);
  plan_failure("posix_fallocate", ENOSPC);
  expect_fails(file_->allocate(4096), ENOSPC, ErrorCode::kNoSpace);
  plan_failure("fstat", EIO);
  expect_fails(file_->size(), EIO, ErrorCode::kIo);
  plan_failure("close", EIO);
  expect_fails(file_->close(), EIO, ErrorCode::kIo);
}

TEST_F(PosixErrors, OfNamesSayWhatFailedAndWhy) {
  plan_failure("fstat", EIO);
  expect_fails(files_.open(path_, OpenMode::kRead), EIO, ErrorCode::kIo);
  plan_failure("fsync", EIO);
  expect_fails(files_.sync_directory(directory_ / ""), EIO, ErrorCode::kIo);
  plan_failure("statfs", EIO);
  expect_fails(files_.space(path_), EIO, ErrorCode::kIo);
  for (const int refused : {EAGAIN, EACCES}) {
    plan_failure("fcntl", refused);
    const auto held = files_.lock(directory_ / "LOCK");
    ASSERT_FALSE(held.has_value());
    EXPECT_EQ(held.error().code, ErrorCode::kLocked);
  }
  plan_failure("fcntl", ENOLCK);
  expect_fails(files_.lock(directory_ / "LOCK"), ENOLCK, ErrorCode::kIo);
  plan_failure("fcntl", ENOLCK);
  expect_fails(files_.lock_shared(directory_ / "LOCK"), ENOLCK, ErrorCode::kIo);
}

TEST_F(PosixErrors, ALockWhoseLabelFindsNoSpaceIsHeldAllTheSame) {
  plan_failure("pwrite", ENOSPC);
  const auto held = files_.lock(directory_ / "LOCK");
  ASSERT_TRUE(held.has_value()) << to_string(held.error());
  const auto second = files_.lock(directory_ / "LOCK");
  ASSERT_FALSE(second.has_value());
  EXPECT_NE(second.error().context.find("pid unknown"), std::string::npos) << "nobody wrote it";
  plan_failure("pwrite", EIO);
  expect_fails(files_.lock(directory_ / "OTHER"), EIO, ErrorCode::kIo);
}

TEST_F(PosixErrors, AWriteThatMakesNoProgressEnds) {
  const std::array<std::byte, 4> bytes{};
  plan_failure("pwrite", 0);
  const Status written = file_->write(0, bytes);
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code, ErrorCode::kIo);
}

// A signal is no failure, but of a sync: what it has done by then nobody knows (D5).
TEST_F(PosixErrors, InterruptedCallsAreMadeAgainAndSyncsAreNot) {
  std::array<std::byte, 4> bytes{};
  for (const std::string_view call : {"pwrite", "pread", "ftruncate", "posix_fallocate"}) {
    plan_failure(call, EINTR, 3);
    EXPECT_TRUE(file_->write(0, bytes).has_value()) << call;
    EXPECT_EQ(file_->read(0, bytes).value_or(0), bytes.size()) << call;
    EXPECT_TRUE(file_->truncate(100).has_value()) << call;
    EXPECT_TRUE(file_->allocate(200).has_value()) << call;
    EXPECT_EQ(plan().count, 0) << call;
  }
  plan_failure("statfs", EINTR, 3);
  EXPECT_TRUE(files_.space(path_).has_value());
  EXPECT_EQ(plan().count, 0);
  plan_failure("fdatasync", EINTR);
  expect_fails(file_->sync_data(), EINTR, ErrorCode::kIo);
  plan_failure("fsync", EINTR);
  expect_fails(file_->sync_all(), EINTR, ErrorCode::kIo);
}

// A file is replaced as a whole or not at all, and what was begun is removed.
TEST_F(PosixErrors, AReplacementThatFailsAnywhereLeavesTheOldFile) {
  for (const std::string_view call : {"pwrite", "fsync", "close"}) {
    plan_failure(call, EIO);
    expect_fails(write_file_atomically(files_, path_, base::as_bytes("new")), EIO, ErrorCode::kIo);
    const auto kept = read_whole_file(files_, path_, 100);
    ASSERT_TRUE(kept.has_value());
    EXPECT_EQ(base::as_text(*kept), "0123456789") << call;
    EXPECT_EQ(files_.info(path_ + ".tmp").error().code, ErrorCode::kNotFound) << call;
  }
}

}  // namespace
}  // namespace pluresdb::io
