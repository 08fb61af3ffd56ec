// Finds what stands where in a segment; tail_rule.h decides what it means.
//
// One pass over the frames. Each damaged place is noted with the counters as they stood before it.
// Evidence of durability may come later in the file; when all is read, the first damage that no
// evidence covers is where the segment ends, and the counters go back to that place.
#include "engine/wal/segment_scan.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_access.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_reader.h"
#include "engine/wal/tail_rule.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {
namespace {

/// What must be undone when the segment turns out to end before a damaged place.
struct Counters {
  std::uint64_t records = 0;
  Seq first_seq = 0;
  Seq last_seq = 0;
  Seq next_expected = 0;  // 0: not known yet.
  Hlc highest_hlc = 0;
  std::size_t values = 0;
  std::size_t groups = 0;
  std::size_t lost = 0;
};

/// A place whose meaning depends on evidence that may come later.
struct Doubt {
  Found found = Found::kNoFrame;
  DamagedBytes bytes;
  Counters before;
};

class Scanner {
 public:
  Scanner(io::File& file, const ScanRequest& request) : file_(file), request_(request) {
    scan_.id = request.id;
  }

  Result<SegmentScan> run() {
    TRY_ASSIGN(scan_.file_bytes, file_.size());
    TRY(read_header());
    if (!scan_.header) {
      if (scan_.access.salt == 0 && request_.keys == nullptr) {
        TRY_ASSIGN(scan_.access.salt,
                   find_salt(file_, scan_.file_bytes,
                             request_.known_end ? request_.known_end->valid_bytes : 0));
      }
      sparse_ = request_.is_rewritten;
      counters_.next_expected = sparse_ ? 0 : request_.first_seq_at_least;
    }
    scan_.sparse = sparse_;
    TRY(read_trailer());
    TRY(walk_groups());
    TRY(decide_end());
    TRY(check_seal());
    note_missing_seqs();
    return std::move(scan_);
  }

 private:
  void add_problem(const std::string& text) {
    scan_.problems.push_back(request_.name + ": " + text);
  }
  void add_damage(std::uint64_t begin, std::uint64_t end, const std::string& what) {
    end = std::max(begin, end);  // What a plain header says of its predecessor may be anything.
    scan_.damages.push_back({.begin = begin, .end = end});
    add_problem(fmt::format("{} at bytes {}..{}", what, begin, end));
  }

  void note_tampering(const std::string& what, std::uint64_t places = 1) {
    scan_.tampered_places += places;
    add_problem(what + ": tampered with: checksums are right, tags are not");
  }

  Status read_header() {
    TRY_ASSIGN(OpenedHeader read, open_header(file_, request_.id, request_.name, request_.keys));
    if (read.header && read.header->id != request_.id) {
      add_problem(
          fmt::format("the header says segment {:x}: the file was renamed", read.header->id));
      scan_.tampered_places += read.access.opener != nullptr ? 1U : 0U;
      scan_.access = read.access;
      read.header.reset();
    }
    if (!read.header) {
      add_damage(0, std::min(scan_.file_bytes, kSegmentHeaderBytes), "damaged segment header");
      return {};
    }
    if (read.copy_tampered) {
      note_tampering("one of two header copies");
    }
    if (read.copy_damaged || read.copy_tampered) {
      add_damage(0, kSegmentHeaderBytes, "one of two header copies is damaged");
    }
    scan_.header = read.header;
    scan_.format_version = read.version;
    scan_.access = read.access;
    sparse_ = read.header->rewritten;
    counters_.next_expected = sparse_ ? 0 : read.header->first_seq;
    scan_.highest_seq = read.header->rewritten ? read.header->covers.last : 0;
    return {};
  }

  Status read_trailer() {
    const std::uint64_t trailer_bytes = scan_.access.layout().trailer_bytes();
    if (scan_.access.salt == 0 || scan_.file_bytes < kSegmentHeaderBytes + trailer_bytes) {
      return {};
    }
    SegmentReader reader(file_, scan_.access, scan_.file_bytes);
    TRY_ASSIGN(trailer_, reader.trailer_at(scan_.file_bytes - trailer_bytes));
    is_seal_tampered_ = reader.tampered() > 0;
    return {};
  }

