// Reading a log by several threads, at opening: both passes must find exactly what one thread
// finds, whatever the log went through before.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "engine/base/worker_team.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/log_reader.h"
#include "engine/wal/parallel_replay.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

/// Several places in a segment where it may be cut: they are noted every 64 KiB.
constexpr std::uint64_t kSegmentBytes = 256ULL << 10;

/// Looks at the records as late as it may, when the window ends.
class Collector final : public wal::ReplaySink {
 public:
  explicit Collector(std::size_t slots) : slots_(slots) {}

  void take(std::size_t slot, std::span<const wal::RecordView> records) override {
    slots_.at(slot) = records;
  }
  Status end_window(std::size_t slots) override {
    for (std::size_t slot = 0; slot < slots; ++slot) {
      for (const wal::RecordView& record : slots_.at(slot)) {
        records_.push_back(record_of(record));
      }
    }
    windows_ += 1;
    if (windows_ == fails_at) {
      return fail(ErrorCode::kIo, "stop here");
    }
    return {};
  }

  [[nodiscard]] const std::vector<Record>& records() const { return records_; }
  [[nodiscard]] std::size_t windows() const { return windows_; }
  std::size_t fails_at = 0;

 private:
  std::vector<std::span<const wal::RecordView>> slots_;
  std::vector<Record> records_;
  std::size_t windows_ = 0;
};

/// A log that has seen much: batches, large values, failed syncs, reopening, rewriting.
class Past {
 public:
  Past() : test_(disk_) {
    test_.options.segment_bytes = kSegmentBytes;
    RC_ASSERT(succeeded(test_.open()));
    const auto steps = *rc::gen::inRange(1, 14);
    for (int i = 0; i < steps; ++i) {
      step();
    }
    if (*rc::gen::inRange(0, 2) == 0) {
      RC_ASSERT(succeeded(test_.log->close()));
    }
    test_.log = nullptr;
  }

  MemoryDisk& disk() { return disk_; }

 private:
  void step() {
    switch (*rc::gen::inRange(0, 12)) {
      case 0:
        RC_ASSERT(succeeded(test_.open()));
        break;
      case 1:
        fail_a_sync();
        break;
      case 2:
        rewrite();
        break;
      default:
        append();
    }
  }

  void append() {
    const auto count = *rc::gen::inRange<std::size_t>(1, 50);
    const auto bytes_max = *rc::gen::element<std::size_t>(10, 500, 3000, 9000);
    std::vector<std::string> ids(count);
    std::vector<std::string> values(count);
    std::vector<wal::AppendRequest> requests(count);
    for (std::size_t i = 0; i < count; ++i) {
      ++made_;
      ids[i] = std::to_string(made_ % 37);
      values[i] = payload((made_ * 2654435761U) % bytes_max, made_);
      const bool erases = made_ % 11 == 0;
      requests[i] = {.actor = made_ % 3 == 0 ? "b" : "a",
                     .type = erases ? wal::OperationType::kDelete : wal::OperationType::kPut,
                     .id = ids[i],
                     .value = erases ? std::string_view{} : std::string_view(values[i])};
    }
    RC_ASSERT(succeeded(test_.log->append_batch(requests)));
  }

  /// The group of the next write is then in two files, in the older one void.
  void fail_a_sync() {
    auto armed = std::make_shared<bool>(true);
    disk_.set_fault(
        [armed](DiskOperation operation, const std::string& path) -> std::optional<Error> {
          if (operation == DiskOperation::kSync && path.ends_with(".wal") && *armed) {
            *armed = false;
            return Error{.code = ErrorCode::kIo, .context = "sync"};
          }
          return std::nullopt;
        });
    append();
    disk_.set_fault(nullptr);
  }

  void rewrite() {
    std::vector<wal::SegmentInfo> segments = test_.log->segments();
    std::ranges::sort(segments, {}, &wal::SegmentInfo::first_seq);
    if (segments.size() < 3) {
      return;
    }
    const auto at = *rc::gen::inRange<std::size_t>(0, segments.size() - 2);
    const std::vector<std::uint64_t> inputs{segments[at].id, segments[at + 1].id};
    // Not adjacent, or still needed: then it stays as it is.
    (void)test_.log->rewrite_segments(
        inputs, [](const wal::RecordView& record) { return record.seq % 3 != 0; });
  }

