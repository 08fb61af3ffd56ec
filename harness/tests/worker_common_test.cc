// Goal: what supervisor and worker share survives the worker's SIGKILL, and bad input is refused.
#include <array>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/common/control_channel.h"
#include "harness/common/document_id.h"
#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/common/worker_protocol.h"
#include <pluresdb/error.h>

namespace soak {
namespace {

using pluresdb::ErrorCode;
using std::chrono::milliseconds;

// ---- Ids ---------------------------------------------------------------------------------------

TEST(AgentNames, IdsGoThereAndBack) {
  const AgentNames names({"shell-0", "shell-1", "a.b_C"});
  for (const std::uint16_t agent : {std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{2}}) {
    for (const OperationKind stream : {OperationKind::kCommand, OperationKind::kMemory}) {
      for (const std::uint64_t number : {0ULL, 42ULL, 999'999'999'999ULL, 1'234'567'890'123ULL}) {
        const DocumentKey key{.agent = agent, .stream = stream, .number = number};
        EXPECT_EQ(names.parse(names.id(key)), key) << names.id(key);
      }
    }
  }
  EXPECT_EQ(names.id({.agent = 0, .stream = OperationKind::kStdout, .number = 42}),
            "shell-0/stdout/000000000042");
}

TEST(AgentNames, OtherIdsAreNobodys) {
  const AgentNames names({"shell-0"});
  for (const char* id :
       {"", "/", "//", "shell-0", "shell-0/stdout", "shell-0/stdout/", "shell-0/stdout/42",
        "shell-0/stdout/0000000000042", "shell-0/stdout/00000000004x",
        "shell-1/stdout/000000000042", "shell-0/read/000000000042", "shell-0/other/000000000042",
        "shell-0/stdout/000000000042 ", "shell-0/stdout/-00000000042",
        "shell-0/stdout/99999999999999999999999"}) {
    EXPECT_FALSE(names.parse(id).has_value()) << id;
  }
}

TEST(AgentNames, NamesThatWouldBreakIdsAreRefused) {
  EXPECT_TRUE(is_agent_name("shell-0"));
  for (const std::string& name :
       {std::string(), std::string("a/b"), std::string("a\"b"), std::string(65, 'a')}) {
    EXPECT_FALSE(is_agent_name(name)) << name;
  }
}

// ---- Config ------------------------------------------------------------------------------------

WorkerConfig full_config() {
  WorkerConfig config;
  config.seed = 0xffff'ffff'ffff'fff0ULL;
  config.incarnation = 3;
  config.data_directory = "/run/some \"where\"";
  config.durability = "full";
  config.encryption = "aes-256-gcm";
  config.segment_bytes = 1 << 20;
  config.checkpoint_wal_bytes = 5;
  config.checkpoint_operations = 6;
  config.checkpoint_interval_ms = 7;
  config.power_loss_layer = false;
  config.fault_layer = false;
  config.defect = "lying_fsync";
  config.fiu_fifo_base = "/tmp/fifo";
  AgentConfig agent;
  agent.name = "shell-0";
  agent.operations_per_second = 0.25;
  agent.mix = {1, 2, 3, 4, 5, 6, 0, 8};
  agent.payload = {.distribution = "uniform", .median_bytes = 9, .min_bytes = 17, .max_bytes = 99};
  agent.retention_seconds = 1.5;
  agent.next_op = 1ULL << 40;
  agent.next_number = {10, 20, 30, 40, 50, 0, 0, 0};
  agent.first_number = {1, 2, 3, 0, 0, 0, 0, 0};
  config.agents = {agent, agent};
  config.agents[1].name = "shell-1";
  config.agents[1].index = 1;
  return config;
}

TEST(WorkerConfig, GoesThroughJsonUnchanged) {
  const WorkerConfig config = full_config();
  const auto read = worker_config_from_json(to_json(config));
  ASSERT_TRUE(read.has_value()) << to_string(read.error());
  EXPECT_EQ(to_json(*read), to_json(config));
  EXPECT_EQ(read->seed, config.seed);
  EXPECT_EQ(read->data_directory, config.data_directory);
  EXPECT_EQ(read->power_loss_layer, false);
  EXPECT_EQ(read->fault_layer, false);
  EXPECT_EQ(read->agents[1].name, "shell-1");
  EXPECT_EQ(read->agents[0].mix, config.agents[0].mix);
  EXPECT_EQ(read->agents[0].next_number, config.agents[0].next_number);
  EXPECT_EQ(read->agents[0].first_number, config.agents[0].first_number);
  EXPECT_EQ(read->agents[0].payload.max_bytes, 99U);
  EXPECT_EQ(read->agents[0].operations_per_second, 0.25);
}

TEST(WorkerConfig, TextThatIsNotAConfigIsRefused) {
  std::string unknown_key = to_json(full_config());
  unknown_key.insert(unknown_key.find('{') + 1, R"("surprise": 1,)");
  std::string missing_key = to_json(full_config());
  missing_key.replace(missing_key.find("\"seed\""), 6, "\"sead\"");
  std::string too_large = to_json(full_config());
  too_large.replace(too_large.find("\"incarnation\": 3"), 16, "\"incarnation\": 4294967299");
  for (const std::string& text : {std::string(), std::string("{"), std::string("[]"),
                                  std::string("{}"), unknown_key, missing_key, too_large}) {
    const auto read = worker_config_from_json(text);
    ASSERT_FALSE(read.has_value()) << text;
    EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
    EXPECT_TRUE(read.error().context.starts_with("worker config: ")) << read.error().context;
  }
}

TEST(WorkerConfig, ValuesThatMakeNoSenseAreRefusedByName) {
  struct Case {
    std::function<void(WorkerConfig&)> change;
    const char* text;
  };
  const std::vector<Case> cases = {
      {[](WorkerConfig& config) { config.data_directory.clear(); }, "data_directory"},
      {[](WorkerConfig& config) { config.durability = "maybe"; }, "durability \"maybe\""},
      {[](WorkerConfig& config) { config.encryption = "rot13"; }, "encryption \"rot13\""},
      {[](WorkerConfig& config) { config.agents.clear(); }, "0 agents"},
      {[](WorkerConfig& config) { config.agents[1].name = "shell-0"; }, "shell-0"},
      {[](WorkerConfig& config) { config.agents[1].name = "a/b"; }, "a/b"},
      {[](WorkerConfig& config) { config.agents[1].index = 7; }, "index 7"},
      {[](WorkerConfig& config) { config.agents[0].mix.fill(0); }, "mix"},
      {[](WorkerConfig& config) { config.agents[0].mix[6] = 1; }, "search"},
      {[](WorkerConfig& config) { config.agents[0].operations_per_second = -1; }, "rate"},
      {[](WorkerConfig& config) { config.agents[0].next_op = 0; }, "next_op"},
      {[](WorkerConfig& config) { config.agents[0].first_number[1] = 21; }, "first_number 21"},
      {[](WorkerConfig& config) { config.agents[0].payload.distribution = "x"; }, "\"x\""},
      {[](WorkerConfig& config) { config.agents[0].payload.min_bytes = 100; }, "min_bytes"},
      {[](WorkerConfig& config) { config.agents[0].payload.max_bytes = 1ULL << 40; }, "max_bytes"},
  };
  for (const Case& one : cases) {
    WorkerConfig config = full_config();
    one.change(config);
    const auto read = worker_config_from_json(to_json(config));
    ASSERT_FALSE(read.has_value()) << one.text;
    EXPECT_NE(read.error().context.find(one.text), std::string::npos) << read.error().context;
  }
}

// ---- Shared region -----------------------------------------------------------------------------

RegionMapping map_new_region(std::uint32_t agent_count = 2) {
  const auto fd = create_shared_region(agent_count);
  EXPECT_TRUE(fd.has_value());
  auto mapping = RegionMapping::map(*fd);
  EXPECT_TRUE(mapping.has_value());
  close(*fd);
  return std::move(*mapping);
}

LedgerRecord record_of(std::uint64_t number) {
  return {.type = LedgerType::kIntent,
          .agent = 1,
          .stream = OperationKind::kMemory,
          .number = number,
          .op = number + 1,
          .hash = number * 3};
}

TEST(SharedRegion, OnlyARegionOfThisVersionIsMapped) {
  EXPECT_FALSE(create_shared_region(0).has_value());
  EXPECT_FALSE(create_shared_region(kAgentsMax + 1).has_value());
  const auto fd = create_shared_region(3);
  ASSERT_TRUE(fd.has_value());
  {
    const auto mapping = RegionMapping::map(*fd);
    ASSERT_TRUE(mapping.has_value());
    EXPECT_EQ((*mapping)->agent_count, 3U);
    (*mapping)->version = kSharedRegionVersion + 1;
  }
  EXPECT_FALSE(RegionMapping::map(*fd).has_value());
  ASSERT_EQ(ftruncate(*fd, 100), 0);
  EXPECT_FALSE(RegionMapping::map(*fd).has_value());
  close(*fd);
  EXPECT_FALSE(RegionMapping::map(-1).has_value());
}

TEST(LedgerRing, RecordsComeOutInOrderOverManyTurns) {
  const RegionMapping region = map_new_region();
  LedgerRing& ring = region->verify_ring;
  std::array<LedgerRecord, 1000> out;
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  while (read < 5 * kRingRecords) {
    for (int i = 0; i < 777 && written - read < kRingRecords; ++i) {
      ASSERT_TRUE(ring_publish(ring, record_of(written++), getppid()));
    }
    const std::size_t count = ring_consume(ring, out);
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(out[i].number, read);
      ASSERT_EQ(out[i].hash, read * 3);
      ++read;
    }
  }
}

TEST(LedgerRing, FullRingMakesItsWriterWaitAndLosesNothing) {
  const RegionMapping region = map_new_region();
  LedgerRing& ring = region->verify_ring;
  constexpr std::uint64_t kRecords = 3 * kRingRecords;
  const pid_t parent = getppid();
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kRecords; ++i) {
      ring_publish(ring, record_of(i), parent);
    }
  });
  // Nothing is consumed until the ring is full.
  while (ring.head.load() < kRingRecords) {
    std::this_thread::yield();
  }
  std::array<LedgerRecord, 100> out;
  std::uint64_t read = 0;
  bool in_order = true;
  while (read < kRecords) {
    const std::size_t count = ring_consume(ring, out);
    for (std::size_t i = 0; i < count; ++i) {
      in_order = in_order && out[i].number == read;
      ++read;
    }
  }
  writer.join();
  EXPECT_TRUE(in_order);
  EXPECT_EQ(ring_consume(ring, out), 0U);
}

