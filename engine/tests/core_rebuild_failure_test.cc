// Goal: whatever file operation fails while a store is rebuilt, the rebuild fails and leaves
// nothing, or all of it is there; wherever it is cancelled, the same; the source is never changed,
// and the next rebuild succeeds.
// Method: rebuilds from logs and base stores, into places that are empty or not, with the N-th
// operation failing, for N = 1, 2, 3, ... until a run in which none failed; with the cancel flag
// raised during each operation; with each write of the log altered on its way to the disk.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "engine/tests/core_failing_disk.h"
#include "engine/tests/core_failure_loop.h"
#include "engine/tests/core_memory_disk.h"
#include "engine/tests/core_test_util.h"
#include "engine/tests/forwarding_file_system.h"
#include <pluresdb/document.h>
#include <pluresdb/engine.h>
#include <pluresdb/error.h>
#include <pluresdb/options.h>
#include <pluresdb/rebuild.h>
#include <pluresdb/stats.h>

namespace pluresdb::testing {
namespace {

constexpr const char* kStore = "/store";
constexpr const char* kWal = "/store/wal";
constexpr const char* kOutput = "/rebuilt";
constexpr const char* kUnderWay = "/rebuilt.rebuilding";
constexpr std::string_view kOutputBaseFiles = "/rebuilt.rebuilding/base/";
constexpr std::string_view kOutputLogFiles = "/rebuilt.rebuilding/wal/";
/// No rebuild has so many operations: a loop that comes here does not end.
constexpr std::uint64_t kOperationsMax = 600;
/// Larger than a group of the log that is built (kGroupBytes in log_builder.cc).
constexpr std::uint64_t kSegmentBytes = 4ULL << 20;

/// Live documents by id.
using State = std::map<std::string, std::string>;

State contents_of(io::FileSystem& disk, const char* directory, bool healthy = true) {
  const auto engine = open_engine(directory, small_options(&disk));
  State state;
  if (engine == nullptr) {
    return state;
  }
  EXPECT_TRUE(engine->recovery().wal.is_healthy() || !healthy) << directory;
  const auto documents = engine->list("", {}, 100'000);
  EXPECT_TRUE(documents.has_value()) << text_of(documents);
  for (const Document& document : documents ? *documents : std::vector<Document>{}) {
    state.emplace(document.id, document.json);
  }
  return state;
}

// --- What it is made of
// ---------------------------------------------------------------------------

void must_put(Engine& engine, const std::string& id, std::uint64_t version, std::size_t bytes) {
  const auto seq = engine.put("agent", id, json_of(version, bytes));
  ASSERT_TRUE(seq.has_value()) << text_of(seq);
}

/// The log reaches back to seq 1: it alone is read.
void whole_log(MemoryDisk& disk) {
  const auto engine = open_engine(kStore, small_options(&disk));
  for (std::uint64_t i = 0; i < 12; ++i) {
    must_put(*engine, fmt::format("doc{}", i % 8), i, i % 3 == 0 ? 5000 : 60);
  }
  ASSERT_TRUE(engine->erase("agent", "doc1").has_value());
}

/// Most of the log is compacted, the base store has several blocks, each of which is read by
/// itself; the newest record is a large value.
void base_and_log(MemoryDisk& disk) {
  const auto engine = open_engine(kStore, small_options(&disk));
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < 40; ++i) {
      must_put(*engine, fmt::format("page{}", i), round * 100 + i, 900);
    }
    must_put(*engine, "large", round, 20'000);
    ASSERT_TRUE(engine->checkpoint().has_value());
  }
  must_put(*engine, "page1", 7, 60);
  must_put(*engine, "newest", 8, 9000);
}

/// More large values than a group of the new log holds.
void large_values(MemoryDisk& disk) {
  EngineOptions options = small_options(&disk);
  options.segment_bytes = kSegmentBytes;
  const auto engine = open_engine(kStore, options);
  for (std::uint64_t i = 0; i < 5; ++i) {
    must_put(*engine, fmt::format("value{}", i), i, 300'000);
  }
  must_put(*engine, "end", 1, 60);
}

// --- Where it goes
// --------------------------------------------------------------------------------

RebuildOptions options_of(io::FileSystem& files) {
  RebuildOptions options;
  options.engine = small_options(&files);
  options.source_secret = options.engine.secret;
  options.engine.segment_bytes = kSegmentBytes;
  return options;
}

void nothing(MemoryDisk&) {}

void empty_directory(MemoryDisk& disk) { ASSERT_TRUE(disk.create_directory(kOutput).has_value()); }

/// All but the name of an earlier rebuild was made.
void cut_off(MemoryDisk& disk) {
  const auto counted = disk.clone();
  counted->stop_after(MemoryDisk::kNever);
  ASSERT_TRUE(rebuild_from_wal(kWal, kOutput, options_of(*counted)).has_value());
  constexpr std::uint64_t kFromItsNameOn = 4;  // The rename, two syncs, the mark's removal.
  disk.stop_after(counted->operations() - kFromItsNameOn);
  ASSERT_FALSE(rebuild_from_wal(kWal, kOutput, options_of(disk)).has_value());
  disk.restart();
  ASSERT_TRUE(disk.info(io::join_path(kUnderWay, "STORE")).has_value());
}

struct Case {
  std::string_view name;
  void (*source)(MemoryDisk& disk);
  void (*place)(MemoryDisk& disk);
  std::span<const FailureMode> modes;
  /// Operations on such paths are another case's.
  std::string_view spared{};
  HistorySource history = HistorySource::kLog;

  [[nodiscard]] bool leaves_are_there() const { return place == cut_off; }
  friend std::ostream& operator<<(std::ostream& out, const Case& each) { return out << each.name; }
};

constexpr FailureMode kOnce[] = {kFailsOnce};
constexpr FailureMode kFewModes[] = {kFailsOnce, kFailsFromThereOn};

constexpr Case kCases[] = {
    {.name = "OfALog",
     .source = whole_log,
     .place = nothing,
     .modes = kFailureModes,
     .spared = kOutputBaseFiles},
    {.name = "OfBaseStoreAndLog",
     .source = base_and_log,
     .place = nothing,
     .modes = kFewModes,
     .history = HistorySource::kBaseAndLog},
    {.name = "OfLargeValuesIntoAnEmptyDirectory",
     .source = large_values,
     .place = empty_directory,
     .modes = kOnce,
     .spared = kOutputBaseFiles},
    {.name = "OverWhatACutOffOneHasLeft", .source = whole_log, .place = cut_off, .modes = kOnce},
};

// --- The loops
// ------------------------------------------------------------------------------------

constexpr Swallowed kSwallowed[] = {
    {"", "list", "/store/", true, "adds up sizes, for the progress only"},
    {"", "info", "/store/", true, "adds up sizes, for the progress only"},
    {"", "remove", "/REBUILDING", false, "in a whole store the mark means nothing"},
    {"", "open", "/keyring.bak", true, "needed only when the first is damaged", false, false, true},
    {"", "size", "/keyring.bak", true, "needed only when the first is damaged", false, false, true},
    {"", "read", "/keyring.bak", true, "needed only when the first is damaged", false, false, true},
    // To know the size of an encrypted file is to read it.
    {"", "open", "/base/MANIFEST-", true, "RocksDB adds up sizes", false, false, true},
    {"", "read", "/base/MANIFEST-", true, "RocksDB adds up sizes", false, false, true},
    {"", "open", ".log", true, "RocksDB adds up sizes; no record ever is in it", false, false,
     true},
    {"", "read", ".log", true, "RocksDB adds up sizes; no record ever is in it", false, false,
     true},
    {"", "", "/OPTIONS-", false, "RocksDB writes it for people; no opening needs it"},
    {"", "list", "/base", false, "RocksDB looks for files that it could delete"},
    {"", "info", "/base", true, "RocksDB adds up sizes"},
    {"", "close", "/base", false, "RocksDB closes what it has synced"},
    {"", "remove", "/base/MANIFEST-", false, "RocksDB's first one, which nothing names any more"},
    {"", "remove", "/ingest.sst", false, "no name of it is left, or the next opening removes it"},
    {"", "sync_directory", "/base", true, "synced again by the next change of the manifest"},
};

SwallowTable& table() {
  static SwallowTable all(kSwallowed);
  return all;
}

class RebuildFailure : public ::testing::TestWithParam<Case> {
 protected:
  static void TearDownTestSuite() { table().expect_all_needed(std::size(kCases)); }

  void SetUp() override {
    GetParam().source(image_);
    image_.restart();
    documents_ = contents_of(*image_.clone(), kStore);
    ASSERT_GT(documents_.size(), 3U);
    const auto stats = rebuild_from_wal(kWal, kOutput, options_of(*image_.clone()));
    ASSERT_TRUE(stats.has_value()) << text_of(stats);
    ASSERT_EQ(stats->source, GetParam().history);
    ASSERT_TRUE(stats->is_complete);
    GetParam().place(image_);
  }

  static bool is_made(MemoryDisk& disk) {
    const auto names = disk.list(kOutput);
    return names && !names->empty();
  }
  /// The source shows what it showed, and so does the output; unsynced bytes are gone.
  void expect_rebuilt(MemoryDisk& disk) const {
    disk.lose_power(std::nullopt);
    EXPECT_EQ(contents_of(disk, kOutput), documents_);
    EXPECT_EQ(contents_of(disk, kStore), documents_) << "the source";
  }

  /// False when nothing failed.
  bool run(std::uint64_t n, const FailureMode& mode) const;

  MemoryDisk image_;
  State documents_;
};

bool RebuildFailure::run(std::uint64_t n, const FailureMode& mode) const {
  const auto disk = image_.clone();
  FailingDisk failing(*disk);
  failing.fail_from(n, mode, GetParam().spared);
  const auto rebuilt = rebuild_from_wal(kWal, kOutput, options_of(failing));
  const auto failed = failing.heal();
  EXPECT_EQ(failing.open_handles(), 0U);
  table().judge(GetParam().name, rebuilt ? Status{} : Status(std::unexpected(rebuilt.error())),
                failed, mode);
  if (!rebuilt) {
    EXPECT_TRUE(mode.lasting || GetParam().leaves_are_there() || !disk->info(kUnderWay))
        << "left behind";
    if (is_made(*disk)) {
      EXPECT_EQ(contents_of(*disk, kOutput), documents_) << "reported as failed, but complete";
      disk->destroy(kOutput);
    }
    const auto again = rebuild_from_wal(kWal, kOutput, options_of(failing));
    EXPECT_TRUE(again.has_value()) << text_of(again);
  }
  expect_rebuilt(*disk);
  return failing.reached();
}

TEST_P(RebuildFailure, OfAnyOperationLeavesNoHalfOfAStore) {
  table().begin_loop();
  for (const FailureMode& mode : GetParam().modes) {
    std::uint64_t n = 1;
    for (bool fired = true; fired; ++n) {
      SCOPED_TRACE(fmt::format("operation {} {}", n, mode.name));
      ASSERT_LT(n, kOperationsMax);
      fired = run(n, mode);
    }
    EXPECT_GT(n, 2U);
  }
}

// Cancelled while a table is written, a value is copied, the references are counted: between any
// two reports.
TEST_P(RebuildFailure, ACancelDuringAnyOperationLeavesNothing) {
  std::uint64_t cancelled = 0;
  bool reached = true;
  for (std::uint64_t n = 1; reached; ++n) {
    SCOPED_TRACE(fmt::format("cancelled during operation {}", n));
    ASSERT_LT(n, kOperationsMax);
    const auto disk = image_.clone();
    FailingDisk telling(*disk);
    std::atomic<bool> cancel = false;
    RebuildOptions options = options_of(telling);
    options.engine.dirty_bytes_max = 500;
    options.cancel = &cancel;
    telling.tell_at(n, cancel);
    const auto rebuilt = rebuild_from_wal(kWal, kOutput, options);
    reached = telling.reached();
    EXPECT_EQ(telling.open_handles(), 0U);
    if (rebuilt) {
      expect_rebuilt(*disk);
      continue;
    }
    ++cancelled;
    EXPECT_EQ(rebuilt.error().code, ErrorCode::kCancelled) << text_of(rebuilt);
    EXPECT_FALSE(is_made(*disk));
    EXPECT_TRUE(GetParam().leaves_are_there() || !disk->info(kUnderWay)) << "left behind";
  }
  EXPECT_GT(cancelled, 30U);
}

INSTANTIATE_TEST_SUITE_P(Cases, RebuildFailure, ::testing::ValuesIn(kCases),
                         [](const auto& each) { return std::string(each.param.name); });

// --- A disk that does not hold what it was given
// --------------------------------------------------

/// Alters one byte of the `n`-th write into the new log, from 1.
class AlteringFiles final : public io::ForwardingFileSystem {
 public:
  AlteringFiles(io::FileSystem& next, std::uint64_t n) : ForwardingFileSystem(next), left_(n) {}

  Result<std::unique_ptr<io::File>> open(const std::string& path, io::OpenMode mode) override {
    TRY_ASSIGN(auto file, ForwardingFileSystem::open(path, mode));
    if (!path.starts_with(kOutputLogFiles)) {
      return file;
    }
    return std::make_unique<AlteringFile>(*this, std::move(file));
  }
  [[nodiscard]] bool fired() const { return left_ == 0; }

 private:
  class AlteringFile final : public io::ForwardingFile {
   public:
    AlteringFile(AlteringFiles& files, std::unique_ptr<io::File> next)
        : ForwardingFile(std::move(next)), files_(files) {}
    Status write(std::uint64_t offset, base::ByteSpan data) override {
      if (data.empty() || files_.left_ == 0 || --files_.left_ > 0) {
        return ForwardingFile::write(offset, data);
      }
      std::vector<std::byte> altered(data.begin(), data.end());
      altered[altered.size() / 2] ^= std::byte{0x10};
      return ForwardingFile::write(offset, altered);
    }

   private:
    AlteringFiles& files_;
  };

  std::uint64_t left_;
};

TEST(RebuildOnABadDisk, ALogThatDoesNotReadBackAsWrittenIsNoStore) {
  MemoryDisk image;
  large_values(image);
  image.restart();
  const State documents = contents_of(*image.clone(), kStore);
  std::uint64_t noticed = 0;
  bool fired = true;
  for (std::uint64_t n = 1; fired; ++n) {
    SCOPED_TRACE(fmt::format("write {} of the log", n));
    ASSERT_LT(n, kOperationsMax);
    const auto disk = image.clone();
    AlteringFiles files(*disk, n);
    const auto rebuilt = rebuild_from_wal(kWal, kOutput, options_of(files));
    fired = files.fired();
    if (rebuilt) {
      constexpr bool kHealthy = false;  // One of two copies of a header may differ.
      EXPECT_EQ(contents_of(*disk, kOutput, kHealthy), documents);
      continue;
    }
    ++noticed;
    EXPECT_EQ(rebuilt.error().code, ErrorCode::kCorruption);
    EXPECT_NE(rebuilt.error().context.find(kOutputLogFiles), std::string::npos)
        << rebuilt.error().context;
    EXPECT_FALSE(disk->info(kOutput).has_value());
    EXPECT_FALSE(disk->info(kUnderWay).has_value());
  }
  EXPECT_GT(noticed, 3U);
}

TEST(RebuildFailureOfArguments, OptionsOutOfRangeAreRefusedBeforeAnythingIsMade) {
  MemoryDisk disk;
  whole_log(disk);
  disk.restart();
  RebuildOptions options = options_of(disk);
  options.engine.large_value_bytes = 0;
  const auto rebuilt = rebuild_from_wal(kWal, kOutput, options);
  ASSERT_FALSE(rebuilt.has_value());
  EXPECT_EQ(rebuilt.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(rebuilt.error().context.find("large_value_bytes"), std::string::npos);
  EXPECT_FALSE(disk.info(kOutput).has_value());
  EXPECT_FALSE(disk.info(kUnderWay).has_value());
}

}  // namespace
}  // namespace pluresdb::testing
