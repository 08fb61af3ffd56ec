// Goal: no history that a log can have makes one of its segments a stranger, which would lose
// acknowledged records. Method: each row of the table of honest cases in docs/formats/wal.md
// "Chain", with the log going on afterwards; then histories at random. Encrypted logs all.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/wal_layout.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_sealed_support.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/log_builder.h"
#include "engine/wal/segment_format.h"
#include "engine/wal/segment_set.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace pluresdb::wal_test {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::size_t kDurableOffset = 40;  // In a group's header.

wal::LogOptions honest_options(io::FileSystem& disk) {
  wal::LogOptions options = sealed_options(disk);
  options.segment_bytes = 12ULL << 10;
  options.large_value_bytes = 600;
  return options;
}

/// A log, and what it owes to its writers.
class HonestLog {
 public:
  HonestLog() : test(honest_options(disk)) { EXPECT_TRUE(succeeded(test.open())); }

  void put() {
    const std::string value = payload(next_ % 3 == 1 ? 900 : 2000, next_);
    ++next_;
    if (const auto seq = test.put("doc", value)) {
      EXPECT_TRUE(owed.emplace(*seq, value).second) << "given out twice: " << *seq;
    }
  }
  void fill(int records) {
    for (int i = 0; i < records; ++i) {
      put();
    }
  }
  /// What it is made of at its end; that of a process that is killed is not closed.
  std::vector<wal::SegmentInfo> end(bool is_closed) {
    auto segments = test.log->segments();
    EXPECT_TRUE(!is_closed || succeeded(test.log->close()));
    return segments;
  }
  /// Without a close, as after a crash of the process.
  void reopen() {
    test.log = nullptr;
    ASSERT_TRUE(succeeded(test.open()));
    check();
  }
  /// Opens, writes, opens: what the log says now about what it has found is what counts later.
  void go_on() {
    for (int i = 0; i < 2; ++i) {
      ASSERT_NO_FATAL_FAILURE(reopen());
      fill(2);
    }
    ASSERT_NO_FATAL_FAILURE(reopen());
  }
  void check() {
    const ValidationReport& report = test.log->recovery().validation;
    EXPECT_EQ(report.tampered_places, 0U) << report.problems.front();
    const auto validated = test.log->validate();
    ASSERT_TRUE(succeeded(validated));
    EXPECT_EQ(validated->tampered_places, 0U) << validated->problems.front();
    const auto records = test.read_all();
    ASSERT_TRUE(succeeded(records));
    std::map<Seq, std::string> found;
    for (const Record& record : *records) {
      EXPECT_TRUE(found.emplace(record.seq, record.value).second) << "twice: " << record.seq;
    }
    for (const auto& [seq, value] : owed) {
      EXPECT_TRUE(found.contains(seq) && found[seq] == value) << "lost: " << seq;
    }
  }
  /// They may be gone.
  void forgive(SeqRange seqs) {
    std::erase_if(owed, [seqs](const auto& record) {
      return record.first >= seqs.first && record.first <= seqs.last;
    });
  }
  /// Both copies, and the third where there is one.
  void lose_header(const wal::SegmentInfo& segment) {
    const std::string path = segment_path(segment.id);
    Bytes bytes = disk.contents(path);
    const SealedLayout layout = sealed_layout_of(bytes);
    std::fill_n(bytes.begin(), wal::kSegmentHeaderBytes, std::byte{0});
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(layout.third_copy.begin),
              bytes.begin() + static_cast<std::ptrdiff_t>(layout.third_copy.end), std::byte{0});
    disk.set_contents(path, bytes);
    forgive({.first = segment.first_seq, .last = segment.last_seq});
  }
  [[nodiscard]] std::vector<std::uint64_t> ids() const {
    std::vector<std::uint64_t> result;
    for (const wal::SegmentInfo& info : test.log->segments()) {
      result.push_back(info.id);
    }
    return result;
  }
  [[nodiscard]] std::optional<wal::SegmentHeader> header_of(std::uint64_t id) const {
    return wal::decode_segment_header(disk.contents(segment_path(id))).header;
  }
  [[nodiscard]] wal::Predecessor predecessor_of(std::uint64_t id) const {
    const auto header = header_of(id);
    return header ? header->predecessor : wal::Predecessor{};
  }
  Result<std::uint64_t> rewrite(const std::vector<std::uint64_t>& inputs) {
    return test.log->rewrite_segments(inputs, [](const wal::RecordView&) { return true; });
  }

  MemoryDisk disk;
  TestLog test;
  std::map<Seq, std::string> owed;

 private:
  std::uint64_t next_ = 0;
};

