// Goal: each kind of violation is found by a history that has it and by no history without it.
#include "harness/oracle/oracle.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/oracle/number_set.h"
#include "harness/tests/oracle_history.h"
#include <pluresdb/error.h>

namespace soak::oracle {
namespace {

TEST(Oracle, AcknowledgedWriteReadBackIsRight) {
  History history;
  const auto op = history.put(kNote);
  history.agent_read(kNote, op);
  history.crash();
  history.read(kNote, op);
  EXPECT_EQ(found(history), Kinds{});
  EXPECT_EQ(history.oracle.counts().acknowledged, 1U);
  EXPECT_EQ(history.oracle.counts().verified_reads, 2U);
  EXPECT_EQ(history.oracle.counts().live_documents, 1U);
}

TEST(Oracle, LiveWritesAreTheAcknowledgedOnesThatAreThere) {
  History history;
  const auto listed = [&] {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> found;
    for (const LiveWrite& write : history.oracle.live_writes()) {
      found.emplace_back(write.key.number, write.op);
    }
    return found;
  };
  history.put(History::memory(1));
  const std::uint64_t second = history.put(History::memory(1));
  history.put(History::memory(2), Outcome::kMaybe);
  history.put(History::memory(3));
  history.erase(History::memory(3));
  const std::uint64_t kept = history.put(History::memory(4));
  history.erase(History::memory(4), Outcome::kMaybe);
  const std::uint64_t lost = history.put(History::memory(5));
  EXPECT_EQ(listed(), (decltype(listed()){{1, second}, {4, kept}, {5, lost}}));
  history.read(History::memory(5), 0);
  EXPECT_EQ(listed(), (decltype(listed()){{1, second}, {4, kept}})) << "5 was found to be lost";
}

TEST(Oracle, AbsentAcknowledgedWriteIsLost) {
  History history;
  history.put(kCapture);
  history.crash();
  history.read(kCapture, 0);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
  EXPECT_EQ(history.oracle.counts().lost_acknowledged_writes, 1U);
}

TEST(Oracle, OlderWriteInItsPlaceIsALostWrite) {
  History history;
  const auto old_op = history.put(kNote);
  history.put(kNote);
  history.put(History::memory(8));
  history.crash();
  history.read(kNote, old_op);
  const auto violations = history.oracle.take_violations();
  ASSERT_EQ(violations.size(), 1U);
  EXPECT_EQ(violations[0].kind, ViolationKind::kLostAcknowledgedWrite);
  EXPECT_EQ(violations[0].document_id, "agent-0/memory/000000000007");
  EXPECT_NE(violations[0].detail.find("op 2 (acknowledged)"), std::string::npos);
  EXPECT_NE(violations[0].detail.find("op 1 ("), std::string::npos);
}

TEST(Oracle, LossIsReportedOncePerDocumentUntilItIsWrittenAgain) {
  History history;
  history.put(kNote);
  history.crash();
  history.read(kNote, 0);
  history.read(kNote, 0);
  EXPECT_EQ(found(history).size(), 1U);
  history.put(kNote);
  history.crash();
  history.read(kNote, 0);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
}

TEST(Oracle, WrongBytesAreACorruptRead) {
  History history;
  const auto op = history.put(kNote);
  auto bytes = history.digest(kNote, op);
  bytes.hash ^= 1;
  history.read_bytes(kNote, bytes);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kCorruptRead});
  EXPECT_EQ(history.oracle.counts().corrupt_reads, 1U);
}

TEST(Oracle, BytesOfAnotherDocumentAreNotRight) {
  History history;
  history.put(kNote);
  const DocumentKey other = History::memory(7, 1);
  const auto other_op = history.put(other);
  history.read_bytes(kNote, history.digest(other, other_op));
  EXPECT_EQ(found(history), Kinds{ViolationKind::kCorruptRead});
}

TEST(Oracle, DeletedDocumentStaysAway) {
  History history;
  const auto op = history.put(kCapture);
  history.erase(kCapture);
  history.crash();
  history.read(kCapture, 0);
  EXPECT_EQ(found(history), Kinds{});
  EXPECT_EQ(history.oracle.counts().live_documents, 0U);
  history.read(kCapture, op);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kResurrectedDelete});
}

TEST(Oracle, DeletedDocumentBehindAMaybeIsStillResurrected) {
  History history;
  const auto op = history.put(kNote);
  history.erase(kNote);
  history.put(kNote, Outcome::kMaybe);
  history.crash();
  history.read(kNote, op);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kResurrectedDelete});
}

