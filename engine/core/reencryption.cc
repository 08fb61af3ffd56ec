// See reencryption.h.
#include "engine/core/reencryption.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/mutex.h"
#include "engine/core/checkpointer.h"
#include "engine/core/compactor.h"
#include "engine/core/recovery.h"
#include "engine/crypto/keyring.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/sealed_file.h"
#include "engine/io/file_system.h"
#include "engine/store/base_store.h"
#include "engine/store/sealed_format.h"
#include "engine/wal/log.h"
#include "engine/wal/sealed_segments.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/error.h>
#include <pluresdb/reencrypt.h>

namespace pluresdb::core {
namespace {

constexpr std::uint64_t kReencryptReportStepBytes = 1ULL << 20;
constexpr std::int64_t kNanosecondsPerSecond = 1'000'000'000;
/// Whoever waits looks so often whether it is to end.
constexpr std::chrono::milliseconds kPaceStep{20};

using SealedFiles = std::vector<crypto::SealedFile>;

std::uint64_t total_bytes_of(const SealedFiles& files) {
  std::uint64_t bytes = 0;
  for (const crypto::SealedFile& file : files) {
    bytes += file.bytes;
  }
  return bytes;
}

bool is_table(const crypto::SealedFile& file) {
  return store::kind_of(file.path) == store::FileKind::kTable;
}

/// Counts, tells the caller, hears whether to go on, and keeps to a rate by waiting between files.
class ReencryptMeter {
 public:
  ReencryptMeter(const ReencryptOptions& options, const std::atomic<bool>& stopped, Clock& clock)
      : options_(options), stopped_(stopped), clock_(clock), due_ns_(clock.monotonic_ns()) {}

  void set_total(std::uint64_t bytes) { progress_.total_bytes = bytes; }
  void begin_file(std::uint64_t bytes) {
    file_bytes_ = bytes;
    file_end_ = progress_.done_bytes + bytes;
  }
  /// Of the file that was begun, as far as anybody has counted.
  void add(std::uint64_t bytes) {
    progress_.done_bytes = std::min(progress_.done_bytes + bytes, file_end_);
    unreported_bytes_ += bytes;
    if (unreported_bytes_ >= kReencryptReportStepBytes) {
      report();
    }
  }
  Status end_file() {
    progress_.done_bytes = file_end_;
    report();
    return wait();
  }
  Status check() {
    cancelled_ = cancelled_ || (options_.cancel != nullptr && options_.cancel->load());
    if (stopped_.load()) {
      return fail(ErrorCode::kCancelled, "re-encrypt: the store is being closed");
    }
    return cancelled_ ? Status(fail(ErrorCode::kCancelled, "re-encrypt; the next call goes on"))
                      : Status{};
  }

 private:
  void report() {
    unreported_bytes_ = 0;
    cancelled_ = cancelled_ || (options_.progress && !options_.progress(progress_));
  }

  Status wait() {
    TRY(check());
    if (options_.bytes_per_second == 0) {
      return {};
    }
    const double seconds =
        static_cast<double>(file_bytes_) / static_cast<double>(options_.bytes_per_second);
    due_ns_ = std::max(due_ns_, clock_.monotonic_ns()) +
              static_cast<std::int64_t>(seconds * static_cast<double>(kNanosecondsPerSecond));
    while (clock_.monotonic_ns() < due_ns_) {
      const base::MutexLock lock(mutex_);
      (void)never_.wait_for(mutex_, kPaceStep);
      TRY(check());
    }
    return {};
  }

  const ReencryptOptions& options_;
  const std::atomic<bool>& stopped_;
  Clock& clock_;
  ReencryptProgress progress_;
  std::uint64_t file_bytes_ = 0;
  std::uint64_t file_end_ = 0;
  std::uint64_t unreported_bytes_ = 0;
  std::int64_t due_ns_;
  bool cancelled_ = false;
  base::Mutex mutex_;
  base::CondVar never_;
};

}  // namespace

class Reencryption::Run {
 public:
  Run(const ReencryptionParts& parts, const ReencryptOptions& options,
      const std::atomic<bool>& stopped)
      : parts_(parts),
        keys_(parts.keyring->master_keys()),
        meter_(options, stopped, parts.clock),
        wal_directory_(io::join_path(parts.directory, kWalDirectoryName)),
        base_directory_(io::join_path(parts.directory, kBaseDirectoryName)),
        quarantine_directory_(io::join_path(parts.directory, kQuarantineDirectoryName)) {}

