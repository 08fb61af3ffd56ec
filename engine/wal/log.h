// The log: segments, group commit, the acknowledgement rule, recovery. docs/formats/wal.md.
//
// Path of a write: append() queues an encoded record -> one writer becomes the leader, takes the
// queue, stamps it, writes one group, syncs -> LogClient::apply makes it visible -> all its writers
// return. One group is in flight at a time. On failure: D5 and D6 of the design, in log.cc.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/worker_team.h"
#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

enum class OperationType : std::uint16_t { kPut = 1, kDelete = 2, kCompact = 3, kCheckpoint = 4 };

/// One record as views into a buffer that lives as long as the call that hands it out.
struct RecordView {
  Seq seq = 0;
  std::int64_t timestamp_us = 0;
  Hlc hlc = 0;
  std::uint64_t actor_seq = 0;
  OperationType type = OperationType::kPut;
  std::string_view actor;
  std::string_view id;         ///< Put, Delete.
  std::string_view value;      ///< Put: the JSON. Empty during replay when value_in_log.
  std::uint64_t argument = 0;  ///< Compact.before, Checkpoint.base_seq.
  bool value_in_log = false;   ///< Large value: stays in the segment, read by Log::read_value.
  std::uint64_t value_bytes = 0;
  std::uint32_t value_crc = 0;  ///< CRC-32C of the plain value.
};

struct RecordStamp {
  std::int64_t timestamp_us = 0;
  Hlc hlc = 0;
  std::uint64_t actor_seq = 0;
};

/// What the log asks of its owner. All calls come from one thread at a time, in seq order, without
/// a lock of the log held; none may call the log.
class LogClient {
 public:
  virtual ~LogClient() = default;
  /// Gives the next record of `actor` its stamp; hlc grows strictly from call to call.
  virtual RecordStamp stamp(std::string_view actor) = 0;
  /// The group is as durable as the level promises: make it visible before its writers return.
  virtual void apply(std::span<const RecordView> records) = 0;
  /// The group was certainly not written: take its dots back (reverse of stamp, last one first).
  virtual void unstamp(std::span<const RecordView> records) = 0;
  /// No record in the log has a greater hlc than this; goes into segment headers.
  virtual Hlc hlc_floor() = 0;
};

/// Takes a replay by several threads: windows of a few slots, each slot a stretch of records.
class ReplaySink {
 public:
  virtual ~ReplaySink() = default;
  /// Slot `slot`, counted from 0 in each window, holds these records: all of them have greater seqs
  /// than those of lesser slots and earlier windows. The views stay valid until end_window()
  /// returns. Thread: several at once, each with another slot.
  virtual void take(std::size_t slot, std::span<const RecordView> records) = 0;
  /// The window is complete, with so many slots. An error stops the replay. Thread: the caller's.
  virtual Status end_window(std::size_t slots) = 0;
};

/// Takes copies of records while a log is scanned, so that a replay need not read them again.
class RecordCollector {
 public:
  virtual ~RecordCollector() = default;
  /// Segments whose records could be handed out, in the order of their seqs, each with an upper
  /// bound of the bytes that its records take in the log. Returns how many of them, from the first
  /// on, are wanted.
  virtual std::size_t begin(std::span<const std::uint64_t> segment_bytes) = 0;
  /// `record` of the segment with this index in begin(); seqs ascend. The views are valid during
  /// the call. Whether it counts is known only when the log is open (LogRecovery::collected).
  /// Thread: several at once, each with another segment.
  virtual void take(std::size_t segment, const RecordView& record) = 0;
};

/// The records of which segments, from the first on, count as RecordCollector::take got them.
struct CollectedSegments {
  std::size_t segments = 0;
  Seq last_seq = 0;  ///< The log holds no other record up to here and above its floor.
};

struct LogOptions {
  std::string directory;  ///< Of the segments. Created when missing; its parent must exist.
  std::string quarantine_directory;  ///< Damaged bytes are copied here; made when first needed.
  Durability durability = Durability::kWal;
  std::uint64_t segment_bytes = 64ULL << 20;
  std::uint64_t large_value_bytes = 16ULL << 10;
  bool background_threads = true;  ///< false: the next segment is prepared by the writer that needs
                                   ///< it, and opening reads one segment after the other.
  /// Rewritten segments are compressed. Inputs that are compressed stay so in any case.
  bool compress_rewritten = false;
  std::array<std::byte, 16> store_uuid{};
  io::FileSystem* files = nullptr;  ///< Never null.
  /// Not null: every file is encrypted, and a plain one is refused; null: the other way round. They
  /// outlive the log.
  const crypto::MasterKeys* keys = nullptr;
  std::function<std::uint64_t()>
      new_salt;  ///< Of a new file. Empty: random (all but golden files).
};

struct AppendRequest {
  std::string_view actor{};
  OperationType type = OperationType::kPut;
  std::string_view id{};
  std::string_view value{};
  std::uint64_t argument = 0;
};

/// What a file takes besides its records: header, trailer, and room for a footer and group headers.
inline constexpr std::uint64_t kFileOverheadBytes = 8ULL << 10;

