// The log used alone: wal::Log with stamps, a lock and a cursor; no documents, no base store.
//
// What the document store keeps elsewhere is found in the log itself: the last actor_seq of each
// actor by reading it once when it is opened, and the floor below which compacted or lost records
// may have used any (an actor_seq is never greater than the seq of its record).
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/mutex.h"
#include "engine/core/arguments.h"
#include "engine/core/recovery.h"
#include "engine/core/stamper.h"
#include "engine/core/store_identity.h"
#include "engine/core/store_keys.h"
#include "engine/crdt/version_vector.h"
#include "engine/crypto/keyring.h"
#include "engine/io/file_system.h"
#include "engine/io/process_owner.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>
#include <pluresdb/write_ahead_log.h>

namespace pluresdb {
namespace core {
namespace {

/// A cursor reads ahead until it holds so much.
constexpr std::size_t kCursorBytes = 1ULL << 20;
constexpr std::size_t kCursorEntries = 4096;

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};

Operation operation_of(const wal::RecordView& record) {
  switch (record.type) {
    case wal::OperationType::kPut:
      return Put{.id = std::string(record.id), .json = std::string(record.value)};
    case wal::OperationType::kDelete:
      return Delete{.id = std::string(record.id)};
    case wal::OperationType::kCompact:
      return Compact{.before = record.argument};
    case wal::OperationType::kCheckpoint:
      break;
  }
  return Checkpoint{.base_seq = record.argument};
}

Entry entry_of(const wal::RecordView& record) {
  return {.seq = record.seq,
          .timestamp_us = record.timestamp_us,
          .stamp = {.hlc = record.hlc,
                    .actor = std::string(record.actor),
                    .actor_seq = record.actor_seq},
          .operation = operation_of(record)};
}

/// Views into `operation`.
wal::AppendRequest request_of(std::string_view actor, const Operation& operation) {
  wal::AppendRequest request;
  request.actor = actor;
  std::visit(Overloaded{[&](const Put& put) {
                          request.type = wal::OperationType::kPut;
                          request.id = put.id;
                          request.value = put.json;
                        },
                        [&](const Delete& erased) {
                          request.type = wal::OperationType::kDelete;
                          request.id = erased.id;
                        },
                        [&](const Compact& compact) {
                          request.type = wal::OperationType::kCompact;
                          request.argument = compact.before;
                        },
                        [&](const Checkpoint& checkpoint) {
                          request.type = wal::OperationType::kCheckpoint;
                          request.argument = checkpoint.base_seq;
                        }},
             operation);
  return request;
}

Status check_request(const wal::AppendRequest& request, const EngineOptions& options) {
  TRY(check_actor(request.actor));
  if (request.type == wal::OperationType::kPut || request.type == wal::OperationType::kDelete) {
    TRY(check_document_id(request.id));
  }
  return check_value_bytes(request.value, options);
}

/// Nothing to make visible: who appended knows.
class StampingClient final : public wal::LogClient {
 public:
  explicit StampingClient(Stamper& stamper) : stamper_(stamper) {}
  wal::RecordStamp stamp(std::string_view actor) override { return stamper_.stamp(actor); }
  void apply(std::span<const wal::RecordView> records) override {
    for (const wal::RecordView& record : records) {
      DB_CHECK(record.actor_seq <= record.seq);  // INV-CORE-5
    }
  }
  void unstamp(std::span<const wal::RecordView> records) override { stamper_.unstamp(records); }
  Hlc hlc_floor() override { return stamper_.hlc_floor(); }

 private:
  Stamper& stamper_;
};

class Cursor final : public WalCursor {
 public:
  Cursor(wal::Log& log, Seq from, Seq last) : log_(log), next_seq_(from), last_seq_(last) {}

  Result<bool> next(Entry& entry) override {
    if (entries_.empty()) {
      TRY(read_ahead());
    }
    if (entries_.empty()) {
      return false;
    }
    entry = std::move(entries_.front());
    entries_.pop_front();
    return true;
  }

