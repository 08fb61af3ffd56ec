// Checkpoints that fail, half or wholly, on a base store that is made up.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/clock.h"
#include "engine/core/checkpointer.h"
#include "engine/core/compactor.h"
#include "engine/core/disk_space.h"
#include "engine/core/document_reader.h"
#include "engine/core/document_table.h"
#include "engine/core/store_identity.h"
#include "engine/store/base_store.h"
#include "engine/tests/core_fakes.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::core {
namespace {

using pluresdb::testing::MemoryDisk;

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

TEST_F(CheckpointerTest, ABaseStoreThatDoesNotSayWhereItEndsIsNotBelieved) {
  const auto checkpointer = make();
  write(1, "x");
  base_.failures = 1;
  base_.takes_effect = true;
  base_.meta_fails = true;
  const Status outcome = checkpointer->cover(1);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().context, "meta");
  EXPECT_EQ(table_.stats().documents, 1U) << "still the only one to have it for sure";
  base_.meta_fails = false;
  EXPECT_TRUE(checkpointer->cover(1).has_value());
  EXPECT_EQ(checkpointer->stats().checkpoint_seq, 1U);
}

TEST_F(CheckpointerTest, EveryoneWhoWaitsForAFailingCheckpointIsTold) {
  const auto checkpointer = make();
  write(1, "x");
  base_.failures = 1000;
  std::vector<std::thread> waiting;
  std::atomic<int> told = 0;
  for (int i = 0; i < 8; ++i) {
    waiting.emplace_back([&] { told += checkpointer->cover(1).has_value() ? 0 : 1; });
  }
  for (std::thread& thread : waiting) {
    thread.join();
  }
  EXPECT_EQ(told, 8);
  EXPECT_EQ(table_.stats().documents, 1U);
}

// INV-CORE-8, seen by who reads: what the table still has is true, all else would be older.
TEST_F(CheckpointerTest, ReadsAreRefusedWhenTheBaseStoreFellBack) {
  const auto checkpointer = make();
  DocumentReader reader(table_, base_, log_, *checkpointer);
  write(1, "x");
  ASSERT_TRUE(checkpointer->checkpoint().has_value());
  write(2, "y");
  base_.failures = 1000;
  base_.durable = {};
  ASSERT_FALSE(checkpointer->cover(2).has_value());
  EXPECT_TRUE(reader.get("y").has_value());
  EXPECT_EQ(reader.get("x").error().code, ErrorCode::kBaseLost);
  EXPECT_EQ(reader.list("", "", 10).error().code, ErrorCode::kBaseLost);
}

TEST_F(CheckpointerTest, WhatCannotBeReadOfTheBaseStoreIsAnErrorAndNoAbsence) {
  const auto checkpointer = make();
  DocumentReader reader(table_, base_, log_, *checkpointer);
  write(1, "x");
  write(2, "y");
  ASSERT_TRUE(checkpointer->checkpoint().has_value());
  ASSERT_EQ(reader.list("", "", 10)->size(), 2U);
  base_.cursor_fails = true;
  EXPECT_EQ(reader.list("", "", 10).error().context, "cursor");
  base_.cursor_fails = false;
  base_.reads_fail = true;
  EXPECT_EQ(reader.get("x").error().context, "get");
  EXPECT_EQ(reader.list("", "", 10).error().context, "next");
  base_.reads_fail = false;
  EXPECT_EQ((*reader.get("x"))->json, "1");
}

// The log has lost the value; whether a later write explains that is for the base store to say.
TEST_F(CheckpointerTest, AMissingValueIsNotTakenForADeletedDocumentWhenNobodyKnows) {
  const auto checkpointer = make();
  DocumentReader reader(table_, base_, log_, *checkpointer);
  base_.values["x"] = in_log(1);
  EXPECT_EQ(reader.get("x").error().code, ErrorCode::kCorruption) << "no later write";
  log_.before_read = [this] { base_.reads_fail = true; };
  EXPECT_EQ(reader.get("x").error().context, "get");
}

TEST_F(CheckpointerTest, NoneMakesNoCheckpointOfWhatTheLogCannotSync) {
  const auto checkpointer = make(Durability::kNone);
  write(1, "x");
  log_.sync_fails = true;
  EXPECT_EQ(checkpointer->cover(1).error().context, "sync");
  EXPECT_EQ(base_.ingests, 0);
  EXPECT_EQ(table_.stats().documents, 1U);
  log_.sync_fails = false;
  EXPECT_TRUE(checkpointer->cover(1).has_value());
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
