// See recovery.h. The table of decisions: docs/formats/wal.md "Recovery".
#include "engine/wal/recovery.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/base/bytes.h"
#include "engine/base/check.h"
#include "engine/base/worker_team.h"
#include "engine/io/file_system.h"
#include "engine/wal/found_segment.h"
#include "engine/wal/header_survey.h"
#include "engine/wal/log.h"
#include "engine/wal/quarantine.h"
#include "engine/wal/scan_collection.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_reader.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/segment_set.h"
#include "engine/wal/segment_writer.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {
namespace {

class Recovery {
 public:
  Recovery(const LogOptions& options, Seq seq_floor, RecordCollector* collector)
      : options_(options),
        files_(*options.files),
        seq_floor_(seq_floor),
        collection_(collector, seq_floor) {}

  Result<RecoveredLog> run() {
    TRY(make_directory());
    TRY(list_files());
    TRY(read_all());
    TRY(remove_superseded(forget_superseded()));
    note_missing_segments();
    TRY(quarantine_damage());
    TRY(make_trusted_durable());
    trim_void_tails();
    remove_temporary_files();
    choose_next();
    name_losses_without_key(options_, log_.next_seq, found_);
    return build();
  }

  /// The same decisions; what run() would do about them is left out.
  Result<ExaminedLog> examine() {
    examining_ = true;
    TRY(list_files());
    TRY(read_all());
    ExaminedLog examined;
    for (const auto& [id, found] : found_) {
      examined.segments.push_back({.scan = found.scan, .known_end = found.known_end});
    }
    forget_superseded();
    for (ExaminedSegment& segment : examined.segments) {
      segment.superseded = !found_.contains(segment.scan.id);
    }
    note_missing_segments();
    choose_next();
    name_losses_without_key(options_, log_.next_seq, found_);
    examined.log = build();
    examined.temporary_files = std::move(temporary_files_);
    return examined;
  }

 private:
  std::string path_of(std::uint64_t id) const {
    return io::join_path(options_.directory, segment_name(id));
  }

  Status make_directory() {
    const Result<io::FileInfo> info = files_.info(options_.directory);
    if (info || info.error().code != ErrorCode::kNotFound) {
      return info ? Status{} : Status(std::unexpected(info.error()));
    }
    return files_.create_directory(options_.directory);
  }

  Status list_files() {
    TRY_ASSIGN(const std::vector<std::string> names, files_.list(options_.directory));
    for (const std::string& name : names) {
      const ParsedName parsed = parse_name(name);
      if (parsed.file_class == FileClass::kForeign) {
        continue;
      }
      highest_id_ = std::max(highest_id_, parsed.id);
      if (parsed.file_class == FileClass::kSegment) {
        ids_.push_back(parsed.id);
      } else {
        temporary_files_.push_back(io::join_path(options_.directory, name));
      }
    }
    std::ranges::sort(ids_);
    log_.report.created = ids_.empty();
    if (!ids_.empty() || examining_) {
      return {};
    }
    // Also when the directory was there: whoever made it may have died before this.
    return files_.sync_directory(io::parent_path(options_.directory));
  }

  /// All that the decisions rest on.
  Status read_all() {
    TRY_ASSIGN(headers_, survey_headers(options_, ids_));
    for (const StrangeFile& stranger : headers_.strangers) {
      std::erase(ids_, stranger.id);
    }
    TRY(scan_all());
    for (auto overlapping = overlapping_segments(found_, headers_.unlinked); !overlapping.empty();
         overlapping = overlapping_segments(found_, headers_.unlinked)) {
      for (const auto& [id, witness] : overlapping) {
        headers_.forget({.id = id, .problem = strange_text(path_of(id), path_of(witness))});
        std::erase(ids_, id);
      }
      collection_ = ScanCollection(nullptr, seq_floor_);
      TRY(scan_all());  // What they said about others does not count, nor what was collected.
    }
    name_unbounded_losses();
    for (const StrangeFile& stranger : headers_.strangers) {
      add_stranger(log_.unread, stranger.problem);
    }
    return {};
  }

