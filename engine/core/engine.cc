// The engine: wires log, table, base store and their keepers together. The rules are in the parts.
//
// A write: checks -> DiskSpace::admit -> Log::append (stamps, group, sync, apply) -> return. A
// read: DocumentReader. Opening: recovery.cc.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/base/clock.h"
#include "engine/base/json_syntax.h"
#include "engine/base/worker_team.h"
#include "engine/core/arguments.h"
#include "engine/core/checkpointer.h"
#include "engine/core/compactor.h"
#include "engine/core/disk_space.h"
#include "engine/core/document_reader.h"
#include "engine/core/document_table.h"
#include "engine/core/rate_limiter.h"
#include "engine/core/recovery.h"
#include "engine/core/reencryption.h"
#include "engine/core/replay.h"
#include "engine/core/stamper.h"
#include "engine/core/store_identity.h"
#include "engine/io/file_system.h"
#include "engine/io/process_owner.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/reencrypt.h>
#include <pluresdb/stats.h>

namespace pluresdb {
namespace core {
namespace {

/// The log's owner: stamps and visibility.
class DocumentLogClient final : public wal::LogClient {
 public:
  DocumentLogClient(Stamper& stamper, DocumentTable& table) : stamper_(stamper), table_(table) {}

  wal::RecordStamp stamp(std::string_view actor) override { return stamper_.stamp(actor); }
  /// Visible from here on, and not before.  INV-CORE-1
  void apply(std::span<const wal::RecordView> records) override {
    for (const wal::RecordView& record : records) {
      DB_CHECK(record.actor_seq <= record.seq);  // INV-CORE-5
    }
    table_.apply(records);
  }
  void unstamp(std::span<const wal::RecordView> records) override { stamper_.unstamp(records); }
  Hlc hlc_floor() override { return stamper_.hlc_floor(); }

 private:
  Stamper& stamper_;
  DocumentTable& table_;
};

/// It need not live longer than the opening.
EngineOptions without_secret(EngineOptions options) {
  options.secret = nullptr;
  return options;
}

class OpenEngine final : public Engine {
 public:
  OpenEngine(const std::string& directory, const EngineOptions& options, OpenedStore opened)
      : options_(without_secret(options)),
        table_(std::move(opened.table)),
        stamper_(clock_of(options)),
        client_(stamper_, *table_),
        parts_(std::move(opened)),
        limiter_(options.rate_limit),
        space_(file_system_of(options), directory, options.segment_bytes),
        compactor_(*parts_.log, *parts_.base, parts_.identity, space_,
                   {.segment_bytes = options.segment_bytes, .compress = options.compress_sealed}),
        checkpointer_({.table = *table_,
                       .base = *parts_.base,
                       .log = *parts_.log,
                       .compactor = compactor_,
                       .space = space_,
                       .clock = clock_of(options)},
                      options_, parts_.meta),
        reader_(*table_, *parts_.base, *parts_.log, checkpointer_),
        reencryption_({.files = file_system_of(options),
                       .directory = directory,
                       .keyring = parts_.keyring.get(),
                       .log = *parts_.log,
                       .base = *parts_.base,
                       .compactor = compactor_,
                       .checkpointer = checkpointer_,
                       .clock = clock_of(options)}) {}
  ~OpenEngine() override { checkpointer_.stop(); }
  OpenEngine(const OpenEngine&) = delete;
  OpenEngine& operator=(const OpenEngine&) = delete;
  OpenEngine(OpenEngine&&) = delete;
  OpenEngine& operator=(OpenEngine&&) = delete;

  Status recover(const std::string& directory, std::int64_t start_ns) {
    // Before anything else takes what is left of it: the next open may find the disk as full.
    space_.restore_opening_reserve();
    const std::int64_t replay_start_ns = clock_of(options_).monotonic_ns();
    {
      base::WorkerTeam team(base::WorkerTeam::threads_for(options_.background_threads));
      const std::uint64_t collected =
          parts_.collector->apply(parts_.log->recovery().collected.segments, team);
      TRY_ASSIGN(const std::uint64_t replayed,
                 replay(*parts_.log, table_->last_seq(), *table_, checkpointer_, team));
      parts_.report.replayed_entries = collected + replayed;
    }
    parts_.report.replay_seconds =
        static_cast<double>(clock_of(options_).monotonic_ns() - replay_start_ns) * 1e-9;
    stamper_.restore(std::max(parts_.log->recovery().hlc_floor, table_->hlc_floor()),
                     table_->version_vector(), parts_.identity.record().actor_seq_floor);
    parts_.log->start(client_);
    space_.restore_reserve();
    if (options_.background_threads) {
      checkpointer_.start();
    }
    parts_.report.duration_seconds =
        static_cast<double>(clock_of(options_).monotonic_ns() - start_ns) * 1e-9;
    warn_about(directory, parts_.report);
    return {};
  }

