// pluresdb-bench-peers: this engine beside the stores somebody would take instead, in one run.
#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "engine/bench/bench_directory.h"
#include "engine/bench/peers/cell.h"
#include "engine/bench/peers/machine.h"
#include "engine/bench/peers/memory.h"
#include "engine/bench/peers/peer.h"
#include "engine/bench/peers/recovery.h"
#include "engine/bench/peers/report.h"
#include "engine/bench/peers/workload.h"
#include <pluresdb/error.h>

namespace {

using namespace pluresdb;
using namespace pluresdb::bench;

constexpr int kExitOk = 0;
constexpr int kExitProblem = 1;
constexpr int kExitUsage = 2;
constexpr int kExitCannotOpen = 3;

constexpr unsigned kWritersMax = 64;
constexpr std::size_t kValueBytesMax = 16ULL << 20;
constexpr std::size_t kLargeBytes = 64ULL << 10;
constexpr unsigned kWritersMaxWhenLarge = 16;
constexpr std::size_t kHugeBytes = 1ULL << 20;
constexpr unsigned kWritersMaxWhenHuge = 4;
constexpr std::uint32_t kUnderWayMax = 65'536;
constexpr std::uint32_t kRecoveryRepetitions = 3;

struct Arguments {
  double seconds = 3;
  std::uint32_t slices = 3;
  bool json = false;
  std::string directory = bench_root();
  std::vector<std::string> peers;
  std::vector<std::size_t> payloads = {200, 4096, kLargeBytes, kHugeBytes};
  std::vector<unsigned> writers = {1, 4, 16, kWritersMax};
  std::uint32_t under_way = 64;
  std::uint64_t recovery_entries = 1'000'000;
  std::uint64_t documents = 0;
  bool no_cells = false;
};

std::vector<std::string> peer_names() {
  std::vector<std::string> names;
  for (const PeerKind& kind : peer_kinds()) {
    names.emplace_back(kind.name);
  }
  return names;
}

std::string footer() {
  std::string text = "Peers:\n";
  for (const PeerKind& kind : peer_kinds()) {
    text += fmt::format("  {:<15}{}\n", kind.name, kind.what);
  }
  return text +
         "pluresdb-async is the only one that does not wait for its sync: a put is acknowledged, "
         "with its own\n"
         "latency, when append_async calls back; no other store has such a call.\n"
         "Exit status: 0 ok, 1 a peer failed or lost a write, 2 usage, 3 cannot open.";
}

void add_options(CLI::App& app, Arguments& arguments) {
  app.add_option("--seconds", arguments.seconds, "Per peer and cell, all slices together")
      ->check(CLI::Range(0.001, 3600.0))
      ->capture_default_str();
  app.add_option("--slices", arguments.slices, "Turns of each peer in a cell")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  app.add_flag("--json", arguments.json, "Print only JSON");
  app.add_option("--directory", arguments.directory, "Where to write; decides which disk")
      ->capture_default_str();
  app.add_option("--peers", arguments.peers, "Only these, comma-separated")
      ->delimiter(',')
      ->check(CLI::IsMember(peer_names()));
  app.add_option("--payload-bytes", arguments.payloads, "Sizes of values")
      ->delimiter(',')
      ->check(CLI::Range(Workload::kValueBytesMin, kValueBytesMax))
      ->capture_default_str();
  app.add_option("--writers", arguments.writers,
                 "Numbers of writers; at most 16 from 64 KiB and 4 from 1 MiB")
      ->delimiter(',')
      ->check(CLI::Range(1U, kWritersMax))
      ->capture_default_str();
  app.add_option("--under-way", arguments.under_way,
                 "Puts per writer of pluresdb-async that wait for their sync")
      ->check(CLI::Range(1U, kUnderWayMax))
      ->capture_default_str();
  app.add_option("--recovery-entries", arguments.recovery_entries,
                 "Puts in the log when it is killed; 0: skip")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{100'000'000}))
      ->capture_default_str();
  app.add_option("--documents", arguments.documents,
                 "Also write so many documents into this engine and watch its memory; 0: skip")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{1'000'000'000}))
      ->capture_default_str();
  app.add_flag("--no-cells", arguments.no_cells, "Only recovery and memory");
}

