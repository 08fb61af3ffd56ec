// Where benchmarks write: a fresh directory per benchmark below one place, on a file system that is
// named in the output, because figures of tmpfs and of a disk have nothing to do with each other.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <pluresdb/error.h>

namespace pluresdb::bench {

/// PLURESDB_BENCH_DIR, else ./build when there is one, else the current directory.
std::string bench_root();
/// "ext4", "tmpfs (memory: syncs cost nothing)", or the number of an unknown type.
std::string file_system_name(const std::string& directory);

class BenchDirectory {
 public:
  BenchDirectory();  ///< Below bench_root(); aborts when it cannot be made.
  /// Below `root`. kIo when it cannot be made.
  static Result<std::unique_ptr<BenchDirectory>> create(const std::string& root);
  ~BenchDirectory();
  BenchDirectory(const BenchDirectory&) = delete;
  BenchDirectory& operator=(const BenchDirectory&) = delete;
  BenchDirectory(BenchDirectory&&) = delete;
  BenchDirectory& operator=(BenchDirectory&&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  explicit BenchDirectory(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace pluresdb::bench
