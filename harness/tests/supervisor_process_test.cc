// WorkerProcess on a shell script in the worker's place, RunFolder and LedgerDrain: what the
// supervisor does with the system, without an engine.
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/oracle/oracle.h"
#include "harness/report/run_result.h"
#include "harness/supervisor/ledger_drain.h"
#include "harness/supervisor/run_folder.h"
#include "harness/supervisor/unique_fd.h"
#include "harness/supervisor/worker_process.h"
#include "harness/tests/temporary_folder.h"

namespace soak::supervisor {
namespace {

namespace fs = std::filesystem;

constexpr int kWaitMs = 20'000;

std::string read_file(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
}

class SupervisorFiles : public ::testing::Test {
 protected:
  const TemporaryFolder temporary_;
  const fs::path folder_ = temporary_.path();
};

class WorkerProcessTest : public SupervisorFiles {
 protected:
  WorkerProcessTest() : file_(::memfd_create("any", 0)) {}

  /// A worker that does what `script` says.
  WorkerProcess spawn(const std::string& script) {
    const fs::path binary = folder_ / "worker";
    std::ofstream(binary) << "#!/bin/sh\n" << script << '\n';
    fs::permissions(binary, fs::perms::owner_all);
    auto worker = WorkerProcess::spawn({.binary = binary,
                                        .config_file = "config.json",
                                        .log_file = folder_ / "log",
                                        .region_descriptor = file_.get(),
                                        .journal_descriptor = file_.get()});
    EXPECT_TRUE(worker.has_value());
    return std::move(*worker);
  }

