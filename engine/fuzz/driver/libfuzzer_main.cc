// libFuzzer calls these. The option --target=NAME says which target it feeds; options that begin
// with
// "--" are passed on to the processes that libFuzzer starts itself, and ignored by it.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>

#include <fmt/format.h>

#include "engine/fuzz/driver/target.h"

namespace {

const fuzzing::Target*& chosen() {
  static const fuzzing::Target* target = nullptr;
  return target;
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  constexpr std::string_view kOption = "--target=";
  for (const std::string_view argument : std::span(*argv, static_cast<std::size_t>(*argc))) {
    if (argument.starts_with(kOption)) {
      chosen() = fuzzing::find_target(argument.substr(kOption.size()));
    }
  }
  if (chosen() == nullptr) {
    fmt::print(stderr, "--target=NAME is missing, or there is no such target\n");
    std::exit(3);
  }
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  chosen()->run(std::as_bytes(std::span(data, size)));
  return 0;
}
