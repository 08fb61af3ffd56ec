// Goal: no acknowledged write is lost, whatever file operation the machine dies at.
// Method: one workload that crosses append, rotation, sealing, removal, rewriting and reopening is
// stopped at its Nth changing operation, for every N (crash of the process, power loss, power loss
// that keeps a random part). Then the log is opened again, with a second crash inside the recovery.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "engine/crypto/master_keys.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_sealed_support.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal_test {
namespace {

/// What the writers know.
struct History {
  const crypto::MasterKeys* keys = nullptr;   // Of an encrypted log.
  std::map<Seq, std::string> acknowledged{};  // seq -> value
  std::set<std::string> attempted{};          // Values, each different.
  std::set<Seq> given_up{};                   // May be removed: compaction was told so.
};

wal::LogOptions small_segments(MemoryDisk& disk, const History& history) {
  wal::LogOptions options = test_options(disk);
  options.keys = history.keys;
  options.segment_bytes = 24ULL << 10;
  options.compress_rewritten = true;
  return options;
}

/// Appends one value; false when it failed.
bool append(TestLog& test, History& history, std::size_t bytes) {
  const std::string value = payload(bytes, history.attempted.size());
  history.attempted.insert(value);
  const auto seq = test.put("doc", value);
  if (seq) {
    EXPECT_FALSE(history.acknowledged.contains(*seq)) << "seq " << *seq << " given out twice";
    history.acknowledged[*seq] = value;
  }
  return seq.has_value();
}

/// Stops at the first failure.
void run_workload(MemoryDisk& disk, History& history) {
  TestLog test(small_segments(disk, history));
  if (!test.open()) {
    return;
  }
  for (const std::size_t bytes : {50U, 60U, 6000U, 70U, 7000U, 80U, 6500U, 90U, 100U, 300U}) {
    if (!append(test, history, bytes)) {
      return;
    }
  }
  const auto segments = test.log->segments();
  const Seq kept_from = segments.back().first_seq;
  for (Seq seq = 1; seq < kept_from; ++seq) {
    if (seq % 2 == 0 || seq <= segments.front().last_seq) {
      history.given_up.insert(seq);
    }
  }
  const std::vector<std::uint64_t> first{segments.front().id};
  const auto keep_odd = [](const wal::RecordView& record) { return record.seq % 2 == 1; };
  if (!test.log->rewrite_segments(first, keep_odd)) {
    return;
  }
  if (!test.log->remove_segments(std::vector{test.log->segments().back().id})) {
    return;
  }
  if (!append(test, history, 120) || !test.log->close() || !test.open()) {
    return;
  }
  for (const std::size_t bytes : {130U, 5000U, 140U, 9000U, 9500U, 150U, 600'001U, 160U}) {
    if (!append(test, history, bytes)) {
      return;
    }
  }
}

/// Everything acknowledged is there, nothing is there that nobody wrote, no damage is reported.
std::map<Seq, std::string> verify(TestLog& test, const History& history) {
  std::map<Seq, std::string> found;
  const auto records = test.read_all();
  EXPECT_TRUE(succeeded(records));
  if (!records) {
    return found;
  }
  for (const Record& record : *records) {
    EXPECT_TRUE(history.attempted.contains(record.value)) << "seq " << record.seq;
    EXPECT_TRUE(found.emplace(record.seq, record.value).second) << "twice: " << record.seq;
  }
  for (const auto& [seq, value] : history.acknowledged) {
    const bool is_there = found.contains(seq) && found[seq] == value;
    EXPECT_TRUE(is_there || history.given_up.contains(seq)) << "lost: seq " << seq;
  }
  EXPECT_TRUE(test.log->recovery().validation.is_healthy())
      << test.log->recovery().validation.problems.front();
  const auto report = test.log->validate();
  EXPECT_TRUE(succeeded(report) && report->is_healthy());
  return found;
}

struct Death {
  bool power = false;
  std::optional<std::uint64_t> kept_part{};  // Seed; without: every unsynced byte is gone.
};

void die(MemoryDisk& disk, const Death& death, std::uint64_t salt) {
  if (!death.power) {
    disk.restart();
  } else if (death.kept_part) {
    disk.lose_power(*death.kept_part * 7919 + salt);
  } else {
    disk.lose_power();
  }
}

/// Opens, is killed inside the recovery at operation `ordinal`, opens again, writes, opens again.
/// False when the recovery has no such operation.
bool recover_twice(const MemoryDisk& crashed, const History& before, const Death& death,
                   std::uint64_t ordinal) {
  History history = before;
  const auto disk = crashed.clone();
  disk->crash_at(ordinal);
  std::map<Seq, std::string> seen;
  TestLog test(small_segments(*disk, history));
  const Status opened = test.open();
  const bool was_hit = disk->has_crashed();  // Not every failure keeps a log closed.
  EXPECT_TRUE(was_hit || succeeded(opened));
  if (!was_hit) {
    seen = verify(test, history);
  }
  test.log = nullptr;
  die(*disk, death, ordinal);
  EXPECT_TRUE(succeeded(test.open()));
  if (test.log == nullptr) {
    return was_hit;
  }
  const auto found = verify(test, history);
  for (const auto& [seq, value] : seen) {
    EXPECT_TRUE(found.contains(seq)) << "seen once, gone now: seq " << seq;
  }
  const Seq last = found.empty() ? 0 : found.rbegin()->first;
  EXPECT_TRUE(append(test, history, 200));
  EXPECT_TRUE(append(test, history, 8000));
  EXPECT_GT(history.acknowledged.rbegin()->first, last);
  test.log = nullptr;
  die(*disk, {.power = true}, ordinal);
  EXPECT_TRUE(succeeded(test.open()));
  const auto finally = verify(test, history);
  for (const auto& [seq, value] : found) {
    EXPECT_TRUE(finally.contains(seq)) << "seen once, gone now: seq " << seq;
  }
  return was_hit;
}

std::uint64_t workload_operations(const crypto::MasterKeys* keys = nullptr) {
  MemoryDisk disk;
  History history{.keys = keys};
  run_workload(disk, history);
  EXPECT_EQ(history.acknowledged.size(), 19U) << "the workload must run through";
  return disk.change_count();
}

void crash_everywhere(const Death& death, std::uint64_t recovery_step,
                      const crypto::MasterKeys* keys = nullptr) {
  const std::uint64_t operations = workload_operations(keys);
  ASSERT_GT(operations, 80U);
  for (std::uint64_t ordinal = 0; ordinal < operations; ++ordinal) {
    SCOPED_TRACE("stopped at operation " + std::to_string(ordinal));
    MemoryDisk disk;
    History history{.keys = keys};
    disk.crash_at(ordinal);
    run_workload(disk, history);
    ASSERT_TRUE(disk.has_crashed());
    die(disk, death, ordinal);
    for (std::uint64_t inner = 0; recover_twice(disk, history, death, inner);
         inner += recovery_step) {
    }
    if (testing::Test::HasFailure()) {
      return;
    }
  }
}

TEST(WalCrash, AProcessThatDiesAnywhereLosesNothing) { crash_everywhere({}, 1); }

TEST(WalCrash, PowerLossAnywhereLosesNothing) { crash_everywhere({.power = true}, 1); }

TEST(WalCrash, PowerLossThatKeepsAnyPartOfTheUnsyncedBytesLosesNothing) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    crash_everywhere({.power = true, .kept_part = seed}, 2);
  }
}

