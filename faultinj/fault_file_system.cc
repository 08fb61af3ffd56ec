#include "faultinj/fault_file_system.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "faultinj/firing.h"
#include "faultinj/fiu_gate.h"
#include "faultinj/points.h"
#include "faultinj/root_path.h"
#include "faultinj/sync_failure.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::Error;
using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;
using pluresdb::base::ByteSpan;
using pluresdb::base::MutableByteSpan;
using pluresdb::base::Mutex;
using pluresdb::base::MutexLock;
using pluresdb::io::File;
using pluresdb::io::FileInfo;
using pluresdb::io::FileLock;
using pluresdb::io::FileSystem;
using pluresdb::io::OpenMode;
using pluresdb::io::SpaceInfo;

constexpr std::uint64_t kBlockBytes = 4096;

/// The points of one class of paths, spelled out once: operations must not build strings.
struct PointNames {
  explicit PointNames(const std::string& place)
      : open(place + "/open"),
        create(place + "/create"),
        read(place + "/read"),
        write(place + "/write"),
        sync(place + "/sync"),
        truncate(place + "/truncate"),
        allocate(place + "/allocate"),
        rename(place + "/rename"),
        remove(place + "/remove"),
        list(place + "/list"),
        sync_directory(place + "/sync_directory"),
        space(place + "/space"),
        space_create("space/" + create),
        space_write("space/" + write),
        space_allocate("space/" + allocate),
        inodes_create("inodes/" + create) {}

  std::string open, create, read, write, sync, truncate, allocate, rename, remove;
  std::string list, sync_directory, space;
  std::string space_create, space_write, space_allocate, inodes_create;
};

const PointNames& names_of(const PointClass& point_class) {
  static const std::map<std::string, PointNames> names_by_place = [] {
    std::map<std::string, PointNames> names;
    for (const std::string& point : all_points()) {
      const auto end = point.rfind('/');
      const std::string place = point.substr(0, end);
      if (!point.starts_with(kSpacePrefix) && !point.starts_with(kInodesPrefix)) {
        names.try_emplace(place, place);
      }
    }
    return names;
  }();
  const auto found = names_by_place.find(point_class.area + "/" + point_class.file_kind);
  DB_CHECK(found != names_by_place.end());
  return found->second;
}

const PointNames& directory_names(const std::string& relative_path) {
  PointClass point_class = classify_path(relative_path);
  point_class.file_kind = kDirectoryKind;
  return names_of(point_class);
}

std::optional<SyncFailure> sync_failure_of(Effect effect) {
  switch (effect) {
    case Effect::kSyncMarkedClean:
      return SyncFailure::kMarkedClean;
    case Effect::kSyncReverted:
      return SyncFailure::kReverted;
    case Effect::kSyncReportedLater:
      return SyncFailure::kReportedLater;
    case Effect::kError:
    case Effect::kShortWrite:
    case Effect::kDelay:
      return std::nullopt;
  }
  return std::nullopt;
}

/// Fires points of one file system.
class Trigger {
 public:
  explicit Trigger(FiredCallback fired) : fired_(std::move(fired)) {}

  /// What happens to the operation, told to the ledger; a delay is over when this returns.
  [[nodiscard]] std::optional<Firing> fire(const std::string& point, std::uint64_t bytes,
                                           int default_error = EIO) const {
    const std::optional<Firing> firing = fiu_firing_at(point, bytes, default_error);
    if (!firing) [[likely]] {
      return std::nullopt;
    }
    if (fired_) {
      fired_(point, *firing);
    }
    if (firing->effect == Effect::kDelay) {
      std::this_thread::sleep_for(std::chrono::microseconds(firing->delay_us));
      return std::nullopt;
    }
    return firing;
  }
  static Status error_of(const Firing& firing, const std::string& point, const std::string& path) {
    // NOLINTNEXTLINE(misc-include-cleaner): EDQUOT is in <cerrno>.
    const bool no_space = firing.error_number == ENOSPC || firing.error_number == EDQUOT;
    return std::unexpected(Error{.code = no_space ? ErrorCode::kNoSpace : ErrorCode::kIo,
                                 .sys_errno = firing.error_number,
                                 .injected = true,
                                 .context = "fault " + point + " at " + path});
  }
  /// The injected error when `point` fires.
  Status check(const std::string& point, const std::string& path, std::uint64_t bytes = 0,
               int default_error = EIO) const {
    const std::optional<Firing> firing = fire(point, bytes, default_error);
    return firing ? error_of(*firing, point, path) : Status{};
  }
  Status check_space(const std::string& point, const std::string& path,
                     std::uint64_t bytes = 0) const {
    return check(point, path, bytes, ENOSPC);
  }
  /// Of a new file or directory.
  Status check_creation(const PointNames& names, const std::string& path) const {
    TRY(check_space(names.space_create, path));
    return check_space(names.inodes_create, path);
  }

