// What is written: the same keys and values for every peer, a function of (writer, number).
//
// Values are JSON objects of words, as command output and notes are: they compress to about a
// third, and no two are equal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/bench/peers/peer.h"

namespace pluresdb::bench {

/// A pair with its own bytes.
struct OwnedPair {
  std::string key;
  std::string value;
  [[nodiscard]] KeyValue view() const { return {.key = key, .value = value}; }
};

class Workload {
 public:
  static constexpr std::size_t kValueBytesMin = 64;

  Workload(std::size_t value_bytes, unsigned writers);

  /// Write `number` of `writer`; valid until its next call. Thread: one per writer.
  KeyValue pair(unsigned writer, std::uint64_t number);
  OwnedPair owned_pair(unsigned writer, std::uint64_t number);
  /// First, last and some between of the first `count` writes of `writer`.
  std::vector<OwnedPair> samples(unsigned writer, std::uint64_t count);

 private:
  struct Writer {
    std::string key;
    std::vector<std::string> values;  // Taken in turn; only the number inside is written anew.
  };
  std::vector<Writer> writers_;
};

}  // namespace pluresdb::bench
