// Crash safety of checkpoints. Goal: whatever operation power is lost at, and whichever operation
// fails, the base store is the state before the checkpoint under way or the state after it, and its
// meta says which. Method: one run on a simulated disk gives one disk image per file operation (and
// per way of losing power), and each image is opened and compared with the model, scan and meta;
// for failures the run is repeated with each operation failing in turn. Two planted defects (no
// directory syncs, lying table syncs) must be seen, or the method would prove nothing.
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/store/base_store.h"
#include "engine/tests/store_simulated_disk.h"
#include "engine/tests/store_test_support.h"
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

using Keep = SimulatedDisk::Keep;
using Fault = SimulatedDisk::Fault;

constexpr std::size_t kDocumentsPerCheckpoint = 12;
/// Behind this many the next checkpoint merges first (kFilesBeforeMerge in base_store.cc).
constexpr Seq kCheckpointsBeforeMerge = 31;
constexpr std::size_t kSubsetsPerOperation = 1;
constexpr std::uint64_t kOperationsMax = 2000;
/// 5 MB: more than RocksDB keeps unsynced at the end of a table (2 MiB).
constexpr Seq kLargeDocuments = 1200;

BaseStoreOptions options_of(SimulatedDisk& disk, bool sealed) {
  return {.directory = "base",
          .block_cache_bytes = 256 << 10,
          .files = &disk,
          .keys = keys_if(sealed),
          .background_threads = false};
}

/// What was promised when an image was taken.
struct Promise {
  bool created = false;
  Model before;
  std::optional<Model> after;  ///< The checkpoint under way.
};

struct Image {
  std::unique_ptr<SimulatedDisk> disk;
  Promise promise;
  std::uint64_t operation = 0;
  bool sealed = false;
};

/// One run of checkpoints with reopens, and the images of the operations in [first, last].
class Recording {
 public:
  Recording(bool sealed, const SimulatedDisk::Lies& lies, Seq first_recorded, Seq last_recorded)
      : sealed_(sealed),
        disk_(lies),
        first_recorded_(first_recorded),
        last_recorded_(last_recorded) {
    disk_.set_observer([this] { record(); });
  }

  std::vector<Image> run() {
    recording_ = first_recorded_ == 0;
    auto store = BaseStore::create(options_of(disk_, sealed_));
    EXPECT_TRUE(store);
    promise_.created = true;
    for (Seq number = 1; store && number <= last_recorded_; ++number) {
      recording_ = number >= first_recorded_;
      const auto [documents, meta] = make_checkpoint(number, kDocumentsPerCheckpoint);
      promise_.after = promise_.before;
      promise_.after->apply(documents, meta);
      EXPECT_TRUE(ingest(**store, documents, meta));
      promise_.before = *std::exchange(promise_.after, std::nullopt);
      if (number % 2 == 0) {
        EXPECT_TRUE((*store)->reopen());
      }
    }
    EXPECT_TRUE(store && (*store)->close());
    return std::move(images_);
  }

 private:
  void record() {
    ++operation_;
    if (!recording_) {
      return;
    }
    const auto take = [this](Keep keep, std::uint64_t seed) {
      images_.push_back({disk_.power_loss(keep, seed), promise_, operation_, sealed_});
    };
    take(Keep::kNothing, 0);
    take(Keep::kEverything, 0);
    for (std::size_t subset = 0; subset < kSubsetsPerOperation; ++subset) {
      take(Keep::kSubset, operation_ * kSubsetsPerOperation + subset);
    }
  }

  const bool sealed_;
  SimulatedDisk disk_;
  const Seq first_recorded_;
  const Seq last_recorded_;
  Promise promise_;
  bool recording_ = false;
  std::uint64_t operation_ = 0;
  std::vector<Image> images_;
};

