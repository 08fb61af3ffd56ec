// See targets.h.
#include "engine/bench/peers/targets.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/bench/peers/cell.h"
#include "engine/bench/peers/peer.h"
#include "engine/bench/peers/recovery.h"
#include "engine/bench/peers/report.h"

namespace pluresdb::bench {
namespace {

constexpr double kOfDeviceAtOneWriter = 0.9;
constexpr double kOfPeerAtOneWriter = 1.0;
constexpr double kOfPeerAtSomeWriters = 1.3;
constexpr double kOfPeerAtManyWriters = 1.15;
constexpr double kOfPeerWhenSubmitted = 2.0;
constexpr double kOfPeerAtLargePayloads = 1.0;
constexpr double kEncryptedOfPlain = 0.9;
constexpr double kEncryptedOfPlainAtLargePayloads = 0.7;
constexpr double kWrittenPerAcknowledged = 1.3;
constexpr double kReplaySeconds = 0.5;
constexpr double kReplayAgainstPeer = 5.0;
constexpr double kCleanOpenSeconds = 0.2;
constexpr double kCheckpointPerSecond = 300'000;
constexpr std::uint64_t kReplayEntries = 1'000'000;
constexpr double kMemoryMebibytes = 512;
constexpr std::uint64_t kMemoryDocuments = 10'000'000;

constexpr std::size_t kDeviceBytes = 256;         // Up to here one writer is near the device,
constexpr std::size_t kSmallBytes = 4096;         // up to here appends are counted,
constexpr std::size_t kLargeBytes = 64ULL << 10;  // from here on bytes.
constexpr unsigned kManyWriters = 32;
constexpr unsigned kSomeWriters = 4;
constexpr double kTargetMebibyte = 1 << 20;

std::optional<double> ratio(double value, double to) {
  return to > 0 ? std::optional<double>(value / to) : std::nullopt;
}

/// The limit against the fastest peer in a cell; nullopt when the targets do not speak of it. One
/// blocking writer is no match for one that submits.
std::optional<double> wanted_of_peer(const CellResult& cell, bool submits) {
  if (cell.value_bytes >= kLargeBytes) {
    return kOfPeerAtLargePayloads;
  }
  if (cell.value_bytes > kSmallBytes) {
    return std::nullopt;
  }
  if (submits) {
    return cell.writers >= kSomeWriters ? std::optional(kOfPeerWhenSubmitted) : std::nullopt;
  }
  if (cell.writers >= kManyWriters) {
    return kOfPeerAtManyWriters;
  }
  if (cell.writers >= kSomeWriters) {
    return kOfPeerAtSomeWriters;
  }
  return cell.writers == 1 && cell.value_bytes <= kDeviceBytes ? std::optional(kOfPeerAtOneWriter)
                                                               : std::nullopt;
}

/// Encryption is measured against the same store without.
void judge_encrypted(const PeerResult& encrypted, const CellResult& cell, const std::string& name,
                     std::vector<TargetOutcome>& outcomes) {
  const PeerResult* const plain = find_peer(cell, "pluresdb");
  const bool is_large = cell.value_bytes >= kLargeBytes;
  if (plain != nullptr && (is_large || cell.value_bytes <= kSmallBytes)) {
    outcomes.push_back(
        {.what = name + ", against pluresdb",
         .subject = encrypted.peer,
         .unit = "x",
         .wanted = is_large ? kEncryptedOfPlainAtLargePayloads : kEncryptedOfPlain,
         .measured = ratio(encrypted.operations_per_second, plain->operations_per_second)});
  }
}

void judge_cell(const CellResult& cell, std::vector<TargetOutcome>& outcomes) {
  const PeerResult* const fastest = fastest_peer(cell);
  const PeerResult* const device = find_peer(cell, "device");
  const std::string name = fmt::format("{} B, {} writer{}", cell.value_bytes, cell.writers,
                                       cell.writers == 1 ? "" : "s");
  for (const PeerResult& ours : cell.peers) {
    if (ours.role != PeerRole::kOurs) {
      continue;
    }
    if (ours.peer == "pluresdb-encrypted") {
      judge_encrypted(ours, cell, name, outcomes);
      continue;
    }
    const double rate = ours.operations_per_second;
    if (device != nullptr && !ours.submits && cell.value_bytes <= kDeviceBytes) {
      outcomes.push_back({.what = name + ", against the device",
                          .subject = ours.peer,
                          .unit = "x",
                          .wanted = kOfDeviceAtOneWriter,
                          .measured = ratio(rate, device->operations_per_second)});
    }
    const std::optional<double> wanted = wanted_of_peer(cell, ours.submits);
    if (fastest != nullptr && wanted) {
      outcomes.push_back({.what = fmt::format("{}, against {}", name, fastest->peer),
                          .subject = ours.peer,
                          .unit = "x",
                          .wanted = *wanted,
                          .measured = ratio(rate, fastest->operations_per_second)});
    }
    if (cell.value_bytes >= kLargeBytes) {
      outcomes.push_back({.what = name + ", bytes written per byte",
                          .subject = ours.peer,
                          .unit = "x",
                          .wanted = kWrittenPerAcknowledged,
                          .at_least = false,
                          .measured = ours.written_per_acknowledged});
    }
  }
}

void judge_recovery(const RunReport& report, std::vector<TargetOutcome>& outcomes) {
  const bool is_full_size = report.recovery_entries >= kReplayEntries;
  const RecoveryResult* ours = nullptr;
  const RecoveryResult* fastest = nullptr;
  for (const RecoveryResult& result : report.recovery) {
    if (result.peer == "pluresdb") {
      ours = &result;
    } else if (result.role == PeerRole::kPeer && result.is_recovered &&
               (fastest == nullptr || result.open_seconds < fastest->open_seconds)) {
      fastest = &result;
    }
  }
  // Times are only comparable to their limits with the number of entries that the limits mean.
  const auto when_full = [&](double value) {
    return ours != nullptr && is_full_size ? std::optional(value) : std::nullopt;
  };
  const RecoveryResult none;
  const RecoveryResult& measured = ours != nullptr ? *ours : none;
  outcomes.push_back({.what = "open after kill -9, 1,000,000 entries",
                      .subject = "pluresdb",
                      .unit = "s",
                      .wanted = kReplaySeconds,
                      .at_least = false,
                      .measured = when_full(measured.open_seconds)});
  outcomes.push_back(
      {.what = fmt::format("the same, against {}", fastest != nullptr ? fastest->peer : "a peer"),
       .subject = "pluresdb",
       .unit = "x",
       .wanted = kReplayAgainstPeer,
       .measured = fastest != nullptr && ours != nullptr && is_full_size
                       ? ratio(fastest->open_seconds, measured.open_seconds)
                       : std::nullopt});
  outcomes.push_back({.what = "open after a clean end, 1,000,000 documents",
                      .subject = "pluresdb",
                      .unit = "s",
                      .wanted = kCleanOpenSeconds,
                      .at_least = false,
                      .measured = when_full(measured.clean_open_seconds)});
  const std::optional<double> checkpoint_rate =
      ratio(static_cast<double>(report.recovery_entries), measured.checkpoint_seconds);
  outcomes.push_back({.what = "checkpoint",
                      .subject = "pluresdb",
                      .unit = "documents/s",
                      .wanted = kCheckpointPerSecond,
                      .measured = is_full_size ? checkpoint_rate : std::nullopt});
}

void judge_memory(const RunReport& report, std::vector<TargetOutcome>& outcomes) {
  std::optional<double> measured;
  if (report.memory && report.memory->documents >= kMemoryDocuments) {
    measured = static_cast<double>(std::max(report.memory->resident_bytes_max,
                                            report.memory->resident_bytes_reopened)) /
               kTargetMebibyte;
  }
  outcomes.push_back({.what = "resident with 10,000,000 documents of 200 B",
                      .subject = "pluresdb",
                      .unit = "MiB",
                      .wanted = kMemoryMebibytes,
                      .at_least = false,
                      .measured = measured});
}

}  // namespace

const char* TargetOutcome::verdict() const {
  if (!measured) {
    return "not measured";
  }
  return (at_least ? *measured >= wanted : *measured <= wanted) ? "met" : "missed";
}

std::vector<TargetOutcome> judge_targets(const RunReport& report) {
  std::vector<TargetOutcome> outcomes;
  for (const CellResult& cell : report.cells) {
    judge_cell(cell, outcomes);
  }
  judge_recovery(report, outcomes);
  judge_memory(report, outcomes);
  return outcomes;
}

}  // namespace pluresdb::bench
