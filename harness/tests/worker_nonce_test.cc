// NonceEvidence: a pair of key and nonce that comes twice is seen, whoever comes with it and
// however full the set is. That a worker's encryptions come there:
// scenarios/negative/nonce-reuse.toml.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "harness/common/nonce_evidence.h"

namespace soak {
namespace {

using Nonce = std::array<unsigned char, 12>;

Nonce nonce_of(std::uint64_t number) {
  Nonce nonce{};
  std::memcpy(nonce.data(), &number, sizeof(number));
  return nonce;
}

NonceKey key_of(std::uint64_t number) {
  std::array<unsigned char, 32> key{};
  std::memcpy(key.data(), &number, sizeof(number));
  return nonce_key(key);
}

TEST(NonceEvidence, APairThatComesTwiceIsSeen) {
  const auto evidence = std::make_unique<NonceEvidence>();
  for (std::uint64_t key = 1; key <= 10; ++key) {
    for (std::uint64_t nonce = 0; nonce < 100; ++nonce) {
      note_nonce(*evidence, key_of(key), nonce_of(nonce));
    }
  }
  EXPECT_EQ(evidence->encryptions, 1000U);
  EXPECT_EQ(evidence->pairs, 1000U);
  EXPECT_EQ(evidence->repeated, 0U) << "a nonce under another key is another pair";
  note_nonce(*evidence, key_of(3), nonce_of(99));
  EXPECT_EQ(evidence->encryptions, 1001U);
  EXPECT_EQ(evidence->pairs, 1000U);
  EXPECT_EQ(evidence->repeated, 1U);
}

TEST(NonceEvidence, AFullSetStillKnowsWhatIsInIt) {
  constexpr std::uint64_t kKeys = 4096;
  constexpr std::uint64_t kNonces = kNoncePlaces * 2 / kKeys;
  const auto evidence = std::make_unique<NonceEvidence>();
  for (std::uint64_t key = 1; key <= kKeys; ++key) {
    for (std::uint64_t nonce = 0; nonce < kNonces; ++nonce) {
      note_nonce(*evidence, key_of(key), nonce_of(nonce));
    }
  }
  EXPECT_EQ(evidence->encryptions, kNoncePlaces * 2);
  EXPECT_GE(evidence->pairs, kNoncePlaces / 4 * 3) << "of the last keys some are watched, too";
  EXPECT_LE(evidence->pairs, kNoncePairsMax);
  EXPECT_EQ(evidence->repeated, 0U);
  std::uint64_t key = 1;
  while (evidence->repeated < 1 && key <= kKeys) {  // Only watched keys are looked for.
    note_nonce(*evidence, key_of(key++), nonce_of(7));
  }
  EXPECT_EQ(evidence->repeated, 1U);
}

TEST(NonceEvidence, OfThreadsThatUseTheSamePairsAllButOneRepeatThem) {
  constexpr std::uint64_t kThreads = 4;
  constexpr std::uint64_t kNonces = 20'000;
  const auto evidence = std::make_unique<NonceEvidence>();
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([&evidence] {
        for (std::uint64_t nonce = 0; nonce < kNonces; ++nonce) {
          note_nonce(*evidence, key_of(1), nonce_of(nonce));
        }
      });
    }
  }
  EXPECT_EQ(evidence->pairs, kNonces);
  EXPECT_EQ(evidence->repeated, (kThreads - 1) * kNonces);
}

}  // namespace
}  // namespace soak
