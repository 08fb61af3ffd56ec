// Goal: with the kernel itself refusing (a file system full to the last byte, a limit on file
// sizes, descriptors or memory), nothing acknowledged is lost, the error says what was missing, and
// the store goes on as soon as there is enough again. Method: core_lane_child on a real file
// system. The limits are set by prlimit() in the living process; file systems are mounted in a
// mount namespace of this process, where it has the right.
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/tests/core_lane_child.h"
#include "engine/tests/core_lane_protocol.h"
#include "engine/tests/core_test_util.h"

namespace pluresdb::testing {
namespace {

constexpr std::size_t kSmall = 300;
constexpr std::size_t kLarge = kLaneLargeBytes + 1000;

void expect_error(const LaneReply& reply, std::string_view code, int error_number) {
  EXPECT_EQ(reply.code, code) << ::testing::PrintToString(reply);
  EXPECT_EQ(reply.error_number, error_number) << ::testing::PrintToString(reply);
}

// --- a full file system

/// What a small file system is made of, and the command that makes it of an empty file.
struct Device {
  const char* type;
  const char* make;  ///< nullptr: needs no file.
};
std::ostream& operator<<(std::ostream& out, const Device& device) { return out << device.type; }

class FullDevice : public ::testing::TestWithParam<Device> {
 protected:
  static constexpr std::uint64_t kDeviceBytes = 24ULL << 20;

  void SetUp() override {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
      GTEST_SKIP() << "no right to make a mount namespace";
    }
    root_ = temporary_.path("device");
    ASSERT_TRUE(std::filesystem::create_directory(root_));
    std::string line = fmt::format("mount -t tmpfs -o size={} none {}", kDeviceBytes, root_);
    if (GetParam().make != nullptr) {
      // The image is in memory: what a disk of this size does is not waited for.
      memory_ = temporary_.path("memory");
      ASSERT_TRUE(std::filesystem::create_directory(memory_));
      if (::mount("none", memory_.c_str(), "tmpfs", 0, "size=32m") != 0) {
        memory_.clear();
        GTEST_SKIP() << "no right to mount";
      }
      const std::string image = memory_ + "/image";
      std::ofstream(image).close();
      std::filesystem::resize_file(image, kDeviceBytes);
      line = fmt::format("{0} {1} && mount -o loop {1} {2}", GetParam().make, image, root_);
    }
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (std::system((line + " >" + temporary_.path("mount.log") + " 2>&1").c_str()) != 0) {
      std::ifstream log(temporary_.path("mount.log"));
      std::string why;
      (void)std::getline(log, why);
      GTEST_SKIP() << "no small " << GetParam().type << ": " << why;
    }
    mounted_ = true;
    directory_ = root_ + "/store";
  }
  void TearDown() override {
    child_.reset();
    if (mounted_) {
      EXPECT_EQ(::umount2(root_.c_str(), 0), 0) << errno;
    }
    if (!memory_.empty()) {
      EXPECT_EQ(::umount2(memory_.c_str(), MNT_DETACH), 0) << errno;
    }
  }

