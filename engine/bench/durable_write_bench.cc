// The system calls by which one group could be made durable, beside each other: what the engine
// uses (pwrite + fdatasync) and what it could use. docs/decisions/0007-how-a-group-is-synced.md.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "engine/bench/bench_directory.h"
#include "engine/bench/io_uring.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

constexpr std::uint64_t kFileBytes = 64ULL << 20;  // One segment.
constexpr double kMinSeconds = 0.2;
constexpr mode_t kFileMode = 0600;

enum class Method {
  kWriteOnly,           ///< Not durable: the floor.
  kWriteSyncFileRange,  ///< Not durable: waits for write-back, not for the device's cache.
  kWriteFdatasync,
  kWriteDsync,           ///< pwritev2 with RWF_DSYNC.
  kUringWriteFdatasync,  ///< Linked.
  kUringWriteDsync,
};

/// A file of kFileBytes zeros, durable: no write to it has metadata to sync but its times.
class ZeroedFile {
 public:
  explicit ZeroedFile(const std::string& path)
      : descriptor_(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode)) {}
  ~ZeroedFile() {
    if (descriptor_ >= 0) {
      (void)::close(descriptor_);
    }
  }
  ZeroedFile(const ZeroedFile&) = delete;
  ZeroedFile& operator=(const ZeroedFile&) = delete;
  ZeroedFile(ZeroedFile&&) = delete;
  ZeroedFile& operator=(ZeroedFile&&) = delete;

  [[nodiscard]] bool prepare() const {
    if (descriptor_ < 0) {
      return false;
    }
    const std::vector<std::byte> zeros(1U << 20U);
    for (std::uint64_t offset = 0; offset < kFileBytes; offset += zeros.size()) {
      if (::pwrite(descriptor_, zeros.data(), zeros.size(), static_cast<off_t>(offset)) !=
          static_cast<ssize_t>(zeros.size())) {
        return false;
      }
    }
    return ::fsync(descriptor_) == 0;
  }
  [[nodiscard]] bool holds(std::uint64_t offset, std::span<const std::byte> data) const {
    std::vector<std::byte> found(data.size());
    return ::pread(descriptor_, found.data(), found.size(), static_cast<off_t>(offset)) ==
               static_cast<ssize_t>(found.size()) &&
           std::equal(found.begin(), found.end(), data.begin());
  }
  [[nodiscard]] int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

Status checked(ssize_t written, std::size_t wanted) {
  return written == static_cast<ssize_t>(wanted) ? Status{}
                                                 : Status(fail(ErrorCode::kIo, "write", errno));
}
Status checked(int result, const char* what) {
  return result == 0 ? Status{} : Status(fail(ErrorCode::kIo, what, errno));
}

Status write_by(Method method, int file, IoUring* ring, std::span<const std::byte> data,
                std::uint64_t offset) {
  const auto at = static_cast<off_t>(offset);
  switch (method) {
    case Method::kUringWriteFdatasync:
      return ring->write_then_sync(file, data, offset);
    case Method::kUringWriteDsync:
      return ring->write_durably(file, data, offset);
    case Method::kWriteDsync: {
      // Not changed by the call; the interface is older than const.
      const iovec part{.iov_base = const_cast<std::byte*>(data.data()), .iov_len = data.size()};
      return checked(::pwritev2(file, &part, 1, at, RWF_DSYNC), data.size());
    }
    case Method::kWriteOnly:
    case Method::kWriteSyncFileRange:
    case Method::kWriteFdatasync:
      break;
  }
  TRY(checked(::pwrite(file, data.data(), data.size(), at), data.size()));
  if (method == Method::kWriteFdatasync) {
    return checked(::fdatasync(file), "fdatasync");
  }
  if (method == Method::kWriteSyncFileRange) {
    constexpr unsigned kWriteAndWait =
        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;
    return checked(::sync_file_range(file, at, static_cast<off_t>(data.size()), kWriteAndWait),
                   "sync_file_range");
  }
  return {};
}

/// Front to back, again and again. range(0): bytes.
void durable_write(benchmark::State& state, Method method) {
  std::unique_ptr<IoUring> ring;
  if (method == Method::kUringWriteFdatasync || method == Method::kUringWriteDsync) {
    auto created = IoUring::create();
    if (!created) {
      state.SkipWithError(("skipped: " + to_string(created.error())).c_str());
      return;
    }
    ring = *std::move(created);
  }
  const BenchDirectory directory;
  const ZeroedFile file(directory.path() + "/file");
  if (!file.prepare()) {
    state.SkipWithError("cannot prepare the file");
    return;
  }
  std::vector<std::byte> data(static_cast<std::size_t>(state.range(0)), std::byte{0x5a});
  std::uint64_t offset = 0;
  std::uint64_t last_offset = 0;
  std::uint8_t number = 0;
  while (state.KeepRunning()) {
    if (offset + data.size() > kFileBytes) {
      offset = 0;
    }
    data.front() = static_cast<std::byte>(++number);
    if (const Status written = write_by(method, file.descriptor(), ring.get(), data, offset);
        !written) {
      state.SkipWithError(to_string(written.error()).c_str());
      return;
    }
    last_offset = offset;
    offset += data.size();
  }
  if (!file.holds(last_offset, data)) {
    state.SkipWithError("the last write is not in the file");
  }
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * state.range(0));
}

void sizes(benchmark::internal::Benchmark* bench) {
  constexpr std::int64_t kSmall = 200;
  constexpr std::int64_t kPage = 4 << 10;
  constexpr std::int64_t kLarge = 64 << 10;
  bench->Arg(kSmall)->Arg(kPage)->Arg(kLarge)->MinTime(kMinSeconds)->UseRealTime();
}
BENCHMARK_CAPTURE(durable_write, pwrite_fdatasync, Method::kWriteFdatasync)->Apply(sizes);
BENCHMARK_CAPTURE(durable_write, pwritev2_dsync, Method::kWriteDsync)->Apply(sizes);
BENCHMARK_CAPTURE(durable_write, io_uring_fdatasync, Method::kUringWriteFdatasync)->Apply(sizes);
BENCHMARK_CAPTURE(durable_write, io_uring_dsync, Method::kUringWriteDsync)->Apply(sizes);
// Not durable; the names say so, because their figures look good.
BENCHMARK_CAPTURE(durable_write, NOT_DURABLE_sync_file_range, Method::kWriteSyncFileRange)
    ->Apply(sizes);
BENCHMARK_CAPTURE(durable_write, NOT_DURABLE_pwrite, Method::kWriteOnly)->Apply(sizes);

}  // namespace
}  // namespace pluresdb::bench
