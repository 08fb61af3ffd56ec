// Secrets in memory, and the process around them: what ends it, what a fork of it may not do.
#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <ostream>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/random.h"
#include "engine/crypto/secret_bytes.h"
#include <pluresdb/error.h>
#include <pluresdb/keyring.h>

namespace pluresdb::crypto {
namespace {

static_assert(!std::is_copy_constructible_v<SecretBytes>);
static_assert(!std::is_copy_assignable_v<SecretBytes>);
static_assert(std::is_nothrow_move_constructible_v<SecretBytes>);
static_assert(!std::equality_comparable<SecretBytes>);
template <typename T>
concept Printable = requires(std::ostream& out, const T& secret) { out << secret; };
static_assert(!Printable<SecretBytes> && Printable<int>);

SecretBytes marked(std::size_t size_bytes) {
  auto secret = SecretBytes::zeros(size_bytes);
  EXPECT_TRUE(secret.has_value());
  std::ranges::fill(secret->mutable_bytes(), std::byte{0x5A});
  return *std::move(secret);
}

TEST(SecretBytes, BeginAsZerosAndKeepWhatIsPutIn) {
  const auto zeros = SecretBytes::zeros(48);
  ASSERT_TRUE(zeros.has_value());
  EXPECT_EQ(zeros->size(), 48U);
  EXPECT_TRUE(std::ranges::all_of(zeros->bytes(), [](std::byte b) { return b == std::byte{0}; }));
  const auto copy = SecretBytes::copy_of(base::as_bytes("a password"));
  ASSERT_TRUE(copy.has_value());
  EXPECT_EQ(base::as_text(copy->bytes()), "a password");
  const auto empty = SecretBytes::copy_of({});
  ASSERT_TRUE(empty.has_value());
  EXPECT_TRUE(empty->empty());
}

TEST(SecretBytes, MoveLeavesNothingBehind) {
  SecretBytes first = marked(32);
  const std::byte* const place = first.bytes().data();
  SecretBytes second = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT(bugprone-use-after-move): that is the question.
  EXPECT_EQ(second.bytes().data(), place);
  SecretBytes third = marked(64);
  third = std::move(second);
  EXPECT_EQ(third.bytes().data(), place);
  EXPECT_EQ(third.size(), 32U);
}

// The heap is never given back to the system, so the bytes can be looked at after their release.
// The heap keeps two pointers of its own at the start of a free block.
TEST(SecretBytes, AreOverwrittenWhenReleasedOrShrunk) {
  const std::byte* place = nullptr;
  {
    SecretBytes secret = marked(256);
    place = secret.bytes().data();
    secret.shrink(64);
    EXPECT_EQ(secret.size(), 64U);
    EXPECT_TRUE(
        std::all_of(place + 64, place + 256, [](std::byte b) { return b == std::byte{0}; }));
    EXPECT_EQ(place[63], std::byte{0x5A});
  }
  EXPECT_TRUE(std::none_of(place, place + 256, [](std::byte b) { return b == std::byte{0x5A}; }));
}

TEST(SecretBytes, LeaveNothingWhenAnotherTakesTheirPlace) {
  SecretBytes first = marked(128);
  const std::byte* const place = first.bytes().data();
  first = marked(32);
  EXPECT_TRUE(std::none_of(place, place + 128, [](std::byte b) { return b == std::byte{0x5A}; }));
}

TEST(SecretBytes, HeapThatIsUsedUpIsAnErrorAndComesBack) {
  std::vector<SecretBytes> held;
  constexpr std::size_t kBlockBytes = 64ULL << 10;
  constexpr std::size_t kMoreThanFit = 64;
  while (held.size() < kMoreThanFit) {
    auto next = SecretBytes::zeros(kBlockBytes);
    if (!next) {
      EXPECT_EQ(next.error().code, ErrorCode::kKeyUnavailable);
      break;
    }
    held.push_back(*std::move(next));
  }
  EXPECT_LT(held.size(), kMoreThanFit) << "secrets are not in the bounded heap";
  EXPECT_GE(held.size(), 1U);
  held.clear();
  EXPECT_TRUE(SecretBytes::zeros(kBlockBytes).has_value());
}

TEST(SecretBytes, MemoryIsLockedOrTheCallerIsTold) {
  const SecretMemory memory = prepare_secret_memory();
  EXPECT_EQ(prepare_secret_memory(), memory);
}

// Limit and heap are per process: each in one of its own.
TEST(SecretMemoryDeathTest, IsReportedAsNotLockedWhereTheLimitForbidsIt) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto report = [] {
    const struct rlimit none{};
    // Root may lock whatever the limit says, unless it gives that up.
    const bool limited = setrlimit(RLIMIT_MEMLOCK, &none) == 0 &&
                         prctl(PR_CAPBSET_DROP, 14, 0, 0, 0) <= 0 && setresuid(1, 1, 1) <= 0;
    const auto secret = SecretBytes::zeros(32);
    const bool usable = limited && secret.has_value();
    const bool told = prepare_secret_memory() == SecretMemory::kNotLocked;
    std::exit(usable && told && !protect_secrets().memory_is_locked ? 7 : 1);
  };
  EXPECT_EXIT(report(), ::testing::ExitedWithCode(7), "");
}

TEST(ProcessProtectionDeathTest, ForbidsCoreDumpsAndReadersOfMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto protect = [] {
    struct rlimit core{};
    const bool open = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1;
    const SecretProtection protection = protect_secrets();
    const bool done =
        open && protection.process_is_closed && getrlimit(RLIMIT_CORE, &core) == 0 &&
        protection.memory_is_locked == (prepare_secret_memory() == SecretMemory::kLocked);
    const bool safe = core.rlim_cur == 0 && core.rlim_max == 0;
    std::exit(done && safe && prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 7 : 1);
  };
  EXPECT_EXIT(protect(), ::testing::ExitedWithCode(7), "");
}

ChunkSealer new_sealer() {
  auto sealer = ChunkSealer::create(marked(kKeyBytes));
  EXPECT_TRUE(sealer.has_value());
  return *std::move(sealer);
}

Status seal(ChunkSealer& sealer, std::uint64_t position) {
  std::array<std::byte, kSealBytes> sealed{};
  return sealer.seal(position, {}, {}, sealed);
}

TEST(ChunkSealerDeathTest, TakesNoPositionTwiceAndNoneBackwards) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto sealer = new_sealer();
  (void)seal(sealer, 5);
  EXPECT_DEATH((void)seal(sealer, 5), "position >= next_position_");
  EXPECT_DEATH((void)seal(sealer, 4), "position >= next_position_");
  EXPECT_DEATH((void)seal(sealer, ~0ULL), "position <");
  ChunkSealer moved = std::move(sealer);
  EXPECT_DEATH((void)seal(moved, 5), "position >= next_position_");
}

