// The real file system behind the seam: modes, refusals, the lock across processes, atomic
// replacement.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/io_test_directory.h"
#include <pluresdb/error.h>

namespace pluresdb::io {
namespace {

class PosixFileSystemTest : public testing::Test {
 protected:
  std::unique_ptr<File> opened(const std::string& name, OpenMode mode) {
    auto file = files_.open(directory_ / name, mode);
    EXPECT_TRUE(file) << to_string(file.error());
    return file ? *std::move(file) : nullptr;
  }
  void write_text(const std::string& name, std::string_view text) {
    const auto file = opened(name, OpenMode::kCreateOrEmpty);
    ASSERT_TRUE(file->write(0, base::as_bytes(text)));
    ASSERT_TRUE(file->close());
  }
  std::string text_of(const std::string& name) {
    const auto contents = read_whole_file(files_, directory_ / name, 1 << 20);
    EXPECT_TRUE(contents) << to_string(contents.error());
    return contents ? std::string(base::as_text(*contents)) : "";
  }

  TestDirectory directory_;
  FileSystem& files_ = posix_file_system();
};

mode_t mode_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0);
  return status.st_mode & 0777U;
}

TEST_F(PosixFileSystemTest, NewFilesAndDirectoriesArePrivate) {
  const mode_t old_mask = ::umask(0);
  write_text("file", "x");
  ASSERT_TRUE(files_.create_directory(directory_ / "sub"));
  const auto lock = files_.lock(directory_ / "LOCK");
  (void)::umask(old_mask);
  ASSERT_TRUE(lock);
  EXPECT_EQ(mode_of(directory_ / "file"), 0600U);
  EXPECT_EQ(mode_of(directory_ / "LOCK"), 0600U);
  EXPECT_EQ(mode_of(directory_ / "sub"), 0700U);
}

TEST_F(PosixFileSystemTest, EachModeOpensWhatItSays) {
  const auto missing = files_.open(directory_ / "file", OpenMode::kRead);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(missing.error().sys_errno, ENOENT);
  EXPECT_EQ(files_.open(directory_ / "file", OpenMode::kReadWrite).error().code,
            ErrorCode::kNotFound);
  ASSERT_TRUE(opened("file", OpenMode::kCreateNew)->write(0, base::as_bytes("abc")));
  const auto exists = files_.open(directory_ / "file", OpenMode::kCreateNew);
  ASSERT_FALSE(exists);
  EXPECT_EQ(exists.error().code, ErrorCode::kIo);
  EXPECT_EQ(exists.error().sys_errno, EEXIST);
  EXPECT_EQ(*opened("file", OpenMode::kReadWrite)->size(), 3U);
  EXPECT_EQ(*opened("file", OpenMode::kCreateOrEmpty)->size(), 0U);
  EXPECT_FALSE(opened("file", OpenMode::kRead)->write(0, base::as_bytes("x")));
}

TEST_F(PosixFileSystemTest, FollowsNoLinkAndOpensOnlyRegularFiles) {
  write_text("target", "secret");
  std::filesystem::create_symlink(directory_ / "target", directory_ / "link");
  for (const auto mode : {OpenMode::kRead, OpenMode::kReadWrite, OpenMode::kCreateOrEmpty}) {
    const auto through = files_.open(directory_ / "link", mode);
    ASSERT_FALSE(through);
    EXPECT_EQ(through.error().sys_errno, ELOOP);
  }
  EXPECT_FALSE(files_.lock(directory_ / "link"));
  EXPECT_EQ(text_of("target"), "secret");
  EXPECT_EQ(files_.info(directory_ / "link")->kind, FileKind::kOther);
  ASSERT_EQ(::mkfifo((directory_ / "pipe").c_str(), 0600), 0);
  EXPECT_FALSE(files_.open(directory_ / "pipe", OpenMode::kRead)) << "and it must not hang";
  EXPECT_FALSE(files_.open(directory_.path(), OpenMode::kRead));
}

TEST_F(PosixFileSystemTest, ReadsFewerBytesOnlyAtTheEnd) {
  write_text("file", "0123456789");
  const auto file = opened("file", OpenMode::kRead);
  std::array<std::byte, 8> buffer{};
  EXPECT_EQ(*file->read(0, buffer), 8U);
  EXPECT_EQ(*file->read(6, buffer), 4U);
  EXPECT_EQ(base::as_text(base::ByteSpan(buffer).first(4)), "6789");
  EXPECT_EQ(*file->read(10, buffer), 0U);
  EXPECT_EQ(*file->read(1000, buffer), 0U);
}

