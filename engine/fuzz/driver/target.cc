#include "engine/fuzz/driver/target.h"

#include <cstdio>
#include <cstdlib>
#include <source_location>
#include <string_view>

#include <fmt/format.h>

namespace fuzzing {

const Target* find_target(std::string_view name) {
  for (const Target& target : targets()) {
    if (target.name == name) {
      return &target;
    }
  }
  return nullptr;
}

void must_hold(bool holds, std::string_view property, const std::source_location& place) {
  if (!holds) [[unlikely]] {
    fmt::print(stderr, "{}:{}: does not hold: {}\n", place.file_name(), place.line(), property);
    std::abort();
  }
}

}  // namespace fuzzing
