// wal::Log: wires queue, appender, segments and readers. See log.h for the path of a write.
#include "engine/wal/log.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "engine/base/worker_team.h"
#include "engine/io/file_system.h"
#include "engine/wal/async_write.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log_reader.h"
#include "engine/wal/parallel_replay.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_appender.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_pool.h"
#include "engine/wal/segment_removal.h"
#include "engine/wal/segment_rewrite.h"
#include "engine/wal/segment_set.h"
#include "engine/wal/write_queue.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {
namespace {

/// Writers join a group up to this size; a single larger write is a group of its own.
constexpr std::uint64_t kGroupBytesMax = 4ULL << 20;
/// append_async waits while more than this is queued.
constexpr std::uint64_t kAsyncBytesMax = 16ULL << 20;
/// A log that was idle for so long gets a watermark (D4).
constexpr auto kIdleBeforeWatermark = std::chrono::milliseconds(20);

class LogImpl final : public Log {
 public:
  LogImpl(const LogOptions& options, RecoveredLog recovered)
      : options_(options),
        layout_(options.keys != nullptr),
        recovery_(std::move(recovered.report)),
        unread_(std::move(recovered.unread)),
        segments_(*options_.files),
        pool_(options_, recovered.next_segment_id),
        appender_(options_, pool_, segments_, recovered.previous),
        builder_(nullptr, layout_, kUncopiedValueBytes),
        group_bytes_max_(std::min(kGroupBytesMax, options_.segment_bytes / 2)),
        next_seq_(recovered.next_seq) {
    for (auto& segment : recovered.segments) {
      segments_.add(std::move(segment));
    }
  }
  ~LogImpl() override { stop_threads(); }
  LogImpl(const LogImpl&) = delete;
  LogImpl& operator=(const LogImpl&) = delete;
  LogImpl(LogImpl&&) = delete;
  LogImpl& operator=(LogImpl&&) = delete;

  void start(LogClient& client) override {
    DB_CHECK(client_ == nullptr);
    client_ = &client;
    if (options_.background_threads) {
      idle_thread_ = std::thread([this] { watch_for_idleness(); });
    }
  }

  void raise_seq_floor(Seq floor) override {
    DB_CHECK(client_ == nullptr);
    next_seq_ = std::max(next_seq_, floor + 1);
  }

  Result<Seq> append(const AppendRequest& request) override {
    TRY(check_request(request));
    const ValueChecksums checksums = checksums_of(view_of(request), layout_);
    PendingWrite write;
    write.requests = std::span(&request, 1);
    write.checksums = &checksums;
    write.bytes_bound = bytes_bound(request);
    return submit(write);
  }

  Result<Seq> append_batch(std::span<const AppendRequest> requests) override {
    if (requests.empty()) {
      return fail(ErrorCode::kInvalidArgument, "an empty batch");
    }
    std::vector<ValueChecksums> checksums;
    checksums.reserve(requests.size());
    PendingWrite write;
    for (const AppendRequest& request : requests) {
      TRY(check_request(request));
      checksums.push_back(checksums_of(view_of(request), layout_));
      write.bytes_bound += bytes_bound(request);
    }
    if (write.bytes_bound > kGroupBodyBytesMax) {
      return fail(ErrorCode::kInvalidArgument, "the batch is larger than 1 GiB");
    }
    write.requests = requests;
    write.checksums = checksums.data();
    return submit(write);
  }

  Status append_async(const AppendRequest& request, std::function<void(Result<Seq>)> done) override;

  Status sync() override {
    if (client_ == nullptr) {
      return {};  // Nothing appended; recovery has synced what it trusts.
    }
    PendingWrite write;
    write.wants_sync = true;
    return outcome_of(write);
  }
  Status begin_segment() override {
    PendingWrite write;
    write.wants_segment = true;
    return outcome_of(write);
  }