  [[nodiscard]] std::uint64_t available() const {
    struct statvfs status{};
    EXPECT_EQ(::statvfs(root_.c_str(), &status), 0);
    return status.f_bavail * status.f_frsize;
  }
  /// Somebody else's file takes everything but `left` bytes.
  void take_the_rest(std::uint64_t left = 0) {
    const int file = ::open((root_ + "/blocker").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ASSERT_GE(file, 0);
    // ext4 gives freed blocks back when the journal commits.
    ASSERT_EQ(::syncfs(file), 0);
    const std::vector<char> block(4096, 'x');
    while (available() > left) {
      const ssize_t count = ::write(file, block.data(), block.size());
      if (count <= 0) {
        ASSERT_EQ(errno, ENOSPC);
        break;
      }
    }
    (void)::close(file);
  }
  void give_back() { ASSERT_TRUE(std::filesystem::remove(root_ + "/blocker")); }
  void start(bool threads) {
    child_ = std::make_unique<LaneChild>(std::vector<std::string>{}, directory_, threads);
    ASSERT_TRUE(child_->opened().is_ok()) << ::testing::PrintToString(child_->opened());
  }
  /// Puts until one is refused.
  void fill() {
    for (int i = 0; i < 400; ++i) {
      const LaneReply small = ledger_.put(*child_, 40, 4000);
      const LaneReply large = small.is_ok() ? ledger_.put(*child_, 8, kLarge) : small;
      if (!large.is_ok()) {
        EXPECT_EQ(large.code, "no_space") << ::testing::PrintToString(large);
        return;
      }
    }
    FAIL() << "24 MiB took more than 130 MB";
  }

  /// Puts are refused before anything is half done; everything is still read.
  void expect_full() {
    expect_error(ledger_.put(*child_, 1, kSmall), "no_space", 0);
    expect_error(ledger_.put(*child_, 1, kLarge), "no_space", 0);
    ledger_.expect_readable(*child_);
  }
  /// Space comes back, and the store goes on without being opened again.
  void expect_resuming() {
    give_back();
    const LaneReply again = ledger_.put(*child_, 20, kSmall);
    EXPECT_TRUE(again.is_ok()) << ::testing::PrintToString(again);
    child_->kill();
    ledger_.verify(directory_);
  }

  TemporaryDirectory temporary_;
  std::string root_;
  std::string memory_;  ///< Where the image is; empty without one.
  std::string directory_;
  bool mounted_ = false;
  LaneLedger ledger_;
  std::unique_ptr<LaneChild> child_;
};

INSTANTIATE_TEST_SUITE_P(Devices, FullDevice,
                         ::testing::Values(Device{"tmpfs", nullptr},
                                           Device{"ext4", "mkfs.ext4 -q -m 0"}),
                         [](const auto& tested) { return std::string(tested.param.type); });

// Without threads: nothing gives space back between two commands.
TEST_P(FullDevice, RefusesPutsGoesOnReadingAndDeletingAndResumes) {
  take_the_rest(6ULL << 20);
  start(false);
  fill();
  EXPECT_GT(ledger_.promised(), 200U);
  take_the_rest();
  EXPECT_LT(available(), 4096U) << "a file system keeps a block or two to itself";
  expect_full();
  // Deletes go on, also when the active segment ends: its successor takes the place of the reserve.
  const auto segments = [this] { return child_->ask("stats").numbers.at(3); };
  const std::int64_t before = segments();
  for (int i = 0; i < 200 && segments() == before; ++i) {
    const LaneReply erased = ledger_.erase(*child_, 1, 20);
    ASSERT_TRUE(erased.is_ok()) << ::testing::PrintToString(erased);
  }
  EXPECT_EQ(segments(), before + 1);
  expect_full();
  expect_resuming();
}

// The known limit of docs/DURABILITY.md: refused cleanly, and only until some space is freed.
TEST_P(FullDevice, WithNotAByteAndNoReserveOpeningSaysSoAndHarmsNothing) {
  take_the_rest(6ULL << 20);
  start(false);
  fill();
  take_the_rest();
  ASSERT_TRUE(ledger_.erase(*child_, 1, 1).is_ok()) << "gives up the reserve";
  child_->kill();
  ASSERT_EQ(::unlink((directory_ + "/RESERVE.open").c_str()), 0);
  take_the_rest();
  child_ = std::make_unique<LaneChild>(std::vector<std::string>{}, directory_, false);
  if (child_->opened().is_ok()) {
    EXPECT_STREQ(GetParam().type, "ext4") << "only it may have kept a block or two to itself";
    child_->kill();
  } else {
    expect_error(child_->opened(), "no_space", ENOSPC);
    EXPECT_EQ(child_->status(), 1 << 8);
  }
  give_back();
  start(false);
  ledger_.expect_readable(*child_);
  EXPECT_TRUE(ledger_.put(*child_, 20, kSmall).is_ok());
  child_->kill();
  ledger_.verify(directory_);
}

TEST_P(FullDevice, OpensWhenNotAByteIsLeftAndDeletesHaveUsedUpTheReserve) {
  take_the_rest(6ULL << 20);
  start(false);
  fill();
  take_the_rest();
  ASSERT_TRUE(ledger_.erase(*child_, 1, 1).is_ok()) << "gives up the reserve";
  child_->kill();
  take_the_rest();
  start(false);
  expect_full();
  expect_resuming();
}

TEST_P(FullDevice, OpensWhenNotAByteIsLeft) {
  take_the_rest(6ULL << 20);
  start(false);
  fill();
  take_the_rest();
  child_->kill();
  EXPECT_LT(available(), 4096U);
  start(false);
  expect_full();
  expect_resuming();
}

// The whole engine with its threads. They give up the reserve, and what they were writing when they
// were killed may take the last bytes: what is kept for opening is still there.
TEST_P(FullDevice, AStoreThatFillsTheDeviceByItselfLosesNothing) {
  take_the_rest(kDeviceBytes - (4ULL << 20));
  start(true);
  fill();
  ledger_.expect_readable(*child_);
  child_->kill();
  start(true);
  ledger_.expect_readable(*child_);
  (void)ledger_.put(*child_, 1, kSmall);  // Refused or not: nothing may be half done.
  child_->kill();
  give_back();
  ledger_.verify(directory_);
}

// Somebody else takes the space after the engine has looked.
TEST_P(FullDevice, SpaceThatGoesBetweenTwoWritesLosesNothing) {
  start(true);
  ASSERT_TRUE(ledger_.put(*child_, 3, kSmall).is_ok());
  take_the_rest();
  // Goes on into the space that it has reserved until it looks again.
  LaneReply reply = ledger_.put(*child_, 500, 4000);
  EXPECT_EQ(reply.code, "no_space") << ::testing::PrintToString(reply);
  ledger_.expect_readable(*child_);
  give_back();
  reply = ledger_.put(*child_, 100, 4000);
  EXPECT_TRUE(reply.is_ok()) << ::testing::PrintToString(reply);
  EXPECT_TRUE(child_->ask("close").is_ok());
  child_.reset();
  ledger_.verify(directory_);
}

// --- limits of the process

class ProcessLimit : public ::testing::Test {
 protected:
  void start(const std::function<void()>& prepare = {}) {
    child_.reset();
    child_ = std::make_unique<LaneChild>(std::vector<std::string>{}, directory_, false, prepare);
  }
  void start_writing(const std::function<void()>& prepare = {}) {
    start(prepare);
    ASSERT_TRUE(child_->opened().is_ok()) << ::testing::PrintToString(child_->opened());
    ASSERT_TRUE(ledger_.put(*child_, 4, kSmall).is_ok());
    ASSERT_TRUE(ledger_.put(*child_, 2, kLarge).is_ok());
  }
  /// The soft limit of the living child; what it was.
  rlim_t limit(decltype(RLIMIT_FSIZE) resource, rlim_t value) {
    rlimit old{};
    EXPECT_EQ(::prlimit(child_->pid(), resource, nullptr, &old), 0);
    const rlimit wanted{.rlim_cur = std::min(value, old.rlim_max), .rlim_max = old.rlim_max};
    EXPECT_EQ(::prlimit(child_->pid(), resource, &wanted, nullptr), 0) << errno;
    return old.rlim_cur;
  }
  /// One more than the highest descriptor of the child.
  [[nodiscard]] rlim_t descriptors() const {
    std::set<int> open;
    for (const auto& entry :
         std::filesystem::directory_iterator(fmt::format("/proc/{}/fd", child_->pid()))) {
      open.insert(std::stoi(entry.path().filename()));
    }
    rlim_t lowest_free = 0;
    while (open.contains(static_cast<int>(lowest_free))) {
      ++lowest_free;
    }
    return lowest_free;
  }
  /// Writable private memory of the child, which RLIMIT_DATA limits.
  [[nodiscard]] rlim_t data_bytes() const {
    std::ifstream file(fmt::format("/proc/{}/status", child_->pid()));
    for (std::string word; file >> word;) {
      if (word == "VmData:") {
        rlim_t kibibytes = 0;
        file >> kibibytes;
        return kibibytes * 1024;
      }
    }
    ADD_FAILURE() << "no VmData in /proc/PID/status";
    return 0;
  }
  void kill_and_verify() {
    child_->kill();
    child_.reset();
    ledger_.verify(directory_);
  }

