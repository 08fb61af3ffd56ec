// Goal: decompression fills exactly what the chunk header states, or says that it cannot. Method:
// genuine frames, changed; frames around any bytes; memory of exactly the size, watched by
// AddressSanitizer. docs/formats/wal.md "Chunk header".
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/fuzz/driver/target.h"
#include "engine/fuzz/support.h"
#include "engine/fuzz/targets.h"
#include "engine/wal/chunk_compression.h"
#include "engine/wal/segment_format.h"

namespace pluresdb::fuzz {
namespace {

constexpr std::uint32_t kFrameMagic = 0xFD2FB528;

/// Compressible: a few bytes of the input, repeated.
Bytes plain_of_input(Input& input) {
  const std::size_t bytes = input.pick(16) == 1
                                ? input.read<std::uint32_t>() % wal::kValueChunkBytesMax
                                : input.read<std::uint16_t>() % 2048U;
  const auto pattern = input.take(1 + input.pick(64));
  Bytes plain(bytes, std::byte{'-'});
  for (std::size_t i = 0; i < plain.size() && !pattern.empty(); ++i) {
    plain[i] = pattern[i % pattern.size()];
  }
  return plain;
}

/// A copy of exactly the size, and what comes of it: twice the same.
void check_decompression(fuzzing::ByteSpan stored, std::size_t plain_bytes) {
  const Bytes exact(stored.begin(), stored.end());
  Bytes plain(plain_bytes, std::byte{0xA5});
  Bytes again(plain_bytes, std::byte{0x5A});
  wal::ChunkDecompressor decompressor;
  const bool is_whole = decompressor.decompress(exact, plain);
  must_hold(decompressor.decompress(exact, again) == is_whole, "a chunk is whole or it is not");
  if (!is_whole) {
    return;
  }
  must_hold(plain == again, "a whole chunk fills every byte");
  Bytes one_more(plain_bytes + 1);
  must_hold(!decompressor.decompress(exact, one_more), "a frame has one size");
  wal::ChunkCompressor compressor;
  const auto packed = compressor.compress(plain);
  if (!packed.empty()) {
    must_hold(decompressor.decompress(packed, again) && again == plain,
              "what is compressed comes back");
  }
}

void run_compressed_chunk(fuzzing::ByteSpan data) {
  Input input(data);
  if (input.flag()) {
    const std::size_t plain_bytes = input.read<std::uint32_t>() % (wal::kValueChunkBytesMax + 1);
    Bytes stored(input.flag() ? sizeof(kFrameMagic) : 0);
    if (!stored.empty()) {
      base::store(stored, 0, kFrameMagic);
    }
    base::append_bytes(stored, input.rest());
    check_decompression(stored, plain_bytes);
    return;
  }
  const Bytes plain = plain_of_input(input);
  wal::ChunkCompressor compressor;
  const auto packed = compressor.compress(plain);
  Bytes stored(packed.begin(), packed.end());
  check_decompression(stored, plain.size());
  const std::size_t claimed = plain.size() + input.pick(3) - 1;
  constexpr std::array<std::uint64_t, 2> kPlaces = {0, 8};
  while (!input.empty()) {
    change(input, kPlaces, stored);
  }
  check_decompression(stored, std::min<std::size_t>(claimed, wal::kValueChunkBytesMax));
}

std::vector<Seed> compressed_chunk_seeds() {
  Bytes raw = SeedBytes().add_each({1, 0, 4, 0, 0, 0}).bytes();
  wal::ChunkCompressor compressor;
  base::append_bytes(raw, compressor.compress(Bytes(1024, std::byte{'z'})));
  return {
      {.name = "seed-whole",
       .bytes = SeedBytes().add_each({0, 0, 0, 4, 7}).add_text("pattern 1").bytes()},
      {.name = "seed-changed",
       .bytes = SeedBytes()
                    .add_each({0, 0, 0, 4, 7})
                    .add_text("pattern ")
                    .add_each({1, 5, 1, 2, 0, 9})
                    .bytes()},
      {.name = "seed-large",
       .bytes = SeedBytes().add_each({0, 1, 0, 0, 3, 0, 3}).add_text("abcd").bytes()},
      {.name = "seed-raw-frame", .bytes = raw},
      {.name = "seed-raw-magic", .bytes = SeedBytes().add_each({1, 9, 0, 0, 0, 1}).bytes()},
  };
}

}  // namespace

fuzzing::Target compressed_chunk_target() {
  return {.name = "compressed_chunk",
          .run = run_compressed_chunk,
          .seeds = compressed_chunk_seeds,
          .mutations = 3000};
}

}  // namespace pluresdb::fuzz
