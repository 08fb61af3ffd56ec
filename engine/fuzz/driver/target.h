// What a fuzz target is, whoever feeds it: libfuzzer_main.cc searches, replay_main.cc repeats what
// was found and a fixed number of mutations of it. docs/decisions/0014-fuzz-targets.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fuzzing {

using Bytes = std::vector<std::byte>;
using ByteSpan = std::span<const std::byte>;

struct Seed {
  std::string name;
  Bytes bytes;
};

struct Target {
  std::string_view name;
  /// Any input is a good one. Ends the process when a property does not hold.
  void (*run)(ByteSpan input);
  /// What the corpus begins with; the same at every call.
  std::vector<Seed> (*seeds)();
  /// How many mutations a replay runs: about a second without sanitizers.
  std::uint32_t mutations = 0;
};

/// All targets of the program that is linked.
std::span<const Target> targets();
/// Null: there is none of that name.
const Target* find_target(std::string_view name);

/// Ends the process when a property of the code under test does not hold.
void must_hold(bool holds, std::string_view property,
               const std::source_location& place = std::source_location::current());

}  // namespace fuzzing