  Result<Seq> put(std::string_view actor, std::string_view id, std::string_view json) override {
    TRY(check_actor(actor));
    TRY(check_document_id(id));
    TRY(check_value_bytes(json, options_));
    TRY(base::validate_json(json));
    return write({.actor = actor, .type = wal::OperationType::kPut, .id = id, .value = json});
  }

  Result<Seq> erase(std::string_view actor, std::string_view id) override {
    TRY(check_actor(actor));
    TRY(check_document_id(id));
    return write({.actor = actor, .type = wal::OperationType::kDelete, .id = id, .value = {}});
  }

  Result<std::optional<Document>> get(std::string_view id) override {
    TRY(check_open());
    TRY_ASSIGN(auto document, reader_.get(id));
    if (document) {
      payload_read_bytes_ += document->json.size();
    }
    return document;
  }

  Result<std::vector<Document>> list(std::string_view prefix, std::string_view from,
                                     std::size_t limit) override {
    TRY(check_open());
    TRY_ASSIGN(auto documents, reader_.list(prefix, from, limit));
    for (const Document& document : documents) {
      payload_read_bytes_ += document.json.size();
    }
    return documents;
  }

  Result<std::vector<std::string>> list_ids(std::string_view prefix, std::string_view from,
                                            std::size_t limit) override {
    TRY(check_open());
    return reader_.list_ids(prefix, from, limit);
  }

  Result<Seq> checkpoint() override {
    TRY(check_open());
    return checkpointer_.checkpoint();
  }

  Result<ReencryptStats> reencrypt(const ReencryptOptions& options) override {
    TRY(check_open());
    return reencryption_.run(options);
  }

  Result<ValidationReport> validate() override {
    TRY(check_open());
    return parts_.log->validate();
  }

  EngineStats stats() const override;
  const RecoveryReport& recovery() const override { return parts_.report; }
  Status close() override;

 private:
  Result<Seq> write(const wal::AppendRequest& request);
  Status make_room();
  Status note_end(Seq durable_seq);
  Status check_open() const {
    return closed_.load() ? Status(fail(ErrorCode::kReadOnly, "the store was closed")) : Status{};
  }

  const EngineOptions options_;
  const std::unique_ptr<DocumentTable> table_;
  Stamper stamper_;
  DocumentLogClient client_;  // Outlives the log, which calls it.
  OpenedStore parts_;
  RateLimiter limiter_;
  DiskSpace space_;
  Compactor compactor_;
  Checkpointer checkpointer_;
  DocumentReader reader_;
  Reencryption reencryption_;
  std::atomic<bool> closed_ = false;
  std::atomic<std::uint64_t> payload_written_bytes_ = 0;
  std::atomic<std::uint64_t> payload_read_bytes_ = 0;
};

/// Nothing was written yet when this fails, and the caller hears exactly that.
Status OpenEngine::make_room() {
  Status relieved = checkpointer_.relieve_pressure();
  if (relieved || relieved.error().code == ErrorCode::kNoSpace) {
    return relieved;
  }
  return fail(
      ErrorCode::kReadOnly,
      "too much is waiting for a checkpoint, and that fails: " + to_string(relieved.error()),
      relieved.error().sys_errno);
}

Result<Seq> OpenEngine::write(const wal::AppendRequest& request) {
  TRY(check_open());
  TRY(space_.admit(request.type == wal::OperationType::kDelete));
  TRY(make_room());
  TRY(limiter_.admit(request.actor, request.id.size() + request.value.size(),
                     clock_of(options_).monotonic_ns()));
  auto seq = parts_.log->append(request);
  space_.note_outcome(seq ? nullptr : &seq.error());
  TRY(seq);
  payload_written_bytes_ += request.value.size();
  checkpointer_.poll();
  if (options_.durability == Durability::kFull) {
    // The write stands: durable in the log and visible. Only the second copy is missing.
    if (const Status covered = checkpointer_.cover(*seq); !covered) {
      return fail(ErrorCode::kIndeterminate,
                  "written to the log, but not to the base store: " + to_string(covered.error()),
                  covered.error().sys_errno);
    }
  }
  return seq;
}

EngineStats OpenEngine::stats() const {
  const TableStats table = table_->stats();
  const CheckpointStats checkpoints = checkpointer_.stats();
  const Compactor::Counts compactions = compactor_.counts();
  EngineStats stats;
  stats.wal = parts_.log->stats();
  stats.wal.no_space_refusals += space_.refusals();  // Those that never reached the log.
  stats.recovery = parts_.report;
  stats.documents_dirty = table.documents;
  stats.dirty_bytes = table.bytes;
  stats.tombstones = table.tombstones;
  stats.actors = table.actors;
  stats.checkpoints = checkpoints.checkpoints;
  stats.checkpoint_failures = checkpoints.failures;
  stats.checkpoint_seq = checkpoints.checkpoint_seq;
  stats.checkpoint_duration = checkpoints.duration;
  stats.segments_deleted = compactions.removed;
  stats.segments_rewritten = compactions.rewritten;
  stats.segments_compressed = compactions.compressed;
  stats.compaction_runs = compactions.runs;
  stats.compaction_failures = compactions.failures;
  stats.compaction_reclaimed_bytes = compactions.reclaimed_bytes;
  stats.compaction_read_bytes = compactions.read_bytes;
  stats.compaction_written_bytes = compactions.written_bytes;
  stats.rate_limit_refusals = limiter_.refusals();
  stats.payload_written_bytes = payload_written_bytes_.load();
  stats.payload_read_bytes = payload_read_bytes_.load();
  stats.base_store_bytes = parts_.base->file_bytes();
  stats.space = space_.state();
  stats.clock_jumps_held = stamper_.clock_jumps_held();
  return stats;
}

Status OpenEngine::close() {
  if (closed_.exchange(true)) {
    return {};
  }
  reencryption_.stop();
  checkpointer_.stop();
  // Each step is worth doing whether or not the one before it worked; the first error is told.
  // Nobody waits for a compression that can be done after the next opening.
  const auto checkpointed = checkpointer_.checkpoint({.compress_bytes = 0});
  const Seq durable_seq = parts_.log->stats().durable_seq;
  const Status sealed = parts_.log->close();
  const Status base_closed = parts_.base->close();
  // INV-CORE-17
  const Status noted = note_end(sealed ? parts_.log->stats().durable_seq : durable_seq);
  parts_.lock.reset();
  for (const Status& status : {sealed, base_closed, noted}) {
    if (checkpointed && !status) {
      return status;
    }
  }
  return checkpointed ? Status{} : Status(std::unexpected(checkpointed.error()));
}

/// So that a later open notices when base store and log end before this.
Status OpenEngine::note_end(Seq durable_seq) {
  IdentityRecord record = parts_.identity.record();
  if (durable_seq <= record.closed_at_seq) {
    return {};
  }
  record.closed_at_seq = durable_seq;
  return parts_.identity.update(record);
}

/// What callers hold: lets nobody but the process that opened it near the store. A fork may not
/// even destroy it: there would be threads to join that it does not have.
class OwnedEngine final : public Engine {
 public:
  OwnedEngine(const std::string& directory, std::unique_ptr<OpenEngine> engine)
      : owner_(io::join_path(directory, kLockFileName)), engine_(std::move(engine)) {}
  ~OwnedEngine() override {
    if (!owner_.is_here()) {
      (void)engine_.release();  // NOLINT(bugprone-unused-return-value): its parent's.
    }
  }
  OwnedEngine(const OwnedEngine&) = delete;
  OwnedEngine& operator=(const OwnedEngine&) = delete;
  OwnedEngine(OwnedEngine&&) = delete;
  OwnedEngine& operator=(OwnedEngine&&) = delete;

