// check: each run is a child process, because a run owns its process (signals, shared memory). The
// child stands in a process group of its own, so that Ctrl-C reaches it once, through this one.
#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <linux/prctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/cli/commands.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/run.h"
#include "harness/supervisor/signals.h"
#include "harness/supervisor/unique_fd.h"
#include <pluresdb/error.h>

namespace soak::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kExitOtherEnd = 1;

/// Exits with the status of the run.
[[noreturn]] void be_the_run(const supervisor::RunOptions& options) {
  const bool ready = ::setpgid(0, 0) == 0 && ::prctl(PR_SET_PDEATHSIG, SIGTERM) == 0;
  const int status = ready ? supervisor::run(options) : kExitEnvironment;
  static_cast<void>(std::fflush(nullptr));
  ::_exit(status);
}

/// Passes stop signals on until the process of `handle` has ended.
void wait_for_end(int handle, pid_t child, supervisor::Signals& signals) {
  std::array<pollfd, 2> waited = {{{.fd = handle, .events = POLLIN, .revents = 0},
                                   {.fd = signals.descriptor(), .events = POLLIN, .revents = 0}}};
  int passed_on = 0;  // No run begins after a stop signal.
  while (waited[0].revents == 0) {
    if (::poll(waited.data(), waited.size(), -1) < 0 && errno != EINTR) {
      return;
    }
    for (const int seen = signals.count(); passed_on < seen; ++passed_on) {
      static_cast<void>(::kill(child, SIGTERM));
    }
  }
}

/// The status of the run, or kExitEnvironment when it was killed.
int run_in_child(const supervisor::RunOptions& options, supervisor::Signals& signals) {
  const pid_t child = ::fork();
  if (child == 0) {
    be_the_run(options);
  }
  const supervisor::UniqueFd handle(
      child < 0 ? -1 : static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  if (handle.get() < 0) {
    fmt::print(stderr, "check: a run cannot be started: {}\n",
               std::generic_category().message(errno));
    return kExitEnvironment;
  }
  wait_for_end(handle.get(), child, signals);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) {
      return kExitEnvironment;
    }
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : kExitEnvironment;
}

/// With the pid: two checks can begin in one second.
std::string default_folder() {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return fmt::format("runs/check-{:%Y%m%dT%H%M%SZ}-{}", now, ::getpid());
}

/// All of them, or none when one is invalid: findings go to stderr.
std::vector<supervisor::RunOptions> load_all(const CheckOptions& options) {
  std::vector<supervisor::RunOptions> runs;
  const std::string folder =
      options.out_directory.empty() ? default_folder() : options.out_directory;
  for (const std::string& argument : options.scenarios) {
    scenario::ParseResult parsed = load(argument, options.parse, options.color);
    if (!parsed.scenario.has_value()) {
      continue;
    }
    supervisor::RunOptions run;
    run.scenario = *std::move(parsed.scenario);
    run.resolved_toml = std::move(parsed.resolved_toml);
    run.scenario_file = argument;
    run.command_line = "pluresdb-soak check " + argument;
    // Numbered: files of one name can stand in several folders.
    run.out_directory =
        fmt::format("{}/{:02}-{}", folder, runs.size() + 1, fs::path(argument).stem().string());
    run.version = options.version;
    run.check = true;
    runs.push_back(std::move(run));
  }
  return runs.size() == options.scenarios.size() ? std::move(runs)
                                                 : std::vector<supervisor::RunOptions>();
}

}  // namespace

int check(const CheckOptions& options) {
  const std::vector<supervisor::RunOptions> runs = load_all(options);
  if (runs.empty()) {
    return kExitInvalid;
  }
  auto signals = supervisor::Signals::catch_stop_signals();
  if (!signals.has_value()) {
    fmt::print(stderr, "check: {}\n", pluresdb::to_string(signals.error()));
    return kExitEnvironment;
  }
  int worst = kExitPass;
  std::size_t done = 0;
  for (const supervisor::RunOptions& run : runs) {
    if (signals->count() > 0) {
      break;
    }
    const int status = run_in_child(run, *signals);
    ++done;
    worst = std::max(worst, status);
    if (options.out_directory.empty() && status == kExitPass) {
      std::error_code error;
      fs::remove_all(run.out_directory, error);
      fs::remove(fs::path(run.out_directory).parent_path(), error);  // Only when it is empty.
    }
  }
  if (done < runs.size()) {
    fmt::print(stderr, "check: stopped; {} of {} scenarios were run\n", done, runs.size());
    worst = std::max(worst, kExitOtherEnd);
  }
  return worst;
}

}  // namespace soak::cli
