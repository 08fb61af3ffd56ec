// Goal: whoever changes an encrypted log is found out, also when all checksums are right again; a
// crash is never taken for tampering; of what was not touched nothing is lost.
// Method: every byte of a log of three segments is flipped, with and without repaired checksums,
// and each segment is cut at every byte, the outcome predicted from the layout and tail_rule.h, at
// the level of the scan. Then whole logs are opened with parts exchanged.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_layout.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_sealed_support.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::size_t kSegments = 3;

/// Groups of two records, every fourth one with a large value. Segment ids from 1.
struct SmallLog {
  MemoryDisk disk;
  std::vector<SealedLayout> files;
  std::map<Seq, std::string> values;

  explicit SmallLog(bool is_closed, const crypto::MasterKeys& keys = test_keys(),
                    std::uint64_t seed = 0) {
    TestLog test(options(disk, keys));
    EXPECT_TRUE(succeeded(test.open()));
    std::size_t in_the_last = 0;
    while (in_the_last < 4) {
      const std::uint64_t written = values.size() + seed;
      const std::string first = payload(written % 8 == 2 ? 603 : 60, written);  // With padding.
      const std::string second = payload(41, written + 1);
      const std::vector<wal::AppendRequest> batch = {{.actor = "a", .id = "doc", .value = first},
                                                     {.actor = "a", .id = "doc", .value = second}};
      const auto seq = test.log->append_batch(batch);
      EXPECT_TRUE(succeeded(seq));
      values[*seq] = first;
      values[*seq + 1] = second;
      in_the_last += test.log->segments().size() == kSegments ? 1U : 0U;
    }
    if (is_closed) {
      EXPECT_TRUE(succeeded(test.log->close()));
    }
    if (&keys == &test_keys()) {
      for (std::uint64_t id = 1; id <= kSegments; ++id) {
        files.push_back(sealed_layout_of(disk.contents(segment_path(id))));
        EXPECT_GE(files.back().file.groups.size(), 3U);
      }
    }
  }
  static wal::LogOptions options(MemoryDisk& disk, const crypto::MasterKeys& keys = test_keys()) {
    wal::LogOptions made = sealed_options(disk, keys);
    made.segment_bytes = 10ULL << 10;
    made.large_value_bytes = 500;
    return made;
  }
  /// What the successor's header says about file `index`.
  [[nodiscard]] std::optional<wal::Predecessor> known_end_of(std::size_t index) const {
    if (index + 1 == files.size()) {
      return std::nullopt;
    }
    return wal::decode_segment_header(files[index + 1].file.bytes).header->predecessor;
  }
};

struct Seen {
  wal::SegmentScan scan;
  std::set<Seq> lost;
};

Seen scan_of(std::uint64_t id, const Bytes& bytes, std::optional<wal::Predecessor> known_end) {
  MemoryDisk disk;
  disk.set_contents("segment", bytes);
  const auto file = disk.open("segment", io::OpenMode::kRead);
  EXPECT_TRUE(succeeded(file));
  auto scan = wal::scan_segment(
      **file, {.name = "segment", .id = id, .known_end = known_end, .keys = &test_keys()});
  EXPECT_TRUE(succeeded(scan));
  Seen seen;
  if (!scan) {
    return seen;
  }
  seen.scan = *std::move(scan);
  for (const SeqRange& range : seen.scan.lost) {
    for (Seq seq = range.first; seq <= range.last; ++seq) {
      EXPECT_TRUE(seen.lost.insert(seq).second) << "named twice: " << seq;
    }
  }
  return seen;
}

std::set<Seq> seqs_of(const Group& group) {
  std::set<Seq> seqs;
  for (Seq seq = group.first_seq; seq <= group.last_seq; ++seq) {
    seqs.insert(seq);
  }
  return seqs;
}

std::uint64_t record_count(const Layout& file) {
  return file.groups.back().last_seq - file.groups.front().first_seq + 1;
}

const Group* group_at(const Layout& file, std::uint64_t at) {
  const auto found = std::ranges::find_if(
      file.groups, [at](const Group& group) { return at >= group.begin && at < group.end; });
  return found == file.groups.end() ? nullptr : &*found;
}

