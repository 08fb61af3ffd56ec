// See memory.h.
#include "engine/bench/peers/memory.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "engine/bench/bench_directory.h"
#include "engine/bench/peers/child_process.h"
#include "engine/bench/peers/machine.h"
#include "engine/bench/peers/message.h"
#include "engine/bench/peers/workload.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::bench {
namespace {

constexpr std::size_t kPoints = 20;
constexpr std::uint64_t kReadsMax = 20'000;

struct Half {
  Outcome outcome;
  std::array<MemoryPoint, kPoints> points{};
  double seconds = 0;  // Of writing, or of opening.
  double read_seconds = 0;
  std::uint64_t resident_bytes = 0;  // After the reads.
  std::uint64_t resident_bytes_max = 0;
  std::uint64_t base_store_bytes = 0;
};

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Result<std::unique_ptr<Engine>> open(const std::string& directory) {
  EngineOptions options;
  options.durability = Durability::kNone;
  return Engine::open_with_recovery(directory + "/store", options);
}

Status read_some(Engine& engine, Workload& workload, std::uint64_t documents, Half& half) {
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t state = 1;
  for (std::uint64_t read = 0; read < std::min(kReadsMax, documents); ++read) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const KeyValue wanted = workload.pair(0, (state >> 20U) % documents);
    TRY_ASSIGN(const auto document, engine.get(wanted.key));
    if (!document || document->json != wanted.value) {
      return fail(ErrorCode::kCorruption, std::string(wanted.key) + " is not what was written");
    }
  }
  half.read_seconds = seconds_since(begin);
  half.resident_bytes = resident_bytes();
  half.resident_bytes_max = resident_bytes_max();
  half.base_store_bytes = engine.stats().base_store_bytes;
  return {};
}

Status write_and_read(const std::string& directory, std::uint64_t documents, Half& half) {
  Workload workload(kMemoryDocumentBytes, 1);
  TRY_ASSIGN(const auto engine, open(directory));
  const auto begin = std::chrono::steady_clock::now();
  std::size_t point = 0;
  for (std::uint64_t number = 0; number < documents; ++number) {
    const KeyValue pair = workload.pair(0, number);
    TRY(engine->put("writer-00", pair.key, pair.value));
    if ((number + 1) * kPoints / documents > point) {
      half.points[point++] = {.documents = number + 1, .resident_bytes = resident_bytes()};
    }
  }
  half.seconds = seconds_since(begin);
  TRY(read_some(*engine, workload, documents, half));
  return engine->close();
}

Status open_and_read(const std::string& directory, std::uint64_t documents, Half& half) {
  Workload workload(kMemoryDocumentBytes, 1);
  const auto begin = std::chrono::steady_clock::now();
  TRY_ASSIGN(const auto engine, open(directory));
  half.seconds = seconds_since(begin);
  return read_some(*engine, workload, documents, half);
}

Result<Half> in_a_process(Status (*run)(const std::string&, std::uint64_t, Half&),
                          const std::string& directory, std::uint64_t documents) {
  TRY_ASSIGN(const auto child, ChildProcess::start([&](Channel& channel) {
               Half half;
               half.outcome = Outcome::of(run(directory, documents, half));
               (void)channel.send(half);
             }));
  TRY_ASSIGN(const Half half, child->channel().receive<Half>());
  TRY(half.outcome.status());
  return half;
}

}  // namespace

Result<MemoryResult> measure_memory(const std::string& root, std::uint64_t documents) {
  TRY_ASSIGN(const auto directory, BenchDirectory::create(root));
  TRY_ASSIGN(const Half first, in_a_process(write_and_read, directory->path(), documents));
  TRY_ASSIGN(const Half second, in_a_process(open_and_read, directory->path(), documents));
  MemoryResult result;
  result.documents = documents;
  result.write_seconds = first.seconds;
  for (const MemoryPoint& point : first.points) {
    if (point.documents > 0) {
      result.points.push_back(point);
    }
  }
  result.reads = std::min(kReadsMax, documents);
  result.reads_per_second = static_cast<double>(result.reads) / first.read_seconds;
  result.resident_bytes_after_reads = first.resident_bytes;
  result.resident_bytes_max = first.resident_bytes_max;
  result.reopen_seconds = second.seconds;
  result.resident_bytes_reopened = second.resident_bytes;
  result.base_store_bytes = second.base_store_bytes;
  return result;
}

}  // namespace pluresdb::bench
