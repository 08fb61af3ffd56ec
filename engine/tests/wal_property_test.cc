// Laws of the codec and of the log as a whole, with random inputs.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/frame_seal.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_reader.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

constexpr std::uint64_t kLargeBytes = 300;

Record any_record() {
  Record record;
  record.timestamp_us = *rc::gen::arbitrary<std::int64_t>();
  record.hlc = *rc::gen::arbitrary<std::uint64_t>();
  record.actor_seq = *rc::gen::arbitrary<std::uint64_t>();
  record.argument = *rc::gen::arbitrary<std::uint64_t>();
  record.type = *rc::gen::element(wal::OperationType::kPut, wal::OperationType::kDelete,
                                  wal::OperationType::kCompact, wal::OperationType::kCheckpoint);
  record.actor = payload(*rc::gen::inRange<std::size_t>(1, kActorBytesMax + 1), 1);
  record.id = *rc::gen::string<std::string>();
  record.value =
      *rc::gen::oneOf(rc::gen::string<std::string>(),
                      rc::gen::map(rc::gen::inRange<std::size_t>(0, 3 * kLargeBytes),
                                   [](std::size_t bytes) { return payload(bytes, bytes); }));
  return record;
}

wal::RecordView view_of(const Record& record) {
  wal::RecordView view;
  view.seq = record.seq;
  view.timestamp_us = record.timestamp_us;
  view.hlc = record.hlc;
  view.actor_seq = record.actor_seq;
  view.type = record.type;
  view.actor = record.actor;
  view.id = record.id;
  view.value = record.value;
  view.argument = record.argument;
  view.value_in_log = record.value.size() >= kLargeBytes;
  view.value_bytes = record.value.size();
  view.value_crc = base::crc32c(base::as_bytes(record.value));
  return view;
}

RC_GTEST_PROP(WalProperty, ARecordReadsBackAsWritten, ()) {
  Record record = any_record();
  record.seq = *rc::gen::inRange<Seq>(1, ~0ULL);
  wal::RecordView view = view_of(record);
  view.value_in_log = false;
  std::vector<std::byte> bytes;
  wal::encode_record(view, bytes);
  RC_ASSERT(bytes.size() == wal::encoded_record_bytes(view));
  std::size_t offset = 0;
  wal::RecordView decoded;
  RC_ASSERT(wal::decode_record(bytes, offset, decoded));
  RC_ASSERT(offset == bytes.size());
  RC_ASSERT(record_of(decoded) == record);
}

RC_GTEST_PROP(WalProperty, ACutOrArbitraryRecordIsNeverReadBeyondItsBytes, ()) {
  auto bytes = *rc::gen::container<std::vector<std::uint8_t>>(rc::gen::arbitrary<std::uint8_t>());
  const bool is_cut = *rc::gen::arbitrary<bool>();
  std::vector<std::byte> input;
  if (is_cut) {
    Record record = any_record();
    record.seq = 1;
    wal::RecordView view = view_of(record);
    view.value_in_log = false;
    wal::encode_record(view, input);
    // Anywhere, and as often in the padding at its end.
    const std::size_t from = *rc::gen::element<std::size_t>(0, input.size() - wal::kAlignment);
    input.resize(*rc::gen::inRange<std::size_t>(from, input.size()));
  } else {
    std::ranges::transform(bytes, std::back_inserter(input),
                           [](std::uint8_t byte) { return std::byte{byte}; });
  }
  std::size_t offset = 0;
  wal::RecordView decoded;
  const bool is_record = wal::decode_record(input, offset, decoded);
  RC_ASSERT(!is_cut || !is_record);
  RC_ASSERT(offset <= input.size());
}

