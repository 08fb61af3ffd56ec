// Goal: every sync of a store is there for a reason: creation, checkpoint, removal, reopening.
// Method: as wal_sync_test, through the whole engine: each sync of a workload is dropped alone, the
// power fails a few operations later, and at the end. What is missed, by role, is a table.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "engine/tests/core_knowledge.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/engine.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";
constexpr int kRounds = 3;

/// Creation, work with checkpoints and compaction, a reopening with replay, more work.
Knowledge run(MemoryDisk& disk) {
  Knowledge knowledge;
  for (int life = 0; life < 2; ++life) {
    const auto engine = Engine::open_with_recovery(kStore, small_options(&disk));
    if (!engine) {
      return knowledge;
    }
    work(**engine, disk, knowledge, kRounds);
    (void)put(**engine, knowledge, "last", json_of(static_cast<std::uint64_t>(life)));
  }
  return knowledge;
}

struct SyncCall {
  std::string role;
  std::uint64_t operation = 0;  ///< Its number, from 0.
};

std::string role_of(const std::string& path) {
  const std::string directory = io::parent_path(path);
  const std::string name = io::base_name(path);
  if (directory == "/store/base") {
    for (const std::string_view part : {"MANIFEST", "OPTIONS", ".sst", ".dbtmp", ".log"}) {
      if (name.find(part) != std::string::npos) {
        return "base: " + std::string(part);
      }
    }
  }
  return path;
}

std::vector<SyncCall> syncs_of_workload() {
  MemoryDisk disk;
  std::vector<SyncCall> calls;
  disk.stop_after(MemoryDisk::kNever);
  disk.set_lie([&calls](std::uint64_t operation, const std::string& path) {
    if (io::parent_path(path) == "/store/wal") {
      return false;  // By role in wal_sync_test.
    }
    calls.push_back({.role = role_of(path), .operation = operation});
    return false;
  });
  (void)run(disk);
  return calls;
}

/// The first problem when the sync that is operation `dropped` does nothing and the power fails
/// after `end` operations.
std::string problem_without(std::uint64_t dropped, std::uint64_t end) {
  MemoryDisk disk;
  disk.stop_after(end);
  disk.set_lie(
      [dropped](std::uint64_t operation, const std::string&) { return operation == dropped; });
  Knowledge knowledge = run(disk);
  disk.set_lie(nullptr);
  disk.lose_power(std::nullopt);
  return problem_of(disk, kStore, knowledge);
}

TEST(StoreSync, EachIsMissedOrTheTableSaysWhatCoversForIt) {
  std::map<std::string, bool> missed;
  for (const SyncCall& call : syncs_of_workload()) {
    bool& is_missed = missed[call.role];
    for (const std::uint64_t later : {2U, 6U, 14U, 100'000U}) {
      is_missed = is_missed || !problem_without(call.operation, call.operation + later).empty();
    }
  }
  std::map<std::string, bool> expected = {
      {"/", true},        // The name of the store.
      {"/store", false},  // Synced for each thing that is made in it: the last one covers.
      {"/store/STORE.tmp", false},  // Creation goes on to write and sync it once more.
      {"/store/STORE", false},      // What compaction removed: the oldest segment says it too.
      {"/store/wal", true},
      {"/store/base", true},
      {"base: .dbtmp", true},  // CURRENT before it gets its name.
      {"base: MANIFEST", true},
      {"base: .sst", false},     // By its writer and by the ingest; both: see below.
      {"base: OPTIONS", false},  // Not needed for opening.
  };
  if (secret_of_run() != nullptr) {
    expected["/store/keyring.tmp"] = true;
    expected["/store/keyring.bak.tmp"] = false;  // Made again from the first copy.
  }
  EXPECT_EQ(missed, expected);
}

TEST(StoreSync, TablesThatAreNeverSyncedAreMissed) {
  MemoryDisk disk;
  disk.set_lie(
      [](std::uint64_t, const std::string& path) { return role_of(path) == "base: .sst"; });
  Knowledge knowledge = run(disk);
  disk.set_lie(nullptr);
  disk.lose_power(std::nullopt);
  EXPECT_NE(problem_of(disk, kStore, knowledge), "");
}

}  // namespace
}  // namespace pluresdb::testing