/// Every byte, of the zeros in the header only some.
std::vector<std::uint64_t> places(const SealedLayout& layout) {
  std::vector<std::uint64_t> result;
  for (std::uint64_t at = 0; at < layout.file.bytes.size(); ++at) {
    const bool in_copy = at < wal::kSegmentHeaderBytes || layout.third_copy.holds(at);
    const std::uint64_t in_header =
        (layout.third_copy.holds(at) ? at - layout.third_copy.begin : at) %
        wal::kSegmentHeaderCopyBytes;
    if (!in_copy || in_header < 256 || in_header % 97 == 0) {
      result.push_back(at);
    }
  }
  return result;
}

void expect_all_there(const SealedLayout& layout, const Seen& seen) {
  ASSERT_EQ(seen.scan.records, record_count(layout.file));
  ASSERT_TRUE(seen.lost.empty());
}

/// Without repaired checksums: the rulings are those of a log that is not encrypted.
void expect_rotten(const SealedLayout& layout, const Seen& seen, std::uint64_t at,
                   bool has_successor) {
  const bool is_sealed = layout.trailer.end != 0;
  ASSERT_EQ(seen.scan.tampered_places, 0U) << "bit rot is no tampering";
  const Group* const group = group_at(layout.file, at);
  if (group == nullptr) {
    ASSERT_NO_FATAL_FAILURE(expect_all_there(layout, seen));
    const bool is_ignored = layout.trailer.holds(at) && has_successor;
    const bool is_torn = !is_sealed || (layout.trailer.holds(at) && !has_successor);
    if (at < wal::kSegmentHeaderBytes || !is_sealed) {
      ASSERT_EQ(seen.scan.is_damaged(), at < wal::kSegmentHeaderBytes);
    } else {
      ASSERT_EQ(seen.scan.is_damaged(), !is_ignored && !is_torn);
      ASSERT_EQ(seen.scan.torn, is_torn);
    }
    return;
  }
  const bool is_durable = is_sealed || group != &layout.file.groups.back();
  ASSERT_EQ(seen.scan.torn, !is_durable);
  ASSERT_EQ(seen.scan.is_damaged(), is_durable);
  if (!is_durable) {
    ASSERT_TRUE(seen.lost.empty());
    ASSERT_EQ(seen.scan.valid_end, group->begin);
    return;
  }
  ASSERT_FALSE(seen.lost.empty());
  ASSERT_TRUE(std::ranges::includes(seqs_of(*group), seen.lost)) << "a neighbour was lost";
  ASSERT_EQ(seen.scan.records + seen.lost.size(), record_count(layout.file));
}

TEST(WalTampering, EveryFlippedByteIsBitRotAsTheTableSays) {
  for (const bool is_closed : {true, false}) {
    const SmallLog log(is_closed);
    for (std::size_t index = 0; index < kSegments; ++index) {
      const SealedLayout& layout = log.files[index];
      const auto known_end = log.known_end_of(index);
      for (const std::uint64_t at : places(layout)) {
        Bytes bytes = layout.file.bytes;
        bytes[at] ^= std::byte{1} << static_cast<int>(at % 8);
        const Seen seen = scan_of(index + 1, bytes, known_end);
        ASSERT_NO_FATAL_FAILURE(expect_rotten(layout, seen, at, known_end.has_value()))
            << "segment " << index + 1 << ", byte " << at;
      }
    }
  }
}

/// What a repaired checksum makes good again, or hides from whoever looks for a frame: a reader
/// that meets no frame there cannot know that it is not rot.
enum class Kind { kChecksum, kShape, kBound };
Kind kind_in_header(std::uint64_t at) {
  if (at >= 8 && at < 12) {
    return Kind::kChecksum;
  }
  const bool is_shape = at < 8 || (at >= 12 && at < 16) || (at >= 112 && at < 116);
  return is_shape ? Kind::kShape : Kind::kBound;
}
/// Of group header, footer header, trailer: magic, salt, own place.
Kind kind_in_frame(std::uint64_t at) {
  if (at >= 4 && at < 8) {
    return Kind::kChecksum;
  }
  return at < 24 ? Kind::kShape : Kind::kBound;
}

