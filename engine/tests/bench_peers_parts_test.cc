// The parts of pluresdb-bench-peers: a benchmark that drops writes, miscounts or judges wrongly
// must not look like a fast store.
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <semaphore>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include "engine/bench/latency_histogram.h"
#include "engine/bench/peers/cell.h"
#include "engine/bench/peers/child_process.h"
#include "engine/bench/peers/group_commit.h"
#include "engine/bench/peers/peer.h"
#include "engine/bench/peers/recovery.h"
#include "engine/bench/peers/report.h"
#include "engine/bench/peers/targets.h"
#include "engine/bench/peers/workload.h"
#include "engine/bench/submitted_puts.h"
#include "engine/tests/io_test_directory.h"
#include <pluresdb/error.h>

namespace pluresdb::bench {
namespace {

using io::TestDirectory;

TEST(LatencyHistogram, PercentilesAreWithinABucket) {
  LatencyHistogram low;
  LatencyHistogram all;
  for (std::uint64_t microseconds = 1; microseconds <= 1000; ++microseconds) {
    (microseconds <= 500 ? low : all).record(microseconds * 1000);
  }
  all.merge(low);
  ASSERT_EQ(all.total(), 1000U);
  for (const double fraction : {0.001, 0.5, 0.99, 0.999, 1.0}) {
    const double exact = fraction * 1000;
    EXPECT_GE(all.percentile_us(fraction), exact) << fraction;
    EXPECT_LE(all.percentile_us(fraction), exact * 1.07) << fraction;
  }
}

TEST(LatencyHistogram, TheLongestLatencyHasAPlace) {
  LatencyHistogram histogram;
  EXPECT_EQ(histogram.percentile_us(0.5), 0);
  histogram.record(~0ULL);
  EXPECT_GT(histogram.percentile_us(0.5), 1e9);
}

TEST(Workload, IsAFunctionOfWriterAndNumber) {
  for (const std::size_t bytes : {std::size_t{64}, std::size_t{200}, std::size_t{65536}}) {
    Workload one(bytes, 3);
    Workload other(bytes, 3);
    std::set<std::string> keys;
    std::set<std::string> values;
    simdjson::dom::parser parser;
    for (std::uint64_t number = 0; number < 40; ++number) {
      for (const unsigned writer : {0U, 1U, 2U}) {
        const OwnedPair pair = one.owned_pair(writer, number);
        EXPECT_EQ(pair.value.size(), bytes);
        EXPECT_EQ(parser.parse(pair.value).error(), simdjson::SUCCESS) << pair.value;
        keys.insert(pair.key);
        values.insert(pair.value);
        EXPECT_EQ(other.owned_pair(writer, number).value, pair.value);
      }
    }
    EXPECT_EQ(keys.size(), 120U);
    EXPECT_GE(values.size(), 40U);
  }
}

TEST(Workload, SamplesHoldTheFirstAndTheLastWrite) {
  Workload workload(200, 1);
  EXPECT_TRUE(workload.samples(0, 0).empty());
  EXPECT_EQ(workload.samples(0, 1).size(), 1U);
  const std::vector<OwnedPair> samples = workload.samples(0, 100);
  ASSERT_EQ(samples.size(), 4U);
  EXPECT_EQ(samples.front().value, workload.owned_pair(0, 0).value);
  EXPECT_EQ(samples.back().value, workload.owned_pair(0, 99).value);
}

TEST(GroupCommit, EachPairIsCommittedOnceByOneThreadAtATime) {
  std::map<std::string, int> committed;
  std::atomic<int> inside = 0;
  GroupCommit group([&](std::span<const KeyValue> pairs) -> Status {
    EXPECT_EQ(++inside, 1);
    bool fails = false;
    for (const KeyValue& pair : pairs) {
      ++committed[std::string(pair.key)];
      fails = fails || pair.value == "fails";
    }
    --inside;
    return fails ? Status(fail(ErrorCode::kIo, "refused")) : Status{};
  });
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> writers;
    writers.reserve(8);
    for (int writer = 0; writer < 8; ++writer) {
      writers.emplace_back([&, writer] {
        for (int number = 0; number < 200; ++number) {
          const std::string key = std::to_string(writer) + "/" + std::to_string(number);
          const bool fails = number >= 100;
          const Status status = group.put({.key = key, .value = fails ? "fails" : "works"});
          failures += status ? 0 : 1;
          EXPECT_TRUE(!fails || !status);
        }
      });
    }
  }
  EXPECT_EQ(committed.size(), 1600U);
  EXPECT_TRUE(std::ranges::all_of(committed, [](const auto& entry) { return entry.second == 1; }));
  EXPECT_GE(failures, 800);  // Whoever shared a group with one was told as well.
}

TEST(SubmittedPuts, NeverMoreThanAgreedAreUnderWayAndEachIsCounted) {
  constexpr std::uint32_t kUnderWay = 4;
  constexpr int kPuts = 1000;
  SubmittedPuts puts(kUnderWay);
  std::counting_semaphore<> submitted(0);
  std::atomic<std::size_t> read = 0;
  std::vector<PutDone*> order(kPuts, nullptr);
  const std::jthread store([&] {
    for (int i = 0; i < kPuts; ++i) {
      submitted.acquire();
      ++read;  // Before it is told: from then on another one may be under way.
      order[static_cast<std::size_t>(i)]->done(
          i == 500 || i == 600 ? Status(fail(ErrorCode::kIo, std::to_string(i))) : Status{});
    }
  });
  const auto begin = SubmittedPuts::Clock::now();
  for (std::size_t i = 0; i < kPuts; ++i) {
    order[i] = &puts.next(begin);
    EXPECT_LE(i + 1 - read, kUnderWay);
    submitted.release();
  }
  puts.finish();
  EXPECT_EQ(puts.latencies().total(), kPuts - 2U);
  EXPECT_TRUE(puts.has_failed());
  ASSERT_FALSE(puts.status());
  EXPECT_EQ(puts.status().error().context, "500");
}

TEST(SubmittedPuts, OneThatWasNotTakenIsNotWaitedFor) {
  SubmittedPuts puts(2);
  puts.next({}).done({});
  puts.next({});
  puts.take_back();
  puts.finish();
  EXPECT_EQ(puts.latencies().total(), 1U);
  EXPECT_TRUE(puts.status());
}

/// By the way that the kind is measured.
Status put_as_measured(const PeerKind& kind, Peer& peer, unsigned writer, const KeyValue& pair) {
  if (!kind.submits) {
    return peer.put(writer, pair);
  }
  SubmittedPuts puts(1);
  TRY(peer.submit(writer, pair, puts.next(SubmittedPuts::Clock::now())));
  puts.finish();
  EXPECT_EQ(puts.latencies().total(), 1U);
  return puts.status();
}

// Every store: what was put is found, also after a close; what was not is noticed.
TEST(Peers, FindWhatWasPutAndNoticeWhatWasNot) {
  Workload workload(200, 2);
  const OwnedPair first = workload.owned_pair(0, 0);
  const OwnedPair second = workload.owned_pair(1, 0);
  const OwnedPair absent = workload.owned_pair(1, 1);
  const std::vector<KeyValue> good = {first.view(), second.view()};
  const std::vector<KeyValue> missing = {second.view(), absent.view()};
  const KeyValue changed{.key = second.key, .value = first.value};
  for (const PeerKind& kind : peer_kinds()) {
    SCOPED_TRACE(kind.name);
    const TestDirectory directory;
    const PeerSettings settings{.directory = directory.path(), .value_bytes = 200};
    auto peer = kind.open(settings);
    ASSERT_TRUE(peer) << to_string(peer.error());
    ASSERT_TRUE(put_as_measured(kind, **peer, 0, first.view()));
    ASSERT_TRUE(put_as_measured(kind, **peer, kind.writers_max > 1 ? 1 : 0, second.view()));
    const bool is_device = kind.role == PeerRole::kDevice;
    EXPECT_EQ((*peer)->verify(good), is_device ? 1U : 2U);
    const auto wrong = (*peer)->verify(std::span(&changed, 1));
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, ErrorCode::kCorruption);
    if (is_device) {
      continue;  // Knows only its last write, and ends with it.
    }
    const auto lost = (*peer)->verify(missing);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, ErrorCode::kCorruption);
    EXPECT_TRUE((*peer)->checkpoint());
    EXPECT_TRUE((*peer)->close());
    peer = kind.open(settings);
    ASSERT_TRUE(peer) << to_string(peer.error());
    EXPECT_EQ((*peer)->verify(good), 2U);
    EXPECT_TRUE((*peer)->close());
  }
}

