// See parallel_replay.h. What is visited is exactly what replay_segments visits.
#include "engine/wal/parallel_replay.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/worker_team.h"
#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include "engine/wal/log_reader.h"
#include "engine/wal/segment_reader.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal {
namespace {

/// Threads seldom finish at the same time: with several pieces for each they wait less.
constexpr std::size_t kSlotsPerThread = 8;
/// A slot takes about 1 MiB. With more threads than this each has one.
constexpr std::size_t kSlotsMax = 16;

/// The decoded records of one piece, and the memory they lie in, which is used again and again.
class Slot {
 public:
  /// Decodes the records of `piece` with seqs from `next` on.
  Status decode(SegmentSet& segments, const ReadSpan& piece, Seq next) {
    records_.clear();
    copies_.clear();
    const Result<std::shared_ptr<io::File>> file = segments.file_of(*piece.segment);
    if (!file && file.error().code == ErrorCode::kNotFound) {
      return {};  // Removed meanwhile: nobody needs it.
    }
    if (!file) {
      return std::unexpected(file.error());
    }
    SegmentReader reader(**file, piece.segment->access, piece.valid_end);
    reader.adopt_memory(std::move(memory_));
    reader.limit_read_ahead(piece.end_offset);
    next = std::max(next, piece.range.first);
    // What was compressed takes more room than a window has.
    const bool fits_window =
        !piece.segment->compressed && piece.end_offset - piece.start_offset <= kReadWindowBytes;
    Status outcome = visit(reader, piece, next, !fits_window);
    if (outcome && fits_window && reader.window_fills() > 1) {
      // Damage made the reader look further: what was decoded before points to bytes that are gone.
      outcome = visit(reader, piece, next, true);
    }
    memory_ = reader.release_memory();
    return outcome;
  }

  [[nodiscard]] std::span<const RecordView> records() const { return records_; }

 private:
  static constexpr std::size_t kCopyBlockBytes = 256ULL << 10;

  /// `copies`: the texts are copied, because the window does not stay where it is.
  Status visit(SegmentReader& reader, const ReadSpan& piece, Seq next, bool copies) {
    records_.clear();
    return visit_records(reader, piece, ValueMode::kSkip, [&](const ReadRecord& record) -> Status {
      if (record.view.seq < next || record.view.seq > piece.range.last) {
        return {};
      }
      next = record.view.seq + 1;
      records_.push_back(record.view);
      if (copies) {
        keep_texts();
      }
      return {};
    });
  }

  /// Copies what the last record points to.
  void keep_texts() {
    RecordView& record = records_.back();
    for (std::string_view* const text : {&record.actor, &record.id, &record.value}) {
      if (copies_.empty() || copies_.back().capacity() - copies_.back().size() < text->size()) {
        copies_.emplace_back().reserve(std::max(kCopyBlockBytes, text->size()));
      }
      std::vector<std::byte>& block = copies_.back();
      const std::size_t begin = block.size();
      base::append_bytes(block, base::as_bytes(*text));
      *text = base::as_text(base::ByteSpan(block).subspan(begin));
    }
  }

  std::vector<RecordView> records_;
  SegmentReader::Memory memory_;
  std::vector<std::vector<std::byte>> copies_;  // None ever grows beyond its reserve.
};

}  // namespace

std::size_t replay_slots_of(const base::WorkerTeam& team) {
  return std::max(team.threads(), std::min(kSlotsPerThread * team.threads(), kSlotsMax));
}

Status replay_segments_in_parallel(SegmentSet& segments, Seq from, std::uint64_t piece_bytes,
                                   base::WorkerTeam& team, ReplaySink& sink) {
  const std::vector<ReadSpan> pieces = segments.plan_pieces(from, piece_bytes);
  std::vector<Slot> slots(std::min(replay_slots_of(team), pieces.size()));
  std::vector<Status> outcomes(slots.size());
  Seq next = from;  // Each seq once, also where the same group stands in two files.
  for (std::size_t first = 0; first < pieces.size();) {
    // What may repeat seqs can be judged only when everything before it is known.
    std::size_t end = first + 1;
    while (end < pieces.size() && end - first < slots.size() && !pieces[first].overlaps &&
           !pieces[end].overlaps) {
      ++end;
    }
    const std::size_t count = end - first;
    team.run(count, [&](std::size_t i) {
      outcomes[i] = slots[i].decode(segments, pieces[first + i], next);
      if (outcomes[i]) {
        sink.take(i, slots[i].records());
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      TRY(std::move(outcomes[i]));
      next = slots[i].records().empty() ? next : slots[i].records().back().seq + 1;
    }
    TRY(sink.end_window(count));
    first = end;
  }
  return {};
}

}  // namespace pluresdb::wal
