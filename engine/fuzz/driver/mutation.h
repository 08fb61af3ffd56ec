// Mutations for the replay: simple ones, the same on every machine. Searching is libFuzzer's task.
#pragma once

#include <random>

#include "engine/fuzz/driver/target.h"

namespace fuzzing {

/// `input` changed in a few places; `other` lends pieces.
Bytes mutated(ByteSpan input, ByteSpan other, std::mt19937_64& random);

}  // namespace fuzzing
