// Counts of latencies in buckets of at most 6 % width; a plain block of bytes, so that a process
// can send it through a socket.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace pluresdb::bench {

class LatencyHistogram {
 public:
  void record(std::uint64_t nanoseconds) {
    ++counts_[bucket_of(nanoseconds)];
    ++total_;
  }
  void merge(const LatencyHistogram& other) {
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      counts_[bucket] += other.counts_[bucket];
    }
    total_ += other.total_;
  }
  [[nodiscard]] std::uint64_t total() const { return total_; }

  /// The upper end of the bucket that holds the value at `fraction` (0 .. 1); 0 when empty.
  [[nodiscard]] double percentile_us(double fraction) const {
    const auto rank =
        std::max(std::uint64_t{1},
                 static_cast<std::uint64_t>(std::ceil(fraction * static_cast<double>(total_))));
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      seen += counts_[bucket];
      if (seen >= rank) {
        constexpr double kNanosecondsPerMicrosecond = 1000;
        return static_cast<double>(upper_end(bucket)) / kNanosecondsPerMicrosecond;
      }
    }
    return 0;
  }

 private:
  static constexpr unsigned kPartBits = 4;  // 16 buckets per power of two.
  static constexpr std::uint64_t kParts = 1ULL << kPartBits;
  static constexpr unsigned kPowerMax = 40;  // 18 minutes.
  static constexpr std::size_t kBuckets = (kPowerMax - kPartBits + 1) * kParts;

  static std::size_t bucket_of(std::uint64_t value) {
    value = std::min(value, (std::uint64_t{1} << kPowerMax) - 1);
    if (value < kParts) {
      return static_cast<std::size_t>(value);
    }
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - kPartBits;
    return static_cast<std::size_t>(shift * kParts + (value >> shift));
  }
  static std::uint64_t upper_end(std::size_t bucket) {
    if (bucket < kParts) {
      return bucket + 1;
    }
    const std::uint64_t shift = bucket / kParts - 1;
    return (bucket - shift * kParts + 1) << shift;
  }

  std::array<std::uint32_t, kBuckets> counts_{};
  std::uint64_t total_ = 0;
};

}  // namespace pluresdb::bench