TEST(ChunkSealerDeathTest, RefusesWhatIsTooLongOrOverlaps) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  auto sealer = new_sealer();
  std::vector<std::byte> bytes(kChunkBytesMax + 1 + kSealBytes);
  const base::MutableByteSpan span(bytes);
  EXPECT_DEATH((void)sealer.seal(0, {}, span.first(kChunkBytesMax + 1), span), "kChunkBytesMax");
  EXPECT_DEATH((void)sealer.seal(0, {}, span.first(32), span.subspan(1, 32 + kSealBytes)),
               "is_in_place_or_apart");
}

// A child has a copy of the sealer and would use the parent's next nonce for other bytes.
TEST(ChunkSealer, IsOfNoUseInAFork) {
  auto sealer = new_sealer();
  const auto plain = base::as_bytes("text");
  std::vector<std::byte> sealed(plain.size() + kSealBytes);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const Status outcome = sealer.seal(0, {}, plain, sealed);
    const bool refused = !outcome && outcome.error().code == ErrorCode::kLocked;
    _exit(refused && sealed == std::vector<std::byte>(sealed.size()) ? 7 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_TRUE(sealer.seal(0, {}, plain, sealed).has_value());
}

TEST(ConstantTime, EqualityIsThatOfTheBytes) {
  const std::array<std::byte, 3> left{std::byte{1}, std::byte{2}, std::byte{3}};
  for (std::size_t i = 0; i < left.size(); ++i) {
    auto right = left;
    EXPECT_TRUE(equal_in_constant_time(left, right));
    right[i] ^= std::byte{0x80};
    EXPECT_FALSE(equal_in_constant_time(left, right)) << i;
  }
  EXPECT_FALSE(equal_in_constant_time(left, base::ByteSpan(left).first(2)));
  EXPECT_TRUE(equal_in_constant_time({}, {}));
}

TEST(Random, GivesOtherBytesEachTime) {
  std::array<std::byte, 32> first{};
  std::array<std::byte, 32> second{};
  ASSERT_TRUE(fill_with_random(first).has_value());
  ASSERT_TRUE(fill_with_random(second).has_value());
  EXPECT_NE(first, second);
  ASSERT_TRUE(fill_with_key_material(second).has_value());
  EXPECT_NE(first, second);
  const auto key = SecretBytes::random(32);
  ASSERT_TRUE(key.has_value());
  EXPECT_FALSE(equal_in_constant_time(key->bytes(), second));
}

}  // namespace
}  // namespace pluresdb::crypto