TEST(LedgerRing, WriterGivesUpWhenItsSupervisorIsGone) {
  const RegionMapping region = map_new_region();
  LedgerRing& ring = region->verify_ring;
  for (std::uint64_t i = 0; i < kRingRecords; ++i) {
    ASSERT_TRUE(ring_publish(ring, record_of(i), getppid()));
  }
  EXPECT_FALSE(ring_publish(ring, record_of(0), getppid() + 1));
}

// Runs `work` in a child process until the parent has seen `enough`, then SIGKILLs it.
void run_and_kill(const std::function<void()>& work, const std::function<bool()>& enough) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    work();
    _exit(0);
  }
  while (!enough()) {
    std::this_thread::yield();
  }
  kill(child, SIGKILL);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
}

TEST(LedgerRing, EveryPublishedRecordSurvivesAKill) {
  for (std::uint64_t round = 0; round < 20; ++round) {
    const RegionMapping region = map_new_region();
    LedgerRing& ring = region->agent_rings[1];
    std::array<LedgerRecord, 512> out;
    std::uint64_t read = 0;
    const auto drain = [&] {
      for (std::size_t count = ring_consume(ring, out); count > 0;
           count = ring_consume(ring, out)) {
        for (std::size_t i = 0; i < count; ++i) {
          ASSERT_EQ(out[i].number, read);
          ASSERT_EQ(out[i].hash, read * 3);
          ++read;
        }
      }
    };
    run_and_kill(
        [&] {
          for (std::uint64_t i = 0;; ++i) {
            ring_publish(ring, record_of(i), getppid());
          }
        },
        [&] {
          drain();
          return read >= 1000 * (round + 1);
        });
    drain();
    EXPECT_EQ(read, ring.head.load());
  }
}