struct SegmentInfo {
  std::uint64_t id = 0;
  Seq first_seq = 0;  ///< No record below this; 0 when the segment has no readable record.
  Seq last_seq = 0;
  std::uint64_t file_bytes = 0;
  std::uint64_t large_values = 0;
  std::uint64_t large_value_bytes = 0;
  bool sealed = false;  ///< Nobody appends to it any more, however its writer ended.
  bool active = false;
  bool compressed = false;  ///< Rewritten with compression: doing it again gains nothing.
};

struct LogRecovery {
  ValidationReport validation;
  bool created = false;
  bool clean_shutdown = false;
  Seq last_seq = 0;
  /// Records up to this seq were in files that are not there any more (removed, or vanished): what
  /// a base store must hold. 0: the log reaches back to its first record.
  Seq gone_through_seq = 0;
  Hlc hlc_floor = 0;  ///< Greatest hlc in any readable header or record.
  std::uint64_t torn_bytes_dropped = 0;
  std::uint64_t quarantined_bytes = 0;
  CollectedSegments collected;
};

class Log {
 public:
  /// Scans the directory, quarantines damage, syncs what it trusts. Writes no segment yet: the
  /// first append does (so a store opens on a full disk). `seq_floor`: every new seq will be
  /// greater. `collector`: gets records above the floor as they are scanned, where that is safe.
  /// What cannot be read or proven with LogOptions::keys is refused before anything is changed:
  /// kKeyUnavailable, kCorruption.
  static Result<std::unique_ptr<Log>> open(const LogOptions& options, Seq seq_floor,
                                           RecordCollector* collector = nullptr);
  virtual ~Log() = default;

  /// Must be called once, after replay and before the first append.
  virtual void start(LogClient& client) = 0;
  /// Raises the floor of the next seq (base store ahead of a lost WAL). Before start() only.
  virtual void raise_seq_floor(Seq floor) = 0;

  /// See WriteAheadLog::append. The views must stay valid during the call. Thread: any.
  virtual Result<Seq> append(const AppendRequest& request) = 0;
  /// All in one group, consecutive seqs; returns the first.
  virtual Result<Seq> append_batch(std::span<const AppendRequest> requests) = 0;
  /// As append(), without waiting: `done` gets the result, from the log's own thread, in the order
  /// of the calls of one thread. The views are copied. Waits only while kAsyncBytesMax are queued.
  /// An error is the request's own: then `done` is not called. Thread: any, `done` included; but
  /// `done` must call nothing that waits for the log.
  virtual Status append_async(const AppendRequest& request,
                              std::function<void(Result<Seq>)> done) = 0;
  virtual Status sync() = 0;
  /// Begins a segment of this open when there is none yet: what earlier opens have written, their
  /// newest segment included, may then be rewritten. After start(). Errors: kNoSpace, kReadOnly,
  /// kIo; the log is as it was.
  virtual Status begin_segment() = 0;

  /// Calls `visit` for every readable record with seq >= `from` in seq order; large values are not
  /// read (value empty, value_in_log true) unless `with_values`. A visit error stops the replay.
  virtual Status replay(Seq from, bool with_values,
                        const std::function<Status(const RecordView&)>& visit) = 0;
  /// Most slots of a window when `team` decodes it.
  static std::size_t replay_slots(const base::WorkerTeam& team);
  /// What replay(from, false, ...) visits, decoded by the team's threads. A window holds at most
  /// replay_slots() slots of 512 KiB of log, or of one group where that is larger.
  virtual Status replay_windows(Seq from, base::WorkerTeam& team, ReplaySink& sink) = 0;
  /// The large value of record `seq`; verified against `crc`. kNotFound (segment gone),
  /// kCorruption.
  virtual Result<std::string> read_value(Seq seq, std::uint64_t value_bytes, std::uint32_t crc) = 0;

  virtual std::vector<SegmentInfo> segments() const = 0;
  /// Calls `visit(seq, id, stored_bytes)` for each record of a sealed segment that holds a large
  /// value; stored_bytes: what record and value take, as they are stored, with their headers. A
  /// rewritten file needs no more for them; for the rest of it: kFileOverheadBytes.
  virtual Status visit_large_values(
      std::uint64_t segment_id,
      const std::function<Status(Seq, std::string_view, std::uint64_t)>& visit) = 0;
  /// Unlinks segments (oldest first), then syncs the directory. Returns how many. Skips unknown
  /// ids, the segment appended to last (it carries the seqs and ids in use), one whose header still
  /// says where its predecessor ends and one whose damaged bytes found no place in quarantine.
  virtual Result<std::uint64_t> remove_segments(std::span<const std::uint64_t> segment_ids) = 0;
  /// Replaces sealed segments, adjacent by seq, by one new file that holds only the readable
  /// records for which `keep` is true, verified by reading before the inputs are unlinked (D7a).
  /// Returns the new segment id. Errors leave the inputs: kInvalidArgument (not adjacent, unknown,
  /// or a segment that remove_segments would skip), kNoSpace, kIo.
  virtual Result<std::uint64_t> rewrite_segments(
      std::span<const std::uint64_t> segment_ids,
      const std::function<bool(const RecordView&)>& keep) = 0;

  virtual Result<ValidationReport> validate() = 0;
  virtual const LogRecovery& recovery() const = 0;
  virtual WalStats stats() const = 0;
  /// Syncs and seals the active segment, marking a clean end. No append after it.
  virtual Status close() = 0;
};

}  // namespace pluresdb::wal
