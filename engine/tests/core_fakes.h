// A base store and a log that are made up, for the tests of who uses them.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/core/store_identity.h"
#include "engine/crypto/sealed_file.h"
#include "engine/store/base_store.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {

inline StoreIdentity created(pluresdb::testing::MemoryDisk& disk, const IdentityRecord& record) {
  EXPECT_TRUE(StoreIdentity::prepare(disk, "/", record).has_value());
  EXPECT_TRUE(*StoreIdentity::is_prepared(disk, "/"));
  EXPECT_EQ(StoreIdentity::load(disk, "/").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(StoreIdentity::commit(disk, "/").has_value());
  EXPECT_FALSE(*StoreIdentity::is_prepared(disk, "/"));
  return *StoreIdentity::load(disk, "/");
}

class FakeBase final : public store::BaseStore {
 public:
  class FakeCursor;
  std::map<std::string, store::BaseValue, std::less<>> values;
  store::CheckpointMeta durable;
  int failures = 0;           ///< So many ingests fail.
  bool takes_effect = false;  ///< Though they fail.
  int reopen_failures = 0;
  bool meta_fails = false;
  bool reads_fail = false;  ///< get() and next() of a cursor.
  bool cursor_fails = false;
  int ingests = 0;
  int reopens = 0;

  Result<store::CheckpointMeta> meta() override {
    return meta_fails ? Result<store::CheckpointMeta>(fail(ErrorCode::kIo, "meta", EIO))
                      : Result<store::CheckpointMeta>(durable);
  }
  Result<std::optional<store::BaseValue>> get(std::string_view id) override {
    if (reads_fail) {
      return fail(ErrorCode::kIo, "get", EIO);
    }
    const auto found = values.find(id);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }
  Result<std::unique_ptr<store::BaseCursor>> cursor(std::string_view from) override;
  Status ingest(store::CheckpointSource& source, const store::CheckpointMeta& meta) override {
    ++ingests;
    const bool fails = failures > 0;
    failures -= fails ? 1 : 0;
    if (!fails || takes_effect) {
      std::string id;
      store::BaseValue value;
      while (source.next(id, value)) {
        values[id] = value;
      }
      durable = meta;
    }
    return fails ? Status(fail(ErrorCode::kIo, "ingest", EIO)) : Status{};
  }
  Status reopen() override {
    ++reopens;
    if (reopen_failures > 0) {
      --reopen_failures;
      return fail(ErrorCode::kIo, "reopen", EIO);
    }
    return {};
  }
  Result<std::vector<crypto::SealedFile>> sealed_files() override {
    return std::vector<crypto::SealedFile>{};
  }
  Status renew_table(const std::string& /*path*/,
                     const std::function<Status(std::uint64_t)>& /*progress*/) override {
    return {};
  }
  Status reopen_renewed() override { return reopen(); }
  std::uint64_t file_bytes() const override { return 0; }
  Status close() override { return {}; }
};

/// Fails from the moment on at which the store's reads do.
class FakeBase::FakeCursor final : public store::BaseCursor {
 public:
  FakeCursor(const FakeBase& base, std::string_view from)
      : base_(base), next_(base.values.lower_bound(from)) {}
  Result<bool> next(std::string& id, store::BaseValue& value) override {
    if (base_.reads_fail) {
      return fail(ErrorCode::kIo, "next", EIO);
    }
    if (next_ == base_.values.end()) {
      return false;
    }
    id = next_->first;
    value = next_->second;
    ++next_;
    return true;
  }

 private:
  const FakeBase& base_;
  std::map<std::string, store::BaseValue, std::less<>>::const_iterator next_;
};

inline Result<std::unique_ptr<store::BaseCursor>> FakeBase::cursor(std::string_view from) {
  if (cursor_fails) {
    return fail(ErrorCode::kIo, "cursor", EIO);
  }
  return std::make_unique<FakeCursor>(*this, from);
}

struct FakeValue {
  Seq seq;
  std::string id;
  std::uint64_t bytes;
};

class FakeLog final : public wal::Log {
 public:
  std::set<std::uint64_t> damaged_ids;  ///< Segments whose rewriting fails.
  std::set<std::uint64_t> needed_ids;   ///< Segments that cannot be rewritten yet.
  std::uint64_t unreadable_id = 0;      ///< One whose values cannot be listed.
  bool sync_fails = false;
  std::vector<wal::SegmentInfo> infos;
  std::map<std::uint64_t, std::vector<FakeValue>> large_values;
  std::vector<std::uint64_t> removed;
  std::vector<std::vector<std::uint64_t>> rewritten;
  std::set<Seq> kept;
  Seq durable_seq = ~0ULL;
  int syncs = 0;
  std::function<void()> before_change = [] {};
  std::function<void()> before_read = [] {};
  wal::LogRecovery nothing;

  void start(wal::LogClient&) override {}
  void raise_seq_floor(Seq) override {}
  Result<Seq> append(const wal::AppendRequest&) override { return fail(ErrorCode::kIo, ""); }
  Status append_async(const wal::AppendRequest& /*request*/,
                      std::function<void(Result<Seq>)> /*done*/) override {
    return {};
  }
  Result<Seq> append_batch(std::span<const wal::AppendRequest>) override {
    return fail(ErrorCode::kIo, "");
  }
  Status sync() override {
    ++syncs;
    return sync_fails ? Status(fail(ErrorCode::kIo, "sync", EIO)) : Status{};
  }
  Status begin_segment() override { return {}; }
  Status replay(Seq, bool, const std::function<Status(const wal::RecordView&)>&) override {
    return {};
  }
  Status replay_windows(Seq, base::WorkerTeam&, wal::ReplaySink&) override { return {}; }
  Result<std::string> read_value(Seq, std::uint64_t, std::uint32_t) override {
    before_read();
    return fail(ErrorCode::kNotFound, "");
  }
  std::vector<wal::SegmentInfo> segments() const override { return infos; }
  Status visit_large_values(
      std::uint64_t segment_id,
      const std::function<Status(Seq, std::string_view, std::uint64_t)>& visit) override {
    if (segment_id == unreadable_id) {
      return fail(ErrorCode::kIo, "look at " + std::to_string(segment_id));
    }
    for (const auto& value : large_values[segment_id]) {
      TRY(visit(value.seq, value.id, value.bytes));
    }
    return {};
  }
  Result<std::uint64_t> remove_segments(std::span<const std::uint64_t> ids) override {
    before_change();
    removed.insert(removed.end(), ids.begin(), ids.end());
    std::erase_if(infos, [ids](const wal::SegmentInfo& info) {
      return std::ranges::find(ids, info.id) != ids.end();
    });
    return ids.size();
  }
  Result<std::uint64_t> rewrite_segments(
      std::span<const std::uint64_t> ids,
      const std::function<bool(const wal::RecordView&)>& keep) override {
    before_change();
    for (const std::uint64_t id : ids) {
      if (needed_ids.contains(id)) {
        return fail(ErrorCode::kInvalidArgument, std::to_string(id) + " is needed");
      }
      if (damaged_ids.contains(id)) {
        return fail(ErrorCode::kCorruption, std::to_string(id) + " is damaged");
      }
    }
    rewritten.emplace_back(ids.begin(), ids.end());
    for (const std::uint64_t id : ids) {
      for (const auto& value : large_values[id]) {
        wal::RecordView record;
        record.seq = value.seq;
        record.id = value.id;
        record.value_in_log = true;
        if (keep(record)) {
          kept.insert(value.seq);
        }
        record.value_in_log = false;
        EXPECT_FALSE(keep(record)) << "small records are in the base store";
      }
    }
    return std::uint64_t{99};
  }
  Result<ValidationReport> validate() override { return ValidationReport{}; }
  const wal::LogRecovery& recovery() const override { return nothing; }
  WalStats stats() const override {
    WalStats stats;
    stats.durable_seq = durable_seq;
    return stats;
  }
  Status close() override { return {}; }
};

inline wal::SegmentInfo segment(std::uint64_t id, Seq first, Seq last, std::uint64_t large = 0) {
  wal::SegmentInfo info;
  info.id = id;
  info.first_seq = first;
  info.last_seq = last;
  info.file_bytes = 100'000;
  info.large_values = large;
  info.sealed = true;
  return info;
}

inline store::BaseValue in_log(Seq seq) {
  store::BaseValue value;
  value.kind = store::ValueKind::kInLog;
  value.seq = seq;
  return value;
}

}  // namespace pluresdb::core