  Status walk_groups() {
    limit_ = scan_.file_bytes;
    if (request_.known_end) {
      limit_ = std::min(limit_, request_.known_end->valid_bytes);
      durable_ = request_.known_end->valid_bytes;
    } else if (trailer_) {
      limit_ = trailer_->footer_offset;
      durable_ = limit_;
    }
    SegmentReader reader(file_, scan_.access, limit_);
    if (!request_.known_end && !trailer_ && (request_.has_successor || sparse_)) {
      // Rewritten files get their name when all is durable, others before their successor does.
      TRY_ASSIGN(durable_, reader.non_zero_end(kSegmentHeaderBytes));
    }
    if (scan_.access.salt == 0) {  // Then any frame would be somebody's word for itself.
      TRY_ASSIGN(const std::uint64_t used_end, reader.non_zero_end(kSegmentHeaderBytes));
      if (request_.keys != nullptr) {  // The key went with the header: it is all damage.
        durable_ = limit_ = std::min(limit_, used_end);
      }
      if (limit_ > kSegmentHeaderBytes) {
        doubts_.push_back({used_end == kSegmentHeaderBytes ? Found::kZeros : Found::kNoFrame,
                           {.begin = kSegmentHeaderBytes, .end = limit_},
                           counters_});
      }
      return {};
    }
    const Status walked = walk_frames(reader);
    if (reader.tampered() > 0) {
      note_tampering(fmt::format("places: {}", reader.tampered()), reader.tampered());
    }
    return walked;
  }

  Status walk_frames(SegmentReader& reader) {
    std::uint64_t offset = kSegmentHeaderBytes;
    while (offset < limit_) {
      const std::uint64_t tampered_before = reader.tampered();
      TRY_ASSIGN(Frame frame, reader.frame_at(offset));
      if (frame.kind == FrameKind::kNone) {
        // Most often this is the unused rest of a preallocated file: that is seen much faster.
        TRY_ASSIGN(const std::uint64_t used_end, reader.non_zero_end(offset));
        if (used_end > offset) {
          TRY_ASSIGN(frame, reader.find_frame(offset + kAlignment));
        }
        const bool is_tampered = reader.tampered() > tampered_before;
        if (frame.kind == FrameKind::kNone) {
          const std::uint64_t end =
              is_tampered ? std::min(base::align_up(used_end, kAlignment), limit_) : limit_;
          doubts_.push_back({is_tampered          ? Found::kTamperedFrame
                             : used_end == offset ? Found::kZeros
                                                  : Found::kNoFrame,
                             {.begin = offset, .end = end},
                             counters_});
          return is_tampered ? name_orphans(reader, offset + kAlignment) : Status{};
        }
        doubts_.push_back({is_tampered ? Found::kTamperedFrame : Found::kNoFrame,
                           {.begin = offset, .end = frame.offset},
                           counters_});
      }
      if (frame.kind == FrameKind::kFooter) {
        durable_ = std::max(durable_, frame.offset);
        walked_footer_ = frame;
        end_ = frame.offset;
        return {};
      }
      TRY(read_group(reader, frame));
      offset = frame.end;
      end_ = std::min(frame.end, limit_);
    }
    return {};
  }

  /// The chunks of a group whose header somebody has changed say for themselves what they hold.
  Status name_orphans(SegmentReader& reader, std::uint64_t begin) {
    TRY_ASSIGN(const Seq last, reader.last_seq_in_chunks(begin, limit_));
    scan_.highest_seq = std::max(scan_.highest_seq, last);
    if (last != 0) {
      expect(last + 1);
    }
    return {};
  }