  UniqueFd file_;
};

TEST_F(WorkerProcessTest, GetsItsArgumentsAndDescriptors) {
  WorkerProcess worker = spawn(
      "echo \"$@\"; for f in 3 4 5; do test -e /proc/self/fd/$f || exit 9; "
      "done; test -e /proc/self/fd/6 && exit 8; exit 0");
  EXPECT_EQ(worker.wait_exit(kWaitMs), WorkerExit{});
  EXPECT_EQ(read_file(folder_ / "log"),
            "--control-fd 3 --region-fd 4 --journal-fd 5 --config config.json\n");
}

TEST_F(WorkerProcessTest, TellsHowItEnded) {
  const WorkerExit status_four{.killed = false, .status = 4};
  EXPECT_EQ(spawn("exit 4").wait_exit(kWaitMs), status_four);
  const WorkerExit aborted{.killed = true, .status = SIGABRT};
  EXPECT_EQ(spawn("kill -ABRT $$").wait_exit(kWaitMs), aborted);
  EXPECT_EQ(describe(status_four), "exited with status 4");
  EXPECT_EQ(describe(aborted), "killed by signal 6 (Aborted)");
}

TEST_F(WorkerProcessTest, IsKilledAtOnce) {
  WorkerProcess worker = spawn("echo begun; read line <&3; exit 0");
  EXPECT_FALSE(worker.poll_exit().has_value());
  EXPECT_GT(worker.resident_bytes(), 0U);
  worker.kill();
  const WorkerExit killed{.killed = true, .status = SIGKILL};
  EXPECT_EQ(worker.wait_exit(kWaitMs), killed);
  EXPECT_EQ(worker.resident_bytes(), 0U);
}

TEST_F(WorkerProcessTest, IsStoppedAndGoesOn) {
  WorkerProcess worker = spawn("read line <&3; exit 0");
  ASSERT_TRUE(worker.pause());
  EXPECT_NE(worker.describe_threads().find("state T"), std::string::npos);
  worker.resume();
  EXPECT_FALSE(worker.poll_exit().has_value());
  ASSERT_TRUE(worker.pause());
  worker.kill();
  const WorkerExit killed{.killed = true, .status = SIGKILL};
  EXPECT_EQ(worker.wait_exit(kWaitMs), killed);
  EXPECT_FALSE(worker.pause());
}

// The shell keeps a string of 1 MiB once it may go on.
constexpr const char* kNeedsMemory =
    "read line < go; s=0123456789abcdef; i=0; while [ $i -lt 16 ]; do s=$s$s; i=$((i+1)); done; "
    "exit 7";

TEST_F(WorkerProcessTest, GetsNoMoreMemoryThanItsLimit) {
  for (const bool limited : {true, false}) {
    const fs::path go = folder_ / "go";
    fs::remove(go);
    ASSERT_EQ(::mkfifo(go.c_str(), 0600), 0);
    WorkerProcess worker = spawn("cd " + folder_.string() + "; " + kNeedsMemory);
    const UniqueFd pipe(::open(go.c_str(), O_WRONLY));  // Waits until the shell is there.
    ASSERT_TRUE(worker.limit_memory(0));
    if (!limited) {
      worker.unlimit_memory();
    }
    ASSERT_EQ(::write(pipe.get(), "\n", 1), 1);
    const auto exit = worker.wait_exit(kWaitMs);
    ASSERT_TRUE(exit.has_value());
    constexpr WorkerExit kWentOn{.killed = false, .status = 7};
    EXPECT_EQ(*exit == kWentOn, !limited) << describe(*exit);
    EXPECT_FALSE(worker.limit_memory(0)) << "it is gone";
  }
}

TEST_F(WorkerProcessTest, PauseLeavesTheExitOfADeadWorkerToBeSeen) {
  WorkerProcess worker = spawn("exit 4");
  while (worker.pause()) {
    worker.resume();
  }
  const WorkerExit status_four{.killed = false, .status = 4};
  EXPECT_EQ(worker.wait_exit(kWaitMs), status_four);
}

TEST_F(WorkerProcessTest, DoesNotSurviveItsOwner) {
  int pid = 0;
  {
    const WorkerProcess worker = spawn("read line <&3; exit 0");
    pid = worker.pid();
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST_F(WorkerProcessTest, StandsOutsideTheTerminalsProcessGroup) {
  const WorkerProcess worker = spawn("read line <&3; exit 0");
  EXPECT_NE(::getpgid(worker.pid()), ::getpgid(0));
}

TEST_F(WorkerProcessTest, IsNotBornWithBlockedSignals) {
  sigset_t stop;
  sigset_t before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &stop, &before), 0);
  WorkerProcess worker = spawn("grep SigBlk /proc/self/status");
  EXPECT_EQ(worker.wait_exit(kWaitMs), WorkerExit{});
  ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &before, nullptr), 0);
  EXPECT_EQ(read_file(folder_ / "log"), "SigBlk:\t0000000000000000\n");
}

TEST_F(WorkerProcessTest, ShowsWhereItsThreadsWait) {
  const WorkerProcess worker = spawn("echo begun; read line <&3; exit 0");
  EXPECT_NE(worker.describe_threads().find(std::to_string(worker.pid())), std::string::npos);
}

TEST_F(WorkerProcessTest, AMissingBinaryIsAnError) {
  const auto worker = WorkerProcess::spawn({.binary = folder_ / "nothing",
                                            .config_file = "c",
                                            .log_file = folder_ / "log",
                                            .region_descriptor = file_.get(),
                                            .journal_descriptor = file_.get()});
  ASSERT_FALSE(worker.has_value());
  EXPECT_EQ(worker.error().sys_errno, ENOENT);
}

class RunFolderTest : public SupervisorFiles {
 protected:
  pluresdb::Result<RunFolder> create(const fs::path& out) {
    return RunFolder::create({.out_directory = out.string(),
                              .title = "a Title, with / and ..",
                              .utc = "20261124T220000Z",
                              .resolved_toml = "schema = 1\n"});
  }
};

