// Goal: an agent publishes every write before and after it, never uses a number for two documents,
// and gives up nothing by an error. A scripted store stands in for the engine.
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "harness/common/document_id.h"
#include "harness/common/operation.h"
#include "harness/common/shared_region.h"
#include "harness/common/worker_config.h"
#include "harness/oracle/oracle.h"
#include "harness/worker/agent.h"
#include "harness/worker/document_book.h"
#include "harness/worker/error_log.h"
#include "harness/worker/target.h"
#include <pluresdb/error.h>
#include <pluresdb/stats.h>

namespace soak::worker {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Result;
using pluresdb::Status;
using std::chrono::seconds;

// A map that fails every `fail_every`-th write with `fail_with`; indeterminate ones are applied.
class ScriptedTarget final : public Target {
 public:
  std::uint64_t fail_every = 0;
  ErrorCode fail_with = ErrorCode::kNoSpace;

  Result<std::uint64_t> put(std::string_view /*actor*/, std::string_view id,
                            std::string_view json) override {
    const std::lock_guard lock(mutex_);
    return finish([&] { documents_[std::string(id)] = json; });
  }
  Result<std::uint64_t> erase(std::string_view /*actor*/, std::string_view id) override {
    const std::lock_guard lock(mutex_);
    return finish([&] { documents_.erase(std::string(id)); });
  }
  Result<std::optional<std::string>> get(std::string_view id) override {
    const std::lock_guard lock(mutex_);
    const auto found = documents_.find(std::string(id));
    return found == documents_.end() ? std::optional<std::string>() : found->second;
  }
  Status scan(const Visit& visit) override {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, json] : documents_) {
      if (!visit(id, Json(json))) {
        break;
      }
    }
    return {};
  }
  Result<std::uint64_t> checkpoint() override { return std::uint64_t{0}; }
  pluresdb::EngineStats stats() override { return {}; }
  pluresdb::RecoveryReport recovery() override { return {}; }
  Status close() override { return {}; }

 private:
  template <typename Apply>
  Result<std::uint64_t> finish(const Apply& apply) {
    ++writes_;
    const bool fails = fail_every != 0 && writes_ % fail_every == 0;
    if (!fails || fail_with == ErrorCode::kIndeterminate) {
      apply();
    }
    if (fails) {
      return pluresdb::fail(fail_with, "scripted");
    }
    return writes_;
  }

  std::mutex mutex_;
  std::map<std::string, std::string> documents_;
  std::uint64_t writes_ = 0;
};

AgentConfig agent_config() {
  AgentConfig config;
  config.name = "agent-0";
  config.mix = {3, 2, 1, 1, 2, 3, 0, 2};
  config.payload = {
      .distribution = "uniform", .median_bytes = 0, .min_bytes = 16, .max_bytes = 500};
  return config;
}

class AgentRun {
 public:
  explicit AgentRun(AgentConfig config)
      : config_(std::move(config)), oracle(3, {config_}), region_(map_region()) {
    oracle.worker_started(1);
  }

  /// Runs the agent until it has published `count` records; returns them.
  std::vector<LedgerRecord> records(std::size_t count) {
    Agent agent(config_, {.seed = 3,
                          .incarnation = 1,
                          .supervisor = getppid(),
                          .target = &target,
                          .region = &*region_,
                          .errors = &errors_});
    std::thread thread([&] { agent.run(); });
    std::vector<LedgerRecord> taken;
    std::array<LedgerRecord, 64> buffer;
    while (taken.size() < count) {
      const std::size_t got = ring_consume(region_->agent_rings[0], buffer);
      taken.insert(taken.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got));
    }
    region_->stop_agents.store(1);
    thread.join();
    while (const std::size_t got = ring_consume(region_->agent_rings[0], buffer)) {
      taken.insert(taken.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(got));
    }
    EXPECT_EQ(region_->agents_running.load(), 0U);
    for (const LedgerRecord& record : taken) {
      oracle.consume(record);
    }
    EXPECT_EQ(oracle.counts().protocol_errors, 0U);
    return taken;
  }

 private:
  static RegionMapping map_region() {
    const int fd = create_shared_region(1).value_or(-1);
    auto mapping = RegionMapping::map(fd);
    EXPECT_TRUE(mapping.has_value());
    close(fd);
    return std::move(*mapping);
  }

  AgentConfig config_;

 public:
  oracle::Oracle oracle;
  ScriptedTarget target;

 private:
  RegionMapping region_;
  ErrorLog errors_;
};

TEST(Agent, PublishesAnIntentBeforeAndAnOutcomeAfterEveryWrite) {
  AgentRun run(agent_config());
  std::uint64_t op = 0;
  bool open = false;
  for (const LedgerRecord& record : run.records(3000)) {
    if (record.type == LedgerType::kIntent) {
      EXPECT_FALSE(open);
      EXPECT_EQ(record.op, op + 1);  // Counts from 1, nothing left out.
      op = record.op;
      open = true;
    } else if (record.type == LedgerType::kOutcome) {
      EXPECT_TRUE(open);
      EXPECT_EQ(record.op, op);
      EXPECT_EQ(record.outcome, Outcome::kAcknowledged);
      EXPECT_GT(record.seq, 0U);
      open = false;
    } else {
      EXPECT_EQ(record.type, LedgerType::kRead);
      EXPECT_FALSE(open);
    }
  }
  EXPECT_TRUE(run.oracle.take_violations().empty());
  EXPECT_GT(run.oracle.counts().verified_bytes, 0U);
}

