#include "harness/supervisor/ledger_drain.h"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "harness/common/shared_region.h"
#include "harness/oracle/oracle.h"

namespace soak::supervisor {
namespace {

// Records per copy; a ring holds more, so one call may take several.
constexpr std::size_t kBatch = 512;

/// Gives everything that `ring` holds to `sink`, oldest first.
template <typename Sink>
std::size_t drain(LedgerRing& ring, const Sink& sink) {
  std::array<LedgerRecord, kBatch> batch;
  std::size_t taken = 0;
  std::size_t count = 0;
  // Bounded: a worker that writes as fast as this reads must not keep the loop here.
  while (taken < kRingRecords && (count = ring_consume(ring, batch)) > 0) {
    for (const LedgerRecord& record : std::span(batch).first(count)) {
      sink(record);
    }
    taken += count;
  }
  return taken;
}

}  // namespace

LedgerDrain::LedgerDrain(SharedRegion& region, oracle::Oracle& oracle)
    : region_(region), oracle_(oracle) {}

std::size_t LedgerDrain::drain_agents() {
  std::size_t taken = 0;
  for (LedgerRing& ring : std::span(region_.agent_rings).first(region_.agent_count)) {
    taken += drain(ring, [&](const LedgerRecord& record) { oracle_.consume(record); });
  }
  return taken;
}

std::size_t LedgerDrain::drain_verifier(const std::function<void(const LedgerRecord&)>& sink) {
  return drain(region_.verify_ring, sink);
}

void LedgerDrain::discard_verifier() {
  drain(region_.verify_ring, [](const LedgerRecord&) {});
}

std::vector<FiredFault> LedgerDrain::take_fired() {
  std::vector<FiredFault> fired;
  const std::uint64_t count = region_.fired.count.load(std::memory_order_acquire);
  if (count - fired_taken_ > kFiredFaultsMax) {
    fired_overrun_ += count - fired_taken_ - kFiredFaultsMax;
    fired_taken_ = count - kFiredFaultsMax;
  }
  for (; fired_taken_ < count; ++fired_taken_) {
    fired.push_back(region_.fired.entries[fired_taken_ % kFiredFaultsMax]);
    fired.back().point.back() = '\0';
  }
  return fired;
}

void LedgerDrain::worker_starts() {
  for (std::size_t i = 0; i < region_.agent_count; ++i) {
    heads_at_start_[i] = region_.agent_rings[i].head.load(std::memory_order_acquire);
  }
}

bool LedgerDrain::operation_in_flight() const {
  for (std::size_t i = 0; i < region_.agent_count; ++i) {
    const LedgerRing& ring = region_.agent_rings[i];
    const std::uint64_t head = ring.head.load(std::memory_order_acquire);
    if (head > heads_at_start_[i] &&
        ring.records[(head - 1) % kRingRecords].type == LedgerType::kIntent) {
      return true;
    }
  }
  return false;
}

}  // namespace soak::supervisor
