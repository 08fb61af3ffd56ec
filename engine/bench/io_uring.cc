// See io_uring.h.
#include "engine/bench/io_uring.h"

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include <linux/fs.h>
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

constexpr std::uint32_t kEntries = 4;
constexpr std::uint64_t kWriteMark = 1;
constexpr std::uint64_t kSyncMark = 2;

template <typename T>
T* field(void* ring, std::uint32_t offset) {
  return reinterpret_cast<T*>(static_cast<std::byte*>(ring) + offset);
}

io_uring_sqe write_entry(int file, std::span<const std::byte> data, std::uint64_t offset) {
  io_uring_sqe entry{};
  entry.opcode = IORING_OP_WRITE;
  entry.fd = file;
  entry.addr = reinterpret_cast<std::uint64_t>(data.data());
  entry.len = static_cast<std::uint32_t>(data.size());
  entry.off = offset;
  entry.user_data = kWriteMark;
  return entry;
}

}  // namespace

Result<std::unique_ptr<IoUring>> IoUring::create() {
  io_uring_params parameters{};
  const auto descriptor = static_cast<int>(::syscall(SYS_io_uring_setup, kEntries, &parameters));
  if (descriptor < 0) {
    return fail(ErrorCode::kIo, "io_uring_setup", errno);
  }
  std::unique_ptr<IoUring> ring(new IoUring(descriptor));
  TRY(ring->map(parameters));
  return ring;
}

IoUring::~IoUring() {
  for (const Mapping& mapping : {submission_ring_, completion_ring_, entries_}) {
    if (mapping.address != nullptr) {
      (void)::munmap(mapping.address, mapping.bytes);
    }
  }
  (void)::close(descriptor_);
}

Status IoUring::map_part(std::size_t bytes, std::uint64_t offset, Mapping& mapping) {
  void* const address = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                               descriptor_, static_cast<off_t>(offset));
  if (address == MAP_FAILED) {
    return fail(ErrorCode::kIo, "mmap of an io_uring", errno);
  }
  mapping = {.address = address, .bytes = bytes};
  return {};
}

Status IoUring::map(const io_uring_params& parameters) {
  const io_sqring_offsets& submission = parameters.sq_off;
  const io_cqring_offsets& completion = parameters.cq_off;
  TRY(map_part(submission.array + parameters.sq_entries * sizeof(std::uint32_t), IORING_OFF_SQ_RING,
               submission_ring_));
  TRY(map_part(completion.cqes + parameters.cq_entries * sizeof(io_uring_cqe), IORING_OFF_CQ_RING,
               completion_ring_));
  TRY(map_part(parameters.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES, entries_));
  submission_tail_ = field<std::uint32_t>(submission_ring_.address, submission.tail);
  submission_array_ = field<std::uint32_t>(submission_ring_.address, submission.array);
  submission_mask_ = *field<std::uint32_t>(submission_ring_.address, submission.ring_mask);
  completion_head_ = field<std::uint32_t>(completion_ring_.address, completion.head);
  completion_tail_ = field<std::uint32_t>(completion_ring_.address, completion.tail);
  completion_mask_ = *field<std::uint32_t>(completion_ring_.address, completion.ring_mask);
  completions_ = field<io_uring_cqe>(completion_ring_.address, completion.cqes);
  return {};
}

void IoUring::add(const io_uring_sqe& entry) {
  const std::uint32_t tail = *submission_tail_;  // Only we write it.
  const std::uint32_t index = tail & submission_mask_;
  static_cast<io_uring_sqe*>(entries_.address)[index] = entry;
  submission_array_[index] = index;
  // The kernel must see the entry before the tail.
  std::atomic_ref(*submission_tail_).store(tail + 1, std::memory_order_release);
}

Status IoUring::submit_and_wait(std::uint32_t count, std::size_t write_bytes) {
  std::uint32_t to_submit = count;
  std::uint32_t finished = 0;
  Status status;
  while (finished < count) {
    const auto submitted = ::syscall(SYS_io_uring_enter, descriptor_, to_submit, count - finished,
                                     IORING_ENTER_GETEVENTS, nullptr, 0);
    if (submitted < 0) {
      if (errno == EINTR) {
        continue;
      }
      return fail(ErrorCode::kIo, "io_uring_enter", errno);
    }
    to_submit -= static_cast<std::uint32_t>(submitted);
    std::uint32_t head = *completion_head_;  // Only we write it.
    // The entries before the tail are the kernel's words only after the tail was seen.
    const std::uint32_t tail = std::atomic_ref(*completion_tail_).load(std::memory_order_acquire);
    for (; head != tail; ++head, ++finished) {
      const io_uring_cqe& completion = completions_[head & completion_mask_];
      const bool is_write = completion.user_data == kWriteMark;
      if (completion.res < 0) {
        status =
            fail(ErrorCode::kIo, is_write ? "io_uring write" : "io_uring sync", -completion.res);
      } else if (is_write && static_cast<std::size_t>(completion.res) != write_bytes) {
        status = fail(ErrorCode::kIo, "io_uring: a short write");
      }
    }
    // The kernel may use the entries again.
    std::atomic_ref(*completion_head_).store(head, std::memory_order_release);
  }
  return status;
}

Status IoUring::write_then_sync(int file, std::span<const std::byte> data, std::uint64_t offset) {
  io_uring_sqe write = write_entry(file, data, offset);
  write.flags = IOSQE_IO_LINK;  // The sync begins when the write has succeeded.
  add(write);
  io_uring_sqe sync{};
  sync.opcode = IORING_OP_FSYNC;
  sync.fd = file;
  sync.fsync_flags = IORING_FSYNC_DATASYNC;
  sync.user_data = kSyncMark;
  add(sync);
  return submit_and_wait(2, data.size());
}

Status IoUring::write_durably(int file, std::span<const std::byte> data, std::uint64_t offset) {
  io_uring_sqe write = write_entry(file, data, offset);
  write.rw_flags = RWF_DSYNC;
  add(write);
  return submit_and_wait(1, data.size());
}

}  // namespace pluresdb::bench
