// A small program that keeps a store and knows nothing of faults: the tests of the black-box and
// the real-resource lane starve it of something from outside and hear what it was promised.
//
// Usage: core_lane_child DIRECTORY inline|threads SCRATCH_FILE, commands on stdin, answers on
// stdout (core_lane_protocol.h). The store is opened first, which is the first answer. Exit status:
// 0 after "close" or the end of stdin, 1 when the store did not open, 2 for bad usage.
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "engine/tests/core_lane_protocol.h"
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::testing {
namespace {

void say(std::string line) {
  line += '\n';
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    ::_exit(3);
  }
}

std::string answer(const Error& error) {
  return fmt::format("error {} {} {}", error_code_name(error.code), error.sys_errno, error.context);
}

template <typename T>
std::string answer(const Result<T>& result) {
  return result ? "ok" : answer(result.error());
}

/// As std::filesystem lists a directory. 0, or -1 with errno.
int probe_directory(bool read) {
  const int file = ::openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* directory = ::fdopendir(file);
  if (directory == nullptr) {
    const int error_number = errno;
    (void)::close(file);
    errno = error_number;
    return -1;
  }
  errno = 0;
  const bool ended = read && ::readdir(directory) == nullptr;  // NOLINT(concurrency-mt-unsafe)
  const int error_number = errno;
  (void)::closedir(directory);
  errno = error_number;
  return ended ? -1 : 0;
}

/// One call of one function of the C library, as the engine makes it: whether a fault is armed
/// there is seen from what this call meets. openat, which no preload of libfiu knows, opens the
/// file.
std::string probe(std::string_view function, const std::string& scratch) {
  const int file = ::openat(AT_FDCWD, scratch.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return fmt::format("error probe {} openat", errno);
  }
  std::array<char, kLaneProbeBytes> bytes{};
  std::int64_t result = -1;
  errno = 0;
  if (function == "pwrite") {
    result = ::pwrite(file, bytes.data(), bytes.size(), 0);
  } else if (function == "pread") {
    result = ::pread(file, bytes.data(), bytes.size(), 0);
  } else if (function == "fdatasync") {
    result = ::fdatasync(file);
  } else if (function == "fsync") {
    result = ::fsync(file);
  } else if (function == "ftruncate") {
    result = ::ftruncate(file, kLaneProbeBytes);
  } else if (function == "posix_fallocate") {
    result = errno = ::posix_fallocate(file, 0, kLaneProbeBytes);
  } else if (function == "rename") {
    result = std::rename(scratch.c_str(), scratch.c_str());
  } else if (function == "remove") {
    result = std::remove((scratch + ".none").c_str());
  } else if (function == "unlink") {
    result = ::unlink((scratch + ".none").c_str());
  } else if (function == "fdopendir" || function == "readdir") {
    result = probe_directory(function == "readdir");
  } else if (function == "open") {
    result = ::open(scratch.c_str(), O_RDWR | O_CLOEXEC);
    if (result >= 0) {
      (void)::close(static_cast<int>(result));
      result = 0;
    }
  }
  const std::string line = fmt::format("ok {} {}", result, errno);
  (void)::close(file);
  return line;
}

class Child {
 public:
  Child(std::unique_ptr<Engine> engine, std::string scratch)
      : engine_(std::move(engine)), scratch_(std::move(scratch)) {}

  std::string obey(const std::string& command) {
    std::istringstream words(command);
    std::string verb;
    words >> verb;
    if (verb == "probe") {
      std::string function;
      words >> function;
      return probe(function, scratch_);
    }
    if (verb == "prepare") {
      std::size_t bytes = 0;
      words >> bytes;
      prepared_ = lane_json(0, bytes);
      return "ok";
    }
    if (verb == "checkpoint") {
      return answer(engine_->checkpoint());
    }
    if (verb == "close") {
      return answer(engine_->close());
    }
    if (verb == "stats") {
      const WalStats wal = engine_->stats().wal;
      return fmt::format("ok {} {} {} {}", wal.groups_rewritten, wal.sync_failures,
                         wal.read_only ? 1 : 0, wal.segments);
    }
    std::uint64_t first = 0;
    std::uint64_t count = 1;
    std::size_t bytes = 0;
    words >> first >> count >> bytes;
    return verb == "put-prepared" ? answer(engine_->put("agent", lane_id(0), prepared_))
                                  : each(verb, first, count, bytes);
  }

 private:
  std::string each(std::string_view verb, std::uint64_t first, std::uint64_t count,
                   std::size_t bytes) {
    for (std::uint64_t number = first; number < first + count; ++number) {
      const std::string id = lane_id(number);
      if (verb == "get") {
        const auto found = engine_->get(id);
        if (!found) {
          return answer(found);
        }
        if (!*found || (*found)->json != lane_json(number, bytes)) {
          return fmt::format("error {} 0 {}", *found ? "different" : "absent", id);
        }
        continue;
      }
      const auto seq = verb == "put" ? engine_->put("agent", id, lane_json(number, bytes))
                                     : engine_->erase("agent", id);
      if (!seq) {
        return answer(seq);
      }
      say(fmt::format("ack {}", number));
    }
    return "ok";
  }

  std::unique_ptr<Engine> engine_;
  std::string scratch_;
  std::string prepared_;
};

int run(const std::string& directory, bool threads, const std::string& scratch) {
  auto opened = Engine::open_with_recovery(directory, lane_options(threads));
  say(answer(opened));
  if (!opened) {
    return 1;
  }
  Child child(*std::move(opened), scratch);
  std::string command;
  while (std::getline(std::cin, command)) {
    say(child.obey(command));
  }
  return 0;
}

}  // namespace
}  // namespace pluresdb::testing

int main(int argc, char** argv) {
  if (argc != 4) {
    return 2;
  }
  return pluresdb::testing::run(argv[1], std::string_view(argv[2]) == "threads", argv[3]);
}
