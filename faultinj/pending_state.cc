#include "faultinj/pending_state.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/io/file_system.h"
#include "faultinj/buffered_file.h"
#include "faultinj/power_loss_journal.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::Error;
using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;
using pluresdb::io::FileKind;
using pluresdb::io::FileSystem;
using pluresdb::io::join_path;
using pluresdb::io::OpenMode;

constexpr char kPathSeparator = '\0';

std::string directory_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

Result<std::string> read_text(Journal& journal, const JournalRecord& record) {
  std::string text(record.payload_bytes, ' ');
  TRY(journal.read(record, 0, std::as_writable_bytes(std::span(text))));
  return text;
}

Status set_aside(FileSystem& files, const std::string& root, const DirectoryChange& change,
                 const std::string& path) {
  TRY(files.create_directory(join_path(root, kAsideDirectory)));
  return files.rename(join_path(root, path), join_path(root, change.aside_path()));
}

/// A directory change moves the files that were at its paths.
void move_files(PendingState& state, const DirectoryChange& change) {
  for (auto& [id, file] : state.files) {
    if (change.type() == RecordType::kRename && file.path == change.path) {
      file.path = change.to;
    } else if (change.sets_aside() &&
               file.path == (change.type() == RecordType::kRename ? change.to : change.path)) {
      file.path = change.aside_path();
    }
  }
}

Status collect(Journal& journal, PendingState& state) {
  for (const JournalRecord* record : journal.live()) {
    state.highest_file = std::max(state.highest_file, record->file);
    if (is_content(record->type)) {
      state.files[record->file].contents.push_back(record);
    } else if (record->type == RecordType::kFile) {
      PendingFile& file = state.files[record->file];
      TRY_ASSIGN(file.path, read_text(journal, *record));
      file.name_records.push_back(record);
    } else if (record->type == RecordType::kCommitFile) {
      state.files[record->file].commits.push_back(record);
    } else if (record->type == RecordType::kCleanFile) {
      PendingFile& file = state.files[record->file];
      file.clean_seq = std::max(file.clean_seq, record->offset);
      file.clean_records.push_back(record);
    } else {
      TRY_ASSIGN(auto change, read_change(journal, *record));
      move_files(state, change);
      state.changes.push_back(std::move(change));
    }
  }
  return {};
}

/// The newest change may be half made or not made at all.
Status settle(FileSystem& files, const std::string& root, Journal& journal, PendingState& state) {
  if (state.changes.empty()) {
    return {};
  }
  const DirectoryChange& newest = state.changes.back();
  TRY_ASSIGN(const bool there, exists(files, join_path(root, newest.path)));
  switch (newest.type()) {
    case RecordType::kRename:
    case RecordType::kRemove:
      return there ? make_change(files, root, newest) : Status{};
    case RecordType::kCreate:
    case RecordType::kMakeDirectory:
      if (there) {
        return {};
      }
      break;
    case RecordType::kRemoveDirectory:
      if (!there) {
        return {};
      }
      break;
    case RecordType::kFile:
    case RecordType::kWrite:
    case RecordType::kTruncate:
    case RecordType::kAllocate:
    case RecordType::kRetireFile:
    case RecordType::kRetireRecords:
    case RecordType::kCommitFile:
    case RecordType::kCleanFile:
      return {};
  }
  TRY(journal.retire({&newest.record, 1}));
  state.changes.pop_back();
  return {};
}

/// A sync that was killed between its commit and its end: its bytes are durable, so they go below.
Status finish_syncs(FileSystem& files, const std::string& root, Journal& journal,
                    PendingState& state) {
  for (auto& [id, pending] : state.files) {
    if (pending.commits.empty()) {
      continue;
    }
    const std::uint64_t durable_seq = pending.commits.back()->offset;
    const auto durable_end = std::ranges::find_if(
        pending.contents, [&](const JournalRecord* record) { return record->seq > durable_seq; });
    const std::vector<const JournalRecord*> durable =
        dirty_records(std::span(pending.contents.begin(), durable_end), pending.clean_seq);
    const std::string path = join_path(root, pending.path);
    TRY_ASSIGN(const bool there, exists(files, path));
    if (there && !durable.empty()) {
      TRY_ASSIGN(const auto below, files.open(path, OpenMode::kReadWrite));
      for (const JournalRecord* record : durable) {
        TRY(apply_record(journal, *record, *below));
      }
      TRY(below->close());
    }
    const std::set<const JournalRecord*> below_now(durable.begin(), durable.end());
    std::erase_if(pending.contents,
                  [&](const JournalRecord* record) { return below_now.contains(record); });
    // The commit last: cut off in between, all of this is done again.
    TRY(journal.retire(durable));
    TRY(journal.retire(pending.commits));
    pending.commits.clear();
  }
  return {};
}

/// A file set aside by a change that is durable by now is gone: its content does not matter.
Status forget_removed(Journal& journal, PendingState& state) {
  std::set<std::string> needed;
  for (const DirectoryChange& change : state.changes) {
    if (change.sets_aside()) {
      needed.insert(change.aside_path());
    }
  }
  std::vector<const JournalRecord*> dead;
  for (auto file = state.files.begin(); file != state.files.end();) {
    const PendingFile& pending = file->second;
    const bool removed = is_aside(pending.path) && !needed.contains(pending.path);
    if (!removed && !pending.contents.empty()) {
      ++file;
      continue;
    }
    dead.insert(dead.end(), pending.name_records.begin(), pending.name_records.end());
    dead.insert(dead.end(), pending.clean_records.begin(), pending.clean_records.end());
    dead.insert(dead.end(), pending.contents.begin(), pending.contents.end());
    file = state.files.erase(file);
  }
  return journal.retire(dead);
}

}  // namespace

