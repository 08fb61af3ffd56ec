// The same as JSON. See report.h. The only file of the engine that includes nlohmann/json.
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/bench/peers/cell.h"
#include "engine/bench/peers/memory.h"
#include "engine/bench/peers/peer.h"
#include "engine/bench/peers/recovery.h"
#include "engine/bench/peers/report.h"
#include "engine/bench/peers/targets.h"

namespace pluresdb::bench {
namespace {

using Json = nlohmann::ordered_json;

Json number_or_null(std::optional<double> number) { return number ? Json(*number) : Json(); }

/// What `json_of` makes of each element.
template <typename T, typename JsonOf>
Json array_of(const std::vector<T>& elements, const JsonOf& json_of) {
  Json array = Json::array();
  for (const T& element : elements) {
    array.push_back(json_of(element));
  }
  return array;
}

Json peer_json(const PeerResult& peer, const PeerResult* fastest) {
  std::optional<double> ratio;
  if (fastest != nullptr && fastest->operations_per_second > 0) {
    ratio = peer.operations_per_second / fastest->operations_per_second;
  }
  return {{"peer", peer.peer},
          {"submits", peer.submits},
          {"operations", peer.operations},
          {"operations_per_second", peer.operations_per_second},
          {"slices_operations_per_second", peer.slice_rates},
          {"megabytes_per_second", peer.megabytes_per_second},
          {"ratio_to_fastest_peer", number_or_null(ratio)},
          {"latency_microseconds",
           {{"p50", peer.p50_us}, {"p99", peer.p99_us}, {"p999", peer.p999_us}}},
          {"processor_microseconds_per_operation", peer.processor_us_per_operation},
          {"resident_bytes", peer.resident_bytes},
          {"written_bytes_per_acknowledged_byte", number_or_null(peer.written_per_acknowledged)},
          {"verified_samples", peer.verified_samples}};
}

Json cell_json(const CellResult& cell) {
  const PeerResult* const fastest = fastest_peer(cell);
  return {{"payload_bytes", cell.value_bytes},
          {"writers", cell.writers},
          {"peers", array_of(cell.peers, [fastest](const PeerResult& peer) {
             return peer_json(peer, fastest);
           })}};
}

Json recovery_peer_json(const RecoveryResult& result) {
  if (!result.is_recovered) {
    return {{"peer", result.peer}, {"open_seconds", nullptr}};
  }
  return {{"peer", result.peer},
          {"open_seconds", result.open_seconds},
          {"opens_seconds", result.opens},
          {"resident_bytes", result.resident_bytes},
          {"fill_seconds", result.fill_seconds},
          {"checkpoint_seconds", result.checkpoint_seconds},
          {"clean_open_seconds", result.clean_open_seconds}};
}

Json recovery_json(const RunReport& report) {
  if (report.recovery_entries == 0) {
    return {};
  }
  return {{"entries", report.recovery_entries},
          {"payload_bytes", kRecoveryValueBytes},
          {"peers", array_of(report.recovery, recovery_peer_json)}};
}

Json memory_json(const std::optional<MemoryResult>& memory) {
  if (!memory) {
    return {};
  }
  const auto point_json = [](const MemoryPoint& point) -> Json {
    return {{"documents", point.documents}, {"resident_bytes", point.resident_bytes}};
  };
  return {{"documents", memory->documents},
          {"payload_bytes", kMemoryDocumentBytes},
          {"points", array_of(memory->points, point_json)},
          {"write_seconds", memory->write_seconds},
          {"reads", memory->reads},
          {"reads_per_second", memory->reads_per_second},
          {"resident_bytes_after_reads", memory->resident_bytes_after_reads},
          {"resident_bytes_max", memory->resident_bytes_max},
          {"reopen_seconds", memory->reopen_seconds},
          {"resident_bytes_reopened", memory->resident_bytes_reopened},
          {"base_store_bytes", memory->base_store_bytes}};
}

Json target_json(const TargetOutcome& target) {
  return {{"target", target.what},
          {"subject", target.subject},
          {"comparison", target.at_least ? "at least" : "at most"},
          {"wanted", target.wanted},
          {"unit", target.unit},
          {"measured", number_or_null(target.measured)},
          {"verdict", target.verdict()}};
}

}  // namespace

std::string to_json(const RunReport& report) {
  const Json json = {{"directory", report.directory},
                     {"file_system", report.file_system},
                     {"device", report.device.empty() ? Json() : Json(report.device)},
                     {"processors", report.processors},
                     {"load_at_start", report.load_at_start},
                     {"load_at_end", report.load_at_end},
                     {"seconds", report.seconds},
                     {"slices", report.slices},
                     {"under_way", report.under_way},
                     {"cells", array_of(report.cells, cell_json)},
                     {"recovery", recovery_json(report)},
                     {"memory", memory_json(report.memory)},
                     {"targets", array_of(judge_targets(report), target_json)}};
  // Names of folders may be no UTF-8; a number that is none becomes null.
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace pluresdb::bench
