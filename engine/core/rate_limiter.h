// How much may be written per second, by each actor and by all of them together (D12): a runaway
// agent cannot crowd out the others or fill the disk. Token buckets that hold one second's worth.
//
// A write is let in while every bucket that concerns it has something left, and may overdraw it by
// its own size: so a value larger than a second's worth passes, and is paid for afterwards.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "engine/base/mutex.h"
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::core {

/// Thread: any.
class RateLimiter {
 public:
  explicit RateLimiter(const WriteRateLimit& limit);

  /// Before a write of `bytes`. `now_ns`: of the monotonic clock. kRateLimited: refused, and
  /// nothing was taken from any bucket.
  Status admit(std::string_view actor, std::uint64_t bytes, std::int64_t now_ns);
  /// How often admit() refused.
  [[nodiscard]] std::uint64_t refusals() const;
  /// Actors that are remembered: those that have written within the last second, and up to twice as
  /// many.
  [[nodiscard]] std::size_t actor_count() const;

 private:
  /// Per second; zero: no limit.
  struct Rates {
    double operations = 0;
    double bytes = 0;
  };
  /// Tokens; negative: a debt. Parts of one count.
  struct Bucket {
    double operations = 0;
    double bytes = 0;
    std::int64_t filled_ns = 0;
  };
  static Bucket full_bucket(const Rates& rates, std::int64_t now_ns);
  static void fill(Bucket& bucket, const Rates& rates, std::int64_t now_ns);
  static bool is_open(const Bucket& bucket, const Rates& rates);
  static void take(Bucket& bucket, const Rates& rates, std::uint64_t bytes);
  void forget_idle(std::int64_t now_ns) REQUIRES(mutex_);

  const Rates per_actor_;
  const Rates total_;
  mutable base::Mutex mutex_;
  Bucket all_ GUARDED_BY(mutex_);
  std::map<std::string, Bucket, std::less<>> actors_ GUARDED_BY(mutex_);
  std::size_t forget_at_ GUARDED_BY(mutex_);
  std::uint64_t refusals_ GUARDED_BY(mutex_) = 0;
};

}  // namespace pluresdb::core
