// The process that core_durability_test and core_agents_test kill: agents that write without end.
//
// Usage: core_crash_child DIRECTORY AGENTS FIRST_VERSION. After each acknowledged write one line
// "a ID VERSION" (or "d ID 0" for a delete) goes to stdout in a single write(); before each attempt
// "t ID VERSION". With 0 agents: says "o" and holds the store open until a byte comes in. Pipes
// survive the kill, so the parent knows what was promised.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "engine/tests/core_child_protocol.h"
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::testing {
namespace {

void say(const std::string& line) {
  if (::write(STDOUT_FILENO, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    _exit(3);
  }
}

void run_agent(Engine& engine, int agent, std::uint64_t version) {
  const std::string actor = fmt::format("agent{}", agent);
  while (true) {
    ++version;
    const std::string id = fmt::format("{}/{}", actor, version % kIdsPerAgent);
    const bool erases = version % 11 == 0;
    say(fmt::format("t {} {}\n", id, erases ? 0 : version));
    const auto seq =
        erases ? engine.erase(actor, id) : engine.put(actor, id, child_json(id, version));
    if (!seq) {
      say(fmt::format("e {} {}\n", to_string(seq.error()), version));
      _exit(4);
    }
    say(fmt::format("a {} {}\n", id, erases ? 0 : version));
  }
}

}  // namespace
}  // namespace pluresdb::testing

int main(int argc, char** argv) {
  if (argc != 4) {
    return 2;
  }
  using pluresdb::testing::child_options;
  auto opened = pluresdb::Engine::open_with_recovery(argv[1], child_options());
  if (!opened) {
    pluresdb::testing::say("e " + pluresdb::to_string(opened.error()) + " 0\n");
    return 1;
  }
  const int agents = std::atoi(argv[2]);
  if (agents == 0) {
    char ignored = 0;
    pluresdb::testing::say("o");
    return ::read(STDIN_FILENO, &ignored, 1) == 1 ? 0 : 5;
  }
  const std::uint64_t first = std::strtoull(argv[3], nullptr, 10);
  std::vector<std::thread> threads;
  for (int agent = 0; agent < agents; ++agent) {
    threads.emplace_back([&, agent] { pluresdb::testing::run_agent(**opened, agent, first); });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  return 0;
}
