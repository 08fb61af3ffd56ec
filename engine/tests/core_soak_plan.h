// What core_soak_child writes, and what a store must hold afterwards, worked out without the
// engine.
//
// Everything follows from (seed, agent, operation number): sizes, ids, deletes, every byte. Each
// agent has its own ids, so its last write of an id is the store's last one, whoever came between.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace pluresdb::testing {

inline constexpr std::uint64_t kSoakSeed = 20261125;
/// Many writers share a sync; with few the test would measure the device.
inline constexpr std::uint64_t kSoakAgents = 16;
/// Of JSON texts, before any header of the log: what is in the log is more.
inline constexpr std::uint64_t kSoakPayloadBytes = (1ULL << 30) + (64ULL << 20);

/// Sizes of JSON texts, and how many ids of an agent take turns in holding them.
struct SoakClass {
  std::string_view name;
  std::uint64_t weight;  ///< Of 10,000 operations.
  std::uint64_t bytes_min, bytes_max;
  std::uint64_t ids;
};
inline constexpr SoakClass kSoakClasses[] = {
    {.name = "small", .weight = 7485, .bytes_min = 80, .bytes_max = 600, .ids = 6000},
    {.name = "page", .weight = 2300, .bytes_min = 4096, .bytes_max = 4096, .ids = 3000},
    {.name = "capture", .weight = 200, .bytes_min = 65536, .bytes_max = 65536, .ids = 120},
    {.name = "large", .weight = 15, .bytes_min = 1 << 20, .bytes_max = 1 << 20, .ids = 8},
};
inline constexpr std::uint64_t kSoakDeletesOneIn = 11;

inline std::uint64_t soak_hash(std::uint64_t seed, std::uint64_t agent, std::uint64_t number) {
  std::uint64_t x = seed * 0x9E3779B97F4A7C15ULL + agent * 0xD1B54A32D192ED03ULL + number;
  for (int round = 0; round < 2; ++round) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
    x ^= x >> 31;
  }
  return x;
}

/// Text that does not repeat within a chunk of the log nor from chunk to chunk: its length is
/// prime.
inline const std::string& soak_text() {
  static const std::string text = [] {
    constexpr std::size_t kBytes = 1'000'003;
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string letters;
    for (std::uint64_t i = 0; letters.size() < kBytes; ++i) {
      letters += kLetters[soak_hash(1, 2, i) % kLetters.size()];
    }
    return letters;
  }();
  return text;
}

inline std::string soak_json(std::string_view id, std::uint64_t version, std::uint64_t bytes) {
  constexpr std::string_view kEnd = "\"}";
  std::string json = fmt::format(R"({{"id":"{}","version":{},"text":")", id, version);
  const std::string_view text = soak_text();
  std::size_t place = soak_hash(3, version, id.size()) % text.size();
  while (json.size() + kEnd.size() < bytes) {
    const std::string_view part =
        text.substr(place, static_cast<std::size_t>(bytes) - json.size() - kEnd.size());
    json += part;
    place = (place + part.size()) % text.size();
  }
  return json.append(kEnd);
}

struct SoakOperation {
  std::string id;
  std::uint64_t bytes = 0;  ///< Of the JSON text; 0: a delete.
};

/// `number`: from 1; it is the version, too.
inline SoakOperation soak_operation(std::uint64_t agent, std::uint64_t number) {
  const std::uint64_t drawn = soak_hash(kSoakSeed, agent, number);
  std::uint64_t point = drawn % 10'000;
  const SoakClass* kind = kSoakClasses;
  while (point >= kind->weight) {
    point -= kind->weight;
    ++kind;
  }
  const std::uint64_t more = soak_hash(drawn, agent, number);
  const std::uint64_t bytes = kind->bytes_min + more % (kind->bytes_max - kind->bytes_min + 1);
  return {.id = fmt::format("agent-{:02}/{}/{:06}", agent, kind->name, (more >> 32) % kind->ids),
          .bytes = (more >> 20) % kSoakDeletesOneIn == 0 ? 0 : bytes};
}

/// FNV-1a over documents in ascending order of their ids.
class SoakDigest {
 public:
  void add(std::string_view id, std::string_view json) {
    mix(id);
    mix(fmt::format("/{}/", json.size()));
    mix(json);
    ++documents_;
  }
  [[nodiscard]] std::uint64_t state() const { return state_; }
  [[nodiscard]] std::uint64_t documents() const { return documents_; }

 private:
  void mix(std::string_view bytes) {
    for (const char byte : bytes) {
      state_ = (state_ ^ static_cast<unsigned char>(byte)) * 0x100000001B3ULL;
    }
  }
  std::uint64_t state_ = 0xCBF29CE484222325ULL;
  std::uint64_t documents_ = 0;
};

/// One agent's way through its operations: until it wrote its share of the payload.
class SoakAgent {
 public:
  explicit SoakAgent(std::uint64_t agent) : agent_(agent) {}

  [[nodiscard]] bool done() const { return payload_bytes_ >= kSoakPayloadBytes / kSoakAgents; }
  /// The next operation; notes what it leaves behind.
  SoakOperation next() {
    SoakOperation operation = soak_operation(agent_, ++operations_);
    payload_bytes_ += operation.bytes;
    Held& held = held_[operation.id];
    overwrites_ += held.bytes != 0 ? 1U : 0U;
    held = {.version = operations_, .bytes = operation.bytes};
    return operation;
  }
  /// Adds what the agent's ids hold.
  void describe(SoakDigest& digest) const {
    for (const auto& [id, held] : held_) {
      if (held.bytes != 0) {
        digest.add(id, soak_json(id, held.version, held.bytes));
      }
    }
  }
  [[nodiscard]] std::uint64_t operations() const { return operations_; }
  [[nodiscard]] std::uint64_t payload_bytes() const { return payload_bytes_; }
  /// Writes and deletes of an id that held something.
  [[nodiscard]] std::uint64_t overwrites() const { return overwrites_; }

 private:
  struct Held {
    std::uint64_t version = 0;
    std::uint64_t bytes = 0;
  };
  std::uint64_t agent_;
  std::uint64_t operations_ = 0;
  std::uint64_t payload_bytes_ = 0;
  std::uint64_t overwrites_ = 0;
  std::map<std::string, Held> held_;
};

}  // namespace pluresdb::testing
