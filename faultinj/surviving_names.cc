#include "faultinj/surviving_names.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/io/file_system.h"
#include "faultinj/hash.h"
#include "faultinj/pending_state.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_journal.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::Result;
using pluresdb::Status;
using pluresdb::io::FileKind;
using pluresdb::io::FileSystem;
using pluresdb::io::join_path;

bool is_below(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.starts_with(directory) &&
         path[directory.size()] == '/';
}

/// Where a change puts something; for a removal where it was.
const std::string& target_of(const DirectoryChange& change) {
  return change.type() == RecordType::kRename ? change.to : change.path;
}

bool takes_away(const DirectoryChange& change) {
  return change.type() == RecordType::kRemove || change.type() == RecordType::kRemoveDirectory;
}

/// Files and directories that changes are about, and which of them has which name.
class Names {
 public:
  /// Index of an entry.
  using Entry = std::size_t;

  Names(FileSystem& files, std::string root) : files_(files), root_(std::move(root)) {}

  /// Takes the live names back to the durable ones; says what each change is about.
  Result<std::vector<std::optional<Entry>>> go_back(std::span<const DirectoryChange> changes) {
    std::vector<std::optional<Entry>> subjects(changes.size());
    for (std::size_t index = changes.size(); index-- > 0;) {
      TRY_ASSIGN(subjects[index], go_back_over(changes[index]));
    }
    return subjects;
  }

  /// Makes a change that survived.
  void make(const DirectoryChange& change, Entry subject) {
    if (!takes_away(change)) {
      put(subject, target_of(change));
      return;
    }
    std::optional<Entry>& holder = names_.at(change.path);
    if (holder == subject) {
      holder.reset();
      clear_below(change.path);
    }
  }

  /// Moves everything to where it belongs; what has no name ends up set aside.
  Result<MovedFiles> settle() {
    std::vector<std::string> before;
    before.reserve(entries_.size());
    for (const Thing& thing : entries_) {
      before.push_back(thing.place);
    }
    TRY(move_all());
    MovedFiles moved;
    for (Entry entry = 0; entry < entries_.size(); ++entry) {
      if (!entries_[entry].is_directory) {
        moved.emplace(before[entry], entries_[entry].place);
      }
    }
    return moved;
  }

 private:
  struct Thing {
    std::string place;  ///< Where it is now; a directory that is removed is nowhere.
    bool is_directory = false;
  };

  Status move_all() {
    std::map<Entry, std::string> wanted;
    for (const auto& [path, entry] : names_) {
      if (entry) {
        wanted.emplace(*entry, path);
      }
    }
    TRY(files_.create_directory(join_path(root_, kAsideDirectory)));
    std::vector<std::string> made;
    std::vector<std::string> gone;
    for (Entry entry = 0; entry < entries_.size(); ++entry) {
      const auto found = wanted.find(entry);
      Thing& thing = entries_[entry];
      if (found != wanted.end() && thing.place == found->second) {
        continue;
      }
      if (!thing.is_directory) {
        TRY(set_aside(thing, entry));
      } else if (found != wanted.end()) {
        made.push_back(found->second);
      } else if (!thing.place.empty()) {
        gone.push_back(thing.place);
      }
    }
    for (const std::string& directory : gone) {
      TRY(remove_tree(files_, join_path(root_, directory)));
    }
    std::ranges::sort(made);  // Parents first.
    for (const std::string& directory : made) {
      TRY(unless_homeless(directory,
                          [&](const std::string& path) { return files_.create_directory(path); }));
    }
    for (const auto& [entry, path] : wanted) {
      Thing& thing = entries_[entry];
      if (!thing.is_directory && thing.place != path) {
        TRY(move(thing, path));
      }
    }
    return {};
  }

  Status move(Thing& thing, const std::string& path) {
    return unless_homeless(path, [&](const std::string& full) -> Status {
      TRY(files_.rename(join_path(root_, thing.place), full));
      thing.place = path;
      return {};
    });
  }

  Result<std::optional<Entry>> go_back_over(const DirectoryChange& change) {
    TRY_ASSIGN(const std::optional<Entry> present, look_up(target_of(change)));
    std::optional<Entry> before;
    if (change.sets_aside()) {
      TRY_ASSIGN(before, thing_at(change.aside_path()));
    }
    if (change.type() == RecordType::kRename) {
      names_[change.to] = before;
      names_[change.path] = present;
      return present;
    }
    if (change.type() == RecordType::kRemoveDirectory) {
      before = add({.place = {}, .is_directory = true});
    }
    names_[change.path] = before;
    return takes_away(change) ? before : present;
  }

