// What POSIX says about two directories of small files: the live state, and what is durable. It
// knows nothing of journals: a durable file is a copy, a durable directory is a copy.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/sync_failure.h"
#include "faultinj/tests/page_cache_model.h"
#include <pluresdb/error.h>

namespace faultinj {

inline constexpr std::size_t kModelDirectories = 2;
inline constexpr std::size_t kModelSlots = 3;
inline constexpr std::uint32_t kModelKinds = 17;

/// One random number is one operation, so that shrinking works.
struct ModelOperation {
  enum class Kind {
    kCreate,
    kOpen,
    kWrite,
    kTruncate,
    kAllocate,
    kSyncData,
    kSyncAll,
    kFailSync,
    kClose,
    kRename,
    kRemove,
    kSyncDirectory,
  };
  Kind kind = Kind::kWrite;
  std::size_t directory = 0, slot = 0;
  std::string name{}, to{};
  std::uint64_t offset = 0, length = 0;
  char fill = 'a';
  SyncFailure failure = SyncFailure::kMarkedClean;
};

inline ModelOperation decode_operation(std::uint32_t number) {
  using Kind = ModelOperation::Kind;
  constexpr std::array<Kind, kModelKinds> kKinds{
      Kind::kCreate,        Kind::kCreate,  Kind::kOpen,  Kind::kWrite,    Kind::kWrite,
      Kind::kWrite,         Kind::kWrite,   Kind::kWrite, Kind::kTruncate, Kind::kAllocate,
      Kind::kSyncData,      Kind::kSyncAll, Kind::kClose, Kind::kRename,   Kind::kRemove,
      Kind::kSyncDirectory, Kind::kFailSync};
  constexpr std::array kFailures{SyncFailure::kMarkedClean, SyncFailure::kReverted,
                                 SyncFailure::kReportedLater};
  constexpr std::uint64_t kOffsets = 40;
  constexpr std::uint64_t kStepBytes = 177;  // Not a divisor of a sector; reaches a second page.
  ModelOperation operation;
  const auto take = [&number](std::uint32_t count) {
    const std::uint32_t value = number % count;
    number /= count;
    return value;
  };
  operation.kind = kKinds.at(take(kModelKinds));
  operation.directory = take(kModelDirectories);
  operation.slot = take(kModelSlots);
  operation.name = std::string(1, static_cast<char>('x' + take(3)));
  operation.to = std::string(1, static_cast<char>('x' + take(3)));
  operation.fill = static_cast<char>('A' + take(26));
  operation.offset = take(kOffsets) * kStepBytes;
  operation.length = 1 + (number % 18) * 101;
  operation.failure = kFailures.at(operation.length % kFailures.size());
  return operation;
}

struct ModelFile : CachedFile {
  /// What may be found of it after a power loss: also writes that are clean, since they may become
  /// dirty again.
  std::vector<ModelOperation> unsynced;
  std::uint64_t sync_errors = 0;

  void change(const ModelOperation& operation) {
    using Kind = ModelOperation::Kind;
    if (operation.kind == Kind::kWrite) {
      write(operation.offset, operation.length, operation.fill);
    } else if (operation.kind == Kind::kTruncate) {
      truncate(operation.offset);
    } else {
      allocate(operation.offset);
    }
    unsynced.push_back(operation);
  }
  void sync_all() {
    sync();
    if (has_clean()) {
      std::erase_if(unsynced, [](const ModelOperation& operation) {
        return operation.kind != ModelOperation::Kind::kWrite;
      });
    } else {
      unsynced.clear();
    }
  }
  void fail_sync(SyncFailure failure) {
    ++sync_errors;
    if (failure == SyncFailure::kReverted) {
      lose_power();
    } else {
      mark_clean();
    }
  }
  void lose_power() {
    revert();
    unsynced.clear();
  }
};

using ModelNames = std::array<std::map<std::string, std::size_t>, kModelDirectories>;

struct Model {
  static constexpr std::size_t kClosed = ~std::size_t{0};

  std::vector<ModelFile> files;  ///< Never shrinks: open handles keep removed files.
  ModelNames live, durable;
  std::vector<ModelOperation> changes;  ///< Not durable directory changes, in order.
  std::vector<std::size_t> subjects;    ///< The file that each change is about.
  std::array<std::size_t, kModelSlots> slots{kClosed, kClosed, kClosed};
  std::array<std::uint64_t, kModelSlots> errors_seen{};  ///< By the handle in each slot.

  /// Whether the operation reports that a sync has failed.
  [[nodiscard]] bool fails(const ModelOperation& operation) const {
    using Kind = ModelOperation::Kind;
    if (operation.kind == Kind::kFailSync) {
      return operation.failure != SyncFailure::kReportedLater;
    }
    return (operation.kind == Kind::kSyncData || operation.kind == Kind::kSyncAll) &&
           files.at(slots.at(operation.slot)).sync_errors != errors_seen.at(operation.slot);
  }