struct Touched {
  Kind kind = Kind::kBound;
  bool must_be_seen = true;  // As tampering: no other reading of it is possible.
};
Touched touched_at(const SealedLayout& layout, std::uint64_t at) {
  if (at < wal::kSegmentHeaderBytes) {
    const Kind kind = kind_in_header(at % wal::kSegmentHeaderCopyBytes);
    return {.kind = kind, .must_be_seen = kind == Kind::kBound};
  }
  if (const Group* const group = group_at(layout.file, at)) {
    const std::uint64_t header_bytes = wal::FrameLayout(true).group_header_bytes();
    if (at < group->begin + header_bytes) {
      return {.kind = kind_in_frame(at - group->begin),
              .must_be_seen = at >= group->begin + wal::kGroupHeaderBytes};
    }
    const auto chunk = std::ranges::find_if(
        layout.chunks, [at](const Extent& extent) { return extent.holds(at); });
    const std::uint64_t inside = at - chunk->begin;
    const bool is_checksum = (inside >= 4 && inside < 8) || (inside >= 16 && inside < 20);
    return {.kind = is_checksum ? Kind::kChecksum : Kind::kBound,
            .must_be_seen = inside >= wal::kChunkHeaderBytes};
  }
  if (layout.third_copy.holds(at)) {
    const Kind kind = kind_in_header(at - layout.third_copy.begin);
    return {.kind = kind, .must_be_seen = kind == Kind::kBound};
  }
  if (layout.footer_body.holds(at)) {
    return {};
  }
  if (layout.footer_header.holds(at)) {
    const std::uint64_t inside = at - layout.footer_header.begin;
    const bool is_body_crc = inside >= 52 && inside < 56;
    return {.kind = is_body_crc ? Kind::kChecksum : kind_in_frame(inside),
            .must_be_seen = inside >= wal::kFooterHeaderBytes};
  }
  if (layout.trailer.holds(at)) {
    const std::uint64_t inside = at - layout.trailer.begin;
    return {.kind = kind_in_frame(inside), .must_be_seen = inside >= wal::kTrailerBytes};
  }
  return {.kind = Kind::kShape, .must_be_seen = false};  // Unused.
}

void expect_found_out(const SealedLayout& layout, const Seen& seen, std::uint64_t at,
                      bool has_successor) {
  const auto& [scan, lost] = seen;
  const Touched touched = touched_at(layout, at);
  const Group* const group = group_at(layout.file, at);
  if (touched.kind == Kind::kChecksum) {  // Nothing was changed.
    ASSERT_EQ(scan.tampered_places, 0U);
    ASSERT_FALSE(scan.is_damaged() || scan.torn);
    ASSERT_NO_FATAL_FAILURE(expect_all_there(layout, seen));
    return;
  }
  if (scan.tampered_places == 0) {
    ASSERT_FALSE(touched.must_be_seen) << "tampering was not seen";
    ASSERT_NO_FATAL_FAILURE(expect_rotten(layout, seen, at, has_successor));
    return;
  }
  // Never torn, never the end, also in the last group.
  ASSERT_TRUE(scan.is_damaged() && !scan.torn);
  ASSERT_EQ(scan.tampered_places, 1U);
  if (group == nullptr) {
    ASSERT_NO_FATAL_FAILURE(expect_all_there(layout, seen));
    return;
  }
  ASSERT_FALSE(lost.empty());
  ASSERT_TRUE(std::ranges::includes(seqs_of(*group), lost)) << "a neighbour was lost";
  ASSERT_EQ(scan.records + lost.size(), record_count(layout.file)) << "not all seqs are named";
  const bool in_header = at < group->begin + wal::FrameLayout(true).group_header_bytes();
  ASSERT_TRUE(!in_header || lost == seqs_of(*group));
  // A tag may end with zeros, which look unused at the end of a segment.
  ASSERT_TRUE(std::ranges::any_of(scan.damages, [group](const wal::DamagedBytes& damage) {
    return damage.begin == group->begin && damage.end <= group->end &&
           damage.end + wal::kAlignment >= group->end;
  })) << "exactly the group is kept aside";
}

TEST(WalTampering, EveryByteFlippedUnderRightChecksumsIsFoundOut) {
  for (const bool is_closed : {true, false}) {
    const SmallLog log(is_closed);
    for (std::size_t index = 0; index < kSegments; ++index) {
      const SealedLayout& layout = log.files[index];
      const auto known_end = log.known_end_of(index);
      for (const std::uint64_t at : places(layout)) {
        Bytes bytes = layout.file.bytes;
        bytes[at] ^= std::byte{1} << static_cast<int>(at % 8);
        repair_checksums(layout, bytes);
        const Seen seen = scan_of(index + 1, bytes, known_end);
        ASSERT_NO_FATAL_FAILURE(expect_found_out(layout, seen, at, known_end.has_value()))
            << "segment " << index + 1 << ", byte " << at << (is_closed ? " (closed)" : "");
      }
    }
  }
}