TEST(FiredFaultRecorder, KilledWriterLeavesOnlyWholeEntries) {
  const RegionMapping region = map_new_region();
  FiredFaultLedger& fired = region->fired;
  run_and_kill(
      [&] {
        FiredFaultRecorder recorder(fired, 7);
        std::vector<std::jthread> threads;
        for (int i = 0; i < 3; ++i) {
          threads.emplace_back([&] {
            while (true) {
              recorder.record("wal/segment/sync", {.error_number = 5});
            }
          });
        }
      },
      [&] { return fired.count.load() > 3 * kFiredFaultsMax; });
  for (const FiredFault& fault : fired.entries) {
    EXPECT_STREQ(fault.point.data(), "wal/segment/sync");
    EXPECT_EQ(fault.error_number, 5);
    EXPECT_EQ(fault.incarnation, 7U);
    EXPECT_NE(fault.time_ns, 0U);
  }
}

TEST(FiredFaultRecorder, LongPointNamesAreCut) {
  const RegionMapping region = map_new_region();
  FiredFaultRecorder recorder(region->fired, 1);
  recorder.record(std::string(100, 'x'), {.error_number = 28, .ordinal = 9, .lane = 3});
  EXPECT_EQ(std::string(region->fired.entries[0].point.data()), std::string(47, 'x'));
  EXPECT_EQ(region->fired.entries[0].ordinal, 9U);
  EXPECT_EQ(region->fired.entries[0].lane, 3U);
  EXPECT_EQ(region->fired.count.load(), 1U);
}

