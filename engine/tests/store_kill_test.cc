// Real SIGKILLs. Goal: after the death of the process at any moment the checkpoints it saw complete
// are there, on the real file system. Method: a child ingests checkpoint after checkpoint and
// counts its file operations in shared memory; it is killed when the count passes a seeded number;
// a second child opens what is left and compares. The parent never touches RocksDB, so that each
// fork finds a process with one thread.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/store/base_store.h"
#include "engine/tests/forwarding_file_system.h"
#include "engine/tests/io_test_directory.h"
#include "engine/tests/store_test_support.h"
#include <pluresdb/document.h>
#include <pluresdb/error.h>

namespace pluresdb::store {
namespace {

constexpr std::size_t kDocuments = 10;
constexpr Seq kCheckpoints = 40;

struct Shared {
  std::atomic<std::uint64_t> operations{0};
  std::atomic<std::uint64_t> started{0};    ///< Checkpoints begun.
  std::atomic<std::uint64_t> completed{0};  ///< Checkpoints whose ingest returned success.
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// Counts each write and sync before it happens.
class CountingFile final : public io::ForwardingFile {
 public:
  CountingFile(std::unique_ptr<io::File> next, std::atomic<std::uint64_t>& operations)
      : ForwardingFile(std::move(next)), operations_(operations) {}
  Status write(std::uint64_t offset, base::ByteSpan data) override {
    ++operations_;
    return ForwardingFile::write(offset, data);
  }
  Status sync_data() override {
    ++operations_;
    return ForwardingFile::sync_data();
  }
  Status sync_all() override {
    ++operations_;
    return ForwardingFile::sync_all();
  }

 private:
  std::atomic<std::uint64_t>& operations_;
};

class CountingFileSystem final : public io::ForwardingFileSystem {
 public:
  explicit CountingFileSystem(std::atomic<std::uint64_t>& operations)
      : ForwardingFileSystem(io::posix_file_system()), operations_(operations) {}
  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    ++operations_;
    TRY_ASSIGN(auto file, ForwardingFileSystem::open(path, mode));
    return std::make_unique<CountingFile>(std::move(file), operations_);
  }
  Status rename(const std::string& from, const std::string& to) override {
    ++operations_;
    return ForwardingFileSystem::rename(from, to);
  }
  Status remove(const std::string& path) override {
    ++operations_;
    return ForwardingFileSystem::remove(path);
  }
  Status sync_directory(const std::string& path) override {
    ++operations_;
    return ForwardingFileSystem::sync_directory(path);
  }

 private:
  std::atomic<std::uint64_t>& operations_;
};

Model model_after(Seq checkpoints) {
  Model model;
  for (Seq number = 1; number <= checkpoints; ++number) {
    const auto [documents, meta] = make_checkpoint(number, kDocuments);
    model.apply(documents, meta);
  }
  return model;
}

int complain(const std::string& what) {
  (void)std::fprintf(stderr, "child: %s\n", what.c_str());
  return 1;
}

int write_checkpoints(const std::string& directory, bool sealed, Shared& shared) {
  CountingFileSystem files(shared.operations);
  const BaseStoreOptions options{.directory = directory,
                                 .block_cache_bytes = 1 << 20,
                                 .files = &files,
                                 .keys = keys_if(sealed)};
  auto store = shared.completed == 0 ? BaseStore::create(options) : BaseStore::open(options);
  if (!store && shared.completed == 0 && shared.started == 1) {
    // The first checkpoint took effect, and nobody was told.
    store = BaseStore::open(options);
    shared.completed = 1;
  }
  if (!store) {
    return complain(to_string(store.error()));
  }
  for (Seq number = shared.completed + 1; number <= kCheckpoints; ++number) {
    shared.started = number;
    const auto [documents, meta] = make_checkpoint(number, kDocuments);
    if (const Status outcome = ingest(**store, documents, meta); !outcome) {
      return complain(to_string(outcome.error()));
    }
    shared.completed = number;
  }
  return 0;
}

int verify(const std::string& directory, bool sealed, Shared& shared) {
  const BaseStoreOptions options{.directory = directory,
                                 .block_cache_bytes = 1 << 20,
                                 .files = &io::posix_file_system(),
                                 .keys = keys_if(sealed)};
  auto store = BaseStore::open(options);
  if (!store) {
    return complain(to_string(store.error()));
  }
  const auto found = read_all(**store);
  if (!found) {
    return complain(to_string(found.error()));
  }
  if (*found == model_after(shared.started)) {
    shared.completed = shared.started.load();
    return 0;
  }
  return *found == model_after(shared.completed) ? 0 : complain("neither before nor after");
}

template <typename Work>
pid_t fork_child(Work work) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::_exit(work());
  }
  return pid;
}

int wait_status(pid_t pid) {
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return status;
}

/// Plain and encrypted. The keys are made in the children, too.
class CheckpointKill : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Stores, CheckpointKill, testing::Bool(),
                         [](const auto& test) { return test.param ? "Sealed" : "Plain"; });

TEST_P(CheckpointKill, CompletedCheckpointsSurviveTheDeathOfTheProcess) {
  constexpr int kKills = 8;
  constexpr std::uint64_t kSeed = 42;
  const io::TestDirectory directory;
  void* memory =
      ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  auto* shared = new (memory) Shared;
  std::mt19937_64 random(kSeed);
  int killed = 0;
  for (int round = 0; round < kKills; ++round) {
    SCOPED_TRACE(round);
    shared->operations = 0;
    // The first kills may hit the creation; the store is verified from the first checkpoint on.
    const std::uint64_t kill_at = 20 + random() % (40 * (static_cast<std::uint64_t>(round) + 2));
    const pid_t writer =
        fork_child([&] { return write_checkpoints(directory / "base", GetParam(), *shared); });
    int status = 0;
    while (shared->operations < kill_at && ::waitpid(writer, &status, WNOHANG) == 0) {
      (void)::sched_yield();
    }
    if (shared->operations >= kill_at) {
      (void)::kill(writer, SIGKILL);
      status = wait_status(writer);
    }
    if (WIFSIGNALED(status)) {
      ++killed;
    } else {
      ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    if (shared->completed > 0) {
      const int verdict =
          wait_status(fork_child([&] { return verify(directory / "base", GetParam(), *shared); }));
      ASSERT_TRUE(WIFEXITED(verdict) && WEXITSTATUS(verdict) == 0);
    }
  }
  EXPECT_GE(killed, kKills / 2);
  EXPECT_GT(shared->completed, 0U);
  EXPECT_EQ(::munmap(memory, sizeof(Shared)), 0);
}

}  // namespace
}  // namespace pluresdb::store