/// What a crash may leave: bytes are missing from some place on, as zeros or altogether.
TEST(WalTampering, ASegmentCutAtAnyByteIsACrashAndNoTampering) {
  for (const bool is_closed : {true, false}) {
    const SmallLog log(is_closed);
    for (std::size_t index = 0; index < kSegments; ++index) {
      const SealedLayout& layout = log.files[index];
      const auto known_end = log.known_end_of(index);
      for (std::uint64_t length = wal::kSegmentHeaderBytes; length < layout.file.bytes.size();
           ++length) {
        SCOPED_TRACE(length);
        Bytes bytes = layout.file.bytes;
        if (length % 2 == 0) {
          bytes.resize(length);
        } else {
          std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(length), bytes.end(), std::byte{0});
        }
        const Seen seen = scan_of(index + 1, bytes, known_end);
        ASSERT_EQ(seen.scan.tampered_places, 0U);
        std::uint64_t whole = 0;
        for (const Group& group : layout.file.groups) {
          if (group.begin >= bytes.size()) {
            break;
          }
          // The last bytes of a group may be zeros, and then nothing is missing.
          whole +=
              std::equal(bytes.begin() + static_cast<std::ptrdiff_t>(group.begin),
                         bytes.begin() + static_cast<std::ptrdiff_t>(
                                             std::min<std::uint64_t>(group.end, bytes.size())),
                         layout.file.bytes.begin() + static_cast<std::ptrdiff_t>(group.begin)) &&
                      group.end <= bytes.size()
                  ? seqs_of(group).size()
                  : 0;
        }
        if (known_end) {
          ASSERT_GE(seen.scan.records, whole);
          ASSERT_EQ(seen.scan.records + seen.lost.size(), record_count(layout.file));
        } else {
          ASSERT_EQ(seen.scan.records, whole);
          ASSERT_TRUE(seen.lost.empty());
        }
      }
    }
  }
}

struct Outcome {
  std::set<Seq> readable;
  std::set<Seq> lost;
  ValidationReport report;
};

/// Opens the log twice: each record is there, unchanged, or it is named lost; recovery does not
/// change its mind.
Outcome open_twice(const SmallLog& log, MemoryDisk& disk) {
  Outcome outcome;
  for (int round = 0; round < 2; ++round) {
    TestLog test(SmallLog::options(disk));
    const Status opened = test.open();
    EXPECT_TRUE(succeeded(opened));
    if (!opened) {
      return outcome;
    }
    std::set<Seq> readable;
    for (const Record& record : test.read_all().value_or(std::vector<Record>())) {
      EXPECT_TRUE(log.values.contains(record.seq) && log.values.at(record.seq) == record.value)
          << "wrong bytes at seq " << record.seq;
      readable.insert(record.seq);
    }
    EXPECT_TRUE(round == 0 || readable == outcome.readable);
    outcome.readable = std::move(readable);
    outcome.report = round == 0 ? test.log->recovery().validation : outcome.report;
  }
  for (const SeqRange& range : outcome.report.lost) {
    for (Seq seq = range.first; seq <= range.last; ++seq) {
      outcome.lost.insert(seq);
    }
  }
  return outcome;
}

void expect_nothing_vanished(const SmallLog& log, const Outcome& outcome) {
  for (const auto& [seq, value] : log.values) {
    EXPECT_NE(outcome.readable.contains(seq), outcome.lost.contains(seq)) << seq;
  }
}

void copy_range(const Bytes& from, const Extent& source, Bytes& to, std::uint64_t target) {
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(source.begin), source.end - source.begin,
              to.begin() + static_cast<std::ptrdiff_t>(target));
}