TEST_F(RunFolderTest, HoldsTheScenarioAsResolved) {
  const auto folder = create(folder_ / "out");
  ASSERT_TRUE(folder.has_value());
  EXPECT_EQ(read_file(folder_ / "out" / "scenario.toml"), "schema = 1\n");
}

TEST_F(RunFolderTest, AnEmptyFolderIsTaken) { EXPECT_TRUE(create(folder_).has_value()); }

TEST_F(RunFolderTest, AFolderWithSomethingInItIsRefused) {
  std::ofstream(folder_ / "precious") << "x";
  const auto folder = create(folder_);
  ASSERT_FALSE(folder.has_value());
  EXPECT_EQ(folder.error().code, pluresdb::ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_file(folder_ / "precious"), "x");
}

TEST_F(RunFolderTest, AFolderThatCannotBeMadeSaysSo) {
  std::ofstream(folder_ / "file") << "x";
  const auto folder = create(folder_ / "file" / "below");
  ASSERT_FALSE(folder.has_value());
  EXPECT_NE(folder.error().context.find("--out"), std::string::npos);
}

TEST_F(RunFolderTest, DiscardLeavesNothing) {
  const auto folder = create(folder_ / "out");
  ASSERT_TRUE(folder.has_value());
  folder->discard();
  EXPECT_FALSE(fs::exists(folder_ / "out"));
}