  Result<ReencryptStats> run() {
    const std::int64_t start_ns = parts_.clock.monotonic_ns();
    stats_.generation = keys_.version().generation;
    TRY(renew_log());
    TRY(renew_base());
    TRY_ASSIGN(const bool store_was_old, parts_.compactor.renew_identity());
    stats_.files += store_was_old ? 1U : 0U;
    TRY(meter_.check());
    TRY(drop_master_keys());
    stats_.duration_seconds = static_cast<double>(parts_.clock.monotonic_ns() - start_ns) /
                              static_cast<double>(kNanosecondsPerSecond);
    return std::move(stats_);
  }

 private:
  /// Only what is not under the newest master key.
  SealedFiles old_of(SealedFiles files) const {
    std::erase_if(files, [this](const crypto::SealedFile& file) {
      return file.generation == keys_.version().generation;
    });
    return files;
  }
  Result<SealedFiles> old_segments() const {
    TRY_ASSIGN(auto files, wal::sealed_segments(parts_.files, wal_directory_, keys_));
    return old_of(std::move(files));
  }
  Result<SealedFiles> old_base_files() const {
    TRY_ASSIGN(auto files, parts_.base.sealed_files());
    return old_of(std::move(files));
  }

  /// What has to stay as it is is no error of the whole; why is told at the end.
  void leave(const std::string& path, std::string reason) {
    reasons_.insert_or_assign(path, std::move(reason));
  }
  Status done_with(const crypto::SealedFile& file, const std::optional<std::string>& reason) {
    if (reason) {
      leave(file.path, *reason);
    } else {
      ++stats_.files;
      stats_.bytes += file.bytes;
    }
    return meter_.end_file();
  }

  Status renew_log() {
    TRY_ASSIGN(SealedFiles files, old_segments());
    TRY_ASSIGN(const SealedFiles in_base, old_base_files());
    meter_.set_total(total_bytes_of(files) + total_bytes_of(in_base));
    if (files.empty()) {
      return {};
    }
    TRY(parts_.checkpointer.cover_for_good());
    TRY(meter_.check());
    TRY(parts_.log.begin_segment());
    // In the order of their seqs: where one has lost its end its successor's header is needed for
    // as long as it is there.
    std::map<std::uint64_t, Seq> first_seqs;
    for (const wal::SegmentInfo& segment : parts_.log.segments()) {
      first_seqs.emplace(segment.id, segment.first_seq);
    }
    std::ranges::sort(files, {}, [&](const crypto::SealedFile& file) {
      const std::uint64_t id = wal::parse_name(io::base_name(file.path)).id;
      const auto found = first_seqs.find(id);
      return std::pair(found == first_seqs.end() ? Seq{0} : found->second, id);
    });
    for (const crypto::SealedFile& file : files) {
      TRY(renew_segment(file));
    }
    return {};
  }

  Status renew_segment(const crypto::SealedFile& file) {
    const wal::ParsedName name = wal::parse_name(io::base_name(file.path));
    meter_.begin_file(file.bytes);
    if (name.file_class != wal::FileClass::kSegment) {
      return done_with(file, "it was not finished; the next opening removes it");
    }
    auto reason = parts_.compactor.renew(parts_.checkpointer.meta(), name.id,
                                         [this](std::uint64_t bytes) { meter_.add(bytes); });
    if (!reason && reason.error().code == ErrorCode::kCorruption) {
      return done_with(file, reason.error().context);
    }
    TRY(reason);
    return done_with(file, *reason);
  }