  Status read_group(SegmentReader& reader, const Frame& frame) {
    durable_ = std::max(durable_, frame.group.durable_offset);
    scan_.highest_seq = std::max(scan_.highest_seq, frame.group.last_seq);
    Counters before = counters_;
    if (frame.group.record_count == 0) {  // Watermark.
      return {};
    }
    if (!scan_.header && frame.group.last_seq < counters_.next_expected) {
      sparse_ = true;  // An appended segment holds nothing from before its predecessors' end.
      scan_.sparse = true;
      counters_.next_expected = 0;
    }
    add_group_location(scan_.groups, {.first_seq = frame.group.first_seq, .offset = frame.offset});
    counters_.groups = scan_.groups.size();
    expect(frame.group.first_seq);
    before.next_expected = counters_.next_expected;
    before.lost = counters_.lost;  // Stays lost when the segment ends here: it was durable.
    const ValueMode mode = request_.verify_values ? ValueMode::kVerify : ValueMode::kSkip;
    const std::uint64_t tampered_before = reader.tampered();
    TRY_ASSIGN(const bool intact, reader.read_group(frame, mode, [this](const ReadRecord& record) {
      note_record(record);
      return Status{};
    }));
    if (counters_.last_seq < frame.group.last_seq) {
      expect(frame.group.last_seq + 1);
    }
    if (!intact) {
      const bool is_tampered = reader.tampered() > tampered_before;
      doubts_.push_back({is_tampered ? Found::kTamperedGroup : Found::kDamagedGroup,
                         {.begin = frame.offset, .end = frame.end},
                         before});
    }
    return {};
  }

  /// The next record should be `seq`: everything skipped since the last one is missing.
  void expect(Seq seq) {
    if (!sparse_ && counters_.next_expected != 0 && seq > counters_.next_expected) {
      lose(counters_.next_expected, seq - 1);
    }
    counters_.next_expected = std::max(counters_.next_expected, seq);
  }
  void lose(Seq first, Seq last) {
    lost_.push_back({.first = first, .last = last});
    counters_.lost = lost_.size();
  }

  void note_record(const ReadRecord& record) {
    const Seq seq = record.view.seq;
    if (seq < counters_.next_expected) {
      return;  // A seq cannot come twice in one file; its group will not count as intact either.
    }
    expect(seq);
    counters_.next_expected = seq + 1;
    counters_.highest_hlc = std::max(counters_.highest_hlc, record.view.hlc);
    counters_.last_seq = seq;
    counters_.first_seq = counters_.first_seq == 0 ? seq : counters_.first_seq;
    if (record.view.value_in_log) {
      scan_.values.push_back({.seq = seq,
                              .offset = record.value_offset,
                              .value_bytes = static_cast<std::uint32_t>(record.view.value_bytes),
                              .value_crc = record.view.value_crc});
      counters_.values = scan_.values.size();
    }
    if (record.value_readable) {
      ++counters_.records;
      found_.add_seq(seq);
      if (request_.visit) {
        request_.visit(record.view);
      }
    } else {
      lose(seq, seq);
    }
  }

  Status decide_end() {
    scan_.durable_end = durable_;
    scan_.valid_end = std::max(kSegmentHeaderBytes, trailer_ ? trailer_->footer_offset : end_);
    for (const Doubt& doubt : doubts_) {
      const Evidence evidence = doubt.bytes.begin < durable_ ? Evidence::kDurable : Evidence::kNone;
      const Ruling ruling = ruling_on(doubt.found, evidence);
      if (ruling == Ruling::kCorrupt) {
        has_corrupt_groups_ = true;
        add_damage(doubt.bytes.begin, doubt.bytes.end, "damaged group");
        const std::uint64_t end_max = evidence == Evidence::kDurable ? durable_ : limit_;
        scan_.valid_end = std::max(scan_.valid_end, std::min(doubt.bytes.end, end_max));
        continue;
      }
      if (ruling != Ruling::kTorn) {
        continue;
      }
      counters_ = doubt.before;
      lost_.resize(counters_.lost);
      scan_.values.resize(counters_.values);
      scan_.groups.resize(counters_.groups);
      scan_.valid_end = doubt.bytes.begin;
      scan_.torn = true;
      walked_footer_ = {};
      break;
    }
    if (request_.known_end) {
      scan_.valid_end = request_.known_end->valid_bytes;
      if (scan_.file_bytes < scan_.valid_end) {
        add_damage(scan_.file_bytes, scan_.valid_end, "the file is too short: missing");
      }
    }
    if (scan_.torn) {
      SegmentReader reader(file_, scan_.access, scan_.file_bytes);
      TRY_ASSIGN(const std::uint64_t used_end, reader.non_zero_end(scan_.valid_end));
      scan_.torn_bytes = used_end - scan_.valid_end;
    }
    scan_.records = counters_.records;
    scan_.first_seq = counters_.first_seq;
    scan_.last_seq = counters_.last_seq;
    scan_.highest_hlc = counters_.highest_hlc;
    for (const SeqRange& range : lost_) {
      add_range(scan_.lost, range);
    }
    return {};
  }

