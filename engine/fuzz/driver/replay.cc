#include "engine/fuzz/driver/replay.h"

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <random>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "engine/fuzz/driver/mutation.h"
#include "engine/fuzz/driver/target.h"

namespace fuzzing {
namespace {

Bytes contents_of(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

bool write_file(const std::filesystem::path& path, ByteSpan bytes) {
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  stream.close();
  return stream.good();
}

/// All files, by name.
std::vector<Seed> read_corpus(const std::filesystem::path& folder) {
  std::vector<Seed> corpus;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    corpus.push_back({.name = entry.path().filename(), .bytes = contents_of(entry.path())});
  }
  std::ranges::sort(corpus, {}, &Seed::name);
  return corpus;
}

bool has_seeds(const Target& target, const std::vector<Seed>& corpus) {
  bool complete = true;
  for (const Seed& seed : target.seeds()) {
    const auto found = std::ranges::find(corpus, seed.name, &Seed::name);
    if (found == corpus.end() || found->bytes != seed.bytes) {
      fmt::print(stderr, "{}: the corpus has not got the seed {}, or another one by that name\n",
                 target.name, seed.name);
      complete = false;
    }
  }
  return complete;
}

/// What is being run, for whoever is called when the process ends.
struct Running {
  std::string last;
  ByteSpan input;
};
Running& running() {
  static Running now;
  return now;
}

/// The process has ended itself: what the handler calls need not bear signals at any instant.
extern "C" void keep_input(int signal) {  // NOLINT(bugprone-signal-handler,cert-sig30-c)
  (void)std::signal(signal, SIG_DFL);
  const bool kept = write_file(running().last, running().input);
  fmt::print(stderr, "{} {}\n", kept ? "the input is" : "the input could not be kept in",
             std::filesystem::absolute(running().last).string());
  (void)std::raise(signal);
}

}  // namespace

bool replay(const Target& target, const ReplayPlan& plan) {
  const std::vector<Seed> corpus = read_corpus(plan.corpus);
  if (corpus.empty() || !has_seeds(target, corpus)) {
    fmt::print(stderr, "{}: no corpus of this target; --write-seeds makes one\n",
               plan.corpus.string());
    return false;
  }
  fmt::print("{}: {} inputs and {} mutations, seed {}\n", target.name, corpus.size(),
             plan.mutations, plan.seed);
  (void)std::fflush(stdout);
  running().last = fmt::format("fuzz-{}.last", target.name);
  for (const int signal : {SIGABRT, SIGSEGV, SIGFPE, SIGILL}) {
    if (std::signal(signal, keep_input) == SIG_ERR) {
      return false;
    }
  }
  const auto run = [&target](ByteSpan input) {
    running().input = input;
    target.run(input);
  };
  for (const Seed& seed : corpus) {
    run(seed.bytes);
  }
  std::mt19937_64 random(plan.seed);
  for (std::uint64_t i = 0; i < plan.mutations; ++i) {
    const Bytes& input = corpus[static_cast<std::size_t>(random() % corpus.size())].bytes;
    const Bytes& other = corpus[static_cast<std::size_t>(random() % corpus.size())].bytes;
    const Bytes next = mutated(input, other, random);
    run(next);
  }
  return true;
}

bool write_seeds(const std::filesystem::path& folder) {
  bool written = true;
  for (const Target& target : targets()) {
    std::error_code error;
    std::filesystem::create_directories(folder / target.name, error);
    for (const Seed& seed : target.seeds()) {
      written = write_file(folder / target.name / seed.name, seed.bytes) && written;
    }
  }
  return written;
}

}  // namespace fuzzing
