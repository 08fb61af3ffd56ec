// Runs a target over its corpus and over mutations of it, the same ones every time.
//   PROGRAM TARGET CORPUS [--mutations N] [--seed N]
//   PROGRAM --write-seeds FOLDER
//   PROGRAM --list
// Exit status 0: all properties hold; 1: no corpus; 3: usage. What does not hold aborts.
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "engine/fuzz/driver/replay.h"
#include "engine/fuzz/driver/target.h"

namespace {

constexpr int kUsage = 3;

int usage() {
  fmt::print(stderr,
             "usage: TARGET CORPUS [--mutations N] [--seed N] | --write-seeds FOLDER | --list\n");
  return kUsage;
}

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

}  // namespace

int main(int argc, char** argv) {
  const auto all = std::span(argv, static_cast<std::size_t>(argc)).subspan(1);
  const std::vector<std::string_view> arguments(all.begin(), all.end());
  if (arguments.size() == 1 && arguments[0] == "--list") {
    for (const fuzzing::Target& target : fuzzing::targets()) {
      fmt::print("{}\n", target.name);
    }
    return 0;
  }
  if (arguments.size() < 2) {
    return usage();
  }
  if (arguments[0] == "--write-seeds") {
    return fuzzing::write_seeds(arguments[1]) ? 0 : 1;
  }
  const fuzzing::Target* const target = fuzzing::find_target(arguments[0]);
  if (target == nullptr || arguments.size() % 2 != 0) {
    return usage();
  }
  fuzzing::ReplayPlan plan{.corpus = arguments[1], .seed = 1, .mutations = target->mutations};
  for (std::size_t i = 2; i < arguments.size(); i += 2) {
    const auto number = number_of(arguments[i + 1]);
    if (!number || (arguments[i] != "--mutations" && arguments[i] != "--seed")) {
      return usage();
    }
    (arguments[i] == "--seed" ? plan.seed : plan.mutations) = *number;
  }
  return fuzzing::replay(*target, plan) ? 0 : 1;
}
