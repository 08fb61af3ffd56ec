// Resident memory of this engine while documents gather, with its default options.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <pluresdb/error.h>

namespace pluresdb::bench {

inline constexpr std::size_t kMemoryDocumentBytes = 200;

struct MemoryPoint {
  std::uint64_t documents = 0;
  std::uint64_t resident_bytes = 0;
};
struct MemoryResult {
  std::uint64_t documents = 0;
  double write_seconds = 0;
  std::vector<MemoryPoint> points;
  std::uint64_t reads = 0;  ///< Of random documents, each compared.
  double reads_per_second = 0;
  std::uint64_t resident_bytes_after_reads = 0;
  std::uint64_t resident_bytes_max = 0;       ///< Writing and reading.
  double reopen_seconds = 0;                  ///< After a close.
  std::uint64_t resident_bytes_reopened = 0;  ///< A process of its own; after the same reads.
  std::uint64_t base_store_bytes = 0;
};

/// Writes `documents` documents with durability none, reads some, closes, opens, reads again.
Result<MemoryResult> measure_memory(const std::string& directory, std::uint64_t documents);

}  // namespace pluresdb::bench