/// Acknowledges and forgets every write from the third on.
class ForgetfulPeer final : public Peer {
 public:
  Status put(unsigned /*writer*/, const KeyValue& pair) override {
    if (kept_.size() < 2) {
      kept_.emplace(pair.key, pair.value);
    }
    return {};
  }
  Status submit(unsigned writer, const KeyValue& pair, PutDone& done) override {
    done.done(put(writer, pair));
    return {};
  }
  Status put_many(std::span<const KeyValue> pairs) override {
    for (const KeyValue& pair : pairs) {
      TRY(put(0, pair));
    }
    return {};
  }
  Status sync() override { return {}; }
  Result<std::uint64_t> verify(std::span<const KeyValue> samples) override {
    return verify_by_key(samples, [this](std::string_view key, std::string& found) -> Result<bool> {
      const auto entry = kept_.find(std::string(key));
      if (entry != kept_.end()) {
        found = entry->second;
      }
      return entry != kept_.end();
    });
  }
  Status close() override { return {}; }

 private:
  std::map<std::string, std::string> kept_;
};

Result<std::unique_ptr<Peer>> open_forgetful(const PeerSettings& /*settings*/) {
  return std::make_unique<ForgetfulPeer>();
}
Result<std::unique_ptr<Peer>> open_nothing(const PeerSettings& /*settings*/) {
  return fail(ErrorCode::kNoSpace, "no room");
}
constexpr PeerKind kForgetful{.name = "forgetful", .what = "", .open = open_forgetful};
constexpr PeerKind kForgetfulLater{
    .name = "forgetful-later", .what = "", .submits = true, .open = open_forgetful};

