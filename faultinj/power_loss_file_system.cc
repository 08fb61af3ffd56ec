// Layout of the journal: power_loss_journal.h. What is undone how: pending_state.h.
#include "faultinj/power_loss_file_system.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "faultinj/buffered_file.h"
#include "faultinj/pending_state.h"
#include "faultinj/power_loss_journal.h"
#include "faultinj/root_path.h"
#include "faultinj/sync_failure.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::fail;
using pluresdb::Result;
using pluresdb::Status;
using pluresdb::base::as_bytes;
using pluresdb::base::ByteSpan;
using pluresdb::base::MutableByteSpan;
using pluresdb::base::Mutex;
using pluresdb::base::MutexLock;
using pluresdb::io::File;
using pluresdb::io::FileInfo;
using pluresdb::io::FileKind;
using pluresdb::io::FileLock;
using pluresdb::io::FileSystem;
using pluresdb::io::join_path;
using pluresdb::io::OpenMode;
using pluresdb::io::SpaceInfo;

/// shared_ptr: several handles of a file share its unsynced changes, in no order of ending.
using SharedFile = std::shared_ptr<BufferedFile>;

class PowerLossFileSystem final : public FileSystem {
 public:
  PowerLossFileSystem(FileSystem& next, std::string root, std::unique_ptr<Journal> journal)
      : next_(next), root_(std::move(root)), journal_(std::move(journal)) {}

  Status inherit();

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  Status create_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Status rename(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status sync_directory(const std::string& path) override;
  Result<FileInfo> info(const std::string& path) override;
  Result<SpaceInfo> space(const std::string& path) override { return next_.space(path); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    return next_.lock(path);  // Its file holds only a pid: nothing that anyone could lose.
  }
  Result<std::unique_ptr<FileLock>> lock_shared(const std::string& path) override {
    return next_.lock_shared(path);
  }

  /// Syncs through a writable handle, which a reader does not have.
  Status sync(BufferedFile& file, File& below, bool all);
  /// One handle of `file` less.
  Status release(const SharedFile& file);

 private:
  /// Path below the root; nothing for other paths. The root itself is "".
  [[nodiscard]] std::optional<std::string> relative(const std::string& path) const {
    return relative_to(root_, path);
  }
  [[nodiscard]] std::string full_path(const std::string& path) const {
    return join_path(root_, path);
  }

  /// Writes the change to the journal and makes it below.
  Status change(RecordType type, bool sets_aside, const std::string& path, const std::string& to)
      REQUIRES(mutex_);
  Result<SharedFile> file_at(const std::string& path, std::uint64_t below_bytes) REQUIRES(mutex_);
  Status name_file(const SharedFile& file, const std::string& path) REQUIRES(mutex_);
  Status move_file(const std::string& from, const std::string& to) REQUIRES(mutex_);
  Result<std::shared_ptr<File>> writable(BufferedFile& file) REQUIRES(mutex_);
  Result<std::shared_ptr<File>> open_below(const std::string& path, OpenMode mode, bool there)
      REQUIRES(mutex_);
  Status drop_unused(const SharedFile& file) REQUIRES(mutex_);
  Status drop_removed(const std::string& path) REQUIRES(mutex_);

  FileSystem& next_;
  const std::string root_;
  const std::unique_ptr<Journal> journal_;
  Mutex mutex_;
  /// By relative path: every file that is open or has unsynced changes.
  std::map<std::string, SharedFile> files_ GUARDED_BY(mutex_);
  std::vector<DirectoryChange> changes_ GUARDED_BY(mutex_);
  std::uint64_t last_file_ GUARDED_BY(mutex_) = 0;
};

class PowerLossFile final : public File, public FailingSync {
 public:
  PowerLossFile(PowerLossFileSystem& files, SharedFile file, std::shared_ptr<File> below,
                bool may_write)
      : files_(files),
        file_(std::move(file)),
        below_(std::move(below)),
        may_write_(may_write),
        errors_seen_(file_->sync_errors()) {}
  ~PowerLossFile() override { (void)close(); }
  PowerLossFile(const PowerLossFile&) = delete;
  PowerLossFile& operator=(const PowerLossFile&) = delete;
  PowerLossFile(PowerLossFile&&) = delete;
  PowerLossFile& operator=(PowerLossFile&&) = delete;