/// Empty when the image is what was promised, else what is wrong with it.
std::string examine(Image& image) {
  if (!image.promise.created) {
    // A creation that was interrupted: creating again must work.
    const auto again = BaseStore::create(options_of(*image.disk, image.sealed));
    if (!again) {
      return "create again: " + to_string(again.error());
    }
    const auto found = read_all(**again);
    return found && *found == Model{} ? "" : "not empty after creating again";
  }
  const auto store = BaseStore::open(options_of(*image.disk, image.sealed));
  if (!store) {
    return "open: " + to_string(store.error());
  }
  const auto found = read_all(**store);
  if (!found) {
    return "read: " + to_string(found.error());
  }
  if (*found == image.promise.before || (image.promise.after && *found == *image.promise.after)) {
    return "";
  }
  return "neither the state before nor after: checkpoint_seq " +
         std::to_string(found->meta.checkpoint_seq) + ", " +
         std::to_string(found->documents.size()) + " documents";
}

std::size_t count_violations(std::vector<Image> images) {
  std::size_t violations = 0;
  for (Image& image : images) {
    violations += examine(image).empty() ? 0U : 1U;
  }
  return violations;
}

/// Plain and encrypted.
class CheckpointCrash : public testing::TestWithParam<bool> {};
class CheckpointFault : public testing::TestWithParam<bool> {};
std::string name_of(const testing::TestParamInfo<bool>& info) {
  return info.param ? "Sealed" : "Plain";
}
INSTANTIATE_TEST_SUITE_P(Stores, CheckpointCrash, testing::Bool(), name_of);
INSTANTIATE_TEST_SUITE_P(Stores, CheckpointFault, testing::Bool(), name_of);

TEST_P(CheckpointCrash, PowerLossAtEveryOperationLeavesBeforeOrAfter) {
  auto images = Recording(GetParam(), {}, 0, 3).run();
  EXPECT_GT(images.size(), 250U);
  for (Image& image : images) {
    EXPECT_EQ(examine(image), "") << "operation " << image.operation;
  }
}

TEST_P(CheckpointCrash, PowerLossAtEveryOperationOfAMergeLeavesBeforeOrAfter) {
  auto images =
      Recording(GetParam(), {}, kCheckpointsBeforeMerge + 1, kCheckpointsBeforeMerge + 2).run();
  EXPECT_GT(images.size(), 100U);
  for (Image& image : images) {
    EXPECT_EQ(examine(image), "") << "operation " << image.operation;
  }
}

TEST_P(CheckpointCrash, DroppedDirectorySyncsAreSeen) {
  EXPECT_GT(count_violations(Recording(GetParam(), {.drop_directory_syncs = true}, 1, 2).run()),
            20U);
}

TEST_P(CheckpointCrash, LyingTableSyncsAreSeen) {
  EXPECT_GT(count_violations(Recording(GetParam(), {.drop_table_syncs = true}, 1, 2).run()), 20U);
}

/// A run in which one operation fails. The store is reopened after an error, and then its meta is
/// the truth: also on the disk.
class FaultRun {
 public:
  FaultRun(bool sealed, std::uint64_t ordinal, Fault fault) : sealed_(sealed) {
    disk_.plan_fault(ordinal, fault);
  }

  /// One checkpoint that is synced several times while it is written. False: as of run().
  bool run_large() {
    create();
    if (store_ != nullptr) {
      CheckpointMeta meta;
      meta.checkpoint_seq = kLargeDocuments;
      checkpoint(incompressible_documents(3, kLargeDocuments), meta);
      expect_clean(store_->close());
      verify_disk(Keep::kNothing);
    }
    return disk_.faults_fired() > 0;
  }

  /// False when the run ended before the fault.
  bool run() {
    create();
    for (Seq number = 1; store_ != nullptr && number <= 3; ++number) {
      const auto [documents, meta] = make_checkpoint(number, kDocumentsPerCheckpoint);
      checkpoint(documents, meta);
      if (number == 2) {
        reopen(store_->reopen());
      }
    }
    if (store_ != nullptr) {
      expect_clean(store_->close());
      store_.reset();
      verify_disk(Keep::kNothing);
    }
    return disk_.faults_fired() > 0;
  }

 private:
  /// Every error of a run with one fault must carry that fault's code, errno and mark.
  void expect_clean(const Status& outcome) {
    if (outcome) {
      return;
    }
    const Error& error = outcome.error();
    EXPECT_TRUE(error.injected) << to_string(error);
    EXPECT_TRUE((error.code == ErrorCode::kIo && error.sys_errno == EIO) ||
                (error.code == ErrorCode::kNoSpace && error.sys_errno == ENOSPC))
        << to_string(error);
  }

