#include "engine/crypto/keyring_file.h"

#include <algorithm>
#include <cstddef>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/keyring_format.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

std::string temporary_of(const std::string& path) { return path + ".tmp"; }

struct Copy {
  std::vector<std::byte> bytes;
  CopyState state = CopyState::kMissing;
};

/// Too long counts as damaged, and is not read.
Result<Copy> read_copy(io::FileSystem& files, const std::string& path) {
  auto contents = io::read_whole_file(files, path, kKeyringBytesMax);
  if (!contents && contents.error().code == ErrorCode::kNotFound) {
    return Copy{};
  }
  if (!contents && contents.error().code == ErrorCode::kInvalidArgument) {
    return Copy{.bytes = {}, .state = CopyState::kDamaged};
  }
  if (!contents) {
    return std::unexpected(std::move(contents).error());
  }
  TRY_ASSIGN(const bool whole, is_whole_keyring(*contents));
  return Copy{.bytes = *std::move(contents),
              .state = whole ? CopyState::kWhole : CopyState::kDamaged};
}

Status write_temporary(io::FileSystem& files, const std::string& path, base::ByteSpan bytes) {
  TRY_ASSIGN(const auto file, files.open(path, io::OpenMode::kCreateOrEmpty));
  TRY(file->write(0, bytes));
  TRY(file->sync_all());
  return file->close();
}

/// Until the rename nothing has happened; after an error of it, or of what follows, who knows.
Status replace(io::FileSystem& files, const std::string& path, base::ByteSpan bytes) {
  const std::string temporary = temporary_of(path);
  if (auto written = write_temporary(files, temporary, bytes); !written) {
    (void)files.remove(temporary);
    return written;
  }
  Status renamed = files.rename(temporary, path);
  if (renamed) {
    renamed = files.sync_directory(io::parent_path(path));
  } else {
    (void)files.remove(temporary);
  }
  if (!renamed) {
    renamed.error().code = ErrorCode::kIndeterminate;
  }
  return renamed;
}

Status remove_if_there(io::FileSystem& files, const std::string& path) {
  const Status removed = files.remove(path);
  return !removed && removed.error().code == ErrorCode::kNotFound ? Status{} : removed;
}

}  // namespace

Result<KeyringCopies> read_keyring_copies(io::FileSystem& files, const std::string& directory) {
  const std::string path = io::join_path(directory, kKeyringName);
  TRY_ASSIGN(Copy first, read_copy(files, path));
  auto second = read_copy(files, io::join_path(directory, kSecondKeyringName));
  if (!second) {
    if (first.state != CopyState::kWhole) {
      return std::unexpected(std::move(second).error());
    }
    second = Copy{.bytes = {}, .state = CopyState::kDamaged};
  }
  KeyringCopies copies{.bytes = {},
                       .first = first.state,
                       .second = second->state,
                       .same = first.state == CopyState::kWhole && first.bytes == second->bytes};
  if (first.state == CopyState::kWhole) {
    copies.bytes = std::move(first.bytes);
  } else if (second->state == CopyState::kWhole) {
    copies.bytes = std::move(second->bytes);
  } else if (first.state == CopyState::kMissing && second->state == CopyState::kMissing) {
    return fail(ErrorCode::kNotFound, directory + " has no keyring");
  } else {
    return fail(ErrorCode::kCorruption, path + " and its second copy are damaged");
  }
  return copies;
}

Status check_no_keyring(io::FileSystem& files, const std::string& directory) {
  for (const char* name : {kKeyringName, kSecondKeyringName}) {
    const std::string path = io::join_path(directory, name);
    const auto info = files.info(path);
    if (info) {
      return fail(ErrorCode::kInvalidArgument, path + " exists");
    }
    if (info.error().code != ErrorCode::kNotFound) {
      return std::unexpected(info.error());
    }
  }
  return {};
}

Status write_keyring(io::FileSystem& files, const std::string& directory, base::ByteSpan bytes) {
  TRY(replace(files, io::join_path(directory, kKeyringName), bytes));
  Status second = replace(files, io::join_path(directory, kSecondKeyringName), bytes);
  if (!second) {
    second.error().code = ErrorCode::kIndeterminate;
    second.error().context += ": the change is in force, its second copy is not written";
  }
  return second;
}

Result<bool> repair_keyring(io::FileSystem& files, const std::string& directory,
                            base::ByteSpan bytes) {
  for (const char* name : {kKeyringName, kSecondKeyringName}) {
    TRY(remove_if_there(files, temporary_of(io::join_path(directory, name))));
  }
  // Whoever wrote the keyring may have been cut off before its name was durable; files that are
  // written under it must not outlive it.  INV-KEY-8
  TRY(files.sync_directory(directory));
  bool complete = true;
  for (const char* name : {kKeyringName, kSecondKeyringName}) {
    const std::string path = io::join_path(directory, name);
    const auto copy = read_copy(files, path);
    if (copy && std::ranges::equal(copy->bytes, bytes)) {
      continue;
    }
    const Status replaced = replace(files, path, bytes);
    if (!replaced && replaced.error().code != ErrorCode::kNoSpace) {
      return std::unexpected(replaced.error());
    }
    complete = complete && replaced.has_value();
  }
  return complete;
}

}  // namespace pluresdb::crypto