  /// False: the copy of the segment header behind the footer is damaged.
  Result<bool> check_third_copy(SegmentReader& reader, const Frame& frame) {
    const FrameLayout layout = scan_.access.layout();
    if (frame.kind != FrameKind::kFooter || !layout.is_encrypted() || !scan_.header) {
      return true;
    }
    const std::uint64_t offset = frame.end - layout.trailer_bytes() - layout.third_copy_bytes();
    TRY_ASSIGN(const base::ByteSpan bytes, reader.view(offset, layout.third_copy_bytes()));
    std::vector<std::byte> expected(kSegmentHeaderBytes);
    encode_segment_header(*scan_.header, expected);
    const HeaderCopyRead copy = decode_header_copy(bytes);
    const bool is_whole = copy.header || copy.version != 0;
    const bool is_same =
        std::ranges::equal(bytes, base::ByteSpan(expected).first(kSegmentHeaderCopyBytes));
    is_seal_tampered_ = is_seal_tampered_ || (is_whole && !is_same);
    return is_whole;
  }

  /// Footer and trailer, at the valid end.
  Status check_seal() {
    if (scan_.torn || scan_.access.salt == 0) {
      return {};
    }
    SegmentReader reader(file_, scan_.access, scan_.file_bytes);
    const std::uint64_t footer_at = trailer_ ? trailer_->footer_offset : scan_.valid_end;
    TRY_ASSIGN(const Frame frame, reader.frame_at(footer_at));
    std::optional<SegmentIndex> index;
    if (frame.kind == FrameKind::kFooter) {
      TRY_ASSIGN(index, reader.read_footer(frame));
    }
    TRY_ASSIGN(const bool is_third_copy_whole, check_third_copy(reader, frame));
    if (index && is_third_copy_whole && !trailer_) {
      // Sealed, not yet cut to its length: the trailer stands behind the footer.
      TRY_ASSIGN(trailer_, reader.trailer_at(frame.end - scan_.access.layout().trailer_bytes()));
    }
    // A group that stands there lies behind the known end.
    TRY_ASSIGN(const base::ByteSpan magic, reader.view(footer_at, sizeof(kFooterMagic)));
    const bool claims_footer =
        magic.size() == sizeof(kFooterMagic) && base::load<std::uint32_t>(magic, 0) == kFooterMagic;
    is_seal_tampered_ = is_seal_tampered_ || (claims_footer && reader.tampered() > 0);
    const Evidence evidence = trailer_ || sparse_  ? Evidence::kDurable
                              : request_.known_end ? Evidence::kVoid
                                                   : Evidence::kNone;
    const bool is_damaged =
        trailer_ ? !index || !is_third_copy_whole : frame.kind == FrameKind::kFooter;
    Ruling ruling = is_damaged ? ruling_on(Found::kDamagedFooter, evidence) : Ruling::kCounts;
    if (is_seal_tampered_) {
      ruling = ruling_on(Found::kTamperedFooter, evidence);
      note_tampering("footer or trailer");
    }
    if (ruling == Ruling::kCorrupt) {
      add_damage(footer_at, scan_.file_bytes, "damaged footer");
    } else if (ruling == Ruling::kTorn) {  // Died while sealing.
      scan_.torn = true;
      scan_.torn_bytes = std::min(frame.end, scan_.file_bytes) - footer_at;
    }
    check_version();
    if (trailer_) {
      scan_.sealed = !scan_.is_other_version;
      scan_.clean = trailer_->clean;
      scan_.next_segment_id = trailer_->next_segment_id;
      scan_.highest_seq = std::max(scan_.highest_seq, trailer_->last_seq);
    } else if (sparse_ && frame.kind != FrameKind::kFooter) {
      // It had a footer when it got its name: groups may be missing before it as well.
      add_damage(footer_at, footer_at + kFooterHeaderBytes, "missing footer");
      is_cut_off_ = true;
    }
    footer_index_ = std::move(index);
    return {};
  }