  Entry add(Thing thing) {
    entries_.push_back(std::move(thing));
    return entries_.size() - 1;
  }

  Result<std::optional<Entry>> thing_at(const std::string& place) {
    const auto info = files_.info(join_path(root_, place));
    if (!info) {
      return info.error().code == pluresdb::ErrorCode::kNotFound
                 ? Result<std::optional<Entry>>(std::nullopt)
                 : std::unexpected(info.error());
    }
    return add({.place = place, .is_directory = info->kind == FileKind::kDirectory});
  }

  /// Who has this name; where nothing is known about it yet, who has it now.
  Result<std::optional<Entry>> look_up(const std::string& path) {
    const auto found = names_.find(path);
    if (found != names_.end()) {
      return found->second;
    }
    TRY_ASSIGN(const auto entry, thing_at(path));
    names_.emplace(path, entry);
    return entry;
  }

  void put(Entry entry, const std::string& path) {
    for (auto& [name, holder] : names_) {
      if (holder == entry) {
        holder.reset();
      }
    }
    std::optional<Entry>& holder = names_.at(path);
    if (holder && entries_[*holder].is_directory) {
      clear_below(path);  // A new directory is empty.
    }
    holder = entry;
  }

  void clear_below(const std::string& directory) {
    for (auto& [name, holder] : names_) {
      if (is_below(name, directory)) {
        holder.reset();
      }
    }
  }

  Status set_aside(Thing& thing, Entry entry) {
    const std::string aside = join_path(kAsideDirectory, "moving-" + std::to_string(entry));
    TRY(files_.rename(join_path(root_, thing.place), join_path(root_, aside)));
    thing.place = aside;
    return {};
  }

  /// A directory that is gone cannot get an entry back.
  template <typename Action>
  Status unless_homeless(const std::string& path, Action action) {
    const std::string full = join_path(root_, path);
    TRY_ASSIGN(const bool has_home, exists(files_, pluresdb::io::parent_path(full)));
    return has_home ? action(full) : Status{};
  }

  FileSystem& files_;
  std::string root_;
  std::vector<Thing> entries_;
  std::map<std::string, std::optional<Entry>> names_;  ///< All that changes are about.
};

}  // namespace

std::vector<bool> surviving_changes(std::span<const DirectoryChange> changes,
                                    const PowerLossPolicy& policy, std::uint64_t cut_seq) {
  constexpr std::uint64_t kSalt = 0x6E61'6D65;
  std::vector<bool> survives;
  for (const DirectoryChange& change : changes) {
    const std::uint64_t seq = change.record->seq;
    switch (policy.names) {
      case PowerLossPolicy::Names::kNone:
        survives.push_back(false);
        break;
      case PowerLossPolicy::Names::kPrefix:
        survives.push_back(seq < cut_seq);
        break;
      case PowerLossPolicy::Names::kAny:
        survives.push_back(mix(policy.seed ^ kSalt, seq) % 2 == 0);
        break;
      case PowerLossPolicy::Names::kAll:
        survives.push_back(true);
        break;
    }
  }
  return survives;
}

void drop_impossible(std::span<const DirectoryChange> changes, std::vector<bool>& survives) {
  std::set<std::string> lost_directories;
  for (std::size_t index = 0; index < changes.size(); ++index) {
    const DirectoryChange& change = changes[index];
    const bool leads_nowhere = std::ranges::any_of(
        lost_directories,
        [&](const std::string& directory) { return is_below(target_of(change), directory); });
    survives[index] = survives[index] && !leads_nowhere;
    if (change.type() == RecordType::kMakeDirectory && !survives[index]) {
      lost_directories.insert(change.path);
    } else if (change.type() == RecordType::kMakeDirectory ||
               change.type() == RecordType::kRemoveDirectory) {
      lost_directories.erase(change.path);
    }
  }
}

Result<MovedFiles> leave_names(FileSystem& files, const std::string& root,
                               std::span<const DirectoryChange> changes,
                               const std::vector<bool>& survives) {
  DB_CHECK(survives.size() == changes.size());
  if (changes.empty()) {
    return MovedFiles{};
  }
  Names names(files, root);
  TRY_ASSIGN(const auto subjects, names.go_back(changes));
  for (std::size_t index = 0; index < changes.size(); ++index) {
    const std::optional<std::size_t> subject = subjects[index];
    if (survives[index] && subject) {
      names.make(changes[index], *subject);
    }
  }
  return names.settle();
}

}  // namespace faultinj
