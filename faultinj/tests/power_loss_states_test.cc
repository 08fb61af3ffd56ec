// Goal: each state that docs/TESTING.md says a power loss can leave really occurs, is counted, and
// occurs only where the policy allows it. Method: one small history, many seeds; what is found on
// the disk is classified by its bytes and names alone and compared with what was counted.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "engine/base/bytes.h"
#include "engine/io/file_system.h"
#include "faultinj/pending_state.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_file_system.h"
#include "faultinj/power_loss_journal.h"
#include "faultinj/surviving_names.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::Status;
using pluresdb::base::as_bytes;
using pluresdb::base::as_text;
using pluresdb::io::FileSystem;
using pluresdb::io::OpenMode;
using pluresdb::io::posix_file_system;
using Names = PowerLossPolicy::Names;
using Writes = PowerLossPolicy::Writes;

constexpr std::uint64_t kSeeds = 250;

void expect_ok(const Status& status) {
  EXPECT_TRUE(status.has_value()) << pluresdb::to_string(status.error());
}

/// A store that loses its power with one seed after the other, each time with the same history.
class Store {
 public:
  Store() { EXPECT_TRUE(journal_.get() >= 0); }

  [[nodiscard]] std::string path(const std::string& name) const {
    return directory_.path() + "/" + name;
  }
  [[nodiscard]] FileSystem& files() { return *files_; }

  void boot() {
    auto made = make_power_loss_file_system(posix_file_system(), directory_.path(), journal_.get());
    ASSERT_TRUE(made.has_value());
    files_ = *std::move(made);
  }
  PowerLossOutcome lose_power(const PowerLossPolicy& policy) {
    files_.reset();
    const auto outcome = apply_power_loss(directory_.path(), journal_.get(), policy);
    EXPECT_TRUE(outcome.has_value());
    return outcome.value_or(PowerLossOutcome{});
  }
  /// The same with no unsynced byte kept, and those changes of names that the test says.
  void lose_names(const std::vector<bool>& kept) {
    files_.reset();
    FileSystem& disk = posix_file_system();
    auto journal = Journal::open(journal_.get());
    ASSERT_TRUE(journal.has_value());
    const auto state = load_pending(disk, directory_.path(), **journal);
    ASSERT_TRUE(state.has_value());
    ASSERT_EQ(state->changes.size(), kept.size());
    EXPECT_TRUE(leave_names(disk, directory_.path(), state->changes, kept).has_value());
    expect_ok((*journal)->clear());
    expect_ok(clean_aside(disk, directory_.path(), {}));
  }
  /// Name -> text of everything below `name`.
  std::map<std::string, std::string> look(const std::string& name) {
    std::map<std::string, std::string> found;
    const auto names = posix_file_system().list(path(name));
    EXPECT_TRUE(names.has_value());
    if (names) {
      for (const std::string& each : *names) {
        found[each] = text(name + "/" + each);
      }
    }
    return found;
  }
  std::string text(const std::string& name) {
    const auto bytes = pluresdb::io::read_whole_file(posix_file_system(), path(name), 1 << 24);
    EXPECT_TRUE(bytes.has_value());
    return bytes ? std::string(as_text(*bytes)) : "";
  }
  /// A file whose name and bytes are durable.
  void make_durable(const std::string& name, const std::string& contents) {
    const auto file = files_->open(path(name), OpenMode::kCreateOrEmpty);
    ASSERT_TRUE(file.has_value());
    expect_ok((*file)->write(0, as_bytes(contents)));
    expect_ok((*file)->sync_all());
    expect_ok((*file)->close());
    expect_ok(files_->sync_directory(pluresdb::io::parent_path(path(name))));
  }
  void write(const std::string& name, std::uint64_t offset, const std::string& bytes) {
    const auto file = files_->open(path(name), OpenMode::kReadWrite);
    ASSERT_TRUE(file.has_value());
    expect_ok((*file)->write(offset, as_bytes(bytes)));
    expect_ok((*file)->close());
  }

 private:
  TestDirectory directory_{TestDirectory::Where::kMemory};
  Descriptor journal_{*create_power_loss_journal()};
  std::unique_ptr<FileSystem> files_;
};

// --- one write

constexpr std::size_t kOldBytes = 3000;
constexpr std::size_t kOffset = 2000;  // Overwrites old bytes, begins inside a sector, and grows.
constexpr std::size_t kNewBytes = 20'000;

