// What one thread holds on the heap: bytes in use and the most there ever were, counted in operator
// new and delete, which this program replaces. A thread that counts nothing pays one branch.
#pragma once

#include <cstdint>

namespace pluresdb::bench {

/// Counts what the calling thread allocates and frees during its life. One at a time per thread;
/// blocks from before count as negative when they are freed. Sizes are the allocator's own,
/// rounding included, without its bookkeeping.
class AllocationCounter {
 public:
  AllocationCounter();
  ~AllocationCounter();
  AllocationCounter(const AllocationCounter&) = delete;
  AllocationCounter& operator=(const AllocationCounter&) = delete;
  AllocationCounter(AllocationCounter&&) = delete;
  AllocationCounter& operator=(AllocationCounter&&) = delete;

  [[nodiscard]] std::int64_t bytes() const;
  /// The most since the start or the last restart_peak().
  [[nodiscard]] std::int64_t peak_bytes() const;
  void restart_peak();
};

}  // namespace pluresdb::bench
