// Chunks of a file and the key in its header: what is sealed opens again at its place, with its
// associated bytes, under its key, and nowhere else.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/crypto/aes_gcm.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/crypto/file_key.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/tests/crypto_test_support.h"
#include <pluresdb/error.h>

namespace pluresdb::crypto {
namespace {

using testing::Bytes;
using testing::bytes_of;
using testing::got;
using testing::master_keys;
using testing::secret_of;
using testing::text_of;

const SecretBytes& file_key() {
  static const SecretBytes key = secret_of("0123456789abcdef0123456789abcdef");
  return key;
}

struct SealedChunk {
  std::uint64_t position = 0;
  Bytes associated;
  Bytes plain;
  Bytes sealed;
};

SealedChunk seal(ChunkSealer& sealer, std::uint64_t position, const std::string& text) {
  SealedChunk chunk{.position = position,
                    .associated = bytes_of("header of " + text),
                    .plain = bytes_of(text),
                    .sealed = Bytes(text.size() + kSealBytes)};
  EXPECT_TRUE(sealer.seal(position, chunk.associated, chunk.plain, chunk.sealed).has_value());
  return chunk;
}

std::vector<SealedChunk> three_chunks() {
  auto sealer = got(ChunkSealer::create(file_key()));
  std::vector<SealedChunk> chunks;
  chunks.push_back(seal(sealer, 0, "first"));
  chunks.push_back(seal(sealer, 7, "other"));  // As long as the first.
  chunks.push_back(seal(sealer, 1ULL << 40, std::string(5000, 'x')));
  return chunks;
}

/// Opening must fail as corruption and let no byte out.
void expect_refused(const ChunkOpener& opener, std::uint64_t position, base::ByteSpan associated,
                    base::ByteSpan sealed) {
  Bytes plain(sealed.size() - kSealBytes, std::byte{0x77});
  const Status outcome = opener.open(position, associated, sealed, plain);
  ASSERT_FALSE(outcome.has_value());
  EXPECT_EQ(outcome.error().code, ErrorCode::kCorruption) << text_of(outcome);
  EXPECT_TRUE(std::ranges::all_of(plain, [](std::byte b) { return b == std::byte{0}; }));
}

TEST(Chunks, OpenInAnyOrder) {
  const auto chunks = three_chunks();
  const auto opener = got(ChunkOpener::create(file_key()));
  for (const std::size_t i : {2U, 0U, 1U, 0U}) {
    Bytes plain(chunks[i].plain.size());
    ASSERT_TRUE(
        opener.open(chunks[i].position, chunks[i].associated, chunks[i].sealed, plain).has_value());
    EXPECT_EQ(plain, chunks[i].plain);
  }
}

TEST(Chunks, SealAndOpenInPlaceAndWhenEmpty) {
  auto sealer = got(ChunkSealer::create(file_key()));
  const auto opener = got(ChunkOpener::create(file_key()));
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{16}, std::size_t{17}, kChunkBytesMax}) {
    const Bytes plain(size, std::byte{0x42});
    Bytes bytes = plain;
    bytes.resize(size + kSealBytes);
    const base::MutableByteSpan span(bytes);
    ASSERT_TRUE(sealer.seal(size, {}, span.first(size), span).has_value());
    if (size >= 16) {
      EXPECT_FALSE(std::equal(plain.begin(), plain.end(), bytes.begin()));
    }
    ASSERT_TRUE(opener.open(size, {}, span, span.first(size)).has_value());
    bytes.resize(size);
    EXPECT_EQ(bytes, plain);
  }
}

