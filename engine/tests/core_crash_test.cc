// Goal: no acknowledged write is lost, whatever instant the power fails at.
// Method: a small workload that crosses rotation, checkpoint, removal and rewriting of segments is
// stopped before file operation N, for many N; the disk then forgets what was not synced (all, a
// seeded part, or nothing). The next open must succeed and show every acknowledged write; so must
// the open after it, and opens that are themselves cut off. PLURESDB_TEST_SEED and
// PLURESDB_TEST_STRIDE=1 widen the sample.
#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/tests/core_knowledge.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";
constexpr int kRounds = 6;

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread.
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void expect_knowledge(MemoryDisk& disk, Knowledge& knowledge) {
  ASSERT_EQ(problem_of(disk, kStore, knowledge), "");
}

struct Loss {
  bool power = true;
  std::optional<std::uint64_t> seed;
};

void lose(MemoryDisk& disk, const Loss& loss) {
  if (loss.power) {
    disk.lose_power(loss.seed);
  } else {
    disk.restart();
  }
}

std::vector<Loss> losses(std::uint64_t n) {
  const std::uint64_t seed = from_environment("PLURESDB_TEST_SEED", 20261124) * 1'000'003 + n;
  return {{.power = true, .seed = std::nullopt},
          {.power = true, .seed = seed},
          {.power = false, .seed = std::nullopt}};
}

/// Runs the workload until operation `n`.
Knowledge run_until(MemoryDisk& disk, std::uint64_t n) {
  Knowledge knowledge;
  disk.stop_after(n);
  auto engine = Engine::open_with_recovery(kStore, small_options(&disk));
  if (engine) {
    work(**engine, disk, knowledge, kRounds);
  }
  return knowledge;
}

struct Trace {
  std::uint64_t operations = 0;
  std::uint64_t created_at = 0;  ///< The store exists from here on.
};

Trace full_run() {
  MemoryDisk disk;
  Trace trace;
  Knowledge knowledge;
  disk.stop_after(MemoryDisk::kNever);
  const auto engine = open_engine(kStore, small_options(&disk));
  trace.created_at = disk.operations();
  work(*engine, disk, knowledge, kRounds);
  trace.operations = disk.operations();
  EXPECT_GT(engine->stats().segments_deleted, 0U) << "the workload must cross removal";
  EXPECT_GT(engine->stats().segments_rewritten, 0U) << "the workload must cross rewriting";
  EXPECT_EQ(engine->stats().checkpoints, static_cast<std::uint64_t>(kRounds));
  return trace;
}

TEST(CrashEnumeration, EveryAcknowledgedWriteSurvivesPowerLossAtEveryOperation) {
  const Trace trace = full_run();
  const std::uint64_t stride =
      from_environment("PLURESDB_TEST_STRIDE", std::max<std::uint64_t>(1, trace.operations / 60));
  for (std::uint64_t n = 0; n <= trace.operations; n += stride) {
    for (const Loss& loss : losses(n)) {
      SCOPED_TRACE(fmt::format("operation {} of {}, power {}, seed {}", n, trace.operations,
                               loss.power, loss.seed.value_or(0)));
      MemoryDisk disk;
      Knowledge knowledge = run_until(disk, n);
      lose(disk, loss);
      ASSERT_NO_FATAL_FAILURE(expect_knowledge(disk, knowledge));
      // What recovery trusted it must have made durable; and the store must work on.
      disk.lose_power(std::nullopt);
      ASSERT_NO_FATAL_FAILURE(expect_knowledge(disk, knowledge));
      {
        const auto engine = open_engine(kStore, small_options(&disk));
        ASSERT_TRUE(put(*engine, knowledge, "after", json_of(n)));
      }
      disk.lose_power(std::nullopt);
      ASSERT_NO_FATAL_FAILURE(expect_knowledge(disk, knowledge));
    }
  }
}

TEST(CrashEnumeration, CreationCutOffByAKillThenUsedThenPowerLoss) {
  // The names that the interrupted creation left in the page cache must become durable before
  // anything is acknowledged that depends on them.
  const Trace trace = full_run();
  for (std::uint64_t n = 0; n <= trace.created_at + 20; ++n) {
    SCOPED_TRACE(fmt::format("operation {}", n));
    MemoryDisk disk;
    Knowledge knowledge = run_until(disk, n);
    disk.restart();
    {
      const auto engine = open_engine(kStore, small_options(&disk));
      ASSERT_NE(engine, nullptr);
      ASSERT_TRUE(put(*engine, knowledge, "after", json_of(n)));
    }
    disk.lose_power(std::nullopt);
    ASSERT_NO_FATAL_FAILURE(expect_knowledge(disk, knowledge));
  }
}

