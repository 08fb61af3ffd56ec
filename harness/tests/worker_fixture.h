// A small supervisor for tests: real worker processes on one directory, judged by the oracle.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "faultinj/power_loss.h"
#include "harness/common/control_channel.h"
#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/common/worker_protocol.h"
#include "harness/oracle/oracle.h"
#include "harness/tests/temporary_folder.h"

namespace soak::worker {

inline WorkerConfig small_config() {
  WorkerConfig config;
  config.seed = 11;
  config.segment_bytes = 1 << 20;
  for (std::uint16_t i = 0; i < 3; ++i) {
    AgentConfig agent;
    agent.name = "shell-" + std::to_string(i);
    agent.index = i;
    agent.mix = {4, 2, 1, 1, 2, 4, 0, 2};
    agent.payload = {
        .distribution = "lognormal", .median_bytes = 1000, .min_bytes = 16, .max_bytes = 200'000};
    config.agents.push_back(agent);
  }
  return config;
}

class TestSupervisor {
 public:
  explicit TestSupervisor(WorkerConfig start_config)
      : config(std::move(start_config)),
        oracle(config.seed, config.agents, config.durability == "none") {
    config.data_directory = (folder_.path() / "data").string();
    region_fd_ =
        create_shared_region(static_cast<std::uint32_t>(config.agents.size())).value_or(-1);
    journal_fd_ = faultinj::create_power_loss_journal().value_or(-1);
    region = std::move(*RegionMapping::map(region_fd_));
  }
  ~TestSupervisor() {
    if (child_ > 0) {
      reap(SIGKILL);
    }
    ::close(region_fd_);
    ::close(journal_fd_);
  }
  TestSupervisor(const TestSupervisor&) = delete;
  TestSupervisor& operator=(const TestSupervisor&) = delete;
  TestSupervisor(TestSupervisor&&) = delete;
  TestSupervisor& operator=(TestSupervisor&&) = delete;

  /// Starts the next incarnation and returns its first packet (kReady or kOpenFailed).
  ControlPacket start() {
    ++config.incarnation;
    for (AgentConfig& agent : config.agents) {
      const oracle::AgentProgress progress = oracle.progress(agent.index);
      agent.next_op = progress.next_op;
      agent.next_number = progress.next_number;
      agent.first_number = progress.first_number;
    }
    std::ofstream(directory_ + "/worker.json") << to_json(config);
    auto pair = *ControlChannel::create_pair();
    channel_ = std::move(pair.first);
    child_ = fork();
    if (child_ == 0) {
      execute(pair.second.fd());
    }
    pair.second.close();
    const ControlPacket first = reply();
    if (first.type == CommandType::kReady) {
      oracle.worker_started(config.incarnation);
    }
    return first;
  }

  /// Sends `packet` and returns the answer; drains meanwhile.
  ControlPacket command(const ControlPacket& packet) {
    EXPECT_TRUE(channel_.send(packet).has_value());
    return reply();
  }
  ControlPacket command(CommandType type) { return command(ControlPacket{.type = type}); }

  /// SIGKILLs the worker; the oracle hears of it. Returns how many writes were cut off.
  std::uint64_t kill_worker(bool acknowledged_may_be_lost = false) {
    EXPECT_TRUE(WIFSIGNALED(reap(SIGKILL)));
    return oracle.worker_died(acknowledged_may_be_lost);
  }
  /// Waits for the worker's own end; its exit status.
  int wait_for_exit() { return WEXITSTATUS(reap(0)); }
  void hang_up() { channel_.close(); }

  /// Drains until `enough`; a worker that dies meanwhile is a failure.
  void drain_until(const std::function<bool()>& enough) {
    while (!enough()) {
      if (drain() > 0) {
        continue;
      }
      int status = 0;
      if (child_ <= 0 || waitpid(child_, &status, WNOHANG) == child_) {
        child_ = -1;
        drain();
        EXPECT_TRUE(enough()) << "the worker is dead, status " << status << "\n" << log();
        return;
      }
      std::this_thread::yield();
    }
  }
  void run_until_acknowledged(std::uint64_t more) {
    const std::uint64_t goal = oracle.counts().acknowledged + more;
    drain_until([&] { return oracle.counts().acknowledged >= goal; });
  }

  /// Until the worker has published its engine's numbers, which it does every so often.
  void run_until_published() {
    drain_until([&] { return region->counters.wal_appended_entries_total.load() > 0; });
  }

  /// Reads what was touched, then everything.
  void verify() {
    const auto keys = oracle.keys_to_verify(100);
    for (std::size_t at = 0; at < keys.size(); at += kKeysPerPacketMax) {
      ControlPacket packet{.type = CommandType::kVerify};
      packet.count = static_cast<std::uint32_t>(std::min(kKeysPerPacketMax, keys.size() - at));
      std::copy_n(keys.begin() + static_cast<std::ptrdiff_t>(at), packet.count,
                  packet.keys.begin());
      const ControlPacket answer = command(packet);
      EXPECT_EQ(answer.type, CommandType::kDone) << packet_text(answer);
    }
    oracle.begin_scan();
    const ControlPacket answer = command(CommandType::kScan);
    EXPECT_EQ(answer.type, CommandType::kDone) << packet_text(answer);
    if (answer.type == CommandType::kDone) {
      oracle.end_scan();
    }
  }
  void expect_no_violation() {
    for (const oracle::Violation& violation : oracle.take_violations()) {
      ADD_FAILURE() << violation_kind_name(violation.kind) << ' ' << violation.document_id << ": "
                    << violation.detail << "\n"
                    << log();
    }
    EXPECT_EQ(oracle.counts().protocol_errors, 0U);
  }
  faultinj::PowerLossOutcome lose_power() {
    const auto outcome = faultinj::apply_power_loss(config.data_directory, journal_fd_,
                                                    {.seed = config.incarnation});
    EXPECT_TRUE(outcome.has_value());
    return outcome.value_or(faultinj::PowerLossOutcome{});
  }
  [[nodiscard]] std::string log() const {
    std::ifstream file(directory_ + "/worker.log");
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  [[nodiscard]] pid_t child() const { return child_; }

  WorkerConfig config;
  oracle::Oracle oracle;
  RegionMapping region;

 private:
  std::size_t drain() {
    std::size_t total = 0;
    for (std::size_t i = 0; i < config.agents.size(); ++i) {
      total += drain(region->agent_rings[i],
                     [this](const LedgerRecord& record) { oracle.consume(record); });
    }
    total += drain(region->verify_ring, [this](const LedgerRecord& record) {
      if (record.type == LedgerType::kScanEntry) {
        oracle.scan_entry(record, alien_id(record));
      } else {
        oracle.verify(record);
      }
    });
    return total;
  }
  std::size_t drain(LedgerRing& ring, const std::function<void(const LedgerRecord&)>& take) {
    std::size_t total = 0;
    while (const std::size_t count = ring_consume(ring, records_)) {
      std::for_each_n(records_.begin(), count, take);
      total += count;
    }
    return total;
  }

  ControlPacket reply() {
    ControlPacket packet;
    while (true) {
      drain();
      const auto state = channel_.receive(packet, std::chrono::milliseconds(5));
      if (!state.has_value() || *state == ControlChannel::ReceiveState::kClosed) {
        ADD_FAILURE() << "the worker is gone, status " << reap(0) << "\n" << log();
        return {.type = CommandType::kError};
      }
      if (*state == ControlChannel::ReceiveState::kPacket) {
        drain();
        return packet;
      }
    }
  }

  int reap(int signal_number) {
    if (child_ <= 0) {
      return 0;
    }
    if (signal_number != 0) {
      ::kill(child_, signal_number);
    }
    int status = 0;
    while (waitpid(child_, &status, WNOHANG) == 0) {
      drain();
      std::this_thread::yield();
    }
    child_ = -1;
    drain();
    return status;
  }

  [[noreturn]] void execute(int control_fd) const {
    const int log_fd =
        open((directory_ + "/worker.log").c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    dup2(log_fd, STDERR_FILENO);
    for (const int fd : {control_fd, region_fd_, journal_fd_}) {
      fcntl(fd, F_SETFD, 0);
    }
    const std::string control = std::to_string(control_fd);
    const std::string region_text = std::to_string(region_fd_);
    const std::string journal = std::to_string(journal_fd_);
    const std::string file = directory_ + "/worker.json";
    execl(WORKER_BINARY, WORKER_BINARY, "--control-fd", control.c_str(), "--region-fd",
          region_text.c_str(), "--journal-fd", journal.c_str(), "--config", file.c_str(), nullptr);
    _exit(127);
  }

  const TemporaryFolder folder_;
  const std::string directory_ = folder_.path().string();
  int region_fd_ = -1;
  int journal_fd_ = -1;
  pid_t child_ = -1;
  ControlChannel channel_;
  std::array<LedgerRecord, 256> records_;
};

}  // namespace soak::worker
