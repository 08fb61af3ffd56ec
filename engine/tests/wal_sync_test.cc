// Goal: every sync of the log is there for a reason and in its place (docs/formats/wal.md "Order").
// Method: a workload that crosses creation, rotation, rewriting, removal, a failed sync, recovery
// and trimming runs once per sync in it, with exactly that sync dropped: it claims success and does
// nothing. The power fails after each later operation. Syncs are grouped by their role; the tables
// say which role is missed alone, and why another one is not.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/io/file_system.h"
#include "engine/tests/wal_memory_disk.h"
#include "engine/tests/wal_test_support.h"
#include "engine/wal/log.h"
#include "engine/wal/segment_format.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::wal_test {
namespace {

enum class Phase { kOpening, kAppending, kFailing, kRewriting, kRemoving, kClosing };

/// One operation of a trace that changes something.
struct Step {
  DiskOperation operation = DiskOperation::kSync;
  std::string path;
  Phase phase = Phase::kOpening;

  [[nodiscard]] bool is_sync() const {
    return operation == DiskOperation::kSync || operation == DiskOperation::kSyncDirectory;
  }
};
using Trace = std::vector<Step>;

/// What a sync is for, told by what surrounds it.
std::string role_of(const Trace& trace, std::size_t at) {
  const Step& step = trace[at];
  const auto has_neighbour = [&](std::size_t position, DiskOperation operation) {
    return position < trace.size() && trace[position].operation == operation;
  };
  if (step.operation == DiskOperation::kSyncDirectory) {
    if (step.path != kDirectory) {
      return "directory of the log";
    }
    if (step.phase == Phase::kOpening) {
      return "recovery: names";
    }
    const bool removes = has_neighbour(at - 1, DiskOperation::kRemove);
    return removes                           ? "removal: names"
           : step.phase == Phase::kRewriting ? "rewrite: name"
                                             : "segment: name";
  }
  if (step.path.find("rewrite-") != std::string::npos) {
    return "rewrite: contents";
  }
  if (step.path.find("spare-") != std::string::npos) {
    return "segment: header";
  }
  if (has_neighbour(at - 1, DiskOperation::kTruncate)) {
    return step.phase == Phase::kOpening ? "recovery: cut" : "segment: cut";
  }
  if (has_neighbour(at + 1, DiskOperation::kTruncate)) {
    return "segment: footer";
  }
  if (step.phase == Phase::kFailing) {
    return "group: one sync of two fails";
  }
  return step.phase == Phase::kOpening ? "recovery: written again" : "group";
}

struct History {
  std::map<Seq, std::string> expected;  // Acknowledged, or a maybe that was seen.
  std::set<Seq> given_up;               // Compaction was told so.
  std::size_t attempts = 0;
};

wal::LogOptions sync_options(MemoryDisk& disk) {
  wal::LogOptions options = test_options(disk);
  options.segment_bytes = 24ULL << 10;
  return options;
}

/// A log with a writer, every step of which may fail.
class Agent {
 public:
  Agent(MemoryDisk& disk, History& history, Phase& phase)
      : history_(history), phase_(phase), test_(sync_options(disk)) {}

  /// Reads what is there: what was seen once must stay.
  bool open() {
    phase_ = Phase::kOpening;
    if (!test_.open()) {
      return false;
    }
    const auto records = test_.read_all();
    for (const Record& record : records.value_or(std::vector<Record>())) {
      history_.expected.emplace(record.seq, record.value);
    }
    return records.has_value();
  }
  bool append(const std::vector<std::size_t>& sizes, Phase phase = Phase::kAppending) {
    phase_ = phase;
    return std::ranges::all_of(sizes, [this](std::size_t bytes) {
      const std::string value = payload(bytes, ++history_.attempts);
      const auto seq = test_.put("doc", value);
      if (seq) {
        history_.expected[*seq] = value;
      }
      return seq.has_value();
    });
  }
  bool rewrite_oldest() {
    phase_ = Phase::kRewriting;
    const wal::SegmentInfo oldest = test_.log->segments().front();
    for (Seq seq = 2; seq <= oldest.last_seq; seq += 2) {
      history_.given_up.insert(seq);
    }
    const auto keep_odd = [](const wal::RecordView& record) { return record.seq % 2 == 1; };
    return test_.log->rewrite_segments(std::vector{oldest.id}, keep_odd).has_value();
  }
  bool remove_oldest() {
    phase_ = Phase::kRemoving;
    auto segments = test_.log->segments();
    const auto oldest = std::ranges::min_element(segments, {}, &wal::SegmentInfo::first_seq);
    for (Seq seq = oldest->first_seq; seq <= oldest->last_seq; ++seq) {
      history_.given_up.insert(seq);
    }
    return test_.log->remove_segments(std::vector{oldest->id}).has_value();
  }
  bool close() {
    phase_ = Phase::kClosing;
    return test_.log->close().has_value();
  }
  TestLog& test() { return test_; }

