// Helpers over the seam that every layer needs: paths, whole files, atomic replacement.
#include "engine/io/file_system.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include <pluresdb/error.h>

namespace pluresdb::io {

std::string join_path(std::string_view directory, std::string_view name) {
  std::string path(directory);
  if (!path.empty() && path.back() != '/') {
    path += '/';
  }
  path += name;
  return path;
}

std::string parent_path(std::string_view path) {
  const auto slash = path.rfind('/');
  if (slash == std::string_view::npos) {
    return ".";
  }
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

std::string base_name(std::string_view path) {
  const auto slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') {
    path.pop_back();
  }
  return path;
}

Result<std::vector<std::byte>> read_whole_file(FileSystem& files, const std::string& path,
                                               std::uint64_t size_bytes_max) {
  TRY_ASSIGN(const auto file, files.open(path, OpenMode::kRead));
  TRY_ASSIGN(const auto size_bytes, file->size());
  if (size_bytes > size_bytes_max) {
    return fail(ErrorCode::kInvalidArgument, path + " is " + std::to_string(size_bytes) +
                                                 " bytes, more than the " +
                                                 std::to_string(size_bytes_max) + " expected");
  }
  std::vector<std::byte> contents(size_bytes);
  TRY_ASSIGN(const auto count, file->read(0, contents));
  contents.resize(count);
  return contents;
}

namespace {

Status write_and_rename(FileSystem& files, const std::string& temporary, const std::string& path,
                        base::ByteSpan contents) {
  TRY_ASSIGN(const auto file, files.open(temporary, OpenMode::kCreateOrEmpty));
  TRY(file->write(0, contents));
  TRY(file->sync_all());
  TRY(file->close());
  return files.rename(temporary, path);
}

}  // namespace

Status write_file_atomically(FileSystem& files, const std::string& path, base::ByteSpan contents) {
  const std::string temporary = path + ".tmp";
  if (auto outcome = write_and_rename(files, temporary, path, contents); !outcome) {
    // It may hold the space that is missing; and after a failed sync nobody may sync it again.
    (void)files.remove(temporary);
    return outcome;
  }
  return files.sync_directory(parent_path(path));
}

}  // namespace pluresdb::io
