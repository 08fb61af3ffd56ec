#include "engine/wal/log_check.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/io/file_system.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_reader.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal {
namespace {

constexpr std::size_t kLinesPerKindMax = 20;

std::string range_text(const SeqRange& range) {
  return range.first == range.last ? fmt::format("{}", range.first)
                                   : fmt::format("{} .. {}", range.first, range.last);
}

/// What is in the segment, found without its index.
struct Contents {
  SegmentIndex found;  // Its runs and groups (all of them).
  std::vector<SeqRange> damaged;
};

Result<Contents> read_contents(SegmentReader& reader, const SegmentScan& scan) {
  Contents contents;
  std::uint64_t offset = kSegmentHeaderBytes;
  while (offset < scan.valid_end) {
    TRY_ASSIGN(Frame frame, reader.frame_at(offset));
    if (frame.kind == FrameKind::kNone) {
      TRY_ASSIGN(frame, reader.find_frame(offset + kAlignment));
    }
    if (frame.kind != FrameKind::kGroup || frame.offset >= scan.valid_end) {
      break;
    }
    if (frame.group.record_count > 0) {
      contents.found.groups.push_back({.first_seq = frame.group.first_seq, .offset = frame.offset});
      TRY(reader.read_group(frame, ValueMode::kSkip, [&](const ReadRecord& record) {
        const auto& runs = contents.found.runs;
        if (runs.empty() || record.view.seq > runs.back().last) {
          contents.found.add_seq(record.view.seq);
        }
        return Status{};
      }));
    }
    offset = frame.end;
  }
  return contents;
}

class FooterCheck {
 public:
  FooterCheck(const std::string& name, const SegmentScan& scan, const SegmentIndex& index)
      : name_(name), scan_(scan), index_(index) {}

  std::vector<std::string> run(const Contents& contents) {
    compare_runs(contents.found.runs);
    compare_values();
    compare_groups(contents.found.groups);
    return std::move(problems_);
  }

 private:
  void add(const std::string& text) {
    if (problems_.size() < kLinesPerKindMax) {
      problems_.push_back(fmt::format("{}: the footer {}", name_, text));
    }
  }

  void compare_runs(const std::vector<SeqRange>& found) {
    for (const SeqRange& range : missing_from(found, index_.runs)) {
      add(fmt::format("does not name seq {}, which is there", range_text(range)));
    }
    for (const SeqRange& absent : missing_from(index_.runs, found)) {
      for (const SeqRange& range : missing_from({absent}, scan_.lost)) {
        add(fmt::format("names seq {}, which is not there", range_text(range)));
      }
    }
  }

  void compare_values() {
    std::map<Seq, ValueLocation> named;
    for (const ValueLocation& value : index_.values) {
      named.emplace(value.seq, value);
    }
    for (const ValueLocation& value : scan_.values) {
      const auto at = named.find(value.seq);
      if (at == named.end() || at->second != value) {
        add(fmt::format("says something else about the value of seq {} at byte {}", value.seq,
                        value.offset));
      }
      named.erase(value.seq);
    }
    for (const auto& [seq, value] : named) {
      if (!is_inside(seq, scan_.lost)) {
        add(fmt::format("names a value of seq {}, which is not there", seq));
      }
    }
  }

  void compare_groups(const std::vector<GroupLocation>& found) {
    for (const GroupLocation& group : index_.groups) {
      if (std::ranges::find(found, group) == found.end() && !is_damaged(group.offset)) {
        add(fmt::format("names a group at byte {}, which is not there", group.offset));
      }
    }
  }

  [[nodiscard]] bool is_damaged(std::uint64_t offset) const {
    return std::ranges::any_of(scan_.damages, [offset](const DamagedBytes& damage) {
      return offset >= damage.begin && offset < damage.end;
    });
  }

