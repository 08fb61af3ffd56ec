// Group commit with many writers, readers and maintenance at once; also what TSan looks at.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/base/crc32c.h"
#include "engine/io/file_system.h"
#include "engine/tests/io_test_directory.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/write_queue.h"
#include <pluresdb/error.h>
#include <pluresdb/options.h>

namespace pluresdb::wal_test {
namespace {

struct Acknowledged {
  std::map<Seq, std::string> values;
};

/// Starts `writers` threads that each append `count` values; returns what was acknowledged to each.
std::vector<Acknowledged> write_concurrently(TestLog& test, int writers, int count) {
  std::vector<Acknowledged> results(static_cast<std::size_t>(writers));
  std::vector<std::thread> threads;
  threads.reserve(results.size());
  for (std::size_t writer = 0; writer < results.size(); ++writer) {
    threads.emplace_back([&test, &mine = results[writer], writer, count] {
      const std::string actor = "actor" + std::to_string(writer);
      Seq last = 0;
      for (int i = 0; i < count; ++i) {
        const std::size_t bytes = i % 10 == 9 ? 5000 : 50;
        std::string value = payload(bytes, writer * 1000 + static_cast<std::size_t>(i));
        const auto seq = test.put("doc", value, actor);
        EXPECT_TRUE(succeeded(seq));
        EXPECT_GT(*seq, last) << "one writer's entries keep their order";
        last = *seq;
        mine.values[*seq] = std::move(value);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  return results;
}

void expect_everything(TestLog& test, const std::vector<Acknowledged>& results) {
  std::map<Seq, std::string> expected;
  std::size_t total = 0;
  for (const Acknowledged& result : results) {
    expected.insert(result.values.begin(), result.values.end());
    total += result.values.size();
  }
  EXPECT_EQ(expected.size(), total) << "a seq was given to two writers";
  const auto records = test.read_all();
  ASSERT_TRUE(succeeded(records));
  std::map<Seq, std::string> found;
  std::map<std::string, std::uint64_t> last_actor_seq;
  for (const Record& record : *records) {
    found[record.seq] = record.value;
    EXPECT_EQ(record.actor_seq, ++last_actor_seq[record.actor]);
  }
  EXPECT_EQ(found, expected);
  EXPECT_EQ(expected.rbegin()->first - expected.begin()->first + 1, total) << "dense";
}

TEST(WalConcurrency, ManyWritersGetDistinctSeqsAndLoseNothing) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.background_threads = true;
  ASSERT_TRUE(succeeded(test.open()));
  const auto results = write_concurrently(test, 8, 100);
  expect_everything(test, results);
  EXPECT_EQ(test.client->applied().size(), 800U);
  test.log = nullptr;
  disk.lose_power();
  ASSERT_TRUE(succeeded(test.open()));
  expect_everything(test, results);
}

TEST(WalConcurrency, OneSyncServesManyWritersOnARealDisk) {
  const io::TestDirectory directory;
  wal::LogOptions options = test_options(io::posix_file_system());
  options.directory = directory / "wal";
  options.background_threads = true;
  TestLog test(options);
  ASSERT_TRUE(succeeded(test.open()));
  const auto results = write_concurrently(test, 16, 40);
  const auto stats = test.log->stats();
  EXPECT_EQ(stats.appended_entries, 640U);
  EXPECT_LE(stats.groups, 640U);
  EXPECT_EQ(stats.durable_seq, 640U);
  expect_everything(test, results);
  ASSERT_TRUE(succeeded(test.log->close()));
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(test.log->recovery().clean_shutdown);
  expect_everything(test, results);
}

bool join(wal::WriteQueue& queue, wal::PendingWrite& write,
          std::vector<wal::PendingWrite*>& group) {
  constexpr std::uint64_t kBytesMax = 100;
  queue.enqueue(write);
  return queue.lead_or_wait(write, kBytesMax, group) == wal::WriteQueue::Role::kLeads;
}

/// The queue alone, without timing: while one leads, the others wait and become one group.
TEST(WalConcurrency, WritersThatArriveDuringASyncFormOneGroup) {
  wal::WriteQueue queue;
  std::vector<wal::PendingWrite*> group;
  wal::PendingWrite first;
  first.bytes_bound = 10;
  ASSERT_TRUE(join(queue, first, group));
  std::atomic<int> leaders = 0;
  std::atomic<int> followers = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      wal::PendingWrite write;
      write.bytes_bound = 10;
      std::vector<wal::PendingWrite*> mine;
      if (join(queue, write, mine)) {
        ++leaders;
        for (wal::PendingWrite* const member : mine) {
          member->first_seq = mine.size();
        }
        queue.finish(mine);
      } else {
        ++followers;
      }
      EXPECT_GT(write.first_seq, 0U);
    });
  }
  while (queue.waiting_count() < 6) {
    std::this_thread::yield();
  }
  queue.finish(group);
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(leaders, 1);
  EXPECT_EQ(followers, 5);
  EXPECT_EQ(queue.group_count(), 2U);
}

/// Of two writers that share a group one comes back late, when it sees that the other waits: they
/// share the next group, too. How long a leader waits depends on how long the group before took,
/// so that is made longer until a loaded machine lets the other thread run in time.
TEST(WalConcurrency, ALeaderWaitsForTheWritersOfTheLastGroup) {
  constexpr int kRoundsMax = 12;
  wal::WriteQueue queue;
  std::atomic<bool> shared = false;
  for (int round = 0; round < kRoundsMax && !shared; ++round) {
    std::vector<wal::PendingWrite*> group;
    wal::PendingWrite gate;
    ASSERT_TRUE(join(queue, gate, group));
    std::atomic<bool> leader_is_done = false;
    const auto write_twice = [&, lead_time = std::chrono::milliseconds(1LL << round)] {
      std::vector<wal::PendingWrite*> mine;
      wal::PendingWrite write;
      const bool leads = join(queue, write, mine);
      if (leads) {
        const auto until = std::chrono::steady_clock::now() + lead_time;
        while (std::chrono::steady_clock::now() < until) {
          std::this_thread::yield();
        }
        queue.finish(mine);
      }
      while (!leads && queue.waiting_count() == 0 && !leader_is_done) {
        std::this_thread::yield();
      }
      wal::PendingWrite again;
      if (join(queue, again, mine)) {
        if (leads) {
          shared = mine.size() == 2;
        }
        queue.finish(mine);
      }
      if (leads) {
        leader_is_done = true;
      }
    };
    std::thread one(write_twice);
    std::thread other(write_twice);
    while (queue.waiting_count() < 2) {
      std::this_thread::yield();
    }
    queue.finish(group);
    one.join();
    other.join();
  }
  EXPECT_TRUE(shared);
  // Who waits for writers that have gone still leads in the end.
  std::vector<wal::PendingWrite*> alone;
  wal::PendingWrite last;
  ASSERT_TRUE(join(queue, last, alone));
  EXPECT_EQ(alone.size(), 1U);
  queue.finish(alone);
}

/// Two writers have shared a group that was worth a sync; one of them comes back. Goal: whether it
/// waits for the other one depends on the bytes that wait. Method: the queue counts; one thread.
TEST(WalConcurrency, ALeaderWithManyBytesWaitsForNobody) {
  constexpr std::uint64_t kBytesMax = 4ULL << 20;
  const auto gatherings = [](std::uint64_t bytes_bound, int writes) {
    wal::WriteQueue queue;
    std::vector<wal::PendingWrite*> group;
    std::array<wal::PendingWrite, 3> crowd;
    for (wal::PendingWrite& write : crowd) {
      queue.enqueue(write);
    }
    EXPECT_EQ(queue.lead_or_wait(crowd[0], kBytesMax, group), wal::WriteQueue::Role::kLeads);
    EXPECT_EQ(group.size(), crowd.size());
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(1);
    while (std::chrono::steady_clock::now() < until) {
      std::this_thread::yield();
    }
    queue.finish(group);
    for (wal::PendingWrite& write : crowd) {
      EXPECT_TRUE(&write == &crowd[0] ||
                  queue.lead_or_wait(write, kBytesMax, group) == wal::WriteQueue::Role::kDone);
    }
    EXPECT_EQ(queue.gather_count(), 0U) << "nobody to wait for";
    std::array<wal::PendingWrite, 2> back;
    for (int i = 0; i < writes; ++i) {
      back[static_cast<std::size_t>(i)].bytes_bound = bytes_bound;
      queue.enqueue(back[static_cast<std::size_t>(i)]);
    }
    EXPECT_EQ(queue.lead_or_wait(back[0], kBytesMax, group), wal::WriteQueue::Role::kLeads);
    EXPECT_EQ(group.size(), static_cast<std::size_t>(writes));
    queue.finish(group);
    return queue.gather_count();
  };
  EXPECT_EQ(gatherings(200, 1), 1U);
  EXPECT_EQ(gatherings(64ULL << 10, 2), 1U);
  EXPECT_EQ(gatherings(128ULL << 10, 2), 0U) << "together they are many bytes";
  EXPECT_EQ(gatherings(1ULL << 20, 1), 0U);
}

TEST(WalConcurrency, AGroupEndsAtItsSizeLimitButTakesAtLeastOne) {
  wal::WriteQueue queue;
  std::vector<wal::PendingWrite*> group;
  wal::PendingWrite huge;
  huge.bytes_bound = 1000;
  ASSERT_TRUE(join(queue, huge, group));
  EXPECT_EQ(group.size(), 1U);
  std::vector<std::thread> threads;
  std::atomic<int> leaders = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      wal::PendingWrite write;
      write.bytes_bound = 50;
      std::vector<wal::PendingWrite*> mine;
      if (join(queue, write, mine)) {
        ++leaders;
        EXPECT_LE(mine.size(), 2U);
        queue.finish(mine);
      }
    });
  }
  while (queue.waiting_count() < 4) {
    std::this_thread::yield();
  }
  queue.finish(group);
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(leaders, 2);
}