  Result<std::size_t> read(std::uint64_t offset, MutableByteSpan out) override {
    TRY(check_open());
    return file_->read(*below_, offset, out);
  }
  Status write(std::uint64_t offset, ByteSpan data) override {
    TRY(check_writable());
    return file_->write(offset, data);
  }
  Status sync_data() override { return sync(false); }
  Status sync_all() override { return sync(true); }
  Status fail_sync(SyncFailure failure) override {
    TRY(check_open());
    TRY(file_->fail_sync(failure, *below_));
    return failure == SyncFailure::kReportedLater ? Status{}
                                                  : file_->report_sync_errors(errors_seen_);
  }
  Status truncate(std::uint64_t size_bytes) override {
    TRY(check_writable());
    return file_->truncate(size_bytes);
  }
  Status allocate(std::uint64_t size_bytes) override {
    TRY(check_writable());
    return file_->allocate(size_bytes);
  }
  Result<std::uint64_t> size() override {
    TRY(check_open());
    return file_->size(*below_);
  }
  Status close() override {
    if (file_ == nullptr) {
      return {};
    }
    const SharedFile file = std::move(file_);
    Status closed;
    if (!may_write_) {  // A writable handle below is shared; release() closes the last.
      closed = below_->close();
    }
    below_.reset();
    TRY(files_.release(file));
    return closed;
  }

 private:
  [[nodiscard]] Status check_open() const {
    return file_ != nullptr ? Status{} : fail(ErrorCode::kIo, "use of a closed file", EBADF);
  }
  Status sync(bool all) {
    TRY(check_open());
    TRY(files_.sync(*file_, *below_, all));
    return file_->report_sync_errors(errors_seen_);
  }
  [[nodiscard]] Status check_writable() const {
    TRY(check_open());
    return may_write_ ? Status{} : fail(ErrorCode::kIo, "write to a file opened to read", EBADF);
  }