  /// False when the operation makes no sense now; then it must not be carried out.
  [[nodiscard]] bool is_possible(const ModelOperation& operation) const {
    using Kind = ModelOperation::Kind;
    const auto& names = live.at(operation.directory);
    switch (operation.kind) {
      case Kind::kCreate:
        return true;
      case Kind::kOpen:
      case Kind::kRemove:
        return names.contains(operation.name);
      case Kind::kRename:
        return names.contains(operation.name) && operation.name != operation.to;
      case Kind::kSyncDirectory:
        return true;
      case Kind::kWrite:
      case Kind::kTruncate:
      case Kind::kAllocate:
      case Kind::kSyncData:
      case Kind::kSyncAll:
      case Kind::kFailSync:
      case Kind::kClose:
        return slots.at(operation.slot) != kClosed;
    }
    return false;
  }

  void change_names(ModelNames& names, const ModelOperation& change, std::size_t file) const {
    auto& directory = names.at(change.directory);
    if (change.kind == ModelOperation::Kind::kCreate) {
      directory[change.name] = file;
      return;
    }
    if (change.kind == ModelOperation::Kind::kRename) {
      directory[change.to] = directory.at(change.name);
    }
    directory.erase(change.name);
  }

  void record_change(const ModelOperation& change, std::size_t file) {
    change_names(live, change, file);
    changes.push_back(change);
    subjects.push_back(file);
  }

  void apply(const ModelOperation& operation) {
    using Kind = ModelOperation::Kind;
    make(operation);
    const bool hears =
        operation.kind == Kind::kCreate || operation.kind == Kind::kOpen ||
        operation.kind == Kind::kSyncData || operation.kind == Kind::kSyncAll ||
        (operation.kind == Kind::kFailSync && operation.failure != SyncFailure::kReportedLater);
    if (hears) {
      errors_seen.at(operation.slot) = files.at(slots.at(operation.slot)).sync_errors;
    }
  }

  /// All but what the handle hears of errors.
  void make(const ModelOperation& operation) {
    using Kind = ModelOperation::Kind;
    auto& names = live.at(operation.directory);
    auto& slot = slots.at(operation.slot);
    switch (operation.kind) {
      case Kind::kCreate:
        if (!names.contains(operation.name)) {
          files.emplace_back();
          record_change(operation, files.size() - 1);
        } else if (!files.at(names.at(operation.name)).live.empty()) {
          ModelOperation emptied = operation;
          emptied.kind = Kind::kTruncate;
          emptied.offset = 0;
          change_contents(names.at(operation.name), emptied);
        }
        slot = names.at(operation.name);
        break;
      case Kind::kOpen:
        slot = names.at(operation.name);
        break;
      case Kind::kWrite:
      case Kind::kTruncate:
      case Kind::kAllocate:
        change_contents(slot, operation);
        break;
      case Kind::kSyncData:
      case Kind::kSyncAll:
        files.at(slot).sync_all();
        break;
      case Kind::kFailSync:
        files.at(slot).fail_sync(operation.failure);
        break;
      case Kind::kClose:
        slot = kClosed;
        break;
      case Kind::kRename:
      case Kind::kRemove:
        record_change(operation, names.at(operation.name));
        break;
      case Kind::kSyncDirectory:
        sync_directory(operation.directory);
        break;
    }
  }

  /// Names after the first `count` changes reached the disk and the others did not.
  [[nodiscard]] ModelNames names_after(std::size_t count) const {
    ModelNames names = durable;
    for (std::size_t index = 0; index < count; ++index) {
      change_names(names, changes.at(index), subjects.at(index));
    }
    return names;
  }

  /// Names after the changes that `kept` says reached the disk and the others did not: the newest
  /// one of them says where its file is, and of two files that want a name who has it.
  [[nodiscard]] ModelNames names_with(const std::vector<bool>& kept) const {
    ModelNames names = durable;
    for (std::size_t index = 0; index < changes.size(); ++index) {
      if (!kept.at(index)) {
        continue;
      }
      const ModelOperation& change = changes.at(index);
      auto& directory = names.at(change.directory);
      const std::size_t file = subjects.at(index);
      if (change.kind == ModelOperation::Kind::kRemove) {
        const auto holder = directory.find(change.name);
        if (holder != directory.end() && holder->second == file) {
          directory.erase(holder);
        }
        continue;
      }
      std::erase_if(directory, [&](const auto& entry) { return entry.second == file; });
      directory[change.kind == ModelOperation::Kind::kRename ? change.to : change.name] = file;
    }
    return names;
  }

  /// Durable names that no change since has touched.
  [[nodiscard]] ModelNames untouched_names() const {
    ModelNames names = durable;
    for (const ModelOperation& change : changes) {
      names.at(change.directory).erase(change.name);
      if (change.kind == ModelOperation::Kind::kRename) {
        names.at(change.directory).erase(change.to);
      }
    }
    return names;
  }

  void close_slots() { slots.fill(kClosed); }

  /// All handles are gone and so is what was not durable.
  void lose_power() {
    close_slots();
    live = durable;
    changes.clear();
    subjects.clear();
    for (ModelFile& file : files) {
      file.lose_power();
    }
  }

 private:
  void change_contents(std::size_t file, const ModelOperation& operation) {
    files.at(file).change(operation);
  }