TEST(WalConcurrency, AsyncWritesAreAnsweredInOrderWhenTheyAreDurable) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.background_threads = true;
  ASSERT_TRUE(succeeded(test.open()));
  constexpr std::uint64_t kCount = 500;
  std::vector<Seq> answered;  // Of the log's thread until close() returns.
  for (std::uint64_t i = 1; i <= kCount; ++i) {
    const std::string value = payload(i % 50 == 0 ? 6000 : 60, i);
    ASSERT_TRUE(succeeded(
        test.log->append_async({.actor = "a", .id = "doc", .value = value}, [&](Result<Seq> seq) {
          ASSERT_TRUE(succeeded(seq));
          EXPECT_GE(test.log->stats().durable_seq, *seq);
          answered.push_back(*seq);
        })));
    if (i % 100 == 0) {  // A writer that waits leads those before it.
      EXPECT_TRUE(succeeded(test.put("doc", "x", "b")));
    }
  }
  ASSERT_TRUE(succeeded(test.log->close()));
  EXPECT_EQ(answered.size(), kCount);
  EXPECT_TRUE(std::ranges::is_sorted(answered));
  EXPECT_TRUE(failed_with(test.log->append_async({.actor = "a", .id = "doc", .value = "x"},
                                                 [](Result<Seq>) { FAIL() << "closed"; }),
                          ErrorCode::kReadOnly));
  test.log = nullptr;
  disk.lose_power();
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_EQ(test.seqs(), seqs_between(1, kCount + kCount / 100));
}

