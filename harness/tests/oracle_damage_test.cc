// Goal: after damage at rest each loss is told apart: reported by the store, or silent. Method:
// histories with and without the reports that would excuse what is then read.
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/oracle/oracle.h"
#include "harness/tests/oracle_history.h"
#include <pluresdb/error.h>

namespace soak::oracle {
namespace {

TEST(OracleDamage, AReportedLossIsCountedAndNoViolation) {
  History history;
  history.put(kCapture);
  const std::uint64_t capture = history.seq();
  const auto old_op = history.put(kNote);
  history.put(kNote);
  history.crash_with_damage({{capture, capture}, {history.seq(), history.seq()}});
  history.read(kCapture, 0);
  history.read(kNote, old_op);
  EXPECT_EQ(found(history), Kinds{});
  EXPECT_EQ(history.oracle.counts().reported_losses, 2U);
  EXPECT_EQ(history.oracle.counts().lost_acknowledged_writes, 0U);
  history.read(kCapture, 0);
  EXPECT_EQ(history.oracle.counts().reported_losses, 2U) << "counted once";
}

TEST(OracleDamage, ALossThatNobodyReportedIsSilent) {
  History history;
  history.put(kCapture);
  const std::uint64_t capture = history.seq();
  history.put(kNote);
  history.crash_with_damage({{history.seq(), history.seq()}});
  history.read(kCapture, 0);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
  ASSERT_LT(capture, history.seq());
  EXPECT_EQ(history.oracle.counts().reported_losses, 0U);
}

TEST(OracleDamage, AnOlderLossIsSilentThoughTheNewestIsReported) {
  for (const bool all_reported : {true, false}) {
    History history;
    const auto first = history.put(kNote);
    history.put(kNote);
    const std::uint64_t second = history.seq();
    history.put(kNote);
    history.crash_with_damage({{all_reported ? second : history.seq(), history.seq()}});
    history.read(kNote, first);
    EXPECT_EQ(found(history),
              all_reported ? Kinds{} : Kinds{ViolationKind::kLostAcknowledgedWrite});
  }
}

TEST(OracleDamage, AbsenceIsSilentUnlessAllWritesAreReported) {
  for (const bool all_reported : {true, false}) {
    History history;
    history.put(kNote);
    const std::uint64_t first = history.seq();
    history.put(kNote);
    history.crash_with_damage({{all_reported ? first : history.seq(), history.seq()}});
    history.read(kNote, 0);
    EXPECT_EQ(found(history),
              all_reported ? Kinds{} : Kinds{ViolationKind::kLostAcknowledgedWrite});
  }
}

TEST(OracleDamage, ALossReportedBeforeAnyDamageIsNoExcuse) {
  History history;
  history.put(kCapture);
  history.oracle.losses_reported(std::vector<SeqRange>{{1, history.seq()}});
  history.crash_with_damage({});
  history.read(kCapture, 0);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
}

TEST(OracleDamage, AReportWithoutDamageExcusesNothing) {
  History history;
  history.put(kCapture);
  history.oracle.losses_reported(std::vector<SeqRange>{{1, history.seq()}});
  history.crash();
  history.read(kCapture, 0);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
}

TEST(OracleDamage, WrongBytesAreNeverAReportedLoss) {
  History history;
  history.put(kNote);
  history.crash_with_damage({{1, history.seq()}});
  history.read_bytes(kNote, {.length = 12, .hash = 99});
  EXPECT_EQ(found(history), Kinds{ViolationKind::kCorruptRead});
}

TEST(OracleDamage, ADeleteThatIsReportedLostMayBeUndone) {
  History history;
  const auto op = history.put(kNote);
  history.erase(kNote);
  const std::uint64_t erased = history.seq();
  const auto other = history.put(kCapture);
  history.erase(kCapture);
  history.crash_with_damage({{erased, erased}});
  history.read(kNote, op);
  EXPECT_EQ(found(history), Kinds{});
  EXPECT_EQ(history.oracle.counts().reported_losses, 1U);
  history.read(kCapture, other);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kResurrectedDelete}) << "its delete is not lost";
}

