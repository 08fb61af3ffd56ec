#include "engine/wal/scan_collection.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/base/check.h"
#include "engine/wal/header_survey.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>

namespace pluresdb::wal {
namespace {

/// A rewritten segment may share seqs with others; one without a header may be a rewritten one.
bool may_share_seqs(const HeaderSurvey& survey, std::uint64_t id, Seq floor) {
  const auto header = survey.headers.find(id);
  return header == survey.headers.end() ||
         (header->second.rewritten && header->second.covers.last > floor);
}

/// Its successor is gone, but the next appended segment that is there begins at or below the floor.
bool lies_below(const HeaderSurvey& survey, std::uint64_t id, Seq floor) {
  const auto next = std::find_if(survey.headers.upper_bound(id), survey.headers.end(),
                                 [](const auto& entry) { return !entry.second.rewritten; });
  return next != survey.headers.end() && next->second.predecessor.last_seq <= floor;
}

bool is_flawless(const SegmentScan& scan) {
  return scan.header && !scan.sparse && !scan.torn && !scan.is_damaged() && scan.lost.empty() &&
         scan.problems.empty();
}

}  // namespace

void ScanCollection::plan(const HeaderSurvey& survey, std::span<const std::uint64_t> ids) {
  if (collector_ == nullptr || std::ranges::any_of(ids, [&](std::uint64_t id) {
        return may_share_seqs(survey, id, floor_);
      })) {
    return;
  }
  std::vector<std::uint64_t> bytes;
  for (const std::uint64_t id : ids) {
    if (survey.headers.at(id).rewritten) {
      continue;
    }
    const auto end = survey.known_ends.find(id);
    if (end == survey.known_ends.end()) {
      if (lies_below(survey, id, floor_)) {
        continue;
      }
      break;
    }
    if (end->second.last_seq > floor_) {
      ids_.push_back(id);
      bytes.push_back(end->second.valid_bytes);
    }
  }
  const std::size_t wanted = collector_->begin(bytes);
  DB_CHECK(wanted <= ids_.size());
  ids_.resize(wanted);
}

std::function<void(const RecordView&)> ScanCollection::visitor_for(std::uint64_t id) const {
  const auto at = std::ranges::lower_bound(ids_, id);
  if (at == ids_.end() || *at != id) {
    return {};
  }
  const auto index = static_cast<std::size_t>(at - ids_.begin());
  return [collector = collector_, index, last = floor_](const RecordView& record) mutable {
    if (record.seq > last) {  // Else passed over by a replay, too.
      last = record.seq;
      collector->take(index, record);
    }
  };
}

void ScanCollection::judge(const SegmentScan& scan, bool had_visitor) {
  if (ended_ || !std::ranges::binary_search(ids_, scan.id)) {
    return;
  }
  // Replay passes over what lies below the predecessor's end, or was in an earlier segment.
  const bool is_first_of_its_seqs =
      scan.first_seq == 0 || (scan.header && scan.first_seq > scan.header->predecessor.last_seq &&
                              scan.first_seq > outcome_.last_seq);
  if (!had_visitor || !is_flawless(scan) || !is_first_of_its_seqs) {
    ended_ = true;
    return;
  }
  ++outcome_.segments;
  outcome_.last_seq = std::max(outcome_.last_seq, scan.last_seq);
}

}  // namespace pluresdb::wal
