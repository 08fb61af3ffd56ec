// The parts of engine/core one by one: identity file, disk space, liveness, failing checkpoints.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/clock.h"
#include "engine/core/checkpointer.h"
#include "engine/core/compaction_throttle.h"
#include "engine/core/compactor.h"
#include "engine/core/disk_space.h"
#include "engine/core/document_table.h"
#include "engine/core/store_identity.h"
#include "engine/io/file_system.h"
#include "engine/store/base_store.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {
namespace {

using pluresdb::testing::MemoryDisk;
using pluresdb::testing::text_of;

// --- StoreIdentity
// --------------------------------------------------------------------------------

IdentityRecord some_record() {
  IdentityRecord record;
  for (std::size_t i = 0; i < record.store_uuid.size(); ++i) {
    record.store_uuid[i] = static_cast<std::byte>(0xa0 + i);
  }
  record.created_us = 1'800'000'000'000'000;
  record.compacted_through_seq = 0x1122334455667788;
  record.actor_seq_floor = 42;
  return record;
}

StoreIdentity created(MemoryDisk& disk, const IdentityRecord& record) {
  EXPECT_TRUE(StoreIdentity::prepare(disk, "/", record).has_value());
  EXPECT_TRUE(*StoreIdentity::is_prepared(disk, "/"));
  EXPECT_EQ(StoreIdentity::load(disk, "/").error().code, ErrorCode::kNotFound);
  EXPECT_TRUE(StoreIdentity::commit(disk, "/").has_value());
  EXPECT_FALSE(*StoreIdentity::is_prepared(disk, "/"));
  return *StoreIdentity::load(disk, "/");
}

TEST(StoreIdentity, KeepsItsRecordOverUpdates) {
  MemoryDisk disk;
  auto identity = created(disk, some_record());
  IdentityRecord record = some_record();
  for (Seq seq = 1; seq < 6; ++seq) {
    record.compacted_through_seq = seq;
    ASSERT_TRUE(identity.update(record).has_value());
    disk.lose_power(std::nullopt);
    EXPECT_EQ(StoreIdentity::load(disk, "/")->record(), record);
  }
}

TEST(StoreIdentity, EitherSlotMayBeDamaged) {
  for (const std::uint64_t offset : {0ULL, 8ULL, 30ULL, 76ULL, 4096ULL, 4104ULL, 4126ULL}) {
    MemoryDisk disk;
    (void)created(disk, some_record());
    disk.flip_byte("/STORE", offset);
    const auto loaded = StoreIdentity::load(disk, "/");
    ASSERT_TRUE(loaded.has_value()) << offset << ": " << text_of(loaded);
    EXPECT_EQ(loaded->record(), some_record());
  }
}

TEST(StoreIdentity, BothSlotsDamagedIsCorruption) {
  MemoryDisk disk;
  (void)created(disk, some_record());
  disk.flip_byte("/STORE", 40);
  disk.flip_byte("/STORE", 4096 + 40);
  EXPECT_EQ(StoreIdentity::load(disk, "/").error().code, ErrorCode::kCorruption);
}

TEST(StoreIdentity, InterruptedUpdateLeavesTheOldOrTheNewRecord) {
  for (std::uint64_t n = 0; n < 3; ++n) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      MemoryDisk disk;
      auto identity = created(disk, some_record());
      IdentityRecord record = some_record();
      record.actor_seq_floor = 77;
      disk.stop_after(n);
      (void)identity.update(record);
      disk.lose_power(seed);
      const auto loaded = StoreIdentity::load(disk, "/");
      ASSERT_TRUE(loaded.has_value()) << text_of(loaded);
      EXPECT_TRUE(loaded->record() == record || loaded->record() == some_record());
    }
  }
}