  void expect_abort() {
    const int status = child_->status();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT) << status;
    child_.reset();
    ledger_.verify(directory_);
  }

  static void ignore_sigxfsz() { (void)std::signal(SIGXFSZ, SIG_IGN); }

  TemporaryDirectory temporary_;
  std::string directory_ = temporary_.path();
  LaneLedger ledger_;
  std::unique_ptr<LaneChild> child_;
};

TEST_F(ProcessLimit, AFileSizeLimitBelowASegmentMakesTheLogReadOnly) {
  start_writing(ignore_sigxfsz);
  limit(RLIMIT_FSIZE, 100'000);
  // The active segment was reserved before, but 100,000 bytes from its start no write is allowed:
  // what fits is written, the rest is EFBIG, and no other segment can be made.
  const LaneReply reply = ledger_.put(*child_, 20, kLarge);
  EXPECT_EQ(reply.acks.size(), 2U);
  expect_error(reply, "indeterminate", EFBIG);
  expect_error(ledger_.put(*child_, 1, kSmall), "read_only", EFBIG);
  ledger_.expect_readable(*child_);
  kill_and_verify();
}

TEST_F(ProcessLimit, AFileSizeLimitMetByANewSegmentRefusesTheWrite) {
  start_writing(ignore_sigxfsz);
  limit(RLIMIT_FSIZE, lane_options(false).segment_bytes - 1);
  // The active segment is used to its end; its successor cannot be reserved.
  const LaneReply reply = ledger_.put(*child_, 20, kLarge);
  EXPECT_GE(reply.acks.size(), 8U);
  expect_error(reply, "read_only", EFBIG);
  EXPECT_NE(reply.text.find("allocate"), std::string::npos) << reply.text;
  ledger_.expect_readable(*child_);
  kill_and_verify();
}

TEST_F(ProcessLimit, AFileSizeLimitMetByACheckpointIsAnErrorOfTheCheckpoint) {
  start_writing(ignore_sigxfsz);
  ASSERT_TRUE(ledger_.put(*child_, 2, 8000).is_ok());
  const rlim_t old = limit(RLIMIT_FSIZE, 500);
  expect_error(child_->ask("checkpoint"), "io", EFBIG);
  ledger_.expect_readable(*child_);
  limit(RLIMIT_FSIZE, old);
  const LaneReply again = child_->ask("checkpoint");
  EXPECT_TRUE(again.is_ok()) << ::testing::PrintToString(again);
  EXPECT_TRUE(ledger_.put(*child_, 4, kLarge).is_ok());
  kill_and_verify();
}

TEST_F(ProcessLimit, AProcessThatDoesNotIgnoreSigxfszDiesAndLosesNothing) {
  start_writing();
  limit(RLIMIT_FSIZE, 100'000);
  EXPECT_TRUE(ledger_.put(*child_, 20, kLarge).ended);
  const int status = child_->status();
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ) << status;
  child_.reset();
  ledger_.verify(directory_);
}

TEST_F(ProcessLimit, WithoutDescriptorsANewSegmentIsRefusedAndReadsGoOn) {
  start_writing();
  const rlim_t old = limit(RLIMIT_NOFILE, descriptors());
  const LaneReply reply = ledger_.put(*child_, 20, kLarge);
  expect_error(reply, "read_only", EMFILE);
  EXPECT_NE(reply.text.find("open"), std::string::npos) << reply.text;
  EXPECT_TRUE(child_->ask("get 1 1 300").is_ok()) << "what is in memory needs no descriptor";
  limit(RLIMIT_NOFILE, old);
  ledger_.expect_readable(*child_);
  kill_and_verify();
}

TEST_F(ProcessLimit, WithoutDescriptorsACheckpointFailsAndTheNextOneSucceeds) {
  start_writing();
  const rlim_t old = limit(RLIMIT_NOFILE, descriptors());
  expect_error(child_->ask("checkpoint"), "io", EMFILE);
  limit(RLIMIT_NOFILE, old);
  const LaneReply again = child_->ask("checkpoint");
  EXPECT_TRUE(again.is_ok()) << ::testing::PrintToString(again);
  ledger_.expect_readable(*child_);
  kill_and_verify();
}

// Every place of opening at which descriptors may run out.
TEST_F(ProcessLimit, OpeningWithTooFewDescriptorsSaysSoAndHarmsNothing) {
  start_writing();
  ASSERT_TRUE(child_->ask("checkpoint").is_ok());
  ASSERT_TRUE(ledger_.put(*child_, 3, kSmall).is_ok());
  const rlim_t enough = 64;
  int refused = 0;
  bool opened = false;
  // Below 4 the dynamic linker cannot start the program.
  for (rlim_t descriptors = 4; descriptors < enough && !opened; ++descriptors) {
    SCOPED_TRACE(descriptors);
    start([descriptors] {
      const rlimit few{.rlim_cur = descriptors, .rlim_max = enough};
      (void)::setrlimit(RLIMIT_NOFILE, &few);
    });
    opened = child_->opened().is_ok();
    if (!opened) {
      expect_error(child_->opened(), "io", EMFILE);
      ++refused;
    }
  }
  EXPECT_TRUE(opened);
  EXPECT_GT(refused, 4);
  kill_and_verify();
}

// RLIMIT_DATA, not RLIMIT_AS: the arenas of malloc have reserved address space into which they
// grow.
TEST_F(ProcessLimit, AWriteThatNeedsTooMuchMemoryIsRefusedOrEndsTheProcess) {
  start_writing();
  constexpr std::size_t kHuge = 32U << 20U;
  ASSERT_TRUE(child_->ask(fmt::format("prepare {}", kHuge)).is_ok());
  const rlim_t old = limit(RLIMIT_DATA, data_bytes() + (1U << 20U));
  ASSERT_TRUE(ledger_.put(*child_, 2, kSmall).is_ok()) << "little memory is enough for a little";
  const LaneReply reply = ledger_.put_prepared(*child_, kHuge);
  if (reply.ended) {  // The allocator of AddressSanitizer refuses nothing: it ends the process.
    expect_abort();
    return;
  }
  EXPECT_NE(reply.text.find("memory"), std::string::npos) << ::testing::PrintToString(reply);
  EXPECT_FALSE(reply.is_ok());
  ledger_.expect_readable(*child_);
  limit(RLIMIT_DATA, old);
  EXPECT_TRUE(ledger_.put_prepared(*child_, kHuge).is_ok());
  kill_and_verify();
}

// std::bad_alloc is no error that a caller could react to. It is a crash like any other.
TEST_F(ProcessLimit, AProcessThatRunsOutOfMemoryLosesNothing) {
  start_writing();
  limit(RLIMIT_DATA, data_bytes() + (2U << 20U));
  // Just small enough to be kept in memory until a checkpoint.
  const LaneReply reply = ledger_.put(*child_, 4000, kLaneLargeBytes - 100);
  EXPECT_TRUE(reply.ended) << ::testing::PrintToString(reply);
  EXPECT_GT(reply.acks.size(), 10U);
  expect_abort();
}

}  // namespace
}  // namespace pluresdb::testing
