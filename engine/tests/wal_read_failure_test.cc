// Goal: bytes that cannot be read are an error and nothing else: never taken for damage, a torn
// end or a shorter log, and never a reason to change or remove anything.
// Method: logs whose segments are larger than what is read at once, whole ones and ones that are
// damaged so that a reader has to search. Everything that reads is run with its N-th opening,
// read or question for a size failing, for N = 1, 2, 3, ... until none is left to fail: it must end
// with that very error or give what it gives when nothing fails. Afterwards the log must be what it
// was.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/base/worker_team.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_layout.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/group_builder.h"
#include "engine/wal/log.h"
#include "engine/wal/log_check.h"
#include "engine/wal/recovery.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_reader.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

/// Nothing reads so often: a loop that comes here does not end.
constexpr std::uint64_t kReadsMax = 500;
/// Of a value in two chunks.
constexpr std::uint64_t kLarge = 300ULL << 10;
constexpr std::uint64_t kLargerThanAWindow = 700ULL << 10;
static_assert(kLargerThanAWindow > wal::kReadWindowBytes);  // And two of them than a segment.
constexpr std::uint64_t kRecordsOfLargeValueFirst = 2;
/// In one group, with which it is larger than a window.
constexpr std::uint64_t kSmallRecords = 200;
constexpr std::uint64_t kSmall = 3000;
static_assert(kSmallRecords * kSmall > wal::kReadWindowBytes);
constexpr std::uint64_t kRecordsPerSegment = kSmallRecords + 3;

wal::LogOptions options_of(io::FileSystem& files) {
  wal::LogOptions options = test_options(files);
  options.segment_bytes = 5ULL << 18;
  return options;
}

// --- Logs
// -----------------------------------------------------------------------------------------

/// Segments 1 and 2 are sealed, 3 is not; each has a large value, a group of many small records,
/// another value and a small group.
void write_segments(MemoryDisk& disk) {
  TestLog test(options_of(disk));
  ASSERT_TRUE(succeeded(test.open()));
  std::vector<std::string> values;
  for (std::uint64_t i = 0; i < kSmallRecords; ++i) {
    values.push_back(payload(kSmall, i));
  }
  for (std::uint64_t segment = 1; segment <= 3; ++segment) {
    ASSERT_TRUE(succeeded(test.put("large", payload(kLarge, segment))));
    std::vector<wal::AppendRequest> batch;
    for (const std::string& value : values) {
      batch.push_back({.actor = "a", .id = "small", .value = value});
    }
    ASSERT_TRUE(succeeded(test.log->append_batch(batch)));
    ASSERT_TRUE(succeeded(test.put("later", payload(kLarge / 2, 10 + segment))));
    ASSERT_TRUE(succeeded(test.put("end", payload(100, segment))));
    ASSERT_EQ(test.log->segments().back().id, segment);
  }
}

void change(MemoryDisk& disk, std::uint64_t id,
            const std::function<void(std::vector<std::byte>&)>& edit) {
  std::vector<std::byte> bytes = disk.contents(segment_path(id));
  edit(bytes);
  disk.set_contents(segment_path(id), bytes);
}

void clear(std::span<std::byte> bytes) { std::ranges::fill(bytes, std::byte{0}); }

void whole(MemoryDisk& disk) { write_segments(disk); }

/// Both copies of the header of a segment in the middle, and of the one behind it its first group:
/// whose word there is to believe is to be found out.
void without_headers(MemoryDisk& disk) {
  write_segments(disk);
  const auto groups = layout_of(disk.contents(segment_path(3))).groups;
  change(disk, 2, [](auto& bytes) { clear(std::span(bytes).first(wal::kSegmentHeaderBytes)); });
  change(disk, 3, [&groups](auto& bytes) {
    clear(std::span(bytes).first(wal::kSegmentHeaderBytes));
    clear(std::span(bytes).subspan(groups[0].begin, wal::kGroupHeaderBytes));
  });
}

/// Of a segment without a header the first group that can be read says where it belongs; here a
/// watermark stands before it, which does not.
void watermark_first(MemoryDisk& disk) {
  write_segments(disk);
  change(disk, 2, [](auto& bytes) {
    const auto header = wal::decode_segment_header(base::ByteSpan(bytes)).header;
    ASSERT_TRUE(header.has_value());
    wal::GroupBuilder empty;
    empty.clear();
    const base::ByteSpan watermark = empty
                                         .place(header->salt, wal::kSegmentHeaderBytes,
                                                wal::kSegmentHeaderBytes, wal::kGroupWatermark)
                                         .front();
    clear(std::span(bytes).first(wal::kSegmentHeaderBytes));
    std::ranges::copy(watermark, bytes.begin() + wal::kSegmentHeaderBytes);
  });
}

