// What an agent knows of a store that is killed under it, and whether the store still knows it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include <pluresdb/engine.h>
#include <pluresdb/error.h>

namespace pluresdb::testing {

using Value = std::optional<std::string>;

/// What the agent knows: the acknowledged value of each id, and what was attempted without an
/// answer since.
struct Knowledge {
  std::map<std::string, Value> acknowledged;
  std::map<std::string, std::set<Value>> maybe;

  void attempted(const std::string& id, const Value& value, bool success, ErrorCode code) {
    if (success) {
      acknowledged[id] = value;
      maybe.erase(id);
    } else if (code != ErrorCode::kNoSpace && code != ErrorCode::kReadOnly &&
               code != ErrorCode::kInvalidArgument) {
      maybe[id].insert(value);
    }
  }
};

inline bool put(Engine& engine, Knowledge& knowledge, const std::string& id,
                const std::string& json) {
  const auto seq = engine.put("agent", id, json);
  knowledge.attempted(id, json, seq.has_value(), seq ? ErrorCode::kIo : seq.error().code);
  return seq.has_value();
}

inline bool erase(Engine& engine, Knowledge& knowledge, const std::string& id) {
  const auto seq = engine.erase("agent", id);
  knowledge.attempted(id, std::nullopt, seq.has_value(), seq ? ErrorCode::kIo : seq.error().code);
  return seq.has_value();
}

/// Small and large documents, overwrites, deletes; a checkpoint per round, so that segments go and
/// others are thinned out. Goes on after an error unless the machine stopped.
inline void work(Engine& engine, MemoryDisk& disk, Knowledge& knowledge, int rounds) {
  std::uint64_t version = 0;
  for (int round = 0; round < rounds && !disk.stopped(); ++round) {
    for (int i = 0; i < 12 && !disk.stopped(); ++i) {
      ++version;
      if (i % 4 == 0) {
        // In one of three rounds a large value stays live, all others are overwritten later.
        const std::string id =
            i == 0 && round % 3 == 0 ? fmt::format("kept{}", round) : fmt::format("large{}", i);
        (void)put(engine, knowledge, id, json_of(version, 14'000));
      } else if (i % 7 == 5) {
        (void)erase(engine, knowledge, fmt::format("small{}", (i + round) % 12));
      } else {
        (void)put(engine, knowledge, fmt::format("small{}", i), json_of(version, 700));
      }
    }
    if (!disk.stopped()) {
      (void)engine.checkpoint();
    }
  }
}

/// What is wrong with the store: it must open and hold what was acknowledged. Empty: nothing. What
/// it shows from now on must stay.
inline std::string problem_of(MemoryDisk& disk, const std::string& directory,
                              Knowledge& knowledge) {
  const auto opened = Engine::open_with_recovery(directory, small_options(&disk));
  if (!opened) {
    return text_of(opened);
  }
  Engine& engine = **opened;
  if (!engine.recovery().wal.is_healthy() || engine.recovery().wal_lost) {
    return "damage is reported, though nothing durable was damaged";
  }
  std::set<std::string> ids;
  for (const auto& [id, value] : knowledge.acknowledged) {
    ids.insert(id);
  }
  for (const auto& [id, values] : knowledge.maybe) {
    ids.insert(id);
  }
  for (const auto& id : ids) {
    const auto found = engine.get(id);
    if (!found) {
      return id + ": " + text_of(found);
    }
    const Value value = *found ? Value((*found)->json) : std::nullopt;
    const auto acknowledged = knowledge.acknowledged.find(id);
    const bool is_acknowledged =
        acknowledged == knowledge.acknowledged.end() ? !value : acknowledged->second == value;
    const auto maybe = knowledge.maybe.find(id);
    const bool is_maybe = maybe != knowledge.maybe.end() && maybe->second.contains(value);
    if (!is_acknowledged && !is_maybe) {
      return fmt::format("{} is {}", id, value ? value->substr(0, 40) : "absent");
    }
    knowledge.acknowledged[id] = value;
  }
  knowledge.maybe.clear();
  return "";
}

}  // namespace pluresdb::testing