TEST(Oracle, MaybeMayBeThereOrNot) {
  for (const bool survives : {false, true}) {
    History history;
    const auto op = history.put(kNote);
    const auto maybe = history.attempt(kNote);
    history.crash();
    EXPECT_EQ(history.oracle.counts().maybe, 1U);
    EXPECT_EQ(history.oracle.counts().open_maybes, 1U);
    history.read(kNote, survives ? maybe : op);
    history.read(kNote, survives ? maybe : op);
    EXPECT_EQ(found(history), Kinds{}) << survives;
    EXPECT_EQ(history.oracle.counts().open_maybes, 0U);
  }
}

TEST(Oracle, MaybeSeenMustStay) {
  History history;
  const auto op = history.put(kNote);
  const auto maybe = history.attempt(kNote);
  history.crash();
  history.read(kNote, maybe);
  history.crash();
  history.read(kNote, op);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kMaybeVanished});
  EXPECT_EQ(history.oracle.counts().maybes_vanished, 1U);
}

TEST(Oracle, MaybeNotSeenMustNotAppear) {
  History history;
  const auto op = history.put(kNote);
  const auto maybe = history.attempt(kNote);
  history.crash();
  history.read(kNote, op);
  history.crash();
  history.read(kNote, maybe);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kMaybeReappeared});
}

TEST(Oracle, FirstWriteThatDidNotSurviveMustNotAppear) {
  History history;
  const auto maybe = history.attempt(kCapture);
  history.crash();
  history.read(kCapture, 0);
  history.crash();
  history.read(kCapture, maybe);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kMaybeReappeared});
}

TEST(Oracle, RefusedWriteMustNotAppear) {
  History history;
  history.put(kNote);
  const auto refused = history.put(kNote, Outcome::kNotWritten);
  history.agent_read(kNote, refused);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kMaybeReappeared});
  EXPECT_EQ(history.oracle.counts().not_written, 1U);
}

TEST(Oracle, MaybeDeleteMayHaveHappened) {
  for (const bool survives : {false, true}) {
    History history;
    const auto op = history.put(kCapture);
    history.attempt(kCapture, true);
    history.crash();
    history.read(kCapture, survives ? 0 : op);
    EXPECT_EQ(found(history), Kinds{});
    history.crash();
    history.read(kCapture, survives ? op : 0);
    EXPECT_EQ(found(history).size(), 1U) << survives;
  }
}

TEST(Oracle, AbsenceOfAMaybeInItsOwnIncarnationProvesNothing) {
  History history;
  const auto op = history.put(kNote);
  const auto maybe = history.put(kNote, Outcome::kMaybe);
  history.agent_read(kNote, op);
  EXPECT_EQ(history.oracle.counts().open_maybes, 1U);
  history.crash();
  history.read(kNote, maybe);
  EXPECT_EQ(found(history), Kinds{});
}

TEST(Oracle, MaybeSeenInItsOwnIncarnationMustStay) {
  History history;
  const auto op = history.put(kNote);
  const auto maybe = history.put(kNote, Outcome::kMaybe);
  history.agent_read(kNote, maybe);
  history.crash();
  history.read(kNote, op);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kMaybeVanished});
}

TEST(Oracle, OfSeveralMaybesTheOneSeenIsTheTruth) {
  History history;
  const auto op = history.put(kNote);
  const auto first = history.put(kNote, Outcome::kMaybe);
  const auto second = history.put(kNote, Outcome::kMaybe);
  history.crash();
  history.read(kNote, first);
  EXPECT_EQ(found(history), Kinds{});
  history.read(kNote, second);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kMaybeReappeared});
  static_cast<void>(op);
}

TEST(Oracle, AcknowledgedWriteEndsEarlierMaybes) {
  History history;
  const auto maybe = history.put(kNote, Outcome::kMaybe);
  history.put(kNote);
  EXPECT_EQ(history.oracle.counts().open_maybes, 0U);
  history.crash();
  history.read(kNote, maybe);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
}

TEST(Oracle, DocumentThatNobodyAttemptedIsAlien) {
  History history;
  history.put(History::stdout_of(0));
  history.read_bytes(History::stdout_of(1), {.length = 40, .hash = 1});
  EXPECT_EQ(found(history), Kinds{ViolationKind::kAlienDocument});
}