 private:
  const FiredCallback fired_;
};

/// The points of an open file: those of the name that it has now, so a spare segment that becomes
/// one by a rename fires as one.
using CurrentNames = std::atomic<const PointNames*>;

/// Open files by their present name. Thread-safe.
class OpenFiles {
 public:
  void add(const std::string& path, CurrentNames& names) {
    const MutexLock lock(mutex_);
    files_.emplace(&names, path);
  }
  void remove(CurrentNames& names) {
    const MutexLock lock(mutex_);
    files_.erase(&names);
  }
  void renamed(const std::string& from, const std::string& to, const PointNames& names_of_to) {
    const MutexLock lock(mutex_);
    for (auto& [names, path] : files_) {
      if (path == from) {
        path = to;
        names->store(&names_of_to);
      }
    }
  }

 private:
  Mutex mutex_;
  std::map<CurrentNames*, std::string> files_ GUARDED_BY(mutex_);
};

class FaultFile final : public File {
 public:
  FaultFile(std::unique_ptr<File> next, const Trigger& trigger, OpenFiles& open_files,
            const PointNames& names, std::string path, std::uint64_t allocated_end)
      : next_(std::move(next)),
        trigger_(trigger),
        open_files_(open_files),
        path_(std::move(path)),
        names_(&names),
        allocated_end_(allocated_end) {
    open_files_.add(path_, names_);
  }
  ~FaultFile() override { open_files_.remove(names_); }
  FaultFile(const FaultFile&) = delete;
  FaultFile& operator=(const FaultFile&) = delete;
  FaultFile(FaultFile&&) = delete;
  FaultFile& operator=(FaultFile&&) = delete;

  Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out) override {
    TRY(trigger_.check(names().read, path_, out.size()));
    return next_->read(offset, out);
  }
  Status write(std::uint64_t offset, ByteSpan data) override {
    if (const auto firing = trigger_.fire(names().write, data.size())) {
      if (firing->effect == Effect::kShortWrite && !data.empty()) {
        TRY(store(offset, data.first(firing->dice % data.size())));
      }
      return Trigger::error_of(*firing, names().write, path_);
    }
    return store(offset, data);
  }
  Status sync_data() override {
    const auto firing = trigger_.fire(names().sync, 0);
    return firing ? fail_sync(*firing) : next_->sync_data();
  }
  Status sync_all() override {
    const auto firing = trigger_.fire(names().sync, 0);
    return firing ? fail_sync(*firing) : next_->sync_all();
  }
  Status truncate(std::uint64_t size_bytes) override {
    TRY(trigger_.check(names().truncate, path_, size_bytes));
    TRY(next_->truncate(size_bytes));
    const std::uint64_t end = pluresdb::base::align_up(size_bytes, kBlockBytes);
    std::uint64_t seen = allocated_end_.load();
    while (seen > end && !allocated_end_.compare_exchange_weak(seen, end)) {
    }
    return {};
  }
  Status allocate(std::uint64_t size_bytes) override {
    TRY(trigger_.check(names().allocate, path_, size_bytes));
    if (size_bytes > allocated_end_.load()) {
      TRY(trigger_.check_space(names().space_allocate, path_, size_bytes));
    }
    TRY(next_->allocate(size_bytes));
    raise_allocated_end(pluresdb::base::align_up(size_bytes, kBlockBytes));
    return {};
  }
  Result<std::uint64_t> size() override { return next_->size(); }
  Status close() override { return next_->close(); }

 private:
  Status fail_sync(const Firing& firing) {
    const std::optional<SyncFailure> failure = sync_failure_of(firing.effect);
    if (failure) {
      auto* const failing = dynamic_cast<FailingSync*>(next_.get());
      if (failing == nullptr) {
        return pluresdb::fail(pluresdb::ErrorCode::kInvalidArgument,
                              "fault " + names().sync + ": no power-loss layer is below " + path_);
      }
      if (failing->fail_sync(*failure)) {
        return {};
      }
    }
    return Trigger::error_of(firing, names().sync, path_);
  }
  Status store(std::uint64_t offset, ByteSpan data) {
    const std::uint64_t end = offset + data.size();
    if (end > allocated_end_.load()) {
      TRY(trigger_.check_space(names().space_write, path_, data.size()));
    }
    TRY(next_->write(offset, data));
    raise_allocated_end(pluresdb::base::align_up(end, kBlockBytes));
    return {};
  }
  void raise_allocated_end(std::uint64_t end) {
    std::uint64_t seen = allocated_end_.load();
    while (seen < end && !allocated_end_.compare_exchange_weak(seen, end)) {
    }
  }

  [[nodiscard]] const PointNames& names() const { return *names_.load(); }

  const std::unique_ptr<File> next_;
  const Trigger& trigger_;
  OpenFiles& open_files_;
  const std::string path_;  ///< The name it was opened under.
  CurrentNames names_;
  /// Writes that end before it need no new space. As this handle knows it.
  std::atomic<std::uint64_t> allocated_end_;
};

