#include "harness/common/shared_region.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pluresdb/error.h>

namespace soak {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;

constexpr std::uint64_t kFirstBucketNs = 10'000;

// Waiting for the supervisor, another process: yield first, then sleep longer and longer.
constexpr int kYields = 64;
constexpr std::chrono::microseconds kFirstPause{50};
constexpr std::chrono::microseconds kLongestPause{2000};

Result<SharedRegion*> map_region(int region_fd) {
  void* const memory =
      mmap(nullptr, sizeof(SharedRegion), PROT_READ | PROT_WRITE, MAP_SHARED, region_fd, 0);
  if (memory == MAP_FAILED) {
    return pluresdb::fail(ErrorCode::kIo, "map the shared region", errno);
  }
  return static_cast<SharedRegion*>(memory);
}

}  // namespace

Result<int> create_shared_region(std::uint32_t agent_count) {
  if (agent_count == 0 || agent_count > kAgentsMax) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          fmt::format("a run has 1 to {} agents, not {}", kAgentsMax, agent_count));
  }
  const int fd = memfd_create("pluresdb-soak-region", MFD_CLOEXEC);
  if (fd < 0) {
    return pluresdb::fail(ErrorCode::kIo, "create the shared region", errno);
  }
  if (ftruncate(fd, sizeof(SharedRegion)) != 0) {
    const int error = errno;
    close(fd);
    return pluresdb::fail(ErrorCode::kIo, "size the shared region", error);
  }
  auto mapped = map_region(fd);
  if (!mapped.has_value()) {
    close(fd);
    return std::unexpected(std::move(mapped).error());
  }
  // The pages of a new memfd are zero, which is the initial state of everything but the header.
  (*mapped)->agent_count = agent_count;
  (*mapped)->version = kSharedRegionVersion;
  (*mapped)->magic = kSharedRegionMagic;
  munmap(*mapped, sizeof(SharedRegion));
  return fd;
}

RegionMapping::~RegionMapping() {
  if (region_ != nullptr) {
    munmap(region_, sizeof(SharedRegion));
  }
}

RegionMapping::RegionMapping(RegionMapping&& other) noexcept
    : region_(std::exchange(other.region_, nullptr)) {}

RegionMapping& RegionMapping::operator=(RegionMapping&& other) noexcept {
  std::swap(region_, other.region_);
  return *this;
}

Result<RegionMapping> RegionMapping::map(int region_fd) {
  struct stat status{};
  if (fstat(region_fd, &status) != 0) {
    return pluresdb::fail(ErrorCode::kIo, "stat the shared region", errno);
  }
  if (status.st_size != static_cast<off_t>(sizeof(SharedRegion))) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          fmt::format("the shared region has {} bytes instead of {}",
                                      status.st_size, sizeof(SharedRegion)));
  }
  RegionMapping mapping;
  TRY_ASSIGN(mapping.region_, map_region(region_fd));
  if (mapping->magic != kSharedRegionMagic || mapping->version != kSharedRegionVersion) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          "the shared region was made by another version of pluresdb-soak");
  }
  return mapping;
}

bool ring_publish(LedgerRing& ring, const LedgerRecord& record, int supervisor_pid) {
  const std::uint64_t head = ring.head.load(std::memory_order_relaxed);  // Only we write it.
  auto pause = kFirstPause;
  // Acquire: the supervisor has copied the place before it moved `tail` past it.
  for (int tries = 0; head - ring.tail.load(std::memory_order_acquire) >= kRingRecords; ++tries) {
    if (tries < kYields) {
      std::this_thread::yield();
      continue;
    }
    if (getppid() != supervisor_pid) {
      return false;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, kLongestPause);
  }
  ring.records[head % kRingRecords] = record;
  ring.head.store(head + 1, std::memory_order_release);  // The record before the count.
  return true;
}

std::size_t ring_consume(LedgerRing& ring, std::span<LedgerRecord> out) {
  const std::uint64_t tail = ring.tail.load(std::memory_order_relaxed);  // Only we write it.
  const std::uint64_t head = ring.head.load(std::memory_order_acquire);  // Records before it.
  const std::size_t count = std::min<std::uint64_t>(head - tail, out.size());
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = ring.records[(tail + i) % kRingRecords];
  }
  ring.tail.store(tail + count, std::memory_order_release);  // Copied before it is free.
  return count;
}

void set_alien_id(LedgerRecord& record, std::string_view id) {
  std::array<std::uint64_t, 4> words{};
  std::memcpy(words.data(), id.data(), std::min(id.size(), sizeof(words)));
  record.number = words[0];
  record.op = words[1];
  record.seq = words[2];
  record.time_ns = words[3];
  record.flags |= LedgerRecord::kAlien;
}

std::string alien_id(const LedgerRecord& record) {
  const std::array<std::uint64_t, 4> words = {record.number, record.op, record.seq, record.time_ns};
  std::array<char, sizeof(words)> text{};
  std::memcpy(text.data(), words.data(), sizeof(words));
  return std::string(text.begin(), std::find(text.begin(), text.end(), '\0'));
}

std::size_t duration_bucket(std::uint64_t duration_ns) {
  // Bucket i holds durations below 2^i * 10 us.
  const auto bucket = static_cast<std::size_t>(std::bit_width(duration_ns / kFirstBucketNs));
  return std::min(bucket, kDurationBuckets - 1);
}

void histogram_record(SharedHistogram& histogram, std::uint64_t duration_ns) {
  // Relaxed: plain counters, consistent only one by one.
  histogram.buckets[duration_bucket(duration_ns)].fetch_add(1, std::memory_order_relaxed);
  histogram.count.fetch_add(1, std::memory_order_relaxed);
  histogram.sum_ns.fetch_add(duration_ns, std::memory_order_relaxed);
}

std::uint64_t monotonic_ns() {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(
                                        std::chrono::steady_clock::now().time_since_epoch())
                                        .count());
}

void FiredFaultRecorder::record(std::string_view point, FiredFault fault) {
  const std::size_t bytes = std::min(point.size(), fault.point.size() - 1);
  std::memcpy(fault.point.data(), point.data(), bytes);
  fault.time_ns = monotonic_ns();
  fault.incarnation = incarnation_;
  const std::lock_guard lock(mutex_);
  const std::uint64_t count = ledger_.count.load(std::memory_order_relaxed);
  ledger_.entries[count % kFiredFaultsMax] = fault;
  ledger_.count.store(count + 1, std::memory_order_release);  // The entry before the count.
}

}  // namespace soak