RC_GTEST_PROP(WalProperty, AGroupReadsBackWhereverItIsPlaced, ()) {
  std::vector<Record> records;
  Seq seq = *rc::gen::inRange<Seq>(1, 1000);
  const auto count = *rc::gen::inRange(1, 12);
  // Of large values some are copied, some not.
  wal::GroupBuilder builder(nullptr, wal::FrameLayout(), 2 * kLargeBytes);
  builder.clear();
  std::uint64_t bound = wal::kGroupHeaderBytes;
  for (int i = 0; i < count; ++i) {
    records.push_back(any_record());
    records.back().seq = seq;
    if (*rc::gen::inRange(0, 8) == 0) {
      records.back().value =
          payload(*rc::gen::inRange<std::size_t>(1, 3) * wal::kValueChunkBytesMax +
                      *rc::gen::inRange<std::size_t>(0, 20) - 10,
                  seq);
    }
    seq += *rc::gen::inRange<Seq>(1, 4);
  }
  std::vector<wal::ValueChecksums> checksums;
  for (const Record& record : records) {
    checksums.push_back(*rc::gen::arbitrary<bool>() ? wal::checksums_of(view_of(record))
                                                    : wal::ValueChecksums{});
    builder.add(view_of(record), checksums.back().chunks);
    bound += wal::group_bytes_bound(view_of(record));
  }
  RC_ASSERT(builder.bytes() <= bound);
  const auto salt = *rc::gen::arbitrary<std::uint64_t>();
  MemoryDisk disk;
  for (int round = 0; round < 2; ++round) {
    const std::uint64_t offset =
        wal::kSegmentHeaderBytes + 8 * *rc::gen::inRange<std::uint64_t>(0, 100);
    std::vector<std::byte> bytes;
    for (const base::ByteSpan piece : builder.place(salt, offset, offset, 0)) {
      base::append_bytes(bytes, piece);
    }
    RC_ASSERT(bytes.size() == builder.bytes());
    RC_ASSERT(bytes.size() <= bound);
    const auto file = disk.open("file", io::OpenMode::kCreateOrEmpty);
    RC_ASSERT(file.has_value());
    RC_ASSERT((*file)->write(offset, bytes).has_value());
    wal::SegmentReader reader(**file, wal::SegmentAccess{.salt = salt}, offset + bytes.size());
    const auto frame = reader.find_frame(0);
    RC_ASSERT(frame.has_value());
    RC_ASSERT(frame->kind == wal::FrameKind::kGroup);
    RC_ASSERT(frame->offset == offset);
    std::vector<Record> read;
    std::vector<std::uint64_t> value_offsets;
    const auto intact =
        reader.read_group(*frame, wal::ValueMode::kRead, [&](const wal::ReadRecord& record) {
          read.push_back(record_of(record.view));
          if (record.view.value_in_log) {
            value_offsets.push_back(record.value_offset - offset);
          }
          return Status{};
        });
    RC_ASSERT(intact.has_value());
    RC_ASSERT(*intact);
    RC_ASSERT(read == records);
    RC_ASSERT(std::ranges::equal(builder.values(), value_offsets, {}, &wal::ValueLocation::offset));
  }
}

RC_GTEST_PROP(WalProperty, TheIndexOfAFooterReadsBack, ()) {
  wal::SegmentIndex index;
  Seq seq = 0;
  for (const auto step : *rc::gen::container<std::vector<Seq>>(rc::gen::inRange<Seq>(1, 4))) {
    seq += step;
    index.add_seq(seq);
    if (step == 2) {
      index.values.push_back({.seq = seq, .offset = seq * 8, .value_bytes = 1, .value_crc = 2});
    }
    wal::add_group_location(index.groups, {.first_seq = seq, .offset = seq << 14U});
  }
  const auto bytes = wal::encode_footer({.last_seq = seq}, index, 5, 4096);
  const auto header = wal::decode_footer_header(bytes, 5, 4096);
  RC_ASSERT(header.has_value());
  const auto body = base::ByteSpan(bytes).subspan(wal::kFooterHeaderBytes, header->body_bytes);
  RC_ASSERT(wal::decode_footer_body(*header, body) == index);
}

/// The log against a list: random operations, closes, crashes and power losses.
class Model {
 public:
  Model() : test_(disk_) {
    test_.options.segment_bytes = 16ULL << 10;
    test_.options.large_value_bytes = 1000;
    reopen();
  }