TEST(Oracle, UnreadableDocumentIsAViolationWhenItMustBeThere) {
  History history;
  history.put(kCapture);
  history.oracle.consume(history.failed_read(kCapture, pluresdb::ErrorCode::kIo));
  EXPECT_EQ(found(history), Kinds{});  // An injected error, perhaps.
  history.oracle.verify(history.failed_read(History::stdout_of(99), pluresdb::ErrorCode::kIo));
  EXPECT_EQ(found(history), Kinds{});  // Nothing must be there.
  history.oracle.verify(history.failed_read(kCapture, pluresdb::ErrorCode::kIo));
  EXPECT_EQ(found(history), Kinds{ViolationKind::kReadFailed});
}

TEST(Oracle, DocumentThatIsReportedDamagedCountsAsLost) {
  History history;
  history.put(kCapture);
  history.oracle.verify(history.failed_read(kCapture, pluresdb::ErrorCode::kCorruption));
  EXPECT_EQ(found(history), Kinds{ViolationKind::kReadFailed});
  EXPECT_EQ(history.oracle.counts().lost_acknowledged_writes, 1U);
}

TEST(Oracle, RefusedWriteIsReadBackAndMustNotBeThere) {
  History history;
  const auto refused = history.put(kCapture, Outcome::kNotWritten);
  history.crash();
  const auto keys = history.oracle.keys_to_verify(0);
  EXPECT_NE(std::find(keys.begin(), keys.end(), kCapture), keys.end());
  history.read(kCapture, refused);
  EXPECT_NE(found(history), Kinds{});
}

TEST(Oracle, RefusedWriteOfAKnownDocumentIsReadBack) {
  History history;
  history.put(kNote);
  static_cast<void>(history.oracle.keys_to_verify(0));
  const auto refused = history.put(kNote, Outcome::kNotWritten);
  history.crash();
  EXPECT_EQ(history.oracle.keys_to_verify(0).size(), 1U);
  history.read(kNote, refused);
  EXPECT_NE(found(history), Kinds{});
}

TEST(Oracle, DamageThatTheEngineReportsToAnAgentIsAViolation) {
  History history;
  history.put(kCapture);
  history.oracle.consume(history.failed_read(kCapture, pluresdb::ErrorCode::kCorruption));
  EXPECT_EQ(found(history), Kinds{ViolationKind::kReadFailed});
  EXPECT_EQ(history.oracle.counts().operations[5][3], 1U);  // read, failed
}

TEST(Oracle, ScanFindsWhatIsMissing) {
  History history;
  const auto note_op = history.put(kNote);
  history.put(kCapture);
  history.crash();
  history.oracle.begin_scan();
  history.scan_entry(kNote, note_op);
  history.oracle.end_scan();
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
}

TEST(Oracle, ScanFindsWhatMustNotBeThere) {
  History history;
  const auto op = history.put(kCapture);
  history.erase(kCapture);
  LedgerRecord alien{.type = LedgerType::kScanEntry, .found = 1};
  set_alien_id(alien, "who/is/this");
  history.oracle.begin_scan();
  history.scan_entry(kCapture, op);
  history.oracle.scan_entry(alien, alien_id(alien));
  history.oracle.end_scan();
  const auto violations = history.oracle.take_violations();
  ASSERT_EQ(violations.size(), 2U);
  EXPECT_EQ(violations[0].kind, ViolationKind::kResurrectedDelete);
  EXPECT_EQ(violations[1].kind, ViolationKind::kAlienDocument);
  EXPECT_EQ(violations[1].document_id, "who/is/this");
}

TEST(Oracle, ScanThatListsADocumentTwiceIsWrong) {
  History history;
  const auto op = history.put(kNote);
  history.oracle.begin_scan();
  history.scan_entry(kNote, op);
  history.scan_entry(kNote, op);
  history.oracle.end_scan();
  EXPECT_EQ(found(history), Kinds{ViolationKind::kCorruptRead});
  history.oracle.begin_scan();
  history.scan_entry(kNote, op);
  history.oracle.end_scan();
  EXPECT_EQ(found(history), Kinds{});
}

TEST(Oracle, ScanResolvesMaybes) {
  History history;
  history.attempt(kCapture);
  history.crash();
  history.oracle.begin_scan();
  history.oracle.end_scan();
  EXPECT_EQ(found(history), Kinds{});
  EXPECT_EQ(history.oracle.counts().open_maybes, 0U);
}

