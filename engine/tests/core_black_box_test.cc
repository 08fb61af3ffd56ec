// Goal: what engine/io/posix_file_system.cc makes of the errors and short counts of system calls,
// and what the store makes of that, in a program that contains nothing of ours that could fake
// them. Method: core_lane_child under `fiu-run -x`, which wraps the C library; points are armed
// from the start or in the living process by fiu-ctrl. That a fault fired is read off a call that
// the child makes itself: while a point is armed it meets the fault, and a point armed for one time
// is used up.
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <dlfcn.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/types.h>

#include "engine/tests/core_lane_child.h"
#include "engine/tests/core_lane_protocol.h"
#include "engine/tests/core_test_util.h"

namespace pluresdb::testing {
namespace {

constexpr std::size_t kSmall = 300;
constexpr std::size_t kLarge = kLaneLargeBytes + 1000;

/// A function of the C library and the point by which libfiu makes it fail.
struct Call {
  const char* function;
  const char* point;
};
constexpr Call kOpen{"open", "posix/io/oc/open"};
constexpr Call kPwrite{"pwrite", "posix/io/rw/pwrite"};
constexpr Call kPread{"pread", "posix/io/rw/pread"};
constexpr Call kFdatasync{"fdatasync", "posix/io/sync/fdatasync"};
constexpr Call kFsync{"fsync", "posix/io/sync/fsync"};
constexpr Call kFtruncate{"ftruncate", "posix/io/rw/ftruncate"};
constexpr Call kRename{"rename", "posix/io/dir/rename"};
constexpr Call kRemove{"remove", "posix/stdio/remove"};
constexpr Call kUnlink{"unlink", "posix/io/dir/unlink"};
constexpr Call kFdopendir{"fdopendir", "posix/io/dir/fdopendir"};
constexpr Call kReaddir{"readdir", "posix/io/dir/readdir"};
constexpr const char* kPreload = "/usr/lib/fiu/fiu_posix_preload.so";  // Where fiu-run has it.

std::string enable(const Call& call, int error_number) {
  return fmt::format("enable name={},failinfo={}", call.point, error_number);
}
std::string enable_once(const Call& call, int error_number) {
  return enable(call, error_number) + ",onetime";
}
std::string reduce(const Call& call) { return fmt::format("enable name={}/reduce", call.point); }

std::string contents_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class BlackBox : public ::testing::Test {
 protected:
  /// A store of its own for each case, with documents that a process without faults was promised.
  void new_store() {
    child_.reset();
    ledger_ = LaneLedger();
    directory_ = temporary_.path(fmt::format("store{}", ++stores_));
    LaneChild first({}, directory_, false);
    ASSERT_TRUE(first.opened().is_ok()) << ::testing::PrintToString(first.opened());
    ASSERT_TRUE(ledger_.put(first, 8, kSmall).is_ok());
    ASSERT_TRUE(ledger_.put(first, 2, kLarge).is_ok());
    first.kill();
  }
  void start(const std::vector<std::string>& commands = {}) {
    fifo_ = directory_ + ".fiu";
    std::vector<std::string> words{
        "env", fmt::format("FIU_PRNG_SEED={}", seed()), "fiu-run", "-x", "-f", fifo_};
    for (const auto& command : commands) {
      words.insert(words.end(), {"-c", command});
    }
    child_.reset();
    child_ = std::make_unique<LaneChild>(words, directory_, false);
  }
  /// Of the points that fire at random.
  static std::uint64_t seed() {
    const char* text = std::getenv("PLURESDB_TEST_SEED");  // NOLINT(concurrency-mt-unsafe)
    return text != nullptr ? std::strtoull(text, nullptr, 10) : 20261124;
  }
  void start_unharmed() {
    start();
    ASSERT_TRUE(child_->opened().is_ok()) << ::testing::PrintToString(child_->opened());
  }
  /// As start_unharmed, with an active segment that has room.
  void start_writing() {
    start_unharmed();
    ASSERT_TRUE(ledger_.put(*child_, 3, kSmall).is_ok());
  }

  /// fiu-ctrl on the living child. Its exit status is 0 whatever it met, but then it says nothing.
  void control(const std::string& command) {
    const std::string line =
        fmt::format("[ -z \"$(fiu-ctrl -c '{}' -f {} {} 2>&1)\" ]", command, fifo_, child_->pid());
    ASSERT_EQ(std::system(line.c_str()), 0) << command;  // NOLINT(concurrency-mt-unsafe)
  }
  void disarm(const Call& call) {
    control(fmt::format("disable name={}", call.point));
    EXPECT_EQ(met(call), 0) << "still armed";
  }
  void arm(const Call& call, int error_number) {
    control(enable(call, error_number));
    EXPECT_EQ(met(call), error_number) << call.function << " is not reached";
  }
  /// Armed for the next call, whoever makes it. The first arming is spent on seeing that it works.
  void arm_once(const Call& call, int error_number) {
    control(enable_once(call, error_number));
    EXPECT_EQ(met(call), error_number) << call.function << " is not reached";
    EXPECT_EQ(met(call), 0) << "onetime";
    control(enable_once(call, error_number));
  }
  void expect_used_up(const Call& call) { EXPECT_EQ(met(call), 0) << "the fault did not fire"; }

  /// Result and error number of one call in the child.
  std::vector<std::int64_t> probe(const Call& call) {
    const LaneReply reply = child_->ask(fmt::format("probe {}", call.function));
    EXPECT_EQ(reply.numbers.size(), 2U) << ::testing::PrintToString(reply);
    return reply.numbers.size() == 2 ? reply.numbers : std::vector<std::int64_t>{-1, -1};
  }
  /// 0 when the call is unharmed; that a file is missing is no fault.
  int met(const Call& call) {
    const auto result = probe(call);
    const auto error_number = static_cast<int>(result[1]);
    return result[0] < 0 && error_number != ENOENT ? error_number : 0;
  }

  /// How many of 64 calls did not answer as an unharmed one does.
  int harmed(const Call& call, std::int64_t unharmed) {
    int count = 0;
    for (int i = 0; i < 64; ++i) {
      count += probe(call)[0] != unharmed ? 1 : 0;
    }
    return count;
  }

  struct Stats {
    std::int64_t groups_rewritten;
    std::int64_t sync_failures;
    std::int64_t read_only;
    std::int64_t segments;
  };
  Stats stats() {
    const LaneReply reply = child_->ask("stats");
    EXPECT_EQ(reply.numbers.size(), 4U);
    return {reply.numbers.at(0), reply.numbers.at(1), reply.numbers.at(2), reply.numbers.at(3)};
  }
  static void expect_error(const LaneReply& reply, std::string_view code, int error_number) {
    EXPECT_EQ(reply.code, code) << ::testing::PrintToString(reply);
    EXPECT_EQ(reply.error_number, error_number) << ::testing::PrintToString(reply);
  }
  void kill_and_verify() {
    if (child_ != nullptr) {
      child_->kill();
      child_.reset();
    }
    ledger_.verify(directory_);
  }
  /// write system calls of the child that reached the kernel.
  std::uint64_t kernel_writes() {
    std::ifstream file(fmt::format("/proc/{}/io", child_->pid()));
    std::string name;
    std::uint64_t count = 0;
    while (file >> name >> count) {
      if (name == "syscw:") {
        return count;
      }
    }
    ADD_FAILURE() << "no syscw in /proc/PID/io";
    return 0;
  }

  TemporaryDirectory temporary_;
  int stores_ = 0;
  std::string directory_;
  std::string fifo_;
  LaneLedger ledger_;
  std::unique_ptr<LaneChild> child_;
};

// docs/TESTING.md "Lanes" lists what is within and out of reach; this is the check of that list.
TEST_F(BlackBox, WhatThePreloadReaches) {
  void* preload = ::dlopen(kPreload, RTLD_LAZY | RTLD_LOCAL);
  ASSERT_NE(preload, nullptr) << kPreload << " (package fiu-utils)";
  const auto is_wrapped = [preload](const char* function) {
    Dl_info info{};
    return ::dladdr(::dlsym(preload, function), &info) != 0 &&
           std::string_view(info.dli_fname).ends_with("/fiu_posix_preload.so");
  };
  for (const char* function :
       {"open", "close", "pwrite", "pread", "fdatasync", "fsync", "ftruncate", "rename", "remove",
        "unlink", "fdopendir", "readdir", "closedir"}) {
    EXPECT_TRUE(is_wrapped(function)) << function;
  }
  for (const char* function : {"posix_fallocate", "mkdir", "stat", "lstat", "fstat", "statfs",
                               "fcntl", "openat", "fallocate", "__pread_chk"}) {
    EXPECT_FALSE(is_wrapped(function)) << function;
  }
  (void)::dlclose(preload);

  new_store();
  start_unharmed();
  // open() last: the remote control of libfiu needs it itself.
  for (const Call& call : {kPwrite, kPread, kFdatasync, kFsync, kFtruncate, kRename, kRemove,
                           kUnlink, kReaddir, kFdopendir, kOpen}) {
    arm(call, ENXIO);
  }
  kill_and_verify();
}

// A new segment is opened by open, posix_fallocate, pwrite (header), fsync, rename, fsync
// (directory).
TEST_F(BlackBox, NoSpaceForANewSegmentRefusesTheWriteAndNothingElse) {
  for (const Call& call : {kPwrite, kFsync, kRename, kOpen}) {
    for (const int error_number : {ENOSPC, EDQUOT}) {
      SCOPED_TRACE(fmt::format("{} {}", call.function, error_number));
      new_store();
      start_unharmed();
      arm(call, error_number);
      expect_error(ledger_.put(*child_, 1, kSmall), "no_space", error_number);
      expect_error(ledger_.put(*child_, 1, kLarge), "no_space", error_number);
      ledger_.expect_readable(*child_);
      if (call.function != kOpen.function) {
        disarm(call);
        EXPECT_TRUE(ledger_.put(*child_, 3, kSmall).is_ok()) << "resumes by itself";
      }
      kill_and_verify();
    }
  }
}

TEST_F(BlackBox, AnIoErrorForANewSegmentMakesTheLogReadOnly) {
  for (const Call& call : {kPwrite, kFsync, kRename, kOpen}) {
    SCOPED_TRACE(call.function);
    new_store();
    start_unharmed();
    arm(call, EIO);
    expect_error(ledger_.put(*child_, 1, kSmall), "read_only", EIO);
    ledger_.expect_readable(*child_);
    if (call.function != kOpen.function) {
      disarm(call);
      expect_error(ledger_.put(*child_, 1, kSmall), "read_only", EIO);
    }
    kill_and_verify();
  }
}

TEST_F(BlackBox, OneFailedWriteOrSyncIsMadeGoodInANewSegment) {
  for (const Call& call : {kPwrite, kFdatasync}) {
    for (const int error_number : {EIO, ENOSPC, EDQUOT}) {
      SCOPED_TRACE(fmt::format("{} {}", call.function, error_number));
      new_store();
      start_writing();
      arm_once(call, error_number);
      EXPECT_TRUE(ledger_.put(*child_, 1, kSmall).is_ok());
      expect_used_up(call);
      EXPECT_EQ(stats().groups_rewritten, 1);
      EXPECT_EQ(stats().sync_failures, call.function == kFdatasync.function ? 1 : 0);
      EXPECT_TRUE(ledger_.put(*child_, 2, kLarge).is_ok());
      kill_and_verify();
    }
  }
}

TEST_F(BlackBox, WritesOrSyncsThatGoOnFailingAreIndeterminateThenReadOnly) {
  for (const Call& call : {kPwrite, kFdatasync}) {
    for (const int error_number : {EIO, ENOSPC}) {
      SCOPED_TRACE(fmt::format("{} {}", call.function, error_number));
      new_store();
      start_writing();
      arm(call, error_number);
      expect_error(ledger_.put(*child_, 1, kSmall), "indeterminate", error_number);
      disarm(call);
      expect_error(ledger_.put(*child_, 1, kSmall), "read_only", error_number);
      ledger_.expect_readable(*child_);
      kill_and_verify();
    }
  }
}

TEST_F(BlackBox, AnInterruptedWriteIsRepeatedAnInterruptedSyncIsNot) {
  new_store();
  start_writing();
  arm_once(kPwrite, EINTR);
  EXPECT_TRUE(ledger_.put(*child_, 1, kSmall).is_ok());
  expect_used_up(kPwrite);
  EXPECT_EQ(stats().groups_rewritten, 0) << "the same write again, in the same file";
  arm_once(kFdatasync, EINTR);
  EXPECT_TRUE(ledger_.put(*child_, 1, kSmall).is_ok());
  expect_used_up(kFdatasync);
  EXPECT_EQ(stats().groups_rewritten, 1);
  arm_once(kPread, EINTR);
  EXPECT_TRUE(child_->ask(fmt::format("get 9 1 {}", kLarge)).is_ok());
  expect_used_up(kPread);
  kill_and_verify();
}

TEST_F(BlackBox, ShortWritesAndReadsAreCompleted) {
  new_store();
  start_writing();
  const std::uint64_t before = kernel_writes();
  ASSERT_TRUE(ledger_.put(*child_, 1, kLarge).is_ok());
  const std::uint64_t whole = kernel_writes() - before;
  control(reduce(kPwrite));
  const auto written = probe(kPwrite);
  EXPECT_TRUE(written[0] > 0 && written[0] < static_cast<std::int64_t>(kLaneProbeBytes));
  const std::uint64_t middle = kernel_writes();
  EXPECT_TRUE(ledger_.put(*child_, 1, kLarge).is_ok());
  EXPECT_GT(kernel_writes() - middle, whole) << "a short write was continued";
  EXPECT_TRUE(ledger_.put(*child_, 20, kSmall).is_ok());
  EXPECT_EQ(stats().groups_rewritten, 0);
  control(reduce(kPread));
  const auto read = probe(kPread);
  EXPECT_TRUE(read[0] > 0 && read[0] < static_cast<std::int64_t>(kLaneProbeBytes));
  ledger_.expect_readable(*child_);
  kill_and_verify();
}

// The first thing that opening writes is who holds the lock.
TEST_F(BlackBox, TheLabelOfTheLockIsWrittenWhateverInterruptsIt) {
  for (const auto& [call, command] :
       {std::pair{kFtruncate, enable_once(kFtruncate, EINTR)},
        std::pair{kPwrite, enable_once(kPwrite, EINTR)}, std::pair{kPwrite, reduce(kPwrite)}}) {
    SCOPED_TRACE(command);
    new_store();
    start({command});
    ASSERT_TRUE(child_->opened().is_ok()) << ::testing::PrintToString(child_->opened());
    if (command == reduce(call)) {
      EXPECT_GT(harmed(call, kLaneProbeBytes), 0);
    } else {
      expect_used_up(call);
    }
    EXPECT_EQ(contents_of(directory_ + "/LOCK"), fmt::format("{}\n", child_->pid()));
    kill_and_verify();
  }
}

// Creation, segments that end, a checkpoint, a clean end, opening: all of it with every other call
// short or interrupted.
TEST_F(BlackBox, AWholeLifeOfShortAndInterruptedCalls) {
  SCOPED_TRACE(fmt::format("PLURESDB_TEST_SEED={}", seed()));
  const auto interrupted = [](const Call& call) {
    return fmt::format("enable_random name={},failinfo={},probability=0.3", call.point, EINTR);
  };
  for (const auto& commands : {std::vector<std::string>{reduce(kPwrite), reduce(kPread)},
                               std::vector<std::string>{interrupted(kPwrite), interrupted(kPread),
                                                        interrupted(kFtruncate)}}) {
    SCOPED_TRACE(commands[0]);
    ledger_ = LaneLedger();
    directory_ = temporary_.path(fmt::format("store{}", ++stores_));
    for (int life = 0; life < 2; ++life) {
      start(commands);
      ASSERT_TRUE(child_->opened().is_ok()) << ::testing::PrintToString(child_->opened());
      EXPECT_GT(harmed(kPwrite, kLaneProbeBytes), 0);
      EXPECT_GT(harmed(kPread, kLaneProbeBytes), 0);
      EXPECT_TRUE(ledger_.put(*child_, 30, kLarge).is_ok()) << "more than two segments";
      EXPECT_TRUE(ledger_.put(*child_, 30, kSmall).is_ok());
      EXPECT_EQ(stats().groups_rewritten, 0);
      const LaneReply checkpointed = child_->ask("checkpoint");
      EXPECT_TRUE(checkpointed.is_ok()) << ::testing::PrintToString(checkpointed);
      EXPECT_TRUE(ledger_.put(*child_, 5, kSmall).is_ok());
      ledger_.expect_readable(*child_);
      EXPECT_TRUE(child_->ask("close").is_ok());
      EXPECT_EQ(child_->status(), 0);
      child_.reset();
    }
    ledger_.verify(directory_);
  }
}

TEST_F(BlackBox, ASegmentWhoseEndCannotBeCutOffIsStillGood) {
  new_store();
  start_writing();
  const std::int64_t segments = stats().segments;
  arm_once(kFtruncate, EIO);
  EXPECT_TRUE(ledger_.put(*child_, 15, kLarge).is_ok()) << "more than one segment";
  EXPECT_GT(stats().segments, segments);
  expect_used_up(kFtruncate);
  kill_and_verify();
}

TEST_F(BlackBox, AFailingReadIsAnErrorOfThatReadOnly) {
  new_store();
  start_writing();
  arm(kPread, EIO);
  expect_error(child_->ask(fmt::format("get 9 1 {}", kLarge)), "io", EIO);
  EXPECT_TRUE(ledger_.put(*child_, 2, kSmall).is_ok());
  disarm(kPread);
  ledger_.expect_readable(*child_);
  kill_and_verify();
}

TEST_F(BlackBox, AFailedCheckpointSaysWhyAndTheNextOneSucceeds) {
  struct Case {
    Call call;
    int error_number;
    const char* code;
  };
  for (const auto& [call, error_number, code] :
       {Case{kPwrite, ENOSPC, "no_space"}, Case{kPwrite, EDQUOT, "no_space"},
        Case{kPwrite, EIO, "io"}, Case{kFdatasync, EIO, "io"}, Case{kFsync, EIO, "io"},
        Case{kRename, EIO, "io"}}) {
    SCOPED_TRACE(fmt::format("{} {}", call.function, error_number));
    new_store();
    start_writing();
    arm(call, error_number);
    expect_error(child_->ask("checkpoint"), code, error_number);
    ledger_.expect_readable(*child_);
    disarm(call);
    const LaneReply again = child_->ask("checkpoint");
    EXPECT_TRUE(again.is_ok()) << ::testing::PrintToString(again);
    ledger_.expect_readable(*child_);
    kill_and_verify();
  }
}

TEST_F(BlackBox, FilesThatCannotBeRemovedStayAndHarmNobody) {
  new_store();
  start_writing();
  ASSERT_TRUE(ledger_.put(*child_, 30, kLarge).is_ok());
  ASSERT_TRUE(ledger_.erase(*child_, 1, ledger_.next() - 1).is_ok());
  const std::int64_t segments = stats().segments;
  arm(kRemove, EIO);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(ledger_.put(*child_, 1, kSmall).is_ok());
    (void)child_->ask("checkpoint");
  }
  EXPECT_GE(stats().segments, segments) << "removed in spite of the error";
  ledger_.expect_readable(*child_);
  disarm(kRemove);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(ledger_.put(*child_, 1, kSmall).is_ok());
    const LaneReply reply = child_->ask("checkpoint");
    EXPECT_TRUE(reply.is_ok()) << ::testing::PrintToString(reply);
  }
  EXPECT_LT(stats().segments, segments);
  kill_and_verify();
}