  void sync_directory(std::size_t directory) {
    durable.at(directory) = live.at(directory);
    std::vector<ModelOperation> other;
    std::vector<std::size_t> other_subjects;
    for (std::size_t index = 0; index < changes.size(); ++index) {
      if (changes.at(index).directory != directory) {
        other.push_back(changes.at(index));
        other_subjects.push_back(subjects.at(index));
      }
    }
    changes = std::move(other);
    subjects = std::move(other_subjects);
  }
};

/// Carries operations out on a real file system.
class ModelRunner {
 public:
  ModelRunner(pluresdb::io::FileSystem& files, std::string root)
      : files_(files), root_(std::move(root)) {}

  [[nodiscard]] std::string directory(std::size_t index) const {
    return root_ + "/d" + std::to_string(index);
  }

  pluresdb::Status make_directories() {
    for (std::size_t index = 0; index < kModelDirectories; ++index) {
      TRY(files_.create_directory(directory(index)));
    }
    return files_.sync_directory(root_);
  }

  pluresdb::Status run(const ModelOperation& operation) {
    using Kind = ModelOperation::Kind;
    using pluresdb::io::OpenMode;
    const std::string path = directory(operation.directory) + "/" + operation.name;
    auto& slot = slots_.at(operation.slot);
    switch (operation.kind) {
      case Kind::kCreate: {
        TRY_ASSIGN(slot, files_.open(path, OpenMode::kCreateOrEmpty));
        return {};
      }
      case Kind::kOpen: {
        TRY_ASSIGN(slot, files_.open(path, OpenMode::kReadWrite));
        return {};
      }
      case Kind::kWrite:
        return slot->write(operation.offset,
                           pluresdb::base::as_bytes(std::string(operation.length, operation.fill)));
      case Kind::kTruncate:
        return slot->truncate(operation.offset);
      case Kind::kAllocate:
        return slot->allocate(operation.offset);
      case Kind::kSyncData:
        return slot->sync_data();
      case Kind::kSyncAll:
        return slot->sync_all();
      case Kind::kFailSync:
        return dynamic_cast<FailingSync&>(*slot).fail_sync(operation.failure);
      case Kind::kClose: {
        const auto closed = slot->close();
        slot.reset();
        return closed;
      }
      case Kind::kRename:
        return files_.rename(path, directory(operation.directory) + "/" + operation.to);
      case Kind::kRemove:
        return files_.remove(path);
      case Kind::kSyncDirectory:
        return files_.sync_directory(directory(operation.directory));
    }
    return {};
  }

  /// Contents as a handle sees them.
  pluresdb::Result<std::string> read_slot(std::size_t slot) { return read_all(*slots_.at(slot)); }

  static pluresdb::Result<std::string> read_all(pluresdb::io::File& file) {
    TRY_ASSIGN(const auto size_bytes, file.size());
    std::string contents(size_bytes + 10, '?');
    TRY_ASSIGN(const auto count,
               file.read(0, std::as_writable_bytes(std::span(contents.data(), contents.size()))));
    contents.resize(count);
    return contents;
  }

 private:
  pluresdb::io::FileSystem& files_;
  std::string root_;
  std::array<std::unique_ptr<pluresdb::io::File>, kModelSlots> slots_{};
};

using Contents = std::map<std::string, std::string>;  ///< "d0/x" -> bytes.

/// Everything that can be read below `root`.
inline pluresdb::Result<Contents> read_contents(pluresdb::io::FileSystem& files,
                                                const std::string& root) {
  Contents contents;
  TRY_ASSIGN(const auto directories, files.list(root));
  for (const std::string& directory : directories) {
    const std::string place = pluresdb::io::join_path(root, directory);
    TRY_ASSIGN(const auto names, files.list(place));
    for (const std::string& name : names) {
      const std::string path = pluresdb::io::join_path(place, name);
      TRY_ASSIGN(const auto file, files.open(path, pluresdb::io::OpenMode::kRead));
      TRY_ASSIGN(const std::string text, ModelRunner::read_all(*file));
      TRY_ASSIGN(const auto info, files.info(path));
      if (info.size_bytes != text.size()) {
        return pluresdb::fail(pluresdb::ErrorCode::kCorruption, "info and contents differ");
      }
      contents.emplace(pluresdb::io::join_path(directory, name), text);
    }
  }
  return contents;
}

inline Contents contents_of(const Model& model, const ModelNames& names, bool durable) {
  Contents contents;
  for (std::size_t index = 0; index < kModelDirectories; ++index) {
    for (const auto& [name, file] : names.at(index)) {
      const ModelFile& state = model.files.at(file);
      contents["d" + std::to_string(index) + "/" + name] = durable ? state.durable : state.live;
    }
  }
  return contents;
}

/// What a kill inside `operation` and a power loss may leave: the durable state before it or after.
inline std::set<Contents> durable_states(const Model& before,
                                         const std::optional<ModelOperation>& operation) {
  std::set<Contents> states{contents_of(before, before.durable, true)};
  if (operation) {
    Model after = before;
    after.apply(*operation);
    states.insert(contents_of(after, after.durable, true));
  }
  return states;
}

}  // namespace faultinj
