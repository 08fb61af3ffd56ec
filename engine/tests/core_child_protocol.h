// What core_crash_child and the tests that kill it agree on.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include <fmt/format.h>

#include <pluresdb/options.h>

namespace pluresdb::testing {

inline constexpr std::uint64_t kIdsPerAgent = 40;

/// Small files and frequent checkpoints, so that a second of life crosses everything.
inline EngineOptions child_options() {
  EngineOptions options;
  options.segment_bytes = 256ULL << 10;
  options.large_value_bytes = 4096;
  options.checkpoint = {.wal_bytes = 512ULL << 10, .operations = 400, .interval = {}};
  return options;
}

/// Every byte follows from id and version; every fifth one is large.
inline std::string child_json(const std::string& id, std::uint64_t version) {
  std::string json = fmt::format(R"({{"id":"{}","version":{},"pad":")", id, version);
  const std::size_t bytes = version % 5 == 0 ? 6000 + version % 3000 : 100 + version % 300;
  while (json.size() < bytes) {
    json += static_cast<char>('a' + (version * 31 + json.size()) % 26);
  }
  return json + "\"}";
}

}  // namespace pluresdb::testing