  /// Reads every byte of the log. Only a segment that has lost its header needs to know what stands
  /// in the ones before it; all others are scanned at the same time.
  Status scan_all() {
    found_.clear();
    next_expected_ = 0;
    std::vector<Result<SegmentScan>> scans(ids_.size());
    base::WorkerTeam team(base::WorkerTeam::threads_for(options_.background_threads));
    collection_.plan(headers_, ids_);
    team.run(ids_.size(), [&](std::size_t i) {
      if (headers_.headers.contains(ids_[i])) {
        scans[i] = scan(ids_[i], next_expected_, collection_.visitor_for(ids_[i]));
      }
    });
    for (std::size_t i = 0; i < ids_.size(); ++i) {
      const std::uint64_t id = ids_[i];
      const Seq first_seq_at_least = id == 1 ? 1 : next_expected_;
      const bool needs_scan = scans[i] && !scans[i]->header;
      if (needs_scan) {  // Not scanned yet, or not with what it needs.
        scans[i] = scan(id, first_seq_at_least, {});
      }
      FoundSegment found;
      TRY_ASSIGN(found.scan, std::move(scans[i]));
      collection_.judge(found.scan, !needs_scan);
      found.first_seq_at_least = first_seq_at_least;
      found.known_end = known_end_of(id);
      if (!found.scan.sparse) {
        const Seq last = std::max(written_last(found.scan),
                                  found.known_end ? found.known_end->last_seq : Seq{0});
        next_expected_ = last == 0 ? next_expected_ : last + 1;
      }
      found_.emplace(id, std::move(found));
    }
    log_.report.collected = collection_.outcome();
    return {};
  }

  void name_unbounded_losses() {
    for (auto& [id, found] : found_) {
      if (!found.scan.loss_is_unbounded) {
        continue;
      }
      std::vector<SeqRange> others;
      for (const auto& [other_id, other] : found_) {
        if (other_id != id) {
          others.push_back(span_of(other));
        }
      }
      name_unbounded_loss(found.scan, path_of(id), std::move(others));
    }
  }

  std::optional<Predecessor> known_end_of(std::uint64_t id) const {
    const auto known = headers_.known_ends.find(id);
    return known == headers_.known_ends.end() ? std::nullopt : std::optional(known->second);
  }

  /// Thread: any; changes nothing of this object.
  Result<SegmentScan> scan(std::uint64_t id, Seq first_seq_at_least,
                           std::function<void(const RecordView&)> visit) const {
    TRY_ASSIGN(const std::unique_ptr<io::File> file, files_.open(path_of(id), io::OpenMode::kRead));
    return scan_segment(*file, {.name = path_of(id),
                                .id = id,
                                .known_end = known_end_of(id),
                                .first_seq_at_least = first_seq_at_least,
                                .has_successor = id < headers_.newest_appended_id,
                                .is_rewritten = headers_.headerless_rewritten.contains(id),
                                .verify_values = true,
                                .visit = std::move(visit),
                                .keys = options_.keys});
  }

  /// The newest file that appends went to; rewritten ones have ids but no place in that chain.
  const SegmentScan* newest() const {
    for (auto at = found_.rbegin(); at != found_.rend(); ++at) {
      if (!at->second.scan.sparse) {
        return &at->second.scan;
      }
    }
    return nullptr;
  }

  static const SegmentHeader& header_of(const SegmentScan& scan) {
    DB_CHECK(scan.header.has_value());
    return *scan.header;
  }

  /// A crash between the rename of a rewritten file and the removal of its inputs leaves both. The
  /// inputs that do not count any more.
  std::set<std::uint64_t> forget_superseded() {
    std::set<std::uint64_t> superseded;
    for (const auto& [id, found] : found_) {
      const bool usable = found.scan.sealed && !found.scan.is_damaged();
      if (!found.scan.sparse || !found.scan.header || !usable) {
        continue;  // Where it is damaged what is left of its inputs stays too, and is read first.
      }
      const SeqRange covers = header_of(found.scan).covers;
      for (const auto& [other_id, other] : found_) {
        if (other_id < id && is_inside(other.scan, covers)) {
          superseded.insert(other_id);
        }
      }
    }
    for (const std::uint64_t id : superseded) {
      found_.erase(id);
      std::erase(ids_, id);
    }
    return superseded;
  }

  Status remove_superseded(const std::set<std::uint64_t>& superseded) {
    if (superseded.empty()) {
      return {};
    }
    // The name of their replacement may not be durable yet.
    TRY(files_.sync_directory(options_.directory));
    for (const std::uint64_t id : superseded) {
      TRY(files_.remove(path_of(id)));
      directory_changed_ = true;
    }
    return {};
  }