TEST(WalChainHonest, AnActivationThatFailedBehindTheRename) {
  HonestLog log;
  log.fill(3);
  const std::size_t before = log.ids().size();
  int failures = 1;
  log.disk.set_fault([&failures](DiskOperation operation, const std::string& path) {
    failures -= operation == DiskOperation::kSyncDirectory ? 1 : 0;
    const bool fails = (operation == DiskOperation::kSyncDirectory && failures >= 0) ||
                       (operation == DiskOperation::kRemove && path.ends_with(".wal"));
    return fails ? std::optional(Error{.code = ErrorCode::kIo, .context = path}) : std::nullopt;
  });
  while (log.ids().size() == before) {
    log.put();
  }
  log.disk.set_fault(nullptr);
  const std::uint64_t newest = log.ids().back();
  const std::string left = segment_path(newest - 1);
  ASSERT_TRUE(log.disk.info(left).has_value()) << "nothing names it";
  ASSERT_LT(log.predecessor_of(newest).id, newest - 1);
  ASSERT_NO_FATAL_FAILURE(log.go_on());
  EXPECT_TRUE(log.test.log->recovery().validation.is_healthy());
}

TEST(WalChainHonest, ACrashBetweenRenameAndFirstGroup) {
  HonestLog log;
  log.fill(6);
  for (int i = 0; i < 3; ++i) {
    ASSERT_NO_FATAL_FAILURE(log.reopen());
    log.put();
    const auto newest = log.test.log->segments().back();
    log.test.log = nullptr;
    Bytes bytes = log.disk.contents(segment_path(newest.id));
    std::fill(bytes.begin() + wal::kSegmentHeaderBytes, bytes.end(), std::byte{0});
    log.disk.set_contents(segment_path(newest.id), bytes);
    log.forgive({.first = newest.first_seq, .last = newest.last_seq});
  }
  ASSERT_NO_FATAL_FAILURE(log.go_on());
  EXPECT_TRUE(log.test.log->recovery().validation.is_healthy());
}

TEST(WalChainHonest, ADamagedHeader) {
  for (const bool is_closed : {false, true}) {
    for (const std::size_t from_newest : {0U, 1U, 2U}) {
      SCOPED_TRACE(testing::Message() << from_newest << (is_closed ? ", closed" : ""));
      HonestLog log;
      log.fill(20);
      const auto segments = log.end(is_closed);
      ASSERT_GE(segments.size(), 4U);
      log.lose_header(segments[segments.size() - 1 - from_newest]);
      ASSERT_NO_FATAL_FAILURE(log.go_on());
      EXPECT_FALSE(log.test.log->recovery().validation.is_healthy());
      const auto middle = log.ids();
      ASSERT_TRUE(succeeded(log.rewrite({middle[0], middle[1]})));
      ASSERT_NO_FATAL_FAILURE(log.go_on());
    }
  }
}

/// A disk that reads again, or a backup: what a log could not read and went on from is there again.
TEST(WalChainHonest, ALostHeaderThatComesBack) {
  for (const bool is_closed : {false, true}) {
    for (const std::size_t count : {1U, 2U}) {
      SCOPED_TRACE(testing::Message() << count << (is_closed ? ", closed" : ""));
      HonestLog log;
      log.fill(20);
      const auto segments = log.end(is_closed);
      ASSERT_GE(segments.size(), 4U);
      const auto owed = log.owed;
      std::map<std::string, Bytes> whole;
      SeqRange gone{.first = segments[segments.size() - count].first_seq,
                    .last = segments.back().last_seq};
      for (const wal::SegmentInfo& segment : segments) {
        if (segment.last_seq >= gone.first) {
          whole[segment_path(segment.id)] = log.disk.contents(segment_path(segment.id));
          log.lose_header(segment);
        }
      }
      ASSERT_EQ(whole.size(), count);
      ASSERT_NO_FATAL_FAILURE(log.reopen());
      // As long as they are gone that is said: at once, later, and by a look without an opening.
      const auto is_named = [&](const ValidationReport& report) {
        return wal::subtract(gone, report.lost).empty() && !report.is_healthy();
      };
      EXPECT_TRUE(is_named(log.test.log->recovery().validation));
      log.fill(2);
      EXPECT_TRUE(is_named(log.test.log->validate().value_or(ValidationReport())));
      ASSERT_NO_FATAL_FAILURE(log.go_on());
      EXPECT_TRUE(is_named(log.test.log->recovery().validation));
      EXPECT_TRUE(is_named(log.test.log->validate().value_or(ValidationReport())));
      log.test.log = nullptr;
      for (const auto& [path, bytes] : whole) {
        const Bytes kept = log.disk.contents(path);
        EXPECT_TRUE(std::equal(bytes.begin() + wal::kSegmentHeaderBytes,
                               bytes.begin() + wal::kSegmentHeaderBytes + 2000,
                               kept.begin() + wal::kSegmentHeaderBytes))
            << "nobody knows that it is void";
        log.disk.set_contents(path, bytes);
      }
      log.owed.insert(owed.begin(), owed.end());
      ASSERT_NO_FATAL_FAILURE(log.go_on());
      EXPECT_TRUE(log.test.log->recovery().validation.is_healthy());
    }
  }
}