// The nonce is four zero bytes and the position, most significant byte first: opened by the bare
// cipher, and no other nonce of a bit's difference opens it.
TEST(Chunks, NonceIsThePosition) {
  auto sealer = got(ChunkSealer::create(file_key()));
  const SealedChunk chunk = seal(sealer, 0x0102030405060708, "contents");
  auto cipher = got(GcmContext::for_opening(file_key().bytes()));
  Nonce nonce{};
  for (unsigned char i = 0; i < 8; ++i) {
    nonce[4U + i] = std::byte{static_cast<unsigned char>(i + 1)};
  }
  Bytes plain(chunk.plain.size());
  ASSERT_TRUE(cipher.open(nonce, chunk.associated, chunk.sealed, plain).has_value());
  EXPECT_EQ(plain, chunk.plain);
  const auto opener = got(ChunkOpener::create(file_key()));
  for (unsigned bit = 0; bit < 64; ++bit) {
    expect_refused(opener, chunk.position ^ (1ULL << bit), chunk.associated, chunk.sealed);
  }
}

TEST(Chunks, EveryFlippedBitIsFound) {
  auto sealer = got(ChunkSealer::create(file_key()));
  const SealedChunk chunk = seal(sealer, 3, "forty bytes of a document that matters!!");
  const auto opener = got(ChunkOpener::create(file_key()));
  for (std::size_t bit = 0; bit < chunk.sealed.size() * 8; ++bit) {
    Bytes damaged = chunk.sealed;
    damaged[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << (bit % 8))};
    expect_refused(opener, chunk.position, chunk.associated, damaged);
  }
  for (std::size_t bit = 0; bit < chunk.associated.size() * 8; ++bit) {
    Bytes damaged = chunk.associated;
    damaged[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << (bit % 8))};
    expect_refused(opener, chunk.position, damaged, chunk.sealed);
  }
}

TEST(Chunks, CutSwappedAndForeignOnesAreFound) {
  const auto chunks = three_chunks();
  const auto opener = got(ChunkOpener::create(file_key()));
  for (std::size_t size = kSealBytes; size < chunks[0].sealed.size(); ++size) {
    expect_refused(opener, 0, chunks[0].associated, base::ByteSpan(chunks[0].sealed).first(size));
  }
  // One in the place of the other, with its own header or the other's.
  expect_refused(opener, chunks[0].position, chunks[1].associated, chunks[1].sealed);
  expect_refused(opener, chunks[0].position, chunks[0].associated, chunks[1].sealed);
  const auto other_file = got(ChunkOpener::create(secret_of("another key, thirty-two bytes !!")));
  expect_refused(other_file, chunks[0].position, chunks[0].associated, chunks[0].sealed);
}

// Lengths come from disk before they are authenticated.
TEST(Chunks, ImpossibleLengthsAreCorruption) {
  const auto opener = got(ChunkOpener::create(file_key()));
  for (const std::size_t size : {std::size_t{0}, kSealBytes - 1, kChunkBytesMax + kSealBytes + 1}) {
    const Bytes sealed(size);
    Bytes plain(size);
    const Status outcome = opener.open(0, {}, sealed, plain);
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code, ErrorCode::kCorruption);
  }
}

TEST(Chunks, EqualContentsLookDifferentInEveryPlace) {
  auto sealer = got(ChunkSealer::create(file_key()));
  const auto first = seal(sealer, 1, "the same text of forty-odd bytes, again and again");
  const auto second = seal(sealer, 2, "the same text of forty-odd bytes, again and again");
  EXPECT_NE(first.sealed, second.sealed);
}

TEST(ChunkOpener, ServesManyThreadsAtOnce) {
  auto sealer = got(ChunkSealer::create(file_key()));
  std::vector<SealedChunk> chunks;
  for (std::uint64_t i = 0; i < 64; ++i) {
    chunks.push_back(seal(sealer, i, std::string(100 + i, static_cast<char>('a' + i % 26))));
  }
  const auto opener = got(ChunkOpener::create(file_key()));
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(thread);
      for (int round = 0; round < 500; ++round) {
        const SealedChunk& chunk = chunks[random() % chunks.size()];
        const std::uint64_t position = chunk.position + (round % 5 == 0 ? 1 : 0);
        Bytes plain(chunk.plain.size());
        const Status outcome = opener.open(position, chunk.associated, chunk.sealed, plain);
        const bool right = position == chunk.position ? outcome && plain == chunk.plain : !outcome;
        wrong += right ? 0 : 1;
      }
    });
  }
  for (auto& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(wrong, 0);
}

