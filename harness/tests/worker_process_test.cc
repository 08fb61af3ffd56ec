// Goal: the real worker process, killed and restarted on one directory, keeps every promise that
// the oracle can check; and the oracle, on the same path, convicts a store that does not.
#include <cerrno>
#include <cstdint>
#include <string>

#include <gtest/gtest.h>
#include <signal.h>

#include "harness/common/control_channel.h"
#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/common/worker_protocol.h"
#include "harness/oracle/oracle.h"
#include "harness/tests/worker_fixture.h"

namespace soak::worker {
namespace {

ControlPacket arming(const char* point, int error, std::uint64_t times) {
  ControlPacket packet{.type = CommandType::kArm, .arm = {.error_number = error, .times = times}};
  set_packet_text(packet, point);
  return packet;
}

void expect_done(const ControlPacket& answer) {
  EXPECT_EQ(answer.type, CommandType::kDone) << packet_text(answer);
}
void expect_ready(const ControlPacket& first) {
  ASSERT_EQ(first.type, CommandType::kReady) << packet_text(first);
}

TEST(WorkerProcess, KilledAgainAndAgainItKeepsEveryPromise) {
  TestSupervisor supervisor(small_config());
  std::uint64_t cut_off = 0;
  for (int round = 0; round < 6; ++round) {
    ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
    supervisor.verify();
    supervisor.expect_no_violation();
    ASSERT_FALSE(testing::Test::HasFailure());
    EXPECT_EQ(supervisor.region->recovery.incarnation.load(), supervisor.config.incarnation);
    EXPECT_EQ(supervisor.region->recovery.created.load(), round == 0 ? 1U : 0U);
    expect_done(supervisor.command(CommandType::kStartAgents));
    supervisor.run_until_acknowledged(400);
    if (round == 1) {
      supervisor.run_until_published();
    }
    cut_off += supervisor.kill_worker();
  }
  EXPECT_GT(cut_off, 0U);
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  EXPECT_GT(supervisor.region->recovery.replayed_entries.load(), 0U);
  supervisor.verify();
  supervisor.expect_no_violation();
  const oracle::OracleCounts& counts = supervisor.oracle.counts();
  EXPECT_EQ(counts.open_maybes, 0U);
  EXPECT_GT(counts.verified_bytes, 100'000U);
  EXPECT_GT(counts.operations[static_cast<std::size_t>(OperationKind::kRead)][0], 100U);
  // What a worker had not published yet when it was killed is missing; what was published survives
  // the kills that came later.
  EXPECT_GT(supervisor.region->counters.wal_appended_entries_total.load(), 0U);
  EXPECT_GT(supervisor.region->counters.operation_duration[0].count.load(), 0U);
}

TEST(WorkerProcess, ClosedStoreOpensCleanlyWithEverything) {
  TestSupervisor supervisor(small_config());
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  expect_done(supervisor.command(CommandType::kStartAgents));
  supervisor.run_until_acknowledged(200);
  expect_done(supervisor.command(CommandType::kStopAgents));
  EXPECT_EQ(supervisor.region->agents_running.load(), 0U);
  expect_done(supervisor.command(CommandType::kClose));
  EXPECT_EQ(supervisor.wait_for_exit(), 0);
  EXPECT_EQ(supervisor.oracle.worker_died(false), 0U);
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  EXPECT_EQ(supervisor.region->recovery.clean_shutdown.load(), 1U);
  supervisor.verify();
  supervisor.expect_no_violation();
}

TEST(WorkerProcess, AgentsGoOnAfterAStop) {
  TestSupervisor supervisor(small_config());
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  for (int round = 0; round < 3; ++round) {
    expect_done(supervisor.command(CommandType::kStartAgents));
    EXPECT_EQ(supervisor.command(CommandType::kStartAgents).type, CommandType::kError);
    supervisor.run_until_acknowledged(100);
    expect_done(supervisor.command(CommandType::kStopAgents));
    supervisor.verify();
    expect_done(supervisor.command(CommandType::kCheckpoint));
  }
  supervisor.expect_no_violation();
  EXPECT_GE(supervisor.region->counters.checkpoints_total.load(), 3U);
}

TEST(WorkerProcess, PowerLossTakesNothingThatWasAcknowledged) {
  TestSupervisor supervisor(small_config());
  std::uint64_t discarded = 0;
  for (int round = 0; round < 3; ++round) {
    ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
    supervisor.verify();
    supervisor.expect_no_violation();
    ASSERT_FALSE(testing::Test::HasFailure());
    expect_done(supervisor.command(CommandType::kStartAgents));
    supervisor.run_until_acknowledged(300);
    supervisor.kill_worker();
    discarded += supervisor.lose_power().writes_discarded;
  }
  EXPECT_GT(discarded, 0U);
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  supervisor.verify();
  supervisor.expect_no_violation();
}

TEST(WorkerProcess, LyingSyncIsConvictedByAPowerLoss) {
  WorkerConfig config = small_config();
  config.defect = "lying_fsync";
  TestSupervisor supervisor(config);
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  expect_done(supervisor.command(CommandType::kStartAgents));
  supervisor.run_until_acknowledged(300);
  supervisor.kill_worker();
  supervisor.lose_power();
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  supervisor.verify();
  EXPECT_GT(supervisor.oracle.counts().lost_acknowledged_writes, 50U);
  EXPECT_FALSE(supervisor.oracle.take_violations().empty());
}

TEST(WorkerProcess, WithoutDurabilityAPowerLossMayTakeASuffix) {
  WorkerConfig config = small_config();
  config.durability = "none";
  TestSupervisor supervisor(config);
  for (int round = 0; round < 3; ++round) {
    ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
    supervisor.verify();
    supervisor.expect_no_violation();
    ASSERT_FALSE(testing::Test::HasFailure());
    expect_done(supervisor.command(CommandType::kStartAgents));
    supervisor.run_until_acknowledged(2000);
    supervisor.kill_worker(true);
    supervisor.lose_power();
  }
}

TEST(WorkerProcess, FailedSyncFiresAndLosesNothing) {
  TestSupervisor supervisor(small_config());
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  expect_done(supervisor.command(CommandType::kStartAgents));
  supervisor.run_until_acknowledged(50);
  expect_done(supervisor.command(arming("wal/segment/sync", EIO, 1)));
  supervisor.drain_until([&] { return supervisor.region->fired.count.load() > 0; });
  supervisor.run_until_acknowledged(50);
  ControlPacket disarm{.type = CommandType::kDisarm};
  set_packet_text(disarm, "wal/segment/sync");
  expect_done(supervisor.command(disarm));
  expect_done(supervisor.command(CommandType::kStopAgents));
  const FiredFault& fault = supervisor.region->fired.entries[0];
  EXPECT_STREQ(fault.point.data(), "wal/segment/sync");
  EXPECT_EQ(fault.error_number, EIO);
  EXPECT_EQ(fault.incarnation, 1U);
  EXPECT_EQ(supervisor.region->counters.wal_sync_failures_total.load(), 1U);
  supervisor.verify();
  supervisor.kill_worker();
  supervisor.lose_power();
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  supervisor.verify();
  supervisor.expect_no_violation();
}

TEST(WorkerProcess, FullDiskRefusesAndComesBack) {
  WorkerConfig config = small_config();
  for (AgentConfig& agent : config.agents) {
    agent.payload = {
        .distribution = "uniform", .median_bytes = 0, .min_bytes = 10'000, .max_bytes = 100'000};
  }
  TestSupervisor supervisor(config);
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  expect_done(supervisor.command(CommandType::kStartAgents));
  supervisor.run_until_acknowledged(20);
  expect_done(supervisor.command(arming("space/*", ENOSPC, 0)));
  supervisor.drain_until([&] { return supervisor.oracle.counts().not_written > 5; });
  ControlPacket disarm{.type = CommandType::kDisarm};
  set_packet_text(disarm, "space/*");
  expect_done(supervisor.command(disarm));
  supervisor.run_until_acknowledged(50);
  expect_done(supervisor.command(CommandType::kStopAgents));
  supervisor.verify();
  supervisor.kill_worker();
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  supervisor.verify();
  supervisor.expect_no_violation();
}

TEST(WorkerProcess, RetentionBoundsTheLiveDocuments) {
  WorkerConfig config = small_config();
  for (AgentConfig& agent : config.agents) {
    agent.retention_seconds = 0.05;
    agent.mix = {1, 0, 0, 0, 0, 0, 0, 0};
  }
  TestSupervisor supervisor(config);
  for (int round = 0; round < 2; ++round) {
    ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
    expect_done(supervisor.command(CommandType::kStartAgents));
    constexpr auto kDelete = static_cast<std::size_t>(OperationKind::kDelete);
    const std::uint64_t deleted = supervisor.oracle.counts().operations[kDelete][0];
    supervisor.drain_until(
        [&] { return supervisor.oracle.counts().operations[kDelete][0] > deleted + 200; });
    expect_done(supervisor.command(CommandType::kStopAgents));
    supervisor.verify();
    supervisor.kill_worker();
    supervisor.expect_no_violation();
    const oracle::AgentProgress progress = supervisor.oracle.progress(0);
    EXPECT_GT(progress.first_number[0], 0U);
    EXPECT_LE(progress.first_number[0], progress.next_number[0]);
  }
}

TEST(WorkerProcess, StoreThatCannotBeOpenedIsReportedWithItsReason) {
  WorkerConfig config = small_config();
  config.defect = "unheard_of";
  TestSupervisor supervisor(config);
  const ControlPacket first = supervisor.start();
  EXPECT_EQ(first.type, CommandType::kOpenFailed);
  EXPECT_NE(packet_text(first).find("unknown defect \"unheard_of\""), std::string::npos)
      << packet_text(first);
  EXPECT_EQ(supervisor.wait_for_exit(), 4);
}

TEST(WorkerProcess, SecondWorkerOnTheStoreIsLockedOut) {
  TestSupervisor supervisor(small_config());
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  WorkerConfig config = small_config();
  config.power_loss_layer = false;
  TestSupervisor second(config);
  second.config.data_directory = supervisor.config.data_directory;
  const ControlPacket first = second.start();
  EXPECT_EQ(first.type, CommandType::kOpenFailed);
  EXPECT_NE(packet_text(first).find("locked by pid " + std::to_string(supervisor.child())),
            std::string::npos)
      << packet_text(first);
  EXPECT_EQ(second.wait_for_exit(), 4);
}

TEST(WorkerProcess, EndsWhenTheSupervisorHangsUp) {
  TestSupervisor supervisor(small_config());
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  expect_done(supervisor.command(CommandType::kStartAgents));
  supervisor.run_until_acknowledged(20);
  supervisor.hang_up();
  EXPECT_EQ(supervisor.wait_for_exit(), 1);
}

TEST(WorkerProcess, TerminalSignalsDoNotEndIt) {
  TestSupervisor supervisor(small_config());
  ASSERT_NO_FATAL_FAILURE(expect_ready(supervisor.start()));
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    ASSERT_EQ(kill(supervisor.child(), number), 0);
  }
  expect_done(supervisor.command(CommandType::kClose));
  EXPECT_EQ(supervisor.wait_for_exit(), 0);
}

}  // namespace
}  // namespace soak::worker
