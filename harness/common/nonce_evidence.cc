#include "harness/common/nonce_evidence.h"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace soak {
namespace {

static_assert((kNoncePlaces & (kNoncePlaces - 1)) == 0);
constexpr unsigned kHashBits = 64;

/// How many leading bits of a key's hash must be zero: one at half of the set, two at three
/// quarters.
unsigned bits_of_watched_keys(std::uint64_t pairs) {
  unsigned bits = 0;
  for (std::uint64_t left = kNoncePlaces / 2; left > 0 && pairs + left >= kNoncePlaces; left /= 2) {
    ++bits;
  }
  return bits;
}

bool is_watched(NonceKey key, std::uint64_t pairs) {
  const unsigned bits = bits_of_watched_keys(pairs);
  return bits == 0 || key >> (kHashBits - bits) == 0;
}

}  // namespace

NonceKey nonce_key(std::span<const unsigned char> key) {
  return XXH3_64bits(key.data(), key.size());
}

void note_nonce(NonceEvidence& evidence, NonceKey key, std::span<const unsigned char> nonce) {
  evidence.encryptions.fetch_add(1, std::memory_order_relaxed);
  const std::uint64_t pairs = evidence.pairs.load(std::memory_order_relaxed);
  if (!is_watched(key, pairs)) {
    return;
  }
  const std::uint64_t hash = XXH3_64bits_withSeed(nonce.data(), nonce.size(), key) | 1U;
  for (std::size_t at = hash >> 1U;; ++at) {
    std::atomic<std::uint64_t>& place = evidence.places[at & (kNoncePlaces - 1)];
    std::uint64_t there = place.load();
    if (there == 0 && pairs < kNoncePairsMax && place.compare_exchange_strong(there, hash)) {
      evidence.pairs.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (there == hash) {
      evidence.repeated.fetch_add(1, std::memory_order_relaxed);
      return;
    }
    if (there == 0) {
      return;  // Full.
    }
  }
}

}  // namespace soak