ErrorCode error_of_opening(const MasterKeys& keys, base::ByteSpan envelope, base::ByteSpan header) {
  const auto key = open_file_key(keys, envelope, header);
  EXPECT_FALSE(key.has_value());
  return key ? ErrorCode::kIo : key.error().code;
}

TEST(FileKey, OpensUnderEveryGenerationThatIsLeft) {
  const Bytes header = bytes_of("what the file is");
  for (Generation generation = 1; generation <= 3; ++generation) {
    const auto made = got(seal_file_key(master_keys(1, generation, 10 + generation), header));
    EXPECT_EQ(got(version_of(made.envelope)),
              (KeyringVersion{.generation = generation, .seq = 10U + generation}));
    const auto opened = got(open_file_key(master_keys(1, 3), made.envelope, header));
    EXPECT_TRUE(equal_in_constant_time(opened.bytes(), made.key.bytes()));
    if (generation > 1) {
      EXPECT_EQ(error_of_opening(master_keys(1, generation - 1), made.envelope, header),
                ErrorCode::kKeyUnavailable);
    }
  }
}

TEST(FileKey, EachFileHasItsOwn) {
  const auto keys = master_keys(1, 1);
  const auto first = got(seal_file_key(keys, {}));
  const auto second = got(seal_file_key(keys, {}));
  EXPECT_FALSE(equal_in_constant_time(first.key.bytes(), second.key.bytes()));
  EXPECT_NE(first.envelope, second.envelope);
}

TEST(FileKey, EveryFlippedBitIsFound) {
  const auto keys = master_keys(1, 2, 5);
  const Bytes header = bytes_of("sixteen bytes...");
  const auto made = got(seal_file_key(keys, header));
  for (std::size_t bit = 0; bit < kEnvelopeBytes * 8; ++bit) {
    Envelope damaged = made.envelope;
    damaged[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << (bit % 8))};
    const ErrorCode code = error_of_opening(keys, damaged, header);
    // Another generation is one that nobody has, unless it is another one that is there.
    const bool is_generation = bit < 32;
    EXPECT_TRUE(code == ErrorCode::kCorruption ||
                (is_generation && code == ErrorCode::kKeyUnavailable))
        << bit;
  }
  for (std::size_t bit = 0; bit < header.size() * 8; ++bit) {
    Bytes damaged = header;
    damaged[bit / 8] ^= std::byte{static_cast<unsigned char>(1U << (bit % 8))};
    EXPECT_EQ(error_of_opening(keys, made.envelope, damaged), ErrorCode::kCorruption) << bit;
  }
}

TEST(FileKey, OfAnotherStoreOrLengthIsCorruption) {
  const auto made = got(seal_file_key(master_keys(1, 1), {}));
  EXPECT_EQ(error_of_opening(master_keys(2, 1), made.envelope, {}), ErrorCode::kCorruption);
  // The same master key under another store's id.
  std::map<Generation, SecretBytes> stolen;
  stolen.emplace(1, got(SecretBytes::copy_of(master_keys(1, 1).newest().bytes())));
  EXPECT_EQ(
      error_of_opening(MasterKeys(testing::store_id(2), 1, std::move(stolen)), made.envelope, {}),
      ErrorCode::kCorruption);
  for (const std::size_t size : {std::size_t{0}, kEnvelopeBytes - 1}) {
    EXPECT_EQ(error_of_opening(master_keys(1, 1), base::ByteSpan(made.envelope).first(size), {}),
              ErrorCode::kCorruption);
  }
  const Envelope zeros{};
  EXPECT_EQ(error_of_opening(master_keys(1, 1), zeros, {}), ErrorCode::kCorruption);
}

}  // namespace
}  // namespace pluresdb::crypto