/// All that is left of the older ones is a rewritten segment: the next one lies behind it.
TEST(WalChainHonest, ADamagedHeaderBehindARewrittenSegment) {
  HonestLog log;
  log.fill(20);
  const auto segments = log.test.log->segments();
  std::vector<std::uint64_t> older = log.ids();
  older.pop_back();
  ASSERT_TRUE(succeeded(log.rewrite(older)));
  log.test.log = nullptr;
  log.lose_header(segments.back());
  ASSERT_NO_FATAL_FAILURE(log.reopen());
  log.put();
  EXPECT_GE(log.predecessor_of(log.ids().back()).last_seq, segments[segments.size() - 2].last_seq);
  ASSERT_NO_FATAL_FAILURE(log.go_on());
}

TEST(WalChainHonest, SegmentsBesideTheOneThatReplacesThem) {
  HonestLog log;
  log.fill(24);
  const auto ids = log.ids();
  ASSERT_GE(ids.size(), 5U);
  const std::vector<std::uint64_t> inputs{ids[1], ids[2], ids[3]};
  const auto before = log.disk.files();
  ASSERT_TRUE(succeeded(log.rewrite(inputs)));
  log.test.log = nullptr;
  const auto replaced = log.disk.clone();
  for (unsigned there = 0; there < 8; ++there) {
    SCOPED_TRACE(there);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if ((there >> i & 1U) != 0) {
        const std::string path = segment_path(inputs[i]);
        log.disk.set_contents(path, before.at(path));
      }
    }
    ASSERT_NO_FATAL_FAILURE(log.go_on());
    EXPECT_TRUE(log.test.log->recovery().validation.is_healthy());
  }
}

TEST(WalChainHonest, AHoleThatCompactionMade) {
  for (const bool is_rewritten : {false, true}) {
    for (const std::vector<std::size_t>& which :
         {std::vector<std::size_t>{0}, {1}, {0, 1}, {1, 2}, {0, 1, 2, 3}}) {
      SCOPED_TRACE(testing::Message() << which.size() << " from " << which.front());
      HonestLog log;
      log.fill(24);
      const auto segments = log.test.log->segments();
      ASSERT_GE(segments.size(), 5U);
      std::vector<std::uint64_t> ids;
      for (const std::size_t index : which) {
        ids.push_back(segments[index].id);
        if (!is_rewritten) {
          log.forgive({.first = segments[index].first_seq, .last = segments[index].last_seq});
        }
      }
      if (is_rewritten) {
        const auto made = log.rewrite(ids);
        ASSERT_TRUE(succeeded(made));
        ASSERT_EQ(log.predecessor_of(*made).id, ids.back());
      } else {
        ASSERT_EQ(log.test.log->remove_segments(ids).value_or(0), ids.size());
      }
      ASSERT_NO_FATAL_FAILURE(log.go_on());
    }
  }
}

TEST(WalChainHonest, ARewrittenSegmentThatIsNewerThanWhatIsLeft) {
  HonestLog log;
  log.fill(24);
  const auto segments = log.test.log->segments();
  ASSERT_GE(segments.size(), 5U);
  const std::size_t last = segments.size() - 1;
  const auto made = log.rewrite({segments[last - 2].id, segments[last - 1].id});
  ASSERT_TRUE(succeeded(made));
  log.test.log = nullptr;
  ASSERT_TRUE(succeeded(log.disk.remove(segment_path(segments[last].id))));
  log.forgive({.first = segments[last].first_seq, .last = segments[last].last_seq});
  ASSERT_NO_FATAL_FAILURE(log.reopen());
  log.put();
  const wal::Predecessor named = log.predecessor_of(log.ids().back());
  EXPECT_EQ(named.id, segments[last - 1].id);
  EXPECT_EQ(named.salt, log.predecessor_of(*made).salt);
  EXPECT_GE(named.last_seq, segments[last - 1].last_seq);
  ASSERT_NO_FATAL_FAILURE(log.go_on());
}

TEST(WalChainHonest, TheOutputOfARebuild) {
  for (const Seq next_seq : {Seq{11}, Seq{5000}}) {
    SCOPED_TRACE(next_seq);
    HonestLog log;
    log.test.log = nullptr;
    wal::LogBuilder builder({.directory = kDirectory,
                             .segment_bytes = 12 << 10,
                             .store_uuid = {},
                             .keys = &test_keys(),
                             .files = &log.disk});
    for (Seq seq = 1; seq <= 10; ++seq) {
      const std::string value = payload(2000, seq);
      log.owed[seq] = value;
      const wal::RecordView view{.seq = seq,
                                 .hlc = 500 + seq,
                                 .actor_seq = seq,
                                 .actor = "a",
                                 .id = "doc",
                                 .value = value,
                                 .value_bytes = value.size()};
      ASSERT_TRUE(succeeded(seq < 10 ? builder.add(view) : builder.finish(view, next_seq, 9999)));
    }
    ASSERT_NO_FATAL_FAILURE(log.go_on());
    EXPECT_TRUE(log.test.log->recovery().validation.is_healthy());
  }
}

