#include "engine/core/rate_limiter.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/mutex.h"
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::core {
namespace {

constexpr double kSecondsPerNs = 1e-9;
constexpr std::size_t kForgetAtLeast = 1024;

}  // namespace

RateLimiter::RateLimiter(const WriteRateLimit& limit)
    : per_actor_{.operations = static_cast<double>(limit.actor_operations_per_second),
                 .bytes = static_cast<double>(limit.actor_bytes_per_second)},
      total_{.operations = static_cast<double>(limit.operations_per_second),
             .bytes = static_cast<double>(limit.bytes_per_second)},
      all_(full_bucket(total_, 0)),
      forget_at_(kForgetAtLeast) {}

Status RateLimiter::admit(std::string_view actor, std::uint64_t bytes, std::int64_t now_ns) {
  const bool limits_actors = per_actor_.operations > 0 || per_actor_.bytes > 0;
  const bool limits_all = total_.operations > 0 || total_.bytes > 0;
  if (!limits_actors && !limits_all) {
    return {};
  }
  const base::MutexLock lock(mutex_);
  fill(all_, total_, now_ns);
  if (!is_open(all_, total_)) {
    ++refusals_;
    return fail(ErrorCode::kRateLimited, "the store takes no more writes in this second");
  }
  if (limits_actors) {
    auto at = actors_.find(actor);
    if (at == actors_.end()) {
      forget_idle(now_ns);
      at = actors_.emplace(std::string(actor), full_bucket(per_actor_, now_ns)).first;
    }
    fill(at->second, per_actor_, now_ns);
    if (!is_open(at->second, per_actor_)) {
      ++refusals_;
      return fail(ErrorCode::kRateLimited, "the actor takes more than its share");
    }
    take(at->second, per_actor_, bytes);
  }
  take(all_, total_, bytes);
  return {};
}

std::uint64_t RateLimiter::refusals() const {
  const base::MutexLock lock(mutex_);
  return refusals_;
}

std::size_t RateLimiter::actor_count() const {
  const base::MutexLock lock(mutex_);
  return actors_.size();
}

RateLimiter::Bucket RateLimiter::full_bucket(const Rates& rates, std::int64_t now_ns) {
  return {.operations = rates.operations, .bytes = rates.bytes, .filled_ns = now_ns};
}

void RateLimiter::fill(Bucket& bucket, const Rates& rates, std::int64_t now_ns) {
  const double seconds =
      static_cast<double>(std::max<std::int64_t>(now_ns - bucket.filled_ns, 0)) * kSecondsPerNs;
  bucket = {
      .operations = std::min(bucket.operations + seconds * rates.operations, rates.operations),
      .bytes = std::min(bucket.bytes + seconds * rates.bytes, rates.bytes),
      .filled_ns = std::max(now_ns, bucket.filled_ns)};
}

bool RateLimiter::is_open(const Bucket& bucket, const Rates& rates) {
  return (rates.operations == 0 || bucket.operations >= 1) &&
         (rates.bytes == 0 || bucket.bytes > 0);
}

void RateLimiter::take(Bucket& bucket, const Rates& rates, std::uint64_t bytes) {
  bucket.operations -= rates.operations > 0 ? 1 : 0;
  bucket.bytes -= rates.bytes > 0 ? static_cast<double>(bytes) : 0;
}

/// A full bucket says nothing that a new one does not say.
void RateLimiter::forget_idle(std::int64_t now_ns) {
  if (actors_.size() < forget_at_) {
    return;
  }
  std::erase_if(actors_, [&](const auto& entry) {
    Bucket bucket = entry.second;
    fill(bucket, per_actor_, now_ns);
    return bucket.operations >= per_actor_.operations && bucket.bytes >= per_actor_.bytes;
  });
  forget_at_ = std::max(kForgetAtLeast, 2 * actors_.size());
}

}  // namespace pluresdb::core