  void step() {
    switch (*rc::gen::inRange(0, 10)) {
      case 0:
        RC_ASSERT(test_.log->close().has_value());
        reopen();
        break;
      case 1:
        reopen();
        break;
      case 2:
        test_.log = nullptr;
        disk_.lose_power(*rc::gen::inRange<std::uint64_t>(1, 1000));
        reopen();
        break;
      case 3:
        remove();
        break;
      case 4:
        rewrite();
        break;
      default:
        append();
        break;
    }
  }

  void check() {
    const auto records = test_.read_all();
    RC_ASSERT(records.has_value());
    RC_ASSERT(*records == expected_);
    const auto report = test_.log->validate();
    RC_ASSERT(report.has_value());
    RC_ASSERT(report->is_healthy());
    RC_ASSERT(report->valid_entries == expected_.size());
  }

 private:
  void reopen() {
    test_.options.compress_rewritten = *rc::gen::arbitrary<bool>();
    RC_ASSERT(test_.open().has_value());
    RC_ASSERT(test_.log->recovery().validation.is_healthy());
  }
  void append() {
    const auto count = *rc::gen::inRange<std::size_t>(1, 5);
    std::vector<std::string> values;
    for (std::size_t i = 0; i < count; ++i) {
      values.push_back(payload(*rc::gen::element<std::size_t>(0, 10, 900, 1000, 7000), ++made_));
    }
    std::vector<wal::AppendRequest> batch;
    for (const std::string& value : values) {
      batch.push_back({.actor = "a", .id = "doc", .value = value});
    }
    const std::size_t applied = test_.client->applied().size();
    const auto first = test_.log->append_batch(batch);
    RC_ASSERT(first.has_value());
    RC_ASSERT(expected_.empty() || *first > last_seq_);
    last_seq_ = *first + count - 1;
    const auto& all = test_.client->applied();
    RC_ASSERT(all.size() == applied + count);
    expected_.insert(expected_.end(), all.begin() + static_cast<std::ptrdiff_t>(applied),
                     all.end());
  }
  std::vector<wal::SegmentInfo> by_seq() const {
    auto segments = test_.log->segments();
    std::erase_if(segments, [](const wal::SegmentInfo& info) { return info.last_seq == 0; });
    std::ranges::sort(segments, {}, &wal::SegmentInfo::first_seq);
    return segments;
  }
  void remove() {
    const auto segments = by_seq();
    if (segments.empty()) {
      return;
    }
    const auto removed = test_.log->remove_segments(std::vector{segments.front().id});
    RC_ASSERT(removed.has_value());
    if (*removed > 0) {
      std::erase_if(expected_,
                    [&](const Record& record) { return record.seq <= segments.front().last_seq; });
    }
  }
  void rewrite() {
    const auto segments = by_seq();
    if (segments.size() < 3) {
      return;
    }
    const auto at = *rc::gen::inRange<std::size_t>(0, segments.size() - 2);
    const std::vector<std::uint64_t> inputs{segments[at].id, segments[at + 1].id};
    const auto output = test_.log->rewrite_segments(
        inputs, [](const wal::RecordView& record) { return record.seq % 3 != 0; });
    if (!output) {  // A file without records may lie between, or one is still needed.
      RC_ASSERT(output.error().code == ErrorCode::kInvalidArgument);
      return;
    }
    std::erase_if(expected_, [&](const Record& record) {
      return record.seq % 3 == 0 && record.seq >= segments[at].first_seq &&
             record.seq <= segments[at + 1].last_seq;
    });
  }

  MemoryDisk disk_;
  TestLog test_;
  std::vector<Record> expected_;
  Seq last_seq_ = 0;
  std::uint64_t made_ = 0;
};

RC_GTEST_PROP(WalProperty, RandomOperationsGiveWhatTheModelHas, ()) {
  Model model;
  const auto steps = *rc::gen::inRange(1, 25);
  for (int i = 0; i < steps; ++i) {
    model.step();
  }
  model.check();
}

}  // namespace
}  // namespace pluresdb::wal_test