std::vector<PeerKind> chosen_kinds(const Arguments& arguments) {
  std::vector<PeerKind> kinds;
  for (const PeerKind& kind : peer_kinds()) {
    if (arguments.peers.empty() ||
        std::ranges::find(arguments.peers, kind.name) != arguments.peers.end()) {
      kinds.push_back(kind);
    }
  }
  return kinds;
}

std::vector<CellPlan> planned_cells(const Arguments& arguments) {
  std::vector<CellPlan> plans;
  for (const std::size_t payload : arguments.payloads) {
    for (const unsigned writers : arguments.writers) {
      const bool too_many = (payload >= kLargeBytes && writers > kWritersMaxWhenLarge) ||
                            (payload >= kHugeBytes && writers > kWritersMaxWhenHuge);
      if (!too_many && !arguments.no_cells) {
        plans.push_back({.value_bytes = payload,
                         .writers = writers,
                         .under_way = arguments.under_way,
                         .seconds = arguments.seconds,
                         .slices = arguments.slices,
                         .directory = arguments.directory});
      }
    }
  }
  return plans;
}

/// Text appears as it is measured; JSON at the end.
class Printer {
 public:
  explicit Printer(bool json) : json_(json) {}
  void print(std::string_view text) const {
    if (!json_) {
      fmt::print("{}", text);
      (void)std::fflush(stdout);  // A failure is found at the end.
    }
  }

 private:
  const bool json_;
};

Status measure(const Arguments& arguments, const Printer& printer, RunReport& report) {
  const std::vector<PeerKind> kinds = chosen_kinds(arguments);
  for (const CellPlan& plan : planned_cells(arguments)) {
    TRY_ASSIGN(CellResult cell, run_cell(plan, kinds));
    printer.print(cell_text(cell));
    report.cells.push_back(std::move(cell));
  }
  if (arguments.recovery_entries > 0) {
    report.recovery_entries = arguments.recovery_entries;
    TRY_ASSIGN(report.recovery, measure_recovery(arguments.directory, arguments.recovery_entries,
                                                 kRecoveryRepetitions, kinds));
    printer.print(recovery_text(report));
  }
  if (arguments.documents > 0) {
    TRY_ASSIGN(report.memory, measure_memory(arguments.directory, arguments.documents));
    printer.print(memory_text(*report.memory));
  }
  return {};
}

int run(const Arguments& arguments) {
  if (const auto writable = BenchDirectory::create(arguments.directory); !writable) {
    fmt::print(stderr, "pluresdb-bench-peers: {}\n", to_string(writable.error()));
    return kExitCannotOpen;
  }
  const BlockDevice device(arguments.directory);
  RunReport report;
  report.directory = arguments.directory;
  report.file_system = file_system_name(arguments.directory);
  report.device = device.written_bytes() ? device.name() : "";
  report.processors = std::thread::hardware_concurrency();
  report.load_at_start = load_averages();
  report.seconds = arguments.seconds;
  report.slices = arguments.slices;
  report.under_way = arguments.under_way;
  const Printer printer(arguments.json);
  printer.print(heading_text(report));
  if (const Status measured = measure(arguments, printer, report); !measured) {
    fmt::print(stderr, "pluresdb-bench-peers: {}\n", to_string(measured.error()));
    return kExitProblem;
  }
  report.load_at_end = load_averages();
  printer.print(summary_text(report));
  if (arguments.json) {
    fmt::print("{}\n", to_json(report));
  }
  return std::fflush(stdout) == 0 ? kExitOk : kExitProblem;
}

int run_command(int argc, char** argv) {
  CLI::App app(
      "Measures durable writes and recovery of this engine, of the stores one would take instead, "
      "and of the bare device: the same workload, in turns, in one run.",
      "pluresdb-bench-peers");
  app.set_version_flag("--version", PLURESDB_VERSION);
  app.footer(footer());
  Arguments arguments;
  add_options(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  if (!arguments.no_cells && planned_cells(arguments).empty()) {
    fmt::print(stderr, "--writers: too many for each of the payload sizes\n");
    return kExitUsage;
  }
  return run(arguments);
}

}  // namespace

int main(int argc, char** argv) {
  if (std::signal(SIGPIPE, SIG_IGN) == SIG_ERR) {
    return kExitProblem;
  }
  try {
    return run_command(argc, argv);
  } catch (const std::exception& error) {  // Of CLI11, and of fmt when its text cannot be written.
    (void)std::fprintf(stderr, "pluresdb-bench-peers: %s\n", error.what());
    return kExitProblem;
  }
}
