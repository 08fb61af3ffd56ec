// Goal: after a failed sync a file is what the named kernels make of it, for whoever reads it, for
// a later sync, for the next worker and after a power loss. Method: cases by hand; random
// operations on one file against a list of what was written.
#include "faultinj/sync_failure.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_file_system.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::ErrorCode;
using pluresdb::Status;
using pluresdb::base::as_bytes;
using pluresdb::base::as_text;
using pluresdb::io::File;
using pluresdb::io::FileSystem;
using pluresdb::io::OpenMode;

/// One file, "f", on a disk under a page cache.
class Machine {
 public:
  Machine() {
    boot();
    open();
    synced_ = file_->sync_all().has_value() && files_->sync_directory(root()).has_value();
  }

  /// A worker starts, after its predecessor was killed.
  void boot() {
    file_.reset();
    files_.reset();
    auto made =
        make_power_loss_file_system(pluresdb::io::posix_file_system(), root(), journal_.get());
    ready_ = made.has_value();
    files_ = ready_ ? *std::move(made) : nullptr;
  }
  void open() { file_ = open_another(); }
  std::unique_ptr<File> open_another() {
    auto opened =
        files_->open(root() + "/f", is_there() ? OpenMode::kReadWrite : OpenMode::kCreateNew);
    return opened ? *std::move(opened) : nullptr;
  }
  PowerLossOutcome lose_power(const PowerLossPolicy& policy) {
    file_.reset();
    files_.reset();
    const auto outcome = apply_power_loss(root(), journal_.get(), policy);
    boot();
    open();
    return outcome.value_or(PowerLossOutcome{});
  }

  [[nodiscard]] bool is_ready() const { return ready_ && synced_ && file_ != nullptr; }
  File& file() { return *file_; }
  Status fail_sync(SyncFailure failure) { return failing(*file_)->fail_sync(failure); }
  static FailingSync* failing(File& file) { return dynamic_cast<FailingSync*>(&file); }
  std::string text() {
    const auto bytes = pluresdb::io::read_whole_file(*files_, root() + "/f", 1 << 20);
    return bytes ? std::string(as_text(*bytes)) : "(unreadable)";
  }

 private:
  [[nodiscard]] std::string root() const { return directory_.path(); }
  bool is_there() { return files_->info(root() + "/f").has_value(); }

  TestDirectory directory_{TestDirectory::Where::kMemory};
  Descriptor journal_{create_power_loss_journal().value_or(-1)};
  std::unique_ptr<FileSystem> files_;
  std::unique_ptr<File> file_;
  bool ready_ = false, synced_ = false;
};

class SyncFailureTest : public testing::Test {
 protected:
  SyncFailureTest() {
    EXPECT_TRUE(machine.is_ready());
    write(0, "durable");
    EXPECT_TRUE(machine.file().sync_data().has_value());
  }
  void write(std::uint64_t offset, const std::string& text) {
    EXPECT_TRUE(machine.file().write(offset, as_bytes(text)).has_value());
  }
  void expect_failure(const Status& status) {
    ASSERT_FALSE(status.has_value());
    EXPECT_EQ(status.error().code, ErrorCode::kIo);
  }
  void expect_sync() { EXPECT_TRUE(machine.file().sync_data().has_value()); }

  Machine machine;
};

TEST_F(SyncFailureTest, MarkedCleanCanBeReadAndIsNeverWritten) {
  write(0, "DUR");
  write(7, " and new");
  expect_failure(machine.fail_sync(SyncFailure::kMarkedClean));
  EXPECT_EQ(machine.text(), "DURable and new");
  expect_sync();  // It lies: nothing is dirty any more.
  EXPECT_EQ(machine.text(), "DURable and new");
  machine.boot();  // The page cache outlives the worker.
  machine.open();
  EXPECT_EQ(machine.text(), "DURable and new");
  expect_sync();
  const auto outcome = machine.lose_power(PowerLossPolicy::keeping_everything());
  EXPECT_EQ(machine.text(), "durable");
  EXPECT_EQ(outcome.writes_discarded, 2U);
  EXPECT_EQ(outcome.bytes_discarded, 11U);
}