/// Groups of a value that is larger than a window and a small record behind it; in the second
/// segment all that would lead from one to the other is gone.
void large_value_first(MemoryDisk& disk) {
  TestLog test(options_of(disk));
  ASSERT_TRUE(succeeded(test.open()));
  for (std::uint64_t segment = 1; segment <= 3; ++segment) {
    const std::string large = payload(kLargerThanAWindow, segment);
    const std::vector<wal::AppendRequest> batch = {
        {.actor = "a", .id = "large", .value = large},
        {.actor = "a", .id = "small", .value = "behind it"}};
    ASSERT_TRUE(succeeded(test.log->append_batch(batch)));
    ASSERT_EQ(test.log->segments().back().id, segment);
  }
  const std::uint64_t chunks_at =
      layout_of(disk.contents(segment_path(2))).groups[0].begin + wal::kGroupHeaderBytes;
  change(disk, 2, [chunks_at](auto& bytes) {
    clear(std::span(bytes).subspan(chunks_at, wal::kReadWindowBytes + 1000));
  });
}

/// Without the headers of the newest segment, which was sealed: its trailer still says what it was.
void trailer_only(MemoryDisk& disk) {
  write_segments(disk);
  {
    TestLog test(options_of(disk));
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_TRUE(succeeded(test.put("large", payload(kLarge, 20))));
    ASSERT_TRUE(succeeded(test.log->close()));
  }
  change(disk, 4, [](auto& bytes) {
    clear(std::span(bytes).first(wal::kSegmentHeaderBytes + wal::kGroupHeaderBytes));
  });
}

/// The header of a group, that of a chunk of a value and that of a chunk of records: what follows
/// is found by searching.
void damaged_inside(MemoryDisk& disk) {
  write_segments(disk);
  const auto groups = layout_of(disk.contents(segment_path(1))).groups;
  ASSERT_GE(groups.size(), 4U);
  change(disk, 1, [&groups](auto& bytes) { bytes[groups[1].begin] ^= std::byte{1}; });
  change(disk, 2, [&groups](auto& bytes) {
    const std::uint64_t value_at = groups[0].begin + wal::kGroupHeaderBytes + 200;
    clear(std::span(bytes).subspan(value_at, 200));
    bytes[groups[1].begin + wal::kGroupHeaderBytes] ^= std::byte{1};
  });
}

/// A rewritten segment of which the end is gone, beside whole ones.
void rewritten_and_cut(MemoryDisk& disk) {
  write_segments(disk);
  std::uint64_t output = 0;
  {
    wal::LogOptions options = options_of(disk);
    options.compress_rewritten = true;
    TestLog test(options);
    ASSERT_TRUE(succeeded(test.open()));
    const std::uint64_t inputs[] = {1};
    const auto id = test.log->rewrite_segments(inputs, [](const auto&) { return true; });
    ASSERT_TRUE(succeeded(id));
    output = *id;
  }
  change(disk, output, [](auto& bytes) { bytes.resize(bytes.size() - 300); });
}

struct Image {
  std::string_view name;
  void (*make)(MemoryDisk& disk);
  friend std::ostream& operator<<(std::ostream& out, const Image& image) {
    return out << image.name;
  }
};

constexpr Image kImages[] = {
    {"Whole", whole},
    {"WithoutHeaders", without_headers},
    {"WatermarkFirst", watermark_first},
    {"LargeValueFirst", large_value_first},
    {"TrailerOnly", trailer_only},
    {"DamagedInside", damaged_inside},
    {"RewrittenAndCut", rewritten_and_cut},
};

// --- What reads
// -----------------------------------------------------------------------------------------

std::string text_of(const ValidationReport& report) {
  std::string text = fmt::format("{} of {} entries, {} torn", report.corrupted_entries,
                                 report.total_entries, report.torn_tails);
  for (const SeqRange& range : report.lost) {
    text += fmt::format("; lost {}..{}", range.first, range.last);
  }
  for (const std::string& problem : report.problems) {
    text += "; " + problem;
  }
  return text;
}

std::string text_of(const wal::RecordView& record) {
  return fmt::format("; {} {} {:x}", record.seq, record.value.size(),
                     base::crc32c(base::as_bytes(record.value)));
}

