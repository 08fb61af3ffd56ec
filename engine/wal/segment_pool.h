// Gives out segment ids and prepared files: the next segment is made while the active one fills.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "engine/base/mutex.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_writer.h"
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// Thread: any; take() by one at a time. Owns the thread that prepares spares, if there is one.
class SegmentPool {
 public:
  SegmentPool(const LogOptions& options, std::uint64_t next_id);
  ~SegmentPool() { stop(); }
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;
  SegmentPool(SegmentPool&&) = delete;
  SegmentPool& operator=(SegmentPool&&) = delete;

  /// A prepared file of at least `capacity_bytes`: the spare, or one made now. Waits for a spare
  /// that is being made. kNoSpace: nothing is left behind.
  Result<std::unique_ptr<SegmentWriter>> take(std::uint64_t capacity_bytes);
  /// Has the next spare made in the background, or the one there is filled with zeros. Without a
  /// background thread it does nothing: take() makes files when they are needed.
  void request_spare(bool zero_fill);
  /// A spare is ready and filled with zeros.
  [[nodiscard]] bool has_filled_spare() const { return has_filled_spare_.load(); }
  /// Ids are never given out twice.
  std::uint64_t take_id() { return next_id_.fetch_add(1); }
  /// Greater than every id given out so far.
  [[nodiscard]] std::uint64_t next_id() const { return next_id_.load(); }
  /// Bytes of the spare, 0 without one.
  [[nodiscard]] std::uint64_t spare_bytes() const;

  /// Joins the thread. The spare stays, as after a crash.
  void stop();
  /// After stop(): removes the spare.
  void discard_spare();

 private:
  Result<std::unique_ptr<SegmentWriter>> make(std::uint64_t capacity_bytes);
  Result<std::unique_ptr<SegmentWriter>> prepare(std::unique_ptr<SegmentWriter> spare,
                                                 bool zero_fill);
  void run();

  const LogOptions& options_;
  std::atomic<std::uint64_t> next_id_;
  std::atomic<bool> hurry_{false};  // Somebody waits: skip the rest of the zero-filling.
  std::atomic<bool> has_filled_spare_{false};

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  std::unique_ptr<SegmentWriter> spare_ GUARDED_BY(mutex_);
  bool requested_ GUARDED_BY(mutex_) = false;
  bool zero_fill_ GUARDED_BY(mutex_) = false;
  bool making_ GUARDED_BY(mutex_) = false;
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pluresdb::wal
