// Wording of events. Lists in the result are bounded: a day must fit into one report.
#include "harness/supervisor/recorder.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "faultinj/damage_at_rest.h"
#include "faultinj/power_loss.h"
#include "harness/common/shared_region.h"
#include "harness/oracle/oracle.h"
#include "harness/report/reports.h"
#include "harness/report/run_result.h"
#include "harness/scenario/scenario.h"
#include "harness/supervisor/image_result.h"
#include "harness/supervisor/power_policy.h"
#include "harness/supervisor/run_clock.h"

namespace soak::supervisor {
namespace {

using report::EventLevel;
using report::json_quote;

constexpr std::size_t kMarksMax = 20'000;
constexpr std::size_t kRecoveriesMax = 100'000;
constexpr std::size_t kLostDocumentsMax = 20;
constexpr std::size_t kFirstViolationsMax = 100;
constexpr std::uint64_t kViolationsOnTerminal = 20;
// A full disk refuses hundreds of operations per second: the first firings of a burst are written
// one by one, the rest as a number.
constexpr std::uint64_t kFiringsPerBurst = 20;
constexpr double kBurstSeconds = 1;
constexpr double kNanosecond = 1e-9;

std::string number(std::uint64_t value) { return std::to_string(value); }
std::string number(double value) { return fmt::format("{:.6f}", value); }

std::string plural(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string describe_bytes(std::uint64_t bytes) {
  constexpr std::uint64_t kKibibyte = 1024;
  return bytes < 10 * kKibibyte
             ? fmt::format("{} B", bytes)
             : fmt::format("{:.1f} KiB", static_cast<double>(bytes) / double{kKibibyte});
}

/// What a power loss was told to leave, and what it left.
report::EventLog::Fields state_fields(const scenario::FaultSection& fault,
                                      const faultinj::PowerLossPolicy& policy,
                                      const faultinj::PowerLossOutcome& loss) {
  return {{"device", json_quote(fault.device)},
          {"keep", json_quote(writes_name(policy.writes))},
          {"names", json_quote(names_name(policy.names))},
          {"sector_bytes", number(std::uint64_t{policy.sector_bytes})},
          {"garbage", number(policy.garbage)},
          {"power_loss_seed", number(policy.seed)},
          {"writes_discarded", number(loss.writes_discarded)},
          {"bytes_discarded", number(loss.bytes_discarded)},
          {"writes_kept", number(loss.writes_kept)},
          {"writes_torn", number(loss.writes_torn)},
          {"sizes_without_bytes", number(loss.sizes_without_bytes)},
          {"sectors_of_garbage", number(loss.sectors_of_garbage)},
          {"writes_out_of_order", number(loss.writes_out_of_order)},
          {"directory_changes_undone", number(loss.directory_changes_undone)},
          {"directory_changes_kept", number(loss.directory_changes_kept)},
          {"names_out_of_order", number(loss.names_out_of_order)}};
}

}  // namespace

Recovery read_recovery(const RecoveryEvidence& evidence) {
  // Written before the worker's kReady packet, which has been received.
  return {.duration_seconds = static_cast<double>(evidence.duration_ns.load()) * kNanosecond,
          .replayed_entries = evidence.replayed_entries.load(),
          .torn_tails = evidence.torn_tails.load(),
          .torn_bytes = evidence.torn_bytes_dropped.load(),
          .quarantined_bytes = evidence.quarantined_bytes.load(),
          .corrupted_entries = evidence.corrupted_entries.load(),
          .corrupted_segments = evidence.corrupted_segments.load(),
          .tampered_places = evidence.tampered_places.load(),
          .wal_lost = evidence.wal_lost.load() != 0,
          .created = evidence.created.load() != 0,
          .clean_shutdown = evidence.clean_shutdown.load() != 0,
          .lost = {evidence.lost.begin(),
                   evidence.lost.begin() + static_cast<std::ptrdiff_t>(evidence.lost_count.load())},
          .checkpoint_seq = evidence.checkpoint_seq.load(),
          .lost_left_out = evidence.lost_left_out.load()};
}

std::string Recovery::damage_text() const {
  return fmt::format(
      "recovery found {} corrupt entries in {} corrupt segments and {} places that somebody "
      "without "
      "the key has changed{}",
      corrupted_entries, corrupted_segments, tampered_places,
      wal_lost ? ", and segments of the log were missing" : "");
}

Recorder::Recorder(report::EventLog& events, report::Terminal& terminal, const RunClock& clock,
                   report::RunResult& result)
    : events_(events), terminal_(terminal), clock_(clock), result_(result) {}

void Recorder::tell(EventLevel level, const std::string& event, const std::string& text,
                    report::EventLog::Fields fields) {
  const double now = clock_.seconds();
  fields.emplace_back("text", json_quote(text));
  events_.write(now, event, fields);
  terminal_.event(now, level, text);
}

void Recorder::mark(double begin, double end, const std::string& kind, const std::string& label) {
  if (result_.marks.size() < kMarksMax) {
    result_.marks.push_back(
        {.begin_seconds = begin, .end_seconds = end, .kind = kind, .label = label});
  }
}

void Recorder::run_started(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    tell(EventLevel::kInfo, "run_started", line, {});
  }
}

void Recorder::worker_spawned(std::uint32_t incarnation, int pid, const std::string& cause) {
  events_.write(clock_.seconds(), "worker_started",
                {{"incarnation", number(std::uint64_t{incarnation})},
                 {"pid", std::to_string(pid)},
                 {"cause", json_quote(cause)}});
}

void Recorder::worker_ready(std::uint32_t incarnation, const std::string& cause,
                            const Recovery& recovery) {
  if (recovery.created) {
    tell(EventLevel::kInfo, "store_created", fmt::format("worker {} made a store", incarnation),
         {{"incarnation", number(std::uint64_t{incarnation})}});
    return;
  }
  if (result_.recoveries.size() < kRecoveriesMax) {
    result_.recoveries.push_back({.time_seconds = clock_.seconds(),
                                  .duration_seconds = recovery.duration_seconds,
                                  .replayed_entries = recovery.replayed_entries,
                                  .torn_tails = recovery.torn_tails,
                                  .torn_bytes = recovery.torn_bytes,
                                  .cause = cause});
  }
  result_.evidence.damage_reports += recovery.found_damage() ? 1U : 0U;
  result_.evidence.torn_tails_met += recovery.torn_tails;
  result_.evidence.torn_bytes_dropped += recovery.torn_bytes;
  std::string text = fmt::format("recovered in {:.0f} ms: {} replayed",
                                 recovery.duration_seconds * 1000, recovery.replayed_entries);
  if (recovery.torn_tails > 0) {
    text += fmt::format(", {} dropped ({})", plural(recovery.torn_tails, "torn tail"),
                        describe_bytes(recovery.torn_bytes));
  }
  if (recovery.corrupted_segments > 0 || recovery.corrupted_entries > 0) {
    text += fmt::format(", {} corrupt with {} in them that are gone",
                        plural(recovery.corrupted_segments, "segment"),
                        plural(recovery.corrupted_entries, "record"));
  }
  tell(EventLevel::kRecovery, "recovered", text,
       {{"incarnation", number(std::uint64_t{incarnation})},
        {"cause", json_quote(cause)},
        {"duration_seconds", number(recovery.duration_seconds)},
        {"replayed_entries", number(recovery.replayed_entries)},
        {"torn_tails", number(recovery.torn_tails)},
        {"torn_bytes", number(recovery.torn_bytes)},
        {"quarantined_bytes", number(recovery.quarantined_bytes)},
        {"corrupted_entries", number(recovery.corrupted_entries)},
        {"corrupted_segments", number(recovery.corrupted_segments)},
        {"tampered_places", number(recovery.tampered_places)},
        {"lost_ranges", number(std::uint64_t{recovery.lost.size()})},
        {"clean_shutdown", recovery.clean_shutdown ? "true" : "false"}});
}

void Recorder::count_left(const faultinj::PowerLossOutcome& loss) {
  report::EvidenceResult& evidence = result_.evidence;
  evidence.unsynced_writes_kept += loss.writes_kept;
  evidence.unsynced_writes_torn += loss.writes_torn;
  evidence.sizes_without_bytes += loss.sizes_without_bytes;
  evidence.sectors_of_garbage += loss.sectors_of_garbage;
  evidence.writes_out_of_order += loss.writes_out_of_order;
  evidence.directory_entries_kept += loss.directory_changes_kept;
  evidence.names_out_of_order += loss.names_out_of_order;
}

std::string Recorder::power_lost(const faultinj::PowerLossOutcome& loss) {
  ++result_.power_losses;
  result_.evidence.unsynced_bytes_discarded += loss.bytes_discarded;
  result_.evidence.unsynced_writes_discarded += loss.writes_discarded;
  result_.evidence.directory_entries_discarded += loss.directory_changes_undone;
  count_left(loss);
  std::string text =
      fmt::format("; {} ({}) never synced and gone", plural(loss.writes_discarded, "write"),
                  describe_bytes(loss.bytes_discarded));
  if (loss.writes_kept + loss.writes_torn > 0) {
    text += fmt::format(", {} kept, {} torn", loss.writes_kept, loss.writes_torn);
  }
  if (loss.sectors_of_garbage > 0) {
    text += fmt::format(", {} of garbage", plural(loss.sectors_of_garbage, "sector"));
  }
  if (loss.directory_changes_undone + loss.directory_changes_kept > 0) {
    text += fmt::format(
        ", {} of {} undone", loss.directory_changes_undone,
        plural(loss.directory_changes_undone + loss.directory_changes_kept, "directory change"));
  }
  return text;
}

void Recorder::killed(const KillReport& kill) {
  const double now = clock_.seconds();
  const char* kind = scenario::fault_kind_name(kill.fault.kind);
  result_.evidence.kills_with_maybes += kill.maybes > 0 ? 1 : 0;
  ++result_.crashes;
  std::string text = fmt::format("{}: killed worker {}, {} of unknown outcome", kill.fault.name,
                                 kill.incarnation, plural(kill.maybes, "write"));
  report::EventLog::Fields fields = {{"fault", json_quote(kill.fault.name)},
                                     {"kind", json_quote(kind)},
                                     {"incarnation", number(std::uint64_t{kill.incarnation})},
                                     {"maybes", number(kill.maybes)}};
  if (kill.power_loss.has_value()) {
    text += power_lost(kill.power_loss->outcome);
    std::ranges::move(state_fields(kill.fault, kill.power_loss->policy, kill.power_loss->outcome),
                      std::back_inserter(fields));
  }
  if (kill.damage.has_value()) {
    const faultinj::DamageDone& damage = *kill.damage;
    ++result_.evidence.damages;
    result_.evidence.base_damages += damage.file.starts_with("base/") ? 1U : 0U;
    text += fmt::format("; damaged {} at {}", damage.file, damage.offset);
    fields.insert(fields.end(), {{"file", json_quote(damage.file)},
                                 {"offset", number(damage.offset)},
                                 {"bytes", number(damage.bytes)},
                                 {"source", json_quote(damage.source)},
                                 {"source_offset", number(damage.source_offset)}});
  }
  mark(now, now, kind, kill.fault.name);
  tell(EventLevel::kFault, "killed", text, std::move(fields));
}

void Recorder::paused(const scenario::FaultSection& fault, double begin, std::uint64_t operations) {
  const double now = clock_.seconds();
  const char* kind = scenario::fault_kind_name(fault.kind);
  mark(begin, now, kind, fault.name);
  tell(EventLevel::kFault, "paused",
       fmt::format("{}: stood still for {:.2f} s, {} meanwhile", fault.name, now - begin,
                   plural(operations, "operation")),
       {{"fault", json_quote(fault.name)},
        {"kind", json_quote(kind)},
        {"seconds", number(now - begin)},
        {"operations", number(operations)}});
}

void Recorder::clock_jumped(const scenario::FaultSection& fault, double by_seconds,
                            double offset_seconds) {
  const double now = clock_.seconds();
  const char* kind = scenario::fault_kind_name(fault.kind);
  mark(now, now, kind, fault.name);
  tell(EventLevel::kFault, "clock_jumped",
       fmt::format("{}: the clock jumped by {:+.3f} s and is {:+.3f} s ahead", fault.name,
                   by_seconds, offset_seconds),
       {{"fault", json_quote(fault.name)},
        {"kind", json_quote(kind)},
        {"by_seconds", number(by_seconds)},
        {"offset_seconds", number(offset_seconds)}});
}

void Recorder::cloned(const scenario::FaultSection& fault, double seconds) {
  const double now = clock_.seconds();
  mark(now, now, scenario::fault_kind_name(fault.kind), fault.name);
  events_.write(now, "cloned", {{"fault", json_quote(fault.name)}, {"seconds", number(seconds)}});
}

void Recorder::image_examined(const scenario::FaultSection& fault, const ImageResult& image) {
  constexpr std::array<const char*, 5> kOutcomes = {"right", "same", "wrong", "not_opened",
                                                    "not_examined"};
  report::EventLog::Fields fields = {
      {"fault", json_quote(fault.name)},
      {"clone", number(std::uint64_t{image.clone})},
      {"image", number(std::uint64_t{image.image})},
      {"outcome", json_quote(kOutcomes.at(static_cast<std::size_t>(image.outcome)))},
      {"hash", json_quote(fmt::format("{:016x}", image.hash))},
      {"documents", number(image.documents)},
      {"recovery_seconds", number(image.recovery_seconds)},
      {"torn_tails", number(image.torn_tails)},
      {"replayed_entries", number(image.replayed_entries)},
      {"text", json_quote(image.text.data())}};
  std::ranges::move(state_fields(fault, image.policy, image.loss), std::back_inserter(fields));
  events_.write(clock_.seconds(), "crash_image", fields);
  if (image.outcome == ImageResult::Outcome::kRight) {
    count_left(image.loss);
  }
}

void Recorder::window_opened(const scenario::FaultSection& fault, const std::string& point) {
  open_windows_[fault.name] = clock_.seconds();
  tell(EventLevel::kFault, "fault_armed", fmt::format("{}: {} armed", fault.name, point),
       {{"fault", json_quote(fault.name)},
        {"kind", json_quote(scenario::fault_kind_name(fault.kind))},
        {"point", json_quote(point)}});
}

void Recorder::window_closed(const scenario::FaultSection& fault, std::uint64_t fired) {
  const auto opened = open_windows_.find(fault.name);
  if (opened == open_windows_.end()) {
    return;
  }
  mark(opened->second, clock_.seconds(), scenario::fault_kind_name(fault.kind), fault.name);
  open_windows_.erase(opened);
  tell(EventLevel::kFault, "fault_disarmed",
       fmt::format("{}: over, fired {}", fault.name, plural(fired, "time")),
       {{"fault", json_quote(fault.name)},
        {"kind", json_quote(scenario::fault_kind_name(fault.kind))},
        {"fired", number(fired)}});
}

void Recorder::fired(const FiredFault& firing, const scenario::FaultSection* fault) {
  const std::string point(firing.point.data());
  const double seconds = clock_.seconds_at(firing.time_ns);
  PointBurst& burst = bursts_[point];
  if (seconds - burst.begin_seconds >= kBurstSeconds) {
    flush_fired();
    burst = PointBurst{.begin_seconds = seconds};
  }
  if (burst.written >= kFiringsPerBurst) {
    ++burst.withheld;
    return;
  }
  ++burst.written;
  events_.write(seconds, "fault_fired",
                {{"fault", json_quote(fault == nullptr ? "fiu-ctrl" : fault->name)},
                 {"point", json_quote(point)},
                 {"errno", std::to_string(firing.error_number)},
                 {"error", json_quote(strerrordesc_np(firing.error_number) == nullptr
                                          ? "unknown"
                                          : strerrordesc_np(firing.error_number))},
                 {"incarnation", number(std::uint64_t{firing.incarnation})},
                 {"lane", number(std::uint64_t{firing.lane})},
                 {"ordinal", number(firing.ordinal)},
                 {"count", "1"}});
  if (fault == nullptr) {
    mark(seconds, seconds, "remote_control", point);
  }
}

void Recorder::flush_fired() {
  for (auto& [point, burst] : bursts_) {
    if (burst.withheld > 0) {
      events_.write(clock_.seconds(), "fault_fired",
                    {{"point", json_quote(point)}, {"count", number(burst.withheld)}});
      burst.withheld = 0;
    }
  }
}

void Recorder::verified(const std::string& what, std::uint64_t documents, double seconds) {
  events_.write(clock_.seconds(), "verified",
                {{"what", json_quote(what)},
                 {"documents", number(documents)},
                 {"duration_seconds", number(seconds)}});
}

void Recorder::violation(const oracle::Violation& violation) {
  const std::string kind = oracle::violation_kind_name(violation.kind);
  const std::string text = fmt::format("{}: {}: {}", kind, violation.document_id, violation.detail);
  const report::EventLog::Fields fields = {{"kind", json_quote(kind)},
                                           {"document", json_quote(violation.document_id)},
                                           {"detail", json_quote(violation.detail)}};
  if (++violations_told_ <= kViolationsOnTerminal) {
    tell(EventLevel::kViolation, "violation", text, fields);
  } else {
    events_.write(clock_.seconds(), "violation", fields);
  }
  if (first_violations_.size() < kFirstViolationsMax) {
    first_violations_.push_back(violation);
  }
  if (violation.kind == oracle::ViolationKind::kLostAcknowledgedWrite &&
      result_.lost_documents.size() < kLostDocumentsMax) {
    result_.lost_documents.push_back(violation.document_id);
  }
}

void Recorder::trouble(const std::string& event, const std::string& text) {
  mark(clock_.seconds(), clock_.seconds(), event, text);
  tell(EventLevel::kViolation, event, text, {});
}

void Recorder::note(const std::string& event, const std::string& text) {
  tell(EventLevel::kInfo, event, text, {});
}

void Recorder::load_ended(const std::string& reason) {
  flush_fired();
  tell(EventLevel::kInfo, "load_ended", reason, {});
}

void Recorder::verdict(const report::RunResult& result) {
  events_.write(clock_.seconds(), "verdict",
                {{"verdict", json_quote(report::verdict_name(result.verdict))}});
}

}  // namespace soak::supervisor
