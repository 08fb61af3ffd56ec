// One file of power_loss_file_system: its unsynced changes, shared by everyone who has it open.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "faultinj/power_loss_journal.h"
#include "faultinj/sync_failure.h"
#include "faultinj/unsynced_index.h"
#include <pluresdb/error.h>

namespace faultinj {

/// Writes one content record to `target`, in pieces.
pluresdb::Status apply_record(Journal& journal, const JournalRecord& record,
                              pluresdb::io::File& target);

/// What a kernel keeps dirty or clean as a whole.
inline constexpr std::uint64_t kPageBytes = 4096;

/// Of `contents`, in order, what a sync makes durable: all but the writes that a failed sync has
/// marked clean (those up to `clean_seq`, each within one page), unless something later that is not
/// clean hits their page: that makes them dirty again.
std::vector<const JournalRecord*> dirty_records(std::span<const JournalRecord* const> contents,
                                                std::uint64_t clean_seq);

/// Thread-safe, except for what names_* says.
///
/// Locks, in this order: sync_mutex_ (held over the sync below), the file system's mutex, mutex_,
/// the journal's.
class BufferedFile {
 public:
  /// `contents`: inherited, in order. `below_bytes`: size of the file below.
  BufferedFile(Journal& journal, std::uint64_t id, std::vector<const JournalRecord*> contents,
               std::uint64_t below_bytes);
  /// What an earlier process's failed syncs have marked clean.
  void inherit_clean(std::vector<const JournalRecord*> records, std::uint64_t clean_seq);

  [[nodiscard]] std::uint64_t id() const { return id_; }

  /// `below`: the caller's handle of the file below.
  pluresdb::Result<std::size_t> read(pluresdb::io::File& below, std::uint64_t offset,
                                     pluresdb::base::MutableByteSpan out);
  pluresdb::Status write(std::uint64_t offset, pluresdb::base::ByteSpan data);
  pluresdb::Status truncate(std::uint64_t size_bytes);
  pluresdb::Status allocate(std::uint64_t size_bytes);
  pluresdb::Result<std::uint64_t> size(pluresdb::io::File& below);
  /// Moves what is unsynced now to `writable` and syncs it. When that fails everything stays
  /// unsynced here, and some of it may be below already.
  pluresdb::Status sync(pluresdb::io::File& writable, bool all);

  /// What is unsynced now meets the failure; nothing of it is below.
  pluresdb::Status fail_sync(SyncFailure failure, pluresdb::io::File& below);
  /// Failed syncs so far: a handle starts with what it finds.
  [[nodiscard]] std::uint64_t sync_errors() const { return sync_errors_.load(); }
  /// kIo when a sync has failed that the handle that has `seen` so many has not heard of; once.
  pluresdb::Status report_sync_errors(std::atomic<std::uint64_t>& seen) const;

  bool has_unsynced();
  /// Corrects size and allocated bytes of the file below by what is unsynced.
  void adjust(pluresdb::io::FileInfo& info);
  /// The content does not matter any more: nobody can ever read it.
  pluresdb::Status forget();

  // Guarded by the mutex of the file system.
  std::string names_path;                              ///< Relative to the root.
  const JournalRecord* names_record = nullptr;         ///< The live kFile record.
  std::shared_ptr<pluresdb::io::File> names_writable;  ///< Shared by all who may write.
  std::uint64_t names_handles = 0;                     ///< Open ones.
  bool names_gone = false;                             ///< Durably removed.

 private:
  /// Forgets `moved`, which are below by now.
  pluresdb::Status take_out(const std::vector<const JournalRecord*>& moved,
                            std::uint64_t below_bytes) REQUIRES(mutex_);
  pluresdb::Status forget_locked() REQUIRES(mutex_);
  /// All that is read of unsynced writes becomes clean writes of one page each.
  pluresdb::Status mark_clean(std::uint64_t below_bytes) REQUIRES(mutex_);
  void index_again(std::uint64_t below_bytes) REQUIRES(mutex_);
  pluresdb::Status append(RecordType type, std::uint64_t offset, pluresdb::base::ByteSpan payload);

  Journal& journal_;
  const std::uint64_t id_;
  pluresdb::base::Mutex sync_mutex_;  ///< One sync at a time: it retires what it has moved.
  pluresdb::base::Mutex mutex_;
  std::vector<const JournalRecord*> contents_ GUARDED_BY(mutex_);
  std::vector<const JournalRecord*> clean_records_ GUARDED_BY(mutex_);  ///< Live kCleanFile ones.
  std::uint64_t clean_seq_ GUARDED_BY(mutex_) = 0;
  std::atomic<std::uint64_t> sync_errors_ = 0;
  UnsyncedIndex index_ GUARDED_BY(mutex_);
};

}  // namespace faultinj