 private:
  Status read_ahead() {
    if (next_seq_ > last_seq_) {
      return {};
    }
    std::size_t bytes = 0;
    bool stopped = false;
    Status read = log_.replay(next_seq_, true, [&](const wal::RecordView& record) -> Status {
      if (record.seq > last_seq_ || bytes >= kCursorBytes || entries_.size() >= kCursorEntries) {
        stopped = true;
        return fail(ErrorCode::kNotFound, "");  // Only ends this visit.
      }
      entries_.push_back(entry_of(record));
      bytes += sizeof(Entry) + record.id.size() + record.value.size();
      return {};
    });
    if (!read && !stopped) {
      entries_.clear();  // The next call reads them again.
      return read;
    }
    next_seq_ = stopped && !entries_.empty() ? entries_.back().seq + 1 : last_seq_ + 1;
    return {};
  }

  wal::Log& log_;
  Seq next_seq_;
  const Seq last_seq_;
  std::deque<Entry> entries_;
};

class OpenWriteAheadLog final : public WriteAheadLog {
 public:
  OpenWriteAheadLog(const EngineOptions& options, std::unique_ptr<io::FileLock> lock,
                    std::unique_ptr<crypto::Keyring> keyring, std::unique_ptr<wal::Log> log)
      : options_(options),
        stamper_(clock_of(options)),
        client_(stamper_),
        lock_(std::move(lock)),
        keyring_(std::move(keyring)),
        log_(std::move(log)),
        report_(report_of(log_->recovery())) {}

  Status start(const std::string& directory, std::int64_t start_ns) {
    crdt::VersionVector issued;
    Seq first_seq = 0;
    TRY(log_->replay(0, false, [&](const wal::RecordView& record) -> Status {
      issued.advance(record.actor, record.actor_seq);
      first_seq = first_seq == 0 ? record.seq : first_seq;
      ++report_.replayed_entries;
      return {};
    }));
    Seq unseen = std::max(first_seq, Seq{1}) - 1;
    for (const SeqRange& range : report_.wal.lost) {
      unseen = std::max(unseen, range.last);
    }
    stamper_.restore(log_->recovery().hlc_floor, std::move(issued),
                     std::max(unseen, log_->recovery().gone_through_seq));
    log_->start(client_);
    report_.duration_seconds =
        static_cast<double>(clock_of(options_).monotonic_ns() - start_ns) * 1e-9;
    warn_about(directory, report_);
    return {};
  }

  Result<Seq> append(std::string_view actor, Operation operation) override {
    TRY(check_open());
    const auto request = request_of(actor, operation);
    TRY(check_request(request, options_));
    return log_->append(request);
  }

  Status append_async(std::string_view actor, Operation operation,
                      std::function<void(Result<Seq>)> done) override {
    TRY(check_open());
    const auto request = request_of(actor, operation);
    TRY(check_request(request, options_));
    return log_->append_async(request, std::move(done));
  }

  Result<Seq> append_batch(std::string_view actor, std::vector<Operation> operations) override {
    TRY(check_open());
    if (operations.empty()) {
      return fail(ErrorCode::kInvalidArgument, "a batch without operations");
    }
    std::vector<wal::AppendRequest> requests;
    requests.reserve(operations.size());
    for (const Operation& operation : operations) {
      requests.push_back(request_of(actor, operation));
      TRY(check_request(requests.back(), options_));
    }
    return log_->append_batch(requests);
  }

  Result<std::vector<Entry>> read_all() override {
    TRY(check_open());
    std::vector<Entry> entries;
    const Seq last_seq = last_readable();
    TRY(log_->replay(0, true, [&](const wal::RecordView& record) -> Status {
      if (record.seq <= last_seq) {
        entries.push_back(entry_of(record));
      }
      return {};
    }));
    return entries;
  }

  Result<std::unique_ptr<WalCursor>> cursor(Seq from) override {
    TRY(check_open());
    return std::make_unique<Cursor>(*log_, from, last_readable());
  }

  Result<ValidationReport> validate() override {
    TRY(check_open());
    return log_->validate();
  }

