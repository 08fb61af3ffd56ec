// The processes of core_soak_test. Each says what it found in one line and is then killed.
//
// Usage: core_soak_child write DIRECTORY
//        core_soak_child recover DIRECTORY DIRTY_BYTES_MAX BLOCK_CACHE_BYTES
// The line: words "name=number" with spaces between, or "error=TEXT".
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "engine/tests/core_soak_plan.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/stats.h>

namespace pluresdb::testing {
namespace {

/// Says it, then waits for the end. Exits by itself only when the parent is gone.
[[noreturn]] void say_and_wait(std::string line) {
  line += '\n';
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    _exit(3);
  }
  char ignored = 0;
  while (::read(STDIN_FILENO, &ignored, 1) > 0) {
  }
  _exit(5);
}

[[noreturn]] void say_error(const Error& error) { say_and_wait("error=" + to_string(error)); }

/// The most that was ever resident in this process.
std::uint64_t resident_high_water_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) {
      return std::strtoull(line.c_str() + std::string_view("VmHWM:").size(), nullptr, 10) * 1024;
    }
  }
  return 0;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Nothing is checkpointed: recovery gets the whole log to replay.
EngineOptions writer_options() {
  EngineOptions options;
  options.checkpoint = {.wal_bytes = 0, .operations = 0, .interval = {}};
  options.dirty_bytes_max = 16ULL << 30;
  return options;
}

void write_all(Engine& engine, SoakAgent& agent, std::uint64_t number) {
  const std::string actor = fmt::format("agent-{}", number);
  while (!agent.done()) {
    const SoakOperation operation = agent.next();
    const auto outcome =
        operation.bytes == 0
            ? engine.erase(actor, operation.id)
            : engine.put(actor, operation.id,
                         soak_json(operation.id, agent.operations(), operation.bytes));
    if (!outcome) {
      say_error(outcome.error());
    }
  }
}

void write(const std::string& directory) {
  const auto start = std::chrono::steady_clock::now();
  const auto engine = Engine::open_with_recovery(directory, writer_options());
  if (!engine) {
    say_error(engine.error());
  }
  std::vector<SoakAgent> agents;
  for (std::uint64_t i = 0; i < kSoakAgents; ++i) {
    agents.emplace_back(i);
  }
  std::vector<std::thread> threads;
  for (std::uint64_t i = 0; i < kSoakAgents; ++i) {
    threads.emplace_back([&, i] { write_all(**engine, agents[i], i); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  const double seconds = seconds_since(start);
  SoakDigest digest;
  std::uint64_t operations = 0;
  std::uint64_t payload_bytes = 0;
  std::uint64_t overwrites = 0;
  for (const SoakAgent& agent : agents) {
    agent.describe(digest);
    operations += agent.operations();
    payload_bytes += agent.payload_bytes();
    overwrites += agent.overwrites();
  }
  const EngineStats stats = (*engine)->stats();
  say_and_wait(fmt::format(
      "operations={} payload_bytes={} overwrites={} digest={} documents={} log_bytes={} "
      "checkpoints={} dirty_bytes={} milliseconds={:.0f} high_water_bytes={}",
      operations, payload_bytes, overwrites, digest.state(), digest.documents(),
      stats.wal.appended_bytes, stats.checkpoints, stats.dirty_bytes, seconds * 1000,
      resident_high_water_bytes()));
}

/// Page by page: a page of large values must not hide what recovery took.
SoakDigest digest_of(Engine& engine) {
  constexpr std::size_t kPage = 16;
  SoakDigest digest;
  std::string from;
  while (true) {
    const auto page = engine.list("", from, kPage);
    if (!page) {
      say_error(page.error());
    }
    for (const Document& document : *page) {
      digest.add(document.id, document.json);
    }
    if (page->size() < kPage) {
      return digest;
    }
    from = page->back().id + '\0';
  }
}

void recover(const std::string& directory, std::uint64_t dirty_bytes_max,
             std::uint64_t block_cache_bytes) {
  EngineOptions options;
  options.dirty_bytes_max = dirty_bytes_max;
  options.block_cache_bytes = block_cache_bytes;
  options.checkpoint = {.wal_bytes = 0, .operations = 0, .interval = {}};
  const std::uint64_t before = resident_high_water_bytes();
  const auto engine = Engine::open_with_recovery(directory, options);
  const std::uint64_t after = resident_high_water_bytes();
  if (!engine) {
    say_error(engine.error());
  }
  const EngineStats stats = (*engine)->stats();
  const RecoveryReport report = (*engine)->recovery();
  const SoakDigest digest = digest_of(**engine);
  say_and_wait(fmt::format(
      "digest={} documents={} replayed={} total_entries={} corrupted_entries={} "
      "found_checkpoint={} "
      "last_seq={} checkpoints={} dirty_bytes={} clean_shutdown={} milliseconds={:.0f} "
      "replay_milliseconds={:.0f} high_water_before={} high_water_bytes={}",
      digest.state(), digest.documents(), report.replayed_entries, report.wal.total_entries,
      report.wal.corrupted_entries, report.checkpoint_seq, report.last_seq, stats.checkpoints,
      stats.dirty_bytes, report.clean_shutdown ? 1 : 0, report.duration_seconds * 1000,
      report.replay_seconds * 1000, before, after));
}

}  // namespace
}  // namespace pluresdb::testing

int main(int argc, char** argv) {
  const std::string_view mode = argc > 1 ? argv[1] : "";
  if (mode == "write" && argc == 3) {
    pluresdb::testing::write(argv[2]);
  } else if (mode == "recover" && argc == 5) {
    pluresdb::testing::recover(argv[2], std::strtoull(argv[3], nullptr, 10),
                               std::strtoull(argv[4], nullptr, 10));
  }
  return 2;
}
