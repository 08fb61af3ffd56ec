// RebuildMeter: what several threads read is counted, and one of them reports it.
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine/core/rebuild_meter.h"
#include <pluresdb/error.h>
#include <pluresdb/rebuild.h>

namespace pluresdb::core {
namespace {

TEST(RebuildMeterTest, OthersCountAndOnlyTheOwnerReports) {
  // Goal: what helpers read is counted without a byte lost, and progress is called by the thread
  // that rebuilds, as rebuild.h promises, however much the others have read.
  constexpr std::uint64_t kReads = 1000;
  constexpr std::uint64_t kThreads = 4;
  RebuildOptions options;
  std::vector<RebuildProgress> seen;
  std::atomic<bool> called_by_others = false;
  const auto owner = std::this_thread::get_id();
  options.progress = [&](const RebuildProgress& progress) {
    if (std::this_thread::get_id() != owner) {
      called_by_others = true;
      return true;
    }
    seen.push_back(progress);
    return true;
  };
  std::atomic<bool> cancel = false;
  options.cancel = &cancel;
  RebuildMeter meter(options);
  meter.set_sizes(kThreads * kReads * kReportStepBytes, 0);
  ASSERT_TRUE(meter.begin_stage(kThreads * kReads * kReportStepBytes).has_value());
  {
    std::vector<std::jthread> others;
    for (std::uint64_t i = 0; i < kThreads; ++i) {
      others.emplace_back([&meter] {
        for (std::uint64_t read = 0; read < kReads; ++read) {
          EXPECT_TRUE(meter.add(kReportStepBytes - 1).has_value());
        }
      });
    }
  }
  EXPECT_FALSE(called_by_others.load());
  ASSERT_EQ(seen.size(), 1U);
  ASSERT_TRUE(meter.add(1).has_value());
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen.back().done_bytes, kThreads * kReads * (kReportStepBytes - 1) + 1);

  cancel = true;
  std::jthread([&meter] { EXPECT_EQ(meter.add(1).error().code, ErrorCode::kCancelled); }).join();
}

}  // namespace
}  // namespace pluresdb::core
