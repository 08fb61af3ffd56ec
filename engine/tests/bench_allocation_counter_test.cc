// The counter behind the memory figures of pluresdb-bench; it replaces operator new of this test.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "engine/bench/allocation_counter.h"

namespace pluresdb::bench {
namespace {

constexpr std::size_t kBytes = 100'000;
constexpr std::size_t kRounding = 64;

struct alignas(256) Aligned {
  std::byte bytes[256];
};

TEST(AllocationCounter, CountsWhatIsInUseAndTheMostThereWas) {
  auto before = std::make_unique<std::vector<std::byte>>(kBytes);
  AllocationCounter counter;
  EXPECT_EQ(counter.bytes(), 0);
  auto first = std::make_optional<std::vector<std::byte>>(kBytes);
  EXPECT_GE(counter.bytes(), kBytes);
  EXPECT_LE(counter.bytes(), kBytes + kRounding);
  first.reset();
  EXPECT_EQ(counter.bytes(), 0);
  EXPECT_GE(counter.peak_bytes(), kBytes);
  counter.restart_peak();
  EXPECT_EQ(counter.peak_bytes(), 0);
  before.reset();
  EXPECT_LE(counter.bytes(), -static_cast<std::int64_t>(kBytes));
  EXPECT_EQ(counter.peak_bytes(), 0);
}

TEST(AllocationCounter, KnowsTheAlignedForms) {
  const AllocationCounter counter;
  {
    const auto one = std::make_unique<Aligned>();
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(one.get()) % alignof(Aligned), 0U);
    EXPECT_GE(counter.bytes(), sizeof(Aligned));
  }
  EXPECT_EQ(counter.bytes(), 0);
}

TEST(AllocationCounter, OtherThreadsAreTheirOwn) {
  const AllocationCounter counter;
  const std::int64_t before = counter.bytes();
  std::vector<std::byte> of_the_thread;
  std::int64_t after_start = 0;
  {
    const std::jthread thread([&] { of_the_thread.resize(kBytes); });
    after_start = counter.bytes() - before;  // The thread's own state.
  }
  EXPECT_LT(after_start, kBytes);
  EXPECT_LT(counter.bytes(), kBytes);
}

}  // namespace
}  // namespace pluresdb::bench