  Result<std::uint64_t> compact(Seq checkpoint_seq) override;

  Status sync() override {
    TRY(check_open());
    return log_->sync();
  }
  WalStats stats() const override { return log_->stats(); }
  const RecoveryReport& recovery() const override { return report_; }

  Status close() override {
    if (closed_.exchange(true)) {
      return {};
    }
    const Status sealed = log_->close();
    lock_.reset();
    return sealed;
  }

 private:
  Seq last_readable() const {
    const WalStats stats = log_->stats();
    return options_.durability == Durability::kNone ? stats.last_seq : stats.durable_seq;
  }
  Status check_open() const {
    return closed_.load() ? Status(fail(ErrorCode::kReadOnly, "the log was closed")) : Status{};
  }

  const EngineOptions options_;
  Stamper stamper_;
  StampingClient client_;  // Outlives the log, which calls it.
  std::unique_ptr<io::FileLock> lock_;
  std::unique_ptr<crypto::Keyring> keyring_;  // Null: not encrypted. The log uses its keys.
  std::unique_ptr<wal::Log> log_;
  RecoveryReport report_;
  base::Mutex compaction_mutex_;  ///< One at a time; held across I/O.
  std::atomic<bool> closed_ = false;
};

Result<std::uint64_t> OpenWriteAheadLog::compact(Seq checkpoint_seq) {
  TRY(check_open());
  const base::MutexLock lock(compaction_mutex_);
  const auto segments = log_->segments();
  // The newest records stay, also when no segment is active yet: they carry the seqs in use. Not
  // yet durable ones do not count: after a power loss they would carry nothing.
  const Seq durable_seq = log_->stats().durable_seq;
  Seq newest_seq = 0;
  for (const auto& segment : segments) {
    newest_seq =
        segment.first_seq <= durable_seq ? std::max(newest_seq, segment.last_seq) : newest_seq;
  }
  std::vector<std::uint64_t> removable;
  for (const auto& segment : segments) {
    if (!segment.active && segment.last_seq != 0 && segment.last_seq != newest_seq &&
        segment.last_seq <= std::min(checkpoint_seq, durable_seq)) {
      removable.push_back(segment.id);
    }
  }
  if (removable.empty()) {
    return 0;
  }
  return log_->remove_segments(removable);
}

/// A log that has segments exists; one without may be created encrypted.
Result<std::unique_ptr<crypto::Keyring>> open_keys_of_log(io::FileSystem& files,
                                                          const std::string& directory,
                                                          const EngineOptions& options) {
  const KeyPlace place{
      .files = files, .directory = directory, .wal_directory = directory, .base_directory = {}};
  TRY_ASSIGN(const auto names, files.list(directory));
  const bool exists = std::ranges::any_of(names, [](const std::string& name) {
    return wal::parse_name(name).file_class != wal::FileClass::kForeign;
  });
  if (!exists && options.secret != nullptr && !options.create_if_missing) {
    return fail(ErrorCode::kNotFound, directory + " holds no log");
  }
  return exists ? unlock_keys(place, options.secret, crypto::Keyring::Access::kOwner)
                : make_keys(place, options.secret, make_store_uuid(), clock_of(options).wall_us());
}

/// As OwnedEngine in engine.cc: a fork of the process that opened the log is kept away from it.
class OwnedWriteAheadLog final : public WriteAheadLog {
 public:
  OwnedWriteAheadLog(const std::string& directory, std::unique_ptr<OpenWriteAheadLog> log)
      : owner_(io::join_path(directory, kLockFileName)), log_(std::move(log)) {}
  ~OwnedWriteAheadLog() override {
    if (!owner_.is_here()) {
      (void)log_.release();  // NOLINT(bugprone-unused-return-value): its parent's.
    }
  }
  OwnedWriteAheadLog(const OwnedWriteAheadLog&) = delete;
  OwnedWriteAheadLog& operator=(const OwnedWriteAheadLog&) = delete;
  OwnedWriteAheadLog(OwnedWriteAheadLog&&) = delete;
  OwnedWriteAheadLog& operator=(OwnedWriteAheadLog&&) = delete;

