// Random operations on power_loss_file_system against the model (power_loss_model.h), 1000 cases
// each. What is read must equal the live state; after a kill at any operation below and a power
// loss it must equal the durable state. Mutants seen red: see the names of the properties.
#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include "engine/io/file_system.h"
#include "faultinj/pending_state.h"
#include "faultinj/power_loss.h"
#include "faultinj/power_loss_file_system.h"
#include "faultinj/power_loss_journal.h"
#include "faultinj/power_loss_journal_format.h"
#include "faultinj/surviving_names.h"
#include "faultinj/sync_failure.h"
#include "faultinj/tests/observed_file_system.h"
#include "faultinj/tests/power_loss_model.h"
#include "faultinj/tests/test_directory.h"
#include <pluresdb/error.h>

namespace faultinj {
namespace {

using pluresdb::Result;
using pluresdb::Status;
using pluresdb::io::FileSystem;
using Names = PowerLossPolicy::Names;
using Writes = PowerLossPolicy::Writes;

std::string text_of(const Status& status) {
  return status ? std::string() : pluresdb::to_string(status.error());
}

int new_journal() {
  const auto journal = create_power_loss_journal();
  RC_ASSERT(journal.has_value());
  return *journal;
}

/// A directory, a journal and a file system over both: one machine.
struct Machine {
  TestDirectory directory{TestDirectory::Where::kMemory};
  Descriptor journal{new_journal()};
  ObservedFileSystem below;
  std::unique_ptr<FileSystem> files;
  std::unique_ptr<ModelRunner> runner;
  Model model;

  Machine() {
    boot();
    RC_ASSERT(text_of(runner->make_directories()) == "");
  }

  /// A worker starts (again): handles are gone, the journal is inherited.
  void boot() {
    runner.reset();
    files.reset();
    auto made = make_power_loss_file_system(below, directory.path(), journal.get());
    RC_ASSERT(made.has_value());
    files = *std::move(made);
    runner = std::make_unique<ModelRunner>(*files, directory.path());
    model.close_slots();
  }

  /// False when the operation is impossible in this state.
  bool step(const ModelOperation& operation) {
    if (!model.is_possible(operation)) {
      return false;
    }
    const Status done = runner->run(operation);
    RC_ASSERT(done.has_value() != model.fails(operation));
    model.apply(operation);
    return true;
  }

  Contents contents() {
    auto read = read_contents(*files, directory.path());
    RC_ASSERT(read.has_value());
    return *std::move(read);
  }

  PowerLossOutcome lose_power(const PowerLossPolicy& policy) {
    runner.reset();
    files.reset();
    const auto outcome = apply_power_loss(directory.path(), journal.get(), policy);
    RC_ASSERT(outcome.has_value());
    boot();
    return *outcome;
  }
};

/// What a kill right now would leave: a copy of the directory and of the journal.
struct CrashImage {
  TestDirectory directory{TestDirectory::Where::kMemory};
  Descriptor journal;

  /// `journal_bytes`: the kill came when the journal was so long.
  CrashImage(const std::string& root, int from,
             off_t journal_bytes = std::numeric_limits<off_t>::max())
      : journal(new_journal()) {
    namespace fs = std::filesystem;
    fs::copy(root, directory.path(), fs::copy_options::recursive);
    std::vector<char> bytes(1 << 16);
    off_t offset = 0;
    while (offset < journal_bytes) {
      const std::size_t wanted =
          std::min<std::size_t>(bytes.size(), static_cast<std::size_t>(journal_bytes - offset));
      const ssize_t count = ::pread(from, bytes.data(), wanted, offset);
      RC_ASSERT(count >= 0);
      if (count == 0) {
        break;
      }
      RC_ASSERT(::pwrite(journal.get(), bytes.data(), static_cast<std::size_t>(count), offset) ==
                count);
      offset += count;
    }
  }
};

std::vector<std::uint32_t> any_operations() {
  return *rc::gen::container<std::vector<std::uint32_t>>(
      rc::gen::inRange<std::uint32_t>(0, std::numeric_limits<std::uint32_t>::max()));
}

void check_slots(Machine& machine) {
  for (std::size_t slot = 0; slot < kModelSlots; ++slot) {
    if (machine.model.slots.at(slot) != Model::kClosed) {
      const auto contents = machine.runner->read_slot(slot);
      RC_ASSERT(contents.has_value());
      RC_ASSERT(*contents == machine.model.files.at(machine.model.slots.at(slot)).live);
    }
  }
}

// Mutants seen red: reads ignore unsynced bytes; a truncation does not hide the file below.
RC_GTEST_PROP(PowerLossFileSystem, ReadsEqualTheLiveStateAlsoAfterInheriting, ()) {
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    if (machine.step(decode_operation(number)) && number % 16 == 0) {
      check_slots(machine);
      RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.live, false));
    }
    if (number % 37 == 0) {
      machine.boot();
    }
  }
  check_slots(machine);
  RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.live, false));
  machine.boot();
  RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.live, false));
}