TEST_F(RunFolderTest, TheKeyOfAnEncryptedStoreIsTheUsersAloneAndGoesWithTheData) {
  const auto folder = RunFolder::create({.out_directory = (folder_ / "out").string(),
                                         .title = "t",
                                         .utc = "u",
                                         .resolved_toml = "",
                                         .store_key = "0123abcd"});
  ASSERT_TRUE(folder.has_value());
  const fs::path key = folder_ / "out" / "store.key";
  EXPECT_EQ(read_file(key), "0123abcd\n");
  EXPECT_EQ(fs::status(key).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  report::RunResult result;
  result.verdict = report::Verdict::kFail;
  ASSERT_TRUE(folder->finish("on_failure", result).has_value());
  EXPECT_TRUE(fs::exists(key));
  EXPECT_NE(read_file(folder_ / "out" / "repro.sh").find("--password-file store.key"),
            std::string::npos);
  result.verdict = report::Verdict::kPass;
  ASSERT_TRUE(folder->finish("always", result).has_value());
  EXPECT_TRUE(fs::exists(key));
  ASSERT_TRUE(folder->finish("on_failure", result).has_value());
  EXPECT_FALSE(fs::exists(key));
}

TEST_F(RunFolderTest, DataGoAfterAPassAndStayAfterAFailure) {
  report::RunResult result;
  result.command_line = "pluresdb-soak run x\nrm -rf /";
  result.seed = 77;
  const auto folder = create(folder_ / "out");
  ASSERT_TRUE(folder.has_value());
  fs::create_directories(folder->data());
  result.verdict = report::Verdict::kFail;
  ASSERT_TRUE(folder->finish("on_failure", result).has_value());
  EXPECT_TRUE(fs::exists(folder->data()));
  const std::string script = read_file(folder->file("repro.sh"));
  EXPECT_NE(script.find("--seed 77"), std::string::npos);
  EXPECT_EQ(script.find("\nrm -rf"), std::string::npos);
  EXPECT_EQ(::access(folder->file("repro.sh").c_str(), X_OK), 0);

  result.verdict = report::Verdict::kPass;
  ASSERT_TRUE(folder->finish("always", result).has_value());
  EXPECT_TRUE(fs::exists(folder->data()));
  ASSERT_TRUE(folder->finish("on_failure", result).has_value());
  EXPECT_FALSE(fs::exists(folder->data()));
}

TEST_F(RunFolderTest, OldWorkersLogsAreForgotten) {
  const auto folder = create(folder_ / "out");
  ASSERT_TRUE(folder.has_value());
  std::ofstream(folder->worker_log(1)) << "x";
  std::ofstream(folder->worker_log(2)) << "x";
  folder->forget_worker(100);
  EXPECT_TRUE(fs::exists(folder->worker_log(1)));
  folder->forget_worker(101);
  EXPECT_FALSE(fs::exists(folder->worker_log(1)));
  EXPECT_TRUE(fs::exists(folder->worker_log(2)));
}

TEST_F(RunFolderTest, LastLinesOfALog) {
  std::ofstream(folder_ / "log") << "one\ntwo\nthree\n";
  EXPECT_EQ(last_lines(folder_ / "log", 2), "two\nthree");
  EXPECT_EQ(last_lines(folder_ / "nothing", 2), "");
}

std::vector<AgentConfig> one_agent() {
  std::vector<AgentConfig> agents(1);
  agents[0].name = "shell-0";
  return agents;
}

class LedgerDrainTest : public ::testing::Test {
 protected:
  LedgerDrainTest()
      : file_(create_shared_region(1).value_or(-1)),
        region_(std::move(*RegionMapping::map(file_.get()))),
        oracle_(1, one_agent()),
        drain_(*region_, oracle_) {}

  void publish(LedgerType type, std::uint64_t op) {
    LedgerRecord record;
    record.type = type;
    record.operation = record.stream = OperationKind::kCommand;
    record.number = op;
    record.op = op;
    ASSERT_TRUE(ring_publish(region_->agent_rings[0], record, ::getppid()));
  }

  UniqueFd file_;
  RegionMapping region_;
  oracle::Oracle oracle_;
  LedgerDrain drain_;
};

TEST_F(LedgerDrainTest, GivesEveryRecordToTheOracle) {
  publish(LedgerType::kIntent, 1);
  publish(LedgerType::kOutcome, 1);
  EXPECT_EQ(drain_.drain_agents(), 2U);
  EXPECT_EQ(drain_.drain_agents(), 0U);
  EXPECT_EQ(oracle_.counts().acknowledged, 1U);
}

TEST_F(LedgerDrainTest, KnowsWhenAnOperationIsInFlight) {
  EXPECT_FALSE(drain_.operation_in_flight());
  publish(LedgerType::kIntent, 1);
  EXPECT_TRUE(drain_.operation_in_flight());
  drain_.drain_agents();
  EXPECT_TRUE(drain_.operation_in_flight());
  publish(LedgerType::kOutcome, 1);
  EXPECT_FALSE(drain_.operation_in_flight());
}

TEST_F(LedgerDrainTest, WhatADeadWorkerLeftIsNotInFlight) {
  publish(LedgerType::kIntent, 1);
  drain_.drain_agents();
  drain_.worker_starts();
  EXPECT_FALSE(drain_.operation_in_flight());
}

TEST_F(LedgerDrainTest, FiringsComeOnceAndInOrder) {
  FiredFaultRecorder recorder(region_->fired, 3);
  recorder.record("wal/segment/sync", {.error_number = EIO});
  recorder.record("space/statvfs", {.error_number = ENOSPC});
  const auto fired = drain_.take_fired();
  ASSERT_EQ(fired.size(), 2U);
  EXPECT_STREQ(fired[0].point.data(), "wal/segment/sync");
  EXPECT_EQ(fired[1].error_number, ENOSPC);
  EXPECT_EQ(fired[1].incarnation, 3U);
  EXPECT_TRUE(drain_.take_fired().empty());
}

TEST_F(LedgerDrainTest, FiringsThatTheRingLostAreCounted) {
  FiredFaultRecorder recorder(region_->fired, 1);
  for (std::size_t i = 0; i < kFiredFaultsMax + 5; ++i) {
    recorder.record("space/statvfs", {.error_number = ENOSPC});
  }
  EXPECT_EQ(drain_.take_fired().size(), kFiredFaultsMax);
  EXPECT_EQ(drain_.overrun(), 5U);
}

}  // namespace
}  // namespace soak::supervisor