 private:
  History& history_;
  Phase& phase_;
  TestLog test_;
};

/// Stops at the first failure; true when it ran to its end.
bool run_workload(MemoryDisk& disk, History& history, Phase& phase) {
  {
    Agent agent(disk, history, phase);
    if (!agent.open() || !agent.append({50, 6000, 60, 7000, 70, 6500, 80, 9000, 90}) ||
        !agent.rewrite_oldest() || !agent.append({100, 9000, 9100, 110}) || !agent.close() ||
        !agent.open() || !agent.append({140, 9000, 9500, 150}) || !agent.remove_oldest()) {
      return false;
    }
    // A group whose sync fails goes into a new segment, and the old one is cut by the next open.
    bool has_failed = false;
    disk.set_fault([&has_failed](DiskOperation operation, const std::string& path) {
      const bool is_hit =
          operation == DiskOperation::kSync && path.ends_with(".wal") && !has_failed;
      has_failed = has_failed || is_hit;
      return is_hit ? std::optional(Error{.code = ErrorCode::kIo, .context = "sync " + path})
                    : std::nullopt;
    });
    const bool survived = agent.append({120}, Phase::kFailing) && agent.append({130});
    disk.set_fault(nullptr);
    if (!survived) {
      return false;
    }
  }
  Agent agent(disk, history, phase);  // After a kill.
  return agent.open() && agent.append({160, 170});
}

/// What is wrong with the log; empty: nothing.
std::string problem_of(MemoryDisk& disk, const History& history) {
  TestLog test(sync_options(disk));
  if (const Status opened = test.open(); !opened) {
    return to_string(opened.error());
  }
  if (!test.log->recovery().validation.is_healthy()) {
    return test.log->recovery().validation.problems.front();
  }
  const auto records = test.read_all();
  if (!records) {
    return to_string(records.error());
  }
  std::map<Seq, std::string> found;
  for (const Record& record : *records) {
    found[record.seq] = record.value;
  }
  for (const auto& [seq, value] : history.expected) {
    const auto at = found.find(seq);
    if (!history.given_up.contains(seq) && (at == found.end() || at->second != value)) {
      return "lost: seq " + std::to_string(seq);
    }
  }
  return "";
}

/// Loses the power in every way that matters for syncs: no unsynced byte, any set of names.
std::string problem_after_power_loss(const MemoryDisk& disk, const History& history) {
  constexpr std::size_t kNamesMax = 4;
  const std::size_t names = std::min(disk.unsynced_names(), kNamesMax);
  for (std::uint64_t kept = 0; kept < (1ULL << names); ++kept) {
    const auto copy = disk.clone();
    copy->lose_power_but_keep_names(kept);
    if (std::string problem = problem_of(*copy, history); !problem.empty()) {
      return problem;
    }
  }
  return "";
}

/// Some part of a life of a log; its return value does not matter.
using Life = std::function<void(MemoryDisk&, History&, Phase&)>;

Trace trace_of(const MemoryDisk& before, const History& known, const Life& life) {
  const auto disk = before.clone();
  History history = known;
  Phase phase = Phase::kOpening;
  Trace trace;
  disk->set_observer([&](DiskOperation operation, const std::string& path) {
    trace.push_back({.operation = operation, .path = path, .phase = phase});
  });
  life(*disk, history, phase);
  return trace;
}

/// The first problem when the syncs in `dropped` do nothing and the power fails later on.
std::string problem_without(const MemoryDisk& before, const History& known, const Life& life,
                            const std::set<std::size_t>& dropped, std::size_t steps) {
  for (std::size_t end = *dropped.begin() + 1; end <= steps; ++end) {
    const auto disk = before.clone();
    History history = known;
    Phase phase = Phase::kOpening;
    std::size_t position = 0;
    disk->set_observer([&position](DiskOperation, const std::string&) { ++position; });
    disk->set_lie(
        [&](DiskOperation, const std::string&) { return dropped.contains(position - 1); });
    disk->crash_at(end);
    life(*disk, history, phase);
    if (std::string problem = problem_after_power_loss(*disk, history); !problem.empty()) {
      return problem;
    }
  }
  return "";
}

enum class Missed {
  kAlways,
  kSometimes,  ///< In the situation that the table names.
  kNever,      ///< Alone: the table says what else covers for it.
};

std::ostream& operator<<(std::ostream& out, Missed missed) {
  const std::map<Missed, const char*> names = {
      {Missed::kAlways, "always"}, {Missed::kSometimes, "sometimes"}, {Missed::kNever, "never"}};
  return out << names.at(missed);
}

struct Count {
  std::size_t syncs = 0;
  std::size_t missed = 0;
};
using Counts = std::map<std::string, Count>;

/// Drops every sync of `life`, one at a time.
void count_each_sync(const MemoryDisk& before, const History& known, const Life& life,
                     Counts& counts) {
  const Trace trace = trace_of(before, known, life);
  for (std::size_t at = 0; at < trace.size(); ++at) {
    if (trace[at].is_sync()) {
      Count& count = counts[role_of(trace, at)];
      ++count.syncs;
      const std::string problem = problem_without(before, known, life, {at}, trace.size());
      count.missed += problem.empty() ? 0U : 1U;
    }
  }
}

std::map<std::string, Missed> verdicts_of(const Counts& counts) {
  std::map<std::string, Missed> verdicts;
  for (const auto& [role, count] : counts) {
    verdicts[role] = count.missed == count.syncs ? Missed::kAlways
                     : count.missed > 0          ? Missed::kSometimes
                                                 : Missed::kNever;
  }
  return verdicts;
}

void workload(MemoryDisk& disk, History& history, Phase& phase) {
  (void)run_workload(disk, history, phase);
}

TEST(WalSync, NothingIsMissedWhileNoSyncIsDropped) {
  MemoryDisk disk;
  History history;
  Phase phase = Phase::kOpening;
  ASSERT_TRUE(run_workload(disk, history, phase));
  EXPECT_EQ(problem_after_power_loss(disk, history), "");
}

TEST(WalSync, EachSyncOfALifeIsMissedOrTheTableSaysWhatCoversForIt) {
  Counts counts;
  count_each_sync(MemoryDisk(), History(), workload, counts);
  const std::map<std::string, Missed> expected = {
      {"directory of the log", Missed::kAlways},
      {"segment: header", Missed::kAlways},  // A file without it is taken for a damaged one.
      {"segment: name", Missed::kAlways},
      {"group", Missed::kAlways},
      {"group: one sync of two fails", Missed::kSometimes},  // The failed one does nothing anyway.
      // The groups were synced one by one, and the successor's header says where they end. A
      // segment without a footer costs a longer scan.
      {"segment: footer", Missed::kNever},
      {"segment: cut", Missed::kNever},
      // The last of them covers for the others; all of them: see below.
      {"rewrite: contents", Missed::kNever},
      {"rewrite: name", Missed::kAlways},  // Else the inputs can be gone and the output too.
      {"removal: names", Missed::kNever},  // What comes back is removed again.
      {"recovery: names", Missed::kNever},
      {"recovery: written again", Missed::kNever},  // After a close; see the next test.
      {"recovery: cut", Missed::kNever},            // The header of the successor stays meanwhile.
  };
  EXPECT_EQ(verdicts_of(counts), expected);
}

TEST(WalSync, EachSyncOfARecoveryIsMissedAfterTheKillThatNeedsIt) {
  const Trace whole = trace_of(MemoryDisk(), History(), workload);
  const Life recovery = [](MemoryDisk& disk, History& history, Phase& phase) {
    Agent agent(disk, history, phase);
    (void)(agent.open() && agent.append({200}));
  };
  Counts counts;
  for (std::size_t killed = 0; killed < whole.size(); ++killed) {
    MemoryDisk disk;
    History history;
    Phase phase = Phase::kOpening;
    disk.crash_at(killed);
    (void)run_workload(disk, history, phase);
    disk.set_fault(nullptr);
    disk.restart();
    count_each_sync(disk, history, recovery, counts);
  }
  const std::map<std::string, Missed> expected = {
      {"directory of the log", Missed::kSometimes},  // Killed when it was made and not synced.
      // Killed between write and sync of a group: what has been read once must stay.
      {"recovery: written again", Missed::kSometimes},
      // Killed between the rename of a rewritten segment and the sync of its name.
      {"recovery: names", Missed::kSometimes},
      {"recovery: cut", Missed::kNever},
      {"segment: cut", Missed::kNever},
      {"segment: header", Missed::kAlways},
      {"segment: name", Missed::kAlways},
      {"group", Missed::kAlways},
  };
  EXPECT_EQ(verdicts_of(counts), expected);
}

TEST(WalSync, ARewriteThatIsNotSyncedAtAllIsMissed) {
  const Trace trace = trace_of(MemoryDisk(), History(), workload);
  std::set<std::size_t> dropped;
  for (std::size_t at = 0; at < trace.size(); ++at) {
    if (trace[at].is_sync() && role_of(trace, at) == "rewrite: contents") {
      dropped.insert(at);
    }
  }
  ASSERT_FALSE(dropped.empty());
  EXPECT_NE(problem_without(MemoryDisk(), History(), workload, dropped, trace.size()), "");
}

/// Damages a group, lets an open copy it, removes its segment, loses the power. True when the copy
/// is still there. `dropped`: this sync of the opening, counted from 0, does nothing.
bool quarantine_survives(std::optional<std::size_t> dropped, std::size_t& syncs) {
  MemoryDisk disk;
  History history;
  Phase phase = Phase::kOpening;
  {
    Agent agent(disk, history, phase);
    EXPECT_TRUE(agent.open() && agent.append({50, 60, 70, 9000, 9100, 9200}) && agent.close());
  }
  auto bytes = disk.contents(segment_path(1));
  bytes[wal::kSegmentHeaderBytes + 100] ^= std::byte{1};
  disk.set_contents(segment_path(1), bytes);
  TestLog test(sync_options(disk));
  syncs = 0;
  disk.set_lie([&](DiskOperation, const std::string&) { return syncs++ == dropped; });
  EXPECT_TRUE(succeeded(test.open()));
  disk.set_lie(nullptr);
  EXPECT_EQ(test.log->remove_segments(std::vector<std::uint64_t>{1}).value_or(0), 1U);
  test.log = nullptr;
  const auto saved = [&disk] {
    for (const auto& [path, contents] : disk.files()) {
      if (path.starts_with(kQuarantine) && !path.ends_with(".tmp")) {
        return contents;
      }
    }
    return std::vector<std::byte>();
  };
  const auto before = saved();
  EXPECT_FALSE(before.empty());
  disk.lose_power();
  return saved() == before;
}

TEST(WalSync, TheSyncsOfTheQuarantineAreMissed) {
  std::size_t syncs = 0;
  ASSERT_TRUE(quarantine_survives(std::nullopt, syncs));
  std::vector<std::size_t> missed;
  for (std::size_t at = 0; at < syncs; ++at) {
    std::size_t ignored = 0;
    if (!quarantine_survives(at, ignored)) {
      missed.push_back(at);
    }
  }
  // The name of the folder, the bytes, the name of the copy.
  EXPECT_EQ(missed.size(), 3U);
}

}  // namespace
}  // namespace pluresdb::wal_test