// Mutants seen red: a file's sync makes its name durable; changes undone in forward order; a
// replaced file is not put back.
RC_GTEST_PROP(PowerLossFileSystem, PowerLossLeavesExactlyTheDurableState, ()) {
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    machine.step(decode_operation(number));
    if (number % 29 == 0) {
      machine.lose_power({});
      machine.model.lose_power();
      RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.live, false));
    }
  }
  machine.lose_power({});
  machine.model.lose_power();
  RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.live, false));
  const auto pending = power_loss_pending(machine.journal.get());
  RC_ASSERT(pending.has_value() && pending->bytes == 0 && pending->directory_changes == 0);
  // Nothing of ours stays behind.
  RC_ASSERT(!std::filesystem::exists(machine.directory.path() + "/.power-loss"));
}

RC_GTEST_PROP(PowerLossFileSystem, KeepingEverythingMakesTheFilesBelowTheLiveState, ()) {
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    machine.step(decode_operation(number));
  }
  machine.lose_power(PowerLossPolicy::keeping_everything());
  const auto below = read_contents(pluresdb::io::posix_file_system(), machine.directory.path());
  RC_ASSERT(below.has_value());
  for (ModelFile& file : machine.model.files) {  // Clean pages are lost even so.
    file.sync_all();
  }
  RC_ASSERT(*below == contents_of(machine.model, machine.model.live, true));
}

off_t size_of(int descriptor) {
  struct stat found{};
  RC_ASSERT(::fstat(descriptor, &found) == 0);
  return found.st_size;
}

/// Where the journal ends when a kill came before, between or behind the records from `begin` on. A
/// record's header comes last, so there is none without its payload.
std::vector<off_t> ends_from(int journal, off_t begin) {
  std::vector<off_t> ends{begin, size_of(journal)};
  const auto image = read_journal(journal);
  RC_ASSERT(image.has_value());
  for (const auto& [seq, record] : image->live) {
    if (static_cast<off_t>(record.position) >= begin) {
      ends.push_back(static_cast<off_t>(record.position));
      ends.push_back(static_cast<off_t>(record.position + record_bytes(record)));
    }
  }
  return ends;
}

// Goal: a sync that fails is one step for the next worker: it goes on as if the failure had never
// been, or as after it; seen in what is read, and in what its own sync makes durable of the file.
// Method: nothing below changes, so a kill is a journal that ends somewhere inside the records.
// Mutant seen red: what is replaced is retired by a record of its own, after the pages are marked
// clean.
RC_GTEST_PROP(PowerLossFileSystem, AKillInsideAFailingSyncIsBeforeItOrAfter, ()) {
  using Kind = ModelOperation::Kind;
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    machine.step(decode_operation(number));
  }
  const auto write = [] {
    return ModelOperation{.kind = Kind::kWrite,
                          .offset = *rc::gen::inRange<std::uint64_t>(0, 9000),
                          .length = *rc::gen::inRange<std::uint64_t>(1, 9000),
                          .fill = *rc::gen::inRange('a', 'z')};
  };
  machine.step({.kind = Kind::kCreate, .name = "x"});
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
    machine.step(write());
  }
  const Model before = machine.model;
  const off_t begin = size_of(machine.journal.get());
  const auto failure = *rc::gen::element(SyncFailure::kMarkedClean, SyncFailure::kReverted);
  RC_ASSERT(machine.step({.kind = Kind::kFailSync, .failure = failure}));
  const CrashImage image(machine.directory.path(), machine.journal.get(),
                         *rc::gen::elementOf(ends_from(machine.journal.get(), begin)));

  std::vector<Model> states{before, machine.model};
  const std::vector<ModelOperation> next{{.kind = Kind::kOpen, .name = "x"},
                                         write(),
                                         {.kind = Kind::kSyncData},
                                         {.kind = Kind::kSyncDirectory}};
  {
    const auto inherited =
        make_power_loss_file_system(machine.below, image.directory.path(), image.journal.get());
    RC_ASSERT(inherited.has_value());
    const auto contents = read_contents(**inherited, image.directory.path());
    RC_ASSERT(contents.has_value());
    std::erase_if(states, [&](const Model& state) {
      return contents_of(state, state.live, false) != *contents;
    });
    RC_ASSERT(!states.empty());
    ModelRunner runner(**inherited, image.directory.path());
    for (const ModelOperation& operation : next) {
      RC_ASSERT(text_of(runner.run(operation)) == "");
    }
  }
  for (Model& state : states) {
    state.close_slots();
    for (const ModelOperation& operation : next) {
      state.apply(operation);
    }
  }
  RC_ASSERT(apply_power_loss(image.directory.path(), image.journal.get(), {}).has_value());
  const auto durable = read_contents(pluresdb::io::posix_file_system(), image.directory.path());
  RC_ASSERT(durable.has_value());
  RC_ASSERT(std::ranges::any_of(states, [&](const Model& state) {
    return contents_of(state, state.durable, true) == *durable;
  }));
}