  Status replay(Seq from, bool with_values,
                const std::function<Status(const RecordView&)>& visit) override {
    return replay_segments(segments_, from, with_values, visit);
  }
  Status replay_windows(Seq from, base::WorkerTeam& team, ReplaySink& sink) override {
    return replay_segments_in_parallel(segments_, from, kReplayPieceBytes, team, sink);
  }
  Result<std::string> read_value(Seq seq, std::uint64_t value_bytes, std::uint32_t crc) override {
    return read_large_value(segments_, seq, value_bytes, crc);
  }
  std::vector<SegmentInfo> segments() const override { return segments_.infos(); }
  Status visit_large_values(
      std::uint64_t segment_id,
      const std::function<Status(Seq, std::string_view, std::uint64_t)>& visit) override {
    return visit_large_values_of(segments_, segment_id, visit);
  }

  Result<std::uint64_t> remove_segments(std::span<const std::uint64_t> segment_ids) override {
    const base::MutexLock lock(maintenance_mutex_);  // Held across I/O: appends do not take it.
    return remove_segments_of(options_, segments_, segment_ids);
  }
  Result<std::uint64_t> rewrite_segments(
      std::span<const std::uint64_t> segment_ids,
      const std::function<bool(const RecordView&)>& keep) override {
    const base::MutexLock lock(maintenance_mutex_);
    return rewrite_segments_into_one(options_, pool_, segments_, segment_ids, keep);
  }

  Result<ValidationReport> validate() override {
    ValidationReport report = unread_;
    TRY(validate_segments(segments_, options_.keys, report));
    std::ranges::sort(report.lost, {}, &SeqRange::first);
    return report;
  }
  const LogRecovery& recovery() const override { return recovery_; }
  WalStats stats() const override;
  Status close() override;

 private:
  [[nodiscard]] bool stays_in_log(const AppendRequest& request) const {
    return request.type == OperationType::kPut && !request.value.empty() &&
           (request.value.size() >= options_.large_value_bytes ||
            request.value.size() > kInlineValueBytesMax);
  }
  [[nodiscard]] RecordView view_of(const AppendRequest& request) const {
    RecordView record;
    record.type = request.type;
    record.actor = request.actor;
    record.id = request.id;
    record.value = request.value;
    record.argument = request.argument;
    record.value_in_log = stays_in_log(request);
    record.value_bytes = request.value.size();
    return record;
  }
  [[nodiscard]] std::uint64_t bytes_bound(const AppendRequest& request) const {
    return group_bytes_bound(view_of(request), layout_);
  }

  Result<Seq> submit(PendingWrite& write);
  /// Of a write without a record.
  Status outcome_of(PendingWrite& write) {
    const Result<Seq> done = submit(write);
    return done ? Status{} : Status(std::unexpected(done.error()));
  }
  void lead(std::span<PendingWrite* const> group);
  void stamp_records(std::span<PendingWrite* const> group);
  void serve_without_records(std::span<PendingWrite* const> group);
  void watch_for_idleness();
  void wake_idle_watch();
  void work_for_async();
  void complete(std::span<PendingWrite* const> writes);
  void stop_threads();

  const LogOptions options_;
  const FrameLayout layout_;
  const LogRecovery recovery_;
  const ValidationReport unread_;  // Segments that were missing or strangers at the opening.
  SegmentSet segments_;
  SegmentPool pool_;
  WriteQueue queue_;
  base::Mutex maintenance_mutex_;  // Removal and rewriting, one at a time.
  LogClient* client_ = nullptr;    // Set once, before the first append.

  // The leader's, one thread at a time (WriteQueue::join .. finish).
  SegmentAppender appender_;
  GroupBuilder builder_;
  std::vector<RecordView> records_;
  std::vector<PendingWrite*> group_;
  const std::uint64_t group_bytes_max_;
  Seq next_seq_;
  bool closed_ = false;

  base::Mutex async_mutex_;
  base::CondVar async_room_;
  std::uint64_t async_bytes_ GUARDED_BY(async_mutex_) = 0;  // Of writes that were not answered.
  bool async_stopping_ GUARDED_BY(async_mutex_) = false;
  std::thread async_thread_ GUARDED_BY(async_mutex_);  // From the first append_async on.

