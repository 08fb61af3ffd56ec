// See machine.h.
#include "engine/bench/peers/machine.h"

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <unistd.h>

#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

double seconds_of(const timeval& time) {
  constexpr double kMicrosecondsPerSecond = 1e6;
  return static_cast<double>(time.tv_sec) +
         static_cast<double>(time.tv_usec) / kMicrosecondsPerSecond;
}

/// A line "Name:   123 kB" of /proc/self/status, in bytes.
std::uint64_t status_line(const std::string& name) {
  constexpr std::uint64_t kKibibyte = 1024;
  std::ifstream status("/proc/self/status");
  std::string word;
  while (status >> word) {
    std::uint64_t kibibytes = 0;
    if (word == name && status >> kibibytes) {
      return kibibytes * kKibibyte;
    }
  }
  return 0;
}

}  // namespace

double processor_seconds() {
  rusage usage{};
  return ::getrusage(RUSAGE_SELF, &usage) == 0
             ? seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime)
             : 0;
}

std::uint64_t resident_bytes() { return status_line("VmRSS:"); }
std::uint64_t resident_bytes_max() { return status_line("VmHWM:"); }

std::string load_averages() {
  std::ifstream file("/proc/loadavg");
  std::string one, five, fifteen;
  file >> one >> five >> fifteen;
  return one + " " + five + " " + fifteen;
}

BlockDevice::BlockDevice(const std::string& directory) {
  struct stat status{};
  if (::stat(directory.c_str(), &status) == 0) {
    name_ = fmt::format("{}:{}", major(status.st_dev), minor(status.st_dev));
  }
}

std::optional<std::uint64_t> BlockDevice::written_bytes() const {
  // Fields: reads, merged, sectors read, milliseconds, writes, merged, sectors written, ...
  constexpr int kSectorsWrittenField = 7;
  constexpr std::uint64_t kSectorBytes = 512;
  std::ifstream counters("/sys/dev/block/" + name_ + "/stat");
  std::uint64_t field = 0;
  for (int index = 0; index < kSectorsWrittenField; ++index) {
    if (!(counters >> field)) {
      return std::nullopt;
    }
  }
  return field * kSectorBytes;
}

Status settle_file_system(const std::string& directory) {
  const int descriptor = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    return fail(ErrorCode::kIo, "open " + directory, errno);
  }
  const bool synced = ::syncfs(descriptor) == 0;
  const int error_number = errno;
  (void)::close(descriptor);
  return synced ? Status{} : Status(fail(ErrorCode::kIo, "syncfs " + directory, error_number));
}

}  // namespace pluresdb::bench
