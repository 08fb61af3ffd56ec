// Three rhythms: numbers and status line four times a second, samples once a second, metrics.om
// at a distance that bounds the file for any run length.
#include "harness/supervisor/monitor.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <unistd.h>

#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/metrics/exporter.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include "harness/supervisor/schedule.h"
#include "harness/supervisor/worker_process.h"
#include "pluresdb/error.h"

namespace soak::supervisor {
namespace {

constexpr double kRefreshSeconds = 0.25;
constexpr double kSampleSeconds = 1;
// The reports plot this many points at most; then every second one goes.
constexpr std::size_t kKeptSamplesMax = 7200;
// metrics.om: every second for an hour, 24 s apart for a day.
constexpr double kFileSamplesMax = 3600;
constexpr double kSpeedSmoothing = 0.5;

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

void thin_out(std::vector<report::Sample>& samples) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < samples.size(); i += 2) {
    samples[kept++] = samples[i];
  }
  samples.resize(kept);
}

}  // namespace

Monitor::Monitor(const Observed& observed, metrics::Exporter& exporter, report::Terminal& terminal)
    : observed_(observed), exporter_(exporter), terminal_(terminal) {}

void Monitor::set_worker(int pid, std::uint32_t incarnation) {
  worker_pid_ = pid;
  incarnation_ = incarnation;
  if (pid != 0) {
    ++numbers_.worker_starts;
  }
}

void Monitor::recovered(double seconds) {
  ++recoveries_;
  last_recovery_seconds_ = seconds;
  numbers_.recovery_seconds.push_back(seconds);
}

std::uint64_t Monitor::acknowledged_operations() const {
  std::uint64_t sum = 0;
  for (const auto& by_outcome : observed_.oracle.counts().operations) {
    sum += by_outcome[static_cast<std::size_t>(Outcome::kAcknowledged)];
  }
  return sum;
}

void Monitor::refresh(double now) {
  const oracle::OracleCounts& counts = observed_.oracle.counts();
  numbers_.operations = counts.operations;
  numbers_.faults_fired = observed_.faults.fired_by_point();
  numbers_.lost_acknowledged_writes = counts.lost_acknowledged_writes;
  numbers_.resurrected_deletes = counts.resurrected_deletes;
  numbers_.corrupt_reads = counts.corrupt_reads;
  numbers_.open_maybes = counts.open_maybes;
  numbers_.live_documents = counts.live_documents;
  numbers_.verified_reads = counts.verified_reads;
  numbers_.verified_bytes = counts.verified_bytes;
  numbers_.acknowledged_bytes = counts.acknowledged_bytes;
  numbers_.resident_memory_bytes = worker_pid_ == 0 ? 0 : resident_bytes_of(worker_pid_);
  numbers_.supervisor_resident_memory_bytes = resident_bytes_of(::getpid());
  numbers_.progress_ratio = std::min(1.0, now / observed_.scenario.duration_seconds);
  const std::string phase = phase_at(observed_.scenario, now);
  numbers_.phase = phase.empty() ? "running" : phase;
  exporter_.update(numbers_);
  numbers_.recovery_seconds.clear();
}

void Monitor::sample(double now) {
  const SharedCounters& counters = observed_.region.counters;
  report::RunResult& result = observed_.result;
  const std::uint64_t resident = numbers_.resident_memory_bytes;
  // The first worker's memory counts from when it has the store open.
  if (resident > 0 && (incarnation_ > 1 || activity_ != kRecovering)) {
    memory_.add(incarnation_, now, resident);
  }
  const report::Sample sample{.time_seconds = now,
                              .operations = acknowledged_operations(),
                              .acknowledged_writes = observed_.oracle.counts().acknowledged,
                              .resident_bytes = resident,
                              .wal_segments = counters.wal_segments.load(),
                              .wal_bytes = counters.wal_bytes.load(),
                              .crashes = result.crashes,
                              .incarnation = incarnation_};
  result.segments_max = std::max(result.segments_max, sample.wal_segments);
  result.segments_end = sample.wal_segments;
  result.wal_bytes_max = std::max(result.wal_bytes_max, sample.wal_bytes);
  if (now >= next_kept_sample_) {
    next_kept_sample_ = now + kept_sample_interval_ - kSampleSeconds / 2;
    result.samples.push_back(sample);
    if (result.samples.size() > kKeptSamplesMax) {
      thin_out(result.samples);
      kept_sample_interval_ *= 2;
    }
  }
  if (now >= next_file_sample_) {
    const double interval = std::ceil(observed_.scenario.duration_seconds / kFileSamplesMax);
    next_file_sample_ = now + std::max(interval, kSampleSeconds) - kSampleSeconds / 2;
    if (const auto status = exporter_.sample(unix_seconds());
        !status.has_value() && sample_error_.empty()) {
      sample_error_ = pluresdb::to_string(status.error());
    }
  }
}

void Monitor::show(double now) {
  const SharedCounters& counters = observed_.region.counters;
  const std::uint64_t operations = acknowledged_operations();
  if (now > shown_at_) {
    const double speed = static_cast<double>(operations - shown_operations_) / (now - shown_at_);
    operations_per_second_ += kSpeedSmoothing * (speed - operations_per_second_);
  }
  shown_at_ = now;
  shown_operations_ = operations;
  const std::string phase = numbers_.phase.empty() ? "starting" : numbers_.phase;
  terminal_.status({.elapsed_seconds = now,
                    .planned_seconds = observed_.scenario.duration_seconds,
                    .operations_per_second = operations_per_second_,
                    .acknowledged = observed_.oracle.counts().acknowledged,
                    .maybes = observed_.oracle.counts().maybe,
                    .crashes = observed_.result.crashes,
                    .recoveries = recoveries_,
                    .faults_fired = observed_.faults.total_fired(),
                    .last_recovery_seconds = last_recovery_seconds_,
                    .resident_bytes = numbers_.resident_memory_bytes,
                    .wal_segments = counters.wal_segments.load(),
                    .wal_bytes = counters.wal_bytes.load(),
                    .violations = violations_,
                    .phase = activity_.empty() ? phase : activity_});
}

void Monitor::tick() {
  const double now = observed_.clock.seconds();
  if (now < next_refresh_) {
    return;
  }
  next_refresh_ = now + kRefreshSeconds;
  refresh(now);
  show(now);
  if (now >= next_sample_) {
    next_sample_ = std::max(next_sample_ + kSampleSeconds, now);
    sample(now);
  }
}

pluresdb::Status Monitor::finish() {
  const double now = observed_.clock.seconds();
  refresh(now);
  next_kept_sample_ = next_file_sample_ = now;
  sample(now);
  TRY(exporter_.finish());
  return {};
}

}  // namespace soak::supervisor
