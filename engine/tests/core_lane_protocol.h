// What core_lane_child and the tests that drive it agree on.
//
// Commands and answers are lines. "put FIRST COUNT BYTES" answers "ack N" as each write returns;
// the last line of every answer is "ok NUMBER..." or "error CODE ERRNO TEXT".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include <pluresdb/options.h>

namespace pluresdb::testing {

inline constexpr std::uint64_t kLaneLargeBytes = 20ULL << 10;
inline constexpr std::size_t kLaneProbeBytes = 4096;

/// Small segments, so that few writes cross a boundary. Without threads every file operation is the
/// consequence of a command.
inline EngineOptions lane_options(bool threads) {
  EngineOptions options;
  options.segment_bytes = 256ULL << 10;
  options.large_value_bytes = kLaneLargeBytes;
  options.block_cache_bytes = 1ULL << 20;
  options.checkpoint = {.wal_bytes = threads ? 4ULL << 20 : 0, .operations = 0, .interval = {}};
  options.background_threads = threads;
  return options;
}

inline std::string lane_id(std::uint64_t number) { return fmt::format("n/{:08}", number); }

/// Of about `bytes` bytes, every one of them a consequence of the number.
inline std::string lane_json(std::uint64_t number, std::size_t bytes) {
  std::string json;
  json.reserve(bytes + 64);  // Nothing is left over that a test of scarce memory could live on.
  json += fmt::format(R"({{"n":{},"pad":")", number);
  std::uint64_t state = number * 2 + 1;
  while (json.size() + 2 < bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    json += static_cast<char>('a' + (state >> 33U) % 26);
  }
  json += "\"}";
  return json;
}

}  // namespace pluresdb::testing
