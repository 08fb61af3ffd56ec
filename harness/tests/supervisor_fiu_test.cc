// Goal: fiu-ctrl of libfiu fires a point in a worker that is alive, and the run says so.
// Method: a run without faults; fiu-ctrl enables one failing sync at its worker. And without libfiu
// a run that needs it must not pass: it is preloaded away.
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "harness/tests/supervisor_runs.h"

namespace soak::supervisor {
namespace {

namespace fs = std::filesystem;

class SoakRemoteControl : public SoakRuns {
 protected:
  /// "<run folder>/fiu-<pid>.in" -> pid; 0 while there is none.
  [[nodiscard]] int controlled_worker() const {
    std::error_code error;
    for (const fs::directory_entry& entry : fs::directory_iterator(run(), error)) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("fiu-") && name.ends_with(".in")) {
        return std::stoi(name.substr(4));
      }
    }
    return 0;
  }
};

TEST_F(SoakRemoteControl, FiuCtrlFiresAPointInALiveWorker) {
  start(write_scenario(R"(schema = 1
title = "remote control"
why = "for tests"
seed = 3
duration = "120s"

[engine]
file_system = "layered"

[[agents]]
name = "shell"
count = 2
rate = "200/s"
mix = { command = 3, memory = 2, read = 2, delete = 1 }

[expect]
verdict = "pass"
)"));
  ASSERT_TRUE(wait_until([&] { return has(events(), "\"store_created\""); })) << screen();
  const int worker = controlled_worker();
  ASSERT_GT(worker, 0);
  const std::string command =
      fmt::format("fiu-ctrl -f '{}' -c 'enable name=wal/segment/sync,failinfo=5,onetime' {}",
                  (run() / "fiu").string(), worker);
  ASSERT_EQ(std::system(command.c_str()), 0);  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
  ASSERT_TRUE(wait_until([&] { return has(events(), "\"fault_fired\""); })) << screen();
  send_signal(SIGINT);
  EXPECT_EQ(finish(), 2) << screen();  // Stopped before its end.
  const Summary result = summary();
  EXPECT_EQ(result.fired("remote_control"), 1U);
  EXPECT_EQ(result.fired_point("remote_control"), "wal/segment/sync");
  EXPECT_EQ(result.check("no_lost_acknowledged_writes"), "pass");
  EXPECT_TRUE(has(events(), "\"point\":\"wal/segment/sync\"")) << events();
}

constexpr const char* kNeedsLibfiu = R"(schema = 1
title = "one failed sync"
why = "for tests"
seed = 3
duration = "3s"

[[agents]]
name = "shell"
count = 2
rate = "200/s"
mix = { command = 3, memory = 2, read = 2, delete = 1 }

[[faults]]
name = "sync"
kind = "sync_error"
point = "wal/segment/sync"
times = 1
must_fire = 1

[expect]
verdict = "pass"
)";

class SoakWithoutLibfiu : public SoakRuns {};

TEST_F(SoakWithoutLibfiu, WithItTheFaultFires) {
  start(write_scenario(kNeedsLibfiu));
  EXPECT_EQ(finish(), 0) << screen();
}

TEST_F(SoakWithoutLibfiu, ARunThatNeedsItIsInconclusive) {
#if defined(PLURESDB_ADDRESS_SANITIZER) || defined(PLURESDB_THREAD_SANITIZER)
  GTEST_SKIP() << "a preloaded library cannot come before the sanitizer's own";
#endif
  // NOLINTBEGIN(concurrency-mt-unsafe): no other thread is alive.
  ASSERT_EQ(::setenv("LD_PRELOAD", LIBFIU_DISABLED, 1), 0);
  start(write_scenario(kNeedsLibfiu));
  ASSERT_EQ(::unsetenv("LD_PRELOAD"), 0);
  // NOLINTEND(concurrency-mt-unsafe)
  EXPECT_EQ(finish(), 2) << screen();
  const Summary result = summary();
  EXPECT_EQ(result.text("/verdict"), "inconclusive");
  EXPECT_EQ(result.check("faults_fired"), "inconclusive");
  EXPECT_EQ(result.fired("sync_error"), 0U);
}

}  // namespace
}  // namespace soak::supervisor