  MemoryDisk disk_;
  TestLog test_;
  std::uint64_t made_ = 0;
};

/// Flips, wipes or cuts something in up to three places.
void damage(MemoryDisk& disk) {
  const auto places = *rc::gen::inRange(0, 4);
  for (int i = 0; i < places; ++i) {
    std::vector<std::string> names = *disk.list(kDirectory);
    std::erase_if(names, [](const std::string& name) { return !name.ends_with(".wal"); });
    if (names.empty()) {
      return;
    }
    const std::string path =
        io::join_path(kDirectory, names[*rc::gen::inRange<std::size_t>(0, names.size())]);
    auto bytes = disk.contents(path);
    const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
    switch (*rc::gen::inRange(0, 4)) {
      case 0:  // Both copies of the header.
        std::fill_n(bytes.begin(), std::min<std::size_t>(bytes.size(), 4096), std::byte{7});
        break;
      case 1:
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(at),
                    std::min<std::size_t>(bytes.size() - at, 30'000), std::byte{0});
        break;
      case 2:
        bytes.resize(at);
        break;
      default:
        bytes[at] ^= std::byte{0x10};
    }
    disk.set_contents(path, bytes);
  }
}

Result<wal::RecoveredLog> recover(MemoryDisk& disk, bool threads, Seq floor = 0,
                                  wal::RecordCollector* collector = nullptr) {
  wal::LogOptions options = test_options(disk);
  options.segment_bytes = kSegmentBytes;
  options.background_threads = threads;
  return wal::recover_log(options, floor, collector);
}

/// Keeps what the scan hands out, of up to so many segments.
class ScanRecords final : public wal::RecordCollector {
 public:
  explicit ScanRecords(std::size_t segments_max = 1000) : segments_max_(segments_max) {}

  std::size_t begin(std::span<const std::uint64_t> segment_bytes) override {
    segments_.resize(std::min(segments_max_, segment_bytes.size()));
    return segments_.size();
  }
  void take(std::size_t segment, const wal::RecordView& record) override {
    segments_.at(segment).push_back(record_of(record));
  }
  /// Of the first so many segments.
  [[nodiscard]] std::vector<Record> records(std::size_t segments) const {
    std::vector<Record> all;
    for (std::size_t i = 0; i < segments; ++i) {
      all.insert(all.end(), segments_.at(i).begin(), segments_.at(i).end());
    }
    return all;
  }
  [[nodiscard]] std::size_t segments() const { return segments_.size(); }

 private:
  const std::size_t segments_max_;
  std::vector<std::vector<Record>> segments_;
};

void expect_same(const wal::RecoveredLog& left, const wal::RecoveredLog& right) {
  const ValidationReport& a = left.report.validation;
  const ValidationReport& b = right.report.validation;
  RC_ASSERT(a.total_entries == b.total_entries);
  RC_ASSERT(a.valid_entries == b.valid_entries);
  RC_ASSERT(a.corrupted_segments == b.corrupted_segments);
  RC_ASSERT(a.torn_tails == b.torn_tails);
  RC_ASSERT(a.problems == b.problems);
  RC_ASSERT(a.lost.size() == b.lost.size());
  for (std::size_t i = 0; i < a.lost.size(); ++i) {
    RC_ASSERT(a.lost[i].first == b.lost[i].first);
    RC_ASSERT(a.lost[i].last == b.lost[i].last);
  }
  RC_ASSERT(left.report.last_seq == right.report.last_seq);
  RC_ASSERT(left.report.hlc_floor == right.report.hlc_floor);
  RC_ASSERT(left.report.quarantined_bytes == right.report.quarantined_bytes);
  RC_ASSERT(left.next_seq == right.next_seq);
  RC_ASSERT(left.previous == right.previous);
  RC_ASSERT(left.segments.size() == right.segments.size());
  for (std::size_t i = 0; i < left.segments.size(); ++i) {
    RC_ASSERT(left.segments[i]->id == right.segments[i]->id);
    RC_ASSERT(left.segments[i]->lowest_seq == right.segments[i]->lowest_seq);
    RC_ASSERT(left.segments[i]->last_written_seq == right.segments[i]->last_written_seq);
    RC_ASSERT(left.segments[i]->valid_end == right.segments[i]->valid_end);
    RC_ASSERT(left.segments[i]->groups == right.segments[i]->groups);
  }
}

/// The same records in a second file, or most of them: recovery never leaves that, yet readers
/// promise each seq once.
void add_twin(MemoryDisk& disk, wal::SegmentSet& segments, const wal::Segment& segment) {
  auto twin = std::make_shared<wal::Segment>(segment);
  twin->id += 1000;
  twin->path += ".twin";
  twin->lowest_seq += *rc::gen::inRange<Seq>(0, 20);
  disk.set_contents(twin->path, disk.contents(segment.path));
  segments.add(std::move(twin));
}

std::vector<Record> read_in_order(wal::SegmentSet& segments, Seq from) {
  std::vector<Record> records;
  const Status read = wal::replay_segments(segments, from, false, [&](const wal::RecordView& view) {
    records.push_back(record_of(view));
    return Status{};
  });
  RC_ASSERT(succeeded(read));
  return records;
}

// Goal: neither pass over the log depends on the number of threads. Method: a random past, random
// damage; one thread's answer is the model for three. Red with: a piece that begins one group too
// late or ends one too early; views used after the window moved on; overlapping spans decoded
// together; a segment without header scanned before its predecessors.
RC_GTEST_PROP(ParallelReplay, FindsWhatOneThreadFinds, ()) {
  Past past;
  damage(past.disk());
  const auto copy = past.disk().clone();
  const auto one = recover(past.disk(), false);
  const auto several = recover(*copy, true);
  RC_ASSERT(one.has_value() == several.has_value());
  if (!one) {
    RC_ASSERT(one.error().code == several.error().code);
    return;
  }
  expect_same(*one, *several);
  wal::SegmentSet segments(past.disk());
  for (const auto& segment : one->segments) {
    segments.add(segment);
  }
  if (!one->segments.empty() && *rc::gen::inRange(0, 3) == 0) {
    add_twin(past.disk(), segments,
             *one->segments[*rc::gen::inRange<std::size_t>(0, one->segments.size())]);
  }
  const Seq from = *rc::gen::inRange<Seq>(0, one->report.last_seq + 2);
  const std::vector<Record> expected = read_in_order(segments, from);
  for (const std::size_t threads : {1U, 3U}) {
    base::WorkerTeam team(threads);
    for (const std::uint64_t piece_bytes :
         std::to_array<std::uint64_t>({1, 128 << 10, wal::kReplayPieceBytes})) {
      Collector collector(wal::Log::replay_slots(team));
      RC_ASSERT(succeeded(
          wal::replay_segments_in_parallel(segments, from, piece_bytes, team, collector)));
      RC_ASSERT(collector.records() == expected);
    }
  }
}

// Goal: what the scan hands out, and a replay of what comes behind, are together what a replay of
// everything finds. Method: a random past, random damage, any floor, by one thread and by several.
// Red with: a damaged or a rewritten segment that counts; a segment that counts behind one that
// does not; records below the floor handed out.
RC_GTEST_PROP(ScanCollection, IsTheBeginningOfWhatAReplayFinds, ()) {
  Past past;
  damage(past.disk());
  const auto floor = *rc::gen::inRange<Seq>(0, 150);
  const auto segments_max = *rc::gen::inRange<std::size_t>(0, 8);
  for (const bool threads : {false, true}) {
    const auto disk = past.disk().clone();
    ScanRecords collector(segments_max);
    const auto recovered = recover(*disk, threads, floor, &collector);
    if (!recovered) {
      return;
    }
    const wal::CollectedSegments& collected = recovered->report.collected;
    RC_ASSERT(collected.segments <= collector.segments());
    wal::SegmentSet segments(*disk);
    for (const auto& segment : recovered->segments) {
      segments.add(segment);
    }
    std::vector<Record> records = collector.records(collected.segments);
    if (!records.empty()) {
      RC_ASSERT(records.back().seq == collected.last_seq);
    }
    const auto rest = read_in_order(segments, std::max(floor, collected.last_seq) + 1);
    records.insert(records.end(), rest.begin(), rest.end());
    RC_ASSERT(records == read_in_order(segments, floor + 1));
  }
}

/// Segments 1 .. 4 with a successor, and one without.
std::unique_ptr<MemoryDisk> five_segments() {
  auto disk = std::make_unique<MemoryDisk>();
  TestLog test(*disk);
  test.options.segment_bytes = kSegmentBytes;
  EXPECT_TRUE(succeeded(test.open()));
  for (std::uint64_t i = 0; test.log->segments().size() < 5; ++i) {
    EXPECT_TRUE(succeeded(test.put(std::to_string(i), payload(2000, i))));
  }
  test.log = nullptr;
  return disk;
}

TEST(ScanCollection, TakesEverySegmentWhoseEndIsKnown) {
  const auto disk = five_segments();
  ScanRecords collector;
  const auto recovered = recover(*disk, true, 0, &collector);
  ASSERT_TRUE(succeeded(recovered));
  EXPECT_EQ(recovered->report.collected.segments, 4U);
  EXPECT_EQ(recovered->report.collected.last_seq, recovered->segments[3]->last_seq);
  EXPECT_EQ(collector.records(4).size(), recovered->segments[3]->last_seq);
}

TEST(ScanCollection, SkipsSegmentsBelowTheFloor) {
  const auto disk = five_segments();
  const auto whole = recover(*disk, true);
  ASSERT_TRUE(succeeded(whole));
  const Seq floor = whole->segments[1]->last_seq + 3;
  ScanRecords collector;
  const auto recovered = recover(*disk, true, floor, &collector);
  ASSERT_TRUE(succeeded(recovered));
  EXPECT_EQ(collector.segments(), 2U);
  EXPECT_EQ(recovered->report.collected.segments, 2U);
  EXPECT_EQ(collector.records(2).front().seq, floor + 1);
}

TEST(ScanCollection, AHoleBelowTheFloorIsNoReasonToReadTwice) {
  const auto disk = five_segments();
  const auto whole = recover(*disk, true);
  ASSERT_TRUE(succeeded(whole));
  const Seq floor = whole->segments[1]->last_seq;
  ASSERT_TRUE(succeeded(disk->remove(segment_path(2))));  // As compaction does.
  ScanRecords collector;
  const auto recovered = recover(*disk, true, floor, &collector);
  ASSERT_TRUE(succeeded(recovered));
  EXPECT_EQ(recovered->report.collected.segments, 2U);
  EXPECT_EQ(collector.records(2).front().seq, floor + 1);
  ScanRecords nothing;
  ASSERT_TRUE(succeeded(recover(*disk, true, floor - 1, &nothing)));
  EXPECT_EQ(nothing.segments(), 0U) << "what is missing is wanted";
}

TEST(ScanCollection, TakesNothingWhereARewrittenSegmentReachesAboveTheFloor) {
  const auto disk = five_segments();
  TestLog test(*disk);
  test.options.segment_bytes = kSegmentBytes;
  ASSERT_TRUE(succeeded(test.open()));
  const std::vector<wal::SegmentInfo> before = test.log->segments();
  const std::vector<std::uint64_t> inputs{before[0].id, before[1].id};
  ASSERT_TRUE(succeeded(
      test.log->rewrite_segments(inputs, [](const wal::RecordView& /*record*/) { return true; })));
  test.log = nullptr;
  ScanRecords nothing;
  ASSERT_TRUE(succeeded(recover(*disk, true, before[1].last_seq - 1, &nothing)));
  EXPECT_EQ(nothing.segments(), 0U);
  ScanRecords collector;
  ASSERT_TRUE(succeeded(recover(*disk, true, before[1].last_seq, &collector)));
  EXPECT_EQ(collector.segments(), 2U);
}

TEST(ScanCollection, NothingCountsFromADamagedSegmentOn) {
  const auto disk = five_segments();
  auto bytes = disk->contents(segment_path(3));
  bytes[bytes.size() / 2] ^= std::byte{1};
  disk->set_contents(segment_path(3), bytes);
  ScanRecords collector;
  const auto recovered = recover(*disk, true, 0, &collector);
  ASSERT_TRUE(succeeded(recovered));
  EXPECT_EQ(collector.segments(), 4U);
  EXPECT_EQ(recovered->report.collected.segments, 2U);
  EXPECT_EQ(recovered->report.collected.last_seq, recovered->segments[1]->last_seq);
}

TEST(ParallelReplay, PiecesAreDisjointAscendAndAreAsSmallAsGroupsAllow) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.segment_bytes = 1ULL << 20;
  ASSERT_TRUE(succeeded(test.open()));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(succeeded(test.put(std::to_string(i), payload(2000, i))));
  }
  test.log = nullptr;
  auto recovered = wal::recover_log(test.options, 0);
  ASSERT_TRUE(succeeded(recovered));
  wal::SegmentSet segments(disk);
  for (const auto& segment : recovered->segments) {
    segments.add(segment);
  }
  constexpr std::uint64_t kPieceBytes = 150ULL << 10;
  const auto pieces = segments.plan_pieces(10, kPieceBytes);
  EXPECT_GE(pieces.size(), 2'000'000U / kPieceBytes);
  Seq next = 10;
  for (const wal::ReadSpan& piece : pieces) {
    EXPECT_EQ(piece.range.first, next);
    EXPECT_FALSE(piece.overlaps);
    EXPECT_LE(piece.end_offset - piece.start_offset, kPieceBytes);
    next = piece.range.last + 1;
  }
  EXPECT_EQ(next, 1001U);
}