class FaultFileSystem final : public FileSystem {
 public:
  FaultFileSystem(FileSystem& next, std::string root, FiredCallback fired)
      : next_(next), root_(std::move(root)), trigger_(std::move(fired)) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    const auto name = relative_to(root_, path);
    if (!name) {
      return next_.open(path, mode);
    }
    const PointNames& names = names_of(classify_path(*name));
    const auto info = next_.info(path);
    const bool creates =
        !info && (mode == OpenMode::kCreateNew || mode == OpenMode::kCreateOrEmpty);
    TRY(trigger_.check(creates ? names.create : names.open, path));
    if (creates) {
      TRY(trigger_.check_creation(names, path));
    }
    TRY_ASSIGN(auto file, next_.open(path, mode));
    const bool keeps = info && mode != OpenMode::kCreateOrEmpty;
    // A sparse file counts as allocated at its beginning: what the engine writes is dense.
    const std::uint64_t allocated_end =
        keeps ? std::min(info->allocated_bytes,
                         pluresdb::base::align_up(info->size_bytes, kBlockBytes))
              : 0;
    return std::make_unique<FaultFile>(std::move(file), trigger_, open_files_, names, path,
                                       allocated_end);
  }

  Status create_directory(const std::string& path) override {
    const auto name = relative_to(root_, path);
    if (name) {
      const PointNames& names = directory_names(*name);
      TRY(trigger_.check(names.create, path));
      if (!next_.info(path)) {
        TRY(trigger_.check_creation(names, path));
      }
    }
    return next_.create_directory(path);
  }

  Result<std::vector<std::string>> list(const std::string& path) override {
    if (const auto name = relative_to(root_, path)) {
      TRY(trigger_.check(directory_names(*name).list, path));
    }
    return next_.list(path);
  }

  Status rename(const std::string& from, const std::string& to) override {
    const auto name = relative_to(root_, to);
    const bool is_file = name && classify_path(*name).file_kind != kDirectoryKind;
    if (is_file) {
      TRY(trigger_.check(names_of(classify_path(*name)).rename, to));
    }
    TRY(next_.rename(from, to));
    if (is_file) {
      open_files_.renamed(from, to, names_of(classify_path(*name)));
    }
    return {};
  }

  Status remove(const std::string& path) override {
    if (const auto name = relative_to(root_, path)) {
      TRY(trigger_.check(names_of(classify_path(*name)).remove, path));
    }
    return next_.remove(path);
  }

  Status sync_directory(const std::string& path) override {
    if (const auto name = relative_to(root_, path)) {
      TRY(trigger_.check(directory_names(*name).sync_directory, path));
    }
    return next_.sync_directory(path);
  }

  Result<FileInfo> info(const std::string& path) override { return next_.info(path); }

  Result<SpaceInfo> space(const std::string& path) override {
    const auto name = relative_to(root_, path);
    if (!name) {
      return next_.space(path);
    }
    TRY(trigger_.check(directory_names(*name).space, path));
    TRY_ASSIGN(SpaceInfo space, next_.space(path));
    static const std::string statvfs_point = "space/statvfs";
    if (!trigger_.check_space(statvfs_point, path)) {
      space.available_bytes = 0;
    }
    return space;
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    if (const auto name = relative_to(root_, path)) {
      TRY(trigger_.check(names_of(classify_path(*name)).open, path));
    }
    return next_.lock(path);
  }

  Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) override {
    if (const auto name = relative_to(root_, path)) {
      TRY(trigger_.check(names_of(classify_path(*name)).open, path));
    }
    return next_.lock_shared(path);
  }

 private:
  FileSystem& next_;
  const std::string root_;
  const Trigger trigger_;
  OpenFiles open_files_;
};

}  // namespace

std::unique_ptr<FileSystem> make_fault_file_system(FileSystem& next, const std::string& root,
                                                   FiredCallback fired) {
  return std::make_unique<FaultFileSystem>(next, normal_path(root), std::move(fired));
}

}  // namespace faultinj
