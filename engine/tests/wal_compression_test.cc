// Goal: compressed chunks lose nothing, save space, and nothing that stands in them can do harm.
// Method: segments are rewritten with compression, read in every way, then flipped byte by byte;
// and chunks are put in whose checksums are right and whose frames are not.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zstd.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/io/file_system.h"
#include "engine/tests/forwarding_file_system.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/chunk_compression.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

using base::ByteSpan;
using Bytes = std::vector<std::byte>;

bool everything(const wal::RecordView& /*record*/) { return true; }

/// Lines as a tool prints them.
std::string text_of_log(std::size_t count, std::uint64_t seed) {
  std::string text;
  for (std::uint64_t line = 0; text.size() < count; ++line) {
    text += fmt::format("12:{:02}:{:02} [info] compiled target {} in {} ms\n", line / 60 % 60,
                        line % 60, (seed + line * 7919) % 400, (seed * 31 + line * 17) % 900);
  }
  text.resize(count);
  return text;
}

/// Bytes that no compressor makes smaller.
std::string noise(std::size_t count, std::uint64_t seed) {
  std::string bytes;
  std::uint64_t state = seed * 2654435761U + 1;
  while (bytes.size() < count) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    bytes.push_back(static_cast<char>(state >> 56U));
  }
  return bytes;
}

Bytes frame_of(const std::string& plain) {
  Bytes frame(ZSTD_compressBound(plain.size()));
  frame.resize(ZSTD_compress(frame.data(), frame.size(), plain.data(), plain.size(), 3));
  return frame;
}

Bytes first_of(const Bytes& bytes, std::size_t count) {
  const auto first = ByteSpan(bytes).first(count);
  return {first.begin(), first.end()};
}

Bytes joined(Bytes first, const Bytes& second) {
  first.insert(first.end(), second.begin(), second.end());
  return first;
}