TEST(StoreIdentity, FailedSyncIsNotTriedAgainOnTheSameFile) {
  MemoryDisk disk;
  auto identity = created(disk, some_record());
  IdentityRecord record = some_record();
  record.actor_seq_floor = 77;
  int syncs = 0;
  disk.set_fault([&](std::string_view operation, const std::string& path) -> std::optional<Error> {
    if (operation == "sync" && ++syncs == 1) {
      return Error{.code = ErrorCode::kIo, .sys_errno = EIO, .context = path};
    }
    return std::nullopt;
  });
  EXPECT_FALSE(identity.update(record).has_value());
  EXPECT_TRUE(identity.update(record).has_value());
  disk.lose_power(std::nullopt);
  EXPECT_EQ(StoreIdentity::load(disk, "/")->record(), record);
}

TEST(StoreIdentity, NewerVersionIsRefusedByName) {
  MemoryDisk disk;
  const auto golden = io::read_whole_file(io::posix_file_system(),
                                          PLURESDB_GOLDEN "/store/STORE-version-2", 1ULL << 20);
  ASSERT_TRUE(golden.has_value()) << text_of(golden);
  ASSERT_TRUE(io::write_file_atomically(disk, "/STORE", *golden).has_value());
  const auto loaded = StoreIdentity::load(disk, "/");
  ASSERT_FALSE(loaded.has_value());
  EXPECT_EQ(loaded.error().code, ErrorCode::kUnsupportedVersion) << text_of(loaded);
}

TEST(StoreIdentity, GoldenBytesStayReadableAndWritable) {
  // The bytes were made by another program from the table of the format.
  MemoryDisk disk;
  const auto golden = io::read_whole_file(io::posix_file_system(),
                                          PLURESDB_GOLDEN "/store/STORE-version-1", 1ULL << 20);
  ASSERT_TRUE(golden.has_value()) << text_of(golden);
  ASSERT_TRUE(io::write_file_atomically(disk, "/STORE", *golden).has_value());
  const auto loaded = StoreIdentity::load(disk, "/");
  ASSERT_TRUE(loaded.has_value()) << text_of(loaded);
  EXPECT_EQ(loaded->record(), some_record());
  MemoryDisk other;
  (void)created(other, some_record());
  EXPECT_EQ(*io::read_whole_file(other, "/STORE", 1ULL << 20), *golden);
}

// --- DiskSpace
// ------------------------------------------------------------------------------------

constexpr std::uint64_t kMiB = 1ULL << 20;

TEST(DiskSpace, GoesFromNormalOverLowToFullAndBack) {
  MemoryDisk disk;
  disk.set_capacity(1024 * kMiB);
  DiskSpace space(disk, "/", kMiB);
  EXPECT_EQ(space.state(), SpaceState::kNormal);
  space.restore_reserve();
  EXPECT_EQ(disk.info("/RESERVE")->size_bytes, kMiB);
  disk.set_capacity(20 * kMiB);
  space.refresh();
  EXPECT_EQ(space.state(), SpaceState::kNormal) << "marks shrink with the file system";
  const auto ballast = *disk.open("/ballast", io::OpenMode::kCreateNew);
  ASSERT_TRUE(ballast->allocate(17 * kMiB).has_value());
  space.refresh();
  EXPECT_EQ(space.state(), SpaceState::kLow);
  EXPECT_TRUE(space.admit(false).has_value());
  ASSERT_TRUE(ballast->allocate(19 * kMiB - 1024).has_value());
  const auto refused = space.admit(false);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(space.refusals(), 1U);
  EXPECT_EQ(space.state(), SpaceState::kFull);
  EXPECT_TRUE(space.admit(true).has_value()) << "deletes go on";
  EXPECT_FALSE(disk.info("/RESERVE").has_value()) << "into the space of the reserve";
  ASSERT_TRUE(ballast->truncate(0).has_value());
  EXPECT_TRUE(space.admit(false).has_value()) << "resumes by itself";
  EXPECT_EQ(space.state(), SpaceState::kNormal);
  space.restore_reserve();
  EXPECT_TRUE(disk.info("/RESERVE").has_value());
}