TEST(Oracle, WithoutDurabilityAcknowledgedWritesMayGoBackToTheLastStart) {
  for (std::size_t shown = 0; shown < 4; ++shown) {
    History history(2, true);
    std::vector<std::uint64_t> ops = {0};
    ops.push_back(history.put(kNote));
    history.crash();
    history.read(kNote, ops[1]);
    ops.push_back(history.put(kNote));
    ops.push_back(history.put(kNote));
    history.crash(true);
    history.read(kNote, ops[shown]);
    // What an earlier recovery has shown was durable then.
    EXPECT_EQ(found(history).size(), shown == 0 ? 1U : 0U) << shown;
  }
}

TEST(Oracle, WithoutDurabilityAPlainReadIsStillStrict) {
  History history(2, true);
  const auto old_op = history.put(kNote);
  history.put(kNote);
  history.agent_read(kNote, old_op);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
}

TEST(Oracle, WithoutDurabilityWhatARecoveryHasShownStays) {
  History history(2, true);
  history.put(kNote);
  const auto op = history.put(kNote);
  history.crash(true);
  history.read(kNote, op);
  history.crash(true);
  history.read(kNote, 0);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
}

TEST(Oracle, WithoutDurabilityADeletedDocumentMayComeBack) {
  History history(2, true);
  const auto op = history.put(kCapture);
  history.crash();
  history.read(kCapture, op);
  history.erase(kCapture);
  history.crash(true);
  history.read(kCapture, op);
  EXPECT_EQ(found(history), Kinds{});
}

TEST(Oracle, WithoutDurabilityALongHistoryIsCutButNotMisjudged) {
  History history(1, true);
  const auto first = history.put(kNote);
  std::uint64_t last = 0;
  for (int i = 0; i < 10'000; ++i) {
    last = history.put(kNote);
  }
  history.crash(true);
  history.read(kNote, first + 1);
  EXPECT_EQ(found(history), Kinds{});
  history.read(kNote, last);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kMaybeReappeared});
}

TEST(Oracle, KeysToVerifyAreTheTouchedTheDeletedAndTheOpen) {
  History history;
  history.put(kNote);
  history.put(kCapture);
  history.erase(kCapture);
  history.attempt(History::memory(9));
  history.crash();
  EXPECT_EQ(history.oracle.keys_to_verify(0),
            (std::vector<DocumentKey>{kCapture, kNote, History::memory(9)}));
  // Only the open maybe is asked for again.
  EXPECT_EQ(history.oracle.keys_to_verify(0), std::vector<DocumentKey>{History::memory(9)});
}

TEST(Oracle, SampleAsksForOthersAndForDeletedOnes) {
  History history;
  for (std::uint64_t i = 0; i < 100; ++i) {
    history.put(History::stdout_of(i));
  }
  for (std::uint64_t i = 0; i < 50; ++i) {
    history.erase(History::stdout_of(i));
  }
  EXPECT_EQ(history.oracle.keys_to_verify(0).size(), 100U);
  const auto keys = history.oracle.keys_to_verify(40);
  const auto deleted = std::count_if(keys.begin(), keys.end(),
                                     [](const DocumentKey& key) { return key.number < 50; });
  EXPECT_GT(deleted, 0);
  EXPECT_GT(keys.size() - static_cast<std::size_t>(deleted), 20U);
  EXPECT_LE(keys.size(), 40U);
}

TEST(Oracle, ProgressNeverGivesANumberTwice) {
  History history;
  for (std::uint64_t i = 0; i < 10; ++i) {
    history.put(History::stdout_of(i));
  }
  for (std::uint64_t i = 0; i < 4; ++i) {
    history.erase(History::stdout_of(i));
  }
  history.attempt(History::stdout_of(10));
  history.oracle.worker_died(false);
  const AgentProgress progress = history.oracle.progress(0);
  EXPECT_EQ(progress.next_op, 16U);
  EXPECT_EQ(progress.next_number[1], 11U);
  EXPECT_EQ(progress.first_number[1], 4U);
  EXPECT_EQ(history.oracle.progress(1).next_op, 1U);
}

TEST(Oracle, MemoryIsBoundedByLiveDocuments) {
  History history(1);
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    history.put(History::stdout_of(i));
    if (i >= 100) {
      history.erase(History::stdout_of(i - 100));
    }
  }
  EXPECT_EQ(history.oracle.counts().live_documents, 100U);
  // Touched documents and the newest deleted ones, but not 100,000.
  EXPECT_LT(history.oracle.keys_to_verify(1'000'000).size(), 66'000U);
}