  Status renew_base() {
    TRY_ASSIGN(const SealedFiles files, old_base_files());
    bool registry_is_old = false;
    for (const crypto::SealedFile& file : files) {
      if (is_table(file)) {
        TRY(renew_table(file));
      }
      registry_is_old = registry_is_old || !is_table(file);
    }
    if (!registry_is_old) {
      return {};
    }
    // A base store that serves what is not damaged need not open again with what is.
    const bool tables_are_left = std::ranges::any_of(files, [this](const crypto::SealedFile& file) {
      return is_table(file) && reasons_.contains(file.path);
    });
    if (tables_are_left) {
      return {};
    }
    TRY(parts_.checkpointer.renew_base());
    for (const crypto::SealedFile& file : files) {
      if (!is_table(file)) {
        meter_.begin_file(file.bytes);
        TRY(done_with(file, std::nullopt));
      }
    }
    return {};
  }

  Status renew_table(const crypto::SealedFile& file) {
    meter_.begin_file(file.bytes);
    if (file.generation == 0) {
      return done_with(file, file.problem);
    }
    const Status renewed = parts_.base.renew_table(file.path, [this](std::uint64_t bytes) {
      meter_.add(bytes);
      return meter_.check();
    });
    if (!renewed && renewed.error().code == ErrorCode::kCorruption) {
      return done_with(file, renewed.error().context);
    }
    TRY(renewed);
    return done_with(file, std::nullopt);
  }

  /// INV-KEY-9
  Status drop_master_keys() {
    TRY_ASSIGN(const SealedFiles segments, old_segments());
    TRY_ASSIGN(const SealedFiles base_files, old_base_files());
    TRY_ASSIGN(auto kept, wal::sealed_quarantine(parts_.files, quarantine_directory_, keys_));
    for (const SealedFiles& files : {segments, base_files, old_of(std::move(kept))}) {
      for (const crypto::SealedFile& file : files) {
        const auto reason = reasons_.find(file.path);
        stats_.left.push_back(file.path + ": " +
                              (reason != reasons_.end() ? reason->second
                               : file.problem.empty()   ? "it is under an older master key"
                                                        : file.problem));
      }
    }
    const std::uint64_t old_generations = parts_.keyring->status().old_generations.size();
    if (stats_.left.empty() && old_generations > 0) {
      // What the look above has not seen, or seen under a new key, is durably so: a name that is
      // changed or removed in memory only would be the old file again after a power loss.
      for (const std::string& directory : {wal_directory_, base_directory_, parts_.directory}) {
        TRY(parts_.files.sync_directory(directory));
      }
      TRY(parts_.keyring->drop_generations(keys_.version().generation));
      stats_.generations_dropped = old_generations;
    }
    return {};
  }

  const ReencryptionParts& parts_;
  const crypto::MasterKeys& keys_;
  ReencryptMeter meter_;
  const std::string wal_directory_;
  const std::string base_directory_;
  const std::string quarantine_directory_;
  std::map<std::string, std::string> reasons_;
  ReencryptStats stats_;
};

Reencryption::Reencryption(ReencryptionParts parts) : parts_(std::move(parts)) {}
Reencryption::~Reencryption() { stop(); }

Result<ReencryptStats> Reencryption::run(const ReencryptOptions& options) {
  if (parts_.keyring == nullptr) {
    return fail(ErrorCode::kInvalidArgument, parts_.directory + " is not encrypted");
  }
  {
    const base::MutexLock lock(mutex_);
    if (running_ || stopped_) {
      return fail(ErrorCode::kInvalidArgument,
                  parts_.directory + " is being re-encrypted already, or closed");
    }
    running_ = true;
  }
  auto outcome = Run(parts_, options, stopped_).run();
  const base::MutexLock lock(mutex_);
  running_ = false;
  ended_.notify_all();
  return outcome;
}

void Reencryption::stop() {
  stopped_ = true;
  const base::MutexLock lock(mutex_);
  while (running_) {
    ended_.wait(mutex_);
  }
}

}  // namespace pluresdb::core
