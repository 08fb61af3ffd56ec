// The same as JSON. See report.h.
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "engine/bench/peers/cell.h"
#include "engine/bench/peers/memory.h"
#include "engine/bench/peers/peer.h"
#include "engine/bench/peers/recovery.h"
#include "engine/bench/peers/report.h"
#include "engine/bench/peers/targets.h"

namespace pluresdb::bench {
namespace {

std::string quoted(std::string_view text) {
  constexpr unsigned kFirstPrintable = 0x20;
  std::string out = "\"";
  for (const char character : text) {
    if (character == '"' || character == '\\') {
      out += '\\';
    }
    if (static_cast<unsigned char>(character) < kFirstPrintable) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(character));
    } else {
      out += character;
    }
  }
  return out + '"';
}

std::string number_or_null(std::optional<double> number) {
  return number ? fmt::format("{}", *number) : "null";
}

/// "[a,b]" of what `text_of` makes of each element.
template <typename T, typename TextOf>
std::string array_of(const std::vector<T>& elements, const TextOf& text_of) {
  std::string out = "[";
  for (const T& element : elements) {
    out += (out.size() > 1 ? "," : "") + text_of(element);
  }
  return out + "]";
}

std::string numbers(const std::vector<double>& elements) {
  return array_of(elements, [](double number) { return fmt::format("{}", number); });
}

std::string peer_json(const PeerResult& peer, const PeerResult* fastest) {
  std::optional<double> ratio;
  if (fastest != nullptr && fastest->operations_per_second > 0) {
    ratio = peer.operations_per_second / fastest->operations_per_second;
  }
  return fmt::format(
      R"({{"peer":{},"operations":{},"operations_per_second":{},"slices_operations_per_second":{},)"
      R"("megabytes_per_second":{},"ratio_to_fastest_peer":{},)"
      R"("latency_microseconds":{{"p50":{},"p99":{},"p999":{}}},)"
      R"("processor_microseconds_per_operation":{},"resident_bytes":{},)"
      R"("written_bytes_per_acknowledged_byte":{},"verified_samples":{}}})",
      quoted(peer.peer), peer.operations, peer.operations_per_second, numbers(peer.slice_rates),
      peer.megabytes_per_second, number_or_null(ratio), peer.p50_us, peer.p99_us, peer.p999_us,
      peer.processor_us_per_operation, peer.resident_bytes,
      number_or_null(peer.written_per_acknowledged), peer.verified_samples);
}

std::string cell_json(const CellResult& cell) {
  const PeerResult* const fastest = fastest_peer(cell);
  return fmt::format(
      R"({{"payload_bytes":{},"writers":{},"peers":{}}})", cell.value_bytes, cell.writers,
      array_of(cell.peers, [fastest](const PeerResult& peer) { return peer_json(peer, fastest); }));
}

std::string recovery_peer_json(const RecoveryResult& result) {
  if (!result.is_recovered) {
    return fmt::format(R"({{"peer":{},"open_seconds":null}})", quoted(result.peer));
  }
  return fmt::format(R"({{"peer":{},"open_seconds":{},"opens_seconds":{},"resident_bytes":{},)"
                     R"("fill_seconds":{},"checkpoint_seconds":{},"clean_open_seconds":{}}})",
                     quoted(result.peer), result.open_seconds, numbers(result.opens),
                     result.resident_bytes, result.fill_seconds, result.checkpoint_seconds,
                     result.clean_open_seconds);
}

std::string recovery_json(const RunReport& report) {
  if (report.recovery_entries == 0) {
    return "null";
  }
  return fmt::format(R"({{"entries":{},"payload_bytes":{},"peers":{}}})", report.recovery_entries,
                     kRecoveryValueBytes, array_of(report.recovery, recovery_peer_json));
}

std::string memory_json(const std::optional<MemoryResult>& memory) {
  if (!memory) {
    return "null";
  }
  const auto point_json = [](const MemoryPoint& point) {
    return fmt::format(R"({{"documents":{},"resident_bytes":{}}})", point.documents,
                       point.resident_bytes);
  };
  return fmt::format(
      R"({{"documents":{},"payload_bytes":{},"points":{},"write_seconds":{},"reads":{},)"
      R"("reads_per_second":{},"resident_bytes_after_reads":{},"resident_bytes_max":{},)"
      R"("reopen_seconds":{},"resident_bytes_reopened":{},"base_store_bytes":{}}})",
      memory->documents, kMemoryDocumentBytes, array_of(memory->points, point_json),
      memory->write_seconds, memory->reads, memory->reads_per_second,
      memory->resident_bytes_after_reads, memory->resident_bytes_max, memory->reopen_seconds,
      memory->resident_bytes_reopened, memory->base_store_bytes);
}

std::string target_json(const TargetOutcome& target) {
  return fmt::format(
      R"({{"target":{},"subject":{},"comparison":{},"wanted":{},"unit":{},"measured":{},)"
      R"("verdict":{}}})",
      quoted(target.what), quoted(target.subject), quoted(target.at_least ? "at least" : "at most"),
      target.wanted, quoted(target.unit), number_or_null(target.measured),
      quoted(target.verdict()));
}

}  // namespace

std::string to_json(const RunReport& report) {
  return fmt::format(
      R"({{"directory":{},"file_system":{},"device":{},"processors":{},"load_at_start":{},)"
      R"("load_at_end":{},"seconds":{},"slices":{},"cells":{},"recovery":{},"memory":{},)"
      R"("targets":{}}})",
      quoted(report.directory), quoted(report.file_system),
      report.device.empty() ? "null" : quoted(report.device), report.processors,
      quoted(report.load_at_start), quoted(report.load_at_end), report.seconds, report.slices,
      array_of(report.cells, cell_json), recovery_json(report), memory_json(report.memory),
      array_of(judge_targets(report), target_json));
}

}  // namespace pluresdb::bench
