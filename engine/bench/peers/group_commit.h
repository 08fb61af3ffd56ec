// Group commit for stores that have none: one waiting writer commits for all that wait.
#pragma once

#include <deque>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "engine/base/mutex.h"
#include "engine/bench/peers/peer.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {

class GroupCommit {
 public:
  /// `commit` makes the pairs durable, all or none; called by one thread at a time.
  using Commit = std::function<Status(std::span<const KeyValue>)>;
  explicit GroupCommit(Commit commit) : commit_(std::move(commit)) {}

  /// Returns the outcome of the commit that `pair` was part of. Thread: any.
  Status put(const KeyValue& pair);

 private:
  struct Waiting {
    const KeyValue* pair = nullptr;
    base::CondVar wake;
    Status status;
    bool is_done = false;
  };

  const Commit commit_;
  base::Mutex mutex_;
  std::deque<Waiting*> waiting_ GUARDED_BY(mutex_);
  bool is_led_ GUARDED_BY(mutex_) = false;
  // The leader's, one thread at a time.
  std::vector<Waiting*> group_;
  std::vector<KeyValue> pairs_;
};

}  // namespace pluresdb::bench
