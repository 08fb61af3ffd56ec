// Whatever happened to a store, what rebuild_from_wal() makes of it holds the same documents. Names
// the mutants that were seen to break the law.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/engine.h>
#include <pluresdb/options.h>
#include <pluresdb/rebuild.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";

void check_equal(Engine& left, Engine& right) {
  const auto expected = left.list("", {}, 1000);
  const auto found = right.list("", {}, 1000);
  RC_ASSERT(expected.has_value());
  RC_ASSERT(found.has_value());
  RC_ASSERT(found->size() == expected->size());
  for (std::size_t i = 0; i < found->size(); ++i) {
    const Document& a = (*expected)[i];
    const Document& b = (*found)[i];
    const bool is_equal = a.id == b.id && a.json == b.json && a.stamp == b.stamp && a.seq == b.seq;
    RC_ASSERT(is_equal);
  }
}

std::unique_ptr<Engine> reopen(const std::string& directory, const EngineOptions& options) {
  auto opened = Engine::open_with_recovery(directory, options);
  RC_ASSERT(opened.has_value());
  RC_ASSERT((*opened)->recovery().wal.is_healthy());
  RC_ASSERT(!(*opened)->recovery().wal_lost);
  return *std::move(opened);
}

TEST(RebuildLaws, AnyHistoryRebuildsToTheSameDocuments) {
  EXPECT_TRUE(rc::check("rebuilt = source", [] {
    MemoryDisk disk;
    auto options = small_options(&disk);
    options.dirty_bytes_max = *rc::gen::element<std::uint64_t>(4ULL << 10, 1ULL << 20);
    auto engine = reopen(kStore, options);
    std::uint64_t version = 0;
    const auto steps = *rc::gen::inRange(0, 60);
    for (int step = 0; step < steps; ++step) {
      const auto kind = *rc::gen::inRange(0, 40);
      const std::string id = fmt::format("{}", *rc::gen::inRange(0, 9));
      const std::string actor = *rc::gen::element<std::string>("a", "b");
      if (kind < 28) {
        const auto bytes = *rc::gen::element<std::size_t>(0, 300, 1023, 1024, 9000, 30'000);
        RC_ASSERT(engine->put(actor, id, json_of(++version, bytes)).has_value());
      } else if (kind < 33) {
        RC_ASSERT(engine->erase(actor, id).has_value());
      } else if (kind < 37) {
        RC_ASSERT(engine->checkpoint().has_value());
      } else {
        if (*rc::gen::arbitrary<bool>()) {
          RC_ASSERT(engine->close().has_value());
        }
        engine.reset();
        if (*rc::gen::arbitrary<bool>()) {
          disk.lose_power(*rc::gen::arbitrary<std::uint64_t>());
        }
        engine = reopen(kStore, options);
      }
    }
    if (*rc::gen::arbitrary<bool>()) {
      RC_ASSERT(engine->close().has_value());
    }
    engine.reset();
    RebuildOptions rebuild;
    rebuild.engine = options;
    rebuild.source_secret = options.secret;
    const auto stats = rebuild_from_wal("/store/wal", "/rebuilt", rebuild);
    RC_ASSERT(stats.has_value());
    RC_ASSERT(stats->is_complete);
    // The source is as it was; the result is durable and lives on.
    disk.lose_power(std::nullopt);
    engine = reopen(kStore, options);
    auto rebuilt = reopen("/rebuilt", options);
    check_equal(*engine, *rebuilt);
    RC_ASSERT(rebuilt->put("a", "0", json_of(1, 2000)).has_value());
    RC_ASSERT(rebuilt->checkpoint().has_value());
    RC_ASSERT(engine->put("a", "0", json_of(1, 2000)).has_value());
    rebuilt.reset();
    rebuilt = reopen("/rebuilt", options);
    const auto mine = rebuilt->list("", {}, 1000);
    const auto theirs = engine->list("", {}, 1000);
    RC_ASSERT(mine.has_value() && theirs.has_value());
    RC_ASSERT(mine->size() == theirs->size());
  }));
}

}  // namespace
}  // namespace pluresdb::testing