TEST(OracleDamage, ARefusedWriteIsNoLostDelete) {
  History history;
  const auto op = history.put(kNote, Outcome::kNotWritten);
  history.put(kCapture);
  history.crash_with_damage({{1, history.seq()}});
  history.read(kNote, op);
  EXPECT_NE(found(history), Kinds{});
}

TEST(OracleDamage, AMaybeThatWasSeenMayBeReportedLostUnderAnyLaterSeq) {
  History history;
  history.put(kCapture);
  const auto op = history.put(kNote, Outcome::kMaybe);
  history.crash();
  history.read(kNote, op);
  history.crash_with_damage({{history.seq() + 1, history.seq() + 1}});
  history.read(kNote, 0);
  EXPECT_EQ(found(history), Kinds{});
  EXPECT_EQ(history.oracle.counts().reported_losses, 1U);
}

TEST(OracleDamage, AMaybeIsNoLossWhenOnlyEarlierSeqsAreReported) {
  History history;
  history.put(kCapture);
  const std::uint64_t before = history.seq();
  history.put(History::memory(8));
  const auto op = history.put(kNote, Outcome::kMaybe);
  history.crash();
  history.read(kNote, op);
  history.crash_with_damage({{before, before}});
  history.read(kNote, 0);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kMaybeVanished});
}

