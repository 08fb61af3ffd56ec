// One write and its sync through io_uring, by the raw system calls: a library would be more than
// what is needed here. For benchmarks only; the engine does not use it
// (docs/decisions/0007-how-a-group-is-synced.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <linux/io_uring.h>

#include <pluresdb/error.h>

namespace pluresdb::bench {

/// One thread at a time.
class IoUring {
 public:
  /// kIo with errno where the kernel has no io_uring or does not permit it.
  static Result<std::unique_ptr<IoUring>> create();
  ~IoUring();
  IoUring(const IoUring&) = delete;
  IoUring& operator=(const IoUring&) = delete;
  IoUring(IoUring&&) = delete;
  IoUring& operator=(IoUring&&) = delete;

  /// A write with a linked fdatasync behind it, in one system call; returns when both are done.
  Status write_then_sync(int file, std::span<const std::byte> data, std::uint64_t offset);
  /// One write that is durable when it is done (RWF_DSYNC).
  Status write_durably(int file, std::span<const std::byte> data, std::uint64_t offset);

 private:
  struct Mapping {
    void* address = nullptr;
    std::size_t bytes = 0;
  };
  explicit IoUring(int descriptor) : descriptor_(descriptor) {}
  Status map(const io_uring_params& parameters);
  Status map_part(std::size_t bytes, std::uint64_t offset, Mapping& mapping);
  void add(const io_uring_sqe& entry);
  /// Submits what was added, waits for all of it. `write_bytes`: what the write has to report.
  Status submit_and_wait(std::uint32_t count, std::size_t write_bytes);

  int descriptor_;
  Mapping submission_ring_;
  Mapping completion_ring_;
  Mapping entries_;
  // Into the mappings; the kernel reads and writes them too.
  std::uint32_t* submission_tail_ = nullptr;
  std::uint32_t* submission_array_ = nullptr;
  std::uint32_t submission_mask_ = 0;
  std::uint32_t* completion_head_ = nullptr;
  std::uint32_t* completion_tail_ = nullptr;
  std::uint32_t completion_mask_ = 0;
  io_uring_cqe* completions_ = nullptr;
};

}  // namespace pluresdb::bench
