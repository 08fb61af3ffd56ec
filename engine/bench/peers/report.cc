// The tables. See report.h.
#include "engine/bench/peers/report.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "engine/bench/peers/cell.h"
#include "engine/bench/peers/memory.h"
#include "engine/bench/peers/peer.h"
#include "engine/bench/peers/recovery.h"
#include "engine/bench/peers/targets.h"

namespace pluresdb::bench {
namespace {

constexpr double kMebibyte = 1 << 20;

double mebibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / kMebibyte; }

std::string plural(unsigned writers) {
  return fmt::format("{} writer{}", writers, writers == 1 ? "" : "s");
}

/// "1.23", or "-" when there is no number.
std::string ratio_text(double value, double to) {
  return to > 0 ? fmt::format("{:.2f}", value / to) : "-";
}

std::string number_text(double value) {
  return value >= 1000 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

}  // namespace

const PeerResult* find_peer(const CellResult& cell, std::string_view name) {
  const auto found = std::ranges::find(cell.peers, name, &PeerResult::peer);
  return found == cell.peers.end() ? nullptr : &*found;
}

const PeerResult* fastest_peer(const CellResult& cell) {
  const PeerResult* fastest = nullptr;
  for (const PeerResult& peer : cell.peers) {
    if (peer.role == PeerRole::kPeer &&
        (fastest == nullptr || peer.operations_per_second > fastest->operations_per_second)) {
      fastest = &peer;
    }
  }
  return fastest;
}

std::string heading_text(const RunReport& report) {
  return fmt::format(
      "directory {} ({}), device counters: {}, {} processors, load {}\n"
      "{} s per peer and cell in {} slices, in turns; every write is synced before it is "
      "acknowledged;\npluresdb-async does not wait for that: {} under way per writer\n",
      report.directory, report.file_system, report.device.empty() ? "not available" : report.device,
      report.processors, report.load_at_start, report.seconds, report.slices, report.under_way);
}

std::string cell_text(const CellResult& cell) {
  const PeerResult* const fastest = fastest_peer(cell);
  std::string text = fmt::format("\n{} B, {}\n", cell.value_bytes, plural(cell.writers));
  text +=
      fmt::format("{:<15}{:>10}{:>9}{:>8}{:>10}{:>10}{:>10}{:>9}{:>9}{:>9}\n", "", "ops/s", "MB/s",
                  "x peer", "p50 us", "p99 us", "p999 us", "cpu us", "RSS MiB", "written");
  for (const PeerResult& peer : cell.peers) {
    text += fmt::format(
        "{:<15}{:>10.0f}{:>9.1f}{:>8}{:>10.0f}{:>10.0f}{:>10.0f}{:>9.1f}{:>9.0f}{:>9}\n", peer.peer,
        peer.operations_per_second, peer.megabytes_per_second,
        ratio_text(peer.operations_per_second,
                   fastest != nullptr ? fastest->operations_per_second : 0),
        peer.p50_us, peer.p99_us, peer.p999_us, peer.processor_us_per_operation,
        mebibytes(peer.resident_bytes),
        peer.written_per_acknowledged ? fmt::format("{:.2f}", *peer.written_per_acknowledged)
                                      : "n/a");
  }
  return text;
}

std::string recovery_text(const RunReport& report) {
  std::string text = fmt::format("\nopen after kill -9 with {} puts of {} B in the log\n",
                                 report.recovery_entries, kRecoveryValueBytes);
  text += fmt::format("{:<15}{:>10}{:>10}{:>10}{:>9}{:>14}{:>14}\n", "", "median s", "min s",
                      "max s", "RSS MiB", "checkpoint s", "clean open s");
  for (const RecoveryResult& result : report.recovery) {
    if (!result.is_recovered) {
      text += fmt::format("{:<15}{:>10}\n", result.peer, "n/a");
      continue;
    }
    const auto [least, most] = std::ranges::minmax(result.opens);
    text +=
        fmt::format("{:<15}{:>10.3f}{:>10.3f}{:>10.3f}{:>9.0f}{:>14.3f}{:>14.3f}\n", result.peer,
                    result.open_seconds, least, most, mebibytes(result.resident_bytes),
                    result.checkpoint_seconds, result.clean_open_seconds);
  }
  return text;
}

std::string memory_text(const MemoryResult& memory) {
  std::string text = fmt::format("\n{} documents of {} B in this engine, default options\n",
                                 memory.documents, kMemoryDocumentBytes);
  text += fmt::format("{:>12}{:>9}\n", "documents", "RSS MiB");
  for (const MemoryPoint& point : memory.points) {
    text += fmt::format("{:>12}{:>9.0f}\n", point.documents, mebibytes(point.resident_bytes));
  }
  text += fmt::format(
      "{} random reads at {:.0f}/s: RSS {:.0f} MiB; most ever {:.0f} MiB; written in {:.1f} s, "
      "base "
      "store {:.0f} MiB\nreopened in {:.3f} s, after the same reads: RSS {:.0f} MiB\n",
      memory.reads, memory.reads_per_second, mebibytes(memory.resident_bytes_after_reads),
      mebibytes(memory.resident_bytes_max), memory.write_seconds,
      mebibytes(memory.base_store_bytes), memory.reopen_seconds,
      mebibytes(memory.resident_bytes_reopened));
  return text;
}

std::string summary_text(const RunReport& report) {
  std::string text = "\nops/s against the fastest peer of each cell\n";
  for (const CellResult& cell : report.cells) {
    const PeerResult* const fastest = fastest_peer(cell);
    const double to = fastest != nullptr ? fastest->operations_per_second : 0;
    text += fmt::format("{:>8} B {:>3} w  fastest: {:<15}", cell.value_bytes, cell.writers,
                        fastest != nullptr ? fastest->peer : "-");
    for (const PeerResult& peer : cell.peers) {
      if (&peer != fastest) {
        text += fmt::format(" {} {}", peer.peer, ratio_text(peer.operations_per_second, to));
      }
    }
    text += '\n';
  }
  text += fmt::format("\n{:<46}{:<14}{:>14}{:>12}  {}\n", "target", "of", "wanted", "measured", "");
  for (const TargetOutcome& target : judge_targets(report)) {
    text += fmt::format("{:<46}{:<14}{:>14}{:>12}  {}\n", target.what, target.subject,
                        fmt::format("{} {} {}", target.at_least ? ">=" : "<=",
                                    number_text(target.wanted), target.unit),
                        target.measured ? number_text(*target.measured) : "-", target.verdict());
  }
  return text + fmt::format("load at the end: {}\n", report.load_at_end);
}

}  // namespace pluresdb::bench