// Mutants seen red: the change is made below before it is in the journal; settle() does nothing.
RC_GTEST_PROP(PowerLossFileSystem, AKillAtAnyOperationBelowLeavesAUsableJournal, ()) {
  Machine machine;
  const auto kill_at = *rc::gen::inRange<std::uint64_t>(0, 60);
  std::uint64_t changes = 0;
  std::unique_ptr<CrashImage> image;
  machine.below.before_change = [&] {
    if (changes++ == kill_at) {
      image = std::make_unique<CrashImage>(machine.directory.path(), machine.journal.get());
    }
  };
  std::optional<ModelOperation> inside;
  Model before = machine.model;
  for (const std::uint32_t number : any_operations()) {
    before = machine.model;
    inside = decode_operation(number);
    machine.step(*inside);
    if (image != nullptr) {
      break;
    }
  }
  machine.below.before_change = [] {};
  if (image == nullptr) {  // The kill comes behind the last operation.
    inside.reset();
    before = machine.model;
    image = std::make_unique<CrashImage>(machine.directory.path(), machine.journal.get());
  }
  {
    const auto inherited =
        make_power_loss_file_system(machine.below, image->directory.path(), image->journal.get());
    RC_ASSERT(inherited.has_value());
    const auto contents = read_contents(**inherited, image->directory.path());
    RC_ASSERT(contents.has_value());
    RC_ASSERT(*contents == contents_of(before, before.live, false) ||
              *contents == contents_of(machine.model, machine.model.live, false));
  }
  const auto outcome = apply_power_loss(image->directory.path(), image->journal.get(), {});
  RC_ASSERT(outcome.has_value());
  const auto durable = read_contents(pluresdb::io::posix_file_system(), image->directory.path());
  RC_ASSERT(durable.has_value());
  RC_ASSERT(durable_states(before, inside).contains(*durable));
}

/// What may be found in one byte of a file.
struct PossibleBytes {
  std::set<char> values;
  bool anything = false;  ///< An unsynced write covers it, and garbage is possible.
};

/// Every byte is a durable one, one that was written since, or a zero where the file has grown;
/// where no operation since the sync came, it is the durable one.
bool is_mixture(const ModelFile& file, const std::string& found, bool garbage) {
  std::vector<PossibleBytes> possible(file.durable.size());
  for (std::size_t index = 0; index < file.durable.size(); ++index) {
    possible.at(index).values = {file.durable.at(index)};
  }
  std::size_t shortest = file.durable.size();
  for (const ModelOperation& operation : file.unsynced) {
    using Kind = ModelOperation::Kind;
    const bool writes = operation.kind == Kind::kWrite;
    const std::size_t end = operation.offset + (writes ? operation.length : 0);
    const std::size_t known = possible.size();
    possible.resize(std::max(known, end));
    for (std::size_t index = known; index < end; ++index) {
      possible.at(index).values = {'\0'};
    }
    if (operation.kind == Kind::kTruncate) {
      shortest = std::min<std::size_t>(shortest, operation.offset);
      for (std::size_t index = operation.offset; index < possible.size(); ++index) {
        possible.at(index).values.insert('\0');
      }
    }
    for (std::size_t index = operation.offset; index < end; ++index) {
      possible.at(index).values.insert(operation.fill);
      possible.at(index).anything = garbage;
    }
  }
  if (found.size() > possible.size() || found.size() < shortest) {
    return false;
  }
  for (std::size_t index = 0; index < found.size(); ++index) {
    if (!possible.at(index).anything && !possible.at(index).values.contains(found.at(index))) {
      return false;
    }
  }
  return true;
}