/// Takes two writes, then answers no any more, or takes none.
class RefusingPeer final : public Peer {
 public:
  explicit RefusingPeer(bool takes) : takes_(takes) {}
  Status put(unsigned /*writer*/, const KeyValue& /*pair*/) override { return {}; }
  Status submit(unsigned /*writer*/, const KeyValue& /*pair*/, PutDone& done) override {
    if (++puts_ <= 2) {
      done.done({});
      return {};
    }
    const Status refused = fail(ErrorCode::kReadOnly, "the disk is gone");
    if (!takes_) {
      return refused;
    }
    done.done(refused);
    return {};
  }
  Status put_many(std::span<const KeyValue> /*pairs*/) override { return {}; }
  Status sync() override { return {}; }
  Result<std::uint64_t> verify(std::span<const KeyValue> samples) override {
    return samples.size();
  }
  Status close() override { return {}; }

 private:
  const bool takes_;
  int puts_ = 0;
};
template <bool kTakes>
Result<std::unique_ptr<Peer>> open_refusing(const PeerSettings& /*settings*/) {
  return std::make_unique<RefusingPeer>(kTakes);
}

/// Knows how many writes it acknowledged: the number in the last key says whether the runner does.
class CountingPeer final : public Peer {
 public:
  Status put(unsigned /*writer*/, const KeyValue& /*pair*/) override {
    ++puts_;
    return {};
  }
  Status submit(unsigned writer, const KeyValue& pair, PutDone& done) override {
    done.done(put(writer, pair));
    return {};
  }
  Status put_many(std::span<const KeyValue> /*pairs*/) override { return {}; }
  Status sync() override { return {}; }
  Result<std::uint64_t> verify(std::span<const KeyValue> samples) override {
    const std::string last = fmt::format("writer-00/{:012}", puts_ - 1);
    if (samples.empty() || samples.back().key != last) {
      return fail(ErrorCode::kCorruption, "not every acknowledgement was counted");
    }
    return puts_;
  }
  Status close() override { return {}; }

 private:
  std::uint64_t puts_ = 0;
};
Result<std::unique_ptr<Peer>> open_counting(const PeerSettings& /*settings*/) {
  return std::make_unique<CountingPeer>();
}

constexpr PeerKind kUnopened{.name = "unopened", .what = "", .open = open_nothing};

TEST(Cell, AStoreThatForgetsIsNotMeasured) {
  for (const PeerKind& kind : {kForgetful, kForgetfulLater}) {
    const TestDirectory directory;
    const auto cell = run_cell({.value_bytes = 200,
                                .writers = 1,
                                .seconds = 0.02,
                                .slices = 2,
                                .directory = directory.path()},
                               std::span(&kind, 1));
    ASSERT_FALSE(cell) << kind.name;
    EXPECT_EQ(cell.error().code, ErrorCode::kCorruption);
    EXPECT_NE(cell.error().context.find(std::string(kind.name) + ": writer-00/"), std::string::npos)
        << cell.error().context;
  }
}

