#include "engine/bench/bench_directory.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <stdlib.h>
#include <sys/statfs.h>

#include "engine/base/check.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {

std::string bench_root() {
  // Read before any thread is started.
  if (const char* chosen = std::getenv("PLURESDB_BENCH_DIR");  // NOLINT(concurrency-mt-unsafe)
      chosen != nullptr && *chosen != '\0') {
    return chosen;
  }
  std::error_code ignored;
  return std::filesystem::is_directory("build", ignored) ? "build" : ".";
}

std::string file_system_name(const std::string& directory) {
  struct statfs status{};
  if (::statfs(directory.c_str(), &status) != 0) {
    return "unknown";
  }
  constexpr auto kExt4 = 0xef53;
  constexpr auto kXfs = 0x58465342;
  constexpr auto kBtrfs = 0x9123683e;
  constexpr auto kTmpfs = 0x01021994;
  constexpr auto kOverlay = 0x794c7630;
  switch (status.f_type) {
    case kExt4:
      return "ext4";
    case kXfs:
      return "xfs";
    case kBtrfs:
      return "btrfs";
    case kTmpfs:
      return "tmpfs (memory: syncs cost nothing)";
    case kOverlay:
      return "overlay";
    default:
      return fmt::format("{:#x}", status.f_type);
  }
}

Result<std::unique_ptr<BenchDirectory>> BenchDirectory::create(const std::string& root) {
  std::string path = (std::filesystem::path(root) / "pluresdb-bench-XXXXXX").string();
  if (::mkdtemp(path.data()) == nullptr) {
    return fail(ErrorCode::kIo, "create a directory in " + root, errno);
  }
  return std::unique_ptr<BenchDirectory>(new BenchDirectory(std::move(path)));
}

BenchDirectory::BenchDirectory()
    : path_((std::filesystem::path(bench_root()) / "pluresdb-bench-XXXXXX").string()) {
  DB_CHECK(::mkdtemp(path_.data()) != nullptr);
}

BenchDirectory::~BenchDirectory() {
  std::error_code ignored;  // What is left can be removed by hand; its name says what it is.
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace pluresdb::bench
