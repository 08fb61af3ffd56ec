// Group commit: writers queue up, the first one leads, takes the queue and works for all. For
// writes that nobody waits for, one thread leads when no waiting writer does.
#pragma once

#include <chrono>
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

struct ValueChecksums;

/// One call that waits, on its caller's stack; or one that nobody waits for, see is_async.
struct PendingWrite {
  std::span<const AppendRequest> requests;
  const ValueChecksums* checksums = nullptr;  ///< One per request.
  std::uint64_t bytes_bound = 0;
  bool wants_sync = false;     ///< Whatever the durability level.
  bool wants_segment = false;  ///< One that this open appends to.
  bool is_exclusive = false;   ///< Leads alone, with no group.
  bool is_async = false;       ///< Belongs to the queue until next_async() hands it out.
  // Set by the leader.
  Seq first_seq = 0;
  Status status;

 private:
  friend class WriteQueue;
  bool is_done_ = false;
  base::CondVar* wake_ = nullptr;  // Lent by the queue: is notified when this may be gone.
};

/// Thread: any.
class WriteQueue {
 public:
  /// Puts `write` behind the others. One that is not async must then call lead_or_wait().
  void enqueue(PendingWrite& write);
  enum class Role {
    kDone,         ///< A group of another leader had the write in it: its result is set.
    kLeads,        ///< The caller leads a group that the write is in.
    kLeadsOthers,  ///< Async writes stood before it: lead them, then come again.
  };
  /// Waits for one of these. A leader gets the first writes of the queue in `group`, up to
  /// `bytes_max`, and nobody else leads until its finish().
  Role lead_or_wait(PendingWrite& write, std::uint64_t bytes_max,
                    std::vector<PendingWrite*>& group);
  /// The results of the group are set: wakes its writers, and the next leader.
  void finish(std::span<PendingWrite* const> group);

  /// For the one thread that works for async writes. Waits, then returns true with `completed`
  /// (finished async writes in the order of their seqs, the caller's from here on), or else with
  /// `group`, which the caller leads. False: stop_async() was called and no async write is left.
  bool next_async(std::uint64_t bytes_max, std::vector<PendingWrite*>& group,
                  std::vector<PendingWrite*>& completed);
  /// No async write is enqueued after this.
  void stop_async();

  /// Leads without a write when nobody does and nobody waits.
  bool try_lead();
  /// Writes that wait for a leader.
  [[nodiscard]] std::size_t waiting_count() const;
  /// Number of groups so far.
  [[nodiscard]] std::uint64_t group_count() const;
  /// How often a leader has waited for the writers of the last group.
  [[nodiscard]] std::uint64_t gather_count() const;

 private:
  base::CondVar* lend_wake() REQUIRES(mutex_);
  void gather(std::uint64_t bytes_max) REQUIRES(mutex_);
  void take_group(std::uint64_t bytes_max, std::vector<PendingWrite*>& group) REQUIRES(mutex_);
  /// Nobody leads: who is to be woken? Null: nobody waits.
  base::CondVar* next_leader() REQUIRES(mutex_);

  mutable base::Mutex mutex_;
  std::deque<PendingWrite*> waiting_ GUARDED_BY(mutex_);
  std::uint64_t waiting_bytes_ GUARDED_BY(mutex_) = 0;       // Bounds of waiting_, summed up.
  std::deque<PendingWrite*> blocking_ GUARDED_BY(mutex_);    // Those of waiting_ with a thread.
  std::vector<PendingWrite*> completed_ GUARDED_BY(mutex_);  // Async ones.
  std::deque<base::CondVar> wakes_ GUARDED_BY(mutex_);
  std::vector<base::CondVar*> free_wakes_ GUARDED_BY(mutex_);
  base::CondVar async_wake_;
  bool async_stopping_ GUARDED_BY(mutex_) = false;
  bool is_led_ GUARDED_BY(mutex_) = false;
  std::size_t crowd_ GUARDED_BY(mutex_) = 0;  // Writers of the last group, and who waited then.
  std::chrono::steady_clock::time_point lead_start_ GUARDED_BY(mutex_);
  std::chrono::steady_clock::duration last_lead_ GUARDED_BY(mutex_){};
  int misses_ GUARDED_BY(mutex_) = 0;  // Gatherings in vain, less those that were not.
  std::uint64_t group_count_ GUARDED_BY(mutex_) = 0;
  std::uint64_t gather_count_ GUARDED_BY(mutex_) = 0;
};

}  // namespace pluresdb::wal