TEST(DiskSpace, RefusalByTheFileSystemIsFullUntilAWriteSucceeds) {
  MemoryDisk disk;
  DiskSpace space(disk, "/", kMiB);
  const Error error{.code = ErrorCode::kNoSpace, .sys_errno = ENOSPC, .context = "x"};
  space.note_outcome(&error);
  EXPECT_EQ(space.state(), SpaceState::kFull);
  space.restore_reserve();
  EXPECT_FALSE(disk.info("/RESERVE").has_value()) << "no reserve while others are refused";
  EXPECT_TRUE(space.admit(false).has_value()) << "each write is a probe";
  space.note_outcome(nullptr);
  EXPECT_EQ(space.state(), SpaceState::kNormal);
}

// --- Fakes for compactor and checkpointer
// ---------------------------------------------------------

class FakeBase final : public store::BaseStore {
 public:
  std::map<std::string, store::BaseValue, std::less<>> values;
  store::CheckpointMeta durable;
  int failures = 0;           ///< So many ingests fail.
  bool takes_effect = false;  ///< Though they fail.
  int reopen_failures = 0;
  int ingests = 0;
  int reopens = 0;

  Result<store::CheckpointMeta> meta() override { return durable; }
  Result<std::optional<store::BaseValue>> get(std::string_view id) override {
    const auto found = values.find(id);
    return found == values.end() ? std::nullopt : std::optional(found->second);
  }
  Result<std::unique_ptr<store::BaseCursor>> cursor(std::string_view) override {
    return fail(ErrorCode::kIo, "not used");
  }
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
  std::uint64_t file_bytes() const override { return 0; }
  Status close() override { return {}; }
};

struct FakeValue {
  Seq seq;
  std::string id;
  std::uint64_t bytes;
};