TEST(Cell, AStoreThatFailsLaterIsNotMeasured) {
  for (const auto open : {open_refusing<true>, open_refusing<false>}) {
    const PeerKind kind{.name = "refusing", .what = "", .submits = true, .open = open};
    const TestDirectory directory;
    const auto cell =
        run_cell({.value_bytes = 200, .writers = 1, .seconds = 0.02, .directory = directory.path()},
                 std::span(&kind, 1));
    ASSERT_FALSE(cell);
    EXPECT_EQ(to_string(cell.error()), "read_only: refusing: the disk is gone");
  }
}

TEST(Cell, EveryAcknowledgementIsCountedOnce) {
  for (const bool submits : {false, true}) {
    const PeerKind kind{.name = "counting", .what = "", .submits = submits, .open = open_counting};
    const TestDirectory directory;
    const auto cell = run_cell({.value_bytes = 200,
                                .writers = 1,
                                .seconds = 0.01,
                                .slices = 2,
                                .directory = directory.path()},
                               std::span(&kind, 1));
    ASSERT_TRUE(cell) << to_string(cell.error());
    EXPECT_EQ(cell->peers.front().operations, cell->peers.front().verified_samples);
  }
}

TEST(Cell, AStoreThatDoesNotOpenIsNamed) {
  const TestDirectory directory;
  const auto cell =
      run_cell({.value_bytes = 200, .directory = directory.path()}, std::span(&kUnopened, 1));
  ASSERT_FALSE(cell);
  EXPECT_EQ(to_string(cell.error()), "no_space: unopened: no room");
}

TEST(Recovery, AStoreThatForgetsIsNotTimed) {
  const TestDirectory directory;
  const auto results = measure_recovery(directory.path(), 100, 1, std::span(&kForgetful, 1));
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().code, ErrorCode::kCorruption);
}

TEST(ChildProcess, AKilledOneIsNotFound) {
  const auto child = ChildProcess::start([](Channel& channel) {
    EXPECT_TRUE(channel.send(7));
    (void)channel.receive<int>();
  });
  ASSERT_TRUE(child);
  EXPECT_EQ((*child)->channel().receive<int>(), 7);
  (*child)->kill();
  const auto answer = (*child)->channel().receive<int>();
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kNotFound);
}

TEST(Median, IsInTheMiddle) {
  EXPECT_EQ(median({}), 0);
  EXPECT_EQ(median({3, 1, 2}), 2);
  EXPECT_EQ(median({4, 1, 2, 3}), 2.5);
}

PeerResult result_of(std::string name, PeerRole role, double rate) {
  PeerResult result;
  result.peer = std::move(name);
  result.role = role;
  result.operations_per_second = rate;
  return result;
}

/// "verdict measured" of the target that starts so.
std::string verdict_of(const RunReport& report, std::string_view what, std::string_view subject) {
  for (const TargetOutcome& target : judge_targets(report)) {
    if (target.what.starts_with(what) && target.subject == subject) {
      return target.verdict();
    }
  }
  return "no such target";
}