TEST(WalConcurrency, AsyncWritesFromManyThreadsAndTheirCallbacksAreAllAnswered) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.background_threads = true;
  ASSERT_TRUE(succeeded(test.open()));
  constexpr int kThreads = 4;
  constexpr int kEach = 100;
  std::atomic<int> answered = 0;
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kThreads; ++writer) {
    threads.emplace_back([&, actor = "actor" + std::to_string(writer)] {
      for (int i = 0; i < kEach; ++i) {
        const auto again = [&](Result<Seq> seq) { answered += seq ? 1 : 0; };
        const auto first = [&, actor, again](Result<Seq> seq) {
          answered += seq ? 1 : 0;
          EXPECT_TRUE(succeeded(
              test.log->append_async({.actor = actor, .id = "doc", .value = "second"}, again)));
        };
        EXPECT_TRUE(succeeded(
            test.log->append_async({.actor = actor, .id = "doc", .value = "first"}, first)));
        if (i % 10 == 0) {
          EXPECT_TRUE(succeeded(test.put("doc", "waiting", actor + "w")));
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  while (answered < 2 * kThreads * kEach) {
    std::this_thread::yield();
  }
  EXPECT_EQ(test.seqs().size(), 2U * kThreads * kEach + kThreads * kEach / 10U);
}

/// Writes to spare segments: a header when one is activated, zeros when one is filled.
struct SpareWrites {
  std::atomic<int> count = 0;
  explicit SpareWrites(MemoryDisk& disk) {
    disk.set_observer([this](DiskOperation operation, const std::string& path) {
      const bool is_spare = path.find("spare-") != std::string::npos;
      count += operation == DiskOperation::kWrite && is_spare ? 1 : 0;
    });
  }
};

TEST(WalConcurrency, AShortLivedLogWritesNoZeros) {
  MemoryDisk disk;
  const SpareWrites writes(disk);
  TestLog test(disk);
  test.options.background_threads = true;
  ASSERT_TRUE(succeeded(test.open()));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(succeeded(test.put("doc", "x")));
  }
  const auto has_spare = [&disk] {
    return std::ranges::any_of(disk.files(), [](const auto& file) {
      return file.first.find("spare-") != std::string::npos;
    });
  };
  while (!has_spare()) {
    std::this_thread::yield();
  }
  constexpr int kTurnsToFillIt = 2000;  // A log that did would have begun by then.
  for (int i = 0; i < kTurnsToFillIt && writes.count == 1; ++i) {
    std::this_thread::yield();
  }
  EXPECT_EQ(writes.count, 1) << "the header of its segment";
}

TEST(WalConcurrency, TheFirstSegmentGivesWayToAFilledOne) {
  MemoryDisk disk;
  const SpareWrites writes(disk);
  TestLog test(disk);
  test.options.background_threads = true;
  test.options.segment_bytes = 1ULL << 20;
  ASSERT_TRUE(succeeded(test.open()));
  constexpr std::uint64_t kWouldFillTheSegment = 4000;
  std::uint64_t puts = 0;
  while (test.log->segments().size() < 2 && puts < kWouldFillTheSegment) {
    ASSERT_TRUE(succeeded(test.put("doc", "x")));
    ++puts;
    std::this_thread::yield();
  }
  EXPECT_EQ(test.log->segments().size(), 2U);
  EXPECT_LT(test.log->stats().appended_bytes, test.options.segment_bytes / 2);
  EXPECT_GT(puts, 256U);
  EXPECT_GE(writes.count, 3) << "two headers and zeros";
  EXPECT_EQ(test.seqs(), seqs_between(1, puts));
}

TEST(WalConcurrency, ADroppedLogAnswersWhatWasQueued) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.background_threads = true;
  ASSERT_TRUE(succeeded(test.open()));
  int answered = 0;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(succeeded(test.log->append_async({.actor = "a", .id = "doc", .value = "x"},
                                                 [&](Result<Seq>) { ++answered; })));
  }
  test.log = nullptr;
  EXPECT_EQ(answered, 50);
}

TEST(WalConcurrency, AnAsyncWriteThatIsRefusedSaysWhy) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.background_threads = true;
  ASSERT_TRUE(succeeded(test.open()));
  ASSERT_TRUE(succeeded(test.put("doc", "x")));
  disk.set_fault([](DiskOperation operation, const std::string& path) {
    const bool is_hit = operation == DiskOperation::kSync && path.ends_with(".wal");
    return is_hit ? std::optional(Error{.code = ErrorCode::kIo, .context = "sync " + path})
                  : std::nullopt;
  });
  std::optional<ErrorCode> code;
  ASSERT_TRUE(succeeded(test.log->append_async(
      {.actor = "a", .id = "doc", .value = "x"},
      [&code](Result<Seq> seq) { code = seq ? std::nullopt : std::optional(seq.error().code); })));
  test.log = nullptr;
  EXPECT_EQ(code, ErrorCode::kIndeterminate);
}

