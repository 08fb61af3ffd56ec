// Goal: the scan of any segment ends, yields only records whose checksums are right and which lie
// in what it calls valid, and loses nothing that was durable without naming it; with keys it yields
// only what was written there. Method: segments as the engine makes them, then damaged (any bytes)
// or forged (checksums made to fit), and segments of odd frames. The model is what was written.
// docs/formats/wal.md "Recovery".
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/crypto/master_keys.h"
#include "engine/fuzz/driver/target.h"
#include "engine/fuzz/fixed_random.h"
#include "engine/fuzz/memory_files.h"
#include "engine/fuzz/segment_maker.h"
#include "engine/fuzz/support.h"
#include "engine/fuzz/targets.h"
#include "engine/wal/chunk_compression.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_reader.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::fuzz {
namespace {

/// What a scan is told about the file from elsewhere.
enum class Told : std::uint8_t { kNothing, kKnownEnd, kSuccessor, kAnyEnd };
enum class Making : std::uint8_t { kGenuine, kForged, kOdd };

struct Case {
  MadeSegment made;
  Bytes bytes;  ///< As they are scanned.
  Making making = Making::kGenuine;
  Told told = Told::kNothing;
  wal::ScanRequest request;

  [[nodiscard]] bool is_untouched() const { return bytes == made.bytes; }
  [[nodiscard]] bool is_encrypted() const { return request.keys != nullptr; }
};

struct Visited {
  Seq seq = 0;
  std::string text;
  bool value_in_log = false;
};

// ---- What stands in the file, found without the reader's walk ----

/// Offsets of the chunks that hold each readable record.
std::map<std::string, std::uint64_t> readable_records(const Case& test) {
  std::map<std::string, std::uint64_t> found;
  const wal::SegmentAccess& access = test.made.access;
  const base::ByteSpan all(test.bytes);
  wal::ChunkDecompressor decompressor;
  for (std::uint64_t at = wal::kSegmentHeaderBytes; at + wal::kChunkHeaderBytes <= all.size();
       at += wal::kAlignment) {
    if (base::load<std::uint32_t>(all, at) != wal::kChunkMagic) {
      continue;
    }
    const auto chunk = wal::decode_chunk_header(all.subspan(at), access.salt, at, access.layout());
    const std::uint64_t body = at + wal::kChunkHeaderBytes;
    if (!chunk || base::align_up(chunk->payload_bytes, wal::kAlignment) > all.size() - body) {
      continue;
    }
    const auto padded = all.subspan(body, base::align_up(chunk->payload_bytes, wal::kAlignment));
    if (base::crc32c(padded) != chunk->payload_crc) {
      continue;
    }
    Bytes payload(padded.begin(), padded.begin() + chunk->payload_bytes);
    if (access.opener != nullptr) {
      Bytes plain(payload.size() - access.layout().tag_bytes());
      const auto opened = wal::open_payload(*access.opener, at, all.subspan(at), payload, plain);
      if (!opened || !*opened) {
        continue;
      }
      payload = plain;
    }
    if (chunk->plain_bytes != 0) {
      Bytes plain(chunk->plain_bytes);
      if (!decompressor.decompress(payload, plain)) {
        continue;
      }
      payload = plain;
    }
    std::size_t offset = 0;
    wal::RecordView record;
    while (chunk->kind == wal::ChunkKind::kRecords && wal::decode_record(payload, offset, record)) {
      if (record.actor.size() <= kActorBytesMax && record.id.size() <= kDocumentIdBytesMax) {
        found.emplace(text_of_record(record), at);
      }
    }
  }
  return found;
}

/// Every header whose CRC is right, with its bytes, and whether a chunk's payload is right, too.
using Structures = std::set<std::tuple<std::uint64_t, std::string, bool>>;
Structures structures_of(const Bytes& bytes, const MadeSegment& made) {
  Structures found;
  const wal::FrameLayout layout = made.layout();
  const std::uint64_t salt = made.header.salt;
  const base::ByteSpan all(bytes);
  for (const std::uint64_t at : {std::uint64_t{0}, wal::kSegmentHeaderCopyBytes}) {
    const auto copy = all.subspan(std::min<std::size_t>(at, all.size()));
    if (copy.size() >= wal::kSegmentHeaderCopyBytes &&
        wal::decode_header_copy(copy.first(wal::kSegmentHeaderCopyBytes)).header) {
      found.emplace(at, base::as_text(copy.first(wal::kSegmentHeaderCopyBytes)), true);
    }
  }
  // All magics begin with this.
  const std::string_view text = base::as_text(all);
  for (std::size_t at = text.find('W');
       at < text.size() && text.size() - at >= wal::kChunkHeaderBytes;
       at = text.find('W', at + 1)) {
    const auto rest = all.subspan(at);
    const auto add = [&](std::uint64_t count, bool whole) {
      found.emplace(at, base::as_text(rest.first(std::min<std::size_t>(count, rest.size()))),
                    whole);
    };
    if (wal::decode_group_header(rest, salt, at, layout) ||
        wal::decode_footer_header(rest, salt, at, layout) ||
        wal::decode_trailer(rest.first(std::min<std::size_t>(rest.size(), layout.trailer_bytes())),
                            salt, at, layout)) {
      add(layout.group_header_bytes(), true);
    }
    if (const auto chunk = wal::decode_chunk_header(rest, salt, at, layout)) {
      const std::uint64_t padded = base::align_up(chunk->payload_bytes, wal::kAlignment);
      const bool fits = padded <= rest.size() - wal::kChunkHeaderBytes;
      const bool whole =
          fits && base::crc32c(rest.subspan(wal::kChunkHeaderBytes, padded)) == chunk->payload_crc;
      add(wal::kChunkHeaderBytes + (whole ? padded : 0), whole);
    }
  }
  return found;
}

/// Whether the changes have made a checksum that fits: then damage is not what they are.
bool has_new_structure(const Case& test) {
  const Structures before = structures_of(test.made.bytes, test.made);
  return std::ranges::any_of(structures_of(test.bytes, test.made), [&](const auto& structure) {
    return !before.contains(structure) && std::get<2>(structure);
  });
}

// ---- What must hold of every scan ----

bool stands_at(const Case& test, std::uint64_t offset, std::uint32_t magic) {
  return offset <= test.bytes.size() && sizeof(magic) <= test.bytes.size() - offset &&
         base::load<std::uint32_t>(test.bytes, offset) == magic;
}

void check_shape(const Case& test, const wal::SegmentScan& scan) {
  must_hold(scan.file_bytes == test.bytes.size(), "a scan knows how long its file is");
  must_hold(scan.valid_end >= wal::kSegmentHeaderBytes || test.told == Told::kAnyEnd,
            "groups begin behind the header");
  must_hold(test.request.known_end.has_value() ||
                scan.valid_end <= std::max(scan.file_bytes, wal::kSegmentHeaderBytes),
            "what is valid lies in the file");
  // A segment with a successor may have died while it was sealed: all its groups are there.
  const bool is_torn_footer =
      test.request.has_successor && stands_at(test, scan.valid_end, wal::kFooterMagic);
  must_hold(!scan.torn ||
                (!test.request.known_end && (scan.valid_end >= scan.durable_end || is_torn_footer)),
            "torn is only what nothing proves to have been durable");
  must_hold(scan.torn_bytes <= scan.file_bytes, "what is torn lies in the file");
  must_hold(scan.damages.empty() || !scan.problems.empty(), "damage has a text");
  for (const wal::DamagedBytes& damage : scan.damages) {
    must_hold(damage.begin <= damage.end, "damage has a beginning and an end");
  }
  for (std::size_t i = 0; i < scan.lost.size(); ++i) {
    must_hold(scan.lost[i].first <= scan.lost[i].last, "lost seqs are ranges");
    must_hold(i == 0 || scan.lost[i - 1].last < scan.lost[i].first, "lost seqs ascend");
  }
  must_hold(scan.records <= scan.file_bytes, "records have bytes");
}

void check_visited(const Case& test, const wal::SegmentScan& scan,
                   const std::vector<Visited>& visited) {
  const auto readable = readable_records(test);
  std::uint64_t counted = 0;
  Seq previous = 0;
  for (const Visited& record : visited) {
    const auto found = readable.find(record.text);
    must_hold(found != readable.end(), "a record that is yielded has its checksums right");
    must_hold(record.seq > previous, "records are yielded in the order of their seqs");
    previous = record.seq;
    if (scan.records > 0 && record.seq <= scan.last_seq) {
      ++counted;
      must_hold(found->second < scan.valid_end, "a record that counts lies in what is valid");
    }
  }
  must_hold(counted == scan.records, "what counts was yielded");
}

/// Large values of records that were yielded can be read, and are what the record says.
void check_values(const Case& test, const wal::SegmentScan& scan,
                  const std::vector<Visited>& visited, io::File& file) {
  std::set<Seq> yielded;
  for (const Visited& record : visited) {
    if (record.value_in_log) {
      yielded.insert(record.seq);
    }
  }
  for (const wal::ValueLocation& location : scan.values) {
    wal::SegmentReader reader(file, scan.access, scan.file_bytes);
    std::string value;
    wal::RecordView record;
    record.seq = location.seq;
    record.value_in_log = true;
    record.value_bytes = location.value_bytes;
    record.value_crc = location.value_crc;
    const bool is_whole = must_give(reader.read_value(location.offset, record, &value), "a read");
    must_hold(is_whole || !test.request.verify_values || !yielded.contains(location.seq),
              "a value that was verified can be read");
    must_hold(!is_whole || (value.size() == location.value_bytes &&
                            base::crc32c(base::as_bytes(value)) == location.value_crc),
              "a value is what its record says");
  }
}

// ---- What must hold where the model knows what was written ----

bool is_intact(const Case& test, std::uint64_t begin, std::uint64_t end) {
  return end <= test.bytes.size() &&
         std::equal(test.bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                    test.bytes.begin() + static_cast<std::ptrdiff_t>(end),
                    test.made.bytes.begin() + static_cast<std::ptrdiff_t>(begin));
}

bool has_header(const Case& test) {
  return is_intact(test, 0, wal::kSegmentHeaderCopyBytes) ||
         is_intact(test, wal::kSegmentHeaderCopyBytes, wal::kSegmentHeaderBytes);
}

/// Everything before it was durable, as what is left of the file or somebody else proves.
std::uint64_t proven_end(const Case& test) {
  const MadeSegment& made = test.made;
  std::uint64_t end = wal::kSegmentHeaderBytes;
  if (test.request.known_end) {
    return test.request.known_end->valid_bytes;
  }
  for (const MadeGroup& group : made.groups) {
    if (is_intact(test, group.begin, group.end)) {
      end = std::max(end, group.durable_offset);
    }
  }
  const std::uint64_t trailer_bytes = made.layout().trailer_bytes();
  const bool has_trailer = made.sealed && test.bytes.size() == made.bytes.size() &&
                           is_intact(test, made.bytes.size() - trailer_bytes, made.bytes.size());
  if (has_trailer) {
    end = made.groups_end;
  }
  if (made.header.rewritten || test.told == Told::kSuccessor) {
    const auto last = std::find_if(test.bytes.rbegin(), test.bytes.rend(),
                                   [](std::byte b) { return b != std::byte{0}; });
    end = std::max(end, static_cast<std::uint64_t>(test.bytes.rend() - last));
  }
  return end;
}

bool is_named_lost(const wal::SegmentScan& scan, Seq seq) {
  return std::ranges::any_of(
      scan.lost, [seq](const SeqRange& range) { return range.first <= seq && seq <= range.last; });
}

/// Without a successor's own words nothing says which seqs the end of a segment had: its damage is
/// reported, and the seqs are named by what the next segment begins with (recovery).
bool is_unnamed_end(const Case& test, const wal::SegmentScan& scan, const MadeGroup& group) {
  const bool is_damaged = std::ranges::any_of(scan.damages, [&](const wal::DamagedBytes& damage) {
    return damage.begin <= group.begin && group.begin < damage.end;
  });
  return test.told == Told::kSuccessor && is_damaged && group.seqs.back() > scan.highest_seq;
}

void check_nothing_lost_silently(const Case& test, const wal::SegmentScan& scan,
                                 const std::vector<Visited>& visited) {
  std::set<Seq> counted;
  for (const Visited& record : visited) {
    if (scan.records > 0 && record.seq <= scan.last_seq) {
      counted.insert(record.seq);
    }
  }
  const std::uint64_t end = proven_end(test);
  for (const MadeGroup& group : test.made.groups) {
    for (const Seq seq : group.seqs) {
      must_hold(group.end > end || counted.contains(seq) || is_named_lost(scan, seq) ||
                    is_unnamed_end(test, scan, group),
                "what was durable is there, or named lost");
      must_hold(!test.request.known_end || group.begin < end || !counted.contains(seq),
                "what a successor declares void does not count");
    }
  }
}

void check_only_genuine(const Case& test, const std::vector<Visited>& visited) {
  for (const Visited& record : visited) {
    must_hold(test.made.records.contains(record.text), "only what was written is yielded");
  }
}

void check_untouched(const Case& test, const wal::SegmentScan& scan) {
  const std::optional<wal::Predecessor>& end = test.request.known_end;
  if (test.made.access.opener && test.made.sealed && end &&
      end->valid_bytes != test.made.groups_end) {
    must_hold(scan.is_other_version && scan.tampered_places > 0,
              "a proven end that the successor does not state is another version");
    return;
  }
  must_hold(!scan.is_damaged() && !scan.torn && scan.lost.empty() && scan.tampered_places == 0,
            "an intact segment is intact");
  must_hold(scan.header == test.made.header, "an intact header is read");
  std::uint64_t records = 0;
  for (const MadeGroup& group : test.made.groups) {
    if (!test.request.known_end || group.end <= test.request.known_end->valid_bytes) {
      records += group.seqs.size();
    }
  }
  must_hold(scan.records == records, "an intact segment has all its records");
}

void check_scan(const Case& test) {
  const auto file = MemoryFiles::open_bytes(test.bytes);
  std::vector<Visited> visited;
  wal::ScanRequest request = test.request;
  request.visit = [&visited](const wal::RecordView& record) {
    if (record.actor.size() <= kActorBytesMax && record.id.size() <= kDocumentIdBytesMax) {
      visited.push_back(
          {.seq = record.seq, .text = text_of_record(record), .value_in_log = record.value_in_log});
    }
  };
  const auto scan = wal::scan_segment(*file, request);
  if (!scan) {
    const ErrorCode code = scan.error().code;
    must_hold(code == ErrorCode::kUnsupportedVersion || code == ErrorCode::kKeyUnavailable ||
                  code == ErrorCode::kCorruption,
              "a scan that fails says why");
    must_hold(!test.is_untouched(), "an intact segment is read");
    return;
  }
  check_shape(test, *scan);
  if (scan->access.salt == test.made.access.salt) {
    check_visited(test, *scan, visited);
  }
  check_values(test, *scan, visited, *file);
  if (test.making == Making::kOdd || test.told == Told::kAnyEnd) {
    return;
  }
  if (test.is_untouched()) {
    check_untouched(test, *scan);
  }
  const bool is_proven =
      test.is_encrypted() || (test.making == Making::kGenuine && !has_new_structure(test));
  if (is_proven && has_header(test)) {
    check_only_genuine(test, visited);
    check_nothing_lost_silently(test, *scan, visited);
  }
}

// ---- The input ----

wal::ScanRequest request_of(Input& input, const Case& test) {
  const MadeSegment& made = test.made;
  wal::ScanRequest request{.name = "segment", .id = made.header.id};
  request.keys = made.access.opener != nullptr ? &fixed_keys() : nullptr;
  request.verify_values = input.pick(4) != 1;
  request.is_rewritten = made.header.rewritten;
  request.first_seq_at_least = made.header.first_seq;
  if (test.told == Told::kKnownEnd) {
    const std::size_t kept = input.pick(made.groups.size() + 1);
    request.known_end = wal::Predecessor{.id = made.header.id,
                                         .valid_bytes = wal::kSegmentHeaderBytes,
                                         .last_seq = made.header.first_seq - 1};
    if (kept > 0) {
      request.known_end->valid_bytes = made.groups[kept - 1].end;
      request.known_end->last_seq = made.groups[kept - 1].seqs.back();
    }
  } else if (test.told == Told::kAnyEnd) {
    request.known_end = wal::Predecessor{
        .id = made.header.id, .valid_bytes = input.number(), .last_seq = input.number()};
    request.is_rewritten = input.flag();
    request.first_seq_at_least = input.number();
  }
  request.has_successor = test.told != Told::kNothing;
  return request;
}

void run_segment(fuzzing::ByteSpan data) {
  restart_random(5);
  Input input(data);
  Case test;
  const auto version = static_cast<Version>(input.pick(3));
  test.making = static_cast<Making>(input.pick(3));
  test.told = static_cast<Told>(input.pick(4));
  const bool is_odd = test.making == Making::kOdd;
  test.made = is_odd ? make_odd_segment(input, version) : make_segment(input, version);
  if (test.told == Told::kKnownEnd && (is_odd || test.made.header.rewritten)) {
    test.told = Told::kNothing;  // Only appended segments have a successor that says so.
  }
  test.request = request_of(input, test);
  test.bytes = test.made.bytes;
  const SegmentPlaces places = places_in(test.made);
  const std::vector<std::uint64_t> offsets = places.all();
  while (!input.empty()) {
    change(input, offsets, test.bytes);
  }
  if (test.making == Making::kForged) {
    fit_crcs(places, test.made, test.bytes);
  }
  check_scan(test);
}

std::vector<Seed> segment_seeds() {
  // Version, making, told, rewritten; groups: records of each {actor, id, type, value, in log},
  // lag.
  const auto made = [](int version, int making, int told) {
    SeedBytes seed;
    seed.add_each({version, making, told});
    if (version != 1) {
      seed.add_each({0});
    }
    seed.add_each({2});
    seed.add_each({1, 0, 1, 0, 0, 100, 0, 0, 1, 2, 1, 0});  // Put, delete.
    seed.add_each({0, 2, 3, 0, 0, 200, 1, 1, 0});           // A value in the log.
    seed.add_each({2, 0, 4, 0, 0, 9, 0, 0, 1, 5, 2, 0, 6, 0, 0, 40, 1, 0, 1});
    if (version != 1) {
      seed.add_each({1});
    }
    return seed.add_each({1, 0, 2});
  };
  std::vector<Seed> seeds;
  for (const auto& [name, version] :
       {std::pair("plain", 0), std::pair("compressed", 1), std::pair("encrypted", 2)}) {
    const std::string prefix = std::string("seed-") + name;
    seeds.push_back({.name = prefix, .bytes = made(version, 0, 0).bytes()});
    seeds.push_back({.name = prefix + "-damaged",
                     .bytes = made(version, 0, 1).add_each({5, 6, 40, 3, 1, 2, 3}).bytes()});
    seeds.push_back(
        {.name = prefix + "-cut", .bytes = made(version, 0, 2).add_each({0, 4, 30, 0}).bytes()});
    seeds.push_back({.name = prefix + "-forged",
                     .bytes = made(version, 1, 0).add_each({5, 3, 24, 0, 99}).bytes()});
    seeds.push_back({.name = prefix + "-odd",
                     .bytes = SeedBytes()
                                  .add_each({version, 2, 0, 0, 4, 5, 2, 0, 0, 0, 0, 0, 0, 0, 0})
                                  .add_each({1, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
                                  .add_each({6, 1, 1, 0, 5, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0})
                                  .bytes()});
  }
  return seeds;
}

}  // namespace

fuzzing::Target segment_target() {
  return {.name = "segment", .run = run_segment, .seeds = segment_seeds, .mutations = 4000};
}

}  // namespace pluresdb::fuzz