TEST(Targets, EncryptionIsJudgedAgainstTheSameStoreWithout) {
  RunReport report;
  for (const std::size_t bytes : {std::size_t{200}, std::size_t{65536}}) {
    report.cells.push_back({.value_bytes = bytes, .writers = 4, .peers = {}});
    auto& peers = report.cells.back().peers;
    peers.push_back(result_of("pluresdb", PeerRole::kOurs, 1000));
    peers.push_back(result_of("pluresdb-encrypted", PeerRole::kOurs, 899));
    peers.push_back(result_of("fast", PeerRole::kPeer, 10'000));
  }
  const std::string subject = "pluresdb-encrypted";
  EXPECT_EQ(verdict_of(report, "200 B, 4 writers, against pluresdb", subject), "missed");
  EXPECT_EQ(verdict_of(report, "65536 B, 4 writers, against pluresdb", subject), "met");
  EXPECT_EQ(verdict_of(report, "200 B, 4 writers, against fast", subject), "no such target");
  report.cells[0].peers[1].operations_per_second = 900;
  report.cells[1].peers[1].operations_per_second = 699;
  EXPECT_EQ(verdict_of(report, "200 B, 4 writers, against pluresdb", subject), "met");
  EXPECT_EQ(verdict_of(report, "65536 B, 4 writers, against pluresdb", subject), "missed");
}

TEST(Targets, AreJudgedAgainstTheFastestPeerAndTheDevice) {
  RunReport report;
  for (const unsigned writers : {1U, 4U, 64U}) {
    report.cells.push_back({.value_bytes = 200, .writers = writers, .peers = {}});
    auto& peers = report.cells.back().peers;
    peers.push_back(result_of("pluresdb", PeerRole::kOurs, 1199));
    peers.push_back(result_of("pluresdb-log", PeerRole::kOurs, 1300));
    peers.push_back(result_of("slow", PeerRole::kPeer, 10));
    peers.push_back(result_of("fast", PeerRole::kPeer, 1000));
  }
  report.cells[0].peers.push_back(result_of("device", PeerRole::kDevice, 1400));
  EXPECT_EQ(verdict_of(report, "200 B, 1 writer, against the device", "pluresdb"), "missed");
  EXPECT_EQ(verdict_of(report, "200 B, 1 writer, against the device", "pluresdb-log"), "met");
  EXPECT_EQ(verdict_of(report, "200 B, 1 writer, against fast", "pluresdb"), "met");
  EXPECT_EQ(verdict_of(report, "200 B, 4 writers, against fast", "pluresdb"), "missed");
  EXPECT_EQ(verdict_of(report, "200 B, 4 writers, against fast", "pluresdb-log"), "met");
  EXPECT_EQ(verdict_of(report, "200 B, 64 writers, against fast", "pluresdb"), "met");
  EXPECT_EQ(verdict_of(report, "open after kill -9", "pluresdb"), "not measured");
  EXPECT_EQ(verdict_of(report, "resident", "pluresdb"), "not measured");
  auto& submitting = report.cells[2].peers[1];
  submitting.submits = true;
  EXPECT_EQ(verdict_of(report, "200 B, 64 writers, against fast", "pluresdb-log"), "missed");
  submitting.operations_per_second = 2000;
  EXPECT_EQ(verdict_of(report, "200 B, 64 writers, against fast", "pluresdb-log"), "met");
  report.cells[0].peers[1].submits = true;  // Nor with what syncs one write after the other.
  EXPECT_EQ(verdict_of(report, "200 B, 1 writer", "pluresdb-log"), "no such target");
  report.cells[0].value_bytes = 4096;  // One writer has a target only with the smallest.
  EXPECT_EQ(verdict_of(report, "4096 B, 1 writer", "pluresdb"), "no such target");
}

TEST(Targets, LargePayloadsMayNotBeWrittenOften) {
  RunReport report;
  report.cells.push_back({.value_bytes = 65536, .writers = 4, .peers = {}});
  auto& peers = report.cells.back().peers;
  peers.push_back(result_of("pluresdb", PeerRole::kOurs, 999));
  peers.push_back(result_of("fast", PeerRole::kPeer, 1000));
  EXPECT_EQ(verdict_of(report, "65536 B, 4 writers, against", "pluresdb"), "missed");
  EXPECT_EQ(verdict_of(report, "65536 B, 4 writers, bytes", "pluresdb"), "not measured");
  peers[0].written_per_acknowledged = 1.31;
  EXPECT_EQ(verdict_of(report, "65536 B, 4 writers, bytes", "pluresdb"), "missed");
  peers[0].written_per_acknowledged = 1.29;
  EXPECT_EQ(verdict_of(report, "65536 B, 4 writers, bytes", "pluresdb"), "met");
}

TEST(Targets, RecoveryIsJudgedOnlyAtItsSize) {
  RunReport report;
  report.recovery_entries = 1'000'000;
  RecoveryResult ours;
  ours.peer = "pluresdb";
  ours.role = PeerRole::kOurs;
  ours.open_seconds = 0.4;
  ours.clean_open_seconds = 0.3;
  ours.checkpoint_seconds = 2;
  RecoveryResult peer;
  peer.peer = "fast";
  peer.open_seconds = 1.9;
  RecoveryResult without_log;
  without_log.is_recovered = false;
  report.recovery = {ours, peer, without_log};
  EXPECT_EQ(verdict_of(report, "open after kill -9", "pluresdb"), "met");
  EXPECT_EQ(verdict_of(report, "the same, against fast", "pluresdb"), "missed");
  EXPECT_EQ(verdict_of(report, "open after a clean end", "pluresdb"), "missed");
  EXPECT_EQ(verdict_of(report, "checkpoint", "pluresdb"), "met");
  report.recovery_entries = 999'999;
  EXPECT_EQ(verdict_of(report, "open after kill -9", "pluresdb"), "not measured");
  report.memory = MemoryResult{};
  report.memory->documents = 10'000'000;
  report.memory->resident_bytes_max = (512ULL << 20) + (1 << 20);
  EXPECT_EQ(verdict_of(report, "resident", "pluresdb"), "missed");
}

}  // namespace
}  // namespace pluresdb::bench
