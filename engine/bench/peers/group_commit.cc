// See group_commit.h.
#include "engine/bench/peers/group_commit.h"

#include "engine/base/mutex.h"
#include "engine/bench/peers/peer.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {

Status GroupCommit::put(const KeyValue& pair) {
  Waiting self;
  self.pair = &pair;
  {
    const base::MutexLock lock(mutex_);
    waiting_.push_back(&self);
    while (!self.is_done && (is_led_ || waiting_.front() != &self)) {
      self.wake.wait(mutex_);
    }
    if (self.is_done) {
      return self.status;
    }
    is_led_ = true;
    group_.assign(waiting_.begin(), waiting_.end());
    waiting_.clear();
  }
  pairs_.clear();
  for (const Waiting* const member : group_) {
    pairs_.push_back(*member->pair);
  }
  Status outcome = commit_(pairs_);
  const base::MutexLock lock(mutex_);
  is_led_ = false;
  if (!waiting_.empty()) {
    waiting_.front()->wake.notify_one();
  }
  // Under the lock: a writer that sees is_done returns and takes its Waiting with it.
  for (Waiting* const member : group_) {
    member->status = outcome;
    member->is_done = true;
    member->wake.notify_one();
  }
  return outcome;
}

}  // namespace pluresdb::bench