bool DirectoryChange::sets_aside() const {
  return type() == RecordType::kRemove || (type() == RecordType::kRename && record->offset == 1);
}

std::string DirectoryChange::aside_path() const {
  return join_path(kAsideDirectory, std::to_string(record->seq));
}

bool is_aside(std::string_view path) {
  return path.starts_with(kAsideDirectory) && path.size() > kAsideDirectory.size() &&
         path[kAsideDirectory.size()] == '/';
}

std::string encode_change(const std::string& path, const std::string& to) {
  return to.empty() ? path : path + kPathSeparator + to;
}

Result<DirectoryChange> read_change(Journal& journal, const JournalRecord& record) {
  DB_CHECK(is_directory_change(record.type));
  TRY_ASSIGN(const std::string text, read_text(journal, record));
  const auto separator = text.find(kPathSeparator);
  DirectoryChange change{.record = &record, .path = text.substr(0, separator), .to = {}};
  if (separator != std::string::npos) {
    change.to = text.substr(separator + 1);
  }
  return change;
}

Result<bool> exists(FileSystem& files, const std::string& path) {
  const auto info = files.info(path);
  if (!info && info.error().code != ErrorCode::kNotFound) {
    return std::unexpected(info.error());
  }
  return info.has_value();
}

Status make_change(FileSystem& files, const std::string& root, const DirectoryChange& change) {
  const std::string path = join_path(root, change.path);
  switch (change.type()) {
    case RecordType::kMakeDirectory:
      return files.create_directory(path);
    case RecordType::kRemoveDirectory:
      return files.remove(path);
    case RecordType::kRemove:
      return set_aside(files, root, change, change.path);
    case RecordType::kRename: {
      const std::string to = join_path(root, change.to);
      if (change.sets_aside()) {
        TRY_ASSIGN(const bool aside, exists(files, join_path(root, change.aside_path())));
        if (!aside) {
          TRY(set_aside(files, root, change, change.to));
        }
      }
      return files.rename(path, to);
    }
    case RecordType::kCreate:  // By opening the file.
    case RecordType::kFile:
    case RecordType::kWrite:
    case RecordType::kTruncate:
    case RecordType::kAllocate:
    case RecordType::kRetireFile:
    case RecordType::kRetireRecords:
    case RecordType::kCommitFile:
    case RecordType::kCleanFile:
      return {};
  }
  return {};
}

std::vector<DirectoryChange> take_durable(std::vector<DirectoryChange>& changes,
                                          const std::string& directory, std::uint64_t seq) {
  std::map<std::string, std::uint64_t> durable_up_to{{directory, seq}};
  const auto is_durable = [&](const std::string& path, const DirectoryChange& change) {
    const auto found = durable_up_to.find(directory_of(path));
    return found != durable_up_to.end() && change.record->seq <= found->second;
  };
  std::vector<DirectoryChange> durable;
  std::vector<DirectoryChange> rest;
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    const bool is_rename = change->type() == RecordType::kRename;
    if (!is_durable(change->path, *change) && !(is_rename && is_durable(change->to, *change))) {
      rest.push_back(std::move(*change));
      continue;
    }
    for (const std::string& path : {change->path, is_rename ? change->to : change->path}) {
      std::uint64_t& limit = durable_up_to[directory_of(path)];
      limit = std::max(limit, change->record->seq);
    }
    durable.push_back(std::move(*change));
  }
  std::ranges::reverse(rest);
  std::ranges::reverse(durable);
  changes = std::move(rest);
  return durable;
}

Status remove_tree(FileSystem& files, const std::string& path) {
  std::vector<std::string> pending{path};  // Parents before what is in them.
  for (std::size_t index = 0; index < pending.size(); ++index) {
    const std::string directory = pending[index];
    const auto info = files.info(directory);
    if (!info || info->kind != FileKind::kDirectory) {
      continue;
    }
    TRY_ASSIGN(const auto names, files.list(directory));
    for (const std::string& name : names) {
      pending.push_back(join_path(directory, name));
    }
  }
  for (auto entry = pending.rbegin(); entry != pending.rend(); ++entry) {
    const Status removed = files.remove(*entry);
    if (!removed && removed.error().code != ErrorCode::kNotFound) {
      return removed;
    }
  }
  return {};
}

Status clean_aside(FileSystem& files, const std::string& root,
                   const std::vector<DirectoryChange>& changes) {
  const std::string directory = join_path(root, kAsideDirectory);
  const auto names = files.list(directory);
  if (!names) {
    return names.error().code == ErrorCode::kNotFound ? Status{} : std::unexpected(names.error());
  }
  std::set<std::string> needed;
  for (const DirectoryChange& change : changes) {
    if (change.sets_aside()) {
      needed.insert(std::to_string(change.record->seq));
    }
  }
  bool empty = true;
  for (const std::string& name : *names) {
    if (needed.contains(name)) {
      empty = false;
    } else {
      TRY(files.remove(join_path(directory, name)));
    }
  }
  return empty ? files.remove(directory) : Status{};
}

Result<PendingState> load_pending(FileSystem& files, const std::string& root, Journal& journal) {
  PendingState state;
  TRY(collect(journal, state));
  TRY(settle(files, root, journal, state));
  TRY(finish_syncs(files, root, journal, state));
  TRY(forget_removed(journal, state));
  TRY(clean_aside(files, root, state.changes));
  return state;
}

}  // namespace faultinj
