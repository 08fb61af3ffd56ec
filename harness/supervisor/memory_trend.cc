// Theil-Sen on one life and on the floors of all; limits are loose on purpose: a red check must
// mean growth, not a cache that fills.
#include "harness/supervisor/memory_trend.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "harness/report/run_result.h"

namespace soak::supervisor {
namespace {

constexpr double kBytesPerMebibyte = 1024.0 * 1024.0;
constexpr std::size_t kPointsPerLifeMax = 600;
constexpr std::size_t kFloorsMax = 600;
// A slope is shown from this length of a life on, and judged from the second one on.
constexpr double kShownLifeSeconds = 30;
constexpr double kJudgedLifeSeconds = 600;
// The floor of a life: its least value after start-up. Shorter lives say nothing.
constexpr double kFloorLifeSeconds = 5;
constexpr double kFloorWarmUpSeconds = 2;
constexpr std::size_t kJudgedFloors = 8;
constexpr double kJudgedFloorsSeconds = 600;
// Growth over the judged stretch that is too much: more than both, and most pairs rise.
constexpr double kGrowthBytes = 16 * kBytesPerMebibyte;
constexpr double kGrowthFraction = 0.1;
constexpr double kRisingFraction = 0.75;

double span_seconds(const std::vector<TrendPoint>& points) {
  return points.empty() ? 0 : points.back().seconds - points.front().seconds;
}

/// Keeps every second point, the first among them.
void thin_out(std::vector<TrendPoint>& points) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < points.size(); i += 2) {
    points[kept++] = points[i];
  }
  points.resize(kept);
}

std::vector<TrendPoint> second_half(const std::vector<TrendPoint>& points) {
  const double middle = points.empty() ? 0 : points.front().seconds + span_seconds(points) / 2;
  std::vector<TrendPoint> half;
  std::copy_if(points.begin(), points.end(), std::back_inserter(half),
               [&](const TrendPoint& point) { return point.seconds >= middle; });
  return half;
}

struct Growth {
  double bytes = 0, seconds = 0;
  bool too_much = false;
};

Growth growth_of(const std::vector<TrendPoint>& points) {
  const auto trend = theil_sen(points);
  if (!trend.has_value()) {
    return {};
  }
  const double seconds = span_seconds(points);
  const double bytes = trend->slope_bytes_per_second * seconds;
  const double limit = std::max(kGrowthBytes, kGrowthFraction * points.front().bytes);
  return {.bytes = bytes,
          .seconds = seconds,
          .too_much = bytes > limit && trend->rising_fraction >= kRisingFraction};
}

std::string describe(const Growth& growth, const char* what) {
  return fmt::format("{} grew {:.1f} MiB in {:.0f} s", what, growth.bytes / kBytesPerMebibyte,
                     growth.seconds);
}

}  // namespace

std::optional<Trend> theil_sen(const std::vector<TrendPoint>& points) {
  std::vector<double> slopes;
  slopes.reserve(points.size() * points.size() / 2);
  for (std::size_t i = 0; i < points.size(); ++i) {
    for (std::size_t j = i + 1; j < points.size(); ++j) {
      const double seconds = points[j].seconds - points[i].seconds;
      if (seconds > 0) {
        slopes.push_back((points[j].bytes - points[i].bytes) / seconds);
      }
    }
  }
  if (slopes.empty()) {
    return std::nullopt;
  }
  const auto rising = std::count_if(slopes.begin(), slopes.end(), [](double s) { return s > 0; });
  const auto middle = slopes.begin() + static_cast<std::ptrdiff_t>(slopes.size() / 2);
  std::nth_element(slopes.begin(), middle, slopes.end());
  return Trend{.slope_bytes_per_second = *middle,
               .rising_fraction = static_cast<double>(rising) / static_cast<double>(slopes.size())};
}

double MemoryTrend::Life::length_seconds() const { return span_seconds(points); }

void MemoryTrend::finish_life() {
  if (current_.length_seconds() >= kFloorLifeSeconds) {
    const double warm = current_.points.front().seconds + kFloorWarmUpSeconds;
    TrendPoint floor{.seconds = current_.points.back().seconds, .bytes = 0};
    for (const TrendPoint& point : current_.points) {
      if (point.seconds >= warm && (floor.bytes == 0 || point.bytes < floor.bytes)) {
        floor.bytes = point.bytes;
      }
    }
    floors_.push_back(floor);
    if (floors_.size() > kFloorsMax) {
      thin_out(floors_);
    }
  }
  if (current_.length_seconds() > longest_.length_seconds()) {
    longest_ = std::move(current_);
  }
  current_ = Life();
}

void MemoryTrend::add(std::uint32_t incarnation, double seconds, std::uint64_t resident_bytes) {
  if (incarnation != incarnation_) {
    finish_life();
    incarnation_ = incarnation;
  }
  start_ = start_ == 0 ? resident_bytes : start_;
  end_ = resident_bytes;
  max_ = std::max(max_, resident_bytes);
  std::vector<TrendPoint>& points = current_.points;
  if (!points.empty() && seconds - points.back().seconds < current_.spacing_seconds) {
    return;
  }
  points.push_back({.seconds = seconds, .bytes = static_cast<double>(resident_bytes)});
  if (points.size() > kPointsPerLifeMax) {
    thin_out(points);
    // A tenth less than the distance that is left, so that a sample that comes early counts.
    current_.spacing_seconds = span_seconds(points) / static_cast<double>(points.size()) * 0.9;
  }
}

report::MemoryResult MemoryTrend::result() const {
  return {.start_bytes = start_,
          .end_bytes = end_,
          .max_bytes = max_,
          .slope_bytes_per_hour = slope_bytes_per_hour()};
}

std::optional<double> MemoryTrend::slope_bytes_per_hour() const {
  const Life& life = current_.length_seconds() > longest_.length_seconds() ? current_ : longest_;
  if (life.length_seconds() < kShownLifeSeconds) {
    return std::nullopt;
  }
  const auto trend = theil_sen(second_half(life.points));
  return trend.has_value() ? std::optional(trend->slope_bytes_per_second * 3600) : std::nullopt;
}

report::CheckResult MemoryTrend::judge() const {
  report::CheckResult check;
  check.name = "memory_bounded";
  MemoryTrend done = *this;
  done.finish_life();
  const double life_seconds = done.longest_.length_seconds();
  const bool life_judged = life_seconds >= kJudgedLifeSeconds;
  const bool floors_judged =
      done.floors_.size() >= kJudgedFloors && span_seconds(done.floors_) >= kJudgedFloorsSeconds;
  check.detail = fmt::format("at most {:.1f} MiB", static_cast<double>(max_) / kBytesPerMebibyte);
  if (life_judged) {
    const Growth growth = growth_of(second_half(done.longest_.points));
    check.detail += "; " + describe(growth, "second half of the longest life");
    check.verdict = growth.too_much ? report::Verdict::kFail : check.verdict;
  }
  if (floors_judged) {
    const Growth growth = growth_of(second_half(done.floors_));
    check.detail += "; " + describe(growth, "floor across lives");
    check.verdict = growth.too_much ? report::Verdict::kFail : check.verdict;
  }
  if (!life_judged && !floors_judged) {
    check.detail += fmt::format(
        "; too short to judge growth (longest life {:.0f} s, {} lives; growth is judged from one "
        "life of {:.0f} s, or {} lives over {:.0f} s)",
        life_seconds, done.floors_.size(), kJudgedLifeSeconds, kJudgedFloors, kJudgedFloorsSeconds);
  }
  return check;
}

}  // namespace soak::supervisor
