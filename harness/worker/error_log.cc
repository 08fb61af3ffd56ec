#include "harness/worker/error_log.h"

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

#include <fmt/core.h>
#include <sys/types.h>
#include <unistd.h>

#include "harness/common/shared_region.h"
#include <pluresdb/error.h>

namespace soak::worker {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

}  // namespace

void log_line(std::string_view text) {
  const std::string line =
      fmt::format("[{:.3f}] {}\n", static_cast<double>(monotonic_ns()) / 1e9, text);
  std::size_t written = 0;
  while (written < line.size()) {
    const ssize_t count = write(STDERR_FILENO, line.data() + written, line.size() - written);
    if (count <= 0) {
      return;  // The log's disk is full: nowhere to say so, and the run goes on.
    }
    written += static_cast<std::size_t>(count);
  }
}

void ErrorLog::add(std::string_view what, std::string_view id, const pluresdb::Error& error) {
  const std::uint64_t now = monotonic_ns();
  std::uint64_t silent = 0;
  {
    const std::lock_guard lock(mutex_);
    Kind& kind = kinds_[error.code];
    if (kind.last_ns != 0 && now - kind.last_ns < kSecondNs) {
      ++kind.silent;
      return;
    }
    silent = kind.silent;
    kind = {.last_ns = now, .silent = 0};
  }
  log_line(fmt::format("{} {}: {}{}", what, id, to_string(error),
                       silent == 0 ? "" : fmt::format(" ({} more since the last line)", silent)));
}

}  // namespace soak::worker
