// Repeats a corpus, and mutations of it.
#pragma once

#include <cstdint>
#include <filesystem>

#include "engine/fuzz/driver/target.h"

namespace fuzzing {

struct ReplayPlan {
  std::filesystem::path corpus;
  std::uint64_t seed = 0;
  std::uint64_t mutations = 0;
};

/// True when the corpus has the target's seeds, byte for byte, and every input was run. An input
/// that ends the process is kept in fuzz-TARGET.last of the working folder.
bool replay(const Target& target, const ReplayPlan& plan);

/// Writes the seeds of every target below `folder`, a folder for each. False: it cannot be written.
bool write_seeds(const std::filesystem::path& folder);

}  // namespace fuzzing