TEST_F(SyncFailureTest, WhatIsWrittenAfterwardsIsSyncedAsEver) {
  write(7, "-lost");
  expect_failure(machine.fail_sync(SyncFailure::kMarkedClean));
  write(12, "-kept");
  expect_sync();
  EXPECT_EQ(machine.text(), "durable-lost-kept");
  machine.lose_power({});
  EXPECT_EQ(machine.text(), "durable" + std::string(5, '\0') + "-kept");
}

TEST_F(SyncFailureTest, WrittenAgainIsDirtyAgain) {
  write(7, "-lost");
  expect_failure(machine.fail_sync(SyncFailure::kMarkedClean));
  write(9, "OS");
  machine.boot();
  machine.open();
  expect_sync();
  machine.lose_power({});
  EXPECT_EQ(machine.text(), "durable-lOSt");
}

TEST_F(SyncFailureTest, ACutMakesWhatItCutsDirtyAgain) {
  write(7, "-lost");
  expect_failure(machine.fail_sync(SyncFailure::kMarkedClean));
  EXPECT_TRUE(machine.file().truncate(9).has_value());
  expect_sync();
  EXPECT_EQ(machine.text(), "durable-l");
  machine.lose_power({});
  EXPECT_EQ(machine.text(), "durable-l");
}

TEST_F(SyncFailureTest, RevertedIsAsAfterTheLastSync) {
  write(0, "DUR");
  write(7, " and new");
  expect_failure(machine.fail_sync(SyncFailure::kReverted));
  EXPECT_EQ(machine.text(), "durable");
  EXPECT_EQ(machine.file().size().value_or(0), 7U);
  write(7, "!");
  expect_sync();
  machine.lose_power({});
  EXPECT_EQ(machine.text(), "durable!");
}

TEST_F(SyncFailureTest, ReportedLaterIsFirstASuccess) {
  write(0, "DUR");
  EXPECT_TRUE(machine.fail_sync(SyncFailure::kReportedLater).has_value());
  EXPECT_EQ(machine.text(), "DURable");
  write(7, "!");
  expect_failure(machine.file().sync_data());
  expect_sync();
  machine.lose_power(PowerLossPolicy::keeping_everything());
  EXPECT_EQ(machine.text(), "durable!");
}

TEST_F(SyncFailureTest, EveryHandleThatWasOpenHearsOfItOnce) {
  const auto other = machine.open_another();
  ASSERT_NE(other, nullptr);
  write(0, "DUR");
  expect_failure(machine.fail_sync(SyncFailure::kMarkedClean));
  expect_sync();
  expect_failure(other->sync_data());
  EXPECT_TRUE(other->sync_data().has_value());
  const auto later = machine.open_another();
  EXPECT_TRUE(later->sync_data().has_value());
}

TEST_F(SyncFailureTest, WithNothingUnsyncedOnlyTheErrorIsLeft) {
  expect_failure(machine.fail_sync(SyncFailure::kMarkedClean));
  expect_sync();
  machine.lose_power({});
  EXPECT_EQ(machine.text(), "durable");
}

// ---- Random operations --------------------------------------------------------------------------

struct Step {
  enum class Kind { kWrite, kTruncate, kSync, kFail, kRevert, kBoot };
  Kind kind = Kind::kWrite;
  std::uint64_t offset = 0, length = 0;
  char fill = 'a';
};

Step decode(std::uint32_t number) {
  using Kind = Step::Kind;
  constexpr Kind kKinds[] = {Kind::kWrite, Kind::kWrite, Kind::kWrite, Kind::kTruncate,
                             Kind::kSync,  Kind::kFail,  Kind::kFail,  Kind::kBoot};
  Step step{.kind = kKinds[number % 8]};
  number /= 8;
  if (step.kind == Kind::kBoot && number % 4 == 0) {
    step.kind = Kind::kRevert;
  }
  step.offset = number % 50;
  number /= 50;
  step.length = 1 + number % 20;
  step.fill = static_cast<char>('A' + (number / 20) % 26);
  return step;
}

struct Change {
  Step step;
  bool clean = false;

