// See segment_pool.h.
#include "engine/wal/segment_pool.h"

#include <algorithm>
#include <cstdint>
#include <expected>
#include <memory>
#include <thread>
#include <utility>

#include "engine/base/mutex.h"
#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_writer.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

SegmentPool::SegmentPool(const LogOptions& options, std::uint64_t next_id)
    : options_(options), next_id_(next_id) {
  if (options_.background_threads) {
    thread_ = std::thread([this] { run(); });
  }
}

Result<std::unique_ptr<SegmentWriter>> SegmentPool::make(std::uint64_t capacity_bytes) {
  const std::uint64_t id = take_id();
  return SegmentWriter::prepare(
      *options_.files, {.temporary_path = io::join_path(options_.directory, spare_name(id)),
                        .id = id,
                        .salt = options_.new_salt ? options_.new_salt() : random_salt(),
                        .capacity_bytes = capacity_bytes,
                        .keys = options_.keys});
}

Result<std::unique_ptr<SegmentWriter>> SegmentPool::prepare(std::unique_ptr<SegmentWriter> spare,
                                                            bool zero_fill) {
  if (spare == nullptr) {
    TRY_ASSIGN(spare, make(options_.segment_bytes));
  }
  if (zero_fill && !spare->is_zero_filled()) {
    if (const Status filled = spare->fill_with_zeros(hurry_); !filled) {
      spare->abandon();
      return std::unexpected(filled.error());
    }
  }
  return spare;
}

Result<std::unique_ptr<SegmentWriter>> SegmentPool::take(std::uint64_t capacity_bytes) {
  std::unique_ptr<SegmentWriter> spare;
  {
    const base::MutexLock lock(mutex_);
    hurry_ = true;
    while (making_) {
      changed_.wait(mutex_);
    }
    hurry_ = false;
    requested_ = false;
    spare = std::move(spare_);
    has_filled_spare_ = false;
  }
  if (spare == nullptr) {
    // In a hurry: reserved, not zero-filled.
    return make(std::max(capacity_bytes, options_.segment_bytes));
  }
  if (const Status grown = spare->grow(capacity_bytes); !grown) {
    if (grown.error().code != ErrorCode::kNoSpace) {
      spare->abandon();
      return std::unexpected(grown.error());
    }
    const base::MutexLock lock(mutex_);
    spare_ = std::move(spare);  // Still good for smaller groups.
    has_filled_spare_ = spare_->is_zero_filled();
    return std::unexpected(grown.error());
  }
  return spare;
}

void SegmentPool::request_spare(bool zero_fill) {
  const base::MutexLock lock(mutex_);
  const bool is_enough = spare_ != nullptr && (spare_->is_zero_filled() || !zero_fill);
  requested_ = options_.background_threads && !is_enough;
  zero_fill_ = zero_fill;
  changed_.notify_all();
}

std::uint64_t SegmentPool::spare_bytes() const {
  const base::MutexLock lock(mutex_);
  return spare_ == nullptr ? 0 : spare_->file_bytes();
}

void SegmentPool::run() {
  const base::MutexLock lock(mutex_);
  while (true) {
    while (!requested_ && !stopping_) {
      changed_.wait(mutex_);
    }
    if (stopping_) {
      return;
    }
    requested_ = false;
    making_ = true;
    const bool zero_fill = zero_fill_;
    std::unique_ptr<SegmentWriter> spare = std::move(spare_);
    mutex_.unlock();
    auto prepared = prepare(std::move(spare), zero_fill);
    mutex_.lock();
    making_ = false;
    if (prepared) {
      spare_ = *std::move(prepared);
      has_filled_spare_ = spare_->is_zero_filled();
    }
    // A failure is found out by the writer that needs the file: it tries again and can say so.
    changed_.notify_all();
  }
}

void SegmentPool::stop() {
  {
    const base::MutexLock lock(mutex_);
    stopping_ = true;
    hurry_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void SegmentPool::discard_spare() {
  const base::MutexLock lock(mutex_);
  if (spare_ != nullptr) {
    spare_->abandon();
    spare_ = nullptr;
    has_filled_spare_ = false;
  }
}

}  // namespace pluresdb::wal
