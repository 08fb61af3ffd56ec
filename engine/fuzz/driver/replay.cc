#include "engine/fuzz/driver/replay.h"

#include <algorithm>
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

}  // namespace

bool replay(const Target& target, const ReplayPlan& plan) {
  const std::vector<Seed> corpus = read_corpus(plan.corpus);
  if (corpus.empty() || !has_seeds(target, corpus)) {
    fmt::print(stderr, "{}: no corpus of this target; --write-seeds makes one\n",
               plan.corpus.string());
    return false;
  }
  // Whatever ends the process, the file then holds what did it.
  const std::filesystem::path last = fmt::format("fuzz-{}.last", target.name);
  fmt::print("{}: {} inputs and {} mutations, seed {}; the last input is in {}\n", target.name,
             corpus.size(), plan.mutations, plan.seed, std::filesystem::absolute(last).string());
  std::fflush(stdout);
  const auto run = [&](ByteSpan input) {
    if (!write_file(last, input)) {
      return false;
    }
    target.run(input);
    return true;
  };
  bool done = std::ranges::all_of(corpus, [&](const Seed& seed) { return run(seed.bytes); });
  std::mt19937_64 random(plan.seed);
  for (std::uint64_t i = 0; done && i < plan.mutations; ++i) {
    const Bytes& input = corpus[static_cast<std::size_t>(random() % corpus.size())].bytes;
    const Bytes& other = corpus[static_cast<std::size_t>(random() % corpus.size())].bytes;
    done = run(mutated(input, other, random));
  }
  if (!done) {
    fmt::print(stderr, "{} cannot be written\n", last.string());
    return false;
  }
  std::error_code error;
  std::filesystem::remove(last, error);
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
