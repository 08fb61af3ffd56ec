// Plain numbers about a log and a store; taken by value, consistent only field by field.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <pluresdb/document.h>

namespace pluresdb {

/// Counts of fixed buckets: bucket i counts durations below 2^i * 10 microseconds; the last is
/// +Inf.
struct DurationHistogram {
  static constexpr std::size_t kBucketCount = 22;
  std::array<std::uint64_t, kBucketCount> buckets{};  ///< Not cumulative.
  std::uint64_t count = 0;
  double sum_seconds = 0;
};

/// A closed range of seqs, first <= last.
struct SeqRange {
  Seq first = 0;
  Seq last = 0;
  friend bool operator==(const SeqRange&, const SeqRange&) = default;
};

/// What validate() found. Entries and segments are counted once each.
struct ValidationReport {
  std::uint64_t total_entries = 0;  ///< valid_entries + corrupted_entries.
  std::uint64_t valid_entries = 0;
  std::uint64_t corrupted_entries = 0;  ///< Seqs known to have been durable and now unreadable.
  std::uint64_t total_segments = 0;
  std::uint64_t valid_segments = 0;
  std::uint64_t corrupted_segments = 0;  ///< At least one durable byte is damaged, or missing.
  std::uint64_t torn_tails = 0;          ///< Safe: never acknowledged.
  /// Of an encrypted log: what somebody has changed. Checksums are right there and tags are not;
  /// neither a crash nor a failing disk leaves that.
  std::uint64_t tampered_places = 0;
  std::vector<SeqRange> lost;         ///< Exact ranges behind corrupted_entries.
  std::vector<std::string> problems;  ///< One line each, naming file and offset.

  /// True when nothing that was durable is damaged or changed. A torn tail is healthy.
  [[nodiscard]] bool is_healthy() const {
    return corrupted_entries == 0 && corrupted_segments == 0 && tampered_places == 0;
  }
};

/// What opening a store found and did.
struct RecoveryReport {
  ValidationReport wal;
  bool created = false;         ///< The store did not exist before.
  bool clean_shutdown = false;  ///< The previous open ended with close().
  bool wal_lost = false;        ///< The base store knows of a WAL that is gone.
  Seq checkpoint_seq = 0;
  Seq last_seq = 0;  ///< Highest seq recovered.
  std::uint64_t replayed_entries = 0;
  std::uint64_t torn_bytes_dropped = 0;
  std::uint64_t quarantined_bytes = 0;
  double duration_seconds = 0;
  double replay_seconds = 0;  ///< Of these: for the entries replayed, checkpoints included.
};

struct WalStats {
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;  ///< On disk, preallocation included.
  std::uint64_t appended_entries = 0;
  std::uint64_t appended_bytes = 0;  ///< Group bytes written to segments.
  std::uint64_t groups = 0;
  std::uint64_t syncs = 0;
  std::uint64_t sync_failures = 0;
  std::uint64_t groups_rewritten = 0;   ///< After a failed write or sync (D5).
  std::uint64_t no_space_refusals = 0;  ///< Writes refused because the disk was full.
  DurationHistogram sync_duration;
  Seq last_seq = 0;
  Seq durable_seq = 0;
  bool read_only = false;
};

enum class SpaceState { kNormal, kLow, kFull };

struct EngineStats {
  WalStats wal;
  RecoveryReport recovery;
  std::uint64_t documents_dirty = 0;
  std::uint64_t dirty_bytes = 0;
  std::uint64_t tombstones = 0;  ///< Tombstones in the dirty table plus those written to the base.
  std::uint64_t actors = 0;
  std::uint64_t checkpoints = 0;
  std::uint64_t checkpoint_failures = 0;
  Seq checkpoint_seq = 0;
  DurationHistogram checkpoint_duration;
  std::uint64_t segments_deleted = 0;
  std::uint64_t segments_rewritten = 0;          ///< Read by rewrites and replaced.
  std::uint64_t segments_compressed = 0;         ///< Compressed ones written in their place.
  std::uint64_t compaction_runs = 0;             ///< Passes completed, with something to do or not.
  std::uint64_t compaction_failures = 0;         ///< Segments or rewrites that had to be left.
  std::uint64_t compaction_reclaimed_bytes = 0;  ///< By which the log's files became smaller.
  std::uint64_t compaction_read_bytes = 0;       ///< Of the files that rewrites replaced.
  std::uint64_t compaction_written_bytes = 0;    ///< Of the files that they made.
  std::uint64_t rate_limit_refusals = 0;         ///< Writes that WriteRateLimit refused.
  std::uint64_t payload_written_bytes = 0;       ///< JSON of writes that reached the log.
  std::uint64_t payload_read_bytes = 0;          ///< JSON handed out by get() and list().
  std::uint64_t base_store_bytes = 0;
  SpaceState space = SpaceState::kNormal;
  /// How often the wall clock ran ahead of the monotonic one and was not believed, since opening.
  std::uint64_t clock_jumps_held = 0;
};

}  // namespace pluresdb
