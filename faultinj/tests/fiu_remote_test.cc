// Goal: fiu-ctrl can fire a point in a living process in which nothing was armed.
// Method: a child syncs and writes a file through the seam for ever and reports each change of the
// outcome through a pipe; the parent runs fiu-ctrl on it.
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill() is POSIX, not in <csignal>.
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/fault_file_system.h"
#include "faultinj/firing.h"
#include "faultinj/fiu_control.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::io::OpenMode;

constexpr int kReady = -1;
constexpr int kBroken = -2;

void report(int pipe, int outcome) {
  if (::write(pipe, &outcome, sizeof(outcome)) != sizeof(outcome)) {
    ::_exit(1);
  }
}

/// Error number of one round of operations; 0 when all succeed.
int one_round(pluresdb::io::File& file) {
  auto status = file.truncate(0);
  if (status) {
    status = file.write(0, pluresdb::base::as_bytes("x"));
  }
  if (status) {
    status = file.sync_data();
  }
  return status ? 0 : status.error().sys_errno;
}

[[noreturn]] void live(const std::string& root, int pipe) {
  if (!fiu_start(root + "/fiu")) {
    report(pipe, kBroken);
    ::_exit(1);
  }
  int fired = 0;
  const auto files = make_fault_file_system(
      pluresdb::io::posix_file_system(), root,
      [&fired](std::string_view, const Firing& firing) { fired = firing.error_number; });
  const auto file = files->open(root + "/wal/1.wal", OpenMode::kCreateNew);
  if (!file) {
    report(pipe, kBroken);
    ::_exit(1);
  }
  report(pipe, kReady);
  int last = 0;
  for (;;) {
    fired = 0;
    const int outcome = one_round(**file);
    if (outcome != fired) {
      report(pipe, kBroken);
    }
    if (outcome != last) {
      report(pipe, outcome);
      last = outcome;
    }
  }
}

TEST(FiuRemote, FiuCtrlFiresPointsOfALivingProcess) {
  const TestDirectory directory(TestDirectory::Where::kMemory);
  ASSERT_TRUE(
      pluresdb::io::posix_file_system().create_directory(directory.path() + "/wal").has_value());
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    live(directory.path(), ends[1]);
  }
  (void)::close(ends[1]);  // So that the child's death ends the reads.
  const auto next_report = [&] {
    int outcome = kBroken;
    return ::read(ends[0], &outcome, sizeof(outcome)) == sizeof(outcome) ? outcome : kBroken;
  };
  const auto control = [&](const std::string& command) {
    const std::string line =
        "fiu-ctrl -c '" + command + "' -f " + directory.path() + "/fiu " + std::to_string(child);
    return std::system(line.c_str());  // NOLINT(concurrency-mt-unsafe): one thread.
  };
  EXPECT_EQ(next_report(), kReady);
  EXPECT_EQ(control("enable name=wal/segment/sync,failinfo=6"), 0);
  EXPECT_EQ(next_report(), ENXIO);
  EXPECT_EQ(control("disable name=wal/segment/sync"), 0);
  EXPECT_EQ(next_report(), 0);
  // Without a failinfo the point has a sensible error of its own.
  EXPECT_EQ(control("enable name=space/*"), 0);
  EXPECT_EQ(next_report(), ENOSPC);
  EXPECT_EQ(control("disable name=space/*"), 0);
  EXPECT_EQ(next_report(), 0);
  EXPECT_EQ(control("enable name=wal/segment/truncate"), 0);
  EXPECT_EQ(next_report(), EIO);
  EXPECT_EQ(::kill(child, SIGKILL), 0);
  EXPECT_EQ(::waitpid(child, nullptr, 0), child);
  (void)::close(ends[0]);
}

}  // namespace
}  // namespace faultinj