/// A sealed segment ends where its trailer says, whatever somebody has done to it.
TEST(WalChainHonest, ASegmentWhoseLastGroupWasTamperedWithKeepsItsEnd) {
  HonestLog log;
  log.fill(6);
  const auto newest = log.test.log->segments().back();
  ASSERT_TRUE(succeeded(log.test.log->close()));
  log.test.log = nullptr;
  Bytes bytes = log.disk.contents(segment_path(newest.id));
  const SealedLayout layout = sealed_layout_of(bytes);
  const Group last = layout.file.groups.back();
  const auto at = [&bytes](std::uint64_t offset) {
    return bytes.begin() + static_cast<std::ptrdiff_t>(offset);
  };
  ASSERT_GT(last.begin, wal::kSegmentHeaderBytes);
  base::store(base::MutableByteSpan(bytes), last.begin + kDurableOffset, wal::kSegmentHeaderBytes);
  SealedLayout only_headers = layout;
  only_headers.chunks.clear();
  repair_checksums(only_headers, bytes);
  std::fill(at(last.begin + wal::FrameLayout(true).group_header_bytes()), at(last.end),
            std::byte{0});
  log.disk.set_contents(segment_path(newest.id), bytes);
  for (int i = 0; i < 3; ++i) {
    log.test.log = nullptr;
    ASSERT_TRUE(succeeded(log.test.open()));
    log.put();
    const auto& report = log.test.log->recovery().validation;
    EXPECT_EQ(report.tampered_places, 1U);
    EXPECT_TRUE(std::ranges::none_of(
        report.problems, [](const std::string& problem) { return problem.contains("put back"); }));
  }
}

/// One step of a random history.
void take_step(HonestLog& log, std::mt19937_64& random) {
  const auto segments = log.test.log->segments();
  const std::size_t first = random() % segments.size();
  const std::size_t count = 1 + random() % std::min<std::size_t>(3, segments.size() - first);
  std::vector<std::uint64_t> chosen;
  for (std::size_t i = first; i < first + count; ++i) {
    chosen.push_back(segments[i].id);
  }
  switch (random() % 8) {
    case 0:
      (void)log.test.log->close();
      ASSERT_NO_FATAL_FAILURE(log.reopen());
      break;
    case 1:
      log.test.log = nullptr;
      log.disk.lose_power(random());
      ASSERT_NO_FATAL_FAILURE(log.reopen());
      break;
    case 2:
      for (std::size_t i = first; i < first + count; ++i) {
        log.forgive({.first = segments[i].first_seq, .last = segments[i].last_seq});
      }
      (void)log.test.log->remove_segments(chosen);
      break;
    case 3:
      (void)log.rewrite(chosen);
      break;
    case 4: {
      // One operation fails, any; what was put then may be refused.
      auto left = random() % 30;
      const bool removes_fail = random() % 2 == 0;
      log.disk.set_fault([=](DiskOperation operation, const std::string& path) mutable {
        left -= left == 0 ? 0 : 1;
        const bool fails = left == 1 || (removes_fail && operation == DiskOperation::kRemove);
        return fails ? std::optional(Error{.code = ErrorCode::kIo, .context = path}) : std::nullopt;
      });
      log.fill(4);
      log.disk.set_fault(nullptr);
      ASSERT_NO_FATAL_FAILURE(log.reopen());
      break;
    }
    case 5: {
      const auto& segment = segments[random() % 2 == 0 ? segments.size() - 1 : first];
      if (random() % 4 == 0 && log.header_of(segment.id)) {
        log.test.log = nullptr;
        log.lose_header(segment);
        ASSERT_NO_FATAL_FAILURE(log.reopen());
      }
      break;
    }
    default:
      log.fill(1 + static_cast<int>(random() % 8));
  }
}

TEST(WalChainHonest, AnyHistory) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    HonestLog log;
    log.fill(10);
    std::mt19937_64 random(seed);
    for (int step = 0; step < 40; ++step) {
      SCOPED_TRACE(testing::Message() << "step " << step);
      take_step(log, random);
      if (log.test.log == nullptr || testing::Test::HasFailure()) {
        return;
      }
    }
    ASSERT_NO_FATAL_FAILURE(log.go_on());
  }
}

}  // namespace
}  // namespace pluresdb::wal_test