/// Names and bytes are those of `names`, each file a mixture.
bool is_image(const Model& model, const ModelNames& names, const Contents& contents, bool garbage) {
  std::size_t count = 0;
  for (std::size_t directory = 0; directory < kModelDirectories; ++directory) {
    for (const auto& [name, file] : names.at(directory)) {
      const auto found = contents.find("d" + std::to_string(directory) + "/" + name);
      if (found == contents.end() || !is_mixture(model.files.at(file), found->second, garbage)) {
        return false;
      }
      ++count;
    }
  }
  return count == contents.size();
}

std::vector<bool> first_of(std::size_t count, std::size_t all) {
  std::vector<bool> bits(all, false);
  std::fill_n(bits.begin(), count, true);
  return bits;
}

RC_GTEST_PROP(PowerLossFileSystem, ASubsetIsAMixtureOfOldAndNew, ()) {
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    machine.step(decode_operation(number));
  }
  const std::uint64_t unsynced_changes = machine.model.changes.size();
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto writes = *rc::gen::element(Writes::kPrefix, Writes::kSubset);
  const auto outcome =
      machine.lose_power({.writes = writes, .names = Names::kPrefix, .seed = seed});
  RC_ASSERT(outcome.directory_changes_kept + outcome.directory_changes_undone == unsynced_changes);
  RC_ASSERT(outcome.names_out_of_order == 0U);
  RC_ASSERT(outcome.sectors_of_garbage == 0U);
  const ModelNames names = machine.model.names_after(outcome.directory_changes_kept);
  RC_ASSERT(names ==
            machine.model.names_with(first_of(outcome.directory_changes_kept, unsynced_changes)));
  RC_ASSERT(is_image(machine.model, names, machine.contents(), false));
}

/// A write turned `before` into `after` and was cut somewhere inside.
bool lies_between(const Contents& before, const Contents& after, const Contents& found) {
  if (found.size() != before.size() || found.size() != after.size()) {
    return false;
  }
  return std::ranges::all_of(found, [&](const auto& entry) {
    const auto& [path, text] = entry;
    if (!before.contains(path) || !after.contains(path)) {
      return false;
    }
    const std::string& old_text = before.at(path);
    const std::string& new_text = after.at(path);
    // From the first byte that is not new on everything is old.
    std::size_t place = 0;
    while (place < text.size() && place < new_text.size() && text[place] == new_text[place]) {
      ++place;
    }
    return text.size() >= old_text.size() && text.size() <= new_text.size() &&
           text.substr(place) == old_text.substr(std::min(place, old_text.size()));
  });
}

// What a disk that keeps the order of everything leaves: the state after one of the operations, and
// perhaps a beginning of the next one, when that is a write.
// Mutants seen red: the cut is chosen for each file; names are cut elsewhere than bytes.
RC_GTEST_PROP(PowerLossFileSystem, APrefixIsOnePointInTime, ()) {
  using Kind = ModelOperation::Kind;
  Machine machine;
  std::vector<Contents> states{contents_of(machine.model, machine.model.live, false)};
  for (const std::uint32_t number : any_operations()) {
    const ModelOperation operation = decode_operation(number);
    const bool syncs = operation.kind == Kind::kSyncData || operation.kind == Kind::kSyncAll ||
                       operation.kind == Kind::kFailSync || operation.kind == Kind::kSyncDirectory;
    if (!syncs && machine.step(operation)) {
      states.push_back(contents_of(machine.model, machine.model.live, false));
    }
  }
  const auto outcome = machine.lose_power({.writes = Writes::kPrefix,
                                           .names = Names::kPrefix,
                                           .seed = *rc::gen::arbitrary<std::uint64_t>(),
                                           .sector_bytes = *rc::gen::element(512U, 4096U)});
  RC_ASSERT(outcome.writes_out_of_order == 0U);
  RC_ASSERT(outcome.writes_torn <= 1U);
  const Contents found = machine.contents();
  bool explained = outcome.writes_torn == 0 && std::ranges::find(states, found) != states.end();
  for (std::size_t index = 1; outcome.writes_torn > 0 && index < states.size(); ++index) {
    explained = explained || lies_between(states.at(index - 1), states.at(index), found);
  }
  RC_ASSERT(explained);
}

/// The power loss made by hand, with the surviving changes chosen by the test.
void lose_names(Machine& machine, const std::vector<bool>& kept) {
  machine.runner.reset();
  machine.files.reset();
  FileSystem& files = pluresdb::io::posix_file_system();
  const std::string root = machine.directory.path();
  auto journal = Journal::open(machine.journal.get());
  RC_ASSERT(journal.has_value());
  const auto state = load_pending(files, root, **journal);
  RC_ASSERT(state.has_value());
  RC_ASSERT(state->changes.size() == kept.size());
  RC_ASSERT(leave_names(files, root, state->changes, kept).has_value());
  RC_ASSERT(text_of((*journal)->clear()) == "");
  RC_ASSERT(text_of(clean_aside(files, root, {})) == "");
  journal->reset();
  machine.boot();
}