/// Everything that the store shows: documents, stamps, seqs, and where it ended.
std::string state_of(MemoryDisk& disk) {
  const auto engine = open_engine(kStore, small_options(&disk));
  if (engine == nullptr) {
    return "does not open";
  }
  std::string state = fmt::format("ends at {}\n", engine->recovery().last_seq);
  const auto documents = engine->list("", "", 1000);
  EXPECT_TRUE(documents.has_value()) << text_of(documents);
  for (const Document& document : *documents) {
    state += fmt::format("{} seq {} hlc {} actor_seq {}: {}\n", document.id, document.seq,
                         document.stamp.hlc, document.stamp.actor_seq, document.json);
  }
  return state;
}

TEST(CrashEnumeration, RecoveryMayItselfBeCutOffAtEveryOperation) {
  const Trace trace = full_run();
  constexpr std::uint64_t kFirstCrashes = 8;
  constexpr std::uint64_t kMoreOperations = 8;  // Removing what the one before had begun.
  for (std::uint64_t i = 0; i < kFirstCrashes; ++i) {
    const std::uint64_t n =
        trace.created_at / 2 + i * (trace.operations - trace.created_at / 2) / kFirstCrashes + i;
    MemoryDisk disk;
    const Knowledge knowledge = run_until(disk, n);
    disk.lose_power(losses(n)[1].seed);
    const auto counted = disk.clone();
    counted->stop_after(MemoryDisk::kNever);
    {
      ASSERT_NE(open_engine(kStore, small_options(counted.get())), nullptr);
    }
    const std::uint64_t operations = counted->operations();
    // After the power loss all that is there is durable: there is one right answer.
    const std::string state = state_of(*disk.clone());
    ASSERT_EQ(state_of(*counted), state) << "recovering again gives the same";
    const std::uint64_t stride = std::max<std::uint64_t>(1, operations / 6);
    for (std::uint64_t m = i % stride; m < operations; m += stride) {
      for (const Loss& loss : losses(n * 1000 + m)) {
        SCOPED_TRACE(fmt::format("operation {}, recovery operation {} of {}, seed {}", n, m,
                                 operations, loss.seed.value_or(0)));
        const auto again = disk.clone();
        again->stop_after(m);
        {
          (void)Engine::open_with_recovery(kStore, small_options(again.get()));
        }
        lose(*again, loss);
        Knowledge known = knowledge;
        ASSERT_NO_FATAL_FAILURE(expect_knowledge(*again, known));
        again->lose_power(std::nullopt);
        ASSERT_NO_FATAL_FAILURE(expect_knowledge(*again, known));
        again->stop_after(MemoryDisk::kNever);
        ASSERT_EQ(state_of(*again), state);
        EXPECT_LE(again->operations(), operations + kMoreOperations)
            << "what was cut off costs no more than what was not";
      }
    }
  }
}

TEST(CrashEnumeration, OneFailedOperationLosesNothing) {
  // Goal: D5. One operation fails with EIO (a failed sync also leaves its pages clean, so a second
  // sync of that file lies); the workload goes on; then the power fails.
  const Trace trace = full_run();
  const std::uint64_t stride = std::max<std::uint64_t>(1, trace.operations / 90);
  std::uint64_t refused = 0;
  for (std::uint64_t n = trace.created_at; n < trace.operations; n += stride) {
    SCOPED_TRACE(fmt::format("operation {} of {} fails", n, trace.operations));
    MemoryDisk disk;
    Knowledge knowledge;
    {
      const auto engine = open_engine(kStore, small_options(&disk));
      std::uint64_t count = trace.created_at;
      disk.set_fault([&](std::string_view, const std::string& path) -> std::optional<Error> {
        if (count++ != n) {
          return std::nullopt;
        }
        return Error{.code = ErrorCode::kIo, .sys_errno = EIO, .injected = true, .context = path};
      });
      work(*engine, disk, knowledge, kRounds);
      refused += knowledge.maybe.size();
      disk.set_fault(nullptr);
    }
    disk.lose_power(std::nullopt);
    ASSERT_NO_FATAL_FAILURE(expect_knowledge(disk, knowledge));
  }
  EXPECT_LT(refused, 5U) << "a group is rewritten elsewhere, not given up";
}

}  // namespace
}  // namespace pluresdb::testing