/// What is in an open log, by what its methods say; not thread-safe.
class Collector final : public wal::ReplaySink {
 public:
  void take(std::size_t /*slot*/, std::span<const wal::RecordView> records) override {
    for (const wal::RecordView& record : records) {
      text_ += text_of(record);
    }
  }
  Status end_window(std::size_t /*slots*/) override { return {}; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Everything that was read, or the error that ended it.
using Outcome = Result<std::string>;

Outcome replay(wal::Log& log) {
  std::string text;
  TRY(log.replay(0, true, [&text](const wal::RecordView& record) -> Status {
    text += text_of(record);
    return {};
  }));
  return text;
}
Outcome replay_windows(wal::Log& log) {
  base::WorkerTeam team(1);
  Collector collector;
  TRY(log.replay_windows(0, team, collector));
  return collector.text();
}
Outcome validate(wal::Log& log) {
  TRY_ASSIGN(const ValidationReport report, log.validate());
  return text_of(report);
}
Outcome visit_values(wal::Log& log) {
  std::string text;
  for (const wal::SegmentInfo& segment : log.segments()) {
    TRY(log.visit_large_values(segment.id,
                               [&text](Seq seq, std::string_view, std::uint64_t bytes) -> Status {
                                 text += fmt::format("; {} {}", seq, bytes);
                                 return {};
                               }));
  }
  return text;
}
/// The same at every call, made once.
const std::string& expected_value(std::uint64_t bytes, std::uint64_t segment) {
  static std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> values;
  std::string& value = values[{bytes, segment}];
  if (value.empty()) {
    value = payload(bytes, segment);
  }
  return value;
}
Outcome read_values(wal::Log& log) {
  std::string text;
  // Of write_segments() or of large_value_first(): the first record of each segment.
  for (const auto& [bytes, records] :
       {std::pair{kLarge, kRecordsPerSegment}, {kLargerThanAWindow, kRecordsOfLargeValueFirst}}) {
    for (std::uint64_t segment = 1; segment <= 3; ++segment) {
      const std::string& expected = expected_value(bytes, segment);
      const Seq seq = 1 + (segment - 1) * records;
      const auto value =
          log.read_value(seq, expected.size(), base::crc32c(base::as_bytes(expected)));
      if (value) {
        EXPECT_EQ(*value, expected);
      } else if (value.error().code == ErrorCode::kIo) {
        return std::unexpected(value.error());
      }
      text += value ? "; there" : "; " + to_string(value.error());
    }
  }
  return text;
}
/// Of the oldest segment. What a damaged one has to say is no failure of a read.
Outcome rewrite(wal::Log& log) {
  const std::uint64_t inputs[] = {log.segments().front().id};
  const auto id = log.rewrite_segments(inputs, [](const auto&) { return true; });
  if (!id && id.error().code == ErrorCode::kIo) {
    return std::unexpected(id.error());
  }
  return id ? std::string("rewritten") : to_string(id.error());
}

struct Reading {
  std::string_view name;
  Outcome (*run)(wal::Log& log);
  bool changes = false;
};
constexpr Reading kReadings[] = {
    {"replay", replay},           {"replay_windows", replay_windows},
    {"validate", validate},       {"visit_values", visit_values},
    {"read_values", read_values}, {"rewrite", rewrite, true},
};

// --- The loop
// -----------------------------------------------------------------------------------------

/// Fails the `n`-th opening or read of a segment, or of one that is being made, from 1.
class FailingReads {
 public:
  FailingReads(MemoryDisk& disk, std::uint64_t n) : disk_(disk), left_(n) {
    disk_.set_fault([this](DiskOperation operation, const std::string& path) {
      const bool reads = operation == DiskOperation::kRead || operation == DiskOperation::kOpen ||
                         operation == DiskOperation::kSize;
      const bool segment = path.ends_with(".wal") || path.ends_with(".tmp");
      if (!reads || !segment || left_ == 0 || --left_ > 0) {
        return std::optional<Error>();
      }
      return std::optional(error());
    });
  }
  ~FailingReads() { disk_.set_fault(nullptr); }
  FailingReads(const FailingReads&) = delete;
  FailingReads& operator=(const FailingReads&) = delete;
  FailingReads(FailingReads&&) = delete;
  FailingReads& operator=(FailingReads&&) = delete;

  static Error error() {
    return {.code = ErrorCode::kIo, .sys_errno = EIO, .injected = true, .context = "planted"};
  }
  [[nodiscard]] bool fired() const { return left_ == 0; }

 private:
  MemoryDisk& disk_;
  std::uint64_t left_;
};

class ReadFailure : public ::testing::TestWithParam<Image> {
 protected:
  void SetUp() override { GetParam().make(image_); }

  /// Runs `read` with each of its openings and reads failing, on a copy of the image each time when
  /// it changes anything. `read` arms the failure of number `n` (0: none) and says what it saw.
  void loop(bool changes, const std::function<Outcome(MemoryDisk&, std::uint64_t n)>& read) {
    const auto run = [&](std::uint64_t n) {
      const auto copy = changes ? image_.clone() : nullptr;
      return read(changes ? *copy : image_, n);
    };
    const Outcome unharmed = run(0);
    ASSERT_TRUE(succeeded(unharmed));
    std::uint64_t errors = 0;
    for (std::uint64_t n = 1; n < kReadsMax; ++n) {
      SCOPED_TRACE(fmt::format("read {} fails", n));
      const Outcome outcome = run(n);
      if (outcome) {
        EXPECT_EQ(*outcome, *unharmed) << "a failed read has changed what was found";
      } else {
        ++errors;
        EXPECT_TRUE(outcome.error().injected) << to_string(outcome.error());
      }
      if (!fired_) {
        EXPECT_GT(errors, 0U) << "nothing was read";
        return;
      }
    }
    ADD_FAILURE() << "the loop does not end";
  }

  Outcome with_failure(MemoryDisk& disk, std::uint64_t n, const std::function<Outcome()>& read) {
    const FailingReads failing(disk, n == 0 ? ~0ULL : n);
    Outcome outcome = read();
    fired_ = failing.fired();
    return outcome;
  }

  MemoryDisk image_;
  bool fired_ = false;  ///< In the last run.
};

TEST_P(ReadFailure, OfAnOpeningLeavesTheLogAsItWas) {
  const auto opened = [](MemoryDisk& disk) -> Outcome {
    TRY_ASSIGN(const auto recovered, wal::recover_log(options_of(disk), 0));
    return text_of(recovered.report.validation) + fmt::format("; next {}", recovered.next_seq);
  };
  const auto unharmed_disk = image_.clone();
  const Outcome unharmed = opened(*unharmed_disk);
  ASSERT_TRUE(succeeded(unharmed));
  loop(true, [&](MemoryDisk& disk, std::uint64_t n) {
    Outcome outcome = with_failure(disk, n, [&] { return opened(disk); });
    const Outcome again = opened(disk);
    EXPECT_TRUE(succeeded(again));
    EXPECT_TRUE(!again || *again == *unharmed) << *again << "\ninstead of\n" << *unharmed;
    return outcome;
  });
}

TEST_P(ReadFailure, OfAnExaminationIsAnErrorAndNoDamage) {
  loop(false, [this](MemoryDisk& disk, std::uint64_t n) {
    return with_failure(disk, n, [&]() -> Outcome {
      TRY_ASSIGN(const auto examined, wal::examine_log(options_of(disk), 0));
      std::string text = text_of(examined.log.report.validation);
      for (const wal::ExaminedSegment& segment : examined.segments) {
        const std::string path = segment_path(segment.scan.id);
        TRY_ASSIGN(const auto file, disk.open(path, io::OpenMode::kRead));
        TRY_ASSIGN(const auto problems, wal::check_footer_index(*file, path, segment.scan));
        for (const std::string& problem : problems) {
          text += "; " + problem;
        }
      }
      return text;
    });
  });
}

TEST_P(ReadFailure, OfWhatReadsAnOpenLogIsAnErrorAndNoDamage) {
  TestLog opened(options_of(image_));
  ASSERT_TRUE(succeeded(opened.open()));
  opened.log = nullptr;  // Recovered: what is opened from here on finds nothing to change.
  for (const Reading& reading : kReadings) {
    SCOPED_TRACE(reading.name);
    loop(reading.changes, [&reading, this](MemoryDisk& disk, std::uint64_t n) -> Outcome {
      TestLog test(options_of(disk));
      TRY(test.open());
      Outcome outcome = with_failure(disk, n, [&] { return reading.run(*test.log); });
      if (!outcome && reading.changes) {
        const Outcome kept = replay(*test.log);
        TestLog again(options_of(disk));
        EXPECT_TRUE(succeeded(kept));
        EXPECT_TRUE(succeeded(again.open()));
        EXPECT_EQ(*replay(*again.log), *kept);
      }
      return outcome;
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Images, ReadFailure, ::testing::ValuesIn(kImages),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace pluresdb::wal_test