  Result<Seq> append(std::string_view actor, Operation operation) override {
    TRY(owner_.check());
    return log_->append(actor, std::move(operation));
  }
  Result<Seq> append_batch(std::string_view actor, std::vector<Operation> operations) override {
    TRY(owner_.check());
    return log_->append_batch(actor, std::move(operations));
  }
  Status append_async(std::string_view actor, Operation operation,
                      std::function<void(Result<Seq>)> done) override {
    TRY(owner_.check());
    return log_->append_async(actor, std::move(operation), std::move(done));
  }
  Result<std::vector<Entry>> read_all() override {
    TRY(owner_.check());
    return log_->read_all();
  }
  Result<std::unique_ptr<WalCursor>> cursor(Seq from) override {
    TRY(owner_.check());
    return log_->cursor(from);
  }
  Result<ValidationReport> validate() override {
    TRY(owner_.check());
    return log_->validate();
  }
  Result<std::uint64_t> compact(Seq checkpoint_seq) override {
    TRY(owner_.check());
    return log_->compact(checkpoint_seq);
  }
  Status sync() override {
    TRY(owner_.check());
    return log_->sync();
  }
  WalStats stats() const override { return owner_.is_here() ? log_->stats() : WalStats{}; }
  const RecoveryReport& recovery() const override { return log_->recovery(); }
  Status close() override {
    TRY(owner_.check());
    return log_->close();
  }

 private:
  const io::ProcessOwner owner_;
  std::unique_ptr<OpenWriteAheadLog> log_;
};

}  // namespace
}  // namespace core

Result<std::unique_ptr<WriteAheadLog>> WriteAheadLog::open_with_options(
    const std::string& directory, Durability durability, std::uint64_t segment_bytes) {
  EngineOptions options;
  options.durability = durability;
  options.segment_bytes = segment_bytes;
  return open(directory, options);
}

Result<std::unique_ptr<WriteAheadLog>> WriteAheadLog::open(const std::string& directory,
                                                           const EngineOptions& options) {
  const std::int64_t start_ns = core::clock_of(options).monotonic_ns();
  TRY(core::check_options(options));
  TRY(core::check_file_system(directory, options));
  io::FileSystem& files = core::file_system_of(options);
  const auto info = files.info(directory);
  if (!info && info.error().code != ErrorCode::kNotFound) {
    return std::unexpected(info.error());
  }
  if (!info && !options.create_if_missing) {
    return fail(ErrorCode::kNotFound, directory + " holds no log");
  }
  TRY(files.create_directory(directory));
  // Also when it was there: whoever made it may have been cut off before this.
  TRY(files.sync_directory(io::parent_path(directory)));
  TRY_ASSIGN(auto lock, files.lock(io::join_path(directory, core::kLockFileName)));
  wal::LogOptions log_options;
  log_options.directory = directory;
  log_options.quarantine_directory = io::join_path(directory, core::kQuarantineDirectoryName);
  log_options.durability = options.durability;
  log_options.segment_bytes = options.segment_bytes;
  log_options.large_value_bytes = options.large_value_bytes;
  log_options.background_threads = options.background_threads;
  log_options.files = &files;
  TRY_ASSIGN(auto keyring, core::open_keys_of_log(files, directory, options));
  log_options.keys = core::keys_of(keyring);
  if (keyring != nullptr) {
    log_options.store_uuid = keyring->master_keys().store_id();
  }
  TRY_ASSIGN(auto log, wal::Log::open(log_options, 0));
  EngineOptions kept = options;
  kept.secret = nullptr;  // It need not live longer than the opening.
  auto result = std::make_unique<core::OpenWriteAheadLog>(kept, std::move(lock), std::move(keyring),
                                                          std::move(log));
  TRY(result->start(directory, start_ns));
  return std::make_unique<core::OwnedWriteAheadLog>(directory, std::move(result));
}

}  // namespace pluresdb