/// No two sectors are alike, and no byte is the old one, zero or 0xFF.
std::string new_bytes() {
  std::string bytes;
  for (std::size_t index = 0; bytes.size() < kNewBytes; ++index) {
    bytes += static_cast<char>('A' + (index + index / 257) % 50);
  }
  return bytes;
}

/// What became of the write, by what is found.
std::string classify(const std::string& found, std::uint32_t sector_bytes) {
  const std::string fresh = new_bytes();
  EXPECT_EQ(found.substr(0, kOffset), std::string(kOffset, '.')) << "synced bytes";
  const auto is_unwritten = [&](std::size_t place) {
    return place >= found.size() || found[place] == '\0' || found[place] == '.';
  };
  std::string sectors;  // n: new, o: old, g: garbage; one letter for each.
  for (std::size_t begin = kOffset; begin < kOffset + kNewBytes;) {
    const std::size_t end =
        std::min((begin / sector_bytes + 1) * sector_bytes, kOffset + kNewBytes);
    bool is_new = end <= found.size();
    bool is_old = true;
    for (std::size_t place = begin; place < end; ++place) {
      is_new = is_new && found[place] == fresh[place - kOffset];
      is_old = is_old && is_unwritten(place);
    }
    sectors += is_new ? 'n' : is_old ? 'o' : 'g';
    begin = end;
  }
  if (sectors.contains('g')) {
    return "garbage";
  }
  if (!sectors.contains('o')) {
    return "kept";
  }
  if (!sectors.contains('n')) {
    return found.size() > kOldBytes ? "size without bytes" : "lost";
  }
  return sectors.find("on") == std::string::npos ? "torn: a beginning" : "torn: with holes";
}

/// The count that must be 1 for a write of this state; 0 for no state.
std::uint64_t counted(const PowerLossOutcome& outcome, const std::string& state) {
  if (state == "kept") {
    return outcome.writes_kept;
  }
  if (state == "lost") {
    return outcome.writes_discarded;
  }
  return state == "size without bytes" ? outcome.sizes_without_bytes : outcome.writes_torn;
}

/// How often each state is left by `policy`, over all seeds.
std::map<std::string, std::uint64_t> states_of_a_write(PowerLossPolicy policy) {
  std::map<std::string, std::uint64_t> states;
  for (policy.seed = 0; policy.seed < kSeeds; ++policy.seed) {
    Store store;
    store.boot();
    store.make_durable("f", std::string(kOldBytes, '.'));
    store.write("f", kOffset, new_bytes());
    const auto outcome = store.lose_power(policy);
    const std::string state = classify(store.text("f"), policy.sector_bytes);
    ++states[state];
    EXPECT_EQ(counted(outcome, state), 1U) << state << ", seed " << policy.seed;
    EXPECT_EQ(outcome.writes_kept + outcome.writes_discarded + outcome.writes_torn +
                  outcome.sizes_without_bytes,
              1U);
    EXPECT_EQ(outcome.bytes_kept + outcome.bytes_discarded + outcome.bytes_of_garbage, kNewBytes);
    EXPECT_EQ(outcome.sectors_of_garbage > 0, state == "garbage") << "seed " << policy.seed;
  }
  return states;
}

std::set<std::string> states_left_by(const PowerLossPolicy& policy) {
  std::set<std::string> names;
  for (const auto& [state, count] : states_of_a_write(policy)) {
    names.insert(state);
  }
  return names;
}

using States = std::set<std::string>;

TEST(PowerLossStates, OfAWriteWithoutAnythingKept) {
  EXPECT_EQ(states_left_by({.writes = Writes::kNone}), States{"lost"});
}

TEST(PowerLossStates, OfAWriteWithAPrefixKept) {
  for (const std::uint32_t sector_bytes : {512U, 4096U}) {
    for (const double garbage : {0.0, 0.5}) {  // Which only a subset has.
      EXPECT_EQ(states_left_by(
                    {.writes = Writes::kPrefix, .sector_bytes = sector_bytes, .garbage = garbage}),
                (States{"kept", "torn: a beginning"}));
    }
  }
}

TEST(PowerLossStates, OfAWriteWithASubsetKept) {
  for (const std::uint32_t sector_bytes : {512U, 4096U}) {
    EXPECT_EQ(
        states_left_by({.writes = Writes::kSubset, .sector_bytes = sector_bytes}),
        (States{"kept", "lost", "size without bytes", "torn: a beginning", "torn: with holes"}));
  }
}