  void check_version() {
    if (const auto& end = request_.known_end;
        trailer_ && end && scan_.access.opener && trailer_->footer_offset != end->valid_bytes) {
      scan_.is_other_version = true;
      ++scan_.tampered_places;
      add_damage(std::min(trailer_->footer_offset, end->valid_bytes), scan_.file_bytes,
                 "not the version that the log went on from, but put back: what is too much");
    }
  }

  /// Seqs behind the last readable record, and in sparse segments any that the footer names.
  void note_missing_seqs() {
    Seq known_last = 0;
    if (request_.known_end) {
      known_last = request_.known_end->last_seq;
    } else if (trailer_ && !scan_.torn) {
      known_last = trailer_->last_seq;
    } else if (walked_footer_.kind == FrameKind::kFooter) {
      known_last = walked_footer_.footer.last_seq;
    }
    if (!sparse_) {
      const Seq expected = counters_.next_expected;
      if (expected != 0 && known_last >= expected) {
        add_range(scan_.lost, {.first = expected, .last = known_last});
      }
      return;
    }
    if (footer_index_) {
      lose_runs_missing_from(footer_index_->runs);
    } else if (is_cut_off_ || has_corrupt_groups_) {
      // Which seqs a sparse segment held is known only from its footer: name all it may have held.
      // Without its header too that is for its neighbours to say (name_unbounded_loss).
      scan_.lost.clear();
      SeqRange covers{.first = found_.runs.empty() ? scan_.highest_seq : found_.runs.front().first,
                      .last = scan_.highest_seq};
      if (scan_.header) {
        covers = scan_.header->covers;
      } else {
        scan_.loss_is_unbounded = true;
        scan_.readable = found_.runs;
      }
      if (std::size_t at = 0; covers.last != 0) {
        lose_gaps_in(covers, at);
      }
    }
  }

  void lose_runs_missing_from(const std::vector<SeqRange>& written) {
    scan_.lost.clear();
    std::size_t at = 0;
    for (const SeqRange& run : written) {
      lose_gaps_in(run, at);
    }
  }

  /// What `range` has and no run that begins in it; the first such run is at `at`, which goes on.
  void lose_gaps_in(SeqRange range, std::size_t& at) {
    Seq next = range.first;
    for (; at < found_.runs.size() && found_.runs[at].first <= range.last; ++at) {
      if (found_.runs[at].first > next) {
        add_range(scan_.lost, {.first = next, .last = found_.runs[at].first - 1});
      }
      next = found_.runs[at].last + 1;
    }
    if (next <= range.last) {
      add_range(scan_.lost, {.first = next, .last = range.last});
    }
  }

  io::File& file_;
  const ScanRequest& request_;
  SegmentScan scan_;
  Counters counters_;
  std::vector<Doubt> doubts_;
  std::vector<SeqRange> lost_;
  SegmentIndex found_;  // Only its runs.
  std::optional<Trailer> trailer_;
  std::optional<SegmentIndex> footer_index_;
  Frame walked_footer_;
  std::uint64_t limit_ = 0;
  std::uint64_t durable_ = kSegmentHeaderBytes;
  std::uint64_t end_ = kSegmentHeaderBytes;
  bool sparse_ = false;
  bool has_corrupt_groups_ = false;
  bool is_seal_tampered_ = false;  // Footer or trailer.
  bool is_cut_off_ = false;        // A rewritten file without a footer.
};

}  // namespace

Result<SegmentScan> scan_segment(io::File& file, const ScanRequest& request) {
  return Scanner(file, request).run();
}

}  // namespace pluresdb::wal
