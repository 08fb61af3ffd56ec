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
#include "faultinj/buffered_file.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_file_system.h"
#include "faultinj/tests/page_cache_model.h"
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
  write(kPageBytes, "-kept");
  expect_sync();
  EXPECT_EQ(machine.text(), "durable-lost" + std::string(kPageBytes - 12, '\0') + "-kept");
  machine.lose_power({});
  EXPECT_EQ(machine.text(), "durable" + std::string(kPageBytes - 7, '\0') + "-kept");
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

TEST_F(SyncFailureTest, OnlyThePageThatIsWrittenAgainIsDirtyAgain) {
  const std::string pages(std::size_t{3} * kPageBytes, 'x');
  write(0, pages);
  expect_failure(machine.fail_sync(SyncFailure::kMarkedClean));
  write(kPageBytes + 100, "again");
  machine.boot();
  machine.open();
  expect_sync();
  std::string live = pages;
  live.replace(kPageBytes + 100, 5, "again");
  EXPECT_EQ(machine.text(), live);
  machine.lose_power(PowerLossPolicy::keeping_everything());
  EXPECT_EQ(machine.text(),
            "durable" + std::string(kPageBytes - 7, '\0') + live.substr(kPageBytes, kPageBytes));
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
  write(kPageBytes, "!");
  expect_failure(machine.file().sync_data());
  expect_sync();
  machine.lose_power(PowerLossPolicy::keeping_everything());
  EXPECT_EQ(machine.text(), "durable" + std::string(kPageBytes - 7, '\0') + "!");
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
  enum class Kind { kWrite, kTruncate, kAllocate, kSync, kFail, kFailLater, kRevert, kBoot };
  Kind kind = Kind::kWrite;
  std::uint64_t offset = 0, length = 0;
  char fill = 'a';
};

Step decode(std::uint32_t number) {
  using Kind = Step::Kind;
  constexpr Kind kKinds[] = {Kind::kWrite, Kind::kWrite, Kind::kWrite,     Kind::kTruncate,
                             Kind::kSync,  Kind::kFail,  Kind::kFailLater, Kind::kBoot};
  constexpr std::uint64_t kOffsetStep = 331;  // 50 of them reach into a fifth page.
  constexpr std::uint64_t kLengthStep = 257;  // Up to a page and a quarter.
  Step step{.kind = kKinds[number % 8]};
  number /= 8;
  if (number % 4 == 0) {
    step.kind = step.kind == Kind::kBoot       ? Kind::kRevert
                : step.kind == Kind::kTruncate ? Kind::kAllocate
                                               : step.kind;
  }
  step.offset = number % 50 * kOffsetStep;
  number /= 50;
  step.length = 1 + number % 20 * kLengthStep;
  step.fill = static_cast<char>('A' + (number / 20) % 26);
  return step;
}

struct Expected {
  CachedFile file;
  bool error_to_come = false;  ///< A sync has failed that the handle has not heard of.
};

void run_step(const Step& step, Machine& machine, Expected& expected) {
  switch (step.kind) {
    case Step::Kind::kWrite:
      RC_ASSERT(machine.file()
                    .write(step.offset, as_bytes(std::string(step.length, step.fill)))
                    .has_value());
      expected.file.write(step.offset, step.length, step.fill);
      return;
    case Step::Kind::kTruncate:
      RC_ASSERT(machine.file().truncate(step.offset).has_value());
      expected.file.truncate(step.offset);
      return;
    case Step::Kind::kAllocate:
      RC_ASSERT(machine.file().allocate(step.offset).has_value());
      expected.file.allocate(step.offset);
      return;
    case Step::Kind::kSync:
      RC_ASSERT(machine.file().sync_data().has_value() != expected.error_to_come);
      expected.error_to_come = false;
      expected.file.sync();
      return;
    case Step::Kind::kFail:
      RC_ASSERT(!machine.fail_sync(SyncFailure::kMarkedClean).has_value());
      expected.error_to_come = false;
      expected.file.mark_clean();
      return;
    case Step::Kind::kFailLater:
      RC_ASSERT(machine.fail_sync(SyncFailure::kReportedLater).has_value());
      expected.error_to_come = true;
      expected.file.mark_clean();
      return;
    case Step::Kind::kRevert:
      RC_ASSERT(!machine.fail_sync(SyncFailure::kReverted).has_value());
      expected.error_to_come = false;
      expected.file.revert();
      return;
    case Step::Kind::kBoot:
      machine.boot();
      machine.open();
      expected.error_to_come = false;
      return;
  }
}

// Mutants seen red: a clean write is dirty again as a whole; a cut does not make its page dirty; an
// error to be reported later is forgotten.
RC_GTEST_PROP(SyncFailureProperty, AFileIsWhatItsWritesSyncsAndFailuresMadeOfIt, ()) {
  const auto numbers = *rc::gen::container<std::vector<std::uint32_t>>(
      rc::gen::inRange<std::uint32_t>(0, std::numeric_limits<std::uint32_t>::max()));
  Machine machine;
  RC_ASSERT(machine.is_ready());
  Expected expected;
  for (const std::uint32_t number : numbers) {
    run_step(decode(number), machine, expected);
    RC_ASSERT(machine.text() == expected.file.live);
  }
  // What is dirty for certain survives; a clean write does only when it became durable.
  const bool keeps = *rc::gen::arbitrary<bool>();
  machine.lose_power(keeps ? PowerLossPolicy::keeping_everything() : PowerLossPolicy{});
  RC_ASSERT(machine.text() == (keeps ? expected.file.after_sync() : expected.file.durable));
}

}  // namespace
}  // namespace faultinj
