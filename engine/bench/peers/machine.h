// Counters of the process and of the block device beneath a directory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <pluresdb/error.h>

namespace pluresdb::bench {

/// User and system time of this process, all its threads.
double processor_seconds();
/// Resident memory of this process, and the most it ever was.
std::uint64_t resident_bytes();
std::uint64_t resident_bytes_max();
std::string load_averages();

/// The device of a directory's file system. Counts what everybody writes, not only this process:
/// /proc/self/io is no alternative, it counts whole large folios.
class BlockDevice {
 public:
  explicit BlockDevice(const std::string& directory);
  /// Bytes written to the device since boot; nullopt when it has no counters (tmpfs, overlay).
  [[nodiscard]] std::optional<std::uint64_t> written_bytes() const;
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  std::string name_;  // "254:0"
};

/// Writes out everything the file system of `directory` holds in memory.
Status settle_file_system(const std::string& directory);

}  // namespace pluresdb::bench