TEST(WalTampering, ChunksAndGroupsThatChangedPlacesAreFoundOut) {
  const SmallLog log(true);
  const SealedLayout& layout = log.files[1];
  const auto size_of = [](const Extent& extent) { return extent.end - extent.begin; };
  // Two chunks of the same size, in different groups.
  std::optional<std::pair<Extent, Extent>> pair;
  for (const Extent& first : layout.chunks) {
    for (const Extent& second : layout.chunks) {
      if (!pair && first.begin < second.begin && size_of(first) == size_of(second)) {
        pair.emplace(first, second);
      }
    }
  }
  ASSERT_TRUE(pair.has_value());
  Bytes bytes = layout.file.bytes;
  copy_range(layout.file.bytes, pair->first, bytes, pair->second.begin);
  copy_range(layout.file.bytes, pair->second, bytes, pair->first.begin);
  repair_checksums(layout, bytes);
  auto disk = log.disk.clone();
  disk->set_contents(segment_path(2), bytes);
  const Outcome chunks = open_twice(log, *disk);
  EXPECT_EQ(chunks.report.tampered_places, 2U);
  expect_nothing_vanished(log, chunks);

  // Two groups of the same size, each telling its new place.
  std::optional<std::pair<Group, Group>> groups;
  for (const Group& first : layout.file.groups) {
    for (const Group& second : layout.file.groups) {
      if (!groups && first.begin < second.begin &&
          first.end - first.begin == second.end - second.begin) {
        groups.emplace(first, second);
      }
    }
  }
  ASSERT_TRUE(groups.has_value());
  bytes = layout.file.bytes;
  const auto& [first, second] = *groups;
  copy_range(layout.file.bytes, {.begin = first.begin, .end = first.end}, bytes, second.begin);
  copy_range(layout.file.bytes, {.begin = second.begin, .end = second.end}, bytes, first.begin);
  base::store(base::MutableByteSpan(bytes), first.begin + 16, first.begin);
  base::store(base::MutableByteSpan(bytes), second.begin + 16, second.begin);
  repair_checksums(layout, bytes);
  disk = log.disk.clone();
  disk->set_contents(segment_path(2), bytes);
  const Outcome swapped = open_twice(log, *disk);
  // One of them may say that bytes behind it were durable: no group at all.
  EXPECT_GE(swapped.report.tampered_places, 1U);
  expect_nothing_vanished(log, swapped);
  for (const Group& group : {first, second}) {
    EXPECT_TRUE(std::ranges::includes(swapped.lost, seqs_of(group)));
  }
}

TEST(WalTampering, SegmentsThatChangedNamesAreFoundOut) {
  const SmallLog log(true);
  const auto disk = log.disk.clone();
  disk->set_contents(segment_path(1), log.files[1].file.bytes);
  disk->set_contents(segment_path(2), log.files[0].file.bytes);
  const Outcome outcome = open_twice(log, *disk);
  EXPECT_EQ(outcome.report.tampered_places, 2U);
  EXPECT_FALSE(outcome.report.is_healthy());
}

TEST(WalTampering, OneCopyOfAHeaderFromElsewhereIsFoundOutAndHarmless) {
  const SmallLog log(true);
  for (const std::uint64_t copy : {0U, 1U}) {
    Bytes bytes = log.files[1].file.bytes;
    const std::uint64_t begin = copy * wal::kSegmentHeaderCopyBytes;
    copy_range(log.files[0].file.bytes, {.begin = 0, .end = wal::kSegmentHeaderCopyBytes}, bytes,
               begin);
    if (copy == 1) {  // Even one that says that nothing is encrypted.
      Bytes plain(wal::kSegmentHeaderBytes);
      auto header = *wal::decode_segment_header(log.files[1].file.bytes).header;
      header.envelope.reset();
      wal::encode_segment_header(header, plain);
      copy_range(plain, {.begin = 0, .end = wal::kSegmentHeaderCopyBytes}, bytes, begin);
    }
    const auto disk = log.disk.clone();
    disk->set_contents(segment_path(2), bytes);
    const Outcome outcome = open_twice(log, *disk);
    EXPECT_EQ(outcome.report.tampered_places, 1U);
    EXPECT_TRUE(outcome.lost.empty());
    EXPECT_EQ(outcome.readable.size(), log.values.size());
  }
}

/// The successor's header is all that makes the end of a segment known: an attacker who shortens it
/// cannot say so there.
TEST(WalTampering, AShortenedSegmentIsNamedByItsSuccessor) {
  const SmallLog log(true);
  const auto disk = log.disk.clone();
  Bytes bytes = log.files[0].file.bytes;
  bytes.resize(log.files[0].file.groups[1].begin);
  disk->set_contents(segment_path(1), bytes);
  const Outcome outcome = open_twice(log, *disk);
  expect_nothing_vanished(log, outcome);
  EXPECT_FALSE(outcome.lost.empty());
  EXPECT_EQ(outcome.report.tampered_places, 0U) << "it may have been a disk";
}

