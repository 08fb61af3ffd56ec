// The write-ahead log used alone: durable, ordered, crash-safe entries in a directory of segments.
//
// The document store (engine.h) runs on the same log. Format: docs/formats/wal.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb {

/// Reads entries in seq order. Holds one chunk in memory, never the whole log. One thread at a
/// time; sees the entries that were durable (or, with Durability::kNone, written) when it was made.
class WalCursor {
 public:
  virtual ~WalCursor() = default;
  /// True and fills `entry`, or false at the end. Damaged entries are skipped; validate() names
  /// them.
  virtual Result<bool> next(Entry& entry) = 0;
};

/// Belongs to the process that opened it: in a child of fork() every call fails with kLocked, and
/// destroying it does nothing.
class WriteAheadLog {
 public:
  /// Opens or creates the log in `directory` (created when missing; its parent must exist).
  ///
  /// `segment_bytes`: 64 KiB .. 4 GiB. Errors: kLocked (text names the pid), kUnsupportedVersion,
  /// kInvalidArgument, kIo, kNoSpace. Damage is not an error: it is kept aside and reported.
  static Result<std::unique_ptr<WriteAheadLog>> open_with_options(const std::string& directory,
                                                                  Durability durability,
                                                                  std::uint64_t segment_bytes);
  /// The same with every option (file system, clock, large_value_bytes, ...).
  static Result<std::unique_ptr<WriteAheadLog>> open(const std::string& directory,
                                                     const EngineOptions& options);
  virtual ~WriteAheadLog() = default;

  /// Appends one operation of `actor` (1 .. kActorBytesMax bytes) and returns its seq.
  ///
  /// Returns when the entry is durable (kNone: written). Errors: kInvalidArgument, kNoSpace and
  /// kReadOnly (not written), kIndeterminate (may survive; the log is read-only until reopened).
  /// Thread: any number at once; entries of one thread keep their order.
  virtual Result<Seq> append(std::string_view actor, Operation operation) = 0;
  /// Appends many as consecutive seqs in one group (all or nothing); returns the first seq.
  virtual Result<Seq> append_batch(std::string_view actor, std::vector<Operation> operations) = 0;
  /// Appends without waiting: `done` is called once, when the entry is durable (kNone: written) or
  /// was refused, with what append() would have returned.
  ///
  /// `done` runs on a thread of the log, for the entries of one caller in the order of the calls.
  /// It may call append_async, but nothing that waits for the log; it must not throw. Returns at
  /// once unless more than 16 MiB are queued. Errors: kInvalidArgument, kReadOnly (closed); then
  /// `done` is not called. close() and the destructor return when every `done` was called.
  /// Thread: any.
  virtual Status append_async(std::string_view actor, Operation operation,
                              std::function<void(Result<Seq>)> done) = 0;
  /// Every readable entry, in seq order. For logs that fit in memory; else use a cursor.
  virtual Result<std::vector<Entry>> read_all() = 0;
  /// Cursor at the first entry with seq >= `from`.
  virtual Result<std::unique_ptr<WalCursor>> cursor(Seq from = 0) = 0;
  /// Reads every segment again and counts. Does not change anything.
  virtual Result<ValidationReport> validate() = 0;
  /// Deletes segments in which every entry has seq <= `checkpoint_seq`, oldest first; never the
  /// active one. Returns how many. A log used alone trusts its caller.
  virtual Result<std::uint64_t> compact(Seq checkpoint_seq) = 0;
  /// Makes everything appended so far durable, whatever the durability level.
  virtual Status sync() = 0;
  virtual WalStats stats() const = 0;
  /// What open found.
  virtual const RecoveryReport& recovery() const = 0;
  /// Syncs, seals and releases the lock. The destructor only releases: as after a crash.
  virtual Status close() = 0;
};

}  // namespace pluresdb