  void apply_to(std::string& text) const {
    if (step.kind == Step::Kind::kTruncate) {
      text.resize(step.offset);
      return;
    }
    text.resize(std::max<std::size_t>(text.size(), step.offset + step.length));
    text.replace(step.offset, step.length, step.length, step.fill);
  }
  /// Bytes [offset, end) of a write; a truncation touches all from its offset on.
  [[nodiscard]] bool touches(const Change& write) const {
    const std::uint64_t end =
        step.kind == Step::Kind::kTruncate ? UINT64_MAX : step.offset + step.length;
    return step.offset < write.step.offset + write.step.length && write.step.offset < end;
  }
};

struct Expected {
  std::string durable, live;
  std::vector<Change> changes;  ///< Not durable, in order.

  /// Whether a sync now takes each change along.
  [[nodiscard]] std::vector<bool> dirty() const {
    std::vector<bool> dirty(changes.size());
    for (std::size_t i = changes.size(); i-- > 0;) {
      bool again = !changes[i].clean;
      for (std::size_t j = i + 1; j < changes.size(); ++j) {
        again = again || (dirty[j] && changes[j].touches(changes[i]));
      }
      dirty[i] = again;
    }
    return dirty;
  }
  [[nodiscard]] std::string after_sync() const {
    std::string text = durable;
    const std::vector<bool> dirties = dirty();
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (dirties[i]) {
        changes[i].apply_to(text);
      }
    }
    return text;
  }
  void sync() {
    durable = after_sync();
    const std::vector<bool> dirties = dirty();
    std::vector<Change> rest;
    for (std::size_t i = 0; i < changes.size(); ++i) {
      if (!dirties[i]) {
        rest.push_back(changes[i]);
      }
    }
    changes = std::move(rest);
  }
};

void run_step(const Step& step, Machine& machine, Expected& expected) {
  switch (step.kind) {
    case Step::Kind::kWrite:
    case Step::Kind::kTruncate: {
      const Change change{.step = step};
      const Status changed =
          step.kind == Step::Kind::kTruncate
              ? machine.file().truncate(step.offset)
              : machine.file().write(step.offset, as_bytes(std::string(step.length, step.fill)));
      RC_ASSERT(changed.has_value());
      change.apply_to(expected.live);
      expected.changes.push_back(change);
      return;
    }
    case Step::Kind::kSync:
      RC_ASSERT(machine.file().sync_data().has_value());
      expected.sync();
      return;
    case Step::Kind::kFail:
      RC_ASSERT(!machine.fail_sync(SyncFailure::kMarkedClean).has_value());
      for (Change& change : expected.changes) {
        change.clean = change.step.kind == Step::Kind::kWrite;
      }
      return;
    case Step::Kind::kRevert:
      RC_ASSERT(!machine.fail_sync(SyncFailure::kReverted).has_value());
      expected.changes.clear();
      expected.live = expected.durable;
      return;
    case Step::Kind::kBoot:
      machine.boot();
      machine.open();
      return;
  }
}

RC_GTEST_PROP(SyncFailureProperty, AFileIsWhatItsWritesSyncsAndFailuresMadeOfIt, ()) {
  const auto numbers = *rc::gen::container<std::vector<std::uint32_t>>(
      rc::gen::inRange<std::uint32_t>(0, std::numeric_limits<std::uint32_t>::max()));
  Machine machine;
  RC_ASSERT(machine.is_ready());
  Expected expected;
  for (const std::uint32_t number : numbers) {
    run_step(decode(number), machine, expected);
    RC_ASSERT(machine.text() == expected.live);
  }
  const bool keeps = *rc::gen::arbitrary<bool>();
  machine.lose_power(keeps ? PowerLossPolicy::keeping_everything() : PowerLossPolicy{});
  if (!keeps) {
    RC_ASSERT(machine.text() == expected.durable);
    return;
  }
  // What is dirty for certain survives; a clean write does only when it became durable.
  std::string kept = expected.durable;
  const std::vector<bool> dirties = expected.dirty();
  for (std::size_t i = 0; i < dirties.size(); ++i) {
    if (dirties[i]) {
      expected.changes[i].apply_to(kept);
    }
  }
  RC_ASSERT(machine.text() == kept);
}

}  // namespace
}  // namespace faultinj
