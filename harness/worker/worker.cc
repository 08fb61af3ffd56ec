#include "harness/worker/worker.h"

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <ios>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>
#include <unistd.h>

#include "engine/base/clock.h"
#include "engine/io/file_system.h"
#include "faultinj/firing.h"
#include "faultinj/fiu_control.h"
#include "harness/common/control_channel.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/common/worker_protocol.h"
#include "harness/worker/cipher_watch.h"
#include "harness/worker/command_loop.h"
#include "harness/worker/defect_target.h"
#include "harness/worker/error_log.h"
#include "harness/worker/evidence.h"
#include "harness/worker/file_stack.h"
#include "harness/worker/pluresdb_target.h"
#include "harness/worker/shifted_clock.h"
#include "harness/worker/target.h"
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace soak::worker {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;

constexpr int kExitOpenFailed = 4;

Result<WorkerConfig> read_config(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return pluresdb::fail(ErrorCode::kNotFound, fmt::format("read {}", path));
  }
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return worker_config_from_json(text);
}

Result<std::unique_ptr<Target>> open_target(const WorkerConfig& config,
                                            pluresdb::io::FileSystem& files,
                                            pluresdb::Clock& clock) {
  if (config.target != "pluresdb") {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          fmt::format("unknown target \"{}\"", config.target));
  }
  TRY_ASSIGN(auto target, open_pluresdb_target(config_with_defect(config), files, clock));
  return plant_defect(config, std::move(target));
}

void log_recovery(const pluresdb::RecoveryReport& report) {
  log_line(fmt::format(
      "opened in {:.3f} s: {}, last seq {}, checkpoint {}, replayed {} entries, "
      "{} torn tails ({} bytes), {} corrupted entries in {} segments, {} places tampered with, "
      "{} bytes quarantined{}",
      report.duration_seconds,
      report.created ? "new store" : (report.clean_shutdown ? "clean shutdown" : "after a crash"),
      report.last_seq, report.checkpoint_seq, report.replayed_entries, report.wal.torn_tails,
      report.torn_bytes_dropped, report.wal.corrupted_entries, report.wal.corrupted_segments,
      report.wal.tampered_places, report.quarantined_bytes, report.wal_lost ? ", WAL LOST" : ""));
  for (const std::string& problem : report.wal.problems) {
    log_line(fmt::format("recovery: {}", problem));
  }
}

faultinj::FiredCallback record_into(FiredFaultRecorder& recorder) {
  return [&recorder](std::string_view point, const faultinj::Firing& firing) {
    recorder.record(point, {.error_number = firing.error_number,
                            .ordinal = firing.ordinal,
                            .lane = firing.lane,
                            .effect = static_cast<std::uint32_t>(firing.effect)});
  };
}

// Everything from the region to the answer kReady may fail; what comes after is the command loop.
struct Opened {
  WorkerConfig config;
  RegionMapping region;
  std::unique_ptr<FiredFaultRecorder> fired;
  FileStack files;
  std::unique_ptr<ShiftedClock> clock;
  std::unique_ptr<Target> target;
};

Status open_store(const WorkerArguments& arguments, Opened& opened) {
  TRY_ASSIGN(opened.region, RegionMapping::map(arguments.region_fd));
  TRY_ASSIGN(opened.config, read_config(arguments.config_file));
  const WorkerConfig& config = opened.config;
  if (config.agents.size() != opened.region->agent_count) {
    return pluresdb::fail(ErrorCode::kInvalidArgument,
                          fmt::format("{} agents in the config, {} in the shared region",
                                      config.agents.size(), opened.region->agent_count));
  }
  log_line(fmt::format("worker {}: incarnation {}, data in {}", getpid(), config.incarnation,
                       config.data_directory));
  if (config.fault_layer) {
    TRY(faultinj::fiu_start(config.fiu_fifo_base));
  }
  opened.fired = std::make_unique<FiredFaultRecorder>(opened.region->fired, config.incarnation);
  TRY_ASSIGN(opened.files,
             FileStack::build(config, arguments.journal_fd, record_into(*opened.fired)));
  watch_ciphers(opened.region->nonces, config.defect);
  opened.clock = std::make_unique<ShiftedClock>(config.clock_offset_us);
  TRY_ASSIGN(opened.target, open_target(config, opened.files.top(), *opened.clock));
  const pluresdb::RecoveryReport report = opened.target->recovery();
  log_recovery(report);
  publish_recovery(report, config.incarnation, opened.region->recovery);
  return {};
}

int refuse(ControlChannel& channel, const pluresdb::Error& error) {
  const std::string text = to_string(error);
  log_line(fmt::format("cannot open: {}", text));
  ControlPacket packet{.type = CommandType::kOpenFailed, .value = ledger_error_code(error.code)};
  set_packet_text(packet, text);
  if (const Status sent = channel.send(packet); !sent.has_value()) {
    log_line(to_string(sent.error()));
  }
  return kExitOpenFailed;
}

}  // namespace

int run_worker(const WorkerArguments& arguments) {
  ControlChannel channel(arguments.control_fd);
  Opened opened;
  if (const Status status = open_store(arguments, opened); !status.has_value()) {
    return refuse(channel, status.error());
  }
  CommandLoop loop(opened.config, *opened.target, *opened.clock, *opened.region, channel);
  if (const Status sent = channel.send({.type = CommandType::kReady}); !sent.has_value()) {
    log_line(to_string(sent.error()));
    return EXIT_FAILURE;
  }
  const Result<bool> closed = loop.run();
  if (!closed.has_value()) {
    log_line(to_string(closed.error()));
    _exit(EXIT_FAILURE);  // As after a crash: agents may be in the middle of a write.
  }
  log_line(*closed ? "closed" : "the close failed");
  return *closed ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace soak::worker