TEST_F(PosixFileSystemTest, TruncateAndAllocateChangeTheSizeAndKeepTheBytes) {
  write_text("file", "abc");
  const auto file = opened("file", OpenMode::kReadWrite);
  ASSERT_TRUE(file->allocate(100'000));
  EXPECT_EQ(*file->size(), 100'000U);
  EXPECT_GE(files_.info(directory_ / "file")->allocated_bytes, 100'000U);
  ASSERT_TRUE(file->allocate(10)) << "never shrinks";
  EXPECT_EQ(*file->size(), 100'000U);
  ASSERT_TRUE(file->truncate(2));
  ASSERT_TRUE(file->truncate(4));
  EXPECT_TRUE(file->sync_data() && file->sync_all());
  EXPECT_EQ(text_of("file"), std::string("ab\0\0", 4));
}

TEST_F(PosixFileSystemTest, NamesAreListedRenamedAndRemoved) {
  write_text("b", "B");
  write_text("a", "A");
  ASSERT_TRUE(files_.create_directory(directory_ / "c"));
  ASSERT_TRUE(files_.create_directory(directory_ / "c")) << "existing is fine";
  EXPECT_FALSE(files_.create_directory(directory_ / "a")) << "a file is not";
  EXPECT_EQ(*files_.list(directory_.path()), (std::vector<std::string>{"a", "b", "c"}));
  ASSERT_TRUE(files_.rename(directory_ / "a", directory_ / "b"));
  EXPECT_EQ(text_of("b"), "A");
  ASSERT_TRUE(files_.sync_directory(directory_.path()));
  ASSERT_TRUE(files_.remove(directory_ / "b"));
  ASSERT_TRUE(files_.remove(directory_ / "c"));
  EXPECT_EQ(files_.remove(directory_ / "b").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_.list(directory_ / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_.info(directory_ / "none").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_.sync_directory(directory_ / "none").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(files_.list(directory_.path())->empty());
}

TEST_F(PosixFileSystemTest, SpaceIsWithinTheWhole) {
  const auto space = files_.space(directory_.path());
  ASSERT_TRUE(space);
  EXPECT_GT(space->total_bytes, 0U);
  EXPECT_LE(space->available_bytes, space->total_bytes);
}

// A file system of 64 KiB in a mount namespace of a child: full without harm to anybody else.
TEST_F(PosixFileSystemTest, FullDeviceIsNoSpace) {
  constexpr int kNoRights = 77;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        ::mount("tmpfs", directory_.path().c_str(), "tmpfs", 0, "size=64k") != 0) {
      ::_exit(kNoRights);
    }
    const auto file = files_.open(directory_ / "file", OpenMode::kCreateNew);
    if (!file) {
      ::_exit(2);
    }
    const Status written = (*file)->write(0, std::vector<std::byte>(1 << 20));
    const Status allocated = (*file)->allocate(1 << 20);
    const bool right = !written && written.error().code == ErrorCode::kNoSpace &&
                       written.error().sys_errno == ENOSPC && !allocated &&
                       allocated.error().code == ErrorCode::kNoSpace;
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == kNoRights) {
    GTEST_SKIP() << "no right to mount a small file system";
  }
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(PosixFileSystemTest, WriteBeyondTheProcessLimitKeepsItsErrno) {
  // In a child, because the limit cannot be raised again without rights.
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    (void)std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{.rlim_cur = 4096, .rlim_max = 4096};
    const auto file = files_.open(directory_ / "limited", OpenMode::kCreateNew);
    if (!file || ::setrlimit(RLIMIT_FSIZE, &limit) != 0) {
      ::_exit(2);
    }
    // The first 4 KiB fit: the short write is continued and then fails.
    const Status outcome = (*file)->write(0, std::vector<std::byte>(8192));
    ::_exit(!outcome && outcome.error().sys_errno == EFBIG ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(PosixFileSystemTest, AtomicWriteReplacesAndLeavesNoTemporary) {
  ASSERT_TRUE(write_file_atomically(files_, directory_ / "file", base::as_bytes("one")));
  ASSERT_TRUE(write_file_atomically(files_, directory_ / "file", base::as_bytes("two")));
  EXPECT_EQ(text_of("file"), "two");
  // The rename fails: the target is a directory that is not empty.
  ASSERT_TRUE(files_.create_directory(directory_ / "sub"));
  write_text("sub/x", "x");
  EXPECT_FALSE(write_file_atomically(files_, directory_ / "sub", base::as_bytes("three")));
  EXPECT_EQ(*files_.list(directory_.path()), (std::vector<std::string>{"file", "sub"}));
}

TEST_F(PosixFileSystemTest, WholeFileIsRefusedWhenLargerThanExpected) {
  write_text("file", "12345");
  EXPECT_EQ(read_whole_file(files_, directory_ / "file", 5)->size(), 5U);
  EXPECT_EQ(read_whole_file(files_, directory_ / "file", 4).error().code,
            ErrorCode::kInvalidArgument);
}

/// A pipe over which a child says that it is ready and waits to be let go.
class Handshake {
 public:
  Handshake() {
    EXPECT_EQ(::pipe(to_parent_.data()), 0);
    EXPECT_EQ(::pipe(to_child_.data()), 0);
  }
  ~Handshake() {
    for (const int descriptor : {to_parent_[0], to_parent_[1], to_child_[0], to_child_[1]}) {
      (void)::close(descriptor);
    }
  }
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;
  Handshake(Handshake&&) = delete;
  Handshake& operator=(Handshake&&) = delete;

  void child_ready_and_wait(char verdict) const {
    char byte = verdict;
    if (::write(to_parent_[1], &byte, 1) != 1 || ::read(to_child_[0], &byte, 1) != 1) {
      ::_exit(3);
    }
  }
  [[nodiscard]] char wait_for_child() const {
    char byte = 0;
    EXPECT_EQ(::read(to_parent_[0], &byte, 1), 1);
    return byte;
  }
  void let_child_go() const { EXPECT_EQ(::write(to_child_[1], "x", 1), 1); }

 private:
  std::array<int, 2> to_parent_{};
  std::array<int, 2> to_child_{};
};

TEST_F(PosixFileSystemTest, LockNamesTheProcessThatHoldsItAndDiesWithIt) {
  const std::string path = directory_ / "LOCK";
  const Handshake handshake;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto lock = files_.lock(path);
    handshake.child_ready_and_wait(lock ? 'y' : 'n');
    ::_exit(0);
  }
  ASSERT_EQ(handshake.wait_for_child(), 'y');
  const auto refused = files_.lock(path);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kLocked);
  EXPECT_EQ(refused.error().context, path + " is locked by pid " + std::to_string(child));
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(files_.lock(path)) << "the lock of a dead process is free";
}

TEST_F(PosixFileSystemTest, LockExcludesASecondOpenInOneProcessAndIsFreedByItsEnd) {
  const std::string path = directory_ / "LOCK";
  {
    const auto lock = files_.lock(path);
    ASSERT_TRUE(lock);
    // Opening and closing the file otherwise must not give the lock up, as a classic one would.
    EXPECT_TRUE(read_whole_file(files_, path, 100));
    const auto second = files_.lock(path);
    ASSERT_FALSE(second);
    EXPECT_NE(second.error().context.find("locked by pid " + std::to_string(::getpid())),
              std::string::npos);
  }
  EXPECT_TRUE(files_.lock(path));
  EXPECT_TRUE(std::filesystem::exists(path)) << "never unlinked";
}

TEST_F(PosixFileSystemTest, ForkedChildNeitherFreesTheLockNorKeepsIt) {
  const std::string path = directory_ / "LOCK";
  auto lock = files_.lock(path);
  ASSERT_TRUE(lock);
  const Handshake handshake;
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    lock->reset();  // The child's copy of the lock object.
    handshake.child_ready_and_wait('y');
    ::_exit(0);
  }
  ASSERT_EQ(handshake.wait_for_child(), 'y');
  EXPECT_FALSE(files_.lock(path)) << "the parent still holds it";
  handshake.let_child_go();
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);

  // The other way: the parent gives it up while a child still has the file open.
  const Handshake second;
  const pid_t keeper = ::fork();
  ASSERT_GE(keeper, 0);
  if (keeper == 0) {
    second.child_ready_and_wait('y');
    ::_exit(0);
  }
  ASSERT_EQ(second.wait_for_child(), 'y');
  lock->reset();
  EXPECT_TRUE(files_.lock(path)) << "a child must not keep its parent's lock";
  second.let_child_go();
  ASSERT_EQ(::waitpid(keeper, &status, 0), keeper);
}

TEST(Paths, AreJoinedAndTakenApart) {
  EXPECT_EQ(join_path("a", "b"), "a/b");
  EXPECT_EQ(join_path("a/", "b"), "a/b");
  EXPECT_EQ(join_path("", "b"), "b");
  EXPECT_EQ(join_path("/", "b"), "/b");
  EXPECT_EQ(parent_path("a/b"), "a");
  EXPECT_EQ(parent_path("/b"), "/");
  EXPECT_EQ(parent_path("b"), ".");
  EXPECT_EQ(base_name("a/b"), "b");
  EXPECT_EQ(base_name("b"), "b");
}

}  // namespace
}  // namespace pluresdb::io