TEST(Agent, DoesEveryOperationOfItsMix) {
  AgentRun run(agent_config());
  std::set<OperationKind> done;
  for (const LedgerRecord& record : run.records(3000)) {
    done.insert(record.operation);
  }
  EXPECT_EQ(done.size(), 7U);
  EXPECT_FALSE(done.contains(OperationKind::kSearch));
}

TEST(Agent, NeverWritesAnAppendedDocumentTwice) {
  AgentRun run(agent_config());
  run.target.fail_every = 7;
  run.target.fail_with = ErrorCode::kIndeterminate;
  std::set<DocumentKey> written;
  for (const LedgerRecord& record : run.records(1500)) {
    if (record.type == LedgerType::kIntent && record.operation != OperationKind::kDelete &&
        is_appended_stream(record.stream)) {
      EXPECT_TRUE(written.insert({record.agent, record.stream, record.number}).second);
    }
  }
  EXPECT_GT(written.size(), 100U);
  EXPECT_TRUE(run.oracle.take_violations().empty());
  EXPECT_GT(run.oracle.counts().maybe, 10U);
}

TEST(Agent, RefusedWritesAreNotWrittenAndTheirNumberIsUsedByTheNext) {
  AgentRun run(agent_config());
  run.target.fail_every = 5;
  std::map<OperationKind, std::uint64_t> next;
  for (const LedgerRecord& record : run.records(1500)) {
    if (record.type != LedgerType::kOutcome || record.operation == OperationKind::kDelete ||
        !is_appended_stream(record.stream)) {
      continue;
    }
    EXPECT_EQ(record.number, next[record.stream]);
    if (record.outcome == Outcome::kAcknowledged) {
      ++next[record.stream];
    } else {
      EXPECT_EQ(record.outcome, Outcome::kNotWritten);
      EXPECT_EQ(record.error_code, ledger_error_code(ErrorCode::kNoSpace));
    }
  }
  EXPECT_GT(run.oracle.counts().not_written, 10U);
  EXPECT_TRUE(run.oracle.take_violations().empty());
}

TEST(Agent, ErrorsSayWhetherTheWriteMayBeThere) {
  EXPECT_EQ(outcome_of(ErrorCode::kNoSpace), Outcome::kNotWritten);
  EXPECT_EQ(outcome_of(ErrorCode::kReadOnly), Outcome::kNotWritten);
  EXPECT_EQ(outcome_of(ErrorCode::kInvalidArgument), Outcome::kNotWritten);
  EXPECT_EQ(outcome_of(ErrorCode::kIndeterminate), Outcome::kMaybe);
  EXPECT_EQ(outcome_of(ErrorCode::kIo), Outcome::kMaybe);
}

// ---- DocumentBook ------------------------------------------------------------------------------

TEST(DocumentBook, RetentionDeletesTheOldestFirst) {
  AgentConfig config = agent_config();
  config.retention_seconds = 10;
  const TimePoint start;
  DocumentBook book(config, start);
  for (std::uint64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(book.number_to_write(OperationKind::kStdout, 0), i);
    book.written(OperationKind::kStdout, i, start + seconds(i));
  }
  EXPECT_FALSE(book.expired(start + seconds(9)).has_value());
  for (std::uint64_t i = 0; i < 3; ++i) {
    const auto choice = book.expired(start + seconds(10 + i));
    ASSERT_TRUE(choice.has_value());
    EXPECT_EQ(choice->stream, OperationKind::kStdout);
    EXPECT_EQ(choice->number, i);
    book.erased(OperationKind::kStdout, i);
    EXPECT_FALSE(book.expired(start + seconds(10 + i)).has_value());
  }
}

TEST(DocumentBook, DocumentsOfEarlierRunsExpireEvenly) {
  AgentConfig config = agent_config();
  config.retention_seconds = 100;
  config.first_number[1] = 50;
  config.next_number[1] = 150;
  const TimePoint start;
  DocumentBook book(config, start);
  EXPECT_EQ(book.number_to_write(OperationKind::kStdout, 0), 150U);
  book.written(OperationKind::kStdout, 150, start + seconds(1));
  const auto retire = [&](TimePoint now) {
    std::uint64_t count = 0;
    while (const auto choice = book.expired(now)) {
      book.erased(choice->stream, choice->number);
      ++count;
    }
    return count;
  };
  EXPECT_EQ(retire(start), 0U);
  EXPECT_EQ(retire(start + seconds(10)), 10U);
  EXPECT_EQ(retire(start + seconds(50)), 40U);
  EXPECT_EQ(retire(start + seconds(100)), 50U);
  EXPECT_EQ(retire(start + seconds(101)), 1U);
  EXPECT_EQ(retire(start + seconds(1000)), 0U);
}

TEST(DocumentBook, ReadsMostlyWhatIsThereAndSometimesWhatIsDeleted) {
  AgentConfig config = agent_config();
  config.mix = {0, 1, 0, 0, 0, 1, 0, 0};
  config.first_number[1] = 1000;
  config.next_number[1] = 2000;
  const DocumentBook book(config, TimePoint());
  int deleted = 0;
  int recent = 0;
  constexpr int kReads = 2000;
  for (std::uint64_t i = 0; i < kReads; ++i) {
    const auto choice = book.to_read(i);
    EXPECT_EQ(choice.stream, OperationKind::kStdout);
    EXPECT_LT(choice.number, 2000U);
    deleted += choice.number < 1000 ? 1 : 0;
    recent += choice.number >= 2000 - 64 ? 1 : 0;
  }
  EXPECT_GT(deleted, kReads / 50);
  EXPECT_LT(deleted, kReads / 10);
  EXPECT_GT(recent, kReads / 3);
}

}  // namespace
}  // namespace soak::worker
