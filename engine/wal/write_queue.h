// Group commit: writers queue up, the one at the front leads, takes the queue and works for all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "engine/base/mutex.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal {

/// One call that waits. Lives on its caller's stack.
struct PendingWrite {
  std::span<const AppendRequest> requests;
  const std::uint32_t* value_crcs = nullptr;  ///< One per request.
  std::uint64_t bytes_bound = 0;
  bool wants_sync = false;    ///< Whatever the durability level.
  bool is_exclusive = false;  ///< Leads alone, with no group.
  // Set by the leader.
  Seq first_seq = 0;
  Status status;

 private:
  friend class WriteQueue;
  bool is_done_ = false;
  base::CondVar wake_;
};

/// Thread: any.
class WriteQueue {
 public:
  /// Returns false when another writer's group has included `write`: its result is set. Returns
  /// true when the caller leads: `group` then holds `write` and those behind it, up to
  /// `bytes_max`, and nobody else leads until finish().
  bool join(PendingWrite& write, std::uint64_t bytes_max, std::vector<PendingWrite*>& group);
  /// The results of the group are set: wakes its writers, and the next leader.
  void finish(std::span<PendingWrite* const> group);

  /// Leads without a write when nobody does and nobody waits.
  bool try_lead();
  /// Writes that wait for a leader.
  [[nodiscard]] std::size_t waiting_count() const;
  /// Number of groups so far.
  [[nodiscard]] std::uint64_t group_count() const;

 private:
  mutable base::Mutex mutex_;
  std::deque<PendingWrite*> waiting_ GUARDED_BY(mutex_);
  bool is_led_ GUARDED_BY(mutex_) = false;
  std::size_t last_group_size_ GUARDED_BY(mutex_) = 0;
  std::uint64_t group_count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace pluresdb::wal