/// As decode_operation, with little else than names.
ModelOperation decode_change(std::uint32_t number) {
  using Kind = ModelOperation::Kind;
  constexpr std::array<Kind, 8> kKinds{Kind::kCreate, Kind::kCreate,       Kind::kRename,
                                       Kind::kRename, Kind::kRename,       Kind::kRemove,
                                       Kind::kRemove, Kind::kSyncDirectory};
  ModelOperation operation = decode_operation(number);
  if (operation.kind != Kind::kWrite && operation.kind != Kind::kSyncAll) {
    operation.kind = kKinds.at(operation.length % kKinds.size());
  }
  return operation;
}

// Mutants seen red: a file keeps its old name; a removal takes whatever has the name; a later
// creation does not replace.
RC_GTEST_PROP(PowerLossFileSystem, AnySubsetOfChangesLeavesTheNamesOfTheModel, ()) {
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    machine.step(decode_change(number));
  }
  const auto kept = *rc::gen::container<std::vector<bool>>(machine.model.changes.size(),
                                                           rc::gen::arbitrary<bool>());
  lose_names(machine, kept);
  RC_ASSERT(machine.contents() == contents_of(machine.model, machine.model.names_with(kept), true));
  RC_ASSERT(!std::filesystem::exists(machine.directory.path() + "/.power-loss"));
}

/// Whether some subset of `kept` changes explains what was found.
bool some_subset_explains(const Model& model, std::uint64_t kept, const Contents& contents) {
  const std::size_t changes = model.changes.size();
  for (std::uint64_t bits = 0; bits < 1ULL << changes; ++bits) {
    if (static_cast<std::uint64_t>(std::popcount(bits)) != kept) {
      continue;
    }
    std::vector<bool> subset(changes);
    for (std::size_t index = 0; index < changes; ++index) {
      subset.at(index) = (bits >> index & 1U) != 0;
    }
    if (is_image(model, model.names_with(subset), contents, true)) {
      return true;
    }
  }
  return false;
}

constexpr PowerLossPolicy kWorst{.writes = Writes::kSubset, .names = Names::kAny, .garbage = 0.5};
constexpr std::size_t kChangesToExplain = 10;

// Mutants seen red: garbage fills whole sectors; a torn write begins at its sector.
RC_GTEST_PROP(PowerLossFileSystem, WhateverIsLostSyncedBytesAndNamesStay, ()) {
  Machine machine;
  for (const std::uint32_t number : any_operations()) {
    machine.step(decode_operation(number));
  }
  PowerLossPolicy policy = kWorst;
  policy.seed = *rc::gen::arbitrary<std::uint64_t>();
  policy.sector_bytes = *rc::gen::element(512U, 4096U);
  const auto outcome = machine.lose_power(policy);
  const Contents contents = machine.contents();
  const ModelNames untouched = machine.model.untouched_names();
  for (std::size_t directory = 0; directory < kModelDirectories; ++directory) {
    for (const auto& [name, file] : untouched.at(directory)) {
      const auto found = contents.find("d" + std::to_string(directory) + "/" + name);
      RC_ASSERT(found != contents.end());
      RC_ASSERT(is_mixture(machine.model.files.at(file), found->second, true));
    }
  }
  if (machine.model.changes.size() <= kChangesToExplain) {
    RC_ASSERT(some_subset_explains(machine.model, outcome.directory_changes_kept, contents));
  }
}

// Mutants seen red: the dice depend on the place of the journal in memory.
RC_GTEST_PROP(PowerLossFileSystem, TheSameHistoryAndSeedLeaveTheSameImage, ()) {
  const auto operations = any_operations();
  PowerLossPolicy policy = kWorst;
  policy.seed = *rc::gen::arbitrary<std::uint64_t>();
  std::vector<Contents> images;
  std::vector<PowerLossOutcome> outcomes;
  for (int run = 0; run < 2; ++run) {
    Machine machine;
    for (const std::uint32_t number : operations) {
      machine.step(decode_operation(number));
    }
    outcomes.push_back(machine.lose_power(policy));
    images.push_back(machine.contents());
  }
  RC_ASSERT(images.at(0) == images.at(1));
  RC_ASSERT(outcomes.at(0) == outcomes.at(1));
}

}  // namespace
}  // namespace faultinj
