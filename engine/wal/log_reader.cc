// See log_reader.h.
#include "engine/wal/log_reader.h"

#include <algorithm>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "engine/crypto/master_keys.h"
#include "engine/io/file_system.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_reader.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {

Status visit_records(io::File& file, const ReadSpan& span, ValueMode mode,
                     const RecordVisitor& visit) {
  SegmentReader reader(file, span.segment->access, span.valid_end);
  return visit_records(reader, span, mode, visit);
}

Status visit_records(SegmentReader& reader, const ReadSpan& span, ValueMode mode,
                     const RecordVisitor& visit) {
  std::uint64_t offset = span.start_offset;
  while (offset < span.end_offset) {
    TRY_ASSIGN(Frame frame, reader.frame_at(offset));
    if (frame.kind == FrameKind::kNone) {
      TRY_ASSIGN(frame, reader.find_frame(offset + kAlignment));
    }
    if (frame.kind != FrameKind::kGroup || frame.offset >= span.end_offset ||
        frame.group.first_seq > span.range.last) {
      return {};
    }
    if (frame.group.record_count > 0 && frame.group.last_seq >= span.range.first) {
      TRY(reader.read_group(frame, mode, visit));
    }
    offset = frame.end;
  }
  return {};
}

Status replay_segments(SegmentSet& segments, Seq from, bool with_values,
                       const std::function<Status(const RecordView&)>& visit) {
  Seq next = from;  // Each seq once, also where the same group stands in two files.
  for (ReadSpan& span : segments.plan(from)) {
    const Result<std::shared_ptr<io::File>> file = segments.file_of(*span.segment);
    if (!file && file.error().code == ErrorCode::kNotFound) {
      continue;  // Removed meanwhile: nobody needs it.
    }
    if (!file) {
      return std::unexpected(file.error());
    }
    span.range.first = std::max(span.range.first, from);
    TRY(visit_records(**file, span, with_values ? ValueMode::kRead : ValueMode::kSkip,
                      [&](const ReadRecord& record) -> Status {
                        const Seq seq = record.view.seq;
                        if (seq < next || seq < span.range.first || seq > span.range.last ||
                            !record.value_readable) {
                          return {};
                        }
                        next = seq + 1;
                        return visit(record.view);
                      }));
  }
  return {};
}

Result<std::string> read_large_value(SegmentSet& segments, Seq seq, std::uint64_t value_bytes,
                                     std::uint32_t crc) {
  // A second time when the segment was replaced by a rewritten one between look-up and opening.
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::optional<ValuePlace> place = segments.find_value(seq);
    if (!place) {
      break;
    }
    const ValueLocation& location = place->location;
    const std::string name = fmt::format("value of seq {} in {}", seq, place->segment->path);
    if (location.value_bytes != value_bytes || location.value_crc != crc) {
      return fail(ErrorCode::kCorruption, name + " is not the one asked for");
    }
    const Result<std::shared_ptr<io::File>> file = segments.file_of(*place->segment);
    if (!file && file.error().code == ErrorCode::kNotFound) {
      continue;
    }
    if (!file) {
      return std::unexpected(file.error());
    }
    // Hardly a byte more than the value is read; compressed it ends before the second of these.
    const SegmentAccess& access = place->segment->access;
    const std::uint64_t end =
        std::min(place->end, location.offset + encoded_value_bytes(value_bytes, access.layout()));
    SegmentReader reader(**file, access, end);
    RecordView record;
    record.seq = seq;
    record.value_bytes = value_bytes;
    record.value_crc = crc;
    std::string value;
    TRY_ASSIGN(const bool intact, reader.read_value(location.offset, record, &value));
    if (!intact) {
      return fail(ErrorCode::kCorruption, name + " is damaged");
    }
    return value;
  }
  return fail(ErrorCode::kNotFound, fmt::format("value of seq {}: its segment is gone", seq));
}

Status visit_large_values_of(
    SegmentSet& segments, std::uint64_t segment_id,
    const std::function<Status(Seq, std::string_view, std::uint64_t)>& visit) {
  const std::shared_ptr<const Segment> segment = segments.find(segment_id);
  if (segment == nullptr) {
    return fail(ErrorCode::kNotFound, fmt::format("segment {:x}", segment_id));
  }
  TRY_ASSIGN(const std::shared_ptr<io::File> file, segments.file_of(*segment));
  const std::optional<ReadSpan> whole = segments.whole_span(segment_id);
  if (!whole) {
    return fail(ErrorCode::kNotFound, fmt::format("segment {:x}", segment_id));
  }
  return visit_records(*file, *whole, ValueMode::kSkip, [&](const ReadRecord& record) -> Status {
    if (!record.view.value_in_log) {
      return {};
    }
    return visit(record.view.seq, record.view.id,
                 kChunkHeaderBytes + segment->access.layout().tag_bytes() +
                     encoded_record_bytes(record.view) + record.value_stored_bytes);
  });
}

Status validate_segments(SegmentSet& segments, const crypto::MasterKeys* keys,
                         ValidationReport& report) {
  const std::vector<Segment> all = segments.snapshot();
  const std::shared_ptr<Segment> newest = segments.newest();
  for (const Segment& segment : all) {
    const Result<std::shared_ptr<io::File>> file = segments.file_of(segment);
    if (!file && file.error().code == ErrorCode::kNotFound) {
      if (segments.find(segment.id) != nullptr) {
        const SeqRange held{.first = segment.first_seq, .last = segment.last_seq};
        add_missing_segment(report, segment.path,
                            held.last == 0 ? std::vector<SeqRange>{} : std::vector{held});
      }
      continue;
    }
    if (!file) {
      return std::unexpected(file.error());
    }
    std::optional<Predecessor> known_end = segment.known_end;
    if (segment.active) {  // Groups behind this are being written: not damage.
      known_end = {
          .id = segment.id, .valid_bytes = segment.valid_end, .last_seq = segment.last_written_seq};
    }
    TRY_ASSIGN(SegmentScan scan,
               scan_segment(**file, {.name = segment.path,
                                     .id = segment.id,
                                     .known_end = known_end,
                                     .first_seq_at_least = segment.lowest_seq,
                                     .has_successor = newest != nullptr && segment.id < newest->id,
                                     .is_rewritten = segment.rewritten,
                                     .verify_values = true,
                                     .keys = keys}));
    if (scan.loss_is_unbounded) {
      std::vector<SeqRange> others;
      for (const Segment& other : all) {
        if (other.id != segment.id) {
          others.push_back(seq_span(other));
        }
      }
      name_unbounded_loss(scan, segment.path, std::move(others));
    }
    add_to_report(report, scan);
  }
  return {};
}

}  // namespace pluresdb::wal