/// The last group of a log that was not closed: damaged it would be torn, changed it is named, kept
/// aside, and the log goes on behind it.
TEST(WalTampering, TheUnprovenEndIsNeverTornByTampering) {
  const SmallLog log(false);
  const SealedLayout& layout = log.files.back();
  const Group last = layout.file.groups.back();
  for (const std::uint64_t at : {last.begin + wal::kGroupHeaderBytes + 6,
                                 last.begin + wal::FrameLayout(true).group_header_bytes() + 40}) {
    SCOPED_TRACE(at - last.begin);
    Bytes bytes = layout.file.bytes;
    bytes[at] ^= std::byte{1};
    repair_checksums(layout, bytes);
    const auto disk = log.disk.clone();
    disk->set_contents(segment_path(kSegments), bytes);
    const Outcome outcome = open_twice(log, *disk);
    EXPECT_EQ(outcome.report.tampered_places, 1U);
    EXPECT_EQ(outcome.report.torn_tails, 0U);
    expect_nothing_vanished(log, outcome);
    EXPECT_FALSE(outcome.lost.empty());
    EXPECT_TRUE(std::ranges::includes(seqs_of(last), outcome.lost)) << "a neighbour was lost";
    const auto kept = disk->list(kQuarantine);
    ASSERT_TRUE(succeeded(kept));
    ASSERT_EQ(kept->size(), 1U);
    const auto copy = disk->contents(io::join_path(kQuarantine, kept->front()));
    EXPECT_TRUE(
        std::ranges::equal(copy, base::ByteSpan(bytes).subspan(last.begin, last.end - last.begin)));

    TestLog test(SmallLog::options(*disk));
    ASSERT_TRUE(succeeded(test.open()));
    const auto seq = test.put("doc", "behind it");
    ASSERT_TRUE(succeeded(seq));
    EXPECT_GT(*seq, last.last_seq);
    ASSERT_TRUE(succeeded(test.open()));
    EXPECT_EQ(test.log->recovery().validation.tampered_places, 1U) << "it is still there";
    EXPECT_EQ(test.seqs().size(), outcome.readable.size() + 1);
  }
}

/// The same password does not make two stores one: their master keys are different.
TEST(WalTampering, ASegmentOfAnotherStoreIsRefusedByName) {
  const SmallLog log(true);
  static const crypto::MasterKeys other_keys = keys_of(8);
  const SmallLog other(true, other_keys);
  const auto disk = log.disk.clone();
  disk->set_contents(segment_path(2), other.disk.contents(segment_path(2)));
  const auto before = disk->files();
  TestLog test(SmallLog::options(*disk));
  const Status opened = test.open();
  ASSERT_TRUE(failed_with(opened, ErrorCode::kCorruption));
  EXPECT_NE(opened.error().context.find(wal::segment_name(2)), std::string::npos);
  EXPECT_EQ(disk->files(), before);
}

/// The same store, another segment's groups at the same places: another file, another key.
TEST(WalTampering, GroupsOfAnotherSegmentAreFoundOut) {
  const SmallLog log(true);
  const SealedLayout& target = log.files[1];
  // Of the same size, at the same place.
  std::optional<std::pair<Group, Group>> pair;
  for (const Group& into : target.file.groups) {
    for (const Group& from : log.files[0].file.groups) {
      if (into.begin == from.begin && into.end == from.end) {
        pair.emplace(into, from);
      }
    }
  }
  ASSERT_TRUE(pair.has_value());
  const auto& [group, source] = *pair;
  Bytes bytes = target.file.bytes;
  copy_range(log.files[0].file.bytes, {.begin = source.begin, .end = source.end}, bytes,
             group.begin);
  base::store(base::MutableByteSpan(bytes), group.begin + 8, target.salt);
  repair_checksums(target, bytes);
  const auto disk = log.disk.clone();
  disk->set_contents(segment_path(2), bytes);
  const Outcome outcome = open_twice(log, *disk);
  EXPECT_GE(outcome.report.tampered_places, 1U);
  expect_nothing_vanished(log, outcome);
  EXPECT_EQ(outcome.lost, seqs_of(group));
}

}  // namespace
}  // namespace pluresdb::wal_test
