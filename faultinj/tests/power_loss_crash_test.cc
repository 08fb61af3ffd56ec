// Goal: a SIGKILL at any instruction leaves a journal that the next worker inherits without loss
// and that a power loss turns into exactly a durable state. Method: a child makes random operations
// and counts them in shared memory; it is killed at a random moment. The model then knows
// everything but whether the operation in flight took effect. The same directory and journal go
// through all generations, some with a power loss between them.
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill() is POSIX, not in <csignal>.
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/io/file_system.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_file_system.h"
#include "faultinj/tests/power_loss_model.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::io::posix_file_system;

constexpr std::uint64_t kOperationsPerLife = 300;

struct Progress {
  std::atomic<std::uint64_t> begun = 0;
  std::atomic<std::uint64_t> finished = 0;
  std::atomic<std::uint64_t> failed = 0;
};

class SharedProgress {
 public:
  SharedProgress()
      : memory_(::mmap(nullptr, sizeof(Progress), PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
  ~SharedProgress() { (void)::munmap(memory_, sizeof(Progress)); }
  SharedProgress(const SharedProgress&) = delete;
  SharedProgress& operator=(const SharedProgress&) = delete;
  SharedProgress(SharedProgress&&) = delete;
  SharedProgress& operator=(SharedProgress&&) = delete;
  Progress& reset() { return *new (memory_) Progress; }

 private:
  void* memory_;
};

ModelOperation nth_operation(std::uint64_t life, std::uint64_t index) {
  std::minstd_rand random(static_cast<std::uint32_t>(life * kOperationsPerLife + index + 1));
  random.discard(3);
  return decode_operation(static_cast<std::uint32_t>(random() * 2654435761U));
}

[[noreturn]] void live(const std::string& root, int journal, std::uint64_t life, Model model,
                       Progress& progress) {
  const auto files = make_power_loss_file_system(posix_file_system(), root, journal);
  if (!files) {
    progress.failed = 1;
    ::_exit(1);
  }
  ModelRunner runner(**files, root);
  model.close_slots();
  for (std::uint64_t index = 0; index < kOperationsPerLife; ++index) {
    const ModelOperation operation = nth_operation(life, index);
    ++progress.begun;
    if (model.is_possible(operation)) {
      if (runner.run(operation).has_value() == model.fails(operation)) {
        progress.failed = 1;
        ::_exit(1);
      }
      model.apply(operation);
    }
    ++progress.finished;
  }
  for (;;) {
    (void)::pause();  // Until it is killed.
  }
}

/// All that may be true after a kill inside `operation`.
std::vector<Model> possible_states(const Model& before,
                                   const std::optional<ModelOperation>& operation) {
  std::vector<Model> states{before};
  if (!operation || !before.is_possible(*operation)) {
    return states;
  }
  states.push_back(before);
  states.back().apply(*operation);
  return states;
}

class Generations : public testing::Test {
 protected:
  void SetUp() override {
    const auto files = make_power_loss_file_system(posix_file_system(), root(), loss_journal.get());
    ASSERT_TRUE(files.has_value());
    ASSERT_TRUE(ModelRunner(**files, root()).make_directories().has_value());
  }

  [[nodiscard]] const std::string& root() const { return store.path(); }

  /// A worker lives from `candidates` on and is killed; candidates is what may be true then.
  void live_and_die(std::uint64_t life) {
    Progress& progress = shared_progress.reset();
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      live(root(), loss_journal.get(), life, candidates.front(), progress);
    }
    const std::uint64_t target = dice_cup() % kOperationsPerLife;
    while (progress.begun <= target && progress.failed == 0) {
    }
    for (std::uint64_t spin = dice_cup() % 20'000; spin > 0; --spin) {
      // Into the middle of an operation.
      (void)progress.finished.load();
    }
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_EQ(progress.failed, 0U) << "an operation failed in life " << life;
    collect_states(life, progress);
  }

  void collect_states(std::uint64_t life, const Progress& progress) {
    std::vector<Model> after;
    for (Model& state : candidates) {
      state.close_slots();
      for (std::uint64_t index = 0; index < progress.finished; ++index) {
        const ModelOperation operation = nth_operation(life, index);
        if (state.is_possible(operation)) {
          state.apply(operation);
        }
      }
      std::optional<ModelOperation> inside;
      if (progress.begun > progress.finished) {
        inside = nth_operation(life, progress.finished);
        ++kills_inside;
      }
      for (Model& possible : possible_states(state, inside)) {
        after.push_back(std::move(possible));
      }
    }
    candidates = std::move(after);
  }

  /// The next worker must see one of the possible states.
  void inherit() {
    const auto files = make_power_loss_file_system(posix_file_system(), root(), loss_journal.get());
    ASSERT_TRUE(files.has_value()) << pluresdb::to_string(files.error());
    const auto contents = read_contents(**files, root());
    ASSERT_TRUE(contents.has_value()) << pluresdb::to_string(contents.error());
    std::erase_if(candidates, [&](const Model& state) {
      return contents_of(state, state.live, false) != *contents;
    });
    ASSERT_FALSE(candidates.empty()) << "after a crash";
  }

  void lose_power() {
    const auto outcome = apply_power_loss(root(), loss_journal.get(), {});
    ASSERT_TRUE(outcome.has_value()) << pluresdb::to_string(outcome.error());
    total_bytes_discarded += outcome->bytes_discarded;
    total_changes_undone += outcome->directory_changes_undone;
    const auto contents = read_contents(posix_file_system(), root());
    ASSERT_TRUE(contents.has_value()) << pluresdb::to_string(contents.error());
    for (Model& state : candidates) {
      state.lose_power();
    }
    std::erase_if(candidates, [&](const Model& state) {
      return contents_of(state, state.live, false) != *contents;
    });
    ASSERT_FALSE(candidates.empty()) << "after a power loss";
    candidates.resize(1);
  }

  TestDirectory store{TestDirectory::Where::kMemory};
  Descriptor loss_journal{*create_power_loss_journal()};
  SharedProgress shared_progress;
  std::minstd_rand dice_cup{20261124};
  std::vector<Model> candidates{Model{}};
  std::uint64_t kills_inside = 0, total_bytes_discarded = 0, total_changes_undone = 0;
};

TEST_F(Generations, KilledWorkersLeaveWhatTheModelSays) {
  constexpr std::uint64_t kLives = 80;
  for (std::uint64_t life = 0; life < kLives; ++life) {
    SCOPED_TRACE("life " + std::to_string(life));
    live_and_die(life);
    if (HasFatalFailure()) {
      return;
    }
    const std::uint64_t dice = dice_cup() % 4;
    if (dice != 0) {
      inherit();
    }
    if (!HasFatalFailure() && dice < 2) {
      lose_power();
    }
    if (HasFatalFailure()) {
      return;
    }
  }
  // It tested something.
  EXPECT_GT(kills_inside, kLives / 10);
  EXPECT_GT(total_bytes_discarded, 0U);
  EXPECT_GT(total_changes_undone, 0U);
}

}  // namespace
}  // namespace faultinj