TEST(WalConcurrency, ReadersValidationAndRemovalRunBesideWriters) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.background_threads = true;
  ASSERT_TRUE(succeeded(test.open()));
  std::atomic<bool> done = false;
  std::thread reader([&] {
    while (!done) {
      Seq last = 0;
      EXPECT_TRUE(succeeded(test.log->replay(0, true, [&](const wal::RecordView& record) -> Status {
        EXPECT_GT(record.seq, last);
        last = record.seq;
        return {};
      })));
      const auto report = test.log->validate();
      EXPECT_TRUE(succeeded(report) && report->is_healthy());
    }
  });
  std::thread maintenance([&] {
    while (!done) {
      const auto segments = test.log->segments();
      if (segments.size() > 3) {
        const std::vector<std::uint64_t> oldest{segments[0].id};
        const auto rewritten =
            test.log->rewrite_segments(oldest, [](const wal::RecordView& record) {
              return record.value_in_log && record.seq % 2 == 0;
            });
        EXPECT_TRUE(succeeded(rewritten));
        EXPECT_TRUE(succeeded(test.log->remove_segments(std::vector{*rewritten})));
      }
      (void)test.log->stats();
    }
  });
  const auto results = write_concurrently(test, 4, 150);
  done = true;
  reader.join();
  maintenance.join();
  ASSERT_TRUE(succeeded(test.log->close()));
  ASSERT_TRUE(succeeded(test.open()));
  EXPECT_TRUE(test.log->recovery().validation.is_healthy());
  const auto segments = test.log->segments();
  std::set<Seq> found;
  for (const Seq seq : test.seqs()) {
    found.insert(seq);
  }
  for (const Acknowledged& result : results) {
    for (const auto& [seq, value] : result.values) {
      EXPECT_TRUE(found.contains(seq) || seq < segments.back().first_seq) << seq;
    }
  }
}