  const std::string& name_;
  const SegmentScan& scan_;
  const SegmentIndex& index_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> vanished_segments(const std::vector<ExaminedSegment>& segments,
                                           Seq removed_through, Seq checkpoint_seq) {
  std::vector<std::string> vanished;
  Seq held = removed_through;
  for (const ExaminedSegment& segment : segments) {
    const SegmentScan& scan = segment.scan;
    if (scan.sparse || !scan.header) {
      held = scan.sparse ? held : std::max(held, written_last(scan));
      continue;
    }
    const Predecessor& named = scan.header->predecessor;
    const bool is_there = std::ranges::any_of(
        segments, [&named](const ExaminedSegment& other) { return other.scan.id == named.id; });
    if (named.id != 0 && !is_there && named.last_seq > held && named.last_seq <= checkpoint_seq) {
      vanished.push_back(fmt::format(
          "{} is missing, with seqs up to {} from {} or above: nobody removed it. The base store "
          "has what it held, except for large values",
          segment_name(named.id), named.last_seq, held + 1));
    }
    held = std::max({held, named.last_seq, written_last(scan)});
  }
  return vanished;
}

bool is_inside(Seq seq, const std::vector<SeqRange>& ranges) {
  const auto after = std::ranges::upper_bound(ranges, seq, {}, &SeqRange::first);
  return after != ranges.begin() && seq <= std::prev(after)->last;
}

std::vector<SeqRange> missing_from(const std::vector<SeqRange>& wanted,
                                   const std::vector<SeqRange>& held) {
  std::vector<SeqRange> missing;
  auto first = held.begin();
  for (const SeqRange& range : wanted) {
    while (first != held.end() && first->last < range.first) {
      ++first;
    }
    Seq next = range.first;
    for (auto at = first; at != held.end() && at->first <= range.last && next <= range.last; ++at) {
      if (at->first > next) {
        missing.push_back({.first = next, .last = at->first - 1});
      }
      next = std::max(next, at->last + 1);
    }
    if (next <= range.last) {
      missing.push_back({.first = next, .last = range.last});
    }
  }
  return missing;
}

Result<std::vector<std::string>> check_footer_index(io::File& file, const std::string& name,
                                                    const SegmentScan& scan) {
  if (!scan.sealed || scan.access.salt == 0) {
    return std::vector<std::string>{};
  }
  SegmentReader reader(file, scan.access, scan.file_bytes);
  TRY_ASSIGN(const Frame frame, reader.frame_at(scan.valid_end));
  if (frame.kind != FrameKind::kFooter) {
    return std::vector<std::string>{};
  }
  TRY_ASSIGN(const std::optional<SegmentIndex> index, reader.read_footer(frame));
  if (!index) {
    return std::vector<std::string>{};
  }
  TRY_ASSIGN(const Contents contents, read_contents(reader, scan));
  return FooterCheck(name, scan, *index).run(contents);
}

ChainCheck check_chain(const std::vector<ExaminedSegment>& segments) {
  ChainCheck check;
  const SegmentScan* previous = nullptr;
  for (const ExaminedSegment& segment : segments) {
    const SegmentScan& scan = segment.scan;
    if (segment.superseded || scan.sparse) {
      continue;
    }
    if (!scan.header) {
      previous = &scan;  // Its header is damaged, and the scan says so.
      continue;
    }
    const SegmentHeader& header = *scan.header;
    const Predecessor& named = header.predecessor;
    const std::string name = segment_name(scan.id);
    if (named.id >= scan.id || (named.id == 0 && previous != nullptr) ||
        named.last_seq >= header.first_seq) {
      check.problems.push_back(fmt::format(
          "{}: its header contradicts itself: predecessor {:x} up to seq {}, first seq {}", name,
          named.id, named.last_seq, header.first_seq));
    } else if (previous != nullptr && previous->id == named.id &&
               previous->last_seq > named.last_seq) {
      check.problems.push_back(
          fmt::format("{}: its header says that {} ends at seq {}, and that "
                      "one holds seq {}",
                      name, segment_name(named.id), named.last_seq, previous->last_seq));
    } else if (previous != nullptr && named.id < previous->id) {
      check.problems.push_back(
          fmt::format("{}: its header names {:x} as the one before it, and {} "
                      "lies between",
                      name, named.id, segment_name(previous->id)));
    }
    if (named.last_seq != 0 && header.first_seq > named.last_seq + 1) {
      check.declared_gaps.push_back({.first = named.last_seq + 1, .last = header.first_seq - 1});
    }
    previous = &scan;
  }
  return check;
}

}  // namespace pluresdb::wal