  void create() {
    auto created = BaseStore::create(options_of(disk_, sealed_));
    if (!created) {
      expect_clean(std::unexpected(created.error()));
      disk_.heal();
      created = BaseStore::create(options_of(disk_, sealed_));
    }
    ASSERT_TRUE(created) << to_string(created.error());
    store_ = *std::move(created);
  }

  void reopen(Status outcome) {
    if (!outcome) {
      expect_clean(outcome);
      disk_.heal();
      outcome = store_->reopen();
    }
    EXPECT_TRUE(outcome) << to_string(outcome.error());
  }

  void checkpoint(const Documents& documents, const CheckpointMeta& meta) {
    Model after = model_;
    after.apply(documents, meta);
    const Status outcome = ingest(*store_, documents, meta);
    if (outcome) {
      model_ = after;
    } else {
      expect_clean(outcome);
      disk_.heal();
      reopen(store_->reopen());
    }
    const auto found = read_all(*store_);
    ASSERT_TRUE(found) << to_string(found.error());
    if (!outcome && *found == after) {
      model_ = after;
    }
    ASSERT_TRUE(*found == model_) << "meta says " << found->meta.checkpoint_seq;
    if (!outcome) {
      verify_disk(Keep::kNothing);
    }
  }

  /// What was found after reopening must not be gone after the next power loss.
  void verify_disk(Keep keep) {
    const auto after = disk_.power_loss(keep, 0);
    const auto store = BaseStore::open(options_of(*after, sealed_));
    ASSERT_TRUE(store) << to_string(store.error());
    const auto found = read_all(**store);
    ASSERT_TRUE(found) << to_string(found.error());
    ASSERT_TRUE(*found == model_) << "power loss: " << found->meta.checkpoint_seq;
  }

  const bool sealed_;
  SimulatedDisk disk_;
  std::unique_ptr<BaseStore> store_;
  Model model_;
};

/// Operations that creating takes; what follows are those of the large checkpoint.
std::uint64_t operations_of_creation(bool sealed) {
  SimulatedDisk disk;
  const auto store = BaseStore::create(options_of(disk, sealed));
  EXPECT_TRUE(store);
  return disk.operations();
}

void sweep_large(bool sealed, Fault fault) {
  const std::uint64_t first = operations_of_creation(sealed) + 1;
  std::uint64_t ordinal = first;
  while (ordinal < first + kOperationsMax) {
    SCOPED_TRACE("operation " + std::to_string(ordinal));
    if (!FaultRun(sealed, ordinal, fault).run_large() || testing::Test::HasFatalFailure()) {
      break;
    }
    ++ordinal;
  }
  EXPECT_GT(ordinal - first, 12U);
  EXPECT_LT(ordinal - first, kOperationsMax);
}

void sweep(bool sealed, Fault fault) {
  std::uint64_t ordinal = 1;
  while (ordinal < kOperationsMax) {
    SCOPED_TRACE("operation " + std::to_string(ordinal));
    if (!FaultRun(sealed, ordinal, fault).run() || testing::Test::HasFatalFailure()) {
      break;
    }
    ++ordinal;
  }
  EXPECT_GT(ordinal, 60U);
  EXPECT_LT(ordinal, kOperationsMax);
}

TEST_P(CheckpointFault, EachOperationMayFail) { sweep(GetParam(), Fault::kNotDone); }
TEST_P(CheckpointFault, EachOperationMayFailAfterItTookEffect) {
  sweep(GetParam(), Fault::kDoneButReported);
}
TEST_P(CheckpointFault, EachOperationOfALargeCheckpointMayFail) {
  sweep_large(GetParam(), Fault::kNotDone);
}
TEST_P(CheckpointFault, EachOperationOfALargeCheckpointMayFailAfterItTookEffect) {
  sweep_large(GetParam(), Fault::kDoneButReported);
}
TEST_P(CheckpointFault, TheDiskMayBeFullFromEachOperationOn) {
  sweep(GetParam(), Fault::kNoSpaceFromHere);
}

}  // namespace
}  // namespace pluresdb::store