  bool is_inside(const SegmentScan& scan, SeqRange covers) const {
    if (&scan == newest()) {
      return false;
    }
    if (scan.sparse) {
      const SeqRange own = covers_of(scan);
      return own.first >= covers.first && own.last <= covers.last && own.last != 0;
    }
    return scan.header && scan.header->first_seq >= covers.first && scan.last_seq <= covers.last &&
           scan.header->first_seq <= covers.last;
  }

  /// Seqs above the floor that a vanished file must have held. Below the floor files may have been
  /// removed on purpose, in any order.
  void note_missing_segments() {
    Seq held = seq_floor_;
    bool first = true;
    for (const auto& [id, found] : found_) {
      if (found.scan.sparse) {
        continue;
      }
      const Predecessor previous =
          found.scan.header ? found.scan.header->predecessor : Predecessor{};
      const bool is_missing = previous.id != 0 && !found_.contains(previous.id);
      const Seq from = held + 1;
      if (is_missing && first) {
        log_.report.gone_through_seq = previous.last_seq;
      }
      if (is_missing && !first && previous.last_seq >= from) {
        const auto lost = subtract({.first = from, .last = previous.last_seq}, rewritten_ranges());
        if (!lost.empty()) {
          add_missing_segment(log_.unread, path_of(previous.id), lost);
        }
      }
      first = false;
      held = std::max(
          {held, found.scan.last_seq, found.known_end ? found.known_end->last_seq : Seq{0}});
    }
  }

  std::vector<SeqRange> rewritten_ranges() const {
    std::vector<SeqRange> ranges;
    for (const auto& [id, found] : found_) {
      if (found.scan.sparse) {
        ranges.push_back(covers_of(found.scan));
      }
    }
    std::ranges::sort(ranges, {}, &SeqRange::first);
    return ranges;
  }

  Status quarantine_damage() {
    for (auto& [id, found] : found_) {
      for (const DamagedBytes& damage : found.scan.damages) {
        TRY_ASSIGN(const bool is_kept, keep_aside(id, damage, found.scan.file_bytes));
        if (!is_kept) {
          found.holds_only_copy = true;
        }
      }
    }
    // They stay where they are as well: nobody but the operator removes them.
    for (const StrangeFile& stranger : headers_.strangers) {
      TRY_ASSIGN(const io::FileInfo info, files_.info(path_of(stranger.id)));
      TRY(keep_aside(stranger.id, {.begin = 0, .end = info.size_bytes}, info.size_bytes));
    }
    return {};
  }

  /// False: no space.
  Result<bool> keep_aside(std::uint64_t id, DamagedBytes bytes, std::uint64_t file_bytes) {
    const Result<std::uint64_t> kept =
        quarantine_bytes(files_, options_.quarantine_directory, path_of(id), bytes, file_bytes);
    if (kept) {
      log_.report.quarantined_bytes += *kept;
      return true;
    }
    if (kept.error().code != ErrorCode::kNoSpace) {
      return std::unexpected(kept.error());
    }
    // A full disk must not keep a store closed; the original stays until a later open has copied
    // it.  INV-WAL-11
    log_.report.validation.problems.push_back("not quarantined: " + to_string(kept.error()));
    return false;
  }

  /// Behind footer and trailer. The file is longer when it was not yet cut: zeros, up to a segment.
  Result<std::uint64_t> seal_end_of(const SegmentScan& scan) const {
    TRY_ASSIGN(const std::unique_ptr<io::File> file,
               files_.open(path_of(scan.id), io::OpenMode::kRead));
    SegmentReader reader(*file, scan.access, scan.file_bytes);
    TRY_ASSIGN(const Frame frame, reader.frame_at(scan.valid_end));
    return frame.kind == FrameKind::kFooter ? frame.end : scan.file_bytes;
  }

  /// Bytes of the newest segment that no evidence proves durable may be in the page cache only, and
  /// a sync that failed before may have left them marked clean there: a sync alone would lie. They
  /// are written again, unchanged, and then synced.
  Status make_trusted_durable() {
    for (const auto& [id, found] : found_) {
      const SegmentScan& scan = found.scan;
      const bool is_proven = scan.sealed || found.known_end.has_value();
      if (&scan == newest() || (!is_proven && !scan.sparse)) {
        TRY_ASSIGN(const std::uint64_t end,
                   scan.sealed ? seal_end_of(scan) : Result<std::uint64_t>(scan.valid_end));
        TRY(write_again(files_, path_of(scan.id), scan.sealed ? scan.valid_end : scan.durable_end,
                        end));
      }
    }
    if (!ids_.empty() || directory_changed_) {
      TRY(files_.sync_directory(options_.directory));
    }
    return {};
  }