TEST(Oracle, RecordsThatNoWorkerWritesAreProtocolErrors) {
  History history;
  LedgerRecord record{.type = LedgerType::kOutcome, .op = 3};
  history.oracle.consume(record);  // No intent.
  record = {.type = LedgerType::kIntent, .agent = 9, .op = 1};
  history.oracle.consume(record);  // No such agent.
  history.put(kNote);
  record = {.type = LedgerType::kIntent, .stream = OperationKind::kMemory, .op = 1};
  history.oracle.consume(record);    // Op used twice.
  history.oracle.worker_started(1);  // Incarnations grow.
  history.oracle.worker_died(true);  // Nobody said that acknowledged writes may be lost.
  EXPECT_EQ(history.oracle.counts().protocol_errors, 5U);
  EXPECT_TRUE(history.oracle.take_violations().empty());
}

TEST(Oracle, CountsOperationsByKindAndOutcome) {
  History history;
  history.put(kNote);
  history.put(kNote, Outcome::kNotWritten);
  history.erase(kNote);
  history.agent_read(kNote, 0);
  history.attempt(kCapture);
  history.crash();
  const OracleCounts& counts = history.oracle.counts();
  EXPECT_EQ(counts.attempted, 4U);
  EXPECT_EQ(counts.acknowledged, 2U);
  EXPECT_EQ(counts.not_written, 1U);
  EXPECT_EQ(counts.maybe, 1U);
  EXPECT_EQ(counts.operations[4][0], 1U);  // memory, acknowledged
  EXPECT_EQ(counts.operations[4][1], 1U);  // memory, not written
  EXPECT_EQ(counts.operations[7][0], 1U);  // delete, acknowledged
  EXPECT_EQ(counts.operations[5][0], 1U);  // read
  EXPECT_EQ(counts.operations[1][2], 1U);  // stdout, maybe
}

TEST(Oracle, ViolationsAreCappedButCounted) {
  History history(1);
  for (std::uint64_t i = 0; i < 1500; ++i) {
    history.put(History::stdout_of(i));
  }
  for (std::uint64_t i = 0; i < 1500; ++i) {
    history.read(History::stdout_of(i), 0);
  }
  EXPECT_EQ(history.oracle.take_violations().size(), 1000U);
  EXPECT_EQ(history.oracle.counts().lost_acknowledged_writes, 1500U);
  EXPECT_EQ(history.oracle.counts().live_documents, 0U);
}

// ---- Seqs ---------------------------------------------------------------------------------------

TEST(Oracle, ASeqIsGivenOutOnce) {
  History history;
  history.put(kNote);
  history.put(kCapture);
  history.set_seq(history.seq() - 1);
  history.put(kNote);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kReusedSeq});
}

TEST(Oracle, AfterARestartSeqsAreAboveThoseOfEveryAgent) {
  History history;
  history.put(History::memory(7, 1));
  const std::uint64_t before = history.seq();
  history.set_seq(100);
  history.put(kNote);
  history.set_seq(before);
  history.put(History::memory(7, 1));
  EXPECT_EQ(found(history), Kinds{}) << "within a life agents pass each other";
  history.crash();
  history.put(History::memory(7, 1));
  EXPECT_EQ(found(history), Kinds{ViolationKind::kReusedSeq});
  history.set_seq(101);
  history.put(kNote);
  EXPECT_EQ(found(history), Kinds{});
}

TEST(Oracle, SeqsOfWritesThatMayBeLostMayComeAgain) {
  History history(2, true);
  history.put(kNote);
  history.crash(true);
  history.read(kNote, 0);
  history.set_seq(0);
  history.put(kNote);
  EXPECT_EQ(found(history), Kinds{});
}

TEST(Oracle, TwoAgentsNeverGetOneSeq) {
  History history;
  history.put(History::memory(7, 0));
  history.set_seq(history.seq() - 1);
  history.put(History::memory(7, 1));
  EXPECT_EQ(found(history), Kinds{ViolationKind::kReusedSeq});
}

TEST(NumberSet, HoldsWhatWasPutInOnce) {
  NumberSet set;
  for (const std::uint64_t number : {5U, 7U, 6U, 1U, 9U, 8U, 2U}) {
    EXPECT_TRUE(set.insert(number)) << number;
  }
  for (const std::uint64_t number : {1U, 2U, 5U, 6U, 7U, 8U, 9U}) {
    EXPECT_FALSE(set.insert(number)) << number;
  }
  EXPECT_TRUE(set.insert(3));
  EXPECT_TRUE(set.insert(4));
  EXPECT_FALSE(set.insert(3));
  set.clear();
  EXPECT_TRUE(set.insert(3));
}

}  // namespace
}  // namespace soak::oracle
