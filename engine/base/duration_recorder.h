// Adds durations to a public DurationHistogram; bucket limits as stats.h states them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <pluresdb/stats.h>

namespace pluresdb::base {

inline void record_duration(DurationHistogram& histogram, std::chrono::nanoseconds elapsed) {
  const auto elapsed_us = std::chrono::duration_cast<std::chrono::microseconds>(elapsed).count();
  std::int64_t limit_us = 10;
  std::size_t bucket = 0;
  while (bucket + 1 < DurationHistogram::kBucketCount && elapsed_us >= limit_us) {
    limit_us *= 2;
    ++bucket;
  }
  ++histogram.buckets[bucket];
  ++histogram.count;
  histogram.sum_seconds += std::chrono::duration<double>(elapsed).count();
}

}  // namespace pluresdb::base