TEST(ParallelReplay, AnErrorOfTheSinkEndsIt) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  for (std::uint64_t i = 0; i < 1000; ++i) {
    ASSERT_TRUE(succeeded(test.put(std::to_string(i), payload(2000, i))));
  }
  base::WorkerTeam team(1);
  Collector whole(wal::Log::replay_slots(team));
  ASSERT_TRUE(succeeded(test.log->replay_windows(0, team, whole)));
  ASSERT_GT(whole.windows(), 2U);
  Collector collector(wal::Log::replay_slots(team));
  collector.fails_at = 2;
  EXPECT_TRUE(failed_with(test.log->replay_windows(0, team, collector), ErrorCode::kIo));
  EXPECT_EQ(collector.windows(), 2U);
  EXPECT_LT(collector.records().size(), whole.records().size());
}

TEST(ParallelReplay, AnErrorOfTheDiskEndsItWhicheverThreadMeetsIt) {
  MemoryDisk disk;
  TestLog test(disk);
  ASSERT_TRUE(succeeded(test.open()));
  for (std::uint64_t i = 0; i < 400; ++i) {
    ASSERT_TRUE(succeeded(test.put(std::to_string(i), payload(2000, i))));
  }
  const std::uint64_t last_id = test.log->segments().back().id;
  ASSERT_GT(last_id, 6U);
  for (std::uint64_t id = 1; id <= last_id; ++id) {
    disk.set_fault([&](DiskOperation operation, const std::string& path) -> std::optional<Error> {
      const bool fails = operation == DiskOperation::kRead && path == segment_path(id);
      return fails ? std::optional(Error{.code = ErrorCode::kIo, .context = path}) : std::nullopt;
    });
    base::WorkerTeam team(3);
    Collector collector(wal::Log::replay_slots(team));
    EXPECT_TRUE(failed_with(test.log->replay_windows(0, team, collector), ErrorCode::kIo));
    for (const Record& record : collector.records()) {
      EXPECT_LT(record.seq, test.log->segments()[id - 1].first_seq);
    }
  }
}

}  // namespace
}  // namespace pluresdb::wal_test