/// One segment with every kind of value, then a second, newest one.
struct MixedLog {
  explicit MixedLog(bool compress) : test(disk) {
    test.options.compress_rewritten = compress;
    EXPECT_TRUE(succeeded(test.open()));
    const std::string multi_part =
        text_of_log(300'000, 3) + noise(250'000, 4) + text_of_log(100'000, 5);
    for (const std::string& value :
         {std::string("small"), text_of_log(6000, 1), noise(7000, 2), std::string("also small"),
          multi_part, noise(300'000, 6) + text_of_log(300'000, 7), text_of_log(256 << 10, 8),
          std::string(5000, 'z'), std::string("last")}) {
      const auto seq = test.put("doc", value);
      EXPECT_TRUE(succeeded(seq));
      values[seq.value_or(0)] = value;
    }
    EXPECT_TRUE(succeeded(test.put("doc", text_of_log(60'000, 9))));
    EXPECT_TRUE(succeeded(test.put("doc", text_of_log(60'000, 10))));
  }
  /// Rewrites what holds `values`.
  std::uint64_t rewrite() {
    std::vector<std::uint64_t> inputs;
    for (const auto& info : test.log->segments()) {
      if (info.last_seq <= values.rbegin()->first) {
        inputs.push_back(info.id);
      }
    }
    EXPECT_FALSE(inputs.empty());
    const auto output = test.log->rewrite_segments(inputs, everything);
    EXPECT_TRUE(succeeded(output));
    return output.value_or(0);
  }
  wal::SegmentInfo info_of(std::uint64_t id) const {
    for (const auto& info : test.log->segments()) {
      if (info.id == id) {
        return info;
      }
    }
    return {};
  }
  void expect_values() {
    const auto records = test.read_all();
    ASSERT_TRUE(succeeded(records));
    ASSERT_EQ(records->size(), values.size() + 2);
    for (const Record& record : *records) {
      if (values.contains(record.seq)) {
        ASSERT_TRUE(record.value == values[record.seq]) << record.seq;
      }
    }
    for (const auto& [seq, value] : values) {
      if (value.size() >= test.options.large_value_bytes) {
        const auto read =
            test.log->read_value(seq, value.size(), base::crc32c(base::as_bytes(value)));
        ASSERT_TRUE(succeeded(read));
        ASSERT_TRUE(*read == value) << seq;
      }
    }
    const auto report = test.log->validate();
    ASSERT_TRUE(succeeded(report));
    ASSERT_TRUE(report->is_healthy()) << report->problems.front();
  }

  MemoryDisk disk;
  TestLog test;
  std::map<Seq, std::string> values;
};

std::uint32_t version_of(const MemoryDisk& disk, std::uint64_t id) {
  return base::load<std::uint32_t>(disk.contents(segment_path(id)), 12);
}

TEST(WalCompression, ARewrittenSegmentIsSmallerAndReadsTheSame) {
  MixedLog plain(false);
  const auto plain_id = plain.rewrite();
  plain.expect_values();
  EXPECT_EQ(version_of(plain.disk, plain_id), 1U) << "readable by the first version";
  EXPECT_FALSE(plain.info_of(plain_id).compressed);

  MixedLog log(true);
  EXPECT_EQ(version_of(log.disk, log.test.log->segments().front().id), 1U) << "appended: plain";
  const auto id = log.rewrite();
  EXPECT_EQ(version_of(log.disk, id), 2U);
  for (int round = 0; round < 2; ++round) {
    log.expect_values();
    EXPECT_TRUE(log.info_of(id).compressed);
    // 568 KB of noise, and what follows it in the same value, stay as they are.
    EXPECT_LT(log.info_of(id).file_bytes + 500'000, plain.info_of(plain_id).file_bytes);
    EXPECT_EQ(log.info_of(id).large_value_bytes, plain.info_of(plain_id).large_value_bytes);
    ASSERT_TRUE(succeeded(log.test.open()));
  }
}

TEST(WalCompression, StoredBytesAreThoseInTheFile) {
  MixedLog log(true);
  const auto id = log.rewrite();
  std::map<Seq, std::uint64_t> stored;
  ASSERT_TRUE(succeeded(log.test.log->visit_large_values(
      id, [&](Seq seq, std::string_view, std::uint64_t bytes) -> Status {
        stored[seq] = bytes;
        return {};
      })));
  ASSERT_EQ(stored.size(), 6U);
  std::uint64_t sum = 0;
  for (const auto& [seq, bytes] : stored) {
    const std::string& value = log.values[seq];
    const bool begins_with_noise = value == noise(7000, 2) || value.starts_with(noise(300'000, 6));
    EXPECT_EQ(bytes > wal::encoded_value_bytes(value.size()), begins_with_noise) << seq;
    sum += bytes;
  }
  EXPECT_LT(sum, log.info_of(id).file_bytes);
  EXPECT_GT(sum + wal::kFileOverheadBytes, log.info_of(id).file_bytes);
}

TEST(WalCompression, SmallRecordsAreCompressedTogether) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.compress_rewritten = true;
  ASSERT_TRUE(succeeded(test.open()));
  for (std::uint64_t i = 0; test.log->segments().size() < 2; ++i) {
    ASSERT_TRUE(succeeded(test.put("doc", text_of_log(200, i))));
  }
  const auto before = test.seqs();
  const auto input = test.log->segments().front();
  const auto output = test.log->rewrite_segments(std::vector{input.id}, everything);
  ASSERT_TRUE(succeeded(output));
  for (int round = 0; round < 2; ++round) {
    for (const auto& info : test.log->segments()) {
      EXPECT_TRUE(info.id != *output || info.file_bytes < input.file_bytes / 2);
    }
    const auto records = test.read_all();
    ASSERT_TRUE(succeeded(records));
    ASSERT_EQ(records->size(), before.size());
    for (const Record& record : *records) {
      ASSERT_EQ(record.value, text_of_log(200, record.seq - 1));
    }
    ASSERT_TRUE(succeeded(test.open()));
    EXPECT_TRUE(test.log->recovery().validation.is_healthy());
  }
}

TEST(WalCompression, WhatIsCompressedStaysSoWithoutTheOption) {
  MixedLog log(true);
  const auto first = log.rewrite();
  const auto first_bytes = log.info_of(first).file_bytes;
  log.test.options.compress_rewritten = false;
  ASSERT_TRUE(succeeded(log.test.open()));
  const auto second = log.test.log->rewrite_segments(std::vector{first}, everything);
  ASSERT_TRUE(succeeded(second));
  EXPECT_TRUE(log.info_of(*second).compressed);
  EXPECT_EQ(log.info_of(*second).file_bytes, first_bytes);
  log.expect_values();
}

// --- Reading back
// ---------------------------------------------------------------------------------

/// Flips one bit of what is written to the temporary file of a rewrite: a device that does not keep
/// what it was given.
class FlippingFile final : public io::ForwardingFile {
 public:
  FlippingFile(std::unique_ptr<io::File> file, std::uint64_t target)
      : ForwardingFile(std::move(file)), target_(target) {}
  Status write(std::uint64_t offset, base::ByteSpan data) override {
    Bytes bytes(data.begin(), data.end());
    if (target_ >= offset && target_ < offset + bytes.size()) {
      bytes[target_ - offset] ^= std::byte{1};
    }
    return ForwardingFile::write(offset, bytes);
  }

 private:
  std::uint64_t target_;
};

class FlippingDisk final : public io::ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  std::uint64_t target = ~0ULL;

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    TRY_ASSIGN(std::unique_ptr<io::File> file, ForwardingFileSystem::open(path, mode));
    if (path.find("rewrite-") == std::string::npos) {
      return file;
    }
    return std::make_unique<FlippingFile>(std::move(file), target);
  }
};

TEST(WalCompression, TheInputsStayUntilTheOutputReadsBack) {
  MemoryDisk disk;
  FlippingDisk flipping(disk);
  TestLog test(flipping);
  test.options.compress_rewritten = true;
  ASSERT_TRUE(succeeded(test.open()));
  for (const std::uint64_t seed : {1U, 2U}) {
    ASSERT_TRUE(succeeded(test.put("doc", text_of_log(9000, seed))));
    ASSERT_TRUE(succeeded(test.put("doc", text_of_log(90, seed))));
  }
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("doc", "newest")));
  const auto before = disk.files();
  const std::vector<std::uint64_t> inputs{1};
  std::uint64_t refused = 0;
  for (flipping.target = 0;; flipping.target += 13) {
    SCOPED_TRACE("byte " + std::to_string(flipping.target));
    const auto output = test.log->rewrite_segments(inputs, everything);
    if (output) {
      break;  // Behind its end.
    }
    ++refused;
    ASSERT_TRUE(failed_with(output, ErrorCode::kCorruption));
    ASSERT_EQ(disk.files(), before);
  }
  EXPECT_GT(refused, 500U) << "header, groups, footer and trailer";
  const auto records = test.read_all();
  ASSERT_TRUE(succeeded(records));
  EXPECT_EQ(records->size(), 5U);
}

// --- Hostile frames
// -------------------------------------------------------------------------------

TEST(ChunkCompression, OnlyWhatSavesAnEighthIsCompressed) {
  wal::ChunkCompressor compressor;
  EXPECT_TRUE(compressor.compress({}).empty());
  EXPECT_TRUE(compressor.compress(base::as_bytes(std::string(255, 'a'))).empty());
  EXPECT_FALSE(compressor.compress(base::as_bytes(std::string(256, 'a'))).empty());
  EXPECT_TRUE(compressor.compress(base::as_bytes(noise(10'000, 1))).empty());
  wal::ChunkDecompressor decompressor;
  for (std::size_t text = 0; text <= 3000; text += 100) {
    const std::string plain = noise(3000 - text, text) + std::string(text, 'x');
    const auto stored = compressor.compress(base::as_bytes(plain));
    EXPECT_TRUE(text <= 300 ? stored.empty() : text < 500 || !stored.empty()) << text;
    EXPECT_LE(stored.size(), 3000 - 3000 / 8);
    Bytes back(stored.empty() ? 0 : plain.size());
    EXPECT_TRUE(stored.empty() || decompressor.decompress(stored, back));
    EXPECT_TRUE(stored.empty() || base::as_text(back) == plain);
  }
}

/// Frames that must not count as `plain`, by what is wrong with them.
std::map<std::string, Bytes> wrong_frames(const std::string& plain) {
  const Bytes good = frame_of(plain);
  std::map<std::string, Bytes> frames;
  frames["bomb"] = frame_of(std::string(64U << 20U, '\0'));
  frames["one byte too many"] = frame_of(plain + "x");
  frames["one byte too few"] = frame_of(plain.substr(1));
  frames["empty content"] = frame_of("");
  frames["nothing but a magic number"] = first_of(good, 4);
  frames["cut in the middle"] = first_of(good, good.size() / 2);
  frames["cut by a byte"] = first_of(good, good.size() - 1);
  frames["a byte behind it"] = joined(good, Bytes(1));
  frames["two frames"] = joined(frame_of(plain.substr(0, 100)), frame_of(plain.substr(100)));
  Bytes skippable(16);
  base::store(skippable, 0, std::uint32_t{0x184D2A50});
  base::store(skippable, 4, std::uint32_t{8});
  frames["a skippable frame before it"] = joined(skippable, good);
  frames["a skippable frame behind it"] = joined(good, skippable);
  Bytes lying = good;  // Single segment, two bytes of content size at 5.
  base::store(lying, 5, std::uint16_t{0xFFFF});
  frames["another content size"] = lying;
  Bytes other_format = good;  // v0.7 of the library, which it still reads.
  base::store(other_format, 0, std::uint32_t{0xFD2FB527});
  frames["an older format"] = other_format;
  Bytes needs_dictionary = good;
  needs_dictionary[4] |= std::byte{1};
  frames["a dictionary"] = needs_dictionary;
  const std::string rubbish = noise(500, 5);
  frames["rubbish"] = Bytes(base::as_bytes(rubbish).begin(), base::as_bytes(rubbish).end());
  return frames;
}

TEST(ChunkCompression, AnythingButOneFrameOfTheRightSizeIsRefused) {
  const std::string plain = text_of_log(6000, 1);
  wal::ChunkDecompressor decompressor;
  Bytes out(plain.size());
  for (const auto& [what, frame] : wrong_frames(plain)) {
    // Exactly as large as it may be: a sanitizer sees a byte behind it.
    EXPECT_FALSE(decompressor.decompress(frame, out)) << what;
  }
  ASSERT_TRUE(decompressor.decompress(frame_of(plain), out)) << "and works on afterwards";
  EXPECT_EQ(base::as_text(out), plain);
}

TEST(ChunkCompression, HeadersThatWouldAllocateTooMuchAreNone) {
  const auto decoded = [](wal::ChunkKind kind, std::uint32_t payload, std::uint32_t plain) {
    Bytes bytes(wal::kChunkHeaderBytes);
    wal::encode_chunk_header(
        {.kind = kind,
         .record_count = kind == wal::ChunkKind::kRecords ? std::uint16_t{3} : std::uint16_t{0},
         .payload_bytes = payload,
         .payload_crc = 1,
         .value_part = kind == wal::ChunkKind::kValue ? 7U : 0U,
         .plain_bytes = plain,
         .first_seq = 9},
        1, 4160, bytes);
    return wal::decode_chunk_header(bytes, 1, 4160);
  };
  const auto records = decoded(wal::ChunkKind::kRecords, 100, 64U << 10U);
  ASSERT_TRUE(records.has_value());
  EXPECT_EQ(records->record_count, 3U);
  EXPECT_EQ(records->plain_bytes, 64U << 10U);
  const auto value = decoded(wal::ChunkKind::kValue, 100, 256U << 10U);
  ASSERT_TRUE(value.has_value());
  EXPECT_EQ(value->value_part, 7U);
  EXPECT_FALSE(decoded(wal::ChunkKind::kRecords, 100, (64U << 10U) + 1).has_value());
  EXPECT_FALSE(decoded(wal::ChunkKind::kValue, 100, (256U << 10U) + 1).has_value());
  EXPECT_FALSE(decoded(wal::ChunkKind::kValue, 100, ~0U).has_value());
  EXPECT_FALSE(decoded(wal::ChunkKind::kValue, 0, 100).has_value());
}

// --- Damage
// ---------------------------------------------------------------------------------------

/// A rewritten segment of a few kilobytes, and a newest one behind it.
struct SmallCompressedLog {
  MemoryDisk disk;
  std::map<Seq, std::string> values;                              // Of the rewritten segment.
  std::map<Seq, std::pair<std::uint64_t, std::uint64_t>> places;  // Of large values: begin, end.
  std::uint64_t id = 0;
  std::uint64_t salt = 0;

  SmallCompressedLog() {
    TestLog test = made();
    EXPECT_TRUE(succeeded(test.open()));
    for (std::uint64_t i = 0; i < 12; ++i) {
      const std::string value =
          i % 3 == 1 ? text_of_log(900, i) : (i == 6 ? noise(700, i) : text_of_log(60, i));
      values[test.put("doc", value).value_or(0)] = value;
    }
    EXPECT_TRUE(succeeded(test.open()));  // As after a crash: a new segment.
    EXPECT_TRUE(succeeded(test.put("doc", "newest")));
    const auto output = test.log->rewrite_segments(std::vector<std::uint64_t>{1}, everything);
    EXPECT_TRUE(succeeded(output));
    id = output.value_or(0);
    const Bytes bytes = disk.contents(segment_path(id));
    salt = wal::decode_segment_header(bytes).header->salt;
    const auto trailer = wal::decode_trailer(ByteSpan(bytes).last(wal::kTrailerBytes), salt,
                                             bytes.size() - wal::kTrailerBytes);
    const auto footer = wal::decode_footer_header(ByteSpan(bytes).subspan(trailer->footer_offset),
                                                  salt, trailer->footer_offset);
    const auto index = wal::decode_footer_body(
        *footer, ByteSpan(bytes).subspan(trailer->footer_offset + wal::kFooterHeaderBytes,
                                         footer->body_bytes));
    for (const auto& value : index->values) {
      const auto chunk =
          wal::decode_chunk_header(ByteSpan(bytes).subspan(value.offset), salt, value.offset);
      places[value.seq] = {value.offset, value.offset + wal::kChunkHeaderBytes +
                                             base::align_up(chunk->payload_bytes, 8)};
    }
    EXPECT_EQ(places.size(), 5U);
  }

  TestLog made() {
    auto options = test_options(disk);
    options.segment_bytes = 64ULL << 10;
    options.large_value_bytes = 600;
    options.compress_rewritten = true;
    return TestLog(options);
  }

  /// Opens with other bytes, twice. Checks that each seq is there, unchanged, or named lost.
  std::set<Seq> lost_with(Bytes bytes) const {
    const auto damaged = disk.clone();
    damaged->set_contents(segment_path(id), std::move(bytes));
    std::set<Seq> lost;
    for (int round = 0; round < 2; ++round) {
      auto options = test_options(*damaged);
      options.large_value_bytes = 600;
      TestLog test(options);
      EXPECT_TRUE(succeeded(test.open()));
      if (test.log == nullptr) {
        return {};
      }
      std::set<Seq> named;
      for (const SeqRange& range : test.log->recovery().validation.lost) {
        for (Seq seq = range.first; seq <= range.last; ++seq) {
          named.insert(seq);
        }
      }
      EXPECT_TRUE(round == 0 || named == lost) << "a second recovery says something else";
      lost = named;
      const auto records = test.read_all();
      EXPECT_TRUE(succeeded(records));
      std::set<Seq> found;
      for (const Record& record : *records) {
        found.insert(record.seq);
        const auto known = values.find(record.seq);
        EXPECT_TRUE(known == values.end() ? record.value == "newest"
                                          : record.value == known->second);
      }
      for (const auto& [seq, value] : values) {
        EXPECT_NE(found.contains(seq), lost.contains(seq)) << seq;
        if (lost.contains(seq) && places.contains(seq)) {
          EXPECT_FALSE(succeeded(
              test.log->read_value(seq, value.size(), base::crc32c(base::as_bytes(value)))));
        }
      }
      EXPECT_TRUE(found.contains(test.log->recovery().last_seq)) << "the newest is not affected";
    }
    return lost;
  }
};

TEST(WalCompression, AnyFlippedByteIsNamedAndKeepsItsNeighbours) {
  const SmallCompressedLog log;
  const Bytes bytes = log.disk.contents(segment_path(log.id));
  EXPECT_TRUE(log.lost_with(bytes).empty());
  ASSERT_LT(bytes.size(), 16U << 10U);
  std::set<Seq> ever_lost;
  for (std::size_t at = wal::kSegmentHeaderBytes; at < bytes.size(); ++at) {
    SCOPED_TRACE("byte " + std::to_string(at));
    Bytes damaged = bytes;
    damaged[at] ^= std::byte{0x10};
    const auto lost = log.lost_with(std::move(damaged));
    ever_lost.insert(lost.begin(), lost.end());
    for (const auto& [seq, place] : log.places) {
      if (at >= place.first && at < place.second) {
        EXPECT_EQ(lost, std::set<Seq>{seq});
      }
    }
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_EQ(ever_lost.size(), log.values.size());
}

TEST(WalCompression, AFileCutAnywhereNamesWhatIsGone) {
  const SmallCompressedLog log;
  const Bytes bytes = log.disk.contents(segment_path(log.id));
  std::size_t most = 0;
  for (std::size_t size = wal::kSegmentHeaderBytes; size < bytes.size(); size += 40) {
    SCOPED_TRACE("cut at " + std::to_string(size));
    most = std::max(most, log.lost_with(first_of(bytes, size)).size());
    ASSERT_FALSE(testing::Test::HasFailure());
  }
  EXPECT_EQ(most, log.values.size());
}

/// Puts a compressed chunk with right checksums in the place of a value's.
Bytes with_chunk(const SmallCompressedLog& log, Seq seq, const Bytes& frame,
                 std::uint32_t plain_bytes) {
  Bytes bytes = log.disk.contents(segment_path(log.id));
  const auto [begin, end] = log.places.at(seq);
  const std::uint64_t room = end - begin - wal::kChunkHeaderBytes;
  Bytes payload = frame;
  payload.resize(std::min<std::size_t>(payload.size(), room));
  const auto payload_bytes = static_cast<std::uint32_t>(payload.size());
  payload.resize(base::align_up(payload.size(), 8));
  const auto at = base::MutableByteSpan(bytes).subspan(begin);
  std::ranges::fill(at.first(end - begin), std::byte{0});
  std::ranges::copy(payload, at.begin() + wal::kChunkHeaderBytes);
  wal::encode_chunk_header({.kind = wal::ChunkKind::kValue,
                            .payload_bytes = payload_bytes,
                            .payload_crc = base::crc32c(payload),
                            .value_part = 0,
                            .plain_bytes = plain_bytes,
                            .first_seq = seq},
                           log.salt, begin, at.first(wal::kChunkHeaderBytes));
  return bytes;
}

TEST(WalCompression, HostileChunksLoseTheirValueOnly) {
  const SmallCompressedLog log;
  const Seq seq = log.places.begin()->first;
  const std::string& value = log.values.at(seq);
  const auto plain_bytes = static_cast<std::uint32_t>(value.size());
  EXPECT_TRUE(log.lost_with(with_chunk(log, seq, frame_of(value), plain_bytes)).empty());
  auto frames = wrong_frames(value);
  frames["other bytes of the right size"] = frame_of(text_of_log(value.size(), 77));
  for (const auto& [what, frame] : frames) {
    SCOPED_TRACE(what);
    EXPECT_EQ(log.lost_with(with_chunk(log, seq, frame, plain_bytes)), std::set<Seq>{seq});
  }
  for (const std::uint32_t claimed : {plain_bytes - 1, plain_bytes + 1, 256U << 10U, ~0U}) {
    SCOPED_TRACE(claimed);
    EXPECT_EQ(log.lost_with(with_chunk(log, seq, frame_of(value), claimed)), std::set<Seq>{seq});
  }
}

// A sanitizer has its own memory, and words of its own when it gets no more.
#if !defined(PLURESDB_ADDRESS_SANITIZER) && !defined(PLURESDB_THREAD_SANITIZER)
constexpr std::size_t kPlainBytes = 100'000;

[[noreturn]] void decompress_without_memory(const Bytes& frame) {
  static std::array<std::byte, kPlainBytes> plain;
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  (void)::setrlimit(RLIMIT_DATA, &none);
  wal::ChunkDecompressor decompressor;
  std::exit(decompressor.decompress(frame, plain) ? 0 : 1);
}

TEST(ChunkDecompressorDeathTest, WithoutMemoryNothingIsTakenForDamage) {
  const Bytes frame = frame_of(text_of_log(kPlainBytes, 1));
  EXPECT_DEATH(decompress_without_memory(frame), "zstd: out of memory");
}
#endif

}  // namespace
}  // namespace pluresdb::wal_test