TEST(PowerLossStates, OfAWriteWithGarbage) {
  for (const std::uint32_t sector_bytes : {512U, 4096U}) {
    const auto states = states_of_a_write(
        {.writes = Writes::kSubset, .sector_bytes = sector_bytes, .garbage = 0.05});
    EXPECT_EQ(states.size(), 6U);
  }
}

/// Old, random and misplaced bytes, and those of erased flash.
TEST(PowerLossStates, GarbageIsOfEveryKind) {
  std::uint64_t erased = 0;
  std::uint64_t misplaced = 0;
  std::uint64_t noise = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Store store;
    store.boot();
    store.make_durable("f", std::string(512, '.'));
    std::string fresh;
    for (char letter = 'A'; letter <= 'H'; ++letter) {
      fresh += std::string(512, letter);
    }
    store.write("f", 0, fresh);
    store.lose_power({.writes = Writes::kSubset, .seed = seed, .garbage = 1});
    const std::string found = store.text("f");
    for (std::size_t begin = 0; begin + 512 <= found.size(); begin += 512) {
      const std::string sector = found.substr(begin, 512);
      const bool uniform = sector == std::string(512, sector.front());
      if (uniform && sector.front() == '\xFF') {
        ++erased;
      } else if (uniform && sector.front() >= 'A' && sector.front() <= 'H') {
        misplaced += sector.front() != fresh[begin] ? 1U : 0U;
      } else if (!uniform) {
        ++noise;
        const std::set<char> different(sector.begin(), sector.end());
        EXPECT_GT(different.size(), 150U);
      }
    }
  }
  EXPECT_GT(erased, 100U);
  EXPECT_GT(misplaced, 100U);
  EXPECT_GT(noise, 100U);
}

// --- several writes

/// Which of three writes to one file survived whole: every combination occurs with a subset, and
/// with a prefix only beginnings.
TEST(PowerLossStates, OfSeveralWritesAnyCombinationOrABeginning) {
  constexpr std::size_t kBytes = 512;
  const auto combinations = [](Writes writes) {
    std::set<std::string> found;
    std::uint64_t out_of_order = 0;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      Store store;
      store.boot();
      store.make_durable("f", std::string(3 * kBytes, '.'));
      for (std::size_t index = 0; index < 3; ++index) {
        store.write("f", index * kBytes, std::string(kBytes, 'n'));
      }
      const auto outcome = store.lose_power({.writes = writes, .seed = seed});
      const std::string text = store.text("f");
      const std::string kept{text[0], text[kBytes], text[2 * kBytes]};
      found.insert(kept);
      const bool reordered = kept.find(".n") != std::string::npos;
      EXPECT_EQ(outcome.writes_out_of_order > 0, reordered) << kept;
      out_of_order += reordered ? 1U : 0U;
    }
    return std::pair(found, out_of_order);
  };
  const auto [prefix, prefix_out_of_order] = combinations(Writes::kPrefix);
  EXPECT_EQ(prefix, (std::set<std::string>{"...", "n..", "nn.", "nnn"}));
  EXPECT_EQ(prefix_out_of_order, 0U);
  const auto [subset, subset_out_of_order] = combinations(Writes::kSubset);
  EXPECT_EQ(subset.size(), 8U);
  EXPECT_GT(subset_out_of_order, kSeeds / 4);
}

// --- names

/// A new file, a replacing rename and a removal: three changes, eight sets of survivors.
std::string names_left(const PowerLossPolicy& policy, PowerLossOutcome& outcome) {
  Store store;
  store.boot();
  expect_ok(store.files().create_directory(store.path("d")));
  expect_ok(store.files().sync_directory(store.path("")));
  store.make_durable("d/current", "1");
  store.make_durable("d/next", "2");
  store.make_durable("d/old", "3");
  store.make_durable("d/stays", "4");
  const auto made = store.files().open(store.path("d/new"), OpenMode::kCreateNew);
  EXPECT_TRUE(made.has_value());
  expect_ok((*made)->write(0, as_bytes("5")));
  expect_ok((*made)->sync_all());
  expect_ok((*made)->close());
  expect_ok(store.files().rename(store.path("d/next"), store.path("d/current")));
  expect_ok(store.files().remove(store.path("d/old")));
  outcome = store.lose_power(policy);
  std::string found;
  for (const auto& [name, text] : store.look("d")) {
    found += name + "=" + text + " ";
  }
  return found;
}