TEST(WalConcurrency, AFullDiskInTheMiddleRefusesSomeAndLosesNone) {
  MemoryDisk disk;
  TestLog test(disk);
  test.options.background_threads = true;
  ASSERT_TRUE(succeeded(test.open()));
  disk.set_capacity(200ULL << 10);
  std::vector<std::set<Seq>> acknowledged(4);
  std::atomic<int> refused = 0;
  std::vector<std::thread> threads;
  for (std::size_t writer = 0; writer < acknowledged.size(); ++writer) {
    threads.emplace_back([&, writer] {
      while (acknowledged[writer].size() < 60) {
        const auto seq = test.put("doc", payload(2000, writer), "actor" + std::to_string(writer));
        if (seq) {
          acknowledged[writer].insert(*seq);
        } else {
          EXPECT_TRUE(failed_with(seq, ErrorCode::kNoSpace));
          if (++refused == 3) {
            disk.set_capacity(~0ULL);
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_GE(refused, 1);
  std::set<Seq> all;
  for (const auto& seqs : acknowledged) {
    all.insert(seqs.begin(), seqs.end());
  }
  const auto found = test.seqs();
  EXPECT_EQ(std::set<Seq>(found.begin(), found.end()), all);
  EXPECT_EQ(found, seqs_between(1, 240)) << "refused groups leave no gap";
}

}  // namespace
}  // namespace pluresdb::wal_test
