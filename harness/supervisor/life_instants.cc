// Faults that come at an instant and leave the worker alive.
#include <algorithm>
#include <array>
#include <cmath>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "harness/common/worker_protocol.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/crash_images.h"
#include "harness/supervisor/fault_driver.h"
#include "harness/supervisor/life.h"
#include "harness/supervisor/loop.h"
#include "harness/supervisor/monitor.h"
#include "harness/supervisor/plaintext_search.h"
#include "harness/supervisor/recorder.h"
#include "harness/supervisor/run_folder.h"
#include "harness/supervisor/worker_process.h"
#include "pluresdb/error.h"

namespace soak::supervisor {
namespace {

using scenario::FaultSection;

// More than a worker has when its memory is limited, and for how long.
constexpr std::uint64_t kSpareBytes = 256ULL << 10;
constexpr double kStarveSeconds = 5;
constexpr std::size_t kLastLines = 200;
// For the rest of a clone when the run is over.
constexpr double kExamineSeconds = 120;
constexpr double kUsPerSecond = 1e6;

/// The last words of a worker; the others are those of AddressSanitizer.
bool tells_of_no_memory(const std::string& log) {
  constexpr std::array<std::string_view, 3> kWords = {"std::bad_alloc", "out of memory",
                                                      "Failed to mmap"};
  return std::ranges::any_of(kWords, [&](std::string_view word) { return log.contains(word); });
}

}  // namespace

/// As a machine that sleeps, or a debugger: syncs half done, locks held, and everything goes on
/// later as if nothing had been. It has fired when nothing was acknowledged meanwhile.
void Life::stand_still(std::size_t index) {
  const FaultSection& fault = parts_.scenario.faults[index];
  if (!worker_->pause()) {
    return;  // It has ended: look_after_worker() finds out how.
  }
  parts_.loop.turn(0);
  const double begin = parts_.clock.seconds();
  const double end = begin + fault.for_seconds.value_or(0);
  const std::uint64_t acknowledged = acknowledged_operations();
  while (parts_.clock.seconds() < end && parts_.signals.count() == 0) {
    parts_.loop.turn(kTurnMs);
  }
  const std::uint64_t meanwhile = acknowledged_operations() - acknowledged;
  worker_->resume();
  parts_.loop.note_progress();
  parts_.recorder.paused(fault, begin, meanwhile);
  if (meanwhile == 0) {
    parts_.faults.instant_fired(index);
  }
}

/// As in a container that has used up its memory: an allocation fails wherever the worker happens
/// to be, and it ends by that. It has fired when the worker did; one that needs nothing more lives.
void Life::starve(std::size_t index) {
  const FaultSection& fault = parts_.scenario.faults[index];
  if (!worker_->limit_memory(kSpareBytes)) {
    return;  // It has ended: look_after_worker() finds out how.
  }
  const double end = parts_.clock.seconds() + kStarveSeconds;
  std::optional<WorkerExit> exit;
  while (!exit.has_value() && parts_.clock.seconds() < end && parts_.signals.count() == 0) {
    parts_.loop.turn(kTurnMs);
    exit = worker_->poll_exit();
  }
  if (!exit.has_value()) {
    worker_->unlimit_memory();
    if (parts_.signals.count() == 0) {  // Else the run was stopped before the time was over.
      parts_.recorder.note("memory_limit_survived",
                           fault.name + ": the worker needed no more memory");
    }
    return;
  }
  constexpr WorkerExit kAborted{.killed = true, .status = SIGABRT};
  const std::string log = last_lines(parts_.folder.worker_log(incarnation_), kLastLines);
  if (*exit != kAborted || !tells_of_no_memory(log)) {
    worker_ended(describe(*exit) + " when its memory was limited, and not by a failed allocation");
    return;
  }
  parts_.loop.turn(0);
  count_life();
  died_of_fault(index, {.fault = fault, .incarnation = incarnation_});
}

/// Stays so, for later workers too, until the next jump.
void Life::jump_clock(std::size_t index) {
  const FaultSection& fault = parts_.scenario.faults[index];
  const bool back = fault.direction == "back" || (fault.direction == "either" && random_.coin());
  const double by_seconds = back ? -fault.by_seconds : fault.by_seconds;
  clock_offset_us_ += std::llround(by_seconds * kUsPerSecond);
  ControlPacket packet{.type = CommandType::kShiftClock};
  packet.clock_offset_us = clock_offset_us_;
  const auto reply = parts_.loop.command(packet, kCommandStallSeconds);
  if (!reply.has_value()) {
    handle(reply.error(), "setting the clock");
    return;
  }
  parts_.recorder.clock_jumped(fault, by_seconds,
                               static_cast<double>(clock_offset_us_) / kUsPerSecond);
  parts_.faults.instant_fired(index);
}

/// The worker stands still only for the copy.
void Life::clone_store(std::size_t index) {
  const FaultSection& fault = parts_.scenario.faults[index];
  if (images_.is_busy()) {
    parts_.recorder.note("clone_skipped", "the last clone is still being examined");
    return;
  }
  aim(fault);
  if (!worker_->pause()) {
    return;  // It has ended: look_after_worker() finds out how.
  }
  parts_.loop.turn(0);
  const double begin = parts_.clock.seconds();
  images_of_ = index;
  const pluresdb::Status cloned = images_.clone(fault, incarnation_, random_.next());
  worker_->resume();
  parts_.loop.note_progress();
  if (!cloned.has_value()) {
    facts_.unexamined_images.push_back(pluresdb::to_string(cloned.error()));
    parts_.recorder.trouble("clone_failed", facts_.unexamined_images.back());
    return;
  }
  parts_.recorder.cloned(fault, parts_.clock.seconds() - begin);
}

void Life::take_images() {
  for (const ImageResult& image : images_.take_results()) {
    parts_.recorder.image_examined(parts_.scenario.faults[images_of_], image);
    const std::string text =
        fmt::format("image {} of clone {}: {}", image.image, image.clone, image.text.data());
    note_search(image);
    switch (image.outcome) {
      case ImageResult::Outcome::kSame:
        break;
      case ImageResult::Outcome::kRight:
        ++parts_.result.evidence.crash_images;
        if (images_.is_new(image.hash)) {
          ++parts_.result.evidence.distinct_crash_images;
          parts_.faults.instant_fired(images_of_);
        }
        break;
      case ImageResult::Outcome::kWrong:
      case ImageResult::Outcome::kNotOpened:
        facts_.wrong_images.push_back(text);
        parts_.recorder.trouble("crash_image_wrong", text);
        break;
      case ImageResult::Outcome::kNotExamined:
        facts_.unexamined_images.push_back(text);
        break;
    }
  }
}

void Life::note_search(const ImageResult& image) {
  PlaintextSearch search{.canaries = image.canaries,
                         .files = image.searched_files,
                         .bytes = image.searched_bytes,
                         .findings = image.plaintext_findings};
  const std::string where = fmt::format("image {} of clone {}: ", image.image, image.clone);
  if (image.plaintext[0] != '\0') {
    search.found.push_back(where + image.plaintext.data());
    parts_.recorder.trouble("plaintext_on_disk", search.found.back());
  }
  if (image.unsearched[0] != '\0') {
    search.unfinished.push_back(where + image.unsearched.data());
  }
  facts_.plaintext.add(search);
}

/// Of the last clone, when the load is over.
void Life::await_images() {
  const double end = parts_.clock.seconds() + kExamineSeconds;
  while (images_.is_busy() && parts_.clock.seconds() < end && parts_.signals.count() < 2) {
    parts_.loop.turn(kTurnMs);
    take_images();
  }
  images_.abandon();
}

}  // namespace soak::supervisor
