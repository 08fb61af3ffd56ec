// Which pairs of key and nonce a run has encrypted under: a set in shared memory, so that a pair of
// one worker is known to the next. Bounded: once half of it is full every second key is left out,
// then three of four, until nothing new is taken; what is in it is looked for to the end.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

namespace soak {

inline constexpr std::size_t kNoncePlaces = 1U << 20U;
/// No more are taken: a search in a set that is fuller takes long.
inline constexpr std::size_t kNoncePairsMax = kNoncePlaces / 8 * 7;

/// Zeroed at the start of a run.
struct NonceEvidence {
  std::atomic<std::uint64_t> encryptions;                       ///< Seen, watched or not.
  std::atomic<std::uint64_t> pairs;                             ///< In the set.
  std::atomic<std::uint64_t> repeated;                          ///< Were there already.
  std::array<std::atomic<std::uint64_t>, kNoncePlaces> places;  ///< Hashes; 0: free.
};

/// Stands for a key and does not give it away.
using NonceKey = std::uint64_t;
NonceKey nonce_key(std::span<const unsigned char> key);

/// Something is encrypted under `key` and `nonce`. Thread: any, in the one process that writes.
void note_nonce(NonceEvidence& evidence, NonceKey key, std::span<const unsigned char> nonce);

}  // namespace soak