TEST(SharedHistogram, DurationsFallIntoTheirBuckets) {
  EXPECT_EQ(duration_bucket(0), 0U);
  EXPECT_EQ(duration_bucket(9'999), 0U);
  EXPECT_EQ(duration_bucket(10'000), 1U);
  EXPECT_EQ(duration_bucket(19'999), 1U);
  EXPECT_EQ(duration_bucket(20'000), 2U);
  EXPECT_EQ(duration_bucket(40'000), 3U);
  EXPECT_EQ(duration_bucket(UINT64_MAX), kDurationBuckets - 1);
  const RegionMapping region = map_new_region();
  SharedHistogram& histogram = region->counters.wal_sync_duration;
  histogram_record(histogram, 15'000);
  histogram_record(histogram, 16'000);
  EXPECT_EQ(histogram.buckets[1].load(), 2U);
  EXPECT_EQ(histogram.count.load(), 2U);
  EXPECT_EQ(histogram.sum_ns.load(), 31'000U);
}

TEST(LedgerRecord, AlienIdsAreCarried) {
  LedgerRecord record;
  set_alien_id(record, "a/b");
  EXPECT_EQ(alien_id(record), "a/b");
  EXPECT_NE(record.flags & LedgerRecord::kAlien, 0U);
  set_alien_id(record, std::string(100, 'z'));
  EXPECT_EQ(alien_id(record), std::string(32, 'z'));
}

// ---- Control channel ---------------------------------------------------------------------------

TEST(ControlChannel, PacketsArriveWholeAndInOrder) {
  auto pair = ControlChannel::create_pair();
  ASSERT_TRUE(pair.has_value());
  auto& [near, far] = *pair;
  for (std::uint32_t i = 0; i < 5; ++i) {
    ControlPacket packet{.type = CommandType::kVerify, .count = i, .value = 7};
    packet.keys[i].number = 1000 + i;
    set_packet_text(packet, "wal/segment/*");
    ASSERT_TRUE(near.send(packet).has_value());
  }
  for (std::uint32_t i = 0; i < 5; ++i) {
    ControlPacket packet;
    const auto state = far.receive(packet, milliseconds(-1));
    ASSERT_TRUE(state.has_value());
    ASSERT_EQ(*state, ControlChannel::ReceiveState::kPacket);
    EXPECT_EQ(packet.type, CommandType::kVerify);
    EXPECT_EQ(packet.count, i);
    EXPECT_EQ(packet.keys[i].number, 1000 + i);
    EXPECT_EQ(packet_text(packet), "wal/segment/*");
  }
  ControlPacket packet;
  EXPECT_EQ(far.receive(packet, milliseconds(0)).value_or(ControlChannel::ReceiveState::kClosed),
            ControlChannel::ReceiveState::kTimeout);
}

TEST(ControlChannel, ClosedOtherEndIsNoticedWithoutASignal) {
  auto pair = ControlChannel::create_pair();
  ASSERT_TRUE(pair.has_value());
  auto& [near, far] = *pair;
  ASSERT_TRUE(far.send({.type = CommandType::kDone}).has_value());
  far.close();
  ControlPacket packet;
  EXPECT_EQ(near.receive(packet, milliseconds(-1)).value_or(ControlChannel::ReceiveState::kTimeout),
            ControlChannel::ReceiveState::kPacket);
  EXPECT_EQ(near.receive(packet, milliseconds(-1)).value_or(ControlChannel::ReceiveState::kTimeout),
            ControlChannel::ReceiveState::kClosed);
  const auto sent = near.send({.type = CommandType::kDone});
  ASSERT_FALSE(sent.has_value());
  EXPECT_EQ(sent.error().sys_errno, EPIPE);
}

TEST(ControlChannel, LongTextIsCut) {
  ControlPacket packet;
  set_packet_text(packet, std::string(1000, 'x'));
  EXPECT_EQ(packet_text(packet), std::string(255, 'x'));
  set_packet_text(packet, "short");
  EXPECT_EQ(packet_text(packet), "short");
}

}  // namespace
}  // namespace soak
