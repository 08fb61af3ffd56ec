#include "engine/core/rebuild_place.h"

#include <algorithm>
#include <expected>
#include <string>
#include <utility>

#include "engine/core/recovery.h"
#include "engine/core/store_identity.h"
#include "engine/io/file_system.h"
#include <pluresdb/error.h>

namespace pluresdb::core {
namespace {

/// `path` and, for a directory, the files in it. Links are removed, not followed.
Status remove_shallow_tree(io::FileSystem& files, const std::string& path) {
  TRY_ASSIGN(const io::FileInfo info, files.info(path));
  if (info.kind == io::FileKind::kDirectory) {
    TRY_ASSIGN(const auto names, files.list(path));
    for (const std::string& name : names) {
      TRY(files.remove(io::join_path(path, name)));
    }
  }
  return files.remove(path);
}

}  // namespace

RebuildPlace::RebuildPlace(io::FileSystem& files, std::string output)
    : files_(files),
      output_(io::without_trailing_slashes(std::move(output))),
      directory_(output_ + ".rebuilding") {}

Status RebuildPlace::check_output(bool& exists) const {
  const auto info = files_.info(output_);
  exists = info.has_value();
  if (!info) {
    return info.error().code == ErrorCode::kNotFound ? Status{}
                                                     : Status(std::unexpected(info.error()));
  }
  if (info->kind == io::FileKind::kDirectory) {
    TRY_ASSIGN(const auto names, files_.list(output_));
    if (names.empty()) {
      return {};
    }
  }
  return fail(ErrorCode::kInvalidArgument,
              output_ + " exists and is not an empty directory: nothing is overwritten");
}

Status RebuildPlace::check_leftover() const {
  const auto info = files_.info(directory_);
  if (!info && info.error().code == ErrorCode::kNotFound) {
    return {};
  }
  if (!info) {
    return std::unexpected(info.error());
  }
  if (info->kind == io::FileKind::kDirectory) {
    TRY_ASSIGN(const auto names, files_.list(directory_));
    const bool marked = std::ranges::find(names, kRebuildMarkerName) != names.end();
    const bool begun =
        std::ranges::all_of(names, [](const std::string& name) { return name == kLockFileName; });
    if (marked || begun) {
      return {};
    }
  }
  return fail(ErrorCode::kInvalidArgument,
              directory_ + " is in the way, and no rebuild has made it: move it away");
}

Status RebuildPlace::prepare() {
  bool output_exists = false;
  TRY(check_output(output_exists));
  TRY(check_leftover());
  Status begun = files_.create_directory(directory_);
  if (begun) {
    auto held = files_.lock(io::join_path(directory_, kLockFileName));
    if (held) {
      lock_ = *std::move(held);
    } else {
      begun = std::unexpected(std::move(held).error());
    }
  }
  if (!begun) {
    (void)files_.remove(directory_);  // Only while it is empty: without the lock no more is ours.
    return begun;
  }
  // Without the mark there is nothing else here, with it all is ours.
  TRY_ASSIGN(auto marker, files_.open(io::join_path(directory_, kRebuildMarkerName),
                                      io::OpenMode::kCreateOrEmpty));
  TRY(marker->sync_all());
  TRY(marker->close());
  TRY(files_.sync_directory(directory_));
  TRY(files_.sync_directory(io::parent_path(directory_)));
  return remove_contents();
}

Status RebuildPlace::remove_contents() {
  // STORE first: what is half removed must not look like a store.
  const std::string store = io::join_path(directory_, kStoreFileName);
  if (Status removed = files_.remove(store); removed) {
    TRY(files_.sync_directory(directory_));
  } else if (removed.error().code != ErrorCode::kNotFound) {
    return removed;
  }
  TRY_ASSIGN(const auto names, files_.list(directory_));
  for (const std::string& name : names) {
    if (name != kLockFileName && name != kRebuildMarkerName) {
      TRY(remove_shallow_tree(files_, io::join_path(directory_, name)));
    }
  }
  return {};
}

Status RebuildPlace::commit() {
  bool output_exists = false;
  TRY(check_output(output_exists));
  if (output_exists) {
    TRY(files_.remove(output_));
  }
  TRY(files_.rename(directory_, output_));
  named_ = true;
  TRY(files_.sync_directory(io::parent_path(output_)));
  // It is a store, and the mark means nothing any more.
  (void)files_.remove(io::join_path(output_, kRebuildMarkerName));
  TRY(files_.sync_directory(output_));
  lock_.reset();
  return {};
}

void RebuildPlace::discard() {
  if (named_ || lock_ == nullptr) {
    return;
  }
  if (remove_contents()) {
    (void)files_.remove(io::join_path(directory_, kRebuildMarkerName));
    (void)files_.remove(io::join_path(directory_, kLockFileName));
    (void)files_.remove(directory_);
    (void)files_.sync_directory(io::parent_path(directory_));
  }
  lock_.reset();
}

}  // namespace pluresdb::core
