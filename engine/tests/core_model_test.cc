// The whole engine against a map: random operations, checkpoints, reopens, crashes, power losses.
// Each law names the mutant that was seen to break it.
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

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";

void check_model(Engine& engine, const Model& model) {
  std::size_t live = 0;
  for (const auto& [id, json] : model) {
    const auto document = engine.get(id);
    RC_ASSERT(document.has_value());
    const std::optional<Document>& read = *document;
    const bool is_right =
        json.has_value() ? read.has_value() && read->json == *json : !read.has_value();
    RC_ASSERT(is_right);
    live += json ? 1U : 0U;
  }
  const auto listed = engine.list("", {}, 1000);
  RC_ASSERT(listed.has_value());
  RC_ASSERT(listed->size() == live);
  for (const auto& document : *listed) {
    const bool is_right = model.at(document.id) == document.json;
    RC_ASSERT(is_right);
  }
}

// Red with: replay begins one seq too late; the compactor compares with checkpoint_seq of an ingest
// that failed; get() looks into the base store first.
TEST(EngineLaws, AnyHistoryGivesTheModel) {
  EXPECT_TRUE(rc::check("engine = map", [] {
    MemoryDisk disk;
    auto options = small_options(&disk);
    options.durability = *rc::gen::element(Durability::kWal, Durability::kFull);
    options.dirty_bytes_max = *rc::gen::element<std::uint64_t>(4ULL << 10, 1ULL << 20);
    auto engine = *Engine::open_with_recovery(kStore, options);
    Model model;
    std::uint64_t version = 0;
    const auto steps = *rc::gen::inRange(0, 50);
    for (int step = 0; step < steps; ++step) {
      const auto kind = *rc::gen::inRange(0, 40);
      const std::string id = fmt::format("{}", *rc::gen::inRange(0, 9));
      if (kind < 26) {
        const auto bytes = *rc::gen::element<std::size_t>(0, 300, 1023, 1024, 9000, 30'000);
        model[id] = json_of(++version, bytes);
        RC_ASSERT(engine->put("a", id, *model[id]).has_value());
      } else if (kind < 32) {
        model[id] = std::nullopt;
        RC_ASSERT(engine->erase("a", id).has_value());
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
        auto opened = Engine::open_with_recovery(kStore, options);
        RC_ASSERT(opened.has_value());
        engine = *std::move(opened);
        RC_ASSERT(engine->recovery().wal.is_healthy());
        check_model(*engine, model);
      }
    }
    check_model(*engine, model);
  }));
}

}  // namespace
}  // namespace pluresdb::testing