TEST(WalCrash, AnEncryptedLogLosesNothingEither) {
  crash_everywhere({}, 3, &test_keys());
  crash_everywhere({.power = true}, 3, &test_keys());
  crash_everywhere({.power = true, .kept_part = 1}, 3, &test_keys());
}

TEST(WalCrash, RecoveringAgainChangesNothing) {
  const std::uint64_t operations = workload_operations();
  for (std::uint64_t ordinal = 0; ordinal < operations; ++ordinal) {
    SCOPED_TRACE("stopped at operation " + std::to_string(ordinal));
    MemoryDisk disk;
    History history;
    disk.crash_at(ordinal);
    run_workload(disk, history);
    disk.lose_power(ordinal);
    TestLog test(small_segments(disk, history));
    ASSERT_TRUE(succeeded(test.open()));
    const auto files = disk.files();
    const auto found = verify(test, history);
    const Seq last_seq = test.log->recovery().last_seq;
    test.log = nullptr;
    disk.lose_power();
    ASSERT_TRUE(succeeded(test.open()));
    ASSERT_EQ(disk.files(), files);
    ASSERT_EQ(verify(test, history), found);
    ASSERT_EQ(test.log->recovery().last_seq, last_seq);
  }
}

/// What recovery serves, and what the next write will be given.
struct Served {
  std::map<Seq, std::string> records;
  Seq last_seq = 0;
  Seq next_seq = 0;
  friend bool operator==(const Served&, const Served&) = default;
  friend std::ostream& operator<<(std::ostream& out, const Served& served) {
    return out << served.records.size() << " records, last seq " << served.last_seq << ", next seq "
               << served.next_seq;
  }
};

/// What one recovery did to the disk.
struct Work {
  std::uint64_t operations = 0;
  std::uint64_t written_bytes = 0;
};

std::uint64_t log_bytes(const MemoryDisk& disk) {
  std::uint64_t bytes = 0;
  for (const auto& [path, contents] : disk.files()) {
    bytes += contents.size();
  }
  return bytes;
}

