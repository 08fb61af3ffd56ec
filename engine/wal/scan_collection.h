// Which records an opening log may hand out while it is scanned, so that nothing reads them again.
//
// A record is handed out before the scan has judged its segment. That is safe where no group that
// comes later can make it void: in an appended segment whose successor's header says where it ends
// (known_end), every group before that place was durable. What the scan then says about the segment
// decides whether what was handed out counts; from the first one that is not flawless on the log is
// replayed as if nothing had been handed out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "engine/wal/header_survey.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_scan.h"
#include <pluresdb/document.h>

namespace pluresdb::wal {

class ScanCollection {
 public:
  /// Nothing is handed out where `collector` is null. Records up to `floor` never are.
  ScanCollection(RecordCollector* collector, Seq floor) : collector_(collector), floor_(floor) {}

  /// Before the first scan. `ids` ascend.
  void plan(const HeaderSurvey& survey, std::span<const std::uint64_t> ids);
  /// For the scan of segment `id`; empty when its records are not wanted. Thread: any.
  [[nodiscard]] std::function<void(const RecordView&)> visitor_for(std::uint64_t id) const;
  /// In the order of ids, of every segment: what its scan says, which had the visitor or not.
  void judge(const SegmentScan& scan, bool had_visitor);
  /// When all are judged.
  [[nodiscard]] CollectedSegments outcome() const { return outcome_; }

 private:
  RecordCollector* collector_;
  Seq floor_;
  std::vector<std::uint64_t> ids_;  // Ascending.
  CollectedSegments outcome_;
  bool ended_ = false;  // What comes behind does not count.
};

}  // namespace pluresdb::wal
