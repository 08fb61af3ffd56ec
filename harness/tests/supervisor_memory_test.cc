// Growth of memory: told from a saw-tooth, a cache that fills, noise, and too little time.
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

#include "harness/report/run_result.h"
#include "harness/supervisor/memory_trend.h"
#include "harness/supervisor/random.h"

namespace soak::supervisor {
namespace {

using report::Verdict;

constexpr double kMebibyte = 1024.0 * 1024;

std::uint64_t mebibytes(double count) { return static_cast<std::uint64_t>(count * kMebibyte); }

TEST(TheilSen, FindsTheSlopeOfALine) {
  std::vector<TrendPoint> points;
  for (int i = 0; i < 50; ++i) {
    points.push_back({.seconds = 1.0 * i, .bytes = 1000 + 8.0 * i});
  }
  const auto trend = theil_sen(points);
  ASSERT_TRUE(trend.has_value());
  EXPECT_DOUBLE_EQ(trend->slope_bytes_per_second, 8);
  EXPECT_DOUBLE_EQ(trend->rising_fraction, 1);
}

TEST(TheilSen, IsNotMovedByAQuarterOfOutliers) {
  std::vector<TrendPoint> points;
  for (int i = 0; i < 60; ++i) {
    points.push_back({.seconds = 1.0 * i, .bytes = 1000 + 8.0 * i});
    if (i % 5 == 0) {
      points.back().bytes = 1e9;
    }
  }
  EXPECT_NEAR(theil_sen(points)->slope_bytes_per_second, 8, 3);
}

TEST(TheilSen, NeedsTwoTimes) {
  EXPECT_FALSE(theil_sen({}).has_value());
  EXPECT_FALSE(theil_sen({{.seconds = 1, .bytes = 5}}).has_value());
  EXPECT_FALSE(theil_sen({{.seconds = 1, .bytes = 5}, {.seconds = 1, .bytes = 9}}).has_value());
}

TEST(MemoryTrend, AShortRunPassesWithANote) {
  MemoryTrend memory;
  for (int i = 0; i < 60; ++i) {
    memory.add(1, i, mebibytes(50 + i));
  }
  EXPECT_EQ(memory.judge().verdict, Verdict::kPass);
  EXPECT_NE(memory.judge().detail.find("too short to judge"), std::string::npos);
}

TEST(MemoryTrend, ALeakInOneLongLifeFails) {
  MemoryTrend memory;
  for (int i = 0; i < 1200; ++i) {
    memory.add(1, i, mebibytes(50 + 0.1 * i));
  }
  EXPECT_EQ(memory.judge().verdict, Verdict::kFail) << memory.judge().detail;
  EXPECT_NEAR(*memory.slope_bytes_per_hour() / kMebibyte, 360, 1);
}

TEST(MemoryTrend, ACacheThatFillsAndThenStaysPasses) {
  MemoryTrend memory;
  for (int i = 0; i < 1200; ++i) {
    memory.add(1, i, mebibytes(50 + std::min(i, 500) * 0.5));
  }
  EXPECT_EQ(memory.judge().verdict, Verdict::kPass) << memory.judge().detail;
}

TEST(MemoryTrend, NoiseAroundALevelPasses) {
  MemoryTrend memory;
  Random random(1, "noise");
  for (int i = 0; i < 2000; ++i) {
    memory.add(1, i, mebibytes(100 + 60 * random.unit()));
  }
  EXPECT_EQ(memory.judge().verdict, Verdict::kPass) << memory.judge().detail;
}

/// A saw-tooth: lives of 20 s that each grow by 30 MiB from `floor`.
void saw_tooth(MemoryTrend& memory, int lives, double floor, double floor_growth_per_life) {
  for (int life = 0; life < lives; ++life) {
    for (int second = 0; second < 20; ++second) {
      memory.add(static_cast<std::uint32_t>(life + 1), 20.0 * life + second,
                 mebibytes(floor + floor_growth_per_life * life + 1.5 * second));
    }
  }
}

TEST(MemoryTrend, ASawToothOnAFlatFloorPasses) {
  MemoryTrend memory;
  saw_tooth(memory, 90, 40, 0);
  EXPECT_EQ(memory.judge().verdict, Verdict::kPass) << memory.judge().detail;
}

TEST(MemoryTrend, ASawToothOnARisingFloorFails) {
  MemoryTrend memory;
  saw_tooth(memory, 90, 40, 1);
  EXPECT_EQ(memory.judge().verdict, Verdict::kFail) << memory.judge().detail;
}

TEST(MemoryTrend, AFallingLevelPasses) {
  MemoryTrend memory;
  for (int i = 0; i < 1200; ++i) {
    memory.add(1, i, mebibytes(500 - 0.1 * i));
  }
  EXPECT_EQ(memory.judge().verdict, Verdict::kPass);
  EXPECT_LT(*memory.slope_bytes_per_hour(), 0);
}

TEST(MemoryTrend, StartEndAndMostAreOfTheWholeRun) {
  MemoryTrend memory;
  memory.add(1, 0, 10);
  memory.add(1, 1, 90);
  memory.add(2, 2, 30);
  const report::MemoryResult result = memory.result();
  EXPECT_EQ(result.start_bytes, 10U);
  EXPECT_EQ(result.end_bytes, 30U);
  EXPECT_EQ(result.max_bytes, 90U);
  EXPECT_FALSE(memory.slope_bytes_per_hour().has_value());
}

TEST(MemoryTrend, ADayOfSamplesKeepsTheSlope) {
  MemoryTrend memory;
  for (int i = 0; i < 86'400; ++i) {
    memory.add(1, i, mebibytes(50 + 0.001 * i));
  }
  EXPECT_NEAR(*memory.slope_bytes_per_hour() / kMebibyte, 3.6, 0.1);
  EXPECT_EQ(memory.judge().verdict, Verdict::kFail);
}

}  // namespace
}  // namespace soak::supervisor