/// An old segment is cut or removed, never longer, and no byte of it changes; nothing gets a name.
void expect_only_shrunk(const std::map<std::string, std::vector<std::byte>>& before,
                        const std::map<std::string, std::vector<std::byte>>& after) {
  for (const auto& [path, bytes] : after) {
    const auto old = before.find(path);
    ASSERT_TRUE(old != before.end()) << path << " was made";
    ASSERT_LE(bytes.size(), old->second.size()) << path << " was appended to";
    ASSERT_TRUE(std::equal(bytes.begin(), bytes.end(), old->second.begin())) << path;
  }
}

// Goal: recovery ends, in the same state, however often it is cut off. Method: after a power loss
// everything that is there is durable, so what the undisturbed recovery serves is the only right
// answer. It is killed at its operation 0, power lost, killed at operation 1, and so on, each life
// on what the one before has left, until one comes to its end. Each life may do no more than the
// undisturbed one would have.
// Red with: a recovery that makes a segment; one that cuts before the successor is durable; one
// that writes a whole segment again (make_trusted_durable from kSegmentHeaderBytes).
TEST(WalCrash, RecoveryCutOffAgainAndAgainEndsInTheSameStateWithBoundedWork) {
  /// What a group's successor would prove: the last group of a segment, the largest is 9.5 KB.
  constexpr std::uint64_t kUnprovenBytesMax = 11ULL << 10;
  const std::uint64_t operations = workload_operations();
  std::uint64_t longest = 0;
  for (std::uint64_t ordinal = 0; ordinal < operations; ++ordinal) {
    SCOPED_TRACE("stopped at operation " + std::to_string(ordinal));
    MemoryDisk crashed;
    History history;
    crashed.crash_at(ordinal);
    run_workload(crashed, history);
    crashed.lose_power(ordinal + 1);

    const auto recover = [](MemoryDisk& disk, Work& work, TestLog& test) {
      const Work before{.operations = disk.change_count(), .written_bytes = disk.written_bytes()};
      const Status opened = test.open();
      work = {.operations = disk.change_count() - before.operations,
              .written_bytes = disk.written_bytes() - before.written_bytes};
      return opened;
    };
    const auto served = [&history](TestLog& test) {
      return Served{.records = verify(test, history),
                    .last_seq = test.log->recovery().last_seq,
                    .next_seq = test.put("probe", "x").value_or(0)};
    };
    const auto undisturbed = crashed.clone();
    Work most;
    Served expected;
    {
      TestLog test(small_segments(*undisturbed, history));
      ASSERT_TRUE(succeeded(recover(*undisturbed, most, test)));
      expected = served(test);
    }
    const std::uint64_t files = crashed.files().size();
    EXPECT_LE(most.operations, 8 + 4 * files);
    EXPECT_LE(most.written_bytes, kUnprovenBytesMax);

    const auto disk = crashed.clone();
    std::uint64_t lives = 0;
    for (bool is_done = false; !is_done; ++lives) {
      ASSERT_LE(lives, most.operations) << "it makes no progress";
      const auto before = disk->files();
      disk->crash_at(lives);
      Work work;
      TestLog test(small_segments(*disk, history));
      is_done = recover(*disk, work, test).has_value() && !disk->has_crashed();
      EXPECT_LE(work.operations, most.operations + 1);
      EXPECT_LE(work.written_bytes, most.written_bytes);
      ASSERT_NO_FATAL_FAILURE(expect_only_shrunk(before, disk->files()));
      if (is_done) {
        disk->restart();  // No kill any more.
        EXPECT_EQ(served(test), expected);
      }
      test.log = nullptr;
      disk->lose_power(ordinal * 1000 + lives);
    }
    longest = std::max(longest, lives);
    // A fixpoint: recovering what was recovered changes nothing and costs no more.
    TestLog test(small_segments(*undisturbed, history));
    undisturbed->lose_power();
    ASSERT_TRUE(succeeded(test.open()));
    const auto files_then = undisturbed->files();
    const std::uint64_t bytes_then = log_bytes(*undisturbed);
    test.log = nullptr;
    Work again;
    ASSERT_TRUE(succeeded(recover(*undisturbed, again, test)));
    EXPECT_EQ(undisturbed->files(), files_then);
    EXPECT_EQ(log_bytes(*undisturbed), bytes_then);
    EXPECT_LE(again.written_bytes, kUnprovenBytesMax);
    if (testing::Test::HasFailure()) {
      return;
    }
  }
  EXPECT_GT(longest, 4U) << "a recovery with several steps must be among them";
}

}  // namespace
}  // namespace pluresdb::wal_test
