// The memory that supervisor and worker share (one memfd per run): ledger rings, counters,
// evidence.
//
// It is a file without a name, mapped MAP_SHARED by both, so what the worker has stored survives
// its SIGKILL. Everything here is trivially copyable with fixed layout. Single writer per field:
// the worker writes rings and counters, the supervisor writes only `tail` of each ring and `stop`.
// Records are published by a release store of `head` and read after an acquire load.
//
// A full ring makes the worker wait, so the supervisor must go on draining every ring while it
// waits for a reply to kStopAgents, kVerify or kScan.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "harness/common/nonce_evidence.h"
#include "harness/common/operation.h"
#include <pluresdb/error.h>

namespace soak {

inline constexpr std::uint64_t kSharedRegionMagic = 0x31'4b'41'4f'53'52'4c'50ULL;
inline constexpr std::uint32_t kSharedRegionVersion = 4;
inline constexpr std::size_t kAgentsMax = 64;
inline constexpr std::size_t kRingRecords = 8192;  ///< Per ring; a full ring makes its writer wait.

enum class LedgerType : std::uint16_t {
  kIntent = 1,     ///< Written before the engine is called: put or delete of `document`.
  kOutcome = 2,    ///< Written after it returned: `outcome`, `seq`, `error_code`.
  kRead = 3,       ///< An agent's or the verifier's read: `found`, `length`, `hash`.
  kScanEntry = 4,  ///< A document met by a full scan, as kRead; kFailed: listed, and refused.
};

/// 64 bytes. `op` is the agent's own counter of writes, from 1: the content that a write stores is
/// a function of (seed, agent, stream, op), so the pair (document, op) says exactly what must be
/// read.
struct LedgerRecord {
  LedgerType type = LedgerType::kIntent;
  std::uint16_t agent = 0;
  OperationKind operation = OperationKind::kCommand;  ///< What the agent did.
  OperationKind stream = OperationKind::kCommand;     ///< Of the document.
  Outcome outcome = Outcome::kAcknowledged;
  std::uint8_t found = 0;
  std::uint64_t number = 0;   ///< Of the document.
  std::uint64_t op = 0;       ///< kIntent, kOutcome. For reads: 0.
  std::uint64_t seq = 0;      ///< Engine's seq of an acknowledged write.
  std::uint64_t length = 0;   ///< Payload (JSON) bytes written or read.
  std::uint64_t hash = 0;     ///< Reads and scans: XXH3-64 of the bytes that the engine returned.
  std::uint64_t time_ns = 0;  ///< CLOCK_MONOTONIC.
  std::uint32_t error_code = 0;               ///< pluresdb::ErrorCode + 1; 0: none.
  std::uint32_t flags = 0;                    ///< kAlien.
  static constexpr std::uint32_t kAlien = 1;  ///< Id not ours: set_alien_id, alien_id.
};
static_assert(sizeof(LedgerRecord) == 64);

struct LedgerRing {
  alignas(64) std::atomic<std::uint64_t> head;  ///< Records ever published (worker).
  alignas(64) std::atomic<std::uint64_t> tail;  ///< Records ever consumed (supervisor).
  alignas(64) std::array<LedgerRecord, kRingRecords> records;
};

inline constexpr std::size_t kDurationBuckets = 22;
/// Bucket i counts durations below 2^i * 10 us, not cumulative; the last is +Inf.
struct SharedHistogram {
  std::array<std::atomic<std::uint64_t>, kDurationBuckets> buckets;
  std::atomic<std::uint64_t> count;
  std::atomic<std::uint64_t> sum_ns;
};

/// Engine numbers. "Total" ones only grow over the whole run (the worker adds what its incarnation
/// did); the others are the newest value.
struct SharedCounters {
  std::atomic<std::uint64_t> wal_segments, wal_bytes, wal_last_seq, wal_read_only;
  std::atomic<std::uint64_t> wal_appended_entries_total, wal_appended_bytes_total;
  std::atomic<std::uint64_t> wal_groups_total, wal_syncs_total, wal_sync_failures_total;
  std::atomic<std::uint64_t> wal_groups_rewritten_total, wal_no_space_refusals_total;
  std::atomic<std::uint64_t> checkpoints_total, checkpoint_failures_total, checkpoint_seq;
  std::atomic<std::uint64_t> segments_deleted_total, segments_rewritten_total;
  std::atomic<std::uint64_t> segments_compressed_total, compaction_runs_total;
  std::atomic<std::uint64_t> compaction_reclaimed_bytes_total, compaction_read_bytes_total;
  std::atomic<std::uint64_t> compaction_written_bytes_total, compaction_failures_total;
  std::atomic<std::uint64_t> payload_written_bytes_total, payload_read_bytes_total;
  std::atomic<std::uint64_t> documents_dirty, dirty_bytes, base_store_bytes, tombstones, actors;
  std::atomic<std::uint64_t> space_state;  ///< 0 normal, 1 low, 2 full.
  std::atomic<std::uint64_t> clock_jumps_held_total, rate_limit_refusals_total;
  SharedHistogram wal_sync_duration, checkpoint_duration;
  std::array<SharedHistogram, kOperationKindCount> operation_duration;  ///< Acknowledged only.
};

/// Seqs of the engine, both included.
struct SeqRange {
  std::uint64_t first = 0, last = 0;
};
inline constexpr std::size_t kLostRangesMax = 256;

/// What the newest open of the store found; valid once `incarnation` equals the worker's number.
struct RecoveryEvidence {
  std::atomic<std::uint64_t> incarnation;
  std::atomic<std::uint64_t> duration_ns, replayed_entries, torn_tails, torn_bytes_dropped;
  std::atomic<std::uint64_t> quarantined_bytes, corrupted_entries, corrupted_segments, wal_lost;
  std::atomic<std::uint64_t> tampered_places;
  std::atomic<std::uint64_t> created, clean_shutdown, last_seq, checkpoint_seq;
  /// Acknowledged seqs that the engine says are lost; of more than fit, the first are here, and how
  /// many ranges are not.
  std::atomic<std::uint64_t> lost_count, lost_left_out;
  std::array<SeqRange, kLostRangesMax> lost;
};

/// A fault that fired, written before the caller saw its error.
struct FiredFault {
  std::array<char, 48> point{};  ///< NUL-terminated.
  std::uint64_t time_ns = 0;     ///< CLOCK_MONOTONIC.
  std::int32_t error_number = 0;
  std::uint32_t incarnation = 0;
  std::uint64_t ordinal = 0;  ///< Calls of the point by this lane before it, since it was armed.
  std::uint32_t lane = 0;     ///< An agent's number, or that of another thread.
  std::uint32_t effect = 0;   ///< faultinj::Effect.
};
static_assert(sizeof(FiredFault) == 80);
inline constexpr std::size_t kFiredFaultsMax = 4096;  ///< Ring; `count` goes on.

struct FiredFaultLedger {
  std::atomic<std::uint64_t> count;  ///< Ever fired.
  std::array<FiredFault, kFiredFaultsMax> entries;
};

struct SharedRegion {
  std::uint64_t magic;
  std::uint32_t version;
  std::uint32_t agent_count;
  std::atomic<std::uint32_t> stop_agents;  ///< Supervisor sets 1: agents finish their operation.
  std::atomic<std::uint32_t> agents_running;
  SharedCounters counters;
  RecoveryEvidence recovery;
  FiredFaultLedger fired;
  NonceEvidence nonces;    ///< Of an encrypted store.
  LedgerRing verify_ring;  ///< Results of kVerify and kScan commands.
  std::array<LedgerRing, kAgentsMax> agent_rings;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// A new region for `agent_count` (1 .. kAgentsMax) agents, zeroed, header filled: a memfd with
/// close-on-exec set, owned by the caller.
pluresdb::Result<int> create_shared_region(std::uint32_t agent_count);

/// A region mapped into this process. Closing its descriptor does not unmap it.
class RegionMapping {
 public:
  RegionMapping() = default;
  ~RegionMapping();
  RegionMapping(RegionMapping&& other) noexcept;
  RegionMapping& operator=(RegionMapping&& other) noexcept;
  RegionMapping(const RegionMapping&) = delete;
  RegionMapping& operator=(const RegionMapping&) = delete;

