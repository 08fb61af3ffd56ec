// Segments for a target: as the engine writes them, or of frames that are odd in any way but have
// every checksum and tag right. And what is known about them without a scan.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/crypto/chunk_sealer.h"
#include "engine/fuzz/driver/input.h"
#include "engine/fuzz/memory_files.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>

namespace pluresdb::fuzz {

/// What a record says, as one text: two are equal when nothing differs but the value in the log.
std::string text_of_record(const wal::RecordView& record);

struct MadeGroup {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t durable_offset = 0;
  std::vector<Seq> seqs{};
};

struct MadeSegment {
  wal::SegmentHeader header;
  wal::SegmentAccess access;
  Bytes bytes;
  std::vector<MadeGroup> groups;  ///< Of an odd segment: none.
  std::set<std::string> records;  ///< text_of_record of all of them; of an odd segment: none.
  std::uint64_t groups_end = wal::kSegmentHeaderBytes;
  Seq last_seq = 0;
  bool sealed = false;

  [[nodiscard]] wal::FrameLayout layout() const { return access.layout(); }
};

enum class Version : std::uint8_t { kPlain, kCompressed, kEncrypted };

/// As the engine's own writers make it.
MadeSegment make_segment(fuzzing::Input& input, Version version);
/// A good header, then frames of any fields, with what a reader checks computed last.
MadeSegment make_odd_segment(fuzzing::Input& input, Version version);

/// Where headers and payloads stand in an intact segment.
struct SegmentPlaces {
  std::vector<std::uint64_t> groups;
  std::map<std::uint64_t, std::uint64_t> chunks;  ///< Header -> end, padding included.
  std::optional<std::uint64_t> footer;
  std::uint64_t footer_body_bytes = 0;
  std::optional<std::uint64_t> trailer;

  [[nodiscard]] std::vector<std::uint64_t> all() const;
};
SegmentPlaces places_in(const MadeSegment& segment);
/// Every CRC is right again, as somebody without a key can make it.
void fit_crcs(const SegmentPlaces& places, const MadeSegment& segment, Bytes& bytes);

}  // namespace pluresdb::fuzz