TEST(PowerLossStates, OfNamesEachByItselfOrUpToAPoint) {
  const auto left_by = [](Names names) {
    std::set<std::string> found;
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      PowerLossOutcome outcome;
      const std::string left = names_left({.names = names, .seed = seed}, outcome);
      found.insert(left);
      const bool is_new = left.contains("new=5");
      const bool renamed = left.contains("current=2");
      const bool removed = !left.contains("old=3");
      EXPECT_TRUE(left.contains("stays=4"));
      EXPECT_EQ(left.contains("next=2"), !renamed) << "a rename is one step";
      EXPECT_EQ(left.contains("current=1"), !renamed);
      const auto survivors =
          std::uint64_t{is_new} + std::uint64_t{renamed} + std::uint64_t{removed};
      EXPECT_EQ(outcome.directory_changes_kept, survivors);
      EXPECT_EQ(outcome.directory_changes_undone, 3 - survivors);
      EXPECT_EQ(outcome.names_out_of_order > 0,
                (!is_new && (renamed || removed)) || (!renamed && removed));
    }
    return found;
  };
  EXPECT_EQ(left_by(Names::kNone).size(), 1U);
  EXPECT_EQ(left_by(Names::kAll).size(), 1U);
  EXPECT_EQ(left_by(Names::kPrefix).size(), 4U);
  EXPECT_EQ(left_by(Names::kAny).size(), 8U);
}

/// The name that a file gets by a rename can survive the one that it was made with.
TEST(PowerLossStates, OfAFileThatWasRenamedAtMostOneNameIsLeft) {
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Store store;
    store.boot();
    expect_ok(store.files().create_directory(store.path("d")));
    expect_ok(store.files().sync_directory(store.path("")));
    const auto made = store.files().open(store.path("d/a"), OpenMode::kCreateNew);
    ASSERT_TRUE(made.has_value());
    expect_ok((*made)->write(0, as_bytes("text")));
    expect_ok((*made)->sync_all());
    expect_ok((*made)->close());
    expect_ok(store.files().rename(store.path("d/a"), store.path("d/b")));
    expect_ok(store.files().rename(store.path("d/b"), store.path("d/c")));
    store.lose_power({.names = Names::kAny, .seed = seed});
    std::string left;
    for (const auto& [name, text] : store.look("d")) {
      left += name;
      EXPECT_EQ(text, "text");
    }
    found.insert(left);
  }
  EXPECT_EQ(found, (std::set<std::string>{"", "a", "b", "c"}));
}

/// Directories: what is in a lost one is lost, and a lost removal of one brings back what a lost
/// removal inside left.
TEST(PowerLossStates, OfDirectoriesWithWhatIsInThem) {
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Store store;
    store.boot();
    expect_ok(store.files().create_directory(store.path("old")));
    expect_ok(store.files().sync_directory(store.path("")));
    store.make_durable("old/f", "f");
    store.make_durable("moves", "m");
    expect_ok(store.files().remove(store.path("old/f")));
    expect_ok(store.files().remove(store.path("old")));
    expect_ok(store.files().create_directory(store.path("new")));
    expect_ok(store.files().rename(store.path("moves"), store.path("new/moves")));
    const auto outcome = store.lose_power({.names = Names::kAny, .seed = seed});
    EXPECT_EQ(outcome.directory_changes_kept + outcome.directory_changes_undone, 4U);
    std::string left;
    const auto names = posix_file_system().list(store.path(""));
    ASSERT_TRUE(names.has_value());
    for (const std::string& name : *names) {
      left += name + " ";
      const auto info = posix_file_system().info(store.path(name));
      if (info->kind == pluresdb::io::FileKind::kDirectory) {
        for (const auto& [inside, text] : store.look(name)) {
          left += name + "/" + inside + "=" + text + " ";
        }
      }
    }
    // The file that moves is in exactly one place, whatever became of the directories.
    EXPECT_NE(left.starts_with("moves ") || left.contains(" moves "), left.contains("new/moves=m"))
        << left;
    EXPECT_TRUE(left.contains("new ") || !left.contains("new/"));
    EXPECT_TRUE(left.contains("old ") || !left.contains("old/"));
    found.insert(left);
  }
  // old: with f, empty, gone; new: gone, empty, with the file. A removed directory takes f with it.
  EXPECT_EQ(found.size(), 9U);
}