  Result<Seq> put(std::string_view actor, std::string_view id, std::string_view json) override {
    TRY(owner_.check());
    return engine_->put(actor, id, json);
  }
  Result<Seq> erase(std::string_view actor, std::string_view id) override {
    TRY(owner_.check());
    return engine_->erase(actor, id);
  }
  Result<std::optional<Document>> get(std::string_view id) override {
    TRY(owner_.check());
    return engine_->get(id);
  }
  Result<std::vector<Document>> list(std::string_view prefix, std::string_view from,
                                     std::size_t limit) override {
    TRY(owner_.check());
    return engine_->list(prefix, from, limit);
  }
  Result<std::vector<std::string>> list_ids(std::string_view prefix, std::string_view from,
                                            std::size_t limit) override {
    TRY(owner_.check());
    return engine_->list_ids(prefix, from, limit);
  }
  Result<Seq> checkpoint() override {
    TRY(owner_.check());
    return engine_->checkpoint();
  }
  Result<ReencryptStats> reencrypt(const ReencryptOptions& options) override {
    TRY(owner_.check());
    return engine_->reencrypt(options);
  }
  Result<ValidationReport> validate() override {
    TRY(owner_.check());
    return engine_->validate();
  }
  /// A fork cannot take the locks that guard the numbers: another thread may have held them.
  EngineStats stats() const override { return owner_.is_here() ? engine_->stats() : EngineStats{}; }
  const RecoveryReport& recovery() const override { return engine_->recovery(); }
  Status close() override {
    TRY(owner_.check());
    return engine_->close();
  }

 private:
  const io::ProcessOwner owner_;
  std::unique_ptr<OpenEngine> engine_;
};

}  // namespace
}  // namespace core

Result<std::unique_ptr<Engine>> Engine::open_with_recovery(const std::string& directory,
                                                           const EngineOptions& options) {
  const std::int64_t start_ns = core::clock_of(options).monotonic_ns();
  TRY_ASSIGN(auto opened, core::open_store(directory, options));
  auto engine = std::make_unique<core::OpenEngine>(directory, options, std::move(opened));
  TRY(engine->recover(directory, start_ns));
  return std::make_unique<core::OwnedEngine>(directory, std::move(engine));
}

}  // namespace pluresdb
