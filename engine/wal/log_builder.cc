// See log_builder.h. Layout: docs/formats/wal.md.
#include "engine/wal/log_builder.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include <fmt/format.h>

#include "engine/base/check.h"
#include "engine/io/file_system.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_scan.h"
#include "engine/wal/segment_writer.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal {
namespace {

/// Small enough to hold in memory, large enough to write in one go.
constexpr std::uint64_t kGroupBytes = 1ULL << 20;

}  // namespace

Status LogBuilder::begin_segment() {
  const std::uint64_t id = next_id_++;
  group_.clear();
  records_in_segment_ = 0;
  TRY_ASSIGN(writer_, SegmentWriter::prepare(
                          *options_.files,
                          {.temporary_path = io::join_path(options_.directory, rewrite_name(id)),
                           .id = id,
                           .salt = random_salt(),
                           .capacity_bytes = SegmentWriter::capacity_for(0, 0, layout_),
                           .keys = options_.keys}));
  return {};
}

Status LogBuilder::flush() {
  if (group_.record_count() == 0) {
    return {};
  }
  if (!writer_->has_room(group_.bytes(), group_.values().size())) {
    TRY(writer_->grow(writer_->capacity_with(group_.bytes(), group_.values().size())));
  }
  TRY(writer_->append(group_, kGroupSynced));
  group_.clear();
  return {};
}

Status LogBuilder::add(const RecordView& record) {
  DB_CHECK(record.seq > last_seq_);
  if (writer_ == nullptr) {
    TRY(begin_segment());
  }
  group_.add(record);
  ++records_in_segment_;
  ++records_;
  last_seq_ = record.seq;
  hlc_floor_ = std::max(hlc_floor_, record.hlc);
  if (group_.bytes() >= kGroupBytes) {
    TRY(flush());
  }
  return writer_->offset() + group_.bytes() >= options_.segment_bytes ? end_rewritten() : Status{};
}

Status LogBuilder::end_rewritten() {
  if (writer_ == nullptr) {
    return {};
  }
  TRY(flush());
  TRY(writer_->write_header({.first_seq = covered_through_ + 1,
                             .predecessor = {},
                             .hlc_floor = hlc_floor_,
                             .store_uuid = options_.store_uuid,
                             .covers = {.first = covered_through_ + 1, .last = last_seq_},
                             .rewritten = true}));
  TRY(writer_->sync());
  TRY(writer_->seal(false, next_id_));
  covered_through_ = last_seq_;
  TRY(end_segment(records_in_segment_));
  writer_ = nullptr;
  return {};
}

Status LogBuilder::end_segment(std::uint64_t records) {
  TRY_ASSIGN(const SegmentScan scan,
             scan_segment(writer_->file(),
                          {.name = writer_->path(), .id = writer_->id(), .keys = options_.keys}));
  if (!scan.sealed || scan.is_damaged() || scan.torn || scan.records != records) {
    return fail(ErrorCode::kCorruption, writer_->path() + " does not read back as written");
  }
  bytes_ += writer_->file_bytes();
  return writer_->activate(io::join_path(options_.directory, segment_name(writer_->id())));
}

Status LogBuilder::finish(const RecordView& newest, Seq next_seq, Hlc hlc_floor) {
  DB_CHECK(newest.seq > last_seq_);
  DB_CHECK(next_seq > newest.seq);
  TRY(end_rewritten());
  TRY(begin_segment());
  group_.add(newest);
  ++records_;
  TRY(flush());
  hlc_floor = std::max({hlc_floor, hlc_floor_, newest.hlc});
  TRY(writer_->write_header({.first_seq = newest.seq,
                             .predecessor = {.id = 0, .last_seq = newest.seq - 1},
                             .hlc_floor = hlc_floor,
                             .store_uuid = options_.store_uuid,
                             .covers = {}}));
  TRY(writer_->sync());
  const bool gap = next_seq > newest.seq + 1;
  TRY(writer_->seal(!gap, next_id_));
  const Predecessor end{.id = writer_->id(),
                        .valid_bytes = writer_->offset(),
                        .last_seq = newest.seq,
                        .salt = writer_->access().salt};
  TRY(end_segment(1));
  if (!gap) {
    return {};
  }
  TRY(begin_segment());
  TRY(writer_->write_header({.first_seq = next_seq,
                             .predecessor = end,
                             .hlc_floor = hlc_floor,
                             .store_uuid = options_.store_uuid,
                             .covers = {}}));
  bytes_ += writer_->file_bytes();
  return writer_->activate(io::join_path(options_.directory, segment_name(writer_->id())));
}

}  // namespace pluresdb::wal