  base::Mutex idle_mutex_;
  base::CondVar idle_wake_;
  bool idle_stopping_ GUARDED_BY(idle_mutex_) = false;
  std::atomic<bool> idle_thread_sleeps_{false};  // Without a time-out: must be woken.
  std::thread idle_thread_;
};

Result<Seq> LogImpl::submit(PendingWrite& write) {
  DB_CHECK(client_ != nullptr);
  queue_.enqueue(write);
  for (auto role = WriteQueue::Role::kLeadsOthers; role == WriteQueue::Role::kLeadsOthers;) {
    role = queue_.lead_or_wait(write, group_bytes_max_, group_);
    if (role != WriteQueue::Role::kDone) {
      lead(group_);
      queue_.finish(group_);
      wake_idle_watch();
    }
  }
  if (!write.status) {
    return std::unexpected(write.status.error());
  }
  return write.first_seq;
}

void LogImpl::wake_idle_watch() {
  if (idle_thread_sleeps_) {
    const base::MutexLock lock(idle_mutex_);
    idle_wake_.notify_one();
  }
}

Status LogImpl::append_async(const AppendRequest& request, std::function<void(Result<Seq>)> done) {
  TRY(check_request(request));
  if (!options_.background_threads) {
    done(append(request));
    return {};
  }
  auto write = AsyncWrite::copy_of(request);
  write->bytes_bound = bytes_bound(write->request);
  write->value_checksums = checksums_of(view_of(write->request), layout_);
  write->checksums = &write->value_checksums;
  write->done = std::move(done);
  const base::MutexLock lock(async_mutex_);
  // The log's thread itself, in a callback, has just made room.
  while (async_bytes_ > kAsyncBytesMax && !async_stopping_ &&
         std::this_thread::get_id() != async_thread_.get_id()) {
    async_room_.wait(async_mutex_);
  }
  if (async_stopping_) {
    return fail(ErrorCode::kReadOnly, "the log is closed");
  }
  if (!async_thread_.joinable()) {
    async_thread_ = std::thread([this] { work_for_async(); });
  }
  async_bytes_ += write->bytes_bound;
  queue_.enqueue(*write.release());
  return {};
}

void LogImpl::work_for_async() {
  std::vector<PendingWrite*> group;
  std::vector<PendingWrite*> completed;
  while (queue_.next_async(group_bytes_max_, group, completed)) {
    if (!group.empty()) {
      lead(group);
      queue_.finish(group);
      wake_idle_watch();
    }
    complete(completed);
  }
}

void LogImpl::complete(std::span<PendingWrite* const> writes) {
  std::uint64_t bytes = 0;
  for (PendingWrite* const pending : writes) {
    const std::unique_ptr<AsyncWrite> write(static_cast<AsyncWrite*>(pending));
    bytes += write->bytes_bound;
    write->done(write->status ? Result<Seq>(write->first_seq)
                              : Result<Seq>(std::unexpected(std::move(write->status).error())));
  }
  if (bytes > 0) {
    const base::MutexLock lock(async_mutex_);
    async_bytes_ -= bytes;
    async_room_.notify_all();
  }
}

void set_all(std::span<PendingWrite* const> group, const Error& error) {
  for (PendingWrite* const write : group) {
    write->status = std::unexpected(error);
  }
}

void LogImpl::lead(std::span<PendingWrite* const> group) {
  if (closed_) {
    set_all(group, {.code = ErrorCode::kReadOnly, .context = "the log is closed"});
    return;
  }
  if (appender_.is_poisoned()) {
    set_all(group, appender_.poisoned_error());
    return;
  }
  stamp_records(group);
  if (records_.empty()) {
    serve_without_records(group);
    return;
  }
  std::uint64_t bytes = 0;
  bool sync = options_.durability != Durability::kNone;
  for (const PendingWrite* const write : group) {
    bytes += write->bytes_bound;
    sync = sync || write->wants_sync;
  }
  builder_.clear(bytes);
  auto record = records_.begin();
  for (const PendingWrite* const write : group) {
    for (std::size_t i = 0; i < write->requests.size(); ++i) {
      builder_.add(*record++, write->checksums[i].chunks);
    }
  }
  const GroupOutcome outcome =
      appender_.commit(builder_, records_.back().hlc, client_->hlc_floor(), sync);
  if (outcome.fate == GroupFate::kWritten) {
    next_seq_ += records_.size();
    client_->apply(records_);
    return;
  }
  set_all(group, *outcome.error);
  if (outcome.fate == GroupFate::kRefused) {
    std::ranges::reverse(records_);
    client_->unstamp(records_);
    serve_without_records(group);
  }
}

/// Answers the calls that only want a sync, or a segment.
void LogImpl::serve_without_records(std::span<PendingWrite* const> group) {
  for (PendingWrite* const write : group) {
    if (write->wants_segment) {
      write->status = appender_.begin(next_seq_, client_->hlc_floor());
    } else if (write->wants_sync && write->requests.empty()) {
      write->status = appender_.sync();
    }
  }
}

void LogImpl::stamp_records(std::span<PendingWrite* const> group) {
  records_.clear();
  Seq seq = next_seq_;
  for (PendingWrite* const write : group) {
    write->first_seq = seq;
    for (std::size_t i = 0; i < write->requests.size(); ++i) {
      RecordView record = view_of(write->requests[i]);
      record.value_crc = write->checksums[i].value;
      const RecordStamp stamp = client_->stamp(record.actor);
      record.seq = seq++;
      record.timestamp_us = stamp.timestamp_us;
      record.hlc = stamp.hlc;
      record.actor_seq = stamp.actor_seq;
      records_.push_back(record);
    }
  }
}

/// Writes a watermark when nothing was appended for a while; else sleeps until something is.
void LogImpl::watch_for_idleness() {
  std::uint64_t groups_seen = 0;
  const base::MutexLock lock(idle_mutex_);
  while (!idle_stopping_) {
    const std::uint64_t groups = queue_.group_count();
    if (groups != groups_seen || !queue_.try_lead()) {
      groups_seen = groups;
      idle_wake_.wait_for(idle_mutex_, kIdleBeforeWatermark);
      continue;
    }
    if (!closed_ && appender_.wants_watermark()) {
      appender_.write_watermark();  // idle_mutex_ is held: only stop_threads() waits for it.
    }
    queue_.finish({});
    // A group that began before this is seen in the count; one that begins later sees the flag.
    idle_thread_sleeps_ = true;
    if (queue_.group_count() == groups_seen) {
      idle_wake_.wait(idle_mutex_);
    }
    idle_thread_sleeps_ = false;
  }
}

void LogImpl::stop_threads() {
  std::thread async_thread;
  {
    const base::MutexLock lock(async_mutex_);
    async_stopping_ = true;
    async_room_.notify_all();
    async_thread = std::move(async_thread_);
  }
  queue_.stop_async();
  if (async_thread.joinable()) {
    async_thread.join();  // Everything queued is answered.
  }
  {
    const base::MutexLock lock(idle_mutex_);
    idle_stopping_ = true;
    idle_wake_.notify_one();
  }
  if (idle_thread_.joinable()) {
    idle_thread_.join();
  }
  pool_.stop();
}

WalStats LogImpl::stats() const {
  WalStats stats = appender_.stats();
  stats.last_seq = std::max(stats.last_seq, recovery_.last_seq);
  stats.durable_seq = std::max(stats.durable_seq, recovery_.last_seq);
  for (const SegmentInfo& segment : segments_.infos()) {
    ++stats.segments;
    stats.bytes += segment.file_bytes;
  }
  stats.bytes += pool_.spare_bytes();
  return stats;
}

Status LogImpl::close() {
  PendingWrite write;
  write.is_exclusive = true;
  queue_.enqueue(write);
  while (queue_.lead_or_wait(write, group_bytes_max_, group_) == WriteQueue::Role::kLeadsOthers) {
    lead(group_);
    queue_.finish(group_);
  }
  DB_CHECK(group_.size() == 1 && group_.front() == &write);
  if (!closed_) {
    write.status = appender_.close();
    closed_ = true;
  }
  queue_.finish(group_);
  stop_threads();
  pool_.discard_spare();
  return write.status;
}

}  // namespace

std::size_t Log::replay_slots(const base::WorkerTeam& team) { return replay_slots_of(team); }

Result<std::unique_ptr<Log>> Log::open(const LogOptions& options, Seq seq_floor,
                                       RecordCollector* collector) {
  DB_CHECK(options.files != nullptr);
  TRY_ASSIGN(RecoveredLog recovered, recover_log(options, seq_floor, collector));
  return std::make_unique<LogImpl>(options, std::move(recovered));
}

}  // namespace pluresdb::wal
