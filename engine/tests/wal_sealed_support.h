// What the tests of encrypted logs share: keys, options, where everything stands in a file, and an
// attacker who can compute checksums.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/crc32c.h"
#include "engine/crypto/master_keys.h"
#include "engine/crypto/secret_bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_layout.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"

namespace pluresdb::wal_test {

/// Of a store with this mark, generations `oldest` .. `newest`; the same for the same arguments.
inline crypto::MasterKeys keys_of(unsigned char mark, crypto::Generation newest = 1,
                                  crypto::Generation oldest = 1) {
  std::map<crypto::Generation, crypto::SecretBytes> keys;
  for (crypto::Generation generation = oldest; generation <= newest; ++generation) {
    std::array<std::byte, 32> bytes{};
    bytes.fill(std::byte{mark});
    base::store(base::MutableByteSpan(bytes), 0, generation);
    auto key = crypto::SecretBytes::copy_of(bytes);
    DB_CHECK(key.has_value());
    keys.emplace(generation, *std::move(key));
  }
  crypto::StoreId store{};
  store.fill(std::byte{mark});
  return {store, 1, std::move(keys)};
}

inline const crypto::MasterKeys& test_keys() {
  static const crypto::MasterKeys keys = keys_of(7);
  return keys;
}

inline wal::LogOptions sealed_options(io::FileSystem& files,
                                      const crypto::MasterKeys& keys = test_keys()) {
  wal::LogOptions options = test_options(files);
  options.keys = &keys;
  return options;
}

struct Extent {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  [[nodiscard]] bool holds(std::uint64_t at) const { return at >= begin && at < end; }
};

/// Where everything stands in an intact encrypted segment.
struct SealedLayout {
  Layout file;                 // Bytes and groups.
  std::vector<Extent> chunks;  // Padding included.
  Extent footer_header;        // Empty when the file is not sealed.
  Extent footer_body;
  Extent third_copy;
  Extent trailer;
  std::uint64_t salt = 0;
};

inline SealedLayout sealed_layout_of(const std::vector<std::byte>& bytes) {
  constexpr wal::FrameLayout kLayout(true);
  SealedLayout layout;
  layout.file = layout_of(bytes, &test_keys());
  layout.salt = wal::decode_segment_header(bytes).header->salt;
  const base::ByteSpan all(bytes);
  for (const Group& group : layout.file.groups) {
    std::uint64_t at = group.begin + kLayout.group_header_bytes();
    while (at < group.end) {
      const auto chunk = wal::decode_chunk_header(all.subspan(at), layout.salt, at, kLayout);
      DB_CHECK(chunk.has_value());
      const std::uint64_t end =
          at + wal::kChunkHeaderBytes + base::align_up(chunk->payload_bytes, wal::kAlignment);
      layout.chunks.push_back({.begin = at, .end = end});
      at = end;
    }
  }
  const std::uint64_t footer_at = layout.file.groups_end;
  const auto footer =
      wal::decode_footer_header(all.subspan(footer_at), layout.salt, footer_at, kLayout);
  if (footer) {
    layout.footer_header = {.begin = footer_at, .end = footer_at + kLayout.footer_header_bytes()};
    layout.footer_body = {.begin = layout.footer_header.end,
                          .end = layout.footer_header.end + footer->body_bytes};
    layout.third_copy = {.begin = layout.footer_body.end,
                         .end = layout.footer_body.end + kLayout.third_copy_bytes()};
    layout.trailer = {.begin = layout.third_copy.end,
                      .end = layout.third_copy.end + kLayout.trailer_bytes()};
  }
  return layout;
}

/// Makes every checksum right again, where everything stands as `layout` says.
inline void repair_checksums(const SealedLayout& layout, std::vector<std::byte>& bytes) {
  constexpr wal::FrameLayout kLayout(true);
  const base::MutableByteSpan all(bytes);
  const auto repair_copy = [&all](std::uint64_t at) {
    const auto copy = all.subspan(at, wal::kSegmentHeaderCopyBytes);
    base::store(copy, 8, base::crc32c(copy.subspan(12)));
  };
  repair_copy(0);
  repair_copy(wal::kSegmentHeaderCopyBytes);
  for (const Group& group : layout.file.groups) {
    wal::finish_header(all.subspan(group.begin, kLayout.group_header_bytes()));
  }
  for (const Extent& chunk : layout.chunks) {
    const auto header = all.subspan(chunk.begin, wal::kChunkHeaderBytes);
    const auto payload = all.subspan(chunk.begin + wal::kChunkHeaderBytes,
                                     chunk.end - chunk.begin - wal::kChunkHeaderBytes);
    wal::finish_chunk_header(base::crc32c(payload), layout.salt, chunk.begin, header);
  }
  if (layout.trailer.end != 0) {
    const auto body =
        all.subspan(layout.footer_body.begin, layout.footer_body.end - layout.footer_body.begin);
    const auto header = all.subspan(layout.footer_header.begin, kLayout.footer_header_bytes());
    base::store(header, wal::kFooterBodyCrcOffset, base::crc32c(body));
    wal::finish_header(header);
    repair_copy(layout.third_copy.begin);
    wal::finish_header(all.subspan(layout.trailer.begin, kLayout.trailer_bytes()));
  }
}

}  // namespace pluresdb::wal_test
