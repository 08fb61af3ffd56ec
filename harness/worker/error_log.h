// Lines in the worker's log (stderr, which the supervisor redirects into the run folder).
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string_view>

#include <pluresdb/error.h>

namespace soak::worker {

/// "[seconds] text". Thread: any; one line is one write.
void log_line(std::string_view text);

/// Engine errors, one line per code and second: a full disk refuses thousands of writes a second.
class ErrorLog {
 public:
  /// `what`: "put", "get", ... Thread: any.
  void add(std::string_view what, std::string_view id, const pluresdb::Error& error);

 private:
  struct Kind {
    std::uint64_t last_ns = 0;
    std::uint64_t silent = 0;  ///< Errors since that were not printed.
  };
  std::mutex mutex_;
  std::map<pluresdb::ErrorCode, Kind> kinds_;
};

}  // namespace soak::worker
