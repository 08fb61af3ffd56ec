// The tables of names. One line each: a new name needs only its line here, and its meaning in the
// supervisor.
#include "harness/scenario/catalog.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string_view>
#include <vector>

#include "harness/scenario/scenario.h"

namespace soak::scenario {
namespace {

constexpr std::array<FaultKindInfo, 15> kFaultKinds = {{
    {FaultKind::kCrash, "crash", true,
     "kills the worker with SIGKILL; the next one inherits what the kernel had"},
    {FaultKind::kPowerLoss, "power_loss", true,
     "kills the worker and takes away what was never synced"},
    {FaultKind::kPause, "pause", true, "stops the worker for a while with SIGSTOP"},
    {FaultKind::kDiskFull, "disk_full", true,
     "for a while every operation that needs new disk space fails with ENOSPC; with point = "
     "\"inodes/*\" every creation of a file"},
    {FaultKind::kIoError, "io_error", true, "operations at a fault point fail"},
    {FaultKind::kSyncError, "sync_error", true, "syncs at a fault point fail with EIO"},
    {FaultKind::kShortWrite, "short_write", true,
     "writes at a fault point store a part of their bytes and fail"},
    {FaultKind::kTornWrite, "torn_write", true,
     "a power loss in the middle of a write: what was written before it is there, and its "
     "beginning"},
    {FaultKind::kBitFlip, "bit_flip", true,
     "kills the worker and flips a bit of a file that was synced: of a sealed log segment, or what "
     "`point` says"},
    {FaultKind::kMisdirectedWrite, "misdirected_write", true,
     "kills the worker and puts another block of the same folder into such a file"},
    {FaultKind::kTampering, "tampering", true,
     "kills the worker and changes bits of a sealed log segment so that its CRC-32C stays right; "
     "for encrypted stores"},
    {FaultKind::kMemoryLimit, "memory_limit", true,
     "the worker gets no more memory until it ends of it; the next one has its share again"},
    {FaultKind::kSlowIo, "slow_io", true, "operations at a fault point take longer"},
    {FaultKind::kClockJump, "clock_jump", true,
     "the wall clock of the store jumps, and stays there"},
    {FaultKind::kCrashImage, "crash_image", true,
     "clones the live store; what power losses would leave is recovered and read beside the run"},
}};

// NOLINTBEGIN(misc-include-cleaner): they are in <cerrno>.
constexpr std::array<FaultError, 8> kFaultErrors = {{
    {"EIO", EIO},
    {"ENOSPC", ENOSPC},
    {"EDQUOT", EDQUOT},
    {"EROFS", EROFS},
    {"EACCES", EACCES},
    {"EMFILE", EMFILE},
    {"ENOMEM", ENOMEM},
    {"EFBIG", EFBIG},
}};
// NOLINTEND(misc-include-cleaner)

const std::array<DeviceInfo, 5>& devices() {
  static const std::array<DeviceInfo, 5> kDevices = {{
      {"any", {"none", "prefix", "subset"}, {"none", "prefix", "any"}, 1, 0, "no limit"},
      {"drops_all", {"none"}, {"none"}, 0, 0, "a cache that is simply lost"},
      {"in_order",
       {"prefix", "none"},
       {"prefix", "none"},
       0,
       0,
       "writes in the order of the requests, below a journaling file system"},
      {"reorders",
       {"subset", "prefix", "none"},
       {"prefix", "none"},
       0,
       0,
       "a volatile cache, below a journaling file system"},
      {"scrambles",
       {"subset", "prefix", "none"},
       {"any", "prefix", "none"},
       1,
       0.2,
       "flash that loses its power while it writes, below a file system without a journal"},
  }};
  return kDevices;
}

const std::array<MetricInfo, 12>& metrics() {
  static const std::array<MetricInfo, 12> kMetrics = {{
      {"recovery_seconds",
       "pluresdb_recovery_duration_seconds",
       MetricUnit::kSeconds,
       {"p50", "p99", "max", "count"},
       "time from opening the store to serving reads, of every start on an existing directory"},
      {"replayed_entries",
       "",
       MetricUnit::kCount,
       {"max"},
       "log entries that one recovery replayed because no checkpoint held them"},
      {"resident_memory_bytes",
       "pluresdb_resident_memory_bytes",
       MetricUnit::kBytes,
       {"start", "end", "max", "slope_per_hour"},
       "resident memory of the worker; slope_per_hour is its growth"},
      {"segments",
       "pluresdb_wal_segments",
       MetricUnit::kCount,
       {"max", "end"},
       "write-ahead log segments on disk"},
      {"wal_bytes",
       "pluresdb_wal_bytes",
       MetricUnit::kBytes,
       {"max"},
       "bytes of the write-ahead log on disk"},
      {"operations_per_second",
       "",
       MetricUnit::kPerSecond,
       {"mean"},
       "acknowledged operations (writes and reads) per second of the run"},
      {"acknowledged_operations",
       "soak_operations_total",
       MetricUnit::kCount,
       {"count"},
       "acknowledged operations of the run"},
      {"maybe_operations",
       "",
       MetricUnit::kCount,
       {"count"},
       "writes that were attempted and neither acknowledged nor refused"},
      {"refused_operations",
       "",
       MetricUnit::kCount,
       {"count"},
       "writes that were refused and are certainly not in the store"},
      {"crashes",
       "soak_crashes_total",
       MetricUnit::kCount,
       {"count"},
       "kills of the worker, power losses included"},
      {"reported_losses",
       "",
       MetricUnit::kCount,
       {"count"},
       "documents that the store itself said it had lost, after damage of data at rest"},
      {"lost_acknowledged_writes",
       "soak_lost_acknowledged_writes_total",
       MetricUnit::kCount,
       {"count"},
       "acknowledged writes that were not there when read back"},
  }};
  return kMetrics;
}

constexpr std::array<NameInfo, 17> kChecks = {{
    {"no_lost_acknowledged_writes", true, "every acknowledged write was there when read back"},
    {"maybes_stay", true, "a write of unknown outcome that was seen once stayed"},
    {"no_resurrected_deletes", true, "no document came back after its acknowledged delete"},
    {"reads_exact", true, "every byte read was the byte written"},
    {"no_alien_documents", true, "the store holds no document that no agent wrote"},
    {"seqs_increase", true, "no write was given a seq that an earlier one has or may have"},
    {"worker_stays_alive", true, "the worker ended only when it was killed on purpose"},
    {"recovery_succeeds", true, "the store opened after every kill"},
    {"crash_images_recover", true,
     "every crash image of the live store recovered with all that must be there"},
    {"no_plaintext_on_disk", true,
     "no file of an encrypted store, and no file's name, holds what agents wrote"},
    {"no_nonce_reuse", true,
     "nothing of an encrypted store was encrypted under a key and nonce that had been used"},
    {"memory_bounded", true, "the worker's memory did not grow without bound"},
    {"progress_made", true, "agents had operations acknowledged in every incarnation"},
    {"faults_fired", true, "each fault fired at least `must_fire` times"},
    {"branches_reached", true, "each branch of `must_reach` was reached"},
    {"evidence", true, "the run proved that it tested something"},
    {"thresholds", true, "every [[thresholds]] held"},
}};

constexpr std::array<NameInfo, 22> kBranches = {{
    {"torn_tail_dropped", true, "recovery met a torn tail and dropped it"},
    {"corruption_quarantined", true, "recovery met damaged bytes and put them aside"},
    {"tampering_reported", true, "recovery met what somebody without the key had changed"},
    {"base_damage_met", true,
     "a read, a scan or an opening met damage of the base store, and the store said so"},
    {"base_lost_reported", true,
     "after damage of the base store the store said that it is lost, again and again"},
    {"wal_replayed", true, "recovery replayed log entries that the base store did not have"},
    {"unsynced_bytes_discarded", true, "a power loss took unsynced bytes away"},
    {"directory_entries_discarded", true, "a power loss took an unsynced directory entry away"},
    {"write_torn", true, "a power loss left a part of an unsynced write"},
    {"size_without_bytes", true, "a power loss left a file grown by a write whose bytes it took"},
    {"garbage_left", true, "a power loss left sectors that hold neither old nor new bytes"},
    {"writes_out_of_order", true, "a power loss kept an unsynced write and took an earlier one"},
    {"names_out_of_order", true, "a power loss kept an unsynced name and took an earlier one"},
    {"kill_left_maybes", true, "a kill hit the worker between an intent and its outcome"},
    {"group_rewritten", true, "a group was written again into a new segment after a failed sync"},
    {"no_space_refused", true, "a write was refused because the disk was full"},
    {"checkpoint_completed", true, "a checkpoint was completed"},
    {"segment_deleted", true, "a checkpointed segment was deleted"},
    {"segment_rewritten", true, "a segment was rewritten to reclaim space"},
    {"segment_compressed", true, "a segment was rewritten to compress it"},
    {"resumed_after_disk_full", true,
     "after a full disk that refused something the same worker acknowledged writes again"},
    {"reopened_read_only", true, "the engine became read-only after failed syncs and was reopened"},
}};

constexpr std::array<NameInfo, 20> kDefects = {{
    {"lying_fsync", true, "every sync claims success and does nothing"},
    {"dropped_directory_sync", true, "syncs of directories do nothing"},
    {"lost_suffix", true, "a write to the log loses its last sector now and then"},
    {"silent_truncation", true, "on a full disk writes are cut and claim success"},
    {"early_ack", true, "writes are acknowledged before their sync"},
    {"lost_delete", true, "deletes are acknowledged and forgotten now and then"},
    {"lost_update", true, "overwrites are acknowledged and forgotten now and then"},
    {"resurrected_tombstone", true, "deleted documents come back"},
    {"wrong_bytes", true, "reads return a wrong byte now and then"},
    {"swapped_payloads", true, "two concurrent writes exchange their payloads now and then"},
    {"refused_but_written", true, "a write is refused and stored all the same now and then"},
    {"alien_document", true, "documents appear that nobody wrote"},
    {"incomplete_scan", true, "a scan leaves documents out"},
    {"sudden_death", true, "the process is killed, and not by the harness"},
    {"never_resumes", true, "after a restart every write is refused"},
    {"hidden_damage", true, "what recovery finds damaged is passed off as never written"},
    {"plaintext_leak", true, "a log beside the encrypted files names documents now and then"},
    {"nonce_reuse", true, "all chunks of an encrypted file are encrypted under one nonce"},
    {"ignored_tag", true, "what is decrypted is taken for genuine, whatever its tag says"},
    {"slow_leak", true, "each operation leaks 100 bytes"},
}};

}  // namespace

const char* fault_kind_name(FaultKind kind) {
  for (const FaultKindInfo& info : kFaultKinds) {
    if (info.kind == kind) {
      return info.name.data();
    }
  }
  return "unknown";
}

std::span<const FaultKindInfo> fault_kinds() { return kFaultKinds; }
std::span<const FaultError> fault_errors() { return kFaultErrors; }

bool is_damage(FaultKind kind) {
  return kind == FaultKind::kBitFlip || kind == FaultKind::kMisdirectedWrite ||
         kind == FaultKind::kTampering;
}

bool is_power_loss(FaultKind kind) {
  return kind == FaultKind::kPowerLoss || kind == FaultKind::kTornWrite;
}

bool is_kill(FaultKind kind) {
  return kind == FaultKind::kCrash || is_power_loss(kind) || is_damage(kind);
}

bool is_instant(FaultKind kind) {
  return is_kill(kind) || kind == FaultKind::kPause || kind == FaultKind::kClockJump ||
         kind == FaultKind::kCrashImage || kind == FaultKind::kMemoryLimit;
}

std::span<const DeviceInfo> power_loss_devices() { return devices(); }

const DeviceInfo* find_device(std::string_view name) {
  const auto found = std::ranges::find(devices(), name, &DeviceInfo::name);
  return found == devices().end() ? nullptr : &*found;
}

std::span<const MetricInfo> threshold_metrics() { return metrics(); }

const MetricInfo* find_metric(std::string_view name) {
  for (const MetricInfo& metric : metrics()) {
    if (metric.name == name || (!metric.alias.empty() && metric.alias == name)) {
      return &metric;
    }
  }
  return nullptr;
}

std::span<const NameInfo> verdict_checks() { return kChecks; }
std::span<const NameInfo> recovery_branches() { return kBranches; }
std::span<const NameInfo> defects() { return kDefects; }

std::vector<std::string_view> names_of(std::span<const NameInfo> infos) {
  std::vector<std::string_view> names;
  for (const NameInfo& info : infos) {
    names.push_back(info.name);
  }
  return names;
}

}  // namespace soak::scenario