  /// What a durable successor has made void. Failing costs only space: the segment then depends on
  /// its successor (Segment::needs_successor).
  void trim_void_tails() {
    for (auto& [id, found] : found_) {
      SegmentScan& scan = found.scan;
      if (found.known_end && !scan.sealed && !scan.is_other_version &&
          scan.file_bytes > found.known_end->valid_bytes &&
          trim_segment(files_, path_of(id), found.known_end->valid_bytes)) {
        scan.file_bytes = found.known_end->valid_bytes;
      }
    }
  }

  /// Spares and rewrites that were under way. Nothing in them was ever acknowledged.
  void remove_temporary_files() {
    for (const std::string& path : temporary_files_) {
      if (const Status removed = files_.remove(path); !removed) {
        log_.report.validation.problems.push_back("not removed: " + to_string(removed.error()));
      }
    }
  }

  /// Ids and seqs that no earlier open can have used, torn and unreadable files included.
  void choose_next() {
    log_.previous = end_of_log(found_);
    Seq used = std::max(seq_floor_, log_.previous.last_seq);
    std::uint64_t unreadable_bytes = 0;
    for (const auto& [id, found] : found_) {
      const SegmentScan& scan = found.scan;
      highest_id_ = std::max(highest_id_, id);
      if (scan.next_segment_id > 0) {
        highest_id_ = std::max(highest_id_, scan.next_segment_id - 1);
      }
      used = std::max({used, scan.last_seq, scan.highest_seq});
      if (found.known_end) {
        used = std::max(used, found.known_end->last_seq);
      }
      if (scan.header && !scan.header->rewritten) {
        // first_seq itself is free until a record is there, but a torn one may have been.
        used = std::max(used, scan.header->first_seq - 1);
      }
      if (!scan.header || (&scan == newest() && !scan.sealed)) {
        unreadable_bytes += std::max({scan.file_bytes, options_.segment_bytes,
                                      scan.header ? scan.header->capacity_bytes : 0});
      }
    }
    // No more records fit into files whose end is uncertain; groups never go beyond a capacity.
    used += unreadable_bytes / kRecordHeaderBytes;
    log_.next_seq = used + 1;
    log_.next_segment_id = highest_id_ + 1;
  }

  RecoveredLog build() {
    LogRecovery& report = log_.report;
    const SegmentScan* last = newest();
    report.clean_shutdown = last != nullptr && last->clean;
    report.last_seq = 0;
    std::vector<std::string> problems = std::move(report.validation.problems);  // Of the opening.
    report.validation = log_.unread;
    report.validation.problems.insert(report.validation.problems.begin(), problems.begin(),
                                      problems.end());
    for (auto& [id, found] : found_) {
      SegmentScan& scan = found.scan;
      add_to_report(report.validation, scan);
      report.last_seq = std::max(report.last_seq, scan.last_seq);
      report.torn_bytes_dropped += scan.torn_bytes;
      const Hlc header_floor = scan.header ? scan.header->hlc_floor : 0;
      report.hlc_floor = std::max({report.hlc_floor, scan.highest_hlc, header_floor});
      log_.segments.push_back(segment_of(found, path_of(id)));
    }
    std::ranges::sort(report.validation.lost, {}, &SeqRange::first);
    return std::move(log_);
  }

  const LogOptions& options_;
  io::FileSystem& files_;
  Seq seq_floor_;
  RecoveredLog log_;
  std::vector<std::uint64_t> ids_;
  std::vector<std::string> temporary_files_;
  HeaderSurvey headers_;
  ScanCollection collection_;
  std::map<std::uint64_t, FoundSegment> found_;
  std::uint64_t highest_id_ = 0;
  Seq next_expected_ = 0;  // Behind the segments scanned so far; 0: not known.
  bool directory_changed_ = false;
  bool examining_ = false;  // Nothing may be changed.
};

}  // namespace

Result<RecoveredLog> recover_log(const LogOptions& options, Seq seq_floor,
                                 RecordCollector* collector) {
  return Recovery(options, seq_floor, collector).run();
}

Result<ExaminedLog> examine_log(const LogOptions& options, Seq seq_floor) {
  return Recovery(options, seq_floor, nullptr).examine();
}

}  // namespace pluresdb::wal
