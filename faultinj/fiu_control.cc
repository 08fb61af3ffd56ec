#include "faultinj/fiu_control.h"

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fiu-control.h>
#include <fiu.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/mutex.h"
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

/// Decides which calls of an armed point fail. Thread-safe.
class Decider {
 public:
  explicit Decider(Arming arming) : arming_(std::move(arming)) {}

  bool decide(std::string_view point, std::uint32_t lane) {
    const MutexLock lock(mutex_);
    const std::uint64_t ordinal = ordinals_[{lane, std::string(point)}]++;
    if (arming_.times > 0 && fired_ == arming_.times) {
      return false;
    }
    if (!wants(point, lane, ordinal)) {
      return false;
    }
    ++fired_;
    return true;
  }

 private:
  [[nodiscard]] bool wants(std::string_view point, std::uint32_t lane,
                           std::uint64_t ordinal) const {
    const std::uint64_t name = pluresdb::base::crc32c(pluresdb::base::as_bytes(point));
    const std::uint64_t dice = mix(mix(mix(arming_.seed, name), lane), ordinal);
    constexpr int kFractionBits = 53;
    constexpr auto kOne = static_cast<double>(1ULL << kFractionBits);
    return static_cast<double>(dice >> (64 - kFractionBits)) < arming_.probability * kOne;
  }

  const Arming arming_;
  Mutex mutex_;
  std::map<std::pair<std::uint32_t, std::string>, std::uint64_t> ordinals_ GUARDED_BY(mutex_);
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
  const std::string* point = nullptr;  ///< What it asks libfiu about: callbacks get the pattern.
};

Thread& this_thread() {
  thread_local Thread thread;
  return thread;
}

int decide(const char* armed, int* /*failnum*/, void** /*failinfo*/, unsigned int* /*flags*/) {
  const Thread& thread = this_thread();
  const auto decider = process().decider_of(armed);
  if (decider == nullptr || thread.point == nullptr) {
    return 0;
  }
  if (!thread.has_lane) {
    set_fault_lane(process().unnamed_lanes.fetch_add(1));
  }
  return decider->decide(*thread.point, thread.lane) ? 1 : 0;
}

}  // namespace

std::atomic<int>& fiu_sources() { return process().sources; }

int fiu_error_at(const std::string& point, int default_error) {
  // Relaxed: whoever arms a point does not wait for operations that have begun.
  if (fiu_sources().load(std::memory_order_relaxed) == 0) {
    return 0;
  }
  Thread& thread = this_thread();
  thread.point = &point;
  const int failed = fiu_fail(point.c_str());
  thread.point = nullptr;
  if (failed == 0) {
    return 0;
  }
  const auto error_number = static_cast<int>(reinterpret_cast<std::intptr_t>(fiu_failinfo()));
  return error_number > 0 ? error_number : default_error;
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
  if (arming.point.empty() || arming.error_number <= 0 || !(arming.probability > 0) ||
      arming.probability > 1) {
    return fail(
        ErrorCode::kInvalidArgument,
        "arm " + arming.point + ": needs a point, an error number and 0 < probability <= 1");
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