/// A directory that is made again is a new one: what the old one held does not come back in it.
TEST(PowerLossStates, OfADirectoryThatIsMadeAgain) {
  for (const bool removed : {false, true}) {
    for (const bool directory_removed : {false, true}) {
      for (const bool made : {false, true}) {
        Store store;
        store.boot();
        expect_ok(store.files().create_directory(store.path("d")));
        expect_ok(store.files().sync_directory(store.path("")));
        store.make_durable("d/f", "f");
        expect_ok(store.files().remove(store.path("d/f")));
        expect_ok(store.files().remove(store.path("d")));
        expect_ok(store.files().create_directory(store.path("d")));
        store.lose_names({removed, directory_removed, made});
        const bool is_there = posix_file_system().info(store.path("d")).has_value();
        EXPECT_EQ(is_there, made || !directory_removed);
        if (is_there) {
          EXPECT_EQ(store.look("d").contains("f"), !removed && !directory_removed && !made);
        }
      }
    }
  }
}

TEST(PowerLossStates, GarbageIsAPart) {
  Store store;
  store.boot();
  for (const double garbage : {-0.1, 1.1}) {
    const Descriptor journal{*create_power_loss_journal()};
    const auto outcome = apply_power_loss(store.path(""), journal.get(), {.garbage = garbage});
    ASSERT_FALSE(outcome.has_value());
    EXPECT_EQ(outcome.error().code, pluresdb::ErrorCode::kInvalidArgument);
  }
}

TEST(PowerLossStates, ATornWriteIsOneOfSeveralSectors) {
  Store store;
  store.boot();
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    store.make_durable("f", "");
    for (std::uint64_t i = 0; i < 6; ++i) {
      store.write("f", i * 100, std::string(100, 'a'));  // Less than a sector each.
    }
    store.write("f", 600, std::string(3000, 'b'));
    store.write("f", 3600, std::string(100, 'c'));
    const auto outcome = store.lose_power(
        {.writes = Writes::kPrefix, .names = Names::kPrefix, .seed = seed, .tears = true});
    EXPECT_EQ(outcome.writes_torn, 1U);
    EXPECT_EQ(outcome.writes_kept, 6U);
    EXPECT_EQ(outcome.writes_discarded, 1U);
    store.boot();
  }
}

// Goal: evidence is what somebody can find. A file that loses its name takes what the device kept
// of its writes with it: nothing of it is counted as kept or torn. Mutant seen red: bytes before
// names.
TEST(PowerLossNames, BytesOfAFileWithoutANameAreDiscarded) {
  std::set<std::string> left;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    Store store;
    store.boot();
    store.make_durable("old", "old");
    {
      const auto file = store.files().open(store.path("new"), OpenMode::kCreateNew);
      ASSERT_TRUE(file.has_value());
      expect_ok((*file)->write(0, as_bytes(new_bytes())));
    }
    store.write("old", 0, new_bytes());
    if (seed % 2 == 0) {
      expect_ok(store.files().rename(store.path("new"), store.path("old")));
    }
    const auto outcome = store.lose_power(
        {.writes = Writes::kSubset, .names = Names::kAny, .seed = seed, .garbage = 0.5});
    std::uint64_t visible = 0;
    std::string names;
    for (const auto& [name, text] : store.look("")) {
      const bool changed = text != "old" && !text.empty();
      visible += changed ? 1U : 0U;
      names += name + (changed ? "+ " : " ");
    }
    left.insert(names);
    EXPECT_EQ(outcome.writes_kept + outcome.writes_torn + outcome.sizes_without_bytes, visible)
        << "seed " << seed << ": " << names;
    EXPECT_EQ(outcome.writes_discarded, 2 - visible);
    if (visible == 0) {
      EXPECT_EQ(outcome.bytes_kept + outcome.bytes_of_garbage + outcome.sectors_of_garbage, 0U);
      EXPECT_EQ(outcome.bytes_discarded, 2 * kNewBytes);
    }
  }
  EXPECT_TRUE(left.contains("old ") && left.contains("old+ ") && left.contains("new+ old+ "));
}

}  // namespace
}  // namespace faultinj