  PowerLossFileSystem& files_;
  SharedFile file_;
  std::shared_ptr<File> below_;
  const bool may_write_;
  std::atomic<std::uint64_t> errors_seen_;
};

Status PowerLossFileSystem::inherit() {
  TRY_ASSIGN(auto state, load_pending(next_, root_, *journal_));
  const MutexLock lock(mutex_);
  changes_ = std::move(state.changes);
  last_file_ = state.highest_file;
  for (auto& [id, pending] : state.files) {
    TRY_ASSIGN(const auto below, next_.info(full_path(pending.path)));
    auto file = std::make_shared<BufferedFile>(*journal_, id, std::move(pending.contents),
                                               below.size_bytes);
    file->inherit_clean(std::move(pending.clean_records), pending.clean_seq);
    // One record that says where the file is by now replaces the older ones.
    TRY(name_file(file, pending.path));
    TRY(journal_->retire(pending.name_records));
    files_.emplace(pending.path, std::move(file));
  }
  return {};
}

Status PowerLossFileSystem::change(RecordType type, bool sets_aside, const std::string& path,
                                   const std::string& to) {
  TRY_ASSIGN(const JournalRecord* record,
             journal_->append(type, 0, sets_aside ? 1 : 0, as_bytes(encode_change(path, to))));
  DirectoryChange made{.record = record, .path = path, .to = to};
  if (Status status = make_change(next_, root_, made); !status) {
    if (made.sets_aside()) {
      const std::string aside = full_path(made.aside_path());
      TRY_ASSIGN(const bool moved, exists(next_, aside));
      if (moved) {
        TRY(next_.rename(aside, full_path(type == RecordType::kRename ? to : path)));
      }
    }
    TRY(journal_->retire({&record, 1}));
    return status;
  }
  changes_.push_back(std::move(made));
  return {};
}

Status PowerLossFileSystem::name_file(const SharedFile& file, const std::string& path) {
  TRY_ASSIGN(const JournalRecord* record,
             journal_->append(RecordType::kFile, file->id(), 0, as_bytes(path)));
  if (file->names_record != nullptr) {
    TRY(journal_->retire({&file->names_record, 1}));
  }
  file->names_record = record;
  file->names_path = path;
  return {};
}

Result<SharedFile> PowerLossFileSystem::file_at(const std::string& path,
                                                std::uint64_t below_bytes) {
  const auto found = files_.find(path);
  if (found != files_.end()) {
    return found->second;
  }
  auto file = std::make_shared<BufferedFile>(*journal_, ++last_file_,
                                             std::vector<const JournalRecord*>(), below_bytes);
  file->names_path = path;
  files_.emplace(path, file);
  return file;
}

/// The handle that a file's writers share; opened when there is none.
Result<std::shared_ptr<File>> PowerLossFileSystem::writable(BufferedFile& file) {
  if (file.names_writable == nullptr) {
    TRY_ASSIGN(file.names_writable, next_.open(full_path(file.names_path), OpenMode::kReadWrite));
  }
  return file.names_writable;
}

Result<std::shared_ptr<File>> PowerLossFileSystem::open_below(const std::string& path,
                                                              OpenMode mode, bool there) {
  const bool creates = mode == OpenMode::kCreateNew || mode == OpenMode::kCreateOrEmpty;
  if (there || !creates) {
    // Emptying is a truncation, which waits for the sync.
    return next_.open(full_path(path),
                      mode == OpenMode::kCreateOrEmpty ? OpenMode::kReadWrite : mode);
  }
  TRY(change(RecordType::kCreate, false, path, ""));
  auto opened = next_.open(full_path(path), mode);
  if (!opened) {
    const JournalRecord* record = changes_.back().record;
    changes_.pop_back();
    TRY(journal_->retire({&record, 1}));
  }
  return opened;
}

Result<std::unique_ptr<File>> PowerLossFileSystem::open(const std::string& path, OpenMode mode) {
  const auto name = relative(path);
  if (!name || name->empty()) {
    return next_.open(path, mode);
  }
  const MutexLock lock(mutex_);
  const auto info = next_.info(full_path(*name));
  if (!info && info.error().code != ErrorCode::kNotFound) {
    return std::unexpected(info.error());
  }
  TRY_ASSIGN(std::shared_ptr<File> below, open_below(*name, mode, info.has_value()));
  TRY_ASSIGN(const SharedFile file, file_at(*name, info ? info->size_bytes : 0));
  const bool may_write = mode != OpenMode::kRead;
  if (may_write) {
    if (file->names_record == nullptr) {
      TRY(name_file(file, *name));
    }
    if (file->names_writable == nullptr) {
      file->names_writable = std::move(below);
    }
    below = file->names_writable;
  }
  if (mode == OpenMode::kCreateOrEmpty) {
    TRY_ASSIGN(const std::uint64_t size_bytes, file->size(*below));
    if (size_bytes > 0) {
      TRY(file->truncate(0));
    }
  }
  ++file->names_handles;
  return std::make_unique<PowerLossFile>(*this, file, below, may_write);
}

Status PowerLossFileSystem::sync(BufferedFile& file, File& below, bool all) {
  std::shared_ptr<File> target;
  if (file.has_unsynced()) {
    const MutexLock lock(mutex_);
    if (!file.names_gone || file.names_writable != nullptr) {
      TRY_ASSIGN(target, writable(file));
    }
  }
  if (target == nullptr) {  // Nothing to move.
    return all ? below.sync_all() : below.sync_data();
  }
  return file.sync(*target, all);
}

Status PowerLossFileSystem::release(const SharedFile& file) {
  const MutexLock lock(mutex_);
  if (--file->names_handles > 0) {
    return {};
  }
  Status closed;
  if (file->names_writable != nullptr) {
    closed = file->names_writable->close();
    file->names_writable.reset();
  }
  TRY(drop_unused(file));
  return closed;
}

/// Forgets a file that nobody has open and that has nothing unsynced.
Status PowerLossFileSystem::drop_unused(const SharedFile& file) {
  if (file->names_handles > 0) {
    return {};
  }
  if (file->names_gone) {
    TRY(file->forget());
  } else if (file->has_unsynced()) {
    return {};
  }
  if (file->names_record != nullptr) {
    TRY(journal_->retire({&file->names_record, 1}));
    file->names_record = nullptr;
  }
  const auto found = files_.find(file->names_path);
  if (found != files_.end() && found->second == file) {
    files_.erase(found);
  }
  return {};
}

Status PowerLossFileSystem::create_directory(const std::string& path) {
  const auto name = relative(path);
  if (!name || name->empty()) {
    return next_.create_directory(path);
  }
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const bool there, exists(next_, full_path(*name)));
  return there ? next_.create_directory(path)
               : change(RecordType::kMakeDirectory, false, *name, "");
}

Result<std::vector<std::string>> PowerLossFileSystem::list(const std::string& path) {
  const auto name = relative(path);
  const MutexLock lock(mutex_);
  TRY_ASSIGN(auto names, next_.list(path));
  if (name && name->empty()) {
    std::erase(names, kAsideDirectory);
  }
  return names;
}