TEST_F(BlackBox, AnOpenThatFailsSaysWhyAndHarmsNothing) {
  struct Case {
    Call call;
    int error_number;
    const char* code;
  };
  for (const auto& [call, error_number, code] :
       {Case{kOpen, EIO, "io"}, Case{kOpen, ENOSPC, "no_space"}, Case{kOpen, EDQUOT, "no_space"},
        Case{kPread, EIO, "io"}, Case{kFsync, EIO, "io"}, Case{kFsync, ENOSPC, "no_space"},
        Case{kPwrite, EIO, "io"}, Case{kPwrite, ENOSPC, "no_space"}, Case{kFtruncate, EIO, "io"},
        Case{kFdopendir, EIO, "io"}, Case{kReaddir, EIO, "io"}}) {
    SCOPED_TRACE(fmt::format("{} {}", call.function, error_number));
    new_store();
    start({enable(call, error_number)});
    expect_error(child_->opened(), code, error_number);
    const int status = child_->status();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
    child_.reset();
    ledger_.verify(directory_);
  }
}

TEST_F(BlackBox, AStoreThatCouldNotBeMadeCanBeMadeLater) {
  for (const Call& call : {kOpen, kPwrite, kFsync, kRename}) {
    for (const int error_number : {EIO, ENOSPC, EDQUOT}) {
      SCOPED_TRACE(fmt::format("{} {}", call.function, error_number));
      ledger_ = LaneLedger();
      directory_ = temporary_.path(fmt::format("store{}", ++stores_));
      start({enable(call, error_number)});
      expect_error(child_->opened(), error_number == EIO ? "io" : "no_space", error_number);
      const int status = child_->status();
      EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 1) << status;
      start_writing();
      kill_and_verify();
    }
  }
}

}  // namespace
}  // namespace pluresdb::testing
