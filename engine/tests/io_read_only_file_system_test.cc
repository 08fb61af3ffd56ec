// The view that refuses every change, and the shared lock that makes none.
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/io/read_only_file_system.h"
#include "engine/tests/io_test_directory.h"
#include <pluresdb/error.h>

namespace pluresdb::io {
namespace {

class ReadOnlyFileSystemTest : public ::testing::Test {
 protected:
  std::string path(const char* name) const { return directory_ / name; }
  void make_file(const char* name, std::string_view text) {
    const auto file = files_.open(path(name), OpenMode::kCreateNew);
    ASSERT_TRUE(file.has_value());
    ASSERT_TRUE((*file)->write(0, base::as_bytes(text)).has_value());
  }
  void expect_refused(const Status& status) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ErrorCode::kReadOnly) << to_string(status.error());
  }

  TestDirectory directory_;
  FileSystem& files_ = posix_file_system();
  ReadOnlyFileSystem view_{files_};
};

TEST_F(ReadOnlyFileSystemTest, ReadsPass) {
  make_file("a", "hello");
  const auto names = view_.list(directory_.path());
  ASSERT_TRUE(names.has_value());
  EXPECT_EQ(*names, std::vector<std::string>{"a"});
  EXPECT_EQ(view_.info(path("a"))->size_bytes, 5U);
  EXPECT_TRUE(view_.space(directory_.path()).has_value());
  const auto contents = read_whole_file(view_, path("a"), 100);
  ASSERT_TRUE(contents.has_value());
  EXPECT_EQ(base::as_text(*contents), "hello");
}

TEST_F(ReadOnlyFileSystemTest, EveryChangeIsRefusedAndHasNoEffect) {
  make_file("a", "hello");
  for (const OpenMode mode :
       {OpenMode::kReadWrite, OpenMode::kCreateNew, OpenMode::kCreateOrEmpty}) {
    const auto file = view_.open(path(mode == OpenMode::kCreateNew ? "new" : "a"), mode);
    ASSERT_FALSE(file.has_value());
    EXPECT_EQ(file.error().code, ErrorCode::kReadOnly);
  }
  expect_refused(view_.create_directory(path("d")));
  expect_refused(view_.rename(path("a"), path("b")));
  expect_refused(view_.remove(path("a")));
  expect_refused(view_.sync_directory(directory_.path()));
  const auto lock = view_.lock(path("LOCK"));
  ASSERT_FALSE(lock.has_value());
  EXPECT_EQ(lock.error().code, ErrorCode::kReadOnly);
  const auto file = view_.open(path("a"), OpenMode::kRead);
  ASSERT_TRUE(file.has_value());
  expect_refused((*file)->write(0, base::as_bytes("x")));
  expect_refused((*file)->truncate(0));
  expect_refused((*file)->allocate(100));
  expect_refused((*file)->sync_data());
  expect_refused((*file)->sync_all());
  EXPECT_EQ(*(*file)->size(), 5U);
  EXPECT_TRUE((*file)->close().has_value());
  EXPECT_EQ(*files_.list(directory_.path()), std::vector<std::string>{"a"});
  EXPECT_EQ(files_.info(path("a"))->size_bytes, 5U);
}

TEST_F(ReadOnlyFileSystemTest, ObserverSeesReadsAndMayEndThem) {
  make_file("a", "hello");
  std::uint64_t bytes = 0;
  ReadOnlyFileSystem metered(files_, [&bytes](std::uint64_t count) -> Status {
    bytes += count;
    return bytes > 5 ? Status(fail(ErrorCode::kCancelled, "enough")) : Status{};
  });
  EXPECT_TRUE(read_whole_file(metered, path("a"), 100).has_value());
  EXPECT_EQ(bytes, 5U);
  const auto second = read_whole_file(metered, path("a"), 100);
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().code, ErrorCode::kCancelled);
}

TEST_F(ReadOnlyFileSystemTest, SharedLockExcludesTheOwnerAndChangesNothing) {
  const auto missing = view_.lock_shared(path("LOCK"));
  ASSERT_FALSE(missing.has_value());
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(files_.list(directory_.path())->empty());
  {
    const auto owner = files_.lock(path("LOCK"));
    ASSERT_TRUE(owner.has_value());
    const auto shared = view_.lock_shared(path("LOCK"));
    ASSERT_FALSE(shared.has_value());
    EXPECT_EQ(shared.error().code, ErrorCode::kLocked);
    EXPECT_NE(shared.error().context.find(fmt::format("locked by pid {}", getpid())),
              std::string::npos)
        << shared.error().context;
  }
  const auto before = std::filesystem::last_write_time(path("LOCK"));
  {
    const auto first = view_.lock_shared(path("LOCK"));
    const auto second = view_.lock_shared(path("LOCK"));
    ASSERT_TRUE(first.has_value() && second.has_value()) << "readers share";
    const auto owner = files_.lock(path("LOCK"));
    ASSERT_FALSE(owner.has_value());
    EXPECT_EQ(owner.error().code, ErrorCode::kLocked);
  }
  EXPECT_EQ(std::filesystem::last_write_time(path("LOCK")), before);
  EXPECT_TRUE(files_.lock(path("LOCK")).has_value()) << "free again";
}

}  // namespace
}  // namespace pluresdb::io