  /// kInvalidArgument when `region_fd` is not a region of this version.
  static pluresdb::Result<RegionMapping> map(int region_fd);
  /// Only of a mapping that map() returned.
  [[nodiscard]] SharedRegion& operator*() const { return *region_; }
  [[nodiscard]] SharedRegion* operator->() const { return region_; }

 private:
  SharedRegion* region_ = nullptr;
};

/// Worker: publishes `record`, waiting while the ring is full. False when `supervisor_pid` (the
/// parent process) is gone, so nobody will ever read. One thread per ring.
bool ring_publish(LedgerRing& ring, const LedgerRecord& record, int supervisor_pid);
/// Supervisor: moves up to `out.size()` records to `out` and frees their places; returns how many.
/// One thread per ring.
std::size_t ring_consume(LedgerRing& ring, std::span<LedgerRecord> out);

/// What LedgerRecord.error_code holds for `code`.
constexpr std::uint32_t ledger_error_code(pluresdb::ErrorCode code) {
  return static_cast<std::uint32_t>(code) + 1;
}
/// Makes a kScanEntry alien: its place for numbers holds the first 32 bytes of the id instead.
void set_alien_id(LedgerRecord& record, std::string_view id);
std::string alien_id(const LedgerRecord& record);

/// Index of the bucket of SharedHistogram (and of pluresdb::DurationHistogram).
std::size_t duration_bucket(std::uint64_t duration_ns);
void histogram_record(SharedHistogram& histogram, std::uint64_t duration_ns);

/// CLOCK_MONOTONIC, the time of every record.
std::uint64_t monotonic_ns();

/// Worker: appends fired faults. An entry counts only when it is complete, so a kill in the middle
/// leaves none or one. Thread: any.
class FiredFaultRecorder {
 public:
  FiredFaultRecorder(FiredFaultLedger& ledger, std::uint32_t incarnation)
      : ledger_(ledger), incarnation_(incarnation) {}
  /// Time and incarnation are filled in here.
  void record(std::string_view point, FiredFault fault);

 private:
  FiredFaultLedger& ledger_;
  const std::uint32_t incarnation_;
  std::mutex mutex_;  ///< Serialises writers of the one worker that is alive.
};

}  // namespace soak
