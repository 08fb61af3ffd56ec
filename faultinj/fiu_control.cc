#include "faultinj/fiu_control.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fiu-control.h>
#include <fiu.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mutex.h"
#include "faultinj/firing.h"
#include "faultinj/fiu_gate.h"
#include "faultinj/hash.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::fail;
using pluresdb::Status;
using pluresdb::base::Mutex;
using pluresdb::base::MutexLock;

/// Decides which calls of an armed point fire. Thread-safe.
class Decider {
 public:
  explicit Decider(Arming arming) : arming_(std::move(arming)) {}

  std::optional<Firing> decide(std::string_view point, std::uint64_t bytes, std::uint32_t lane) {
    const MutexLock lock(mutex_);
    const std::uint64_t ordinal = ordinals_[{lane, std::string(point)}]++;
    if (bytes < arming_.bytes_min || bytes > arming_.bytes_max) {
      return std::nullopt;
    }
    ++calls_;
    if ((arming_.times > 0 && fired_ == arming_.times) ||
        (arming_.nth > 0 && calls_ != arming_.nth) ||
        (arming_.every > 0 && calls_ % arming_.every != 0)) {
      return std::nullopt;
    }
    const std::uint64_t name = pluresdb::base::crc32c(pluresdb::base::as_bytes(point));
    const std::uint64_t dice = mix(mix(mix(arming_.seed, name), lane), ordinal);
    if (!is_below(dice, arming_.probability)) {
      return std::nullopt;
    }
    ++fired_;
    return Firing{.effect = arming_.effect,
                  .error_number = arming_.error_number,
                  .delay_us = arming_.delay_us,
                  .lane = lane,
                  .ordinal = ordinal,
                  .dice = mix(dice, fired_)};
  }

 private:
  static bool is_below(std::uint64_t dice, double probability) {
    constexpr int kFractionBits = 53;
    constexpr auto kOne = static_cast<double>(1ULL << kFractionBits);
    return static_cast<double>(dice >> (64 - kFractionBits)) < probability * kOne;
  }

  const Arming arming_;
  Mutex mutex_;
  std::map<std::pair<std::uint32_t, std::string>, std::uint64_t> ordinals_ GUARDED_BY(mutex_);
  std::uint64_t calls_ GUARDED_BY(mutex_) = 0;  // Of the wanted sizes, of all lanes.
  std::uint64_t fired_ GUARDED_BY(mutex_) = 0;
};

/// libfiu is one table per process, and its callbacks get no pointer of ours: so is this.
struct Process {
  std::atomic<bool> started = false;
  std::atomic<int> sources = 0;
  std::atomic<std::uint32_t> unnamed_lanes = kFirstUnnamedLane;
  Mutex arm_mutex;  ///< One arm or disarm at a time. Never taken in a callback.
  Mutex mutex;      ///< Never held while libfiu is called: callbacks run under libfiu's lock.
  /// shared_ptr: a callback may still decide while the point is disarmed.
  std::map<std::string, std::shared_ptr<Decider>, std::less<>> deciders GUARDED_BY(mutex);

  std::shared_ptr<Decider> decider_of(std::string_view armed) {
    const MutexLock lock(mutex);
    const auto found = deciders.find(armed);
    return found == deciders.end() ? nullptr : found->second;
  }
};

Process& process() {
  static Process the_process;
  return the_process;
}

struct Thread {
  bool has_lane = false;
  std::uint32_t lane = 0;
  // What it asks libfiu about, and the answer: callbacks get only the pattern.
  const std::string* point = nullptr;
  std::uint64_t bytes = 0;
  std::optional<Firing> firing;
};

Thread& this_thread() {
  thread_local Thread thread;
  return thread;
}

