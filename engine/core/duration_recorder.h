// Adds durations to a public DurationHistogram; bucket limits as stats.h states them.
#pragma once

#include <cstddef>
#include <cstdint>

#include <pluresdb/stats.h>

namespace pluresdb::core {

inline void record_duration(DurationHistogram& histogram, std::int64_t elapsed_ns) {
  const std::uint64_t elapsed_us =
      elapsed_ns > 0 ? static_cast<std::uint64_t>(elapsed_ns) / 1000 : 0;
  std::uint64_t limit_us = 10;
  std::size_t bucket = 0;
  while (bucket + 1 < DurationHistogram::kBucketCount && elapsed_us >= limit_us) {
    limit_us *= 2;
    ++bucket;
  }
  ++histogram.buckets[bucket];
  ++histogram.count;
  histogram.sum_seconds += static_cast<double>(elapsed_ns) * 1e-9;
}

}  // namespace pluresdb::core