/// The file known at `from` is at `to` from here on.
Status PowerLossFileSystem::move_file(const std::string& from, const std::string& to) {
  const auto found = files_.find(from);
  if (found == files_.end()) {
    return {};
  }
  const SharedFile file = found->second;
  files_.erase(found);
  files_.insert_or_assign(to, file);
  file->names_path = to;
  return file->names_record != nullptr ? name_file(file, to) : Status{};
}

Status PowerLossFileSystem::rename(const std::string& from, const std::string& to) {
  const auto name = relative(from);
  const auto new_name = relative(to);
  if (name.has_value() != new_name.has_value()) {
    return fail(ErrorCode::kInvalidArgument,
                "rename " + from + " to " + to + ": crosses the border of what loses power");
  }
  if (!name || *name == *new_name) {
    return next_.rename(from, to);
  }
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const auto info, next_.info(full_path(*name)));
  if (info.kind == FileKind::kDirectory) {
    return fail(ErrorCode::kInvalidArgument,
                "rename " + from + ": undoing the rename of a directory is not supported");
  }
  const auto replaced = next_.info(full_path(*new_name));
  if (!replaced && replaced.error().code != ErrorCode::kNotFound) {
    return std::unexpected(replaced.error());
  }
  if (replaced && replaced->kind == FileKind::kDirectory) {
    return next_.rename(from, to);  // Fails.
  }
  TRY(change(RecordType::kRename, replaced.has_value(), *name, *new_name));
  if (replaced) {
    TRY(move_file(*new_name, changes_.back().aside_path()));
  }
  return move_file(*name, *new_name);
}

Status PowerLossFileSystem::remove(const std::string& path) {
  const auto name = relative(path);
  if (!name || name->empty()) {
    return next_.remove(path);
  }
  const MutexLock lock(mutex_);
  TRY_ASSIGN(const auto info, next_.info(full_path(*name)));
  if (info.kind == FileKind::kDirectory) {
    return change(RecordType::kRemoveDirectory, false, *name, "");
  }
  TRY(change(RecordType::kRemove, true, *name, ""));
  return move_file(*name, changes_.back().aside_path());
}

/// The file at `path` was set aside and is gone for ever.
Status PowerLossFileSystem::drop_removed(const std::string& path) {
  const auto found = files_.find(path);
  if (found != files_.end()) {
    const SharedFile file = found->second;
    file->names_gone = true;
    TRY(drop_unused(file));
    files_.erase(path);  // Open handles keep it.
  }
  return {};
}

Status PowerLossFileSystem::sync_directory(const std::string& path) {
  const auto name = relative(path);
  if (!name) {
    return next_.sync_directory(path);
  }
  std::uint64_t last_seq = 0;
  {
    const MutexLock lock(mutex_);  // No change is half made.
    last_seq = journal_->last_seq();
  }
  TRY(next_.sync_directory(path));
  const MutexLock lock(mutex_);
  const auto durable = take_durable(changes_, *name, last_seq);
  // Retired records are gone, so what they say is taken out before.
  std::vector<const JournalRecord*> records;
  std::vector<std::string> removed;
  for (const DirectoryChange& change : durable) {
    records.push_back(change.record);
    if (change.sets_aside()) {
      removed.push_back(change.aside_path());
    }
  }
  TRY(journal_->retire(records));
  for (const std::string& aside : removed) {
    TRY(drop_removed(aside));
  }
  return removed.empty() ? Status{} : clean_aside(next_, root_, changes_);
}

Result<FileInfo> PowerLossFileSystem::info(const std::string& path) {
  const auto name = relative(path);
  const MutexLock lock(mutex_);
  TRY_ASSIGN(FileInfo info, next_.info(path));
  if (name) {
    const auto found = files_.find(*name);
    if (found != files_.end()) {
      found->second->adjust(info);
    }
  }
  return info;
}

}  // namespace

Result<std::unique_ptr<FileSystem>> make_power_loss_file_system(FileSystem& next,
                                                                const std::string& root,
                                                                int journal_fd) {
  TRY_ASSIGN(auto journal, Journal::open(journal_fd));
  auto files = std::make_unique<PowerLossFileSystem>(next, normal_path(root), std::move(journal));
  TRY(files->inherit());
  return files;
}

}  // namespace faultinj
