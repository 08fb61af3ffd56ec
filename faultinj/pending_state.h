// What a journal says is not durable yet: directory changes with what undoes them, and the unsynced
// content of files. Shared by the file system (which inherits it after a crash) and by
// apply_power_loss (which takes it away).
//
// A change is written to the journal first and then made below; changes of one worker are made one
// after the other. So after a kill only the newest one can be half made, and settle() finishes or
// forgets it. A removed or replaced file is set aside in a hidden directory, named after its
// change's seq. Per directory, the changes that syncs made durable are a prefix of all of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/io/file_system.h"
#include "faultinj/power_loss_journal.h"
#include <pluresdb/error.h>

namespace faultinj {

inline constexpr std::string_view kAsideDirectory = ".power-loss";

/// All paths are relative to the root.
struct DirectoryChange {
  const JournalRecord* record = nullptr;
  std::string path;  ///< kRename: from.
  std::string to;    ///< kRename only.

  [[nodiscard]] RecordType type() const { return record->type; }
  /// A file was set aside: the replaced or the removed one.
  [[nodiscard]] bool sets_aside() const;
  [[nodiscard]] std::string aside_path() const;
};

/// Below kAsideDirectory.
bool is_aside(std::string_view path);

/// Payload of the record of a change.
std::string encode_change(const std::string& path, const std::string& to);
/// kCorruption when the payload cannot be had.
pluresdb::Result<DirectoryChange> read_change(Journal& journal, const JournalRecord& record);

struct PendingFile {
  std::string path;  ///< Where it is now; below kAsideDirectory when it was removed.
  std::vector<const JournalRecord*> name_records;
  std::vector<const JournalRecord*> contents;  ///< In order.
  std::vector<const JournalRecord*> commits;   ///< Empty after load_pending.
  std::vector<const JournalRecord*> clean_records;
  std::uint64_t clean_seq = 0;  ///< Writes up to it are marked clean: buffered_file.h.
};

struct PendingState {
  std::vector<DirectoryChange> changes;        ///< In order.
  std::map<std::uint64_t, PendingFile> files;  ///< By file id.
  std::uint64_t highest_file = 0;
};

/// Reads the journal's live records, settles the newest change, moves below what a sync had made
/// durable when it was killed, and forgets the content of files that are durably removed.
pluresdb::Result<PendingState> load_pending(pluresdb::io::FileSystem& files,
                                            const std::string& root, Journal& journal);

/// Makes `change` below; when it is half made, the rest of it.
pluresdb::Status make_change(pluresdb::io::FileSystem& files, const std::string& root,
                             const DirectoryChange& change);

/// Takes out of `changes` what a sync of `directory` made durable: its changes up to `seq`, and,
/// since a rename between two directories is one step, what the other directory had before it.
std::vector<DirectoryChange> take_durable(std::vector<DirectoryChange>& changes,
                                          const std::string& directory, std::uint64_t seq);

/// Removes `path` and everything in it; nothing there is success.
pluresdb::Status remove_tree(pluresdb::io::FileSystem& files, const std::string& path);
/// Removes the files set aside that no change in `changes` needs, and then the empty directory.
pluresdb::Status clean_aside(pluresdb::io::FileSystem& files, const std::string& root,
                             const std::vector<DirectoryChange>& changes);

pluresdb::Result<bool> exists(pluresdb::io::FileSystem& files, const std::string& path);

}  // namespace faultinj