TEST(OracleDamage, AReadRefusedAsCorruptIsExcusedWhenItsWriteIsNamed) {
  History history;
  history.put(kNote);
  const std::uint64_t note = history.seq();
  history.put(kCapture);
  history.crash_with_damage({{note, note}});
  history.oracle.verify(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
  EXPECT_EQ(found(history), Kinds{});
  EXPECT_EQ(history.oracle.counts().reported_losses, 1U);
  history.oracle.verify(history.failed_read(kCapture, pluresdb::ErrorCode::kNotFound));
  EXPECT_EQ(found(history), Kinds{ViolationKind::kReadFailed});
}

TEST(OracleDamage, AReadRefusedAsCorruptIsAViolationWhenAnotherWriteIsNamed) {
  for (const bool named : {false, true}) {
    History history;
    history.put(kNote);
    const std::uint64_t older = history.seq();
    history.put(kNote);
    const std::uint64_t newer = history.seq();
    history.put(kCapture);
    history.crash_with_damage({{older, older}, {newer + 1, newer + 1}});
    if (named) {
      history.oracle.losses_reported(std::vector<SeqRange>{{newer, newer}});
    }
    history.oracle.consume(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
    EXPECT_EQ(found(history), named ? Kinds{} : Kinds{ViolationKind::kReadFailed});
    EXPECT_EQ(history.oracle.counts().lost_acknowledged_writes, named ? 0U : 1U);
  }
}

TEST(OracleDamage, AMaybeMayBeWhatIsRefused) {
  History history;
  history.put(kNote);
  history.put(kNote, Outcome::kMaybe);
  history.crash_with_damage({{history.seq() + 1, history.seq() + 1}});
  history.oracle.verify(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
  EXPECT_EQ(found(history), Kinds{});
}

TEST(OracleDamage, AScanGoesOnBehindARefusedDocument) {
  History history;
  history.put(kCapture);
  const std::uint64_t lost = history.seq();
  history.put(kNote);
  const auto deleted = history.put(History::memory(8));
  history.erase(History::memory(8));
  history.crash_with_damage({{lost, lost}});
  history.oracle.begin_scan();
  history.scan_refusal(kCapture);
  history.scan_entry(History::memory(8), deleted);  // Nobody would have asked for it by name.
  history.oracle.end_scan();
  EXPECT_EQ(found(history),
            (Kinds{ViolationKind::kResurrectedDelete, ViolationKind::kLostAcknowledgedWrite}));
  EXPECT_EQ(history.oracle.counts().reported_losses, 1U);
}

TEST(OracleDamage, AScanRefusalThatNobodyReportedIsAViolation) {
  History history;
  history.put(kCapture);
  history.crash_with_damage({{history.seq() + 1, history.seq() + 1}});
  history.oracle.begin_scan();
  history.scan_refusal(kCapture);
  history.oracle.end_scan();
  EXPECT_EQ(found(history), Kinds{ViolationKind::kReadFailed});
}

TEST(OracleDamage, ARefusedDocumentThatMustNotBeThereIsThere) {
  for (const bool delete_is_lost : {false, true}) {
    History history;
    history.put(kCapture);
    history.erase(kCapture);
    history.crash_with_damage({});
    if (delete_is_lost) {
      history.oracle.losses_reported(std::vector<SeqRange>{{history.seq(), history.seq()}});
    }
    // By name a damaged index would say the same of a document that is not there.
    history.oracle.verify(history.failed_read(kCapture, pluresdb::ErrorCode::kCorruption));
    EXPECT_EQ(found(history), Kinds{});
    history.oracle.begin_scan();
    history.scan_refusal(kCapture);
    history.scan_refusal(History::stdout_of(1));  // Never attempted.
    history.oracle.end_scan();
    EXPECT_EQ(found(history), delete_is_lost ? Kinds{ViolationKind::kAlienDocument}
                                             : (Kinds{ViolationKind::kResurrectedDelete,
                                                      ViolationKind::kAlienDocument}));
  }
}

TEST(OracleDamage, AWriteAfterAReportedLossIsJudgedAgain) {
  History history;
  history.put(kNote);
  history.crash_with_damage({{1, history.seq()}});
  history.read(kNote, 0);
  history.put(kNote);
  history.crash();
  history.read(kNote, 0);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
}

TEST(OracleTableDamage, ARefusedReadIsItsOwnReportAndCountedOnce) {
  History history;
  const auto op = history.put(kNote);
  history.crash_with_damaged_tables(history.seq());
  history.oracle.verify(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
  history.oracle.consume(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
  EXPECT_EQ(found(history), Kinds{});
  EXPECT_EQ(history.oracle.counts().reported_losses, 1U);
  EXPECT_EQ(history.oracle.counts().refused_reads, 2U);
  EXPECT_EQ(history.oracle.counts().lost_acknowledged_writes, 0U);
  history.read(kNote, op);
  EXPECT_EQ(found(history), Kinds{}) << "what is read is right";
}

TEST(OracleTableDamage, ADocumentThatWasNotDamagedIsAsItWas) {
  History history;
  const auto op = history.put(kNote);
  history.crash_with_damaged_tables(history.seq());
  history.read(kNote, op);
  EXPECT_EQ(found(history), Kinds{});
  EXPECT_EQ(history.oracle.counts().reported_losses, 0U);
  EXPECT_EQ(history.oracle.counts().refused_reads, 0U);
}

TEST(OracleTableDamage, AbsentOrOlderIsASilentLoss) {
  for (const bool older : {false, true}) {
    for (const bool refused_before : {false, true}) {
      History history;
      const auto first = history.put(kNote);
      history.put(kNote);
      history.crash_with_damaged_tables(history.seq());
      if (refused_before) {  // Which says that it is there.
        history.oracle.verify(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
      }
      history.read(kNote, older ? first : 0);
      EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
    }
  }
}

TEST(OracleTableDamage, AScanThatIsCompleteAndLeavesOneOutIsASilentLoss) {
  History history;
  history.put(kNote);
  history.crash_with_damaged_tables(history.seq());
  history.oracle.verify(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
  history.oracle.begin_scan();
  history.oracle.end_scan();
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
}

TEST(OracleTableDamage, WrongBytesAreNone) {
  History history;
  history.put(kNote);
  history.crash_with_damaged_tables(history.seq());
  history.read_bytes(kNote, {.length = 12, .hash = 99});
  EXPECT_EQ(found(history), Kinds{ViolationKind::kCorruptRead});
}

TEST(OracleTableDamage, WithoutItOrOfTheLogARefusalIsAViolation) {
  for (const bool log_damaged : {false, true}) {
    History history;
    history.put(kNote);
    if (log_damaged) {
      history.crash_with_damage({});
    } else {
      history.crash();
    }
    history.oracle.tables_end_at(history.seq());  // Means nothing then.
    history.oracle.verify(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
    EXPECT_EQ(found(history), Kinds{ViolationKind::kReadFailed});
    EXPECT_EQ(history.oracle.counts().lost_acknowledged_writes, 1U);
    EXPECT_EQ(history.oracle.counts().refused_reads, 0U);
  }
}

TEST(OracleTableDamage, NothingElseThanCorruptIsAReport) {
  for (const auto code :
       {pluresdb::ErrorCode::kNotFound, pluresdb::ErrorCode::kBaseLost, pluresdb::ErrorCode::kIo}) {
    History history;
    history.put(kNote);
    history.crash_with_damaged_tables(history.seq());
    history.oracle.verify(history.failed_read(kNote, code));
    EXPECT_EQ(found(history), Kinds{ViolationKind::kReadFailed});
  }
}

TEST(OracleTableDamage, AWriteThatNoTableHadWhenItWasDamagedMustBeReadable) {
  History history;
  history.put(kNote);
  const std::uint64_t checkpoint = history.seq();
  history.put(kCapture);
  history.crash_with_damaged_tables(checkpoint);
  history.put(History::memory(8));
  history.crash();
  history.oracle.tables_end_at(history.seq());  // Of an opening that no damage came before.
  history.oracle.verify(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
  EXPECT_EQ(found(history), Kinds{});
  history.oracle.verify(history.failed_read(kCapture, pluresdb::ErrorCode::kCorruption));
  EXPECT_EQ(found(history), Kinds{ViolationKind::kReadFailed});
  history.oracle.verify(history.failed_read(History::memory(8), pluresdb::ErrorCode::kCorruption));
  EXPECT_EQ(found(history), Kinds{ViolationKind::kReadFailed});
}

TEST(OracleTableDamage, AWriteAfterARefusalIsCountedAgain) {
  History history;
  history.put(kNote);
  history.crash_with_damaged_tables(history.seq());
  history.oracle.verify(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
  history.put(kNote);
  history.crash_with_damaged_tables(history.seq());
  history.oracle.verify(history.failed_read(kNote, pluresdb::ErrorCode::kCorruption));
  EXPECT_EQ(found(history), Kinds{});
  EXPECT_EQ(history.oracle.counts().reported_losses, 2U);
}

TEST(OracleTableDamage, AReportOfLostSeqsDoesNotExcuseIt) {
  History history;
  history.put(kNote);
  history.put(kCapture);
  history.oracle.damage(DamagedPart::kTables);
  history.oracle.losses_reported(std::vector<SeqRange>{{1, history.seq()}});
  history.crash();
  history.read(kNote, 0);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
  history.crash_with_damage({});  // Comes after that report.
  history.read(kCapture, 0);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kLostAcknowledgedWrite});
}

TEST(OracleTableDamage, AStoreThatCannotListItselfIsAskedForWhatMustNotBeThereToo) {
  History history;
  history.put(kNote);
  const auto deleted = history.put(kCapture);
  history.erase(kCapture);
  history.crash_with_damaged_tables(history.seq());
  EXPECT_EQ(history.oracle.known_keys(), (std::vector<DocumentKey>{kCapture, kNote}));
  history.oracle.verify(history.failed_read(kCapture, pluresdb::ErrorCode::kCorruption));
  EXPECT_EQ(found(history), Kinds{}) << "what is refused may be its tombstone";
  EXPECT_EQ(history.oracle.counts().refused_reads, 1U);
  history.read(kCapture, deleted);
  EXPECT_EQ(found(history), Kinds{ViolationKind::kResurrectedDelete});
}

}  // namespace
}  // namespace soak::oracle