class FakeLog final : public wal::Log {
 public:
  std::vector<wal::SegmentInfo> infos;
  std::map<std::uint64_t, std::vector<FakeValue>> large_values;
  std::vector<std::uint64_t> removed;
  std::vector<std::vector<std::uint64_t>> rewritten;
  std::set<Seq> kept;
  Seq durable_seq = ~0ULL;
  int syncs = 0;
  std::function<void()> before_change = [] {};
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
    return {};
  }
  Status replay(Seq, bool, const std::function<Status(const wal::RecordView&)>&) override {
    return {};
  }
  Status replay_windows(Seq, base::WorkerTeam&, wal::ReplaySink&) override { return {}; }
  Result<std::string> read_value(Seq, std::uint64_t, std::uint32_t) override {
    return fail(ErrorCode::kNotFound, "");
  }
  std::vector<wal::SegmentInfo> segments() const override { return infos; }
  Status visit_large_values(
      std::uint64_t segment_id,
      const std::function<Status(Seq, std::string_view, std::uint64_t)>& visit) override {
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

wal::SegmentInfo segment(std::uint64_t id, Seq first, Seq last, std::uint64_t large = 0) {
  wal::SegmentInfo info;
  info.id = id;
  info.first_seq = first;
  info.last_seq = last;
  info.file_bytes = 100'000;
  info.large_values = large;
  info.sealed = true;
  return info;
}

store::BaseValue in_log(Seq seq) {
  store::BaseValue value;
  value.kind = store::ValueKind::kInLog;
  value.seq = seq;
  return value;
}

class CompactorTest : public ::testing::Test {
 protected:
  CompactorTest() : identity_(created(disk_, IdentityRecord{})) {
    log_.infos = {segment(1, 1, 10),     segment(2, 11, 20, 2), segment(3, 21, 30, 2),
                  segment(4, 31, 40, 1), segment(5, 41, 50),    segment(6, 51, 60)};
    log_.infos.back().active = true;
    log_.infos.back().sealed = false;
    log_.large_values[2] = {{11, "a", 10'000}, {12, "b", 10'000}};
    log_.large_values[3] = {{21, "c", 10'000}, {22, "a", 90'000}};
    log_.large_values[4] = {{31, "d", 10'000}};
    base_.values["a"] = in_log(22);
    base_.values["b"] = in_log(12);
    base_.values["d"] = store::BaseValue{};  // Overwritten by a small one.
  }
  static store::CheckpointMeta meta_of(Seq checkpoint, Seq previous) {
    store::CheckpointMeta meta;
    meta.checkpoint_seq = checkpoint;
    meta.previous_checkpoint_seq = previous;
    return meta;
  }
  Result<CompactionWork> run(Seq checkpoint, Seq previous, const CompactionLimits& limits = {}) {
    return compactor_.run(meta_of(checkpoint, previous), limits);
  }

  MemoryDisk disk_;
  FakeLog log_;
  FakeBase base_;
  StoreIdentity identity_;
  DiskSpace space_{disk_, "/", 64ULL << 10};
  Compactor compactor_{log_, base_, identity_, space_, {.segment_bytes = 64ULL << 10}};
};

TEST_F(CompactorTest, KeepsWhatLiesAboveThePreviousCheckpoint) {
  ASSERT_TRUE(run(60, 9).has_value());
  EXPECT_TRUE(log_.removed.empty());
  EXPECT_TRUE(log_.rewritten.empty());
  EXPECT_EQ(identity_.record().compacted_through_seq, 0U);
}

TEST_F(CompactorTest, RemovesDeadSegmentsAndThinsOutSparseOnes) {
  ASSERT_TRUE(run(60, 60).has_value());
  EXPECT_EQ(log_.removed, (std::vector<std::uint64_t>{1, 4, 5}));
  ASSERT_EQ(log_.rewritten.size(), 1U);
  EXPECT_EQ(log_.rewritten[0], (std::vector<std::uint64_t>{2}))
      << "segment 3 is mostly live: c is gone, but a has nine tenths";
  EXPECT_EQ(log_.kept, (std::set<Seq>{12}));
  EXPECT_EQ(compactor_.counts().removed, 3U);
  EXPECT_EQ(compactor_.counts().rewritten, 1U);
}

TEST_F(CompactorTest, SaysWhatGoesBeforeItGoes) {
  log_.before_change = [&] {
    const auto on_disk = StoreIdentity::load(disk_, "/");
    EXPECT_GE(on_disk->record().compacted_through_seq, log_.removed.empty() ? 50U : 20U);
  };
  ASSERT_TRUE(run(60, 60).has_value());
  EXPECT_EQ(StoreIdentity::load(disk_, "/")->record().compacted_through_seq, 50U);
}

TEST_F(CompactorTest, NothingGoesWhenThatCannotBeWrittenDown) {
  disk_.set_fault([](std::string_view, const std::string& path) -> std::optional<Error> {
    return Error{.code = ErrorCode::kIo, .sys_errno = EIO, .context = path};
  });
  EXPECT_FALSE(run(60, 60).has_value());
  EXPECT_TRUE(log_.removed.empty());
  EXPECT_TRUE(log_.rewritten.empty());
}

TEST_F(CompactorTest, KeepsTheNewestDurableRecordsWhenTheActiveSegmentMayVanish) {
  log_.durable_seq = 50;  // Of the active segment nothing is durable (Durability::kNone).
  ASSERT_TRUE(run(50, 50).has_value());
  EXPECT_EQ(log_.removed, (std::vector<std::uint64_t>{1, 4})) << "5 proves that seq 50 existed";
}

TEST_F(CompactorTest, RewritesTogetherOnlyWhatIsAdjacentBySeq) {
  // Segment 7 is an earlier rewrite of seqs 5..8: its id is next to nobody, its seqs are before 2.
  base_.values["a"] = in_log(11);
  base_.values["e"] = in_log(5);
  log_.infos.erase(log_.infos.begin());
  log_.infos.push_back(segment(7, 5, 8, 1));
  log_.large_values[7] = {{5, "e", 10'000}};
  log_.large_values[3] = {{21, "c", 10'000}, {22, "x", 90'000}};
  ASSERT_TRUE(run(60, 60).has_value());
  ASSERT_EQ(log_.rewritten.size(), 1U);
  EXPECT_EQ(log_.rewritten[0], (std::vector<std::uint64_t>{7, 2}));
}

TEST_F(CompactorTest, LimitedPassesGoOnWhereTheLastOneStopped) {
  ASSERT_TRUE(run(60, 60, {.lookups = 1}).has_value());
  EXPECT_EQ(log_.rewritten.size(), 1U) << "segment 2";
  EXPECT_EQ(log_.removed, (std::vector<std::uint64_t>{1, 5}));
  log_.removed.clear();
  ASSERT_TRUE(run(60, 60, {.lookups = 3}).has_value());
  EXPECT_TRUE(std::ranges::find(log_.removed, 4U) != log_.removed.end()) << "reached segment 4";
  EXPECT_EQ(log_.rewritten.size(), 1U) << "segment 2 was not looked at again";
}

TEST_F(CompactorTest, CollectsBelowHalfAndNotAbove) {
  for (const std::uint64_t live : {46'000U, 45'800U}) {  // Of 100,000 less 8 KiB.
    log_.infos = {segment(1, 1, 10, 1), segment(2, 11, 20)};
    log_.large_values[1] = {{1, "a", live}};
    base_.values["a"] = in_log(1);
    log_.rewritten.clear();
    ASSERT_TRUE(run(20, 20).has_value());
    EXPECT_EQ(log_.rewritten.size(), live < 45'904 ? 1U : 0U) << live;
  }
}

TEST_F(CompactorTest, CompressesOnceWhatHoldsLiveValues) {
  Compactor compactor(log_, base_, identity_, space_,
                      {.segment_bytes = 64ULL << 10, .compress = true});
  ASSERT_TRUE(compactor.run(meta_of(60, 60), {}).has_value());
  EXPECT_EQ(log_.rewritten, (std::vector<std::vector<std::uint64_t>>{{2}, {3}}))
      << "2 to collect garbage, 3 to compress: two accounts, two rewrites";
  log_.rewritten.clear();
  std::ranges::find(log_.infos, 3U, &wal::SegmentInfo::id)->compressed = true;
  ASSERT_TRUE(compactor.run(meta_of(60, 60), {}).has_value());
  EXPECT_EQ(log_.rewritten, (std::vector<std::vector<std::uint64_t>>{{2}}));
}

TEST_F(CompactorTest, LimitsAreKeptApartAndWhatIsLeftComesFirst) {
  Compactor compactor(log_, base_, identity_, space_,
                      {.segment_bytes = 64ULL << 10, .compress = true});
  const auto first = compactor.run(meta_of(60, 60), {.lookups = 100, .compress_bytes = 0});
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(log_.rewritten, (std::vector<std::vector<std::uint64_t>>{{2}}));
  EXPECT_TRUE(first->compress_ran_out);
  EXPECT_FALSE(first->collect_ran_out);
  EXPECT_EQ(first->collect_bytes, 100'000U);
  EXPECT_EQ(first->compress_bytes, 0U);
  const auto second = compactor.run(meta_of(60, 60), {.lookups = 2, .collect_bytes = 0});
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(log_.rewritten.back(), std::vector<std::uint64_t>{3}) << "the budget went on there";
}

TEST_F(CompactorTest, ManySmallFilesInARowBecomeOne) {
  log_.infos.clear();
  for (std::uint64_t id = 1; id <= 6; ++id) {
    log_.infos.push_back(segment(id, id * 10, id * 10 + 5, 1));
    log_.infos.back().file_bytes = id == 2 ? 30'000 : 5000;
    log_.infos.back().compressed = true;
    log_.large_values[id] = {{id * 10, std::to_string(id), id == 2 ? 20'000U : 600U}};
    base_.values[std::to_string(id)] = in_log(id * 10);
  }
  log_.infos.push_back(segment(7, 70, 75));
  log_.infos.back().active = true;
  ASSERT_TRUE(run(75, 75).has_value());
  EXPECT_EQ(log_.rewritten, (std::vector<std::vector<std::uint64_t>>{{3, 4, 5, 6}}))
      << "2 is large, and 1 is alone";
}

TEST_F(CompactorTest, ATinyFileIsNotRewrittenForItsHeaderAgainAndAgain) {
  log_.infos = {segment(1, 1, 10, 1), segment(2, 11, 20)};
  log_.infos[0].file_bytes = 4096 + 128 + 300 + 400;
  log_.infos[0].compressed = true;
  log_.large_values[1] = {{1, "a", 400}};
  base_.values["a"] = in_log(1);
  ASSERT_TRUE(run(20, 20).has_value());
  EXPECT_TRUE(log_.rewritten.empty());
}

TEST_F(CompactorTest, CompressionKeepsClearOfAWritersNextSegment) {
  Compactor compactor(log_, base_, identity_, space_,
                      {.segment_bytes = 64ULL << 10, .compress = true});
  base_.values["b"] = in_log(1);  // Segment 2 is dead, 3 is worth compressing.
  disk_.set_capacity(disk_.used() + 140'000);
  ASSERT_TRUE(compactor.run(meta_of(60, 60), {}).has_value());
  EXPECT_TRUE(log_.rewritten.empty()) << "90,000 bytes and a segment do not fit";
  disk_.set_capacity(disk_.used() + 170'000);
  ASSERT_TRUE(compactor.run(meta_of(60, 60), {}).has_value());
  EXPECT_EQ(log_.rewritten, (std::vector<std::vector<std::uint64_t>>{{3}}));
}

// --- CompactionThrottle
// ---------------------------------------------------------------------------

constexpr std::int64_t kSecondNs = 1'000'000'000;

TEST(CompactionThrottle, EarnsByAppendedBytesAndByTime) {
  CompactionThrottle throttle(64 * kMiB, 0);
  EXPECT_EQ(throttle.limits().collect_bytes, 0U);
  throttle.earn(0, 10 * kMiB, 100);
  EXPECT_EQ(throttle.limits().collect_bytes, 30 * kMiB);
  EXPECT_EQ(throttle.limits().compress_bytes, 10 * kMiB);
  EXPECT_EQ(throttle.limits().lookups, 400U);
  throttle.earn(2 * kSecondNs, 10 * kMiB, 100);
  EXPECT_EQ(throttle.limits().collect_bytes, 38 * kMiB);
  EXPECT_EQ(throttle.limits().compress_bytes, 18 * kMiB);
  EXPECT_EQ(throttle.limits().lookups, 4400U);
  throttle.earn(5'000'000 * kSecondNs, 10 * kMiB, 100);
  EXPECT_EQ(throttle.limits().collect_bytes, 128 * kMiB) << "no storm after a pause";
}

TEST(CompactionThrottle, DebtIsEarnedBackBeforeMoreIsBegun) {
  CompactionThrottle throttle(64 * kMiB, 0);
  throttle.earn(kSecondNs / 2, 0, 0);
  EXPECT_FALSE(throttle.can_go_on()) << "nothing was left";
  throttle.spend({.lookups = 10, .collect_bytes = 64 * kMiB, .collect_ran_out = true});
  EXPECT_EQ(throttle.limits().collect_bytes, 0U);
  EXPECT_EQ(throttle.limits().compress_bytes, 2 * kMiB) << "the other account is untouched";
  EXPECT_FALSE(throttle.can_go_on());
  throttle.earn(15 * kSecondNs, 0, 0);
  EXPECT_FALSE(throttle.can_go_on());
  throttle.earn(17 * kSecondNs, 0, 0);
  EXPECT_TRUE(throttle.can_go_on()) << "62 MiB at 4 MiB a second";
  throttle.spend({.lookups = 10, .lookups_ran_out = true});
  EXPECT_TRUE(throttle.can_go_on());
}

// Goal: neither falls behind without bound. Method: everything that is appended dies, and lies in
// segments that are just below half live, the most expensive there are: two bytes are read for each
// that is given back. All of it is to be compressed once as well.
TEST(CompactionThrottle, NoWriterOutrunsIt) {
  for (const std::uint64_t bytes_per_tick : {kMiB / 8, kMiB, 20 * kMiB, 400 * kMiB}) {
    CompactionThrottle throttle(64 * kMiB, 0);
    std::uint64_t appended = 0;
    std::int64_t garbage = 0;
    std::int64_t uncompressed = 0;
    std::int64_t worst = 0;
    for (std::int64_t tick = 1; tick <= 5000; ++tick) {
      appended += bytes_per_tick;
      garbage += static_cast<std::int64_t>(bytes_per_tick);
      uncompressed += static_cast<std::int64_t>(bytes_per_tick);
      throttle.earn(tick * kSecondNs / 5, appended, appended / 16384);
      const auto limits = throttle.limits();
      CompactionWork work;
      const auto segment = static_cast<std::int64_t>(64 * kMiB);
      while (work.collect_bytes < limits.collect_bytes && garbage >= segment / 2) {
        work.collect_bytes += 64 * kMiB;
        garbage -= segment / 2;
      }
      while (work.compress_bytes < limits.compress_bytes && uncompressed >= segment) {
        work.compress_bytes += 64 * kMiB;
        uncompressed -= segment;
      }
      throttle.spend(work);
      worst = std::max({worst, garbage, uncompressed});
    }
    // What one tick brings, beyond what may be saved up for it, waits for the next.
    EXPECT_LT(worst, static_cast<std::int64_t>(2 * bytes_per_tick + 320 * kMiB)) << bytes_per_tick;
  }
}

TEST(CompactionThrottle, ManySmallStepsEarnAsMuchAsOne) {
  CompactionThrottle throttle(64 * kMiB, 0);
  for (std::int64_t now = 1; now <= 1'000'000; ++now) {
    throttle.earn(now * 1000, 0, 0);  // A microsecond each.
  }
  EXPECT_NEAR(static_cast<double>(throttle.limits().collect_bytes), 4.0 * kMiB, 1000);
}

class CheckpointerTest : public ::testing::Test {
 protected:
  CheckpointerTest() : identity_(created(disk_, IdentityRecord{})) {}
  void write(Seq seq, const std::string& id) {
    wal::RecordView record;
    record.seq = seq;
    record.actor = "a";
    record.actor_seq = seq;
    record.hlc = seq;
    record.id = id;
    record.value = "1";
    table_.apply({&record, 1});
  }
  std::unique_ptr<Checkpointer> make(Durability durability = Durability::kWal) {
    EngineOptions options;
    options.durability = durability;
    options.dirty_bytes_max = 2000;
    return std::make_unique<Checkpointer>(CheckpointerParts{.table = table_,
                                                            .base = base_,
                                                            .log = log_,
                                                            .compactor = compactor_,
                                                            .space = space_,
                                                            .clock = system_clock()},
                                          options, store::CheckpointMeta{});
  }

  MemoryDisk disk_;
  FakeLog log_;
  FakeBase base_;
  StoreIdentity identity_;
  DiskSpace space_{disk_, "/", 64ULL << 10};
  Compactor compactor_{log_, base_, identity_, space_, {.segment_bytes = 64ULL << 10}};
  DocumentTable table_;
};

TEST_F(CheckpointerTest, FailedIngestIsTriedAgainAfterReopening) {
  const auto checkpointer = make();
  write(1, "x");
  base_.failures = 1;
  EXPECT_TRUE(checkpointer->cover(1).has_value());
  EXPECT_EQ(base_.ingests, 2);
  EXPECT_EQ(base_.reopens, 1);
  EXPECT_EQ(base_.durable.checkpoint_seq, 1U);
  EXPECT_EQ(checkpointer->stats().failures, 1U);
  EXPECT_EQ(checkpointer->stats().checkpoints, 1U);
}

TEST_F(CheckpointerTest, PersistentFailureKeepsEverythingInTheTable) {
  const auto checkpointer = make();
  write(1, "x");
  base_.failures = 1000;
  EXPECT_FALSE(checkpointer->cover(1).has_value());
  EXPECT_EQ(table_.stats().documents, 1U);
  write(2, "y");
  EXPECT_FALSE(checkpointer->checkpoint().has_value());
  base_.failures = 0;
  EXPECT_EQ(*checkpointer->checkpoint(), 2U);
  EXPECT_EQ(base_.values.size(), 2U);
  EXPECT_EQ(table_.stats().documents, 0U);
}

TEST_F(CheckpointerTest, FailedIngestThatTookEffectIsBelievedToTheBaseStore) {
  const auto checkpointer = make();
  write(1, "x");
  base_.failures = 1;
  base_.takes_effect = true;
  EXPECT_TRUE(checkpointer->cover(1).has_value());
  EXPECT_EQ(base_.ingests, 1);
  EXPECT_EQ(table_.stats().documents, 0U);
  EXPECT_EQ(checkpointer->stats().checkpoint_seq, 1U);
}

TEST_F(CheckpointerTest, FailedReopenAfterAnIngestThatTookEffectLosesNothing) {
  const auto checkpointer = make();
  write(1, "x");
  base_.failures = 1;
  base_.takes_effect = true;
  base_.reopen_failures = 1;
  EXPECT_TRUE(checkpointer->cover(1).has_value()) << "the second attempt asks the base store";
  EXPECT_EQ(base_.values.size(), 1U);
  write(2, "y");
  EXPECT_EQ(*checkpointer->checkpoint(), 2U);
  EXPECT_EQ(base_.durable.previous_checkpoint_seq, 1U) << "the log since the one before is kept";
  EXPECT_EQ(base_.values.size(), 2U);
}

TEST_F(CheckpointerTest, BaseStoreThatFellBackIsNotReadAnyMore) {
  const auto checkpointer = make();
  write(1, "x");
  ASSERT_TRUE(checkpointer->checkpoint().has_value());
  write(2, "y");
  base_.failures = 1000;
  base_.durable = {};
  const auto outcome = checkpointer->cover(2);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_FALSE(checkpointer->base_is_trusted());
  EXPECT_EQ(checkpointer->cover(2).error().code, ErrorCode::kBaseLost);
}

TEST_F(CheckpointerTest, BaseStoreThatFellBackAndOpensOnlyForReadingIsNotReadEither) {
  const auto checkpointer = make();
  write(1, "x");
  ASSERT_TRUE(checkpointer->checkpoint().has_value());
  write(2, "y");
  base_.failures = 1000;
  base_.reopen_failures = 1000;
  base_.durable = {};
  ASSERT_FALSE(checkpointer->cover(2).has_value());
  EXPECT_FALSE(checkpointer->base_is_trusted());
}

TEST_F(CheckpointerTest, NoneSyncsTheLogBeforeTheBaseStoreKnowsItsSeqs) {
  const auto checkpointer = make(Durability::kNone);
  write(1, "x");
  ASSERT_TRUE(checkpointer->cover(1).has_value());
  EXPECT_EQ(log_.syncs, 1);
}

TEST_F(CheckpointerTest, PressureIsRelievedOrReported) {
  const auto checkpointer = make();
  for (Seq seq = 1; table_.bytes() < 2000; ++seq) {
    write(seq, "id" + std::to_string(seq));
  }
  base_.failures = 1000;
  EXPECT_FALSE(checkpointer->relieve_pressure().has_value());
  base_.failures = 0;
  EXPECT_TRUE(checkpointer->relieve_pressure().has_value());
  EXPECT_EQ(table_.bytes(), 0U);
  EXPECT_TRUE(checkpointer->relieve_pressure().has_value());
}

}  // namespace
}  // namespace pluresdb::core