int decide(const char* armed, int* /*failnum*/, void** /*failinfo*/, unsigned int* /*flags*/) {
  Thread& thread = this_thread();
  const auto decider = process().decider_of(armed);
  if (decider == nullptr || thread.point == nullptr) {
    return 0;
  }
  if (!thread.has_lane) {
    set_fault_lane(process().unnamed_lanes.fetch_add(1));
  }
  thread.firing = decider->decide(*thread.point, thread.bytes, thread.lane);
  return thread.firing ? 1 : 0;
}

}  // namespace

std::atomic<int>& fiu_sources() { return process().sources; }

std::optional<Firing> fiu_firing_at(const std::string& point, std::uint64_t bytes,
                                    int default_error) {
  // Relaxed: whoever arms a point does not wait for operations that have begun.
  if (fiu_sources().load(std::memory_order_relaxed) == 0) {
    return std::nullopt;
  }
  Thread& thread = this_thread();
  thread.point = &point;
  thread.bytes = bytes;
  thread.firing.reset();
  const int failed = fiu_fail(point.c_str());
  thread.point = nullptr;
  if (failed == 0) {
    return std::nullopt;
  }
  if (thread.firing) {
    return thread.firing;
  }
  // Armed from outside.
  const auto error_number = static_cast<int>(reinterpret_cast<std::intptr_t>(fiu_failinfo()));
  return Firing{.error_number = error_number > 0 ? error_number : default_error,
                .lane = thread.lane};
}

void set_fault_lane(std::uint32_t lane) {
  this_thread().has_lane = true;
  this_thread().lane = lane;
}

Status fiu_start(const std::string& fifo_base) {
  if (process().started.exchange(true)) {
    return fail(ErrorCode::kInvalidArgument, "fiu_start: called twice");
  }
  if (fiu_init(0) != 0) {
    return fail(ErrorCode::kIo, "fiu_init");
  }
  if (!fifo_base.empty()) {
    if (fiu_rc_fifo(fifo_base.c_str()) != 0) {
      return fail(ErrorCode::kIo, "libfiu remote control at " + fifo_base);
    }
    process().sources.fetch_add(1);
  }
  return {};
}

Status arm(const Arming& arming) {
  if (!process().started) {
    return fail(ErrorCode::kInvalidArgument, "arm " + arming.point + ": fiu_start was not called");
  }
  const bool has_effect = arming.effect != Effect::kDelay || arming.delay_us > 0;
  if (arming.point.empty() || arming.error_number <= 0 || !has_effect ||
      !(arming.probability > 0) || arming.probability > 1) {
    return fail(ErrorCode::kInvalidArgument,
                "arm " + arming.point +
                    ": needs a point, an error number, for a delay how long it is, and 0 < "
                    "probability <= 1");
  }
  const MutexLock arm_lock(process().arm_mutex);
  {
    const MutexLock lock(process().mutex);
    const auto [place, inserted] =
        process().deciders.insert_or_assign(arming.point, std::make_shared<Decider>(arming));
    if (inserted) {
      process().sources.fetch_add(1);
    }
  }
  // libfiu carries the number in a pointer. NOLINTNEXTLINE(performance-no-int-to-ptr)
  void* const failinfo = reinterpret_cast<void*>(static_cast<std::intptr_t>(arming.error_number));
  (void)fiu_disable(arming.point.c_str());  // Fails when it is not enabled.
  if (fiu_enable_external(arming.point.c_str(), 1, failinfo, 0, decide) != 0) {
    const MutexLock lock(process().mutex);
    process().deciders.erase(arming.point);
    process().sources.fetch_sub(1);
    return fail(ErrorCode::kIo, "fiu_enable_external " + arming.point);
  }
  return {};
}

Status disarm(const std::string& point) {
  const MutexLock arm_lock(process().arm_mutex);
  {
    const MutexLock lock(process().mutex);
    if (process().deciders.erase(point) == 0) {
      return fail(ErrorCode::kNotFound, "disarm " + point + ": not armed");
    }
  }
  process().sources.fetch_sub(1);
  // fiu-ctrl may have disabled it already.
  (void)fiu_disable(point.c_str());
  return {};
}

}  // namespace faultinj
