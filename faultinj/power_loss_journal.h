// The journal of power_loss_file_system: unsynced writes and directory changes, in the order in
// which they were made, in a memfd that outlives the worker.
//
// Format. Two superblock slots at offset 0 say where the log starts; the newer valid one counts.
// The log is a sequence of records: header (with its own CRC-32C), payload, padding to 8 bytes. The
// payload is written before the header, so a record whose header is valid is complete, and a
// process that is killed inside an append leaves a log that ends before it. Seqs only grow; offsets
// too: compaction copies what is live behind the end, swings the superblock and frees the pages in
// front, so a kill inside it leaves the old log or the new one.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/mutex.h"
#include <pluresdb/error.h>

namespace faultinj {

enum class RecordType : std::uint32_t {
  kFile = 1,             ///< Payload: path of `file` from here on.
  kWrite = 2,            ///< Payload: bytes at `offset`.
  kTruncate = 3,         ///< To `offset` bytes.
  kAllocate = 4,         ///< Of `offset` bytes.
  kCreate = 5,           ///< Payload: path.
  kMakeDirectory = 6,    ///< Payload: path.
  kRename = 7,           ///< Payload: from NUL to. `offset` 1: an old `to` was set aside.
  kRemove = 8,           ///< Payload: path. The file was set aside.
  kRemoveDirectory = 9,  ///< Payload: path.
  kRetireFile = 10,      ///< The bytes of `file` up to seq `offset` are durable.
  kRetireRecords = 11,   ///< Payload: seqs of records that no longer count.
  kCommitFile = 12,  ///< The bytes of `file` up to seq `offset` are durable, but perhaps not below.
  kCleanFile = 13,  ///< The writes of `file` up to seq `offset` never reach the disk by themselves.
                    ///< Payload: seqs of records that no longer count.
};

/// kWrite, kTruncate, kAllocate.
bool is_content(RecordType type);
/// kCreate .. kRemoveDirectory.
bool is_directory_change(RecordType type);

struct JournalRecord {
  std::uint64_t seq = 0;
  RecordType type = RecordType::kFile;
  std::uint64_t file = 0;
  std::uint64_t offset = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t position = 0;  ///< Of the header. Changes in a compaction: only Journal reads it.
};

/// What a journal holds.
struct JournalImage {
  std::map<std::uint64_t, JournalRecord> live;  ///< By seq.
  std::uint64_t generation = 0;                 ///< Of the superblock.
  std::uint64_t start = 0, end = 0;             ///< Of the log.
  std::uint64_t next_seq = 1;
  std::uint64_t live_bytes = 0, dead_bytes = 0;
};

/// Reads the journal in `descriptor` and changes nothing. kCorruption when it is no journal.
pluresdb::Result<JournalImage> read_journal(int descriptor);
/// Writes the first superblock of an empty journal.
pluresdb::Status initialise_journal(int descriptor);

/// The one writer of a journal. Thread-safe. Records that it hands out stay where they are until
/// they are retired; only their owner retires them.
class Journal {
 public:
  /// Takes over what `descriptor` (not owned) holds; cuts off a torn end.
  static pluresdb::Result<std::unique_ptr<Journal>> open(int descriptor);

  pluresdb::Result<const JournalRecord*> append(RecordType type, std::uint64_t file,
                                                std::uint64_t offset,
                                                pluresdb::base::ByteSpan payload);
  /// Reads a part of `record`'s payload.
  pluresdb::Status read(const JournalRecord& record, std::uint64_t offset,
                        pluresdb::base::MutableByteSpan out);
  /// `records`: a file's oldest content records, in order. The pointers die, unless it fails.
  pluresdb::Status retire_file(std::uint64_t file, std::span<const JournalRecord* const> records);
  /// Any records. The pointers die, unless it fails.
  pluresdb::Status retire(std::span<const JournalRecord* const> records);
  /// Appends a kCleanFile up to `seq` and, in the same instant, retires `replaced`.
  pluresdb::Result<const JournalRecord*> mark_clean(std::uint64_t file, std::uint64_t seq,
                                                    std::span<const JournalRecord* const> replaced);
  /// Retires everything.
  pluresdb::Status clear();

  /// All live records in order.
  std::vector<const JournalRecord*> live();
  /// Highest seq given out.
  std::uint64_t last_seq();
  /// Bytes between start and end of the log, dead ones included.
  std::uint64_t log_bytes();

 private:
  Journal(int descriptor, JournalImage image);

  pluresdb::Result<JournalRecord> write_record(JournalRecord record,
                                               pluresdb::base::ByteSpan payload) REQUIRES(mutex_);
  void forget(std::span<const JournalRecord* const> records) REQUIRES(mutex_);
  void compact_when_worthwhile() REQUIRES(mutex_);
  pluresdb::Status compact() REQUIRES(mutex_);
  /// Copies the live records to `start` and following; fills their positions there.
  pluresdb::Status copy_live(std::uint64_t start, std::vector<std::uint64_t>& positions)
      REQUIRES(mutex_);

  const int descriptor_;
  pluresdb::base::Mutex mutex_;
  JournalImage image_ GUARDED_BY(mutex_);
};

}  // namespace faultinj
