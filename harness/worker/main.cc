// pluresdb-soak-worker: started by pluresdb-soak only (worker_protocol.h).
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>

#include <linux/prctl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "harness/worker/error_log.h"
#include "harness/worker/worker.h"

namespace {

constexpr int kExitUsage = 3;

std::optional<int> descriptor_of(std::string_view text) {
  int fd = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (error != std::errc{} || end != text.data() + text.size() || fd < 0) {
    return std::nullopt;
  }
  return fd;
}

std::optional<soak::worker::WorkerArguments> parse(std::span<char*> arguments) {
  soak::worker::WorkerArguments parsed;
  for (std::size_t i = 1; i + 1 < arguments.size(); i += 2) {
    const std::string_view flag = arguments[i];
    const std::string_view value = arguments[i + 1];
    const std::optional<int> fd = descriptor_of(value);
    if (flag == "--config") {
      parsed.config_file = value;
    } else if (flag == "--control-fd" && fd) {
      parsed.control_fd = *fd;
    } else if (flag == "--region-fd" && fd) {
      parsed.region_fd = *fd;
    } else if (flag == "--journal-fd" && fd) {
      parsed.journal_fd = *fd;
    } else {
      return std::nullopt;
    }
  }
  const bool complete = arguments.size() % 2 == 1 && parsed.control_fd >= 0 &&
                        parsed.region_fd >= 0 && !parsed.config_file.empty();
  return complete ? std::optional(parsed) : std::nullopt;
}

// The worker lives and dies by its supervisor alone: no terminal signal reaches it, and it does not
// outlive its parent.
bool bind_to_supervisor() {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
    return false;
  }
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) {
    if (signal(number, SIG_IGN) == SIG_ERR) {
      return false;
    }
  }
  return getppid() != 1;  // The parent may have died before the prctl.
}

}  // namespace

int main(int argc, char** argv) {
  const auto arguments = parse(std::span(argv, static_cast<std::size_t>(argc)));
  if (!arguments.has_value()) {
    soak::worker::log_line(
        "usage: pluresdb-soak-worker --control-fd N --region-fd N [--journal-fd N] --config FILE\n"
        "Started by pluresdb-soak; run `pluresdb-soak run SCENARIO.toml` instead.");
    return kExitUsage;
  }
  if (!bind_to_supervisor()) {
    soak::worker::log_line("cannot bind to the supervisor");
    return EXIT_FAILURE;
  }
  return soak::worker::run_worker(*arguments);
}
